/** Owns the text form of label selectors: its words, its grammar, and the refusals of Kubernetes 1.20. */
import { badRequest } from './status.ts';

export type LabelTest = (labels: Readonly<Record<string, string>> | undefined) => boolean;

const SIGNS = /^(==|!=|[=!()<>,])/;
const WORD = /^[^\s=!()<>,]+/;
const BINARY = 'in, notin, =, ==, !=, gt, lt';
const KEY_NAME = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const KEY_PREFIX = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const KEY_RULE =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. " +
  "'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE_RULE =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an " +
  "alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is " +
  "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/** Throws 400 where the text cannot be understood. An empty text matches everything: undefined. */
export function parseLabelSelector(text: string): LabelTest | undefined {
  if (text.trim() === '') return undefined;
  const tests = new Parser(text).selector();
  return (labels) => tests.every((matches) => matches(labels));
}

/** Signs and words; '' stands for the end. */
function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  let rest = text.trimStart();
  while (rest !== '') {
    const token = (SIGNS.exec(rest) ?? WORD.exec(rest))?.[0] ?? rest;
    tokens.push(token);
    rest = rest.slice(token.length).trimStart();
  }
  return tokens;
}

class Parser {
  readonly #tokens: string[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
  }

  selector(): LabelTest[] {
    const tests: LabelTest[] = [];
    for (;;) {
      const token = this.#peek();
      if (token === '') return tests;
      if (token !== '!' && !isWord(token)) throw badRequest(`found '${token}', expected: !, identifier, or 'end of string'`);
      tests.push(this.#requirement());
      const end = this.#take();
      if (end === '') return tests;
      if (end !== ',') throw badRequest(`found '${end}', expected: ',' or 'end of string'`);
      const next = this.#peek();
      if (next !== '!' && !isWord(next)) throw badRequest(`found '${next}', expected: identifier after ','`);
    }
  }

  #requirement(): LabelTest {
    const negated = this.#peek() === '!';
    if (negated) this.#take();
    const key = this.#take();
    if (!isWord(key)) throw unparsable(`found '${key}', expected: identifier`);
    checkKey(key);
    if (negated) return (labels) => valueOf(labels, key) === undefined;
    const end = this.#peek();
    if (end === '' || end === ',') return (labels) => valueOf(labels, key) !== undefined;
    const operator = this.#take();
    switch (operator) {
      case 'in':
      case 'notin':
        return setTest(key, this.#values(), operator === 'in');
      case '=':
      case '==':
      case '!=':
        return setTest(key, new Set([this.#value()]), operator !== '!=');
      case '<':
      case '>':
        return orderTest(key, this.#value(), operator);
      default:
        throw unparsable(`found '${operator}', expected: ${BINARY}`);
    }
  }

  #value(): string {
    const token = this.#peek();
    if (token === '' || token === ',') return '';
    this.#take();
    if (!isWord(token)) throw unparsable(`found '${token}', expected: identifier`);
    return checkValue(token);
  }

  /** `(a,b)`; an empty place is the empty value. */
  #values(): Set<string> {
    const open = this.#take();
    if (open !== '(') throw unparsable(`found '${open}' expected: '('`);
    const values = new Set<string>();
    let first = this.#peek();
    if (first !== ')' && first !== ',' && !isWord(first)) throw unparsable(`found '${first}', expected: ',', ')' or identifier`);
    for (;;) {
      first = this.#peek();
      if (isWord(first)) values.add(checkValue(this.#take()));
      else if (first === ',' || first === ')') values.add('');
      else throw unparsable(`found '${first}', expected: ',', or identifier`);
      const end = this.#take();
      if (end === ')') return values;
      if (end !== ',') throw unparsable(`found '${end}', expected: ',' or ')'`);
    }
  }

  #peek(): string {
    return this.#tokens[this.#at] ?? '';
  }

  #take(): string {
    const token = this.#peek();
    this.#at += 1;
    return token;
  }
}

function isWord(token: string): boolean {
  return WORD.test(token);
}

function setTest(key: string, values: ReadonlySet<string>, within: boolean): LabelTest {
  return (labels) => {
    const value = valueOf(labels, key);
    return value === undefined ? !within : values.has(value) === within;
  };
}

function orderTest(key: string, text: string, sign: '<' | '>'): LabelTest {
  const limit = integerIn(text);
  if (limit === undefined) throw unparsable("for 'Gt', 'Lt' operators, the value must be an integer");
  return (labels) => {
    const value = integerIn(valueOf(labels, key) ?? '');
    return value !== undefined && (sign === '>' ? value > limit : value < limit);
  };
}

function integerIn(text: string): bigint | undefined {
  return /^[+-]?\d{1,19}$/.test(text) ? BigInt(text.replace('+', '')) : undefined;
}

function valueOf(labels: Readonly<Record<string, string>> | undefined, key: string): string | undefined {
  return labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
}

function checkKey(key: string): void {
  const fault = keyFault(key);
  if (fault !== undefined) throw unparsable(`invalid label key ${JSON.stringify(key)}: ${fault}`);
}

function keyFault(key: string): string | undefined {
  const parts = key.split('/');
  const name = parts.at(-1) ?? '';
  if (parts.length > 2) {
    return `a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`;
  }
  if (parts.length === 2 && (parts[0] ?? '') === '') return 'prefix part must be non-empty';
  if (parts.length === 2 && !KEY_PREFIX.test(parts[0] ?? '')) return 'prefix part must be a lowercase RFC 1123 subdomain';
  if (name === '') return `name part must be non-empty; ${KEY_RULE}`;
  if (name.length > 63) return 'name part must be no more than 63 characters';
  return KEY_NAME.test(name) ? undefined : KEY_RULE;
}

function checkValue(value: string): string {
  const fault = value.length > 63 ? 'must be no more than 63 characters' : VALUE.test(value) ? undefined : VALUE_RULE;
  if (fault !== undefined) throw unparsable(`invalid label value: ${JSON.stringify(value)}: ${fault}`);
  return value;
}

function unparsable(why: string): Error {
  return badRequest(`unable to parse requirement: ${why}`);
}

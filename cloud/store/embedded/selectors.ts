/** Owns label and field selectors: parsing with the texts of Kubernetes, and matching. */
import { badRequest } from './status.ts';

export type LabelTest = (labels: Readonly<Record<string, string>> | undefined) => boolean;

export interface FieldRequirement {
  field: string;
  value: string;
  equal: boolean;
}

const WORD = /^[A-Za-z0-9._/-]+/;

/** Throws 400 where the text cannot be understood. An empty text matches everything: undefined. */
export function parseLabelSelector(text: string): LabelTest | undefined {
  if (text.trim() === '') return undefined;
  const tests = splitRequirements(text).map(parseLabelRequirement);
  return (labels) => tests.every((matches) => matches(labels));
}

/** Splits at commas outside parentheses. */
function splitRequirements(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at];
    if (sign === '(') depth += 1;
    else if (sign === ')') depth -= 1;
    else if (sign === ',' && depth === 0) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

function parseLabelRequirement(part: string): LabelTest {
  let rest = part.trim();
  const negated = rest.startsWith('!') && !rest.startsWith('!=');
  if (negated) rest = rest.slice(1).trim();
  const key = WORD.exec(rest)?.[0];
  if (key === undefined) throw unparsable(`found '${rest.slice(0, 1)}', expected: !, identifier, or 'end of string'`);
  rest = rest.slice(key.length).trim();
  if (rest === '') return negated ? (labels) => valueOf(labels, key) === undefined : (labels) => valueOf(labels, key) !== undefined;
  if (negated) throw unparsable(`found '${rest.slice(0, 1)}', expected: ',' or 'end of string'`);
  return comparison(key, rest);
}

function comparison(key: string, rest: string): LabelTest {
  const set = /^(in|notin)\s*\(([^()]*)\)$/.exec(rest);
  if (set !== null) {
    const values = new Set((set[2] ?? '').split(',').map((value) => value.trim()));
    return set[1] === 'in'
      ? (labels) => {
          const value = valueOf(labels, key);
          return value !== undefined && values.has(value);
        }
      : (labels) => {
          const value = valueOf(labels, key);
          return value === undefined || !values.has(value);
        };
  }
  const operator = /^(==|=|!=)/.exec(rest)?.[0];
  if (operator === undefined) throw unparsable(`found '${rest.split(/\s/)[0] ?? ''}', expected: in, notin, =, ==, !=, gt, lt`);
  const value = rest.slice(operator.length).trim();
  if (value !== '' && WORD.exec(value)?.[0] !== value)
    throw unparsable(`found '${value.replace(WORD, '').slice(0, 1)}', expected: identifier`);
  return operator === '!=' ? (labels) => valueOf(labels, key) !== value : (labels) => valueOf(labels, key) === value;
}

function valueOf(labels: Readonly<Record<string, string>> | undefined, key: string): string | undefined {
  return labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
}

function unparsable(why: string): Error {
  return badRequest(`unable to parse requirement: ${why}`);
}

/** `a=b,c!=d`; an empty value is legal. Throws 400. */
export function parseFieldSelector(text: string): FieldRequirement[] {
  if (text.trim() === '') return [];
  return text.split(',').map((part) => {
    const found = /^([^=!]+?)(!=|==|=)(.*)$/.exec(part.trim());
    if (found === null) throw badRequest(`invalid selector: '${text}'; can't understand '${part.trim()}'`);
    return { field: found[1] ?? '', equal: found[2] !== '!=', value: found[3] ?? '' };
  });
}

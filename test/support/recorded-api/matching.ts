/** Owns the comparison of a recorded body with one of ours: placeholders such as `<rv-2>` stand for one value each, all through a file. */
import { isObject } from './steps.ts';

/** Which value of ours each numbered placeholder stands for, and the other way round. */
export class Placeholders {
  readonly #values = new Map<string, string>();
  readonly #names = new Map<string, string>();

  /** False when the placeholder stands for another value already, or the value for another placeholder of its sort. */
  agree(placeholder: string, value: string): boolean {
    const sort = placeholder.replace(/-\d+>$/, '');
    const known = this.#values.get(placeholder) ?? value;
    const name = this.#names.get(`${sort} ${value}`) ?? placeholder;
    if (known !== value || name !== placeholder) return false;
    this.#values.set(placeholder, value);
    this.#names.set(`${sort} ${value}`, placeholder);
    return true;
  }
}

const TIME = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z`;
/** What may stand in the place of each; the numbered ones are `<uid-1>`, `<rv-2>`, … */
const FORMS: Record<string, string> = {
  time: TIME,
  age: String.raw`(?:\d+[smhdy])+|<unknown>`,
  uid: String.raw`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`,
  rv: String.raw`\d+`,
  'list-rv': String.raw`\d+`,
  n: String.raw`\d+`,
  hash: '.+',
  'generated-name': String.raw`[a-z0-9.-]+`,
  token: '.+',
};
const PLACEHOLDER = new RegExp(`<(${Object.keys(FORMS).join('|')})(?:-\\d+)?>`, 'g');

/** One line for each difference: path, recorded, ours. Empty when they are the same. */
export function differences(recorded: unknown, ours: unknown, placeholders: Placeholders): string[] {
  return compare(recorded, ours, { placeholders, at: '' });
}

interface Place {
  placeholders: Placeholders;
  at: string;
}

function compare(recorded: unknown, ours: unknown, { placeholders, at }: Place): string[] {
  if (typeof recorded === 'string' && typeof ours === 'string')
    return sameText(recorded, ours, placeholders) ? [] : [line(at, recorded, ours)];
  if (Array.isArray(recorded) && Array.isArray(ours)) {
    if (recorded.length !== ours.length) return [line(at, recorded, ours)];
    return recorded.flatMap((item, index) => compare(item, ours[index], { placeholders, at: `${at}[${index}]` }));
  }
  if (isObject(recorded) && isObject(ours)) {
    const keys = [...new Set([...Object.keys(recorded), ...Object.keys(ours)])].sort();
    return keys.flatMap((key) => compare(recorded[key], ours[key], { placeholders, at: `${at}.${key}` }));
  }
  return recorded === ours ? [] : [line(at, recorded, ours)];
}

function line(at: string, recorded: unknown, ours: unknown): string {
  const show = (value: unknown): string => (JSON.stringify(value) ?? 'absent').slice(0, 300);
  return `${at}: recorded ${show(recorded)}, ours ${show(ours)}`;
}

function sameText(recorded: string, ours: string, placeholders: Placeholders): boolean {
  const found = [...recorded.matchAll(PLACEHOLDER)];
  if (found.length === 0) return generated(recorded, ours) || recorded === ours;
  let pattern = '';
  let end = 0;
  for (const match of found) {
    pattern += `${literal(recorded.slice(end, match.index))}(${FORMS[match[1] ?? ''] ?? ''})`;
    end = match.index + match[0].length;
  }
  const values = new RegExp(`^${pattern}${literal(recorded.slice(end))}$`, 's').exec(ours);
  if (values === null) return false;
  return found.every((match, index) => !/-\d+>$/.test(match[0]) || placeholders.agree(match[0], values[index + 1] ?? ''));
}

/** A generated name where only names were kept: `gen-?`. */
function generated(recorded: string, ours: string): boolean {
  return recorded.endsWith('-?') && ours.startsWith(recorded.slice(0, -1));
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** As the recording was made: without managedFields and descriptions of columns, causes in order of their texts. */
export function normalise(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normalise);
  if (!isObject(value)) return value;
  const result: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) {
    if (key === 'managedFields') continue;
    if (key === 'causes' && Array.isArray(member)) result[key] = sorted(member.map(normalise));
    else if (key === 'columnDefinitions' && Array.isArray(member)) result[key] = member.map(withoutDescription);
    else result[key] = normalise(member);
  }
  // The texts of several causes stand in the message in any order.
  if (result['kind'] === 'Status' && typeof result['message'] === 'string') {
    result['message'] = result['message'].replace(/is invalid: \[.*\]$/s, 'is invalid: [<the causes, in any order>]');
  }
  return result;
}

function sorted(causes: unknown[]): unknown[] {
  const text = (cause: unknown): string => (isObject(cause) ? `${String(cause['field'])} ${String(cause['message'])}` : '');
  return [...causes].sort((a, b) => (text(a) < text(b) ? -1 : 1));
}

function withoutDescription(column: unknown): unknown {
  if (!isObject(column)) return column;
  const { description, ...rest } = column;
  void description;
  return rest;
}

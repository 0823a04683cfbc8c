/** Owns what a value text means per property type: check, compare, bounds, aliases of true and false. */

export type ValueType = 'int' | 'float' | 'double' | 'boolean' | 'string' | 'bytes';

const words: ReadonlyMap<string, ValueType> = new Map([
  ['int', 'int'],
  ['integer', 'int'],
  ['long', 'int'],
  ['int64', 'int'],
  ['float', 'float'],
  ['double', 'double'],
  ['boolean', 'boolean'],
  ['bool', 'boolean'],
  ['string', 'string'],
  ['bytes', 'bytes'],
]);

/** The type behind a word of any generation or mapper (`INT`, `integer`, `bool`, ...); undefined for unknown words. */
export function valueTypeOf(word: string): ValueType | undefined {
  return words.get(word.toLowerCase());
}

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
/** What Go's ParseFloat(64) takes (reference/mqtt-topics.md 6.4): decimal, exponent, hex floats, Inf, NaN, single underscores not. */
const goFloat = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)p[+-]?\d+|inf(?:inity)?|nan)$/i;

/** The int64 behind a text, or undefined. */
export function parseInt64(text: string): bigint | undefined {
  if (!/^[+-]?\d{1,40}$/.test(text)) return undefined;
  const value = BigInt(text.startsWith('+') ? text.slice(1) : text);
  return value >= INT64_MIN && value <= INT64_MAX ? value : undefined;
}

/** The number behind a float text as Go reads it, or undefined. */
export function parseFloat64(text: string): number | undefined {
  if (!goFloat.test(text)) return undefined;
  const bare = text.replace(/^[+-]/, '').toLowerCase();
  const sign = text.startsWith('-') ? -1 : 1;
  if (bare.startsWith('inf')) return sign * Infinity;
  if (bare === 'nan') return NaN;
  if (bare.startsWith('0x')) return sign * parseHexFloat(bare);
  const value = Number(text);
  // Go answers a range error for a decimal text beyond the largest float64.
  return Number.isFinite(value) ? value : undefined;
}

function parseHexFloat(text: string): number {
  const [mantissa = '', exponent = '0'] = text.slice(2).split('p');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const digits = Number(`0x${whole}${fraction}`);
  return digits * 2 ** (Number(exponent) - 4 * fraction.length);
}

/** Why `text` is no value of the stored type `word`, in KubeEdge's words; undefined when it fits. `''` is a string's value only. */
export function checkText(word: string, text: string): string | undefined {
  if (word === '' || word === 'deleted') return undefined;
  switch (valueTypeOf(word)) {
    case 'int':
      return parseInt64(text) === undefined ? 'the value is not int or integer' : undefined;
    case 'float':
    case 'double':
      return parseFloat64(text) === undefined ? 'the value is not float' : undefined;
    case 'boolean':
      return text === 'true' || text === 'false' ? undefined : 'the bool value must be true or false';
    case 'string':
    case 'bytes':
      return undefined;
    case undefined:
      return 'the value type is not allowed';
  }
}

/**
 * Typed equality: `1.0` equals `1` for numbers, int64 compares exactly, texts compare as texts.
 * `tolerance` (a property's half step) makes numbers within it equal, so that a register's rounding is no difference.
 */
export function sameValue(word: string, ...values: readonly [left: string, right: string, tolerance?: number]): boolean {
  const [left, right, tolerance = 0] = values;
  if (left === right) return true;
  switch (valueTypeOf(word)) {
    case 'int': {
      const a = parseInt64(left);
      const b = parseInt64(right);
      if (a === undefined || b === undefined) return false;
      return a === b || (tolerance > 0 && Math.abs(Number(a - b)) <= tolerance);
    }
    case 'float':
    case 'double': {
      const a = parseFloat64(left);
      const b = parseFloat64(right);
      if (a === undefined || b === undefined) return false;
      // A float has 32 bits: 0.30000001 is the same one as 0.3.
      if (valueTypeOf(word) === 'float' && Number.isFinite(a) && Math.fround(a) === Math.fround(b)) return true;
      // The slack of one part in 10^9 keeps 0.1-steps equal that binary floats put a hair apart.
      return a === b || (Number.isNaN(a) && Number.isNaN(b)) || Math.abs(a - b) <= tolerance * (1 + 1e-9);
    }
    case 'boolean':
    case 'string':
    case 'bytes':
    case undefined:
      return false;
  }
}

/** Decimal texts, as in a PropertyProfile. */
export interface Range {
  readonly minimum?: string | undefined;
  readonly maximum?: string | undefined;
}

/**
 * Whether a text lies in [minimum, maximum] (decimal texts, either may be absent), compared exactly for int64. Types without an order
 * have no bounds. A text that is no number of the type is out of bounds; a bound that is no number does not count.
 */
export function withinBounds(type: ValueType, text: string, { minimum, maximum }: Range): boolean {
  if (type !== 'int' && type !== 'float' && type !== 'double') return true;
  if (minimum === undefined && maximum === undefined) return true;
  if (checkText(type, text) !== undefined) return false;
  const low = minimum === undefined ? undefined : compareNumbers(text, minimum);
  const high = maximum === undefined ? undefined : compareNumbers(text, maximum);
  // NaN has no place in a range, so it is not within one.
  return !Number.isNaN(parseFloat64(text)) && (low === undefined || low >= 0) && (high === undefined || high <= 0);
}

/** -1, 0 or 1 as `left` is less than, equal to or more than `right`; undefined when one of them is no number. Integers compare exactly. */
export function compareNumbers(left: string, right: string): -1 | 0 | 1 | undefined {
  const exact = [parseInt64(left), parseInt64(right)] as const;
  const [a, b] = exact[0] !== undefined && exact[1] !== undefined ? exact : [parseFloat64(left), parseFloat64(right)];
  if (a === undefined || b === undefined || Number.isNaN(a) || Number.isNaN(b)) return undefined;
  return a < b ? -1 : a > b ? 1 : 0;
}

const trueWords: readonly string[] = ['true', 'on', 'yes'];
const falseWords: readonly string[] = ['false', 'off', 'no'];

/** The boolean behind a text or one of its aliases (`ON`, `yes`, `1`, ...); undefined for other texts. */
export function booleanOf(text: string): boolean | undefined {
  const word = text.trim().toLowerCase();
  if (word === '1' || trueWords.includes(word)) return true;
  return word === '0' || falseWords.includes(word) ? false : undefined;
}

/**
 * The entry of a map from texts to something (`dataWrite`) for a text: the exact key, then the same in another case, then an alias.
 * YAML 1.1 turns a bare ON or yes into a boolean, as value and as key, so that `true` may mean `ON` on either side.
 */
export function lookupText<T>(entries: Readonly<Record<string, T>>, text: string): T | undefined {
  if (Object.hasOwn(entries, text)) return entries[text];
  const folded = text.trim().toLowerCase();
  const aliases = [trueWords, falseWords].find((words) => words.includes(folded)) ?? [];
  const keys = Object.keys(entries);
  const key = [folded, ...aliases].map((word) => keys.find((name) => name.toLowerCase() === word)).find((name) => name !== undefined);
  return key === undefined ? undefined : entries[key];
}

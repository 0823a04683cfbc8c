/** Owns what a value text means per property type: check, compare. */

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
export function sameValue(word: string, left: string, right: string, tolerance = 0): boolean {
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

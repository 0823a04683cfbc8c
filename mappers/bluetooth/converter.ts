/** Owns `dataConverter`: bytes of a characteristic -> number, and back (reference: which bytes, shift, ordered operations). Pure. */
import { HiveletError } from '#beehive/errors.ts';
import { field, fieldsOf, listOf, numberOf, textOf } from '#device-models/fields.ts';
import { decimal, inverse, nearest, negative, product, sum, toNumber, whole, type Rational } from './rational.ts';

export interface Converter {
  /** The first and the last byte, both included. A start after the end reads downwards: 1 to 0 is a little-endian number of 16 bits. */
  readonly start: number;
  readonly end: number;
  /** Bits: to the left when positive, to the right when negative. */
  readonly shift: number;
  readonly operations: readonly Operation[];
}

export interface Operation {
  /** Subtract and Divide are kept as their opposites, with the opposite of their value. */
  readonly kind: 'add' | 'multiply';
  readonly value: Rational;
}

/** The longest value that a characteristic can have. */
const MAX_INDEX = 511;
const MAX_SHIFT = 64;

/** undefined where nothing is said: profiles of KubeEdge hold an empty `dataConverter` for each property. Throws PROFILE_INVALID. */
export function readConverter(written: unknown, path: string): Converter | undefined {
  const fields = fieldsOf(written);
  if (fields === undefined || Object.keys(fields).length === 0) return undefined;
  const whole = (name: string, most: number): number => {
    const value = field(fields, name);
    const number = value === undefined || value === null || value === '' ? 0 : numberOf(value);
    if (number === undefined || !Number.isInteger(number) || number < 0 || number > most)
      throw new HiveletError('PROFILE_INVALID', `${path}.${name}: ${JSON.stringify(value)} is no whole number from 0 to ${most}`);
    return number;
  };
  const left = whole('shiftLeft', MAX_SHIFT);
  return {
    start: whole('startIndex', MAX_INDEX),
    end: whole('endIndex', MAX_INDEX),
    shift: left !== 0 ? left : -whole('shiftRight', MAX_SHIFT),
    operations: listOf(field(fields, 'orderOfOperations')).flatMap((entry, at) => readOperation(entry, `${path}.orderOfOperations[${at}]`)),
  };
}

/** Empty for an operation that is none of the four: KubeEdge passes over it too. */
function readOperation(entry: unknown, path: string): readonly Operation[] {
  const fields = fieldsOf(entry);
  const type = (textOf(field(fields, 'operationType')) ?? '').trim().toLowerCase();
  const written = field(fields, 'operationValue');
  const value = decimal(textOf(written) ?? '');
  if (value === undefined) throw new HiveletError('PROFILE_INVALID', `${path}.operationValue: ${JSON.stringify(written)} is no number`);
  switch (type) {
    case 'add':
      return [{ kind: 'add', value }];
    case 'subtract':
      return [{ kind: 'add', value: negative(value) }];
    case 'multiply':
      return [{ kind: 'multiply', value }];
    case 'divide': {
      const factor = inverse(value);
      if (factor === undefined) throw new HiveletError('PROFILE_INVALID', `${path}.operationValue: nothing can be divided by 0`);
      return [{ kind: 'multiply', value: factor }];
    }
    default:
      return [];
  }
}

/** A bigint where the result is whole. Throws VALUE_INVALID when the characteristic has no such bytes. */
export function toValue(bytes: Uint8Array, converter: Converter, signed: boolean): bigint | number {
  const { start, end, shift, operations } = converter;
  const last = Math.max(start, end);
  if (bytes.length <= last)
    throw new HiveletError('VALUE_INVALID', `it has ${bytes.length} bytes, but the dataConverter reads byte ${last} (the first is 0)`);
  const chosen = start <= end ? bytes.subarray(start, end + 1) : bytes.slice(end, start + 1).reverse();
  const bits = 8 * chosen.length;
  const unsigned = BigInt(`0x${Buffer.from(chosen).toString('hex')}`);
  const integer = signed ? BigInt.asIntN(bits, unsigned) : unsigned;
  const shifted = shift >= 0 ? integer << BigInt(shift) : integer >> BigInt(-shift);
  const result = operations.reduce((value, { kind, value: by }) => (kind === 'add' ? sum(value, by) : product(value, by)), whole(shifted));
  return result.denominator === 1n ? result.numerator : toNumber(result);
}

/**
 * The bytes that `toValue` makes the value of. Only for converters that read the characteristic from its first byte on; throws VALUE_INVALID
 * for others and for values that do not fit.
 */
export function toBytes(value: bigint | number, converter: Converter, signed: boolean): Uint8Array {
  const { start, end, shift, operations } = converter;
  if (Math.min(start, end) !== 0) throw invalid('its dataConverter reads a part of the characteristic only: name the bytes in dataWrite');
  const given = typeof value === 'bigint' ? whole(value) : decimal(String(value));
  const undone = operations.toReversed().reduce<Rational | undefined>((rest, { kind, value: by }) => {
    if (rest === undefined) return undefined;
    if (kind === 'add') return sum(rest, negative(by));
    const factor = inverse(by);
    return factor === undefined ? undefined : product(rest, factor);
  }, given);
  if (undone === undefined) throw invalid(`its dataConverter cannot be undone for ${String(value)}: name the bytes in dataWrite`);
  const size = Math.abs(start - end) + 1;
  const whatever = nearest(undone);
  const integer = shift >= 0 ? whatever >> BigInt(shift) : whatever << BigInt(-shift);
  const bits = 8 * size;
  if ((signed ? BigInt.asIntN(bits, integer) : BigInt.asUintN(bits, integer)) !== integer)
    throw invalid(`${String(value)} does not fit into the ${size} byte${size === 1 ? '' : 's'} of the characteristic`);
  const bytes = Buffer.from(
    BigInt.asUintN(bits, integer)
      .toString(16)
      .padStart(2 * size, '0'),
    'hex',
  );
  return start <= end ? bytes : bytes.reverse();
}

function invalid(why: string): HiveletError {
  return new HiveletError('VALUE_INVALID', why);
}

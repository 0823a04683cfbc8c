/** Owns how a visitor becomes a place in a Modbus device: which registers, and how a value lies in them. */
import { HiveletError } from '#beehive/errors.ts';
import { field, fieldsAt, flagOf, nameOf, numberOf, type Fields } from '#device-models/fields.ts';
import type { ValueType } from '#device-models/values.ts';
import type { VisitedProperty } from '../contract.ts';
import { isBits, MOST_BITS, MOST_REGISTERS, type Space } from './frames.ts';

/** How the bytes are to be read, whatever type the property has. `bits` are coils and discrete inputs. */
export type Encoding = 'bits' | 'unsigned' | 'signed' | 'float' | 'text' | 'bytes';

export interface ModbusAccess {
  readonly space: Space;
  /** Zero based. */
  readonly address: number;
  readonly count: number;
  readonly encoding: Encoding;
  /** The two bytes of each register are exchanged. */
  readonly swapBytes: boolean;
  /** The registers are in reverse order. */
  readonly swapRegisters: boolean;
}

const spaces: ReadonlyMap<string, Space> = new Map([
  ['coilregister', 'coil'],
  ['coil', 'coil'],
  ['coils', 'coil'],
  ['discreteinputregister', 'discrete'],
  ['discreteinput', 'discrete'],
  ['inputregister', 'input'],
  ['input', 'input'],
  ['holdingregister', 'holding'],
  ['holding', 'holding'],
]);

/** Reads a visitor of any generation. Throws PROFILE_INVALID with the field. */
export function readAccess(input: Fields, at: string, property: VisitedProperty): ModbusAccess {
  const space = readSpace(input, at);
  const { address, written } = readPlace(input, at);
  const count = written ?? usualCount(property.type, space);
  const most = isBits(space) ? MOST_BITS : MOST_REGISTERS;
  if (count < 1 || count > most) throw fault(`${at}.limit`, count, `is not possible: write 1 to ${most}`);
  if (address + count > 0x10000) throw fault(`${at}.offset`, address, 'reaches beyond 65535, the last address');
  const encoding = encodingOf({ space, count, property, input });
  checkCount(encoding, count, at);
  return {
    space,
    address,
    count,
    encoding,
    swapBytes: flagOf(field(input, 'isSwap')) ?? false,
    swapRegisters: flagOf(field(input, 'isRegisterSwap')) ?? false,
  };
}

function readSpace(input: Fields, at: string): Space {
  const written = field(input, 'register');
  const space = spaces.get((nameOf(written) ?? '').toLowerCase());
  if (space === undefined) {
    throw fault(
      `${at}.register`,
      written,
      'is no register kind: write CoilRegister, DiscreteInputRegister, InputRegister or HoldingRegister',
    );
  }
  return space;
}

/** The oldest mapper called the address `index` and the count `offset`: where an `index` is, `offset` is a count. */
function readPlace(input: Fields, at: string): { address: number; written: number | undefined } {
  const index = wholeNumber(input, 'index', at);
  const offset = wholeNumber(input, 'offset', at);
  if (index !== undefined) return { address: index, written: offset };
  return { address: offset ?? 0, written: wholeNumber(input, 'limit', at) };
}

function wholeNumber(input: Fields, name: string, at: string): number | undefined {
  const written = field(input, name);
  if (written === undefined || written === null || written === '') return undefined;
  const number = numberOf(written);
  if (number === undefined || !Number.isInteger(number) || number < 0 || number > 0xffff) {
    throw fault(`${at}.${name}`, written, 'is no whole number from 0 to 65535');
  }
  return number;
}

function usualCount(type: ValueType, space: Space): number {
  if (isBits(space)) return 1;
  return type === 'float' ? 2 : type === 'double' ? 4 : 1;
}

/**
 * A float or double in one register is a whole number with a scale, in two and four registers IEEE 754. Registers are unsigned unless the
 * model's minimum is negative or `signed` says so.
 */
function encodingOf({
  space,
  count,
  property,
  input,
}: {
  space: Space;
  count: number;
  property: VisitedProperty;
  input: Fields;
}): Encoding {
  if (isBits(space)) return 'bits';
  if (property.type === 'string') return 'text';
  if (property.type === 'bytes') return 'bytes';
  if ((property.type === 'float' || property.type === 'double') && (count === 2 || count === 4)) return 'float';
  const signed =
    flagOf(field(input, 'signed') ?? field(fieldsAt(input, 'customizedValues'), 'signed')) ?? (numberOf(property.minimum) ?? 0) < 0;
  return signed ? 'signed' : 'unsigned';
}

function checkCount(encoding: Encoding, count: number, at: string): void {
  if ((encoding === 'signed' || encoding === 'unsigned') && count > 4) {
    throw fault(`${at}.limit`, count, 'registers hold no number: write 1 to 4, or make the property a string or bytes');
  }
  if (encoding === 'bits' && count > 64) throw fault(`${at}.limit`, count, 'bits hold no number: write 1 to 64');
}

function fault(path: string, written: unknown, what: string): HiveletError {
  return new HiveletError('PROFILE_INVALID', `${path}: ${JSON.stringify(written)} ${what}`, { facts: { path } });
}

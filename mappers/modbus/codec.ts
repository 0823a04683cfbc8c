/** Owns how values lie in registers and bits: word and byte order, integers of 1 to 4 registers, IEEE 754, texts (reference/mappers.md 2.2, 2.3). */
import { HiveletError } from '#beehive/errors.ts';
import type { PropertyValue } from '../contract.ts';
import type { ModbusAccess } from './access.ts';
import { isBits } from './frames.ts';

/** `data` is wire order. The value is unscaled: whole numbers are bigints, IEEE 754 numbers are numbers. */
export function decode(access: ModbusAccess, data: Uint8Array): PropertyValue {
  if (access.encoding === 'bits') return bitsToNumber(data, access.count);
  const asItIs = Buffer.isBuffer(data) && !access.swapRegisters && !access.swapBytes;
  const bytes = asItIs ? data : ordered(access, data);
  switch (access.encoding) {
    case 'unsigned':
      return bytesToInteger(bytes);
    case 'signed':
      return BigInt.asIntN(bytes.length * 8, bytesToInteger(bytes));
    case 'float':
      return bytes.length === 4 ? bytes.readFloatBE(0) : bytes.readDoubleBE(0);
    case 'text':
      return trimmed(bytes).toString('utf8');
    case 'bytes':
      return Uint8Array.from(bytes);
  }
}

/** The bytes to write, in wire order. Throws VALUE_INVALID when the value does not fit. */
export function encode(access: ModbusAccess, value: PropertyValue): Uint8Array {
  if (access.encoding === 'bits') return numberToBits(integerOf(value), access.count);
  return ordered(access, inBigEndian(access, value));
}

function inBigEndian({ encoding, count }: ModbusAccess, value: PropertyValue): Buffer {
  const bytes = Buffer.alloc(count * 2);
  switch (encoding) {
    case 'unsigned':
    case 'signed':
      integerToBytes(integerOf(value), bytes, encoding === 'signed');
      return bytes;
    case 'float':
      return floatToBytes(numberOf(value), bytes);
    case 'text':
    case 'bytes':
      return copyInto(bytes, typeof value === 'object' ? value : Buffer.from(String(value), 'utf8'));
    case 'bits':
      return bytes;
  }
}

/** Register order first, then the bytes in each register; its own inverse. Bits are never swapped. */
function ordered({ space, swapBytes, swapRegisters }: ModbusAccess, data: Uint8Array): Buffer {
  const bytes = Buffer.from(data);
  if (isBits(space)) return bytes;
  if (swapRegisters) {
    for (let index = 0; index < bytes.length; index += 2) bytes.set(data.subarray(data.length - index - 2, data.length - index), index);
  }
  return swapBytes ? bytes.swap16() : bytes;
}

function bytesToInteger(bytes: Buffer): bigint {
  // The usual ones without a bigint for each byte.
  if (bytes.length === 2) return BigInt(bytes.readUInt16BE(0));
  if (bytes.length === 4) return BigInt(bytes.readUInt32BE(0));
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
}

function integerToBytes(value: bigint, bytes: Buffer, signed: boolean): void {
  const width = bytes.length * 8;
  const fits = signed ? BigInt.asIntN(width, value) === value : BigInt.asUintN(width, value) === value;
  if (!fits) {
    const remedy = !signed && value < 0n ? '; set a negative minimum in the model, or signed: true, if the register is signed' : '';
    throw new HiveletError('VALUE_INVALID', `${value} does not fit into ${width} bits${remedy}`);
  }
  let rest = BigInt.asUintN(width, value);
  for (let index = bytes.length - 1; index >= 0; index--) {
    bytes[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
}

function floatToBytes(value: number, bytes: Buffer): Buffer {
  if (bytes.length === 4 && Number.isFinite(value) && !Number.isFinite(Math.fround(value))) {
    throw new HiveletError('VALUE_INVALID', `${value} does not fit into a 32-bit float`);
  }
  if (bytes.length === 4) bytes.writeFloatBE(value, 0);
  else bytes.writeDoubleBE(value, 0);
  return bytes;
}

function copyInto(bytes: Buffer, source: Uint8Array): Buffer {
  if (source.length > bytes.length) {
    throw new HiveletError('VALUE_INVALID', `${source.length} bytes do not fit into ${bytes.length / 2} registers (${bytes.length} bytes)`);
  }
  bytes.set(source);
  return bytes;
}

/** Texts are padded with NUL. */
function trimmed(bytes: Buffer): Buffer {
  let [start, end] = [0, bytes.length];
  while (start < end && bytes[start] === 0) start++;
  while (end > start && bytes[end - 1] === 0) end--;
  return bytes.subarray(start, end);
}

/** The first bit is the lowest. */
function bitsToNumber(data: Uint8Array, count: number): bigint {
  let value = 0n;
  for (let index = count - 1; index >= 0; index--) value = (value << 1n) | BigInt(((data[index >> 3] ?? 0) >> (index & 7)) & 1);
  return value;
}

function numberToBits(value: bigint, count: number): Uint8Array {
  if (BigInt.asUintN(count, value) !== value)
    throw new HiveletError('VALUE_INVALID', `${value} does not fit into ${count} ${count === 1 ? 'bit' : 'bits'}`);
  const data = new Uint8Array(Math.ceil(count / 8));
  for (let index = 0; index < count; index++)
    if (((value >> BigInt(index)) & 1n) === 1n) data[index >> 3] = (data[index >> 3] ?? 0) | (1 << (index & 7));
  return data;
}

/** The whole number nearest to a value. */
function integerOf(value: PropertyValue): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  const number = numberOf(value);
  if (!Number.isFinite(number)) throw new HiveletError('VALUE_INVALID', `${String(value)} is no whole number`);
  return BigInt(Math.round(number));
}

function numberOf(value: PropertyValue): number {
  const number = typeof value === 'object' ? NaN : Number(value);
  if (Number.isNaN(number)) throw new HiveletError('VALUE_INVALID', `${String(value)} is no number`);
  return number;
}

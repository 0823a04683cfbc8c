/** Owns the wire format of protobuf: tags, variable-length numbers, and byte ranges, each checked against the end of its message. */

/** The bytes are no protobuf message. */
export class ProtobufError extends Error {}

export interface WireField {
  number: number;
  /** A number for the wire types 0, 1 and 5, else the bytes. */
  value: bigint | Uint8Array;
}

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;
/** 64 bits in groups of seven. */
const LONGEST_VARINT = 10;

/** The fields of one message, in their order. Throws `ProtobufError`. */
export function* readFields(message: Uint8Array): Generator<WireField> {
  const cursor = { at: 0 };
  while (cursor.at < message.length) {
    const tag = readVarint(message, cursor);
    const number = Number(tag >> 3n);
    if (number < 1 || number > 0x1fffffff) throw new ProtobufError(`field number ${number} at byte ${cursor.at} is out of range`);
    yield { number, value: readValue(message, cursor, Number(tag & 7n)) };
  }
}

function readValue(message: Uint8Array, cursor: { at: number }, wireType: number): bigint | Uint8Array {
  if (wireType === VARINT) return readVarint(message, cursor);
  if (wireType === FIXED64) return readFixed(take(message, cursor, 8));
  if (wireType === FIXED32) return readFixed(take(message, cursor, 4));
  if (wireType !== BYTES) throw new ProtobufError(`wire type ${wireType} at byte ${cursor.at} is not known`);
  const length = readVarint(message, cursor);
  if (length > BigInt(message.length))
    throw new ProtobufError(`a field of ${length} bytes at byte ${cursor.at} is longer than its message`);
  return take(message, cursor, Number(length));
}

function readVarint(message: Uint8Array, cursor: { at: number }): bigint {
  let value = 0n;
  for (let count = 0; count < LONGEST_VARINT; count += 1) {
    const byte = message[cursor.at];
    if (byte === undefined) throw new ProtobufError('the message ends inside a number');
    cursor.at += 1;
    value |= BigInt(byte & 0x7f) << BigInt(7 * count);
    if (byte < 0x80) return BigInt.asIntN(64, value);
  }
  throw new ProtobufError(`a number before byte ${cursor.at} is longer than 64 bits`);
}

function take(message: Uint8Array, cursor: { at: number }, length: number): Uint8Array {
  const end = cursor.at + length;
  if (end > message.length) throw new ProtobufError(`the message ends ${end - message.length} bytes too early`);
  const taken = message.subarray(cursor.at, end);
  cursor.at = end;
  return taken;
}

function readFixed(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

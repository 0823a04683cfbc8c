/** Owns the way between the bytes of a characteristic and the value of a property. Pure. */
import { HiveletError } from '#beehive/errors.ts';
import { booleanOf, lookupText } from '#device-models/values.ts';
import type { Point, PropertyValue } from '../contract.ts';
import type { BluetoothAccess } from './access.ts';
import { toBytes, toValue } from './converter.ts';

export type BluetoothPoint = Point<BluetoothAccess>;

/**
 * What a property makes of the bytes: by its dataConverter, else the text that dataWrite has for them, else by its type: a text, raw bytes, or
 * the first byte as a number. `written` is the text that was written last: of several texts for the same bytes it is the one that is meant.
 * Throws VALUE_INVALID.
 */
export function valueOf({ type, access }: BluetoothPoint, bytes: Uint8Array, written?: string): PropertyValue {
  const { converter, dataWrite, signed } = access;
  if (converter !== undefined) return toValue(bytes, converter, signed);
  const text = dataWrite === undefined ? undefined : textFor(dataWrite, bytes, written);
  if (text !== undefined) return type === 'boolean' ? (booleanOf(text) ?? bytes.some((byte) => byte !== 0)) : text;
  switch (type) {
    case 'string':
      return printable(bytes) ?? Buffer.from(bytes).toString('hex');
    case 'bytes':
      return bytes;
    case 'boolean':
      return bytes.some((byte) => byte !== 0);
    case 'int':
    case 'float':
    case 'double':
      return toValue(bytes, { start: 0, end: 0, shift: 0, operations: [] }, signed);
  }
}

/** The bytes for a value: those of dataWrite for its text, else by dataConverter, else by its type. Throws VALUE_INVALID. */
export function bytesOf({ name, type, access }: BluetoothPoint, value: PropertyValue): { bytes: Uint8Array; text: string } {
  const text = typeof value === 'object' ? Buffer.from(value).toString('hex') : String(value);
  const named = access.dataWrite === undefined ? undefined : lookupText(access.dataWrite, text);
  if (named !== undefined) return { bytes: named, text };
  if (access.dataWrite !== undefined && access.converter === undefined && (type === 'string' || type === 'boolean')) {
    const known = Object.keys(access.dataWrite).join(', ');
    throw new HiveletError('VALUE_INVALID', `${name}: dataWrite has no bytes for ${JSON.stringify(text)} (it has ${known})`, {
      facts: { why: `dataWrite has no bytes for it: it has ${known}` },
    });
  }
  return { bytes: encoded({ name, type, access }, value), text };
}

function encoded({ type, access }: BluetoothPoint, value: PropertyValue): Uint8Array {
  if (typeof value === 'object') return value;
  if (typeof value === 'boolean') return Uint8Array.of(value ? 1 : 0);
  if (typeof value === 'string') return Buffer.from(value, 'utf8');
  if (access.converter !== undefined) return toBytes(value, access.converter, access.signed);
  const number = Number(value);
  const [low, high] = access.signed ? [-128, 127] : [0, 255];
  if (!Number.isInteger(number) || number < low || number > high)
    throw new HiveletError(
      'VALUE_INVALID',
      `without dataWrite or dataConverter a ${type} is one byte, from ${low} to ${high}, which ${String(value)} is not`,
    );
  return Uint8Array.of(number & 0xff);
}

/** The text whose bytes these are: the one that was written last, if it still stands for them, else the first. */
function textFor(dataWrite: Readonly<Record<string, Uint8Array>>, bytes: Uint8Array, written: string | undefined): string | undefined {
  const same = (other: Uint8Array | undefined): boolean => other !== undefined && Buffer.compare(other, bytes) === 0;
  if (written !== undefined && same(lookupText(dataWrite, written))) return written;
  return Object.keys(dataWrite).find((text) => same(dataWrite[text]));
}

/** A text without the NULs behind it; undefined when it is none. */
function printable(bytes: Uint8Array): string | undefined {
  const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
  if (end === 0 && bytes.length > 0) return undefined;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, end));
    return /[\p{Cc}\p{Cn}]/u.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

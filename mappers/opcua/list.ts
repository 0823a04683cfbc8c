/** Owns how a text of JSON becomes a list in a node's type. Pure. */
import { HiveletError } from '#beehive/errors.ts';
import type { PropertyValue } from '../contract.ts';
import { BUILT_IN, encodeVariant, LONGEST_LIST, nameOfType, type EncodedVariant } from './variant.ts';

const LIST = 1;

/** Takes what reading such a node gives: JSON, bytes for a list of bytes, one value for a list of one. Throws VALUE_INVALID, POINT_REJECTED. */
export function encodeList(place: string, dataType: number, value: PropertyValue): EncodedVariant {
  const elements = elementsOf(dataType, value);
  if (elements === undefined || elements.length > LONGEST_LIST) {
    const why = `is no list of ${nameOfType(dataType)}: write one such as [1, 2], of at most ${LONGEST_LIST}`;
    throw new HiveletError('VALUE_INVALID', `${place}: ${JSON.stringify(String(value).slice(0, 80))} ${why}`, { facts: { why } });
  }
  return { dataType, arrayType: LIST, value: elements.map((element) => encodeVariant(place, dataType, element).value) };
}

function elementsOf(dataType: number, value: PropertyValue): PropertyValue[] | undefined {
  if (typeof value === 'object' && dataType === BUILT_IN.Byte) return Array.from(value, BigInt);
  if (typeof value !== 'string' || !value.trim().startsWith('[')) return [value];
  // Numbers of JSON have 53 bits only.
  if (/^\s*\[[\s\d,+-]*\]\s*$/.test(value)) return wholeNumbers(value);
  try {
    const parsed: unknown = JSON.parse(value);
    return Array.isArray(parsed) && parsed.every(isElement) ? parsed.map((each) => bytesOr(dataType, each)) : undefined;
  } catch {
    return undefined;
  }
}

function wholeNumbers(text: string): bigint[] | undefined {
  const inner = text.trim().slice(1, -1).trim();
  const parts = inner === '' ? [] : inner.split(',').map((part) => part.trim());
  return parts.every((part) => /^[+-]?\d{1,20}$/.test(part)) ? parts.map(BigInt) : undefined;
}

function isElement(each: unknown): each is string | number | boolean {
  return typeof each === 'string' || typeof each === 'number' || typeof each === 'boolean';
}

/** Bytes are hexadecimal in a list, as they are read. */
function bytesOr(dataType: number, each: string | number | boolean): PropertyValue {
  return dataType === BUILT_IN.ByteString && typeof each === 'string' ? Buffer.from(each, 'hex') : each;
}

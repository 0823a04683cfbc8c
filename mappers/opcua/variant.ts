/** Owns how values of OPC UA become values of properties and back: every built-in type that a property can hold, exact to 64 bits. */
import type { DataValue } from 'node-opcua-client';
import { HiveletError } from '#beehive/errors.ts';
import { booleanOf, parseFloat64, parseInt64, type ValueType } from '#device-models/values.ts';
import type { PropertyValue } from '../contract.ts';

/** Numbers of the built-in types, as they are on the wire. */
export const BUILT_IN = {
  Boolean: 1,
  SByte: 2,
  Byte: 3,
  Int16: 4,
  UInt16: 5,
  Int32: 6,
  UInt32: 7,
  Int64: 8,
  UInt64: 9,
  Float: 10,
  Double: 11,
  String: 12,
  DateTime: 13,
  Guid: 14,
  ByteString: 15,
  XmlElement: 16,
  NodeId: 17,
  StatusCode: 19,
  QualifiedName: 20,
  LocalizedText: 21,
} as const;

type BuiltInName = keyof typeof BUILT_IN;

const names: ReadonlyMap<number, BuiltInName> = new Map(Object.entries(BUILT_IN).map(([name, number]) => [number, name as BuiltInName]));

const integers: ReadonlyMap<number, readonly [least: bigint, most: bigint]> = new Map([
  [BUILT_IN.SByte, [-(2n ** 7n), 2n ** 7n - 1n]],
  [BUILT_IN.Byte, [0n, 2n ** 8n - 1n]],
  [BUILT_IN.Int16, [-(2n ** 15n), 2n ** 15n - 1n]],
  [BUILT_IN.UInt16, [0n, 2n ** 16n - 1n]],
  [BUILT_IN.Int32, [-(2n ** 31n), 2n ** 31n - 1n]],
  [BUILT_IN.UInt32, [0n, 2n ** 32n - 1n]],
  [BUILT_IN.Int64, [-(2n ** 63n), 2n ** 63n - 1n]],
  [BUILT_IN.UInt64, [0n, 2n ** 64n - 1n]],
]);

/** Lists longer than this make no text. */
export const LONGEST_LIST = 1000;
const SCALAR = 0;
const LARGEST_FLOAT = 3.4028234663852886e38;

export function nameOfType(type: number): string {
  return names.get(type) ?? `type ${type}`;
}

/** What a Variant of the library holds; its types are enums, which are numbers. */
export interface Held {
  readonly dataType: number;
  readonly value: unknown;
}

/** The property's value, or one sentence why it has none. */
export type Decoded = { readonly value: PropertyValue } | { readonly fault: string };

export function decodeVariant({ dataType, value }: Held, type: ValueType): Decoded {
  if (value === null || value === undefined) return emptyOf(dataType) ?? { fault: 'the node holds no value' };
  if (isList(value) && dataType !== BUILT_IN.ByteString && !isWideInteger(dataType, value)) return decodeList(dataType, value, type);
  const decoded = decodeScalar(dataType, value, type);
  return decoded === undefined ? { fault: `the node holds ${describeKind(dataType)}, which no property can` } : { value: decoded };
}

/** Texts and bytes of length zero are null on the wire of many servers. */
function emptyOf(dataType: number): Decoded | undefined {
  if (dataType === BUILT_IN.String || dataType === BUILT_IN.XmlElement) return { value: '' };
  return dataType === BUILT_IN.ByteString ? { value: new Uint8Array() } : undefined;
}

function decodeScalar(dataType: number, held: unknown, type: ValueType): PropertyValue | undefined {
  if (dataType === BUILT_IN.Int64 || dataType === BUILT_IN.UInt64) return wideInteger(dataType, held);
  if (integers.has(dataType)) return typeof held === 'number' ? BigInt(held) : undefined;
  switch (dataType) {
    case BUILT_IN.Boolean:
      return typeof held === 'boolean' ? held : undefined;
    case BUILT_IN.Float:
      return typeof held === 'number' ? shortest(held) : undefined;
    case BUILT_IN.Double:
      return typeof held === 'number' ? held : undefined;
    case BUILT_IN.DateTime:
      return held instanceof Date ? decodeTime(held, type) : undefined;
    case BUILT_IN.ByteString:
      return held instanceof Uint8Array ? held : undefined;
    case BUILT_IN.LocalizedText:
      return memberText(held, 'text');
    case BUILT_IN.QualifiedName:
    case BUILT_IN.StatusCode:
      return memberText(held, 'name');
    case BUILT_IN.NodeId:
      return String(held);
    case BUILT_IN.String:
    case BUILT_IN.XmlElement:
    case BUILT_IN.Guid:
      return typeof held === 'string' ? held : undefined;
    default:
      return undefined;
  }
}

/** A list is a text of JSON for strings, and bytes for lists of bytes; one with one element is that element. */
function decodeList(dataType: number, held: ArrayLike<unknown>, type: ValueType): Decoded {
  if (held.length === 1 && type !== 'bytes') {
    const [only] = Array.from(held);
    return decodeVariant({ dataType, value: only }, type);
  }
  if (type === 'bytes' && dataType === BUILT_IN.Byte) return { value: Uint8Array.from(Array.from(held, Number)) };
  if (type !== 'string' || held.length > LONGEST_LIST)
    return {
      fault: `the node holds a list of ${held.length} ${nameOfType(dataType)}: make the property a string, or name one element's node`,
    };
  const texts = Array.from(held, (each) => {
    const value = decodeScalar(dataType, each, 'string');
    if (value === undefined) return 'null';
    return typeof value === 'string'
      ? JSON.stringify(value)
      : value instanceof Uint8Array
        ? `"${Buffer.from(value).toString('hex')}"`
        : String(value);
  });
  return { value: `[${texts.join(',')}]` };
}

function isList(held: unknown): held is ArrayLike<unknown> {
  return Array.isArray(held) || (ArrayBuffer.isView(held) && 'length' in held);
}

/** The library holds 64 bits as a pair of halves, high one first; a list of them is a list of pairs. */
function isWideInteger(dataType: number, held: ArrayLike<unknown>): boolean {
  const isWide = dataType === BUILT_IN.Int64 || dataType === BUILT_IN.UInt64;
  return isWide && held.length === 2 && typeof held[0] === 'number' && typeof held[1] === 'number';
}

function wideInteger(dataType: number, held: unknown): bigint | undefined {
  if (!isList(held) || !isWideInteger(dataType, held)) return undefined;
  const bits = (BigInt(Number(held[0]) >>> 0) << 32n) | BigInt(Number(held[1]) >>> 0);
  return dataType === BUILT_IN.Int64 ? BigInt.asIntN(64, bits) : bits;
}

/** The shortest decimal that is this 32-bit number: 0.1 and not 0.10000000149. */
function shortest(value: number): number {
  if (!Number.isFinite(value)) return value;
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}

/** Milliseconds since 1970 for numbers, ISO 8601 for texts. */
function decodeTime(held: Date, type: ValueType): PropertyValue | undefined {
  const ms = held.getTime();
  if (Number.isNaN(ms)) return undefined;
  return type === 'int' || type === 'float' || type === 'double' ? BigInt(ms) : held.toISOString();
}

function memberText(held: unknown, member: 'text' | 'name'): string | undefined {
  const text = typeof held === 'object' && held !== null ? (held as Record<string, unknown>)[member] : undefined;
  return typeof text === 'string' ? text : text === null || text === undefined ? '' : undefined;
}

function describeKind(dataType: number): string {
  return names.has(dataType) ? `a ${nameOfType(dataType)}` : 'a structure';
}

export interface EncodedVariant {
  readonly dataType: number;
  /** 1: a list. */
  readonly arrayType?: typeof SCALAR | 1;
  readonly value: unknown;
}

/** What the library writes for a value in the node's own type. `place` names the node in errors. Throws VALUE_INVALID, POINT_REJECTED. */
export function encodeVariant(place: string, dataType: number, value: PropertyValue): EncodedVariant {
  const refuse = (why: string): HiveletError => new HiveletError('VALUE_INVALID', `${place}: ${shown(value)} ${why}`, { facts: { why } });
  const range = integers.get(dataType);
  // The library takes a pair of halves for a list unless it is told.
  if (range !== undefined)
    return { dataType, arrayType: SCALAR, value: encodeInteger(dataType, wholeNumber(value, refuse), { range, refuse }) };
  switch (dataType) {
    case BUILT_IN.Boolean:
      return { dataType, value: truth(value, refuse) };
    case BUILT_IN.Float:
    case BUILT_IN.Double:
      return { dataType, value: encodeFloat(dataType, value, refuse) };
    case BUILT_IN.String:
    case BUILT_IN.XmlElement:
      return { dataType, value: textOf(value) };
    case BUILT_IN.LocalizedText:
      return { dataType, value: { text: textOf(value) } };
    case BUILT_IN.QualifiedName:
      return { dataType, value: { namespaceIndex: 0, name: textOf(value) } };
    case BUILT_IN.ByteString:
      return { dataType, value: typeof value === 'object' ? Buffer.from(value) : Buffer.from(textOf(value), 'utf8') };
    case BUILT_IN.DateTime:
      return { dataType, value: encodeTime(value, refuse) };
    case BUILT_IN.Guid:
      if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(textOf(value))) throw refuse('is no Guid');
      return { dataType, value: textOf(value).toUpperCase() };
    default:
      throw new HiveletError(
        'POINT_REJECTED',
        `${place}: the node takes ${describeKind(dataType)}, which cannot be written from a property`,
      );
  }
}

type Refuse = (why: string) => HiveletError;

interface IntegerBounds {
  range: readonly [least: bigint, most: bigint];
  refuse: Refuse;
}

function encodeInteger(dataType: number, whole: bigint, { range: [least, most], refuse }: IntegerBounds): number | [number, number] {
  if (whole < least || whole > most) throw refuse(`is outside ${least} to ${most}, which is what ${nameOfType(dataType)} holds`);
  if (dataType !== BUILT_IN.Int64 && dataType !== BUILT_IN.UInt64) return Number(whole);
  const bits = BigInt.asUintN(64, whole);
  return [Number(bits >> 32n), Number(bits & 0xffff_ffffn)];
}

/** A number that a scale made of a whole one may be a hair beside it. */
function wholeNumber(value: PropertyValue, refuse: Refuse): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  if (typeof value === 'string') {
    const text = value.trim();
    // The upper half of UInt64 is beyond what an int holds.
    const whole = parseInt64(text) ?? (/^\+?\d{1,20}$/.test(text) ? BigInt(text) : undefined);
    if (whole !== undefined) return whole;
  }
  const number = typeof value === 'number' ? value : typeof value === 'string' ? (parseFloat64(value.trim()) ?? NaN) : NaN;
  if (!Number.isFinite(number)) throw refuse('is no whole number');
  return BigInt(Math.round(number));
}

function encodeFloat(dataType: number, value: PropertyValue, refuse: Refuse): number {
  const number = typeof value === 'string' ? parseFloat64(value.trim()) : typeof value === 'object' ? undefined : Number(value);
  if (number === undefined || Number.isNaN(number)) throw refuse('is no number');
  if (dataType === BUILT_IN.Float && Number.isFinite(number) && Math.abs(number) > LARGEST_FLOAT)
    throw refuse('is larger than a Float holds');
  return number;
}

function encodeTime(value: PropertyValue, refuse: Refuse): Date {
  const date = typeof value === 'bigint' || typeof value === 'number' ? new Date(Number(value)) : new Date(textOf(value));
  if (Number.isNaN(date.getTime())) throw refuse('is no time: write one such as 2026-01-31T12:00:00Z');
  return date;
}

function truth(value: PropertyValue, refuse: Refuse): boolean {
  if (typeof value === 'string') {
    const known = booleanOf(value);
    if (known === undefined) throw refuse('is neither true nor false');
    return known;
  }
  if (typeof value === 'object') throw refuse('is neither true nor false');
  return Boolean(value);
}

function textOf(value: PropertyValue): string {
  return typeof value === 'object' ? Buffer.from(value).toString('utf8') : String(value);
}

function shown(value: PropertyValue): string {
  return typeof value === 'object' ? `${value.length} bytes` : JSON.stringify(String(value));
}

/**
 * ms since 1970: a value that was asked for is as old as the answer; one that is told when it changed. Nothing is later than `latestMs`: a
 * source with a clock of its own may be years ahead although the server is not. Absent ones of OPC UA lie in 1601.
 */
export function stampOf(
  { sourceTimestamp, serverTimestamp }: Pick<DataValue, 'sourceTimestamp' | 'serverTimestamp'>,
  { how, latestMs }: { how: 'read' | 'pushed'; latestMs: number },
): number | undefined {
  const stamps = [sourceTimestamp?.getTime(), serverTimestamp?.getTime()];
  return (how === 'read' ? stamps.reverse() : stamps).find((ms) => ms !== undefined && ms > 0 && ms <= latestMs);
}

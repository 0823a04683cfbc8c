/** Owns the way between a device's value and a twin's text: type, scale, bounds, access mode. Pure. */
import { HiveletError } from '#beehive/errors.ts';
import type { PropertyProfile } from '#device-models/device-profile.ts';
import { field, numberOf, textOf } from '#device-models/fields.ts';
import { booleanOf, checkText, parseFloat64, parseInt64, withinBounds, type ValueType } from '#device-models/values.ts';
import type { PropertyValue } from '../contract.ts';
import { dividedToNearest, ONE, parseDecimal, plainText, times, toNumber, truncated, type Decimal } from './decimal.ts';

/** The visitor's `scale`; a missing one and 0 (which would make all values 0) mean the plugin's default. Throws PROFILE_INVALID. */
export function readScale(config: Record<string, unknown>, path: string, fallback = 1): Decimal {
  const written = field(config, 'scale');
  const standard = parseDecimal(String(fallback)) ?? ONE;
  if (written === undefined || written === null || written === '' || numberOf(written) === 0) return standard;
  const scale = parseDecimal(textOf(written) ?? '');
  if (scale === undefined)
    throw new HiveletError('PROFILE_INVALID', `${path}.scale: ${JSON.stringify(written)} is no number: write one such as 0.1`);
  return scale;
}

/** The twin's text of a value read. Throws VALUE_INVALID when the value has none in this type. */
export function toText(type: ValueType, value: PropertyValue, scale: Decimal): string {
  switch (type) {
    case 'int':
      return integerText(value, scale);
    case 'float':
    case 'double':
      return floatText(value, { scale, single: type === 'float' });
    case 'boolean':
      return truth(value) ? 'true' : 'false';
    case 'string':
      return typeof value === 'object' ? Buffer.from(value).toString('utf8') : String(value);
    case 'bytes':
      return Buffer.from(typeof value === 'object' ? value : String(value)).toString('hex');
  }
}

function integerText(value: PropertyValue, scale: Decimal): string {
  const number = typeof value === 'bigint' ? whole(value, scale) : wholePart(numberIn(value) * toNumber(scale));
  if (BigInt.asIntN(64, number) !== number) throw new HiveletError('VALUE_INVALID', `${number} is beyond the 64 bits of an int`);
  return String(number);
}

function whole(value: bigint, scale: Decimal): bigint {
  return isOne(scale) ? value : truncated(times(scale, value));
}

function isOne({ coefficient, exponent }: Decimal): boolean {
  return coefficient === 1n && exponent === 0;
}

function wholePart(value: number): bigint {
  return BigInt(Math.trunc(value));
}

function floatText(value: PropertyValue, { scale, single }: { scale: Decimal; single: boolean }): string {
  const number = typeof value === 'bigint' ? toNumber(times(scale, value)) : numberIn(value) * toNumber(scale);
  return plainText(number, single);
}

function truth(value: PropertyValue): boolean {
  if (typeof value === 'string') {
    const known = booleanOf(value);
    if (known === undefined) throw new HiveletError('VALUE_INVALID', `${JSON.stringify(value)} is neither true nor false`);
    return known;
  }
  return typeof value === 'object' ? value.some((byte) => byte !== 0) : Boolean(value);
}

function numberIn(value: PropertyValue): number {
  const number = typeof value === 'string' ? parseFloat64(value.trim()) : typeof value === 'object' ? undefined : Number(value);
  if (number === undefined || !Number.isFinite(number)) throw new HiveletError('VALUE_INVALID', `${String(value)} is no number`);
  return number;
}

/** The desired text in the form in which a device's answer is compared with it: `on` and `yes` are `true`. */
export function normalised(type: ValueType, text: string): string {
  if (type !== 'boolean') return text;
  const known = booleanOf(text);
  return known === undefined ? text : String(known);
}

/**
 * The device's value for a desired text. Throws VALUE_INVALID, in one sentence for a person, when it must not be written: read-only, of
 * another type, or out of bounds.
 */
export function toDevice(property: PropertyProfile, desired: string, scale: Decimal): PropertyValue {
  const { name, type, minimum, maximum, accessMode } = property;
  const refuse = (why: string): HiveletError =>
    new HiveletError('VALUE_INVALID', `the desired value ${JSON.stringify(desired)} of ${name} is not written: ${why}`, { facts: { why } });
  if (accessMode === 'ReadOnly') throw refuse('the property is ReadOnly');
  const text = normalised(type, desired);
  if (checkText(type, text) !== undefined || (text === '' && type !== 'string')) throw refuse(`it is no ${type}`);
  if (!withinBounds(type, text, { minimum, maximum })) throw refuse(`it is outside ${minimum ?? '-∞'} to ${maximum ?? '∞'}`);
  switch (type) {
    case 'int':
      return dividedToNearest(parseInt64(text) ?? 0n, scale);
    case 'float':
    case 'double':
      return unscaled(parseFloat64(text) ?? NaN, scale);
    case 'boolean':
      return text === 'true';
    case 'string':
      return text;
    case 'bytes': {
      const bytes = bytesOf(text);
      if (bytes === undefined) throw refuse('it is neither hexadecimal nor base64');
      return bytes;
    }
  }
}

function unscaled(value: number, scale: Decimal): number {
  return isOne(scale) ? value : value / toNumber(scale);
}

/** Hexadecimal, as it is reported, or base64, as Kubernetes writes bytes. */
function bytesOf(text: string): Uint8Array | undefined {
  if (text.length % 2 === 0 && /^[0-9a-f]*$/i.test(text)) return Buffer.from(text, 'hex');
  return /^[A-Za-z0-9+/]+={0,2}$/.test(text) && text.length % 4 === 0 ? Buffer.from(text, 'base64') : undefined;
}

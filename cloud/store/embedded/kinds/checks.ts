/** Owns small checks that the rules of several kinds share: names, ports, enumerations, duplicates, quantities. */
import type { StatusCause } from '../../kube-api.ts';
import { isRecord, own, setOwn, textAt } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';
import { invalidValue, required, unsupportedValue } from '../status.ts';

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
/** What is no quantity cannot even be read where Go has a type for it. */
export const BAD_QUANTITY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const QUANTITY = /^[+-]?(\d+|\d+\.\d*|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/;
const LABEL_RULE =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric " +
  "character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
export const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];

/** The record at `key`, made when there is none. */
export function ensureRecord(object: JsonRecord, key: string): JsonRecord {
  const current = own(object, key);
  if (isRecord(current)) return current;
  const made: JsonRecord = {};
  setOwn(object, key, made);
  return made;
}

export function recordsAt(object: unknown, key: string): JsonRecord[] {
  const found = own(object, key);
  return Array.isArray(found) ? (found as unknown[]).filter(isRecord) : [];
}

/** Sets what is absent. */
export function fill(record: JsonRecord, defaults: JsonRecord): void {
  for (const [key, value] of Object.entries(defaults)) record[key] ??= value;
}

/** A name of a part of an object, unique among `seen`, which it joins. */
export function checkPartName(part: JsonRecord, field: string, seen: Set<string>): StatusCause[] {
  const name = textAt(part, 'name');
  if (name === '') return [required(`${field}.name`)];
  if (!LABEL.test(name) || name.length > 63) return [invalidValue(`${field}.name`, name, LABEL_RULE)];
  if (seen.has(name)) return [duplicate(`${field}.name`, name)];
  seen.add(name);
  return [];
}

export function duplicate(field: string, value: string): StatusCause {
  return { reason: 'FieldValueDuplicate', message: `Duplicate value: ${JSON.stringify(value)}`, field };
}

export function checkPort(port: unknown, field: string, needed: boolean): StatusCause[] {
  if (port === undefined || port === 0) return needed ? [required(field)] : [];
  if (typeof port === 'number' && Number.isInteger(port) && port > 0 && port < 65536) return [];
  return [invalidValue(field, port, 'must be between 1 and 65535, inclusive')];
}

/** A port by number or by name. */
export function checkPortOrName(port: unknown, field: string): StatusCause[] {
  if (typeof port !== 'string') return checkPort(port, field, true);
  if (/^(?=.*[a-z])[a-z0-9]([a-z0-9]|-(?!-))*$/.test(port) && port.length <= 15 && !port.endsWith('-')) return [];
  return [invalidValue(field, port, 'must be the name of a port: at most 15 lower case letters, digits and single dashes')];
}

/** What is absent or empty is fine. */
export function checkOneOf(value: unknown, field: string, allowed: readonly string[]): StatusCause[] {
  return value === undefined || value === '' || allowed.some((each) => each === value) ? [] : [unsupportedValue(field, value, allowed)];
}

export function checkNotNegative(value: unknown, field: string): StatusCause[] {
  return typeof value === 'number' && value < 0 ? [invalidValue(field, value, 'must be greater than or equal to 0')] : [];
}

/** Amounts that were written as numbers become texts, parts of one thousandths: 0.5 is 500m. Changes `amounts`. */
export function tidyQuantities(amounts: unknown): void {
  if (!isRecord(amounts)) return;
  for (const [name, amount] of Object.entries(amounts)) {
    if (typeof amount === 'number' || (typeof amount === 'string' && /^\d*\.\d+$/.test(amount)))
      setOwn(amounts, name, decimalText(Number(amount)));
  }
}

function decimalText(amount: number): string {
  return Number.isSafeInteger(amount) ? String(amount) : `${Math.ceil(Number((amount * 1000).toFixed(6)))}m`;
}

const SCALES: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** NaN for what is no quantity. */
export function quantityOf(amount: unknown): number {
  const text = String(amount);
  if (!QUANTITY.test(text)) return Number.NaN;
  const [, number = '', suffix = ''] = /^(.*?)([KMGTPE]i|[numkMGTPE])?$/.exec(text) ?? [];
  return Number(number) * (SCALES[suffix] ?? 1);
}

/** Amounts by name: limits, requests, capacity. */
export function checkQuantities(amounts: unknown, field: string): StatusCause[] {
  if (!isRecord(amounts)) return [];
  return Object.entries(amounts)
    .filter(([, amount]) => !QUANTITY.test(String(amount)))
    .map(([name, amount]) => invalidValue(`${field}[${name}]`, amount, BAD_QUANTITY));
}

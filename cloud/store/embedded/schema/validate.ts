/** Owns validation against structural schemas, with the causes and texts of Kubernetes. */
import type { StatusCause } from '../../kube-api.ts';
import { deepEqual, isRecord, own } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';
import { invalidValue, required, unsupportedValue } from '../status.ts';
import { formatFits } from './formats.ts';
import { memberSchema } from './schema.ts';
import type { Schema } from './schema.ts';

/** More would only fill the answer. */
const MOST_CAUSES = 64;

/** A value of the wrong type: for built-in kinds that is an unreadable body, not an invalid object. */
export interface TypeMismatch {
  field: string;
  wanted: string;
  found: string;
}

export interface Findings {
  causes: StatusCause[];
  mismatches: TypeMismatch[];
}

/** Field paths carry no list indexes, as in the answers of the real server. */
export function validate(schema: Schema, value: unknown, path = ''): Findings {
  const findings: Findings = { causes: [], mismatches: [] };
  check(schema, value, { path, findings });
  return findings;
}

interface At {
  path: string;
  findings: Findings;
}

function check(schema: Schema, value: unknown, at: At): void {
  if (at.findings.causes.length >= MOST_CAUSES) return;
  if (value === null && schema.nullable === true) return;
  if (!checkType(schema, value, at)) return;
  if (schema.enum !== undefined && !schema.enum.some((each) => deepEqual(each, value))) {
    at.findings.causes.push(unsupportedValue(at.path, value, schema.enum));
  }
  if (typeof value === 'string') checkText(schema, value, at);
  else if (typeof value === 'number') checkNumber(schema, value, at);
  else if (Array.isArray(value)) checkList(schema, value as unknown[], at);
  else if (isRecord(value)) checkRecord(schema, value, at);
  checkCombinations(schema, value, at);
}

export function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function checkType(schema: Schema, value: unknown, { path, findings }: At): boolean {
  const found = typeOf(value);
  const intOrString = schema['x-kubernetes-int-or-string'] === true;
  const wanted = intOrString ? 'integer,string' : schema.type;
  if (wanted === undefined) return true;
  const fits = intOrString ? found === 'integer' || found === 'string' : found === wanted || (wanted === 'number' && found === 'integer');
  if (fits) return true;
  findings.mismatches.push({ field: path, wanted, found });
  findings.causes.push(invalidValue(path, found, `${path} in body must be of type ${wanted}: "${found}"`));
  return false;
}

function checkText(schema: Schema, value: string, { path, findings }: At): void {
  const say = (why: string): void => void findings.causes.push(invalidValue(path, value, `${path} in body ${why}`));
  const { pattern, minLength, maxLength, format } = schema;
  if (pattern !== undefined && !matches(pattern, value)) say(`should match '${pattern}'`);
  const length = minLength === undefined && maxLength === undefined ? 0 : Array.from(value).length;
  if (minLength !== undefined && length < minLength) say(`should be at least ${minLength} chars long`);
  if (maxLength !== undefined && length > maxLength) say(`should be at most ${maxLength} chars long`);
  if (format === undefined || formatFits(format, value)) return;
  say(`must be of type ${format}: ${JSON.stringify(value)}`);
  // Bytes that are no base64 cannot even be read where Go has a type for them.
  if (format === 'byte') findings.mismatches.push({ field: path, wanted: '[]uint8 (base64)', found: 'string' });
  if (format === 'date-time') findings.mismatches.push({ field: path, wanted: 'v1.Time', found: 'string' });
}

const patterns = new Map<string, RegExp>();

function matches(pattern: string, value: string): boolean {
  let compiled = patterns.get(pattern);
  if (compiled === undefined) {
    compiled = new RegExp(pattern, 'u');
    if (patterns.size < 1000) patterns.set(pattern, compiled);
  }
  return compiled.test(value);
}

function checkNumber(schema: Schema, value: number, { path, findings }: At): void {
  const say = (why: string): void => void findings.causes.push(invalidValue(path, value, `${path} in body ${why}`));
  const { minimum, maximum, multipleOf, exclusiveMinimum = false, exclusiveMaximum = false } = schema;
  if (minimum !== undefined && (value < minimum || (exclusiveMinimum && value === minimum))) {
    say(`should be greater than ${exclusiveMinimum ? '' : 'or equal to '}${minimum}`);
  }
  if (maximum !== undefined && (value > maximum || (exclusiveMaximum && value === maximum))) {
    say(`should be less than ${exclusiveMaximum ? '' : 'or equal to '}${maximum}`);
  }
  if (multipleOf !== undefined && multipleOf > 0 && !Number.isInteger(value / multipleOf)) say(`should be a multiple of ${multipleOf}`);
}

function checkList(schema: Schema, list: unknown[], at: At): void {
  const { path, findings } = at;
  const { minItems, maxItems, items } = schema;
  if (minItems !== undefined && list.length < minItems) {
    findings.causes.push(invalidValue(path, list.length, `${path} in body should have at least ${minItems} items`));
  }
  if (maxItems !== undefined && list.length > maxItems) {
    findings.causes.push(invalidValue(path, list.length, `${path} in body should have at most ${maxItems} items`));
  }
  if (items !== undefined) for (const item of list) check(items, item, at);
  checkDuplicates(schema, list, at);
}

function checkDuplicates(schema: Schema, list: unknown[], { path, findings }: At): void {
  const listType = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  if (listType !== 'set' && listType !== 'map' && schema.uniqueItems !== true) return;
  const seen = new Set<string>();
  for (const [index, item] of list.entries()) {
    const identity = listType === 'map' ? keys.map((key) => own(item, key) ?? schema.items?.properties?.[key]?.default) : item;
    if (Array.isArray(identity) && listType === 'map' && identity.every((part) => part === undefined)) continue;
    const text = JSON.stringify(identity);
    if (seen.has(text)) {
      const shown = listType === 'map' ? goMap(keys, item) : JSON.stringify(item);
      findings.causes.push({ reason: 'FieldValueDuplicate', message: `Duplicate value: ${shown}`, field: `${path}[${index}]` });
    }
    seen.add(text);
  }
}

function goMap(keys: readonly string[], item: unknown): string {
  return `map[string]interface {}{${keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(own(item, key) ?? null)}`).join(', ')}}`;
}

function checkRecord(schema: Schema, record: JsonRecord, { path, findings }: At): void {
  const inside = (key: string): string => (path === '' ? key : `${path}.${key}`);
  for (const key of schema.required ?? []) {
    if (own(record, key) === undefined) findings.causes.push(required(inside(key)));
  }
  const count = Object.keys(record).length;
  const { minProperties, maxProperties } = schema;
  if (minProperties !== undefined && count < minProperties) {
    findings.causes.push(invalidValue(path, count, `${path} in body should have at least ${minProperties} properties`));
  }
  if (maxProperties !== undefined && count > maxProperties) {
    findings.causes.push(invalidValue(path, count, `${path} in body should have at most ${maxProperties} properties`));
  }
  for (const key of Object.keys(record)) {
    const member = memberSchema(schema, key);
    if (member !== undefined) check(member, record[key], { path: inside(key), findings });
  }
}

function checkCombinations(schema: Schema, value: unknown, at: At): void {
  for (const part of schema.allOf ?? []) check(part, value, at);
  const fits = (part: Schema): boolean => validate(part, value, at.path).causes.length === 0;
  const say = (what: string): void => void at.findings.causes.push(invalidValue(at.path, '', `"${at.path}" must ${what}`));
  if (schema.anyOf !== undefined && !schema.anyOf.some(fits)) say('validate at least one schema (anyOf)');
  if (schema.oneOf !== undefined && schema.oneOf.filter(fits).length !== 1) say('validate one and only one schema (oneOf)');
  if (schema.not !== undefined && fits(schema.not)) say('not validate the schema (not)');
}

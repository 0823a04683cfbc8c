/** Owns structural schemas: their shape, defaulting, and pruning of fields that they do not name. */
import { copy, isRecord, own, setOwn } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';

/** The part of OpenAPI v3 that CustomResourceDefinitions may use. */
export interface Schema {
  type?: string;
  description?: string;
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  items?: Schema;
  required?: string[];
  enum?: unknown[];
  default?: unknown;
  nullable?: boolean;
  format?: string;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: boolean;
  exclusiveMaximum?: boolean;
  multipleOf?: number;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  minProperties?: number;
  maxProperties?: number;
  allOf?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  not?: Schema;
  'x-kubernetes-preserve-unknown-fields'?: boolean;
  'x-kubernetes-int-or-string'?: boolean;
  'x-kubernetes-embedded-resource'?: boolean;
  'x-kubernetes-list-type'?: string;
  'x-kubernetes-list-map-keys'?: string[];
  'x-kubernetes-map-type'?: string;
  /** In OpenAPI documents only. */
  $ref?: string;
  [extension: `x-${string}`]: unknown;
}

/** Never pruned and never touched at the top of an object. */
const ENVELOPE = new Set(['apiVersion', 'kind', 'metadata']);

/** The schema of a member: a named one, or that of all others; own members only, so that `__proto__` is no name. */
export function memberSchema(schema: Schema, key: string): Schema | undefined {
  const named = own(schema.properties, key);
  if (named !== undefined) return named as Schema;
  return isRecord(schema.additionalProperties) ? schema.additionalProperties : undefined;
}

function keepsUnknown(schema: Schema): boolean {
  return schema['x-kubernetes-preserve-unknown-fields'] === true || schema.additionalProperties === true;
}

/** Fills defaults and takes away what is unknown, in place. Returns the paths of the unknown fields. */
export function defaultAndPrune(schema: Schema, object: JsonRecord): string[] {
  const unknown: string[] = [];
  walkRecord(schema, object, { path: '', unknown, envelope: true });
  return unknown;
}

interface Place {
  path: string;
  unknown: string[];
  /** The value is an object with kind and metadata of its own. */
  envelope: boolean;
}

function walk(schema: Schema, value: unknown, place: Place): void {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === undefined) return;
    for (const [index, item] of (value as unknown[]).entries()) {
      walk(items, item, { ...place, path: `${place.path}[${index}]`, envelope: items['x-kubernetes-embedded-resource'] === true });
    }
    return;
  }
  if (isRecord(value)) walkRecord(schema, value, place);
}

function walkRecord(schema: Schema, record: JsonRecord, place: Place): void {
  fillDefaults(schema, record);
  for (const key of Object.keys(record)) {
    if (place.envelope && ENVELOPE.has(key)) continue;
    const member = memberSchema(schema, key);
    const path = place.path === '' ? key : `${place.path}.${key}`;
    if (member === undefined) {
      if (keepsUnknown(schema)) continue;
      place.unknown.push(path);
      delete record[key];
      continue;
    }
    if (record[key] === null && member.nullable !== true && !acceptsAnything(member)) {
      delete record[key];
      continue;
    }
    walk(member, record[key], { ...place, path, envelope: member['x-kubernetes-embedded-resource'] === true });
  }
}

/** A null of a field that is not nullable counts as absent, so it takes the default. */
function fillDefaults(schema: Schema, record: JsonRecord): void {
  for (const [key, member] of Object.entries(schema.properties ?? {})) {
    if (member.default === undefined) continue;
    const current = own(record, key);
    if (current === undefined || (current === null && member.nullable !== true)) setOwn(record, key, copy(member.default));
  }
}

function acceptsAnything(schema: Schema): boolean {
  return schema.type === undefined && schema['x-kubernetes-preserve-unknown-fields'] === true;
}

/** Owns what is known of a place in an object: which maps and lists are owned whole, and by what the items of the others are told apart. */
import { isRecord, own } from '../json-value.ts';
import type { Kind } from '../kinds/kind.ts';
import { memberSchema } from '../schema/schema.ts';
import type { Schema } from '../schema/schema.ts';

export interface Place {
  schema: Schema | undefined;
  /** The field that leads here; items of a list have that of the list. */
  field: string;
  /** The field around it. */
  around: string;
  /** Of a built-in kind: what its schema does not say, the tables below do. */
  builtin: boolean;
  item: boolean;
}

/** `atomic`: owned whole; `set`: items by their value; else the members that tell items apart. */
export type ListRule = 'atomic' | 'set' | readonly string[];

const text: Schema = { type: 'string' };
const texts: Schema = { type: 'object', additionalProperties: text };

/** The rules for metadata are the same for all kinds, whatever their schema says of it. */
const METADATA: Schema = {
  type: 'object',
  properties: {
    ...Object.fromEntries(['name', 'generateName', 'namespace', 'uid', 'resourceVersion'].map((name) => [name, text])),
    labels: texts,
    annotations: texts,
    finalizers: { type: 'array', items: text, 'x-kubernetes-list-type': 'set' },
    ownerReferences: {
      type: 'array',
      items: { type: 'object', 'x-kubernetes-map-type': 'atomic' },
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['uid'],
    },
  },
};

const byName: ListRule = ['name'];
/** Lists of built-in kinds that are not owned whole, by the name of their field, as published. */
const LISTS = new Map<string, ListRule>([
  ...['containers', 'initContainers', 'ephemeralContainers', 'volumes', 'env', 'imagePullSecrets', 'secrets'].map(
    (field): [string, ListRule] => [field, byName],
  ),
  ...['resourceClaims', 'claims', 'schedulingGates'].map((field): [string, ListRule] => [field, byName]),
  ['volumeMounts', ['mountPath']],
  ['volumeDevices', ['devicePath']],
  ['conditions', ['type']],
  ['addresses', ['type']],
  ['podIPs', ['ip']],
  ['hostAliases', ['ip']],
  ['topologySpreadConstraints', ['topologyKey', 'whenUnsatisfiable']],
  ['podCIDRs', 'set'],
]);
const CONTAINERS = new Set(['containers', 'initContainers', 'ephemeralContainers']);
const CONTAINER_PORTS: ListRule = ['containerPort', 'protocol'];
const SERVICE_PORTS: ListRule = ['port', 'protocol'];

/** Maps of built-in kinds that are owned whole: references and selectors. */
const ATOMIC_MAPS = new Set([
  ...['selector', 'labelSelector', 'namespaceSelector', 'nodeSelector', 'requiredDuringSchedulingIgnoredDuringExecution', 'preference'],
  ...['involvedObject', 'related', 'regarding', 'targetRef', 'claimRef', 'scaleTargetRef'],
  ...['fieldRef', 'resourceFieldRef', 'configMapKeyRef', 'secretKeyRef', 'secretRef'],
]);
const ATOMIC_ITEMS = new Set(['imagePullSecrets', 'secrets']);

export function rootOf({ schema, custom }: Pick<Kind, 'schema' | 'custom'>): Place {
  return { schema, field: '', around: '', builtin: !custom, item: false };
}

export function memberOf(place: Place, key: string): Place {
  const root = place.field === '';
  const schema = root && key === 'metadata' ? METADATA : place.schema === undefined ? undefined : memberSchema(place.schema, key);
  return { schema, field: key, around: place.field, builtin: place.builtin && !(root && key === 'metadata'), item: false };
}

export function itemOf(place: Place): Place {
  return { schema: place.schema?.items, field: place.field, around: place.around, builtin: place.builtin, item: true };
}

/** The schema names this member; members of maps and unknown ones are owned apart from what is in them. */
export function isNamed({ schema, field }: Place, key: string): boolean {
  return (field === '' && key === 'metadata') || own(schema?.properties, key) !== undefined;
}

/** The schema tells what may be here, and this is not it. */
export function isUndeclared(place: Place, key: string): boolean {
  const { schema, field } = place;
  if (schema === undefined || (field === '' && (key === 'apiVersion' || key === 'kind' || key === 'metadata'))) return false;
  if (schema['x-kubernetes-preserve-unknown-fields'] === true || schema.additionalProperties === true) return false;
  if (schema.type !== undefined && schema.type !== 'object') return false;
  return memberSchema(schema, key) === undefined;
}

export function isAtomicMap({ schema, field, builtin, item }: Place): boolean {
  const declared = schema?.['x-kubernetes-map-type'];
  if (declared !== undefined) return declared === 'atomic';
  return builtin && (item ? ATOMIC_ITEMS : ATOMIC_MAPS).has(field);
}

export function listRuleOf({ schema, field, around, builtin }: Place): ListRule {
  const declared = schema?.['x-kubernetes-list-type'];
  if (declared === 'set') return 'set';
  if (declared === 'map') return schema?.['x-kubernetes-list-map-keys'] ?? 'atomic';
  if (declared !== undefined || !builtin) return 'atomic';
  if (field === 'ports') return CONTAINERS.has(around) ? CONTAINER_PORTS : around === 'spec' ? SERVICE_PORTS : 'atomic';
  return LISTS.get(field) ?? 'atomic';
}

/** The element of FieldsV1 that stands for an item; undefined when it lacks a key. */
export function elementOf(place: Place, rule: ListRule, item: unknown): string | undefined {
  if (rule === 'atomic') return undefined;
  if (rule === 'set') return isRecord(item) || Array.isArray(item) ? undefined : `v:${JSON.stringify(item)}`;
  const keys: Record<string, unknown> = {};
  for (const key of [...rule].sort()) {
    const value = own(item, key) ?? defaultOf(place, key);
    if (value === undefined) return undefined;
    keys[key] = value;
  }
  return `k:${JSON.stringify(keys)}`;
}

function defaultOf({ schema, field, builtin }: Place, key: string): unknown {
  const declared = (own(schema?.items?.properties, key) as Schema | undefined)?.default;
  return declared ?? (builtin && field === 'ports' && key === 'protocol' ? 'TCP' : undefined);
}

export interface Items {
  /** In the order of the list. */
  elements: string[];
  items: Map<string, unknown>;
}

/** The items by element; undefined when the list is owned whole: by rule, or because an item has no key or is there twice. */
export function itemsOf(place: Place, list: readonly unknown[]): Items | undefined {
  const rule = listRuleOf(place);
  if (rule === 'atomic') return undefined;
  const items = new Map<string, unknown>();
  for (const item of list) {
    const element = elementOf(place, rule, item);
    if (element === undefined || items.has(element)) return undefined;
    items.set(element, item);
  }
  return { elements: [...items.keys()], items };
}

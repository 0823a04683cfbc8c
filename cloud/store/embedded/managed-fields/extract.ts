/** Owns which fields a value sets, and which changed between two values. */
import type { FieldSet } from '../../kube-api.ts';
import { deepEqual, isRecord, own } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';
import { EMPTY, difference, nodeOf, setOf, union } from './field-set.ts';
import { isAtomicMap, isNamed, itemOf, itemsOf, memberOf } from './place.ts';
import type { Items, Place } from './place.ts';

/** The fields that somebody who applies this object wants. */
export function fieldsOf(place: Place, object: JsonRecord): FieldSet {
  return withoutServerFields(membersOf(place, object, valueNode));
}

type Node = (place: Place, value: unknown, named: boolean) => FieldSet | undefined;

function membersOf(place: Place, record: JsonRecord, node: Node): FieldSet {
  const result: FieldSet = {};
  for (const [key, value] of Object.entries(record)) {
    const found = node(memberOf(place, key), value, isNamed(place, key));
    if (found !== undefined) result[`f:${key}`] = found;
  }
  return result;
}

function itemNodes(place: Place, { items }: Items, node: Node): FieldSet {
  const result: FieldSet = {};
  const inside = itemOf(place);
  // Items are always owned themselves: they are there because of their owner.
  for (const [element, item] of items) result[element] = node(inside, item, false) ?? {};
  return result;
}

function partsOf(place: Place, value: unknown, node: Node): FieldSet | undefined {
  if (isRecord(value)) return isAtomicMap(place) ? undefined : membersOf(place, value, node);
  const indexed = Array.isArray(value) ? itemsOf(place, value as unknown[]) : undefined;
  return indexed === undefined ? undefined : itemNodes(place, indexed, node);
}

function valueNode(place: Place, value: unknown, named: boolean): FieldSet | undefined {
  const parts = partsOf(place, value, valueNode);
  if (parts === undefined) return {};
  const empty = isRecord(value) && Object.keys(value).length === 0;
  return nodeOf(!named || empty, parts);
}

/** Everything of the value, containers too: what came or went with it. */
function wholeNode(place: Place, value: unknown): FieldSet {
  const parts = partsOf(place, value, wholeNode);
  return parts === undefined ? {} : (nodeOf(true, parts) ?? {});
}

export interface Changes {
  added: FieldSet;
  modified: FieldSet;
  removed: FieldSet;
}

/** What the server sets by itself does not count. */
export function changesBetween(place: Place, before: JsonRecord, after: JsonRecord): Changes {
  const found = compareRecords(place, before, after);
  return {
    added: withoutServerFields(found?.added ?? EMPTY),
    modified: withoutServerFields(found?.modified ?? EMPTY),
    removed: withoutServerFields(found?.removed ?? EMPTY),
  };
}

/** A node of each set; undefined where nothing below changed. */
interface Found {
  added?: FieldSet;
  modified?: FieldSet;
  removed?: FieldSet;
}

/** Of values that are not equal: most are, and are passed over before their place is looked up. */
function compare(place: Place, before: unknown, after: unknown): Found | undefined {
  if (isRecord(before) && isRecord(after)) return isAtomicMap(place) ? { modified: {} } : compareRecords(place, before, after);
  if (Array.isArray(before) && Array.isArray(after)) return compareLists(place, before as unknown[], after as unknown[]);
  const gone = partsOf(place, before, wholeNode);
  const come = partsOf(place, after, wholeNode);
  return { modified: {}, ...(gone === undefined ? {} : { removed: gone }), ...(come === undefined ? {} : { added: come }) };
}

function compareRecords(place: Place, before: JsonRecord, after: JsonRecord): Found | undefined {
  const gather = new Gather();
  for (const key of Object.keys(after)) {
    const value = after[key];
    const present = Object.hasOwn(before, key);
    if (present && deepEqual(before[key], value)) continue;
    const inside = memberOf(place, key);
    if (present) gather.addAll(`f:${key}`, compare(inside, before[key], value));
    else gather.add('added', `f:${key}`, wholeNode(inside, value));
  }
  for (const key of Object.keys(before)) {
    if (own(after, key) === undefined) gather.add('removed', `f:${key}`, wholeNode(memberOf(place, key), before[key]));
  }
  return gather.found;
}

function compareLists(place: Place, before: unknown[], after: unknown[]): Found | undefined {
  const left = itemsOf(place, before);
  const right = itemsOf(place, after);
  if (left === undefined || right === undefined) return { modified: {} };
  const gather = new Gather();
  const inside = itemOf(place);
  for (const [element, item] of right.items) {
    if (!left.items.has(element)) gather.add('added', element, wholeNode(inside, item));
    else if (!deepEqual(left.items.get(element), item)) gather.addAll(element, compare(inside, left.items.get(element), item));
  }
  for (const [element, item] of left.items) if (!right.items.has(element)) gather.add('removed', element, wholeNode(inside, item));
  return gather.found;
}

/** Collects the nodes of children; most compared values are equal, so sets are made when first needed. */
class Gather {
  found: Found | undefined;

  add(set: keyof Found, element: string, node: FieldSet): void {
    this.found ??= {};
    (this.found[set] ??= {})[element] = node;
  }

  addAll(element: string, inner: Found | undefined): void {
    if (inner === undefined) return;
    for (const set of ['added', 'modified', 'removed'] as const) {
      const node = inner[set];
      if (node !== undefined) this.add(set, element, node);
    }
  }
}

const OF_THE_SERVER = ['name', 'namespace', 'creationTimestamp', 'selfLink', 'uid', 'generation', 'managedFields', 'resourceVersion'];
const SERVER_FIELDS = union(
  setOf([['f:apiVersion'], ['f:kind'], ['f:metadata']]),
  setOf(OF_THE_SERVER.map((name) => ['f:metadata', `f:${name}`])),
);

function withoutServerFields(set: FieldSet): FieldSet {
  if (set['f:metadata'] === undefined && set['f:apiVersion'] === undefined && set['f:kind'] === undefined) return set;
  return difference(set, SERVER_FIELDS);
}

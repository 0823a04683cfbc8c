/** Owns the entries of `metadata.managedFields`: reading those that a client sent, who an entry belongs to, their order and their bound. */
import type { FieldSet, ManagedFieldsEntry } from '../../kube-api.ts';
import { deepEqual, isRecord, own } from '../json-value.ts';
import { readFieldSet, sameFields, sorted, union } from './field-set.ts';

export type Managers = readonly ManagedFieldsEntry[];

/** Entries of updates beyond these are merged, oldest first. */
const MOST_UPDATERS = 10;
const ANCIENT = 'ancient-changes';
/** Owner of what was there before anybody was recorded. */
export const BEFORE_FIRST_APPLY = 'before-first-apply';
export const MOST_MANAGER_BYTES = 128;

export interface Manager {
  /** Of the query, else of the User-Agent. */
  name: string;
  apiVersion: string;
  subresource: string | undefined;
}

export function newEntry(manager: Manager, operation: ManagedFieldsEntry['operation'], fields: FieldSet): ManagedFieldsEntry {
  const { name, apiVersion, subresource } = manager;
  const entry: ManagedFieldsEntry = { manager: name, operation, apiVersion, fieldsType: 'FieldsV1', fieldsV1: fields };
  return subresource === undefined ? entry : { ...entry, subresource };
}

/** One manager's entries of one operation, path and version are one; who applies has one whatever the version. */
export function isSameManager(a: ManagedFieldsEntry, b: ManagedFieldsEntry): boolean {
  if (a.manager !== b.manager || a.operation !== b.operation || (a.subresource ?? '') !== (b.subresource ?? '')) return false;
  return a.operation === 'Apply' || a.apiVersion === b.apiVersion;
}

/** In the order in which a real server writes its members. */
export function withFields(entry: ManagedFieldsEntry, fields: FieldSet, time = entry.time): ManagedFieldsEntry {
  const { manager, operation, apiVersion, subresource } = entry;
  return {
    manager,
    operation,
    apiVersion,
    ...(time === undefined ? {} : { time }),
    fieldsType: 'FieldsV1',
    fieldsV1: fields === entry.fieldsV1 ? fields : sorted(fields),
    ...(subresource === undefined || subresource === '' ? {} : { subresource }),
  };
}

/** Undefined when any of it makes no sense. */
export function readManagers(value: unknown): ManagedFieldsEntry[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const entries: ManagedFieldsEntry[] = [];
  for (const item of value as unknown[]) {
    const entry = readEntry(item);
    if (entry === undefined) return undefined;
    const at = entries.findIndex((each) => isSameManager(each, entry));
    if (at < 0) entries.push(entry);
    else entries[at] = entry;
  }
  return entries;
}

function readEntry(value: unknown): ManagedFieldsEntry | undefined {
  const [manager = '', operation, apiVersion, time, fieldsType, subresource] = [
    'manager',
    'operation',
    'apiVersion',
    'time',
    'fieldsType',
    'subresource',
  ].map((key) => own(value, key));
  if (typeof manager !== 'string' || manager.length > MOST_MANAGER_BYTES || typeof apiVersion !== 'string') return undefined;
  if ((operation !== 'Apply' && operation !== 'Update') || fieldsType !== 'FieldsV1') return undefined;
  if (subresource !== undefined && typeof subresource !== 'string') return undefined;
  const fields = readFieldSet(own(value, 'fieldsV1') ?? {});
  if (fields === undefined) return undefined;
  const shownTime = typeof time === 'string' && !Number.isNaN(Date.parse(time)) ? time : undefined;
  return withFields(newEntry({ name: manager, apiVersion, subresource }, operation, fields), fields, shownTime);
}

/** `[{}]`: the client wants nobody recorded any more. An empty list is what clients send that know nothing of managers. */
export function isReset(value: unknown): boolean {
  return Array.isArray(value) && value.length === 1 && isRecord(value[0]) && Object.keys(value[0]).length === 0;
}

/** What a write starts from: the entries that it brings when they make sense, else those that are there. */
export function startOf(live: Managers, sent: unknown, subresource: string | undefined): Managers {
  if (subresource !== undefined || sent === undefined || deepEqual(sent, live)) return live;
  if (isReset(sent)) return [];
  const read = readManagers(sent);
  return read === undefined || read.length === 0 ? live : read;
}

/** Appliers first, then by age. */
export function ordered(entries: Managers): ManagedFieldsEntry[] {
  return [...entries].sort(
    (a, b) =>
      compareTexts(a.operation, b.operation) ||
      compareTexts(a.time ?? '', b.time ?? '') ||
      compareTexts(a.manager, b.manager) ||
      compareTexts(a.apiVersion, b.apiVersion) ||
      compareTexts(a.subresource ?? '', b.subresource ?? ''),
  );
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Merges the oldest updates of a version into one entry until there are few enough. */
export function capped(entries: Managers): Managers {
  const updaters = ordered(entries.filter(({ operation }) => operation === 'Update'));
  if (updaters.length <= MOST_UPDATERS) return entries;
  let over = updaters.length - MOST_UPDATERS;
  const buckets = new Map<string, ManagedFieldsEntry[]>();
  const left: ManagedFieldsEntry[] = [];
  for (const entry of updaters) {
    const bucket = buckets.get(entry.apiVersion);
    if (over <= 0) left.push(entry);
    else if (bucket === undefined) buckets.set(entry.apiVersion, [entry]);
    else {
      bucket.push(entry);
      over -= 1;
    }
  }
  for (const [apiVersion, bucket] of buckets) {
    const [first] = bucket;
    if (bucket.length === 1 && first !== undefined) left.push(first);
    else {
      const fields = bucket.reduce<FieldSet>((all, { fieldsV1 }) => union(all, fieldsV1), {});
      const entry = newEntry({ name: ANCIENT, apiVersion, subresource: undefined }, 'Update', {});
      left.push(withFields(entry, fields, bucket.at(-1)?.time));
    }
  }
  return [...entries.filter(({ operation }) => operation === 'Apply'), ...left];
}

/** The same but for times: then a write that changes nothing else changes nothing. */
export function sameManagers(a: Managers, b: Managers): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  return a.every((entry) => {
    const other = b.find((each) => isSameManager(each, entry) && each.apiVersion === entry.apiVersion);
    return other !== undefined && sameFields(entry.fieldsV1, other.fieldsV1);
  });
}

/** The part of a User-Agent before the first slash, as far as it can be printed. */
export function managerOf(fieldManager: string, userAgent: string): string {
  if (fieldManager !== '') return fieldManager;
  const start = userAgent.split('/')[0] ?? '';
  const name = start.replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, '').slice(0, MOST_MANAGER_BYTES);
  return name === '' ? 'unknown' : name;
}

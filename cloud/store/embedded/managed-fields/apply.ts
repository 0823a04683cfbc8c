/** Owns server-side apply: merge, conflicts with other managers, removal of what its owner no longer lists. */
import type { FieldSet, ManagedFieldsEntry } from '../../kube-api.ts';
import { deepEqual, dig, isRecord, setOwn } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';
import { changesBetween, fieldsOf } from './extract.ts';
import { difference, intersection, isEmpty, pathsOf, setOf, union } from './field-set.ts';
import { BEFORE_FIRST_APPLY, isSameManager, newEntry, ordered, sameManagers, withFields } from './managers.ts';
import type { Manager, Managers } from './managers.ts';
import { merged } from './merge.ts';
import type { Place } from './place.ts';
import { emptyObject, lessFields, recorded } from './record.ts';
import { withNamedFields, withoutFields } from './remove.ts';

export const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
/** The manager of kubectl: only for it the annotation of client-side apply is read and kept. */
const KUBECTL = 'kubectl';

export interface Conflict {
  manager: ManagedFieldsEntry;
  /** Elements of FieldsV1. */
  path: string[];
}

/** Fields that others own; nothing was applied. */
export class ApplyConflictError extends Error {
  readonly conflicts: readonly Conflict[];

  constructor(conflicts: readonly Conflict[]) {
    super(`${conflicts.length} conflicts`);
    this.conflicts = conflicts;
  }
}

export interface Applying {
  place: Place;
  /** Without managedFields; `{}` when there is none yet. */
  live: JsonRecord;
  wanted: JsonRecord;
  managers: Managers;
  manager: Manager;
  force: boolean;
  /** As Kubernetes writes it. */
  time: string;
}

export interface Applied {
  object: JsonRecord;
  managers: Managers;
}

/** Throws `ApplyConflictError`. */
export function applied(applying: Applying): Applied {
  const result = upgradingApply({ ...applying, managers: withFirst(applying) });
  const { manager, wanted } = applying;
  if (manager.name === KUBECTL && lastAppliedOf(result.object) !== undefined) setLastApplied(result.object, wanted);
  return result;
}

/** Whoever set what was there before anybody was recorded: one manager for all of it. */
function withFirst({ place, live, managers, manager, time }: Applying): Managers {
  if (managers.length > 0 || Object.keys(live).length === 0) return managers;
  return recorded([], changesBetween(place, emptyObject(place, live), live), { manager: { ...manager, name: BEFORE_FIRST_APPLY }, time });
}

/** What client-side apply said last is no conflict: it was the same person. */
function upgradingApply(applying: Applying): Applied {
  try {
    return applyOnce(applying);
  } catch (error) {
    if (!(error instanceof ApplyConflictError) || applying.manager.name !== KUBECTL) throw error;
    const allowed = fieldsOfLastApplied(applying);
    if (allowed === undefined) throw error;
    const left = error.conflicts.filter(({ path }) => !isEmpty(difference(setOf([path]), allowed)));
    if (left.length > 0) throw new ApplyConflictError(left);
    return applyOnce({ ...applying, force: true });
  }
}

function applyOnce({ place, live, wanted, managers, manager, force, time }: Applying): Applied {
  const self = newEntry(manager, 'Apply', {});
  const before = managers.find((entry) => isSameManager(entry, self));
  const others = managers.filter((entry) => entry !== before);
  const listed = fieldsOf(place, wanted);
  let object = merged(place, live, wanted);
  if (before !== undefined) {
    const managed = others.reduce((all, { fieldsV1 }) => union(all, fieldsV1), listed);
    object = pruned(place, object, { last: before.fieldsV1, managed });
  }
  const { added, modified, removed } = changesBetween(place, live, object);
  const left = resolveConflicts(others, { written: union(added, modified), removed, force });
  const mine = withFields(self, listed, before?.time);
  const next = isEmpty(listed) ? left : [...left, mine];
  if (sameManagers(managers, next) && deepEqual(live, object)) return { object, managers };
  return { object, managers: ordered(next.map((entry) => (entry === mine ? withFields(mine, mine.fieldsV1, time) : entry))) };
}

function resolveConflicts(
  others: Managers,
  { written, removed, force }: { written: FieldSet; removed: FieldSet; force: boolean },
): ManagedFieldsEntry[] {
  const conflicts = others.flatMap((manager) => pathsOf(intersection(manager.fieldsV1, written)).map((path) => ({ manager, path })));
  if (conflicts.length > 0 && !force) throw new ApplyConflictError(conflicts);
  return others.flatMap((entry) => {
    const left = lessFields(lessFields(entry.fieldsV1, written), removed);
    return isEmpty(left) ? [] : [left === entry.fieldsV1 ? entry : withFields(entry, left)];
  });
}

/** Takes away what the manager listed last time, does not list now, and nobody else owns. */
function pruned(place: Place, object: JsonRecord, { last, managed }: { last: FieldSet; managed: FieldSet }): JsonRecord {
  const lastNamed = withNamedFields(place, last);
  const all = withNamedFields(place, fieldsOf(place, object));
  const without = withNamedFields(place, fieldsOf(place, withoutFields(place, object, lastNamed)));
  // Back in comes what others own, and then what was gone without having been listed.
  const owned = union(without, withNamedFields(place, managed));
  const second = withoutFields(place, object, difference(all, owned));
  const stays = withNamedFields(place, fieldsOf(place, second));
  return withoutFields(place, object, intersection(difference(all, stays), lastNamed));
}

function lastAppliedOf(object: JsonRecord): string | undefined {
  const text = dig(object, 'metadata', 'annotations', LAST_APPLIED);
  return typeof text === 'string' && text !== '' ? text : undefined;
}

/** Those that the live object still has as client-side apply left them. */
function fieldsOfLastApplied({ place, live, manager }: Applying): FieldSet | undefined {
  const text = lastAppliedOf(live);
  if (text === undefined) return undefined;
  let last: unknown;
  try {
    last = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(last) || last['apiVersion'] !== manager.apiVersion) return undefined;
  const { added, modified, removed } = changesBetween(place, last, live);
  return [added, modified, removed].reduce(difference, fieldsOf(place, last));
}

/** Keeps the annotation in step, so that client-side apply may follow. */
function setLastApplied(object: JsonRecord, wanted: JsonRecord): void {
  const metadata = isRecord(wanted['metadata']) ? wanted['metadata'] : {};
  const annotations = isRecord(metadata['annotations']) ? { ...metadata['annotations'] } : undefined;
  if (annotations !== undefined) delete annotations[LAST_APPLIED];
  const shown = { ...wanted, metadata: annotations === undefined ? metadata : { ...metadata, annotations } };
  const target = dig(object, 'metadata', 'annotations');
  if (isRecord(target)) setOwn(target, LAST_APPLIED, `${JSON.stringify(shown)}\n`);
}

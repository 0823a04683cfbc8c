/** Owns what create, update and patch do to managers: who writes a field owns it, who wrote it before no longer does. */
import type { FieldSet, ManagedFieldsEntry } from '../../kube-api.ts';
import { difference, includes, intersects, isEmpty, union } from './field-set.ts';
import type { JsonRecord } from '../json-value.ts';
import type { Changes } from './extract.ts';
import type { Place } from './place.ts';
import { capped, isSameManager, newEntry, ordered, withFields } from './managers.ts';
import type { Manager, Managers } from './managers.ts';

/** `time` as Kubernetes writes it. The entries themselves are returned when nothing was written. */
export function recorded(entries: Managers, changes: Changes, by: { manager: Manager; time: string }): Managers {
  const { added, modified, removed } = changes;
  const written = union(added, modified);
  if (isEmpty(written) && isEmpty(removed)) return entries;
  const self = newEntry(by.manager, 'Update', {});
  const result: ManagedFieldsEntry[] = [];
  let mine: ManagedFieldsEntry = self;
  for (const entry of entries) {
    if (isSameManager(entry, self)) mine = entry;
    else {
      const left = lessFields(lessFields(entry.fieldsV1, written), removed);
      if (left === entry.fieldsV1) result.push(entry);
      else if (!isEmpty(left)) result.push(withFields(entry, left));
    }
  }
  const kept = lessFields(mine.fieldsV1, removed);
  const owned = includes(kept, written) ? kept : union(kept, written);
  // The time is that of the last write of a value, not of a removal.
  if (!isEmpty(owned)) result.push(isEmpty(written) ? withFields(mine, owned) : withFields(mine, owned, by.time));
  return ordered(capped(result));
}

/** What an object is before it is created: typed servers know an empty spec and status of their own kinds. */
export function emptyObject({ builtin }: Place, { apiVersion, kind }: JsonRecord): JsonRecord {
  return { apiVersion, kind, metadata: {}, ...(builtin ? { spec: {}, status: {} } : {}) };
}

/** The set itself where it loses nothing. */
export function lessFields(set: FieldSet, taken: FieldSet): FieldSet {
  return intersects(set, taken) ? difference(set, taken) : set;
}

/** Only what is under `element`, or only what is not. */
export function splitChanges(changes: Changes, element: string): { inside: Changes; outside: Changes } {
  const split = (pick: (set: FieldSet) => FieldSet): Changes => {
    return { added: pick(changes.added), modified: pick(changes.modified), removed: pick(changes.removed) };
  };
  const rest = (set: FieldSet): FieldSet => {
    if (set[element] === undefined) return set;
    const { [element]: _inside, ...others } = set;
    return others;
  };
  return { inside: split((set) => (set[element] === undefined ? {} : { [element]: set[element] })), outside: split(rest) };
}

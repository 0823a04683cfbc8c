/** Owns the JSON patch that sets desired values: each entry is tested by its name, whatever generation the Device is of. */
import { field, fieldsAt, fieldsOf, listOf, nameOf } from '#device-models/fields.ts';
import type { Fields } from '#device-models/fields.ts';
import type { JsonPatchOperation, KubeObject } from '../../../cloud/store/kube-api.ts';

export interface Wanted {
  property: string;
  value: string;
  /** Written as metadata.type where the entry names none. */
  type: string;
}

interface Place {
  list: string;
  name: 'propertyName' | 'name';
  entries: readonly unknown[] | undefined;
}

/**
 * Operations for `patch --type json`. The list index of an entry is protected by a `test` on its name; a new entry, which no test can protect,
 * by one on resourceVersion. A refused test (409, 422) means: read the Device again and plan anew.
 */
export function planDesired(device: KubeObject, wanted: readonly Wanted[]): JsonPatchOperation[] {
  const operations: JsonPatchOperation[] = [];
  const missing = new Map<string, { place: Place; entries: Fields[] }>();
  for (const each of wanted) {
    const place = placeOf(device, each.property);
    const index = (place.entries ?? []).findIndex((entry) => nameOf(field(fieldsOf(entry), place.name)) === each.property);
    if (index >= 0) operations.push(...changeEntry(place, index, each));
    else {
      const group = missing.get(place.list) ?? { place, entries: [] };
      group.entries.push({ [place.name]: each.property, desired: desiredOf(each) });
      missing.set(place.list, group);
    }
  }
  const added = [...missing.values()].flatMap(({ place, entries }) => addEntries(device, place, entries));
  if (added.length === 0) return operations;
  return [{ op: 'test', path: '/metadata/resourceVersion', value: device.metadata.resourceVersion }, ...operations, ...added];
}

/** v1beta1 keeps desired values in spec.properties; which form a Device has shows where its values or its visitors are. */
function placeOf(device: KubeObject, property: string): Place {
  const spec = place(fieldsAt(device, 'spec'), { list: '/spec/properties', field: 'properties', name: 'name' });
  const status = place(fieldsAt(device, 'status'), { list: '/status/twins', field: 'twins', name: 'propertyName' });
  const entry = spec.entries?.find((each) => nameOf(field(fieldsOf(each), 'name')) === property);
  const beta = device.apiVersion.endsWith('/v1beta1') || spec.entries !== undefined || fieldsAt(device, 'spec')?.['nodeName'] !== undefined;
  return entry !== undefined || beta ? spec : status;
}

function place(holder: Fields | undefined, of: { list: string; field: string; name: Place['name'] }): Place {
  const value = holder?.[of.field];
  return { list: of.list, name: of.name, entries: Array.isArray(value) ? listOf(value) : undefined };
}

function changeEntry({ list, name, entries }: Place, index: number, wanted: Wanted): JsonPatchOperation[] {
  const at = `${list}/${index}`;
  const test: JsonPatchOperation = { op: 'test', path: `${at}/${name}`, value: wanted.property };
  const present = fieldsAt(fieldsOf(entries?.[index]), 'desired');
  if (present === undefined) return [test, { op: 'add', path: `${at}/desired`, value: desiredOf(wanted) }];
  return [test, { op: 'add', path: `${at}/desired/value`, value: wanted.value }];
}

function addEntries(device: KubeObject, { list, entries }: Place, added: Fields[]): JsonPatchOperation[] {
  if (entries !== undefined) return added.map((value) => ({ op: 'add', path: `${list}/-`, value }));
  const holder = list.slice(0, list.lastIndexOf('/'));
  const there = fieldsOf(device[holder.slice(1)]) !== undefined;
  const create: JsonPatchOperation[] = there ? [] : [{ op: 'add', path: holder, value: {} }];
  return [...create, { op: 'add', path: list, value: added }];
}

function desiredOf({ value, type }: Wanted): Fields {
  return { value, metadata: { type } };
}

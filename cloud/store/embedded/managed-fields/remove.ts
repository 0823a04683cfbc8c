/** Owns taking fields out of an object by a set of them. */
import type { FieldSet } from '../../kube-api.ts';
import { isRecord, setOwn } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';
import { isMember, nodeOf } from './field-set.ts';
import { elementOf, isAtomicMap, isNamed, itemOf, listRuleOf, memberOf } from './place.ts';
import type { Place } from './place.ts';

/** A new object; `object` stays as it is. A field that is in the set goes with all that is in it. */
export function withoutFields(place: Place, object: JsonRecord, set: FieldSet): JsonRecord {
  const left = removeFrom(place, object, set);
  return isRecord(left) ? left : {};
}

/** Undefined when nothing is left. */
function removeFrom(place: Place, value: unknown, set: FieldSet): unknown {
  if (Array.isArray(value)) return removeItems(place, value as unknown[], set);
  if (!isRecord(value) || isAtomicMap(place)) return value;
  const result: JsonRecord = {};
  for (const [key, inner] of Object.entries(value)) {
    const left = remaining(memberOf(place, key), inner, set[`f:${key}`]);
    if (left !== undefined) setOwn(result, key, left);
  }
  return Object.keys(result).length === 0 && Object.keys(value).length > 0 ? undefined : result;
}

function removeItems(place: Place, list: unknown[], set: FieldSet): unknown[] | undefined {
  const rule = listRuleOf(place);
  if (rule === 'atomic') return list;
  const inside = itemOf(place);
  const result: unknown[] = [];
  for (const item of list) {
    const element = elementOf(place, rule, item);
    const left = element === undefined ? item : remaining(inside, item, set[element]);
    if (left !== undefined) result.push(left);
  }
  return result.length === 0 && list.length > 0 ? undefined : result;
}

function remaining(place: Place, value: unknown, node: FieldSet | undefined): unknown {
  if (node === undefined) return value;
  return isMember(node) ? undefined : removeFrom(place, value, node);
}

/**
 * Adds the named fields on the way to each field: sets leave them out, but who set `spec.a.b` brought `spec.a` too. Keys of maps and
 * items of lists say for themselves who owns them.
 */
export function withNamedFields(place: Place, set: FieldSet): FieldSet {
  const result: FieldSet = {};
  for (const [key, node] of Object.entries(set)) {
    if (key === '.') continue;
    const name = key.startsWith('f:') ? key.slice(2) : undefined;
    const inside = name === undefined ? itemOf(place) : memberOf(place, name);
    const named = name !== undefined && isNamed(place, name);
    const kept = nodeOf(isMember(node) || named, withNamedFields(inside, node));
    if (kept !== undefined) result[key] = kept;
  }
  return result;
}

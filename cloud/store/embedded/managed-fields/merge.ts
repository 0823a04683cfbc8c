/** Owns merging what somebody applies over what is there: maps and keyed lists by their parts, everything else whole. */
import { copy, isRecord, own, setOwn } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';
import { isAtomicMap, itemOf, itemsOf, memberOf } from './place.ts';
import type { Items, Place } from './place.ts';

/** A new object; both arguments stay as they are. */
export function merged(place: Place, live: JsonRecord, wanted: JsonRecord): JsonRecord {
  const result: JsonRecord = copy(live);
  for (const [key, value] of Object.entries(wanted)) setOwn(result, key, mergeValue(memberOf(place, key), own(live, key), value));
  return result;
}

function mergeValue(place: Place, live: unknown, wanted: unknown): unknown {
  if (isRecord(live) && !isAtomicMap(place)) {
    if (isRecord(wanted)) return merged(place, live, wanted);
    if (wanted === null) return copy(live);
  }
  if (Array.isArray(live)) {
    const left = itemsOf(place, live as unknown[]);
    if (left !== undefined && wanted === null) return copy(live as unknown[]);
    const right = Array.isArray(wanted) ? itemsOf(place, wanted as unknown[]) : undefined;
    if (left !== undefined && right !== undefined) return mergeItems(itemOf(place), left, right);
  }
  return copy(wanted);
}

/** Items that are wanted stand in the order wanted, the others stay where they are between them. */
function mergeItems(place: Place, live: Items, wanted: Items): unknown[] {
  const shared = wanted.elements.filter((element) => live.items.has(element));
  const result: unknown[] = [];
  const placed = new Set<string>();
  const put = (element: string): void => {
    placed.add(element);
    const item = wanted.items.get(element);
    result.push(live.items.has(element) ? mergeValue(place, live.items.get(element), item) : copy(item));
  };
  let [left, right, next] = [0, 0, 0];
  while (left < live.elements.length || right < wanted.elements.length) {
    const mine = live.elements[left];
    const theirs = wanted.elements[right];
    if (mine !== undefined && !wanted.items.has(mine)) {
      result.push(copy(live.items.get(mine)));
      left += 1;
    } else if (mine !== undefined && (placed.has(mine) || (mine !== theirs && shared[next] !== undefined && shared[next] !== mine))) {
      // It stands where the wanted order has it.
      left += 1;
    } else if (theirs !== undefined) {
      put(theirs);
      if (shared[next] === theirs) next += 1;
      if (mine === theirs) left += 1;
      right += 1;
    } else left += 1;
  }
  return result;
}

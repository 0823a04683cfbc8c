/** Owns what cannot be applied: fields that the schema does not declare, items that cannot be told apart. */
import { isRecord } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';
import { pathText } from './field-set.ts';
import { elementOf, isAtomicMap, isUndeclared, itemOf, listRuleOf, memberOf } from './place.ts';
import type { ListRule, Place } from './place.ts';

/** More would only fill the answer. */
const MOST_FAULTS = 20;

/** One line each, in the words of Kubernetes. */
export function faultsOf(place: Place, wanted: JsonRecord): string[] {
  const faults: string[] = [];
  checkRecord(place, wanted, { path: [], faults });
  return faults.slice(0, MOST_FAULTS);
}

interface At {
  path: readonly string[];
  faults: string[];
}

function checkValue(place: Place, value: unknown, at: At): void {
  if (isRecord(value)) checkRecord(place, value, at);
  else if (Array.isArray(value)) checkList(place, value as unknown[], at);
}

function checkRecord(place: Place, record: JsonRecord, { path, faults }: At): void {
  for (const [key, value] of Object.entries(record)) {
    const inside = [...path, `f:${key}`];
    if (isUndeclared(place, key)) faults.push(`${pathText(inside)}: field not declared in schema`);
    else checkValue(memberOf(place, key), value, { path: inside, faults });
  }
}

function checkList(place: Place, list: unknown[], { path, faults }: At): void {
  const rule = listRuleOf(place);
  const inside = itemOf(place);
  const seen = new Set<string>();
  for (const [index, item] of list.entries()) {
    const element = elementOf(place, rule, item) ?? `i:${index}`;
    if (rule !== 'atomic' && element.startsWith('i:')) faults.push(`${pathText(path)}: element ${index}: ${missingKey(rule)}`);
    if (seen.has(element)) faults.push(`${pathText(path)}: duplicate entries for key ${pathText([element])}`);
    seen.add(element);
    if (!isAtomicMap(inside)) checkValue(inside, item, { path: [...path, element], faults });
  }
}

function missingKey(rule: ListRule): string {
  if (typeof rule === 'string') return 'an associative list of values has an element that is no value';
  const keys = rule.map((key) => JSON.stringify(key)).join(' or ');
  return `associative list with keys has an element that omits key field ${keys} (and doesn't have default value)`;
}

/** Owns strategic merge patch: merge patch in which some lists of built-in kinds merge by a key. */
import { deepEqual, isRecord, own, setOwn } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';

/** A directive that makes no sense; the request is at fault. */
export class StrategicPatchError extends Error {}

/** List fields that merge by a member, per field name; a field of two owners is told apart by the key its items have. */
const MERGE_KEYS = new Map<string, readonly string[]>([
  ...['containers', 'initContainers', 'ephemeralContainers', 'volumes', 'env', 'imagePullSecrets', 'secrets'].map(
    (field): [string, readonly string[]] => [field, ['name']],
  ),
  ...['schedulingGates', 'resourceClaims', 'resourceClaimStatuses', 'allocatedResourcesStatus', 'webhooks', 'matchConditions'].map(
    (field): [string, readonly string[]] => [field, ['name']],
  ),
  ['volumeMounts', ['mountPath']],
  ['volumeDevices', ['devicePath']],
  ['ports', ['containerPort', 'port']],
  ['conditions', ['type']],
  ['addresses', ['type']],
  ['podIPs', ['ip']],
  ['hostIPs', ['ip']],
  ['hostAliases', ['ip']],
  ['ownerReferences', ['uid']],
  ['topologySpreadConstraints', ['topologyKey']],
  ['matchExpressions', ['key']],
]);
/** Lists of plain values that merge as sets. */
const SETS = new Set(['finalizers', 'podCIDRs']);
const ORDER = '$setElementOrder/';
const REMOVE = '$deleteFromPrimitiveList/';

/** Returns the patched value; `target` itself may be changed. */
export function applyStrategicPatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return withoutDirectives(patch);
  const mode = own(patch, '$patch');
  if (mode === 'delete') return undefined;
  if (mode === 'replace') return withoutDirectives(patch);
  if (mode !== undefined && mode !== 'merge') throw new StrategicPatchError(`unknown $patch directive ${JSON.stringify(mode)}`);
  const result: JsonRecord = isRecord(target) ? target : {};
  retainKeys(result, patch);
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith(REMOVE)) removePlain(result, key.slice(REMOVE.length), value);
    else if (!key.startsWith('$')) mergeMember(result, key, value);
  }
  for (const [key, value] of Object.entries(patch)) if (key.startsWith(ORDER)) order(result, key.slice(ORDER.length), value);
  return result;
}

function mergeMember(result: JsonRecord, key: string, value: unknown): void {
  if (value === null) {
    delete result[key];
    return;
  }
  const merged = Array.isArray(value) ? mergeList(key, own(result, key), value as unknown[]) : applyStrategicPatch(own(result, key), value);
  if (merged === undefined) delete result[key];
  else setOwn(result, key, merged);
}

function mergeList(field: string, current: unknown, patch: unknown[]): unknown {
  const before: unknown[] = Array.isArray(current) ? (current as unknown[]) : [];
  if (SETS.has(field)) return [...before, ...patch.filter((item) => !before.some((old) => deepEqual(old, item)))];
  const keys = MERGE_KEYS.get(field);
  if (keys === undefined || patch.some((item) => own(item, '$patch') === 'replace')) return plainItems(patch);
  const key = keys.find((candidate) => patch.every((item) => own(item, candidate) !== undefined));
  if (key === undefined) {
    if (patch.length === 0) return before;
    throw new StrategicPatchError(`map: ${JSON.stringify(patch[0])} does not contain declared merge key: ${keys[0]}`);
  }
  const result = [...before];
  for (const item of patch) {
    const at = result.findIndex((old) => deepEqual(own(old, key), own(item, key)));
    const merged = applyStrategicPatch(at < 0 ? undefined : result[at], item);
    if (merged === undefined) {
      if (at >= 0) result.splice(at, 1);
    } else if (at < 0) result.push(merged);
    else result[at] = merged;
  }
  return result;
}

/** `$retainKeys`: members that it does not name go. */
function retainKeys(result: JsonRecord, patch: JsonRecord): void {
  const names = own(patch, '$retainKeys');
  if (!Array.isArray(names)) return;
  for (const key of Object.keys(result)) if (!names.includes(key)) delete result[key];
}

function removePlain(result: JsonRecord, field: string, values: unknown): void {
  const current = own(result, field);
  if (!Array.isArray(current) || !Array.isArray(values)) return;
  setOwn(
    result,
    field,
    (current as unknown[]).filter((item) => !values.some((value: unknown) => deepEqual(value, item))),
  );
}

/** `$setElementOrder/x`: the listed items in that order, the others behind them. */
function order(result: JsonRecord, field: string, wanted: unknown): void {
  const current = own(result, field);
  if (!Array.isArray(current) || !Array.isArray(wanted)) return;
  const keys = MERGE_KEYS.get(field) ?? [];
  const rank = (item: unknown): number => {
    const at = wanted.findIndex((entry: unknown) => {
      if (!isRecord(entry)) return deepEqual(entry, item);
      const key = keys.find((candidate) => own(entry, candidate) !== undefined);
      return key !== undefined && deepEqual(own(entry, key), own(item, key));
    });
    return at < 0 ? wanted.length : at;
  };
  const ranked = (current as unknown[]).map((item) => ({ item, rank: rank(item) }));
  ranked.sort((a, b) => a.rank - b.rank);
  setOwn(
    result,
    field,
    ranked.map(({ item }) => item),
  );
}

function plainItems(items: unknown[]): unknown[] {
  return items.filter((item) => own(item, '$patch') === undefined).map(withoutDirectives);
}

function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) return plainItems(value as unknown[]);
  if (!isRecord(value)) return value;
  const result: JsonRecord = {};
  for (const [key, member] of Object.entries(value)) {
    if (!key.startsWith('$') && member !== null) setOwn(result, key, withoutDirectives(member));
  }
  return result;
}

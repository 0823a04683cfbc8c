/** Owns which JSON patch brings a Device's status to what the edge said: single entries by tested index, never a whole list of twins, never desired. */
import { fieldsOf, textOf } from '#device-models/fields.ts';
import { doubtMetadata } from '#wire/quality.ts';
import { clockMetadata } from '#wire/unset-clock.ts';
import { sameOutcome } from '#wire/write-outcome.ts';
import type { JsonPatchOperation, KubeObject } from '../store/kube-api.ts';
import { readWriteStatus, writeStatus } from './api-status.ts';
import { MAX_TWINS, type ReportedValue, type ReportedWrite } from './device-report.ts';
import type { DeviceSummary } from './device-summary.ts';

/** The part of a Kubernetes condition that has a meaning; times are kept by the patch. */
export interface Condition {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
}

export interface WantedStatus {
  twins: ReadonlyMap<string, ReportedValue>;
  writes: ReadonlyMap<string, ReportedWrite>;
  /** Desired values that the edge confirmed; written for v1beta1 objects, along with other changes only. */
  observed: ReadonlyMap<string, string>;
  /** undefined: nothing is known of it, the API's word stays. */
  state: string | undefined;
  /** Unix ms by the cloud's clock. */
  lastSeenMs: number | undefined;
  /** All conditions of ours that hold; `ownTypes` that are missing here are taken away, those of others stay. */
  conditions: readonly Condition[];
  ownTypes: ReadonlySet<string>;
  summary: DeviceSummary;
}

/** What nobody waits for: alone it is written a little later, with what comes next if something does. */
export const lazyPaths: ReadonlySet<string> = new Set(['/status/summary', '/status/lastOnlineTime']);

/** Alone, a last-seen time is written only when the API's is so much older: it is for people, and each write wears the disk. */
const LAST_SEEN_STEP_MS = 5 * 60_000;

/** Empty when the API already says what is wanted. `now` (unix ms) stamps changed conditions. */
export function planStatus(object: KubeObject, wanted: WantedStatus, now: number): JsonPatchOperation[] {
  const status = fieldsOf(object['status']);
  const plan = new Plan();
  if (status === undefined) plan.guarded({ op: 'add', path: '/status', value: {} });
  planTwins(status?.['twins'], wanted, plan);
  if (wanted.state !== undefined && status?.['state'] !== wanted.state) {
    plan.operations.push({ op: 'add', path: '/status/state', value: wanted.state });
  }
  planConditions(status?.['conditions'], { wanted, now }, plan);
  if (!sameTexts(status?.['summary'], wanted.summary)) plan.operations.push({ op: 'add', path: '/status/summary', value: wanted.summary });
  const seen = timeText(wanted.lastSeenMs);
  const before = Date.parse(textOf(status?.['lastOnlineTime']) ?? '');
  const overdue = Number.isNaN(before) || (wanted.lastSeenMs ?? 0) - before >= LAST_SEEN_STEP_MS;
  // An empty status alone is no reason to write.
  const worthIt = plan.operations.length > (status === undefined ? 1 : 0);
  if (seen !== undefined && (overdue || worthIt) && status?.['lastOnlineTime'] !== seen) {
    plan.operations.push({ op: 'add', path: '/status/lastOnlineTime', value: seen });
  } else if (!worthIt) return [];
  if (Array.isArray(fieldsOf(object['spec'])?.['properties'])) planObserved(status?.['twins'], wanted.observed, plan);
  return plan.finish(object);
}

class Plan {
  readonly operations: JsonPatchOperation[] = [];
  #guard = false;

  /** For operations that no single `test` protects: the object must be the one that was looked at. */
  guarded(...operations: JsonPatchOperation[]): void {
    this.#guard = true;
    this.operations.push(...operations);
  }

  finish(object: KubeObject): JsonPatchOperation[] {
    if (!this.#guard) return this.operations;
    return [{ op: 'test', path: '/metadata/resourceVersion', value: object.metadata.resourceVersion }, ...this.operations];
  }
}

function planTwins(list: unknown, { twins, writes }: WantedStatus, plan: Plan): void {
  const entries: unknown[] = Array.isArray(list) ? list : [];
  const missing: unknown[] = [];
  for (const propertyName of new Set([...twins.keys(), ...writes.keys()])) {
    const index = indexOf(entries, propertyName);
    const [report, write] = [twins.get(propertyName), writes.get(propertyName)];
    const fields = {
      ...(report === undefined || saysAlready(entries[index], report) ? {} : { reported: reportedOf(entries[index], report) }),
      ...(write === undefined || toldAlready(entries[index], write) ? {} : { write: writeStatus(write.outcome) }),
    };
    if (index < 0) missing.push({ propertyName, ...fields });
    else if (Object.keys(fields).length > 0) plan.operations.push(...entryOperations(index, propertyName, fields));
  }
  const room = missing.slice(0, Math.max(0, MAX_TWINS - entries.length));
  if (room.length === 0) return;
  if (!Array.isArray(list)) plan.guarded({ op: 'add', path: '/status/twins', value: room });
  else plan.guarded(...room.map((value): JsonPatchOperation => ({ op: 'add', path: '/status/twins/-', value })));
}

function planObserved(list: unknown, observed: ReadonlyMap<string, string>, plan: Plan): void {
  const entries: unknown[] = Array.isArray(list) ? list : [];
  entries.forEach((entry, index) => {
    const fields = fieldsOf(entry);
    const name = fields?.['propertyName'];
    const value = typeof name === 'string' ? observed.get(name) : undefined;
    if (typeof name !== 'string' || value === undefined || fieldsOf(fields?.['observedDesired'])?.['value'] === value) return;
    plan.operations.push(...entryOperations(index, name, { observedDesired: { value } }));
  });
}

/** The index is only good while the same property is there: the test refuses the patch otherwise. */
function entryOperations(index: number, propertyName: string, fields: Record<string, unknown>): JsonPatchOperation[] {
  return [
    { op: 'test', path: `/status/twins/${index}/propertyName`, value: propertyName },
    ...Object.entries(fields).map(([field, value]): JsonPatchOperation => ({ op: 'add', path: `/status/twins/${index}/${field}`, value })),
  ];
}

function indexOf(entries: readonly unknown[], propertyName: string): number {
  return entries.findIndex((entry) => fieldsOf(entry)?.['propertyName'] === propertyName);
}

/** Without a value the entry keeps what it has, else `''`, which each reader of KubeEdge's objects takes for none as long as it has no time. */
function reportedOf(entry: unknown, { value, type, timestampMs, doubt }: ReportedValue): Record<string, unknown> {
  const goodness = { quality: 'good', ...doubtMetadata(doubt) };
  if (value !== undefined) return { value, metadata: { timestamp: String(timestampMs), type, ...clockMetadata(timestampMs), ...goodness } };
  const before = fieldsOf(fieldsOf(entry)?.['reported']);
  const { reason: _reason, ...metadata } = fieldsOf(before?.['metadata']) ?? {};
  return { value: before?.['value'] ?? '', metadata: { ...metadata, type, ...goodness } };
}

/** The time-stamp alone makes no difference. Without a word of it a value is good. */
function saysAlready(entry: unknown, { value, type, doubt }: ReportedValue): boolean {
  const reported = fieldsOf(fieldsOf(entry)?.['reported']);
  const metadata = fieldsOf(reported?.['metadata']);
  const { quality = 'good', reason } = doubtMetadata(doubt);
  const isSame = reported !== undefined && (value === undefined || reported['value'] === value) && metadata?.['type'] === type;
  return isSame && (metadata?.['quality'] ?? 'good') === quality && metadata?.['reason'] === reason;
}

function toldAlready(entry: unknown, { outcome }: ReportedWrite): boolean {
  return sameOutcome(readWriteStatus(fieldsOf(entry)?.['write']), outcome);
}

function planConditions(list: unknown, { wanted, now }: { wanted: WantedStatus; now: number }, plan: Plan): void {
  const present = (Array.isArray(list) ? (list as unknown[]) : []).map((entry) => fieldsOf(entry) ?? {});
  const byType = new Map(present.map((entry) => [entry['type'], entry]));
  const same = ({ type, status, reason, message }: Condition): boolean => {
    const entry = byType.get(type);
    return entry?.['status'] === status && entry['reason'] === reason && entry['message'] === message;
  };
  const held = new Set(wanted.conditions.map(({ type }) => type));
  const stale = present.some(({ type }) => typeof type === 'string' && wanted.ownTypes.has(type) && !held.has(type));
  if (!stale && wanted.conditions.every(same)) return;
  const foreign = present.filter(({ type }) => typeof type !== 'string' || !wanted.ownTypes.has(type));
  const ours = wanted.conditions.map((condition) => {
    const before = byType.get(condition.type);
    const since = before?.['status'] === condition.status ? textOf(before['lastTransitionTime']) : undefined;
    return { ...condition, lastTransitionTime: since ?? timeText(now) };
  });
  plan.guarded({ op: 'add', path: '/status/conditions', value: [...foreign, ...ours] });
}

function sameTexts(present: unknown, wanted: DeviceSummary): boolean {
  const fields = fieldsOf(present) ?? {};
  const names = new Set([...Object.keys(fields), ...Object.keys(wanted)]);
  return [...names].every((name) => fields[name] === wanted[name as keyof DeviceSummary]);
}

/** RFC 3339, UTC, whole seconds, as Kubernetes writes times. */
function timeText(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

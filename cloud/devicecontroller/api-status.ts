/** Owns reading the status of a Device as the API has it: what was said of the device before this process began. Pure. */
import { fieldsOf, listOf } from '#device-models/fields.ts';
import { readWriteOutcome, type WriteOutcome } from '#wire/write-outcome.ts';
import type { KubeObject } from '../store/kube-api.ts';
import type { DeviceState } from './device-report.ts';
import type { Condition } from './status-patch.ts';

/** `unknown` is our own word for a node that is not Ready. */
export function stateInApi(object: KubeObject): DeviceState | undefined {
  const state = statusOf(object)?.['state'];
  return typeof state === 'string' && state !== '' && state !== 'unknown' ? { state } : undefined;
}

/** Reported text by property; `''` is a file that names no value. */
export function reportedInApi(object: KubeObject): Map<string, string> {
  return byProperty(object, (entry) => {
    const value = fieldsOf(entry['reported'])?.['value'];
    return typeof value === 'string' && value !== '' ? value : undefined;
  });
}

/** What became of desired values, by property. */
export function writesInApi(object: KubeObject): Map<string, WriteOutcome> {
  return byProperty(object, (entry) => readWriteStatus(entry['write']));
}

/** `status.twins[].write`. */
export function writeStatus({ stamp, ms, ...outcome }: WriteOutcome): Record<string, unknown> {
  return { ...outcome, ...(ms === undefined ? {} : { durationMs: ms }), timestamp: String(stamp) };
}

export function readWriteStatus(input: unknown): WriteOutcome | undefined {
  const { durationMs, timestamp, ...rest } = fieldsOf(input) ?? {};
  return readWriteOutcome({ ...rest, ms: durationMs, stamp: Number(timestamp) });
}

/** Also a device that is online may have something to say, such as a value that it does not take. */
export function reasonOf(state: DeviceState | undefined, conditions: readonly Condition[]): string | undefined {
  const ready = conditions.find(({ type }) => type === 'Ready');
  const other = conditions.find(({ type, status }) => type !== 'Ready' && status === 'True');
  return state?.reason ?? (ready?.status === 'True' ? other?.message : ready?.message);
}

export function statusOf(object: KubeObject): Record<string, unknown> | undefined {
  return fieldsOf(object['status']);
}

function byProperty<T>(object: KubeObject, read: (entry: Record<string, unknown>) => T | undefined): Map<string, T> {
  const found = new Map<string, T>();
  for (const entry of listOf(statusOf(object)?.['twins'])) {
    const fields = fieldsOf(entry) ?? {};
    const name = fields['propertyName'];
    const value = read(fields);
    if (typeof name === 'string' && value !== undefined) found.set(name, value);
  }
  return found;
}

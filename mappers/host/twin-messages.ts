/** Owns the MQTT messages between a mapper and the twin: what we send and what we understand (reference/mqtt-topics.md 5 to 7). Pure. */
import type { MsgTwin } from '#wire/device-messages.ts';
import { readDoubt, type Doubt } from '#wire/quality.ts';
import type { WriteOutcome } from '#wire/write-outcome.ts';
import type { DeviceState } from './device-state.ts';
import type { Version } from './desired.ts';

export interface ReportedValue {
  readonly name: string;
  readonly type: string;
  /** Absent: there is only an outcome or a doubt to tell. */
  readonly text?: string | undefined;
  /** When it was read, unix ms. */
  readonly at: number;
  readonly doubt?: Doubt | undefined;
  readonly write?: WriteOutcome | undefined;
}

/** One message with everything that is due; `timestamp` is unix ms. */
export function twinUpdate(values: readonly ReportedValue[], timestamp: number): string {
  const twin: [string, MsgTwin][] = values.map(({ name, type, text, at, doubt, write }) => [
    name,
    {
      ...(text === undefined ? {} : { actual: { value: text, metadata: { timestamp: at } } }),
      metadata: { type },
      ...(doubt === undefined ? {} : { quality: doubt }),
      ...(write === undefined ? {} : { write }),
    },
  ]);
  return JSON.stringify({ event_id: '', timestamp, twin: Object.fromEntries(twin) });
}

/** `hivelet: 1` asks our twin to say which desired values were reached before (`settled`). */
export function twinGet(eventId: string, timestamp: number): string {
  return JSON.stringify({ event_id: eventId, timestamp, hivelet: 1 });
}

export function stateUpdate({ word, reason }: DeviceState, timestamp: number): string {
  return JSON.stringify({ event_id: '', timestamp, state: word, ...(reason === undefined ? {} : { reason }) });
}

export function dataUpdate(name: string, { text, type, at }: Pick<ReportedValue, 'text' | 'type' | 'at'>, timestamp: number): string {
  const entry = { value: text ?? '', metadata: { timestamp: at, type } };
  return JSON.stringify({ event_id: '', timestamp, data: Object.fromEntries([[name, entry]]) });
}

export interface KnownTwin {
  readonly expected?: Version & { readonly settled: boolean };
  readonly actual?: string;
  /** Why that is not good, or is not there. */
  readonly doubt?: Doubt;
}

/** The answer to `twinGet` with this event id; `unknown: true` when the twin does not know the device (yet). Undefined for other messages. */
export function parseGetResult(payload: Buffer, eventId: string): { twins: Map<string, KnownTwin> } | { unknown: true } | undefined {
  const message = parse(payload);
  if (message?.event_id !== eventId) return undefined;
  const twins = record(message.twin);
  if (twins === undefined) return { unknown: true };
  return { twins: new Map(Object.entries(twins).map(([name, twin]) => [name, knownTwin(record(twin))])) };
}

function knownTwin(twin: Record<string, unknown> | undefined): KnownTwin {
  const actual = record(twin?.actual)?.value;
  const { quality: word, reason } = record(record(twin?.actual)?.metadata) ?? {};
  const doubt = readDoubt(twin?.quality ?? { word, reason });
  const version = versionOf(twin?.expected);
  const settled = record(record(twin?.expected)?.metadata)?.settled === true;
  return {
    ...(version === undefined ? {} : { expected: { ...version, settled } }),
    ...(typeof actual === 'string' ? { actual } : {}),
    ...(doubt === undefined ? {} : { doubt }),
  };
}

export interface Delta {
  /** What differs from the device, as the twin sees it. */
  readonly wanted: Map<string, Version>;
  /** Everything that is desired at all. */
  readonly expected: Set<string>;
}

export function parseDelta(payload: Buffer): Delta | undefined {
  const message = parse(payload);
  const delta = record(message?.delta);
  if (delta === undefined) return undefined;
  const twins = record(message?.twin);
  const wanted = new Map<string, Version>();
  for (const [name, text] of Object.entries(delta)) {
    if (typeof text === 'string') wanted.set(name, versionOf(record(twins?.[name])?.expected) ?? { text, stamp: 0 });
  }
  const expected = Object.entries(twins ?? delta).filter(
    ([name, twin]) => twins === undefined || versionOf(record(twin)?.expected) !== undefined || wanted.has(name),
  );
  return { wanted, expected: new Set(expected.map(([name]) => name)) };
}

function versionOf(expected: unknown): Version | undefined {
  const value = record(expected)?.value;
  if (typeof value !== 'string') return undefined;
  const stamp = record(record(expected)?.metadata)?.timestamp;
  return { text: value, stamp: typeof stamp === 'number' ? stamp : 0 };
}

function parse(payload: Buffer): Record<string, unknown> | undefined {
  try {
    return record(JSON.parse(payload.toString('utf8')));
  } catch {
    return undefined;
  }
}

function record(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
}

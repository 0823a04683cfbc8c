/** Owns the JSON that devicetwin publishes on MQTT (reference/mqtt-topics.md sections 4 to 6). */
import { randomUUID } from 'node:crypto';
import type { MsgAttr, MsgTwin } from '#wire/device-messages.ts';
import { doubtMetadata, type Doubt } from '#wire/quality.ts';
import { deviceTopic } from '#wire/topics.ts';
import { clockMetadata } from '#wire/unset-clock.ts';
import type { WriteOutcome } from '#wire/write-outcome.ts';
import type { Twin, TwinSide } from '../store/twin-table.ts';
import type { Fault } from './payloads.ts';
import { TOMBSTONE, differs, isTombstone } from './twin.ts';

export interface Publication {
  topic: string;
  payload: string;
  /** Kept by the broker for those who subscribe later. */
  retain?: true;
}

interface Envelope {
  eventId: string;
  now: number;
}

/** A map with any key, `__proto__` included. */
function object<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  return Object.fromEntries(entries);
}

function valueOf({ value, timestamp }: TwinSide): MsgTwin['expected'] {
  return { value, metadata: { timestamp } };
}

/** What became of a write, as the metadata of `expected` shows it. The text and the stamp stand beside it. */
function outcomeMetadata({ desired: _desired, stamp: _stamp, ...outcome }: WriteOutcome): Record<string, unknown> {
  return { write: outcome };
}

function expectedOf(side: TwinSide, write: WriteOutcome | undefined): MsgTwin['expected'] {
  const { value, timestamp } = side;
  return write === undefined ? valueOf(side) : { value, metadata: { timestamp, ...outcomeMetadata(write) } };
}

function actualOf(side: TwinSide, doubt: Doubt | undefined): MsgTwin['actual'] {
  const { value, timestamp } = side;
  return { value, metadata: { timestamp, ...clockMetadata(timestamp), ...doubtMetadata(doubt) } };
}

/**
 * A twin without versions: they stay between edge and cloud. Whose value is good and never was written has KubeEdge's form. Why a value is
 * missing stands beside it: clients written for KubeEdge take an `actual` for one with a value.
 */
export function plainTwin(twin: Twin): MsgTwin {
  const missing = twin.doubt === undefined ? {} : { quality: twin.doubt };
  return {
    ...(twin.expected === undefined ? {} : { expected: expectedOf(twin.expected, twin.write) }),
    ...(twin.actual === undefined ? missing : { actual: actualOf(twin.actual, twin.doubt) }),
    optional: twin.optional,
    metadata: { type: twin.type },
  };
}

/** One side (or both) of a twin, as answered and as sent upstream. */
export function partOf(twin: Twin, sides: readonly ('expected' | 'actual')[]): MsgTwin {
  const expected = sides.includes('expected') ? twin.expected : undefined;
  const actual = sides.includes('actual') ? twin.actual : undefined;
  return plainTwin({ ...twin, expected, actual, doubt: actual === undefined ? undefined : twin.doubt });
}

export function twinResult(id: string, { eventId, now }: Envelope, parts: ReadonlyMap<string, MsgTwin | null>): Publication {
  return { topic: deviceTopic.twinResult(id), payload: JSON.stringify({ event_id: eventId, timestamp: now, twin: object(parts) }) };
}

export function errorResult(topic: string, { eventId, now }: Envelope, fault: Fault): Publication {
  return { topic, payload: JSON.stringify({ event_id: eventId, timestamp: now, code: fault.code, reason: fault.reason }) };
}

export interface Change {
  before: Twin | undefined;
  after: Twin;
}

export function twinDocument(id: string, { eventId, now }: Envelope, changes: ReadonlyMap<string, Change>): Publication {
  const show = (twin: Twin | undefined): MsgTwin | null => (twin === undefined || isTombstone(twin) ? null : plainTwin(twin));
  const twin = object([...changes].map(([name, { before, after }]) => [name, { last: show(before), current: show(after) }] as const));
  return { topic: deviceTopic.twinDocument(id), payload: JSON.stringify({ event_id: eventId, timestamp: now, twin }) };
}

/** undefined when no expected value differs. `twin` lists every twin that has an expected value, as KubeEdge does. */
export function twinDelta(
  id: string,
  now: number,
  { twins, toleranceOf }: { twins: Iterable<Twin>; toleranceOf: (name: string) => number },
): Publication | undefined {
  const expected = [...twins].filter((twin) => twin.expected !== undefined && twin.type !== TOMBSTONE);
  const wanted = expected.filter((twin) => differs(twin, toleranceOf(twin.name)));
  if (wanted.length === 0) return undefined;
  const payload = {
    event_id: randomUUID(),
    timestamp: now,
    twin: object(expected.map((twin) => [twin.name, plainTwin(twin)] as const)),
    delta: object(wanted.map((twin) => [twin.name, twin.expected?.value ?? ''] as const)),
  };
  return { topic: deviceTopic.twinDelta(id), payload: JSON.stringify(payload) };
}

/** `settled` is told to our own mapper host only: whether this desired value has been reached once. */
export function twinGetResult(
  id: string,
  { eventId, now }: Envelope,
  { twins, ours }: { twins: Iterable<Twin>; ours: boolean },
): Publication {
  const show = (twin: Twin): MsgTwin | Record<string, unknown> => {
    const plain = plainTwin(twin);
    if (!ours || plain.expected === undefined) return plain;
    return { ...plain, expected: { ...plain.expected, metadata: { ...plain.expected.metadata, settled: twin.settled } } };
  };
  const alive = [...twins].filter((twin) => !isTombstone(twin));
  const twin = object(alive.map((item) => [item.name, show(item)] as const));
  return { topic: deviceTopic.twinGetResult(id), payload: JSON.stringify({ event_id: eventId, timestamp: now, twin }) };
}

export interface StateView {
  name: string;
  state: string;
  last_online?: string;
  reason?: string;
}

export function stateResult(topic: string, { eventId, now }: Envelope, device: StateView): Publication {
  return { topic, payload: JSON.stringify({ event_id: eventId, timestamp: now, device }) };
}

export function attributesUpdated(id: string, { eventId, now }: Envelope, attributes: ReadonlyMap<string, MsgAttr | null>): Publication {
  return { topic: deviceTopic.updated(id), payload: JSON.stringify({ event_id: eventId, timestamp: now, attributes: object(attributes) }) };
}

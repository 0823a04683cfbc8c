/** Owns device state and last-seen: `state/update` -> row -> result, retained state, upstream. */
import { randomUUID } from 'node:crypto';
import { deviceTopic } from '#wire/topics.ts';
import type { Device } from './device-registry.ts';
import { readState } from './payloads.ts';
import { errorResult, stateResult, type Publication, type StateView } from './publications.ts';
import { emptyOutcome, type Outcome, type TwinRoom } from './room.ts';

/** The union of what KubeEdge 1.9 and later releases take, and what mappers send (mqtt-topics.md section 5). */
const words = new Set(['online', 'offline', 'ok', 'unknown', 'disconnected', 'unhealthy', 'error']);
const onlineWords = new Set(['online', 'ok']);

export function handleStateUpdate(room: TwinRoom, id: string, payload: Buffer): Outcome {
  const outcome = emptyOutcome();
  const now = room.clock.now();
  const topic = deviceTopic.stateResult(id);
  const read = readState(payload);
  const device = room.registry.member(id);
  if (!read.ok) {
    outcome.publish.push(errorResult(topic, { eventId: read.eventId, now }, read.fault));
    return outcome;
  }
  if (device === undefined) {
    outcome.publish.push(
      errorResult(topic, { eventId: read.eventId, now }, { code: 404, reason: `Device ${id} not found while updating its state` }),
    );
    return outcome;
  }
  const word = read.body.state.toLowerCase();
  if (!words.has(word)) {
    const reason = `state ${JSON.stringify(read.body.state.slice(0, 64))} is not known: send ${[...words].join(', ')}`;
    outcome.publish.push(errorResult(topic, { eventId: read.eventId, now }, { code: 400, reason }));
    return outcome;
  }
  const online = onlineWords.has(word);
  const changed = device.row.state !== read.body.state || (device.row.state_reason ?? undefined) !== read.body.reason;
  outcome.touched.add(id);
  device.row = {
    ...device.row,
    state: read.body.state,
    state_reason: read.body.reason ?? null,
    last_online: online ? localTime(now) : device.row.last_online,
    state_version: device.row.state_version + (changed ? 1 : 0),
  };
  if (online) device.seenAt = room.clock.monotonic();
  if (changed) room.table.putDevice(device.row);
  else device.rowStamp ||= online;
  const envelope = { eventId: randomUUID(), now };
  const view = stateView(device);
  outcome.publish.push(stateResult(topic, envelope, view));
  if (changed) {
    outcome.publish.push(retainedState(device, now));
    outcome.upstream.push({ kind: 'state', device: id, content: stateResult('', envelope, view).payload });
  }
  return outcome;
}

/** State is retained on a topic that edgecore does not subscribe to. */
export function retainedState(device: Device, now: number): Publication {
  return { ...stateResult(deviceTopic.stateGetResult(device.row.id), { eventId: '', now }, stateView(device)), retain: true };
}

/** An empty retained message takes the kept one away. */
export function noRetainedState(id: string): Publication {
  return { topic: deviceTopic.stateGetResult(id), payload: '', retain: true };
}

export function handleStateGet(room: TwinRoom, id: string): Outcome {
  const outcome = emptyOutcome();
  const now = room.clock.now();
  const device = room.registry.member(id);
  if (device === undefined) {
    const fault = { code: 404 as const, reason: `Device ${id} not found while getting its state` };
    outcome.publish.push(errorResult(deviceTopic.stateGetResult(id), { eventId: '', now }, fault));
  } else outcome.publish.push(retainedState(device, now));
  return outcome;
}

export function stateView({ row }: Device): StateView {
  return {
    name: row.name,
    state: row.state ?? 'unknown',
    ...(row.last_online === null ? {} : { last_online: row.last_online }),
    ...(row.state_reason === null ? {} : { reason: row.state_reason }),
  };
}

/** `YYYY-MM-DD hh:mm:ss`, local time, as KubeEdge writes it. */
export function localTime(now: number): string {
  const date = new Date(now);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${String(date.getFullYear())}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** Owns the way UP: `twin/update` of a mapper or an app -> row -> result, document, delta, upstream. */
import type { MsgTwin } from '#wire/device-messages.ts';
import { deviceTopic } from '#wire/topics.ts';
import type { Twin } from '../store/twin-table.ts';
import type { Device } from './device-registry.ts';
import { readRequest, readTwinUpdate } from './payloads.ts';
import { errorResult, partOf, twinGetResult, twinResult, type Change } from './publications.ts';
import { emptyOutcome, publishChanges, storeTwin, toleranceOf, type Outcome, type TwinRoom } from './room.ts';
import { isTombstone, mergeLocal, type Merge } from './twin.ts';

/** Any MQTT client can create twins; a device that has more than this is a fault of one. */
const MAX_TWINS = 1000;

type Applied = Map<string, Exclude<Merge, { kind: 'refused' | 'invalid' }>>;

/** Inside a transaction. Nothing of the message is applied when one of its keys is invalid. */
export function handleTwinUpdate(room: TwinRoom, id: string, payload: Buffer): Outcome {
  const outcome = emptyOutcome();
  const now = room.clock.now();
  const read = readTwinUpdate(payload, room.later ? { ...room.rules, times: true } : room.rules);
  const device = room.registry.member(id);
  const refuse = (code: 400 | 404, reason: string): Outcome => {
    outcome.publish.push(errorResult(deviceTopic.twinResult(id), { eventId: read.eventId, now }, { code, reason }));
    return outcome;
  };
  if (!read.ok) return refuse(400, read.fault.reason);
  if (device === undefined) return refuse(404, 'update rejected due to the device is not existed');
  const merges: Applied = new Map();
  const tolerance = toleranceOf(device);
  for (const [name, message] of read.body) {
    const merge = mergeLocal(
      name,
      { current: device.twins.get(name), message },
      { now, tolerance: tolerance(name), versionBase: room.versionBase },
    );
    if (merge.kind === 'invalid' || merge.kind === 'refused') return refuse(400, merge.reason);
    merges.set(name, merge);
  }
  if (!makeRoom(room, device, merges)) return refuse(400, `device ${id} would have more than ${String(MAX_TWINS)} twins`);
  device.seenAt = room.clock.monotonic();
  apply(room, device, { merges, outcome, envelope: { eventId: read.eventId, now } });
  return outcome;
}

/** Tombstones give way to new twins; false when there are none left to go. */
function makeRoom(room: TwinRoom, device: Device, merges: Applied): boolean {
  const { twins } = device;
  const added = [...merges].filter(([name, merge]) => merge.kind === 'written' && !twins.has(name)).length;
  const surplus = added === 0 ? 0 : twins.size + added - MAX_TWINS;
  if (surplus <= 0) return true;
  const graves = [...twins.values()].filter((twin) => isTombstone(twin) && !merges.has(twin.name)).slice(0, surplus);
  if (graves.length < surplus) return false;
  for (const { name } of graves) {
    twins.delete(name);
    room.table.deleteTwin(device.row.id, name);
  }
  return true;
}

function apply(
  room: TwinRoom,
  device: Device,
  out: { merges: Applied; outcome: Outcome; envelope: { eventId: string; now: number } },
): void {
  const { merges, outcome, envelope } = out;
  const { id } = device.row;
  const results = new Map<string, MsgTwin | null>();
  const changes = new Map<string, Change>();
  const parts = new Map<string, MsgTwin | null>();
  /** Properties of which the cloud hears what became of a write, or how good the value is; KubeEdge's does not ask. */
  const news: string[] = [];
  outcome.touched.add(id);
  for (const [name, merge] of merges) {
    if (merge.kind === 'untouched') continue;
    const before = device.twins.get(name);
    if (merge.kind === 'deleted') {
      storeTwin(room, device, merge.twin);
      results.set(name, null);
      changes.set(name, { before, after: merge.twin });
      parts.set(name, versioned(merge.twin, ['expected', 'actual'], true));
      continue;
    }
    const { twin, changed, doubted, answered, wrote } = merge;
    if (answered.length > 0 || changed.includes('meta')) results.set(name, partOf(twin, answered));
    const stored = changed.length > 0 || wrote;
    if (stored) storeTwin(room, device, twin);
    else keepStamp(device, twin, doubted);
    if (wrote || doubted) news.push(name);
    if (stored || doubted) changes.set(name, { before, after: twin });
    if (changed.length === 0) continue;
    const isNew = before === undefined || before.type === 'deleted';
    const sides = changed.filter((side) => side !== 'meta');
    if (isNew || sides.length > 0) parts.set(name, versioned(twin, isNew ? ['expected', 'actual'] : sides, isNew));
  }
  outcome.publish.push(twinResult(id, envelope, results));
  publishChanges(room, device, { outcome, envelope, changes });
  const settles = [...changes.values()].some(
    ({ before, after }) => (after.settled && before?.settled !== true) || after.write !== before?.write,
  );
  const names = [...new Set([...parts.keys(), ...news])];
  if (names.length > 0) outcome.upstream.push({ kind: 'twin', device: id, names, parts, settles });
}

/** An equal report renews the stamp in memory; the disk hears of it with the next write or within a minute. */
function keepStamp(device: Device, twin: Twin, doubted: boolean): void {
  const renewed = device.twins.get(twin.name)?.actual?.timestamp !== twin.actual?.timestamp;
  if (renewed || doubted) device.twins.set(twin.name, twin);
  if (renewed) device.stamps.add(twin.name);
}

/** KubeEdge's upstream form: the parts just written with their versions; a full twin with both for a new or deleted key. */
export function versioned(twin: Twin, sides: readonly ('expected' | 'actual')[], full: boolean): MsgTwin {
  const wants = (side: 'expected' | 'actual'): boolean => full || sides.includes(side);
  return {
    ...partOf(twin, sides),
    ...(wants('expected') && twin.expectedVersion !== undefined ? { expected_version: twin.expectedVersion } : {}),
    ...(wants('actual') && twin.actualVersion !== undefined ? { actual_version: twin.actualVersion } : {}),
  };
}

/** `twin/get`: reads memory only; it is answered in the order of the updates around it. */
export function handleTwinGet(room: TwinRoom, id: string, payload: Buffer): Outcome {
  const outcome = emptyOutcome();
  const now = room.clock.now();
  const read = readRequest(payload, 'twin info');
  const device = room.registry.member(id);
  const envelope = { eventId: read.eventId, now };
  if (!read.ok) outcome.publish.push(errorResult(deviceTopic.twinGetResult(id), envelope, read.fault));
  else if (device === undefined) {
    outcome.publish.push(
      errorResult(deviceTopic.twinGetResult(id), envelope, { code: 404, reason: `Device ${id} not found while getting twin` }),
    );
  } else outcome.publish.push(twinGetResult(id, envelope, { twins: device.twins.values(), ours: read.body.ours }));
  return outcome;
}

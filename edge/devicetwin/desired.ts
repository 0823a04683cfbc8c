/** Owns the way DOWN: a desired value of the cloud -> row -> document, delta; the cloud is told when it is behind. */
import type { MsgTwin } from '#wire/device-messages.ts';
import { deviceTopic } from '#wire/topics.ts';
import type { Twin } from '../store/twin-table.ts';
import type { Device } from './device-registry.ts';
import { readTwinBody, readTwinUpdate, type Fault } from './payloads.ts';
import { errorResult, type Change } from './publications.ts';
import { emptyOutcome, publishChanges, storeTwin, toleranceOf, type Outcome, type TwinRoom } from './room.ts';
import { versioned } from './reported.ts';
import { isOverride, isTombstone, mergeCloud, type CloudContext } from './twin.ts';

export interface CloudOrigin {
  /** The peer speaks our protocol. */
  ours: boolean;
  /** The Device (or even the cluster) is another one than the stored. */
  afresh: CloudContext['afresh'];
}

/** `cloud_updated` from the link, inside a transaction. */
export function handleCloudUpdated(
  room: TwinRoom,
  id: string,
  { content, ours }: { content: Record<string, unknown>; ours: boolean },
): Outcome {
  const outcome = emptyOutcome();
  const now = room.clock.now();
  // Our cloud speaks for a whole device: one property that cannot be used must not keep the others from theirs.
  const skipped = (twin: string, reason: string): void => room.log.warn('twin.desired.refused', { device: id, twin, reason });
  const read = readTwinBody(content, { strict: false }, ours ? skipped : undefined);
  const device = room.registry.member(id);
  const envelope = { eventId: read.eventId, now };
  const refuse = (fault: Fault): Outcome => {
    outcome.publish.push(errorResult(deviceTopic.twinResult(id), envelope, fault));
    outcome.fault = fault.reason;
    return outcome;
  };
  if (!read.ok) return refuse(read.fault);
  if (device === undefined) return refuse({ code: 404, reason: 'update rejected due to the device is not existed' });
  const extension = content['hivelet'];
  const afresh = ours ? freshness(device, extension) : undefined;
  if (ours) adopt(room, device, extension);
  outcome.touched.add(id);
  const changes = mergeCloudTwins(room, device, { twins: read.body, outcome, origin: { ours, afresh } });
  publishChanges(room, device, { outcome, envelope, changes });
  return outcome;
}

/** Which of the identities that desired versions belong to is another one than the stored; undefined = none. */
export function freshness(device: Device, extension: unknown): CloudContext['afresh'] {
  const { uid, cluster_uid: cluster } = (extension ?? {}) as { uid?: unknown; cluster_uid?: unknown };
  if (typeof cluster === 'string' && cluster !== device.row.cluster_uid) return 'cluster';
  return typeof uid === 'string' && uid !== device.row.uid ? 'device' : undefined;
}

/** The identity and the hash of the Device that the desired values came from. */
function adopt(room: TwinRoom, device: Device, extension: unknown): void {
  const { uid, cluster_uid: cluster, hash } = (extension ?? {}) as { uid?: unknown; cluster_uid?: unknown; hash?: unknown };
  const row = {
    ...device.row,
    ...(typeof uid === 'string' ? { uid } : {}),
    ...(typeof cluster === 'string' ? { cluster_uid: cluster } : {}),
    ...(typeof hash === 'string' ? { hash } : {}),
  };
  if (row.uid === device.row.uid && row.cluster_uid === device.row.cluster_uid && row.hash === device.row.hash) return;
  device.row = row;
  room.table.putDevice(row);
}

/** Merges the twins of a cloud message into a device; returns what changed, for the document. */
export function mergeCloudTwins(
  room: TwinRoom,
  device: Device,
  { twins, outcome, origin }: { twins: ReadonlyMap<string, MsgTwin | null>; outcome: Outcome; origin: CloudOrigin },
): Map<string, Change> {
  const context = { now: room.clock.now(), ...origin };
  const tolerance = toleranceOf(device);
  const changes = new Map<string, Change>();
  const own = new Map<string, MsgTwin | null>();
  const overrides: string[] = [];
  for (const [name, message] of twins) {
    const before = device.twins.get(name);
    const merge = mergeCloud(name, { current: before, message }, { ...context, tolerance: tolerance(name) } satisfies CloudContext);
    if (merge.kind === 'refused' && before !== undefined) own.set(name, versioned(before, ['expected'], false));
    if (merge.kind === 'refused' || merge.kind === 'invalid') {
      room.log.warn('twin.desired.refused', { device: device.row.id, twin: name, reason: merge.reason });
    }
    if (merge.kind !== 'written' && merge.kind !== 'deleted') continue;
    if (merge.kind === 'deleted' || merge.changed.length > 0) changes.set(name, { before, after: merge.twin });
    if (before === undefined || isOverride(before) !== isOverride(merge.twin)) overrides.push(name);
    if (before === undefined || merge.kind === 'deleted' || !isSame(before, merge.twin)) storeTwin(room, device, merge.twin);
  }
  if (own.size > 0) outcome.upstream.push({ kind: 'own', device: device.row.id, parts: own });
  // Between our two sides the cloud shows a local override as a condition, so it hears when one begins or ends.
  if (origin.ours && overrides.length > 0)
    outcome.upstream.push({ kind: 'twin', device: device.row.id, names: overrides, parts: new Map() });
  return changes;
}

function isSame(left: Twin, right: Twin): boolean {
  return (
    left.type === right.type &&
    left.optional === right.optional &&
    left.expected === right.expected &&
    left.actual === right.actual &&
    left.cloudText === right.cloudText &&
    left.settled === right.settled &&
    left.write === right.write &&
    left.expectedVersion?.cloud === right.expectedVersion?.cloud &&
    left.expectedVersion?.edge === right.expectedVersion?.edge
  );
}

/**
 * `twin/cloud_updated` of an MQTT client (mqtt-topics.md 6.8): without a version it means "sync now"; with one it is
 * refused unless the configuration says otherwise, and it never raises the stored version.
 */
export function handleLocalCloudUpdated(room: TwinRoom, id: string, payload: Buffer): Outcome {
  const outcome = emptyOutcome();
  const now = room.clock.now();
  const read = readTwinUpdate(payload, room.rules);
  const device = room.registry.member(id);
  const refuse = (code: 400 | 404, reason: string): Outcome => {
    outcome.publish.push(errorResult(deviceTopic.twinResult(id), { eventId: read.eventId, now }, { code, reason }));
    return outcome;
  };
  if (!read.ok) return refuse(400, read.fault.reason);
  if (device === undefined) return refuse(404, 'update rejected due to the device is not existed');
  const plays = [...read.body.values()].some((twin) => twin?.expected_version !== undefined || twin?.actual_version !== undefined);
  if (!plays) {
    const known = [...device.twins.values()].filter((twin) => read.body.has(twin.name) && !isTombstone(twin));
    const parts = new Map(known.map((twin) => [twin.name, versioned(twin, ['expected', 'actual'], true)] as const));
    if (known.length > 0) outcome.upstream.push({ kind: 'twin', device: id, names: [...parts.keys()], parts });
    return outcome;
  }
  if (!room.acceptCloudUpdated)
    return refuse(400, "cloud_updated with a version is the cloud's: set modules.deviceTwin.acceptCloudUpdated to take it from MQTT");
  outcome.touched.add(id);
  const stored = new Map([...device.twins].filter(([name]) => read.body.has(name)));
  const changes = mergeCloudTwins(room, device, { twins: read.body, outcome, origin: { ours: false, afresh: undefined } });
  for (const name of read.body.keys()) keepOrder(room, device, { name, before: stored.get(name) });
  // What the cloud wants has not changed, so this is a local override: the cloud is told.
  if (changes.size > 0) outcome.upstream.push({ kind: 'twin', device: id, names: [...changes.keys()], parts: new Map() });
  publishChanges(room, device, { outcome, envelope: { eventId: read.eventId, now }, changes });
  return outcome;
}

/** The versions and the text of the cloud stay the cloud's: what an MQTT client says in its name counts as a local change. */
function keepOrder(room: TwinRoom, device: Device, { name, before }: { name: string; before: Twin | undefined }): void {
  const twin = device.twins.get(name);
  if (twin === undefined || twin === before) return;
  const told = twin.actual !== before?.actual;
  const edge = (before?.actualVersion?.edge ?? 0) + 1;
  storeTwin(room, device, {
    ...twin,
    expectedVersion: before?.expectedVersion,
    cloudText: before?.cloudText,
    actualVersion: told ? { cloud: before?.actualVersion?.cloud ?? 0, edge } : before?.actualVersion,
  });
}

/** Owns which devices belong to this node: membership messages of the cloud, membership/get of MQTT clients, attributes. */
import { randomUUID } from 'node:crypto';
import type { MembershipDetailRequest, MsgAttr, MsgTwin } from '#wire/device-messages.ts';
import { isRecord } from '#wire/message.ts';
import { nodeTopic } from '#wire/topics.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { PROFILE_TYPE, isProfile, newDeviceRow, profileKey, setProfile, type Device } from './device-registry.ts';
import { attributeOf, mergeAttributes } from './attributes.ts';
import { readAttributes, readRequest, readTwins } from './payloads.ts';
import { attributesUpdated, errorResult } from './publications.ts';
import { noRetainedState, retainedState } from './state.ts';
import { emptyOutcome, publishChanges, type Outcome, type TwinRoom } from './room.ts';
import { freshness, mergeCloudTwins, type CloudOrigin } from './desired.ts';

/** How long a device that is merely no longer listed keeps its twins, by the cloud's clock. */
const UNLISTED_MS = 7 * 24 * 3600 * 1000;

/** As in Kubernetes; the id is a level of every topic of the device. */
const MAX_ID = 253;

interface Entry {
  id: string;
  raw: Record<string, unknown>;
  attributes: Map<string, MsgAttr | null>;
  twins: Map<string, MsgTwin | null>;
  extension: { uid: string; cluster: string; hash: string; profile: DeviceProfile | undefined } | undefined;
}

/** `membership`: devices added (or changed) and removed by name. */
export function handleMembership(room: TwinRoom, content: Record<string, unknown>, ours: boolean): Outcome {
  const outcome = emptyOutcome();
  for (const entry of entriesOf(room, content['added_devices'])) addOrMerge(room, entry, { outcome, ours });
  for (const raw of listOf(content['removed_devices'])) {
    const id = typeof raw['id'] === 'string' ? raw['id'] : raw['name'];
    if (typeof id === 'string') remove(room, id, { outcome, shown: withoutVersions(raw) });
  }
  return outcome;
}

/** `membership/detail`: everything that is bound to this node. What is no longer listed is set aside, not forgotten. */
export function handleMembershipDetail(
  room: TwinRoom,
  content: Record<string, unknown>,
  options: { ours: boolean; cloudNow: number },
): Outcome {
  const { ours, cloudNow } = options;
  const outcome = emptyOutcome();
  const extension = isRecord(content['hivelet']) ? content['hivelet'] : {};
  const cluster = typeof extension['cluster_uid'] === 'string' ? extension['cluster_uid'] : '';
  if (!Array.isArray(content['devices']) && content['devices'] !== null) {
    // A list that cannot be read says nothing about who is missing from it.
    outcome.fault = 'devices is not a list';
    return outcome;
  }
  const entries = entriesOf(room, content['devices']);
  const listed = new Set([...listOf(content['devices']).map((raw) => raw['id']), ...texts(extension['unchanged'])]);
  for (const entry of entries) addOrMerge(room, entry, { outcome, ours });
  // Another cluster's list says nothing about devices that came from elsewhere: nothing is removed.
  const belongs = (device: Device): boolean => !ours || (device.row.cluster_uid !== '' && device.row.cluster_uid === cluster);
  for (const id of texts(extension['removed'])) {
    const device = room.registry.any(id);
    if (device !== undefined && belongs(device)) remove(room, id, { outcome, shown: { id } });
  }
  for (const device of room.registry.all()) {
    if (listed.has(device.row.id) || !belongs(device)) continue;
    const { unlisted_at: since } = device.row;
    if (since === null) unlist(room, device, { outcome, cloudNow });
    else if (since === 0 && cloudNow > 0) setAside(room, device, cloudNow);
    else if (cloudNow - since > UNLISTED_MS) forget(room, device, outcome);
  }
  return outcome;
}

/** What the edge asks after a connect; our cloud is told what is known already. */
export function detailRequest(room: TwinRoom, ours: boolean): MembershipDetailRequest {
  const members = room.registry.members().filter((device) => device.row.uid !== '' && device.row.hash !== '');
  const known = Object.fromEntries(members.map(({ row }) => [row.uid, row.hash]));
  const cluster = members[0]?.row.cluster_uid ?? '';
  return {
    event_type: 'group_membership_event',
    event_id: randomUUID(),
    group_id: room.node,
    operation: 'detail',
    timestamp: room.clock.now(),
    ...(ours ? { hivelet: { cluster_uid: cluster, known, version: newestVersion(members, cluster) } } : {}),
  };
}

function newestVersion(members: readonly Device[], cluster: string): number {
  let newest = 0;
  for (const { row, twins } of members) {
    if (row.cluster_uid !== cluster) continue;
    for (const { expectedVersion } of twins.values()) newest = Math.max(newest, expectedVersion?.cloud ?? 0);
  }
  return newest;
}

function addOrMerge(room: TwinRoom, entry: Entry, { outcome, ours }: { outcome: Outcome; ours: boolean }): void {
  const known = room.registry.any(entry.id);
  const isNew = known === undefined || known.row.unlisted_at !== null;
  const device = known ?? insert(room, entry.id, outcome);
  const origin: CloudOrigin = { ours, afresh: ours && known !== undefined ? freshness(known, entry.raw['hivelet']) : undefined };
  const now = room.clock.now();
  outcome.touched.add(entry.id);
  updateRow(room, device, entry);
  const changed = ours && entry.extension?.profile !== undefined && storeProfile(room, device, entry.extension.profile);
  // One that was set aside comes back as it was: whoever runs it was told that it had gone.
  if (device.profile !== undefined && (changed || isNew)) outcome.definitions.push({ kind: 'set', profile: device.profile });
  const changes = mergeCloudTwins(room, device, { twins: entry.twins, outcome, origin });
  if (ours) for (const name of dropMissing(room, device, entry.twins)) changes.delete(name);
  publishChanges(room, device, { outcome, envelope: { eventId: '', now }, changes });
  const attributes = mergeAttributes(room, device, { given: entry.attributes, prune: true });
  if (attributes.size > 0) outcome.publish.push(attributesUpdated(entry.id, { eventId: '', now }, attributes));
  if (isNew || origin.afresh !== undefined) outcome.upstream.push({ kind: 'all', device: entry.id });
  if (isNew && device.row.state !== null) outcome.publish.push(retainedState(device, now));
  if (isNew) announce(room, outcome, { added_devices: [withoutVersions(entry.raw)], removed_devices: null });
}

export function insert(room: TwinRoom, id: string, outcome: Outcome): Device {
  outcome.touched.add(id);
  const device = room.registry.add(newDeviceRow(id));
  room.table.putDevice(device.row);
  return device;
}

function updateRow(room: TwinRoom, device: Device, entry: Entry): void {
  const { raw, extension } = entry;
  const row = {
    ...device.row,
    name: typeof raw['name'] === 'string' && raw['name'] !== '' ? raw['name'] : device.row.name,
    description: typeof raw['description'] === 'string' ? raw['description'] : device.row.description,
    uid: extension?.uid ?? device.row.uid,
    cluster_uid: extension?.cluster ?? device.row.cluster_uid,
    hash: extension?.hash ?? device.row.hash,
    unlisted_at: null,
  };
  device.row = row;
  room.table.putDevice(row);
}

/** true when it is another one than before. */
export function storeProfile(room: TwinRoom, device: Device, profile: DeviceProfile): boolean {
  const before = device.profile;
  if (before !== undefined && before.namespace !== profile.namespace) room.meta.delete(profileKey(before.namespace, device.row.id));
  const text = JSON.stringify(profile);
  if (before !== undefined && JSON.stringify(before) === text) return false;
  room.meta.put(profileKey(profile.namespace, device.row.id), PROFILE_TYPE, text);
  setProfile(device, profile);
  return true;
}

/** Between our two sides (and in a file) the list is whole: a twin that it lacks, and no MQTT client made, is no longer a property of the device. */
export function dropMissing(room: TwinRoom, device: Device, twins: { has(name: string): boolean }): string[] {
  const missing = [...device.twins.values()].filter((twin) => !twins.has(twin.name) && !twin.optional).map((twin) => twin.name);
  for (const name of missing) {
    device.twins.delete(name);
    room.table.deleteTwin(device.row.id, name);
  }
  return missing;
}

function remove(room: TwinRoom, id: string, { outcome, shown }: { outcome: Outcome; shown: Record<string, unknown> }): void {
  const device = room.registry.any(id);
  if (device === undefined) return;
  const wasMember = device.row.unlisted_at === null;
  forget(room, device, outcome);
  if (wasMember) announce(room, outcome, { added_devices: null, removed_devices: [shown] });
}

function unlist(room: TwinRoom, device: Device, { outcome, cloudNow }: { outcome: Outcome; cloudNow: number }): void {
  outcome.touched.add(device.row.id);
  setAside(room, device, cloudNow);
  outcome.definitions.push({ kind: 'removed', name: device.row.id });
  if (device.row.state !== null) outcome.publish.push(noRetainedState(device.row.id));
  room.log.info('device.unlisted', { device: device.row.id, keptDays: UNLISTED_MS / 86_400_000 });
  announce(room, outcome, { added_devices: null, removed_devices: [{ id: device.row.id }] });
}

/** `cloudNow` 0 = the cloud did not say what time it is; the days count from the next message that does. */
function setAside(room: TwinRoom, device: Device, cloudNow: number): void {
  device.row = { ...device.row, unlisted_at: cloudNow };
  room.table.putDevice(device.row);
}

export function forget(room: TwinRoom, device: Device, outcome: Outcome): void {
  const { id } = device.row;
  outcome.touched.add(id);
  if (device.profile !== undefined) room.meta.delete(profileKey(device.profile.namespace, id));
  room.table.deleteDevice(id);
  room.registry.remove(id);
  if (device.row.state !== null && device.row.unlisted_at === null) outcome.publish.push(noRetainedState(id));
  outcome.definitions.push({ kind: 'removed', name: id });
}

function announce(room: TwinRoom, outcome: Outcome, lists: { added_devices: unknown; removed_devices: unknown }): void {
  outcome.publish.push({
    topic: nodeTopic.membershipUpdated(room.node),
    payload: JSON.stringify({ event_id: randomUUID(), timestamp: room.clock.now(), ...lists }),
  });
}

/** `membership/get`: every member without its twins, on the topic of this node whatever node was asked. */
export function handleMembershipGet(room: TwinRoom, payload: Buffer): Outcome {
  const outcome = emptyOutcome();
  const now = room.clock.now();
  const topic = nodeTopic.membershipGetResult(room.node);
  const read = readRequest(payload, 'get membership info');
  if (!read.ok) outcome.publish.push(errorResult(topic, { eventId: read.eventId, now }, read.fault));
  else {
    const devices = room.registry.members().map(describe);
    outcome.publish.push({ topic, payload: JSON.stringify({ event_id: read.eventId, timestamp: now, devices }) });
  }
  return outcome;
}

function describe({ row, attributes }: Device): Record<string, unknown> {
  return {
    id: row.id,
    name: row.name,
    ...(row.description === null ? {} : { description: row.description }),
    ...(row.state === null ? {} : { state: row.state }),
    ...(row.last_online === null ? {} : { last_online: row.last_online }),
    ...(attributes.size === 0
      ? {}
      : { attributes: Object.fromEntries([...attributes].map(([name, attribute]) => [name, attributeOf(attribute)])) }),
  };
}

function entriesOf(room: TwinRoom, list: unknown): Entry[] {
  return listOf(list).flatMap((raw) => {
    const id = raw['id'];
    if (typeof id !== 'string' || id.length > MAX_ID || !/^[^/+#\0\p{Surrogate}]+$/u.test(id)) {
      const reason = `id is missing, holds one of / + #, or is longer than ${String(MAX_ID)} characters`;
      room.log.warn('membership.entry.refused', { reason, id: typeof id === 'string' ? id.slice(0, MAX_ID) : typeof id });
      return [];
    }
    const skipped = (twin: string, reason: string): void => room.log.warn('twin.desired.refused', { device: id, twin, reason });
    const twins =
      raw['twin'] === undefined || raw['twin'] === null
        ? new Map<string, MsgTwin | null>()
        : readTwins(raw['twin'], { strict: false }, skipped);
    if (typeof twins === 'string') {
      room.log.warn('membership.entry.refused', { device: id, reason: twins });
      return [];
    }
    return [{ id, raw, attributes: readAttributes(raw['attributes']), twins, extension: readExtension(raw['hivelet'], id) }];
  });
}

function readExtension(input: unknown, id: string): Entry['extension'] {
  if (!isRecord(input)) return undefined;
  const text = (key: string): string => (typeof input[key] === 'string' ? input[key] : '');
  return {
    uid: text('uid'),
    cluster: text('cluster_uid'),
    hash: text('hash'),
    profile: isProfile(input['profile']) && input['profile'].name === id ? input['profile'] : undefined,
  };
}

function listOf(input: unknown): Record<string, unknown>[] {
  return Array.isArray(input) ? input.filter(isRecord) : [];
}

function texts(input: unknown): string[] {
  return Array.isArray(input) ? input.filter((item): item is string => typeof item === 'string') : [];
}

/** What MQTT clients see of an entry: no versions, no extension of ours, tombstones as null. */
function withoutVersions(raw: Record<string, unknown>): Record<string, unknown> {
  const { hivelet: _ours, twin, ...rest } = raw;
  if (!isRecord(twin)) return rest;
  const shown = Object.entries(twin).map(([name, value]): [string, unknown] => {
    if (!isRecord(value) || (isRecord(value['metadata']) && value['metadata']['type'] === 'deleted')) return [name, null];
    const { expected_version: _expected, actual_version: _actual, ...plain } = value;
    return [name, plain];
  });
  return { ...rest, twin: Object.fromEntries(shown) };
}

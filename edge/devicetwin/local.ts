/** Owns devices that no cloud sent: those of files on the board, whose desired values hold as a cloud's would, and `--seed-devices`. */
import type { DeviceProfile } from '#device-models/device-profile.ts';
import type { MsgTwin } from '#wire/device-messages.ts';
import { mergeCloudTwins } from './desired.ts';
import { profileKey, setProfile, type Device } from './device-registry.ts';
import { dropMissing, forget, insert, storeProfile } from './membership.ts';
import { emptyOutcome, publishChanges, storeTwin, type Outcome, type TwinRoom } from './room.ts';

export interface LocalEntry {
  id: string;
  /** Name to type. */
  twins: ReadonlyMap<string, string>;
  profile?: DeviceProfile;
}

export function seedDevice(room: TwinRoom, { id, twins, profile }: LocalEntry): Outcome {
  const outcome = emptyOutcome();
  const known = room.registry.any(id);
  if (known !== undefined && known.row.uid !== '') {
    // Its identity, and what it wants, are those of the Device in the API.
    if (profile !== undefined) room.log.info('device.file.ignored', { device: id, reason: 'the cloud has a Device of this name' });
    return outcome;
  }
  const device = room.registry.member(id) ?? insert(room, id, outcome);
  outcome.touched.add(id);
  if (profile === undefined) {
    for (const [name, type] of twins) if (!device.twins.has(name)) storeTwin(room, device, { name, type, optional: false, settled: false });
    return outcome;
  }
  if (storeProfile(room, device, profile)) outcome.definitions.push({ kind: 'set', profile });
  mergeFile(room, device, { profile, outcome });
  return outcome;
}

/** The text of a file counts as that of a cloud: a changed one wins, the same one leaves a local override alone, none withdraws. */
function mergeFile(room: TwinRoom, device: Device, { profile, outcome }: { profile: DeviceProfile; outcome: Outcome }): void {
  const wanted = new Map<string, MsgTwin>();
  for (const { name, type, desired } of profile.properties) {
    const version = device.twins.get(name)?.expectedVersion ?? { cloud: 0, edge: 0 };
    // What a KubeEdge cloud wants, which has no word for who the device is.
    if (version.cloud > 0) continue;
    const expected = desired === undefined ? {} : { expected: { value: desired.value } };
    wanted.set(name, { ...expected, expected_version: version, metadata: { type }, optional: false });
  }
  // No cloud is to hear of it.
  const origin = { ours: true, afresh: undefined };
  const changes = mergeCloudTwins(room, device, { twins: wanted, outcome: { ...outcome, upstream: [] }, origin });
  for (const name of dropMissing(room, device, new Set(profile.properties.map((property) => property.name)))) changes.delete(name);
  publishChanges(room, device, { outcome, envelope: { eventId: '', now: room.clock.now() }, changes });
}

/** Devices whose files are gone. One that a KubeEdge cloud lists as well keeps its twins, without anybody who reads it. */
export function dropDevices(room: TwinRoom, present: ReadonlySet<string>): Outcome {
  const outcome = emptyOutcome();
  for (const device of room.registry.members()) {
    const { row, profile, twins } = device;
    if (profile?.uid !== '' || row.uid !== '' || present.has(row.id)) continue;
    outcome.touched.add(row.id);
    room.log.info('device.file.gone', { device: row.id });
    if ([...twins.values()].every(({ expectedVersion }) => (expectedVersion?.cloud ?? 0) === 0)) {
      forget(room, device, outcome);
      continue;
    }
    room.meta.delete(profileKey(profile.namespace, row.id));
    setProfile(device, undefined);
    outcome.definitions.push({ kind: 'removed', name: row.id });
  }
  return outcome;
}

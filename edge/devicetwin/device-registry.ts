/** Owns the devices of this node in memory: the same state as the tables, read once and after a rollback. */
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { isRecord } from '#wire/message.ts';
import type { Doubt } from '#wire/quality.ts';
import type { AttrRow, DeviceRow, Twin, TwinTable } from '../store/twin-table.ts';
import type { MetaTable } from '../store/meta-table.ts';

export interface Device {
  row: DeviceRow;
  readonly attributes: Map<string, AttrRow>;
  readonly twins: Map<string, Twin>;
  profile: DeviceProfile | undefined;
  readonly tolerances: Map<string, number>;
  /** Twins whose stamp is newer than on disk. */
  readonly stamps: Set<string>;
  /** Twins whose values are newer than on disk: reports of our own mapper host, which are written together. */
  readonly later: Set<string>;
  /** The device row's last_online is newer than on disk. */
  rowStamp: boolean;
  /** Monotonic ms of the last report or state; undefined = not since the start. */
  seenAt: number | undefined;
}

export const PROFILE_TYPE = 'device';
export const profileKey = (namespace: string, name: string): string => `${namespace}/device/${name}`;

export class DeviceRegistry {
  readonly #table: TwinTable;
  readonly #meta: MetaTable;
  readonly #devices = new Map<string, Device>();

  constructor(table: TwinTable, meta: MetaTable) {
    this.#table = table;
    this.#meta = meta;
    for (const row of table.devices()) this.#devices.set(row.id, this.#load(row, undefined));
    for (const { value } of meta.list(PROFILE_TYPE)) {
      const profile = readStoredProfile(value);
      const device = profile === undefined ? undefined : this.#devices.get(profile.name);
      if (device !== undefined) setProfile(device, profile);
    }
  }

  /** A member of this node; devices that are no longer listed are not. */
  member(id: string): Device | undefined {
    const device = this.#devices.get(id);
    return device?.row.unlisted_at === null ? device : undefined;
  }

  /** Whatever is stored under the id, member or not. */
  any(id: string): Device | undefined {
    return this.#devices.get(id);
  }

  members(): Device[] {
    return [...this.#devices.values()].filter((device) => device.row.unlisted_at === null);
  }

  all(): Device[] {
    return [...this.#devices.values()];
  }

  add(row: DeviceRow): Device {
    const device: Device = {
      row,
      attributes: new Map(),
      twins: new Map(),
      profile: undefined,
      tolerances: new Map(),
      stamps: new Set(),
      later: new Set(),
      rowStamp: false,
      seenAt: undefined,
    };
    this.#devices.set(row.id, device);
    return device;
  }

  remove(id: string): void {
    this.#devices.delete(id);
  }

  /** After a rollback: memory is what the tables say again. */
  reload(id: string): void {
    const row = this.#table.device(id);
    const before = this.#devices.get(id);
    if (row === undefined) {
      this.#devices.delete(id);
      return;
    }
    const device = this.#load(row, before);
    const profiles = this.#meta.list(PROFILE_TYPE).map(({ value }) => readStoredProfile(value));
    setProfile(
      device,
      profiles.find((profile) => profile?.name === id),
    );
    this.#devices.set(id, device);
  }

  reloadAll(): void {
    const ids = new Set([...this.#devices.keys(), ...this.#table.devices().map((row) => row.id)]);
    for (const id of ids) this.reload(id);
  }

  #load(row: DeviceRow, before: Device | undefined): Device {
    return {
      row,
      attributes: new Map(this.#table.attributes(row.id).map((attribute) => [attribute.name, attribute])),
      twins: new Map(
        this.#table.twins(row.id).map((twin) => [twin.name, withDoubt(notBehind(twin, before?.twins.get(twin.name)), before, row)]),
      ),
      profile: before?.profile,
      tolerances: before?.tolerances ?? new Map<string, number>(),
      stamps: new Set(),
      later: new Set(),
      rowStamp: false,
      seenAt: before?.seenAt,
    };
  }
}

/** A version that was told to the cloud is not used again, although its value went with the rollback. */
function notBehind(stored: Twin, before: Twin | undefined): Twin {
  const edge = before?.actualVersion?.edge ?? 0;
  if (stored.actualVersion === undefined || edge <= stored.actualVersion.edge) return stored;
  return { ...stored, actualVersion: { ...stored.actualVersion, edge } };
}

/** How good a value is, is not stored: what was offline when we stopped has old ones. */
function withDoubt(stored: Twin, before: Device | undefined, row: DeviceRow): Twin {
  const wasAway = /^(offline|disconnected)$/i.test(row.state ?? '');
  const atStart: Doubt | undefined = wasAway ? { word: 'stale', reason: row.state_reason ?? '' } : undefined;
  const ofValue = stored.actual === undefined ? undefined : atStart;
  const doubt = before === undefined ? ofValue : before.twins.get(stored.name)?.doubt;
  return doubt === undefined ? stored : { ...stored, doubt };
}

export function setProfile(device: Device, profile: DeviceProfile | undefined): void {
  device.profile = profile;
  device.tolerances.clear();
  for (const property of profile?.properties ?? []) device.tolerances.set(property.name, property.tolerance);
}

/** A profile as it was stored by us; undefined for a row that another program wrote under our type. */
export function readStoredProfile(json: string): DeviceProfile | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return isProfile(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The shape check at the rim: what the host relies on is there. */
export function isProfile(value: unknown): value is DeviceProfile {
  return (
    isRecord(value) &&
    typeof value['name'] === 'string' &&
    typeof value['namespace'] === 'string' &&
    typeof value['protocol'] === 'string' &&
    isRecord(value['protocolConfig']) &&
    Array.isArray(value['properties']) &&
    value['properties'].every(
      (property) => isRecord(property) && typeof property['name'] === 'string' && typeof property['type'] === 'string',
    )
  );
}

export function newDeviceRow(id: string, fields: Partial<DeviceRow> = {}): DeviceRow {
  return {
    id,
    name: id,
    description: null,
    state: null,
    last_online: null,
    state_reason: null,
    state_version: 0,
    uid: '',
    cluster_uid: '',
    hash: '',
    unlisted_at: null,
    ...fields,
  };
}

/** Owns the rows of device, device_attr and device_twin. All writes happen inside a transaction of the committer. */
import type { TwinVersion } from '#wire/device-messages.ts';
import type { Doubt } from '#wire/quality.ts';
import { readWriteOutcome, type WriteOutcome } from '#wire/write-outcome.ts';
import type { Sqlite } from './database.ts';

export interface DeviceRow {
  id: string;
  name: string;
  description: string | null;
  state: string | null;
  last_online: string | null;
  state_reason: string | null;
  state_version: number;
  uid: string;
  cluster_uid: string;
  hash: string;
  /** Unix ms of the cloud's clock when the device was no longer listed; null = a member. */
  unlisted_at: number | null;
}

export interface AttrRow {
  deviceid: string;
  name: string;
  value: string;
  optional: number;
  attr_type: string;
}

export interface TwinSide {
  readonly value: string;
  /** Unix ms, edge wall clock; for people. */
  readonly timestamp: number;
}

/** One property of one device. */
export interface Twin {
  readonly name: string;
  /** Stored word (`float`, `integer`, ...); `deleted` is a tombstone. */
  readonly type: string;
  readonly optional: boolean;
  readonly expected?: TwinSide | undefined;
  readonly actual?: TwinSide | undefined;
  readonly expectedVersion?: TwinVersion | undefined;
  readonly actualVersion?: TwinVersion | undefined;
  /** The last text that the cloud wanted; absent = it wants nothing. A differing `expected` is a local override. */
  readonly cloudText?: string | undefined;
  /** `actual` has met `expected` once: it is not asserted again unless the device was away. */
  readonly settled: boolean;
  /** What the mapper said of writing this `expected`. */
  readonly write?: WriteOutcome | undefined;
  /** Why `actual` is not good, or is not there; absent = good. In memory only. */
  readonly doubt?: Doubt | undefined;
}

interface TwinRow {
  deviceid: string;
  name: string;
  expected: string | null;
  actual: string | null;
  expected_meta: string | null;
  actual_meta: string | null;
  expected_version: string | null;
  actual_version: string | null;
  optional: number;
  attr_type: string;
  /** JSON; KubeEdge's own is always `{}`. */
  metadata: string | null;
  cloud_text: string | null;
  settled: number;
}

export interface TwinTable {
  devices(): DeviceRow[];
  device(id: string): DeviceRow | undefined;
  attributes(id: string): AttrRow[];
  twins(id: string): Twin[];
  putDevice(row: DeviceRow): void;
  putAttribute(row: AttrRow): void;
  deleteAttribute(id: string, name: string): void;
  putTwin(id: string, twin: Twin): void;
  deleteTwin(id: string, name: string): void;
  deleteDevice(id: string): void;
}

export function createTwinTable(sqlite: Sqlite): TwinTable {
  const upsertTwin = sqlite.prepare(
    `INSERT INTO device_twin (deviceid, name, expected, actual, expected_meta, actual_meta, expected_version, actual_version, optional, attr_type, metadata, cloud_text, settled)
     VALUES (@deviceid, @name, @expected, @actual, @expected_meta, @actual_meta, @expected_version, @actual_version, @optional, @attr_type, @metadata, @cloud_text, @settled)
     ON CONFLICT (deviceid, name) DO UPDATE SET expected = excluded.expected, actual = excluded.actual, expected_meta = excluded.expected_meta,
       actual_meta = excluded.actual_meta, expected_version = excluded.expected_version, actual_version = excluded.actual_version,
       optional = excluded.optional, attr_type = excluded.attr_type, metadata = excluded.metadata, cloud_text = excluded.cloud_text, settled = excluded.settled`,
  );
  const upsertDevice = sqlite.prepare(
    `INSERT INTO device (id, name, description, state, last_online, state_reason, state_version, uid, cluster_uid, hash, unlisted_at)
     VALUES (@id, @name, @description, @state, @last_online, @state_reason, @state_version, @uid, @cluster_uid, @hash, @unlisted_at)
     ON CONFLICT (id) DO UPDATE SET name = excluded.name, description = excluded.description, state = excluded.state, last_online = excluded.last_online,
       state_reason = excluded.state_reason, state_version = excluded.state_version, uid = excluded.uid, cluster_uid = excluded.cluster_uid,
       hash = excluded.hash, unlisted_at = excluded.unlisted_at`,
  );
  const upsertAttribute = sqlite.prepare(
    `INSERT INTO device_attr (deviceid, name, value, optional, attr_type, metadata) VALUES (@deviceid, @name, @value, @optional, @attr_type, '{}')
     ON CONFLICT (deviceid, name) DO UPDATE SET value = excluded.value, optional = excluded.optional, attr_type = excluded.attr_type`,
  );
  const allDevices = sqlite.prepare<[], DeviceRow>('SELECT * FROM device ORDER BY id');
  const oneDevice = sqlite.prepare<[string], DeviceRow>('SELECT * FROM device WHERE id = ?');
  const attributesOf = sqlite.prepare<[string], AttrRow>(
    'SELECT deviceid, name, value, optional, attr_type FROM device_attr WHERE deviceid = ? ORDER BY id',
  );
  const twinsOf = sqlite.prepare<[string], TwinRow>('SELECT * FROM device_twin WHERE deviceid = ? ORDER BY id');
  const dropAttribute = sqlite.prepare('DELETE FROM device_attr WHERE deviceid = ? AND name = ?');
  const dropTwin = sqlite.prepare('DELETE FROM device_twin WHERE deviceid = ? AND name = ?');
  const dropDevice = ['device_twin WHERE deviceid', 'device_attr WHERE deviceid', 'device WHERE id'].map((from) =>
    sqlite.prepare(`DELETE FROM ${from} = ?`),
  );
  return {
    devices: () => allDevices.all(),
    device: (id) => oneDevice.get(id),
    attributes: (id) => attributesOf.all(id),
    twins: (id) => twinsOf.all(id).map(toTwin),
    putDevice: (row) => void upsertDevice.run(row),
    putAttribute: (row) => void upsertAttribute.run(row),
    deleteAttribute: (id, name) => void dropAttribute.run(id, name),
    putTwin: (id, twin) => void upsertTwin.run(toRow(id, twin)),
    deleteTwin: (id, name) => void dropTwin.run(id, name),
    deleteDevice: (id) => {
      for (const statement of dropDevice) statement.run(id);
    },
  };
}

function toRow(deviceid: string, twin: Twin): TwinRow {
  return {
    deviceid,
    name: twin.name,
    expected: twin.expected?.value ?? null,
    actual: twin.actual?.value ?? null,
    expected_meta: twin.expected === undefined ? null : `{"timestamp":${String(twin.expected.timestamp)}}`,
    actual_meta: twin.actual === undefined ? null : `{"timestamp":${String(twin.actual.timestamp)}}`,
    expected_version: versionText(twin.expectedVersion),
    actual_version: versionText(twin.actualVersion),
    optional: twin.optional ? 1 : 0,
    attr_type: twin.type,
    metadata: twin.write === undefined ? '{}' : JSON.stringify({ write: twin.write }),
    cloud_text: twin.cloudText ?? null,
    settled: twin.settled ? 1 : 0,
  };
}

function toTwin(row: TwinRow): Twin {
  return {
    name: row.name,
    type: row.attr_type,
    optional: row.optional === 1,
    expected: side(row.expected, row.expected_meta),
    actual: side(row.actual, row.actual_meta),
    expectedVersion: version(row.expected_version),
    actualVersion: version(row.actual_version),
    cloudText: row.cloud_text ?? undefined,
    settled: row.settled === 1,
    ...writeOf(row.metadata),
  };
}

/** Rows that KubeEdge wrote may hold anything there. */
function writeOf(metadata: string | null): Pick<Twin, 'write'> {
  if (metadata === null || !metadata.includes('"write"')) return {};
  try {
    return { write: readWriteOutcome((JSON.parse(metadata) as { write?: unknown }).write) };
  } catch {
    return {};
  }
}

function versionText(value: TwinVersion | undefined): string | null {
  return value === undefined ? null : `{"cloud":${String(value.cloud)},"edge":${String(value.edge)}}`;
}

function side(value: string | null, meta: string | null): TwinSide | undefined {
  if (value === null) return undefined;
  const timestamp = meta === null ? 0 : (JSON.parse(meta) as { timestamp?: number }).timestamp;
  return { value, timestamp: timestamp ?? 0 };
}

function version(text: string | null): TwinVersion | undefined {
  return text === null ? undefined : (JSON.parse(text) as TwinVersion);
}

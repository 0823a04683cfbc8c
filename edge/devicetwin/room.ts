/** Owns what the handlers of devicetwin share: their ports, and the outcome that each returns from inside a transaction. */
import type { Clock } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import type { MsgTwin } from '#wire/device-messages.ts';
import type { MetaTable } from '../store/meta-table.ts';
import type { Twin, TwinTable } from '../store/twin-table.ts';
import type { Device, DeviceRegistry } from './device-registry.ts';
import type { ValueRules } from './payloads.ts';
import { deviceTopic } from '#wire/topics.ts';
import type { Change, Publication } from './publications.ts';
import { twinDelta, twinDocument } from './publications.ts';

export interface TwinRoom {
  readonly node: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly registry: DeviceRegistry;
  readonly table: TwinTable;
  readonly meta: MetaTable;
  readonly rules: ValueRules;
  /** false: nobody would get a message on the topic, so it need not be made. */
  wanted(topic: string): boolean;
  /** `twin/cloud_updated` of MQTT clients that carries versions is taken. */
  readonly acceptCloudUpdated: boolean;
  /** Reported versions start above it: see `EdgeDatabase.versionBase`. */
  readonly versionBase: number;
  /** The handler runs outside a transaction, for a reporter that waits for no answer: rows are written with the next round. */
  readonly later: boolean;
}

/** Something that the cloud has to hear. */
export type Upstream =
  /** `parts` is KubeEdge's form: just what was written. Between our two sides the newest state of `names` is sent instead. */
  | {
      kind: 'twin';
      device: string;
      names: readonly string[];
      parts: ReadonlyMap<string, MsgTwin | null>;
      /** A desired value has just been reached: it does not queue behind ordinary reports. */
      settles?: boolean;
    }
  /** A refused cloud update: the edge tells what it has. KubeEdge peers only. */
  | { kind: 'own'; device: string; parts: ReadonlyMap<string, MsgTwin | null> }
  | { kind: 'state'; device: string; content: string }
  /** Everything of the device, because its object in the API is new. */
  | { kind: 'all'; device: string };

export type DefinitionChange = { kind: 'set'; profile: DeviceProfile } | { kind: 'removed'; name: string };

/** Everything that happens after the commit, in order. */
export interface Outcome {
  readonly publish: Publication[];
  readonly upstream: Upstream[];
  readonly definitions: DefinitionChange[];
  /** Ids whose memory must be read again when the transaction is rolled back. */
  readonly touched: Set<string>;
  /** Why a message of the cloud was not taken: our cloud is told, and says it again later. */
  fault?: string;
}

export function emptyOutcome(): Outcome {
  return { publish: [], upstream: [], definitions: [], touched: new Set() };
}

export function mergeOutcomes(left: Outcome, right: Outcome): Outcome {
  return {
    publish: [...left.publish, ...right.publish],
    upstream: [...left.upstream, ...right.upstream],
    definitions: [...left.definitions, ...right.definitions],
    touched: new Set([...left.touched, ...right.touched]),
  };
}

/** Stores one twin in memory and in its row, or remembers that the row is due. */
export function storeTwin(room: TwinRoom, device: Device, twin: Twin): void {
  device.twins.set(twin.name, twin);
  device.stamps.delete(twin.name);
  if (room.later) {
    device.later.add(twin.name);
    return;
  }
  device.later.delete(twin.name);
  room.table.putTwin(device.row.id, twin);
}

export function toleranceOf(device: Device): (name: string) => number {
  return (name) => device.tolerances.get(name) ?? 0;
}

/** Document (when something changed), then delta (when something differs): the order of mqtt-topics.md 6.9. */
export function publishChanges(
  room: TwinRoom,
  device: Device,
  out: { outcome: Outcome; envelope: { eventId: string; now: number }; changes: ReadonlyMap<string, Change> },
): void {
  const { outcome, envelope, changes } = out;
  const { id } = device.row;
  if (changes.size > 0 && room.wanted(deviceTopic.twinDocument(id))) outcome.publish.push(twinDocument(id, envelope, changes));
  const delta = room.wanted(deviceTopic.twinDelta(id))
    ? twinDelta(id, envelope.now, { twins: device.twins.values(), toleranceOf: toleranceOf(device) })
    : undefined;
  if (delta !== undefined) outcome.publish.push(delta);
}

/** Owns what waits to be told to the cloud: the newest state per property, however long the link is down. */
import { randomUUID } from 'node:crypto';
import type { LastSeenMessage, MsgTwin, StateMessage, TwinMessage } from '#wire/device-messages.ts';
import type { BeehiveMessage, NewMessage } from '#wire/message.ts';
import type { WindowEntry } from '#wire/ack-window.ts';
import { deviceResource, group, lastSeen, operation, source } from '#wire/resources.ts';
import type { Twin } from '../store/twin-table.ts';
import type { Device, DeviceRegistry } from './device-registry.ts';
import { stateView } from './state.ts';
import { isOverride, isTombstone } from './twin.ts';
import type { Upstream } from './room.ts';

/** Our cloud acknowledges ordinary reports at its own pace; a reached desired value must not wait for that. */
const lanes = ['twin', 'settled'] as const;
type Lane = (typeof lanes)[number];

export type Peer = 'offline' | 'kubeedge' | 'hivelet';

/** A message about one device stays far below the largest frame that a peer takes. */
const MAX_BYTES = 512 * 1024;

/** The link as devicetwin sees it; edgehub implements it. */
export interface CloudPort {
  readonly peer: Peer;
  /** Sent once if the link is up. For KubeEdge peers and for requests. */
  send(message: NewMessage): void;
  /** Sent when its turn comes and until it is acknowledged. */
  offer(entry: WindowEntry): boolean;
  message(fields: NewMessage): BeehiveMessage;
}

export interface OutboxDeps {
  registry: DeviceRegistry;
  cloud: CloudPort;
  now(): number;
  monotonic(): number;
  dropped(device: string, reason: string): void;
}

/**
 * The twin table is the outbox: what is kept here is only which of its rows the peer has not acknowledged yet, so a
 * week offline costs nothing and a restart loses nothing (after a connect everything is told once).
 */
export class UpstreamOutbox {
  readonly #deps: OutboxDeps;
  /** Names per device that changed since they were last sent. */
  readonly #dirty = new Map<string, Set<string>>();
  /** Names that are on their way, by the key they are sent under. */
  readonly #sent = new Map<string, Set<string>>();
  readonly #seen = new Map<string, number>();

  constructor(deps: OutboxDeps) {
    this.#deps = deps;
  }

  /** Properties that wait for the cloud. */
  get size(): number {
    return [...this.#dirty.values(), ...this.#sent.values()].reduce((sum, names) => sum + names.size, 0);
  }

  tell(event: Upstream): void {
    switch (this.#deps.cloud.peer) {
      case 'offline':
        return;
      case 'kubeedge':
        return this.#tellKubeEdge(event);
      case 'hivelet':
        return this.#tellOurs(event);
    }
  }

  /** After a connect: the full actual state once, one message a device. */
  tellAll(): void {
    this.#dirty.clear();
    this.#sent.clear();
    for (const device of this.#deps.registry.members()) this.tell({ kind: 'all', device: device.row.id });
  }

  /** Ages of the devices that were heard since the last call; our cloud only. */
  tellLastSeen(): void {
    if (this.#deps.cloud.peer !== 'hivelet') return;
    const now = this.#deps.monotonic();
    const heard = this.#deps.registry
      .members()
      .filter((device) => device.seenAt !== undefined && device.seenAt !== this.#seen.get(device.row.id));
    if (heard.length === 0) return;
    for (const device of heard) this.#seen.set(device.row.id, device.seenAt ?? 0);
    const ages = Object.fromEntries(heard.map((device) => [device.row.id, Math.round(now - (device.seenAt ?? now))]));
    this.#deps.cloud.offer({
      key: lastSeen,
      make: () => this.#message(lastSeen, { ages } satisfies LastSeenMessage),
      onError: () => 'drop',
    });
  }

  forget(device: string): void {
    this.#dirty.delete(device);
    for (const lane of lanes) this.#sent.delete(`${lane}/${device}`);
    this.#seen.delete(device);
  }

  /** Exact KubeEdge rules: one message per event, never repeated. */
  #tellKubeEdge(event: Upstream): void {
    const { cloud } = this.#deps;
    switch (event.kind) {
      case 'state':
        return cloud.send(this.#fields(deviceResource.stateUpdate(event.device), event.content));
      case 'all': {
        const device = this.#deps.registry.member(event.device);
        const known = [...(device?.twins.values() ?? [])].filter((twin) => twin.actual !== undefined && !isTombstone(twin));
        if (known.length === 0) return;
        const parts = new Map(known.map((twin) => [twin.name, actualOf(device, twin.name)] as const));
        return cloud.send(this.#fields(deviceResource.edgeUpdated(event.device), this.#twinMessage(parts)));
      }
      case 'twin':
      case 'own':
        if (event.parts.size > 0) cloud.send(this.#fields(deviceResource.edgeUpdated(event.device), this.#twinMessage(event.parts)));
    }
  }

  #tellOurs(event: Upstream): void {
    const device = this.#deps.registry.member(event.device);
    if (device === undefined || event.kind === 'own') return;
    if (event.kind === 'state' || event.kind === 'all') this.#offerState(device);
    if (event.kind === 'state') return;
    const names = event.kind === 'all' ? [...device.twins.keys()] : event.names;
    const dirty = this.#dirty.get(event.device) ?? new Set();
    for (const name of names) dirty.add(name);
    if (dirty.size === 0) return;
    this.#dirty.set(event.device, dirty);
    this.#offerTwins(event.device, event.kind === 'twin' && event.settles === true ? 'settled' : 'twin');
  }

  #offerTwins(id: string, lane: Lane): void {
    const key = `${lane}/${id}`;
    this.#deps.cloud.offer({
      key,
      make: () => this.#makeTwins(id, key),
      onAck: () => {
        this.#sent.delete(key);
        // What did not fit into the last message.
        if (this.#dirty.has(id)) this.#offerTwins(id, 'twin');
      },
      onError: (answer) => this.#refused(id, answer.content),
    });
  }

  /** Built when its turn comes: the newest state of everything that changed, and of what was sent but not acknowledged. */
  #makeTwins(id: string, key: string): BeehiveMessage | undefined {
    const device = this.#deps.registry.member(id);
    const names = [...new Set([...(this.#sent.get(key) ?? []), ...(this.#dirty.get(id) ?? [])])];
    this.#dirty.delete(id);
    this.#sent.delete(key);
    if (device === undefined) return undefined;
    const parts = new Map<string, MsgTwin | null>();
    for (let size = 0, next = 0; next < names.length; next++) {
      const name = names[next] ?? '';
      const twin = device.twins.get(name);
      if (twin === undefined) continue;
      size += sizeOf(twin);
      if (size > MAX_BYTES && parts.size > 0) {
        this.#dirty.set(id, new Set(names.slice(next)));
        break;
      }
      parts.set(name, ownForm(device, name));
    }
    if (parts.size === 0) return undefined;
    this.#sent.set(key, new Set(parts.keys()));
    const extension = { uid: device.row.uid, cluster_uid: device.row.cluster_uid };
    return this.#message(deviceResource.edgeUpdated(id), { ...this.#twinMessage(parts), hivelet: extension } satisfies TwinMessage);
  }

  #offerState(device: Device): void {
    const { id } = device.row;
    if (device.row.state === null) return;
    this.#deps.cloud.offer({
      key: `state/${id}`,
      make: () => {
        const current = this.#deps.registry.member(id);
        if (current === undefined) return undefined;
        const body: StateMessage = {
          event_id: randomUUID(),
          timestamp: this.#deps.now(),
          device: stateView(current),
          hivelet: { uid: current.row.uid, version: current.row.state_version },
        };
        return this.#message(deviceResource.stateUpdate(id), JSON.stringify(body));
      },
      onError: (answer) => this.#refused(id, answer.content),
    });
  }

  /** Only "not bound" is final: the cloud does not want this device from this node. */
  #refused(id: string, reason: unknown): 'retry' | 'drop' {
    if (typeof reason !== 'string' || !reason.includes('not bound')) return 'retry';
    this.#deps.dropped(id, reason);
    for (const lane of lanes) this.#sent.delete(`${lane}/${id}`);
    return 'drop';
  }

  #twinMessage(parts: ReadonlyMap<string, MsgTwin | null>): TwinMessage {
    return { event_id: randomUUID(), timestamp: this.#deps.now(), twin: Object.fromEntries(parts) };
  }

  #fields(resource: string, content: unknown): NewMessage {
    return { source: source.twin, group: group.resource, operation: operation.update, resource, content };
  }

  #message(resource: string, content: unknown): BeehiveMessage {
    return this.#deps.cloud.message(this.#fields(resource, content));
  }
}

/** About the characters that it takes in a message. */
function sizeOf({ name, expected, actual, write }: Twin): number {
  const outcome = write === undefined ? 0 : 128 + write.desired.length + (write.observed?.length ?? 0) + (write.reason?.length ?? 0);
  return 256 + name.length + (expected?.value.length ?? 0) + (actual?.value.length ?? 0) + outcome;
}

function actualOf(device: Device | undefined, name: string): MsgTwin | null {
  const twin = device?.twins.get(name);
  if (twin === undefined || isTombstone(twin)) return null;
  return {
    ...(twin.actual === undefined ? {} : { actual: { value: twin.actual.value, metadata: { timestamp: twin.actual.timestamp } } }),
    optional: twin.optional,
    metadata: { type: twin.type },
    ...(twin.actualVersion === undefined ? {} : { actual_version: twin.actualVersion }),
  };
}

/** Between our two sides: the actual value with its version, the local override if there is one, and what became of the last write. */
function ownForm(device: Device, name: string): MsgTwin | null {
  const form = actualOf(device, name);
  const twin = device.twins.get(name);
  if (form === null || twin === undefined) return null;
  const override = isOverride(twin);
  return {
    ...form,
    ...(override && twin.expected !== undefined
      ? { expected: { value: twin.expected.value, metadata: { timestamp: twin.expected.timestamp } } }
      : {}),
    ...(twin.expectedVersion === undefined ? {} : { expected_version: twin.expectedVersion }),
    ...(twin.write === undefined ? {} : { write: twin.write }),
    ...(twin.doubt === undefined ? {} : { quality: twin.doubt }),
    override,
  };
}

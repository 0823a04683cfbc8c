/**
 * Owns what we know about the inside of aedes 1.2.0 and nothing else does: the undocumented members that we read or replace.
 * The version is pinned; test/integration/broker-aedes.test.ts fails when one of them changes.
 */
import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import type { Aedes, Client } from 'aedes';
import type { Packet } from 'mqtt-packet';

/** What aedes hands through its emitter; subscriptions copy it before they change it. */
export interface ForwardPacket {
  cmd: 'publish';
  /** With `brokerCounter` the identity by which a client with overlapping filters gets a message once. */
  brokerId: string | null;
  brokerCounter: number;
  topic: string;
  payload: Buffer;
  qos: 0 | 1 | 2;
  retain: boolean;
  dup: boolean;
  clientId?: string;
}

export type Delivery = (packet: ForwardPacket, done: () => void) => void;

export interface AedesParser extends EventEmitter {
  /** The packet being read; `length` is -1 until its header is complete. */
  packet: { length: number };
  error: Error | null;
  parse(chunk: Buffer): number;
}

export type AedesBroker = Aedes & {
  readonly clients: Record<string, AedesClient>;
  counter: number;
};

export type AedesClient = Client & {
  conn: Duplex;
  broker: AedesBroker;
  _parser: AedesParser;
  /** Called by aedes when it has handled a packet. */
  _nextBatch: (error?: Error | null) => void;
  _parsingBatch: number;
  _paused?: boolean;
  _nextId: number;
  /** True after a DISCONNECT: no will then. */
  _disconnected: boolean;
  /** Set while CONNECT is handled, for clients that ask for keep-alive. */
  _keepaliveTimer: NodeJS.Timeout | null;
  _keepaliveInterval: number;
  will: object | null;
  subscriptions: Record<string, { qos: number }>;
  /** Per broker the counter of the last message that was delivered. */
  duplicates: Record<string, number>;
  waitForDrain: (done: (error: Error | null, client: AedesClient) => void) => void;
  deliver0: Delivery;
  deliverQoS: Delivery;
  resume(): void;
};

export type ClientPacket = Packet & { length?: number };

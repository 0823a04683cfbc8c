/** Owns the bounds of the embedded broker and why each has its value. */

export interface BrokerLimits {
  /** Largest MQTT packet of a client, bytes. A longer one closes that client. */
  packetBytes: number;
  /** Open connections; one more is closed at once. */
  connections: number;
  /** Of which this many over the network may be of clients that have not said who they are. */
  strangers: number;
  /** Connections of one account; one more is refused. */
  connectionsPerAccount: number;
  /** Packets a second of a client with an account, ten seconds' worth at once; more close it. */
  publishRate: number;
  /** Topic filters of one client; more are refused with SUBACK 0x80. */
  subscriptions: number;
  /** Time from the TCP connection to a whole CONNECT. */
  connectTimeoutMs: number;
  /** Publishes of one client that wait for their commit before we stop reading from it. */
  inFlight: number;
  /** Payload bytes of one client that wait for their commit before we stop reading from it. */
  inFlightBytes: number;
  /** Unsent bytes of one subscriber above which QoS 0 messages to it are dropped. */
  softBacklogBytes: number;
  /** Unsent bytes of one subscriber above which it is disconnected: QoS 1 must not be dropped silently. */
  hardBacklogBytes: number;
  /** Retained messages and their payload bytes; above it a new topic is forwarded but not kept. */
  retainedMessages: number;
  retainedBytes: number;
  /** Persistent sessions kept; the one that is away longest goes first. */
  sessions: number;
  /** A session is forgotten after this much time away, counted while the broker runs. */
  sessionExpiryMs: number;
  /** Messages and bytes waiting for one persistent session; the oldest unsent one is dropped first. */
  queueMessages: number;
  queueBytes: number;
  /** Bytes waiting for all persistent sessions together. */
  queueBytesTotal: number;
  /** Messages between in-process ports that wait for their handler. */
  portQueue: number;
}

const KiB = 1024;
const MiB = 1024 * KiB;
const DAY_MS = 86_400_000;

export const defaultLimits: Readonly<BrokerLimits> = {
  packetBytes: 256 * KiB,
  connections: 1_000,
  strangers: 300, // a fleet of 200 that comes back at once
  connectionsPerAccount: 20,
  publishRate: 1_000,
  subscriptions: 2_000,
  connectTimeoutMs: 10_000,
  inFlight: 1_000,
  inFlightBytes: MiB,
  softBacklogBytes: 256 * KiB,
  hardBacklogBytes: 2 * MiB,
  retainedMessages: 10_000,
  retainedBytes: 4 * MiB,
  sessions: 1_000,
  sessionExpiryMs: 7 * DAY_MS,
  queueMessages: 100, // KubeEdge: mqttSessionQueueSize
  queueBytes: MiB,
  queueBytesTotal: 16 * MiB,
  portQueue: 100_000,
};

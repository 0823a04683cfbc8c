/** Owns what the embedded broker is given and what it offers. */
import type { Clock } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';
import type { BrokerLimits } from './limits.ts';
import type { Listener, ListenerOptions } from './listener.ts';
import type { BrokerPort, PortOptions } from './port.ts';
import type { Ingest } from './publish.ts';
import type { TlsFiles } from './tls-files.ts';

export interface BrokerOptions {
  clock: Clock;
  log: Logger;
  listeners: readonly ListenerOptions[];
  /** Serve addresses other than loopback although there are neither TLS nor credentials. */
  allowInsecure?: boolean;
  /** Certificate of the listeners with TLS. */
  tls?: TlsFiles;
  /** Path of the file with the accounts, see `AccountBook`. */
  accounts?: string;
  /** Nobody comes in without one, not even from this machine. */
  requireAccounts?: boolean;
  /** Origins of pages that may open a websocket; programs have none and always may. */
  websocketOrigins?: readonly string[];
  ingest?: Ingest;
  limits?: Partial<BrokerLimits>;
  /** Path of the file that keeps retained messages and sessions; without it they are lost on a restart. */
  store?: string;
  /** After a client's CONNACK, and after it left. */
  onClient?(change: { clientId: string; connected: boolean; clients: number }): void;
}

export interface BrokerStats {
  clients: number;
  /** Connections since the start. */
  accepted: number;
  sessions: number;
  retained: number;
  /** Messages dropped because somebody was slow or a bound was reached, since the start. */
  dropped: number;
  /** Publishes whose ingest failed, since the start. */
  refused: number;
  /** Logins, publishes and subscriptions that were not allowed, since the start. */
  denied: number;
}

export interface Broker {
  /** Opens the listeners. Throws HiveletError PORT_IN_USE or CONFIG_INVALID; nothing stays open then. */
  start(): Promise<void>;
  /** The addresses served, with real port numbers, in the order of the options. */
  readonly listeners: readonly Listener[];
  /** May be used before `start`. */
  port(name: string, options?: PortOptions): BrokerPort;
  stats(): BrokerStats;
  /** Idempotent; stores everything. No will is published: the clients are not to blame. */
  close(): Promise<void>;
}

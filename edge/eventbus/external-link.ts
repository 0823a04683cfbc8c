/** Owns one connection to an external MQTT broker that is made again, with back-off, for as long as it is wanted. */
import { connect as connectTcp } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import type { Clock, Timer } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { backoff } from '#beehive/retry.ts';
import type { IPublishPacket, MqttClient } from 'mqtt';
import type { OutboxMessage } from './external-outbox.ts';

export interface ExternalAddress {
  /** `tcp://host:port`, or `ssl://host:port` for TLS. */
  url: string;
  username?: string;
  password?: string;
  /** Certificates for `ssl://`; the peer is always verified. */
  tls?: Pick<ConnectionOptions, 'ca' | 'cert' | 'key'>;
}

export interface LinkOptions {
  clock: Clock;
  log: Logger;
  clientId: string;
  address: ExternalAddress;
  /** Said by the broker when the connection ends without a good-bye. */
  will?: OutboxMessage | undefined;
  /** Connected: CONNACK received. */
  up: (client: MqttClient) => void;
  down: () => void;
  /** `done` lets the next message in; with an error a QoS 1 message is not acknowledged by the library. */
  incoming?: (client: MqttClient, packet: IPublishPacket, done: (error?: Error) => void) => void;
}

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;
/** A connection that lasted this long was a good one: the next back-off starts from the beginning. */
const STABLE_MS = 10_000;
const CONNECT_TIMEOUT_MS = 10_000;
const KEEPALIVE_S = 15;

export class ExternalLink {
  readonly #options: LinkOptions;
  #client: MqttClient | undefined;
  #delays: Generator<number, never>;
  #retry: Timer | undefined;
  #stopped = false;
  #upSinceMs: number | undefined;
  #lastError = 'not connected yet';

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#delays = this.#freshDelays();
    parseExternalUrl(options.address.url);
  }

  get connected(): boolean {
    return this.#upSinceMs !== undefined;
  }

  /** Why it is not connected. */
  get lastError(): string {
    return this.#lastError;
  }

  /** Loads the MQTT client library; returns without waiting for the broker. */
  async start(): Promise<void> {
    const { MqttClient: Client } = await import('./mqtt-client.ts');
    if (!this.#stopped) this.#connect(Client);
  }

  /** Resolves when the socket is closed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#retry?.cancel();
    const client = this.#client;
    if (client === undefined) return;
    const closed = new Promise<void>((resolve) => client.stream.once('close', () => resolve()));
    client.end(this.#upSinceMs === undefined);
    if (this.#upSinceMs === undefined) client.stream.destroy();
    const timer = this.#options.clock.timer(1_000, () => client.stream.destroy());
    await closed;
    timer.cancel();
  }

  #connect(Client: typeof MqttClient): void {
    const { clientId, address, will } = this.#options;
    const client = new Client(() => openStream(address), {
      clientId,
      protocolVersion: 4,
      clean: true,
      keepalive: KEEPALIVE_S,
      reconnectPeriod: 0, // the back-off is ours
      connectTimeout: CONNECT_TIMEOUT_MS,
      resubscribe: false,
      queueQoSZero: false,
      ...(will === undefined ? {} : { will: { ...will, payload: Buffer.from(will.payload) } }),
      ...(address.username === undefined ? {} : { username: address.username }),
      ...(address.password === undefined ? {} : { password: address.password }),
    });
    this.#client = client;
    const { incoming } = this.#options;
    if (incoming !== undefined) client.handleMessage = (packet, done) => incoming(client, packet, done);
    client.on('connect', () => this.#connected(client));
    client.on('error', (error) => {
      this.#lastError = messageOf(error) || 'no connection';
      client.stream.destroy();
    });
    client.once('close', () => this.#closed(client, Client));
  }

  #connected(client: MqttClient): void {
    this.#upSinceMs = this.#options.clock.monotonic();
    this.#options.log.info('mqtt.external.connected', { client: this.#options.clientId, url: this.#options.address.url });
    this.#options.up(client);
  }

  #closed(client: MqttClient, Client: typeof MqttClient): void {
    const { clock, log, clientId, address } = this.#options;
    this.#client = undefined;
    client.end(true);
    const upSinceMs = this.#upSinceMs;
    this.#upSinceMs = undefined;
    if (upSinceMs !== undefined) {
      if (clock.monotonic() - upSinceMs >= STABLE_MS) this.#delays = this.#freshDelays();
      this.#lastError = 'the connection was lost';
      this.#options.down();
    }
    if (this.#stopped) return;
    const delayMs = this.#delays.next().value;
    log.warn('mqtt.external.disconnected', { client: clientId, url: address.url, error: this.#lastError, retryMs: Math.round(delayMs) });
    this.#retry = clock.timer(delayMs, () => this.#connect(Client));
  }

  #freshDelays(): Generator<number, never> {
    return backoff(FIRST_RETRY_MS, LAST_RETRY_MS, () => this.#options.clock.random());
  }
}

/** Throws HiveletError CONFIG_INVALID. */
export function parseExternalUrl(url: string): { tls: boolean; host: string; port: number } {
  const match = /^(tcp|mqtt|ssl|tls|mqtts):\/\/(\[[0-9a-fA-F:.]+\]|[^/:[\]@]+)(?::(\d{1,5}))?\/?$/.exec(url);
  const secure = match?.[1] !== 'tcp' && match?.[1] !== 'mqtt';
  const port = Number(match?.[3] ?? (secure ? 8883 : 1883));
  if (match?.[2] === undefined || port < 1 || port > 65_535) {
    throw new HiveletError(
      'CONFIG_INVALID',
      `modules.eventBus.mqttServerExternal is ${JSON.stringify(url)}, which is not an address of the form tcp://HOST:PORT or ssl://HOST:PORT`,
      { facts: { url } },
    );
  }
  return { tls: secure, host: match[2].replace(/^\[|\]$/g, ''), port };
}

function openStream({ url, tls }: ExternalAddress): Duplex {
  const { tls: secure, host, port } = parseExternalUrl(url);
  // Without TCP_NODELAY a QoS 1 round trip takes 44 ms.
  if (!secure) return connectTcp({ host, port, noDelay: true });
  const socket = connectTls({ host, port, servername: /^[\d.]+$|:/.test(host) ? '' : host, ...tls });
  socket.setNoDelay(true);
  return socket;
}

/** Owns the embedded MQTT broker: aedes with our way in, our way out, our store and our bounds. */
import type { Socket } from 'node:net';
import { Aedes, type Client, type PublishPacket, type Subscription } from 'aedes';
import mqttPacket from 'mqtt-packet';
import type { Clock } from '#beehive/clock.ts';
import { messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import type { AedesBroker, AedesClient, ForwardPacket } from './aedes-inside.ts';
import { admit, neverWait } from './egress.ts';
import { Ingress, type UnreleasedIds } from './ingress.ts';
import { KeepAlive } from './keepalive.ts';
import { type BrokerLimits, defaultLimits } from './limits.ts';
import { listen, type Listener, type ListenerOptions } from './listener.ts';
import { type BrokerPort, createPort, PortDeliveries, type PortOptions } from './port.ts';
import type { IncomingPublish, Ingest, Outgoing } from './publish.ts';
import { Tally } from './tally.ts';
import { filterFault } from './topic.ts';

// Costs 6 to 15 MB otherwise (a Buffer for each of 65,536 numbers).
mqttPacket.writeToStream.cacheNumbers = false;

export interface BrokerOptions {
  clock: Clock;
  log: Logger;
  listeners: readonly ListenerOptions[];
  /** Serve addresses other than loopback although there are neither TLS nor credentials. */
  allowInsecure?: boolean;
  ingest?: Ingest;
  limits?: Partial<BrokerLimits>;
  /** After a client's CONNACK, and after it left. */
  onClient?(change: { clientId: string; connected: boolean; clients: number }): void;
}

export interface BrokerStats {
  clients: number;
  sessions: number;
  retained: number;
  /** Messages dropped because somebody was slow or a bound was reached, since the start. */
  dropped: number;
  /** Publishes whose ingest failed, since the start. */
  refused: number;
}

export interface Broker {
  /** Opens the store and the listeners. Throws HiveletError PORT_IN_USE or CONFIG_INVALID; nothing stays open then. */
  start(): Promise<void>;
  /** The addresses served, with real port numbers, in the order of the options. */
  readonly listeners: readonly Listener[];
  /** May be used before `start`. */
  port(name: string, options?: PortOptions): BrokerPort;
  stats(): BrokerStats;
  /** Idempotent; no will is published: the clients are not to blame. */
  close(): Promise<void>;
}

export function createBroker(options: BrokerOptions): Broker {
  return new EmbeddedBroker(options);
}

class EmbeddedBroker implements Broker {
  readonly #options: BrokerOptions;
  readonly #limits: BrokerLimits;
  readonly #tally: Tally;
  readonly #aedes: AedesBroker;
  readonly #deliveries: PortDeliveries;
  readonly #keepAlive: KeepAlive;
  readonly #listeners: Listener[] = [];
  readonly #unreleased = new WeakMap<AedesClient, Set<number>>();
  #connections = 0;
  #closing: Promise<void> | undefined;

  constructor(options: BrokerOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#tally = new Tally(options.clock, options.log);
    this.#deliveries = new PortDeliveries(this.#limits.portQueue, this.#tally);
    this.#keepAlive = new KeepAlive(options.clock);
    this.#aedes = new Aedes({
      concurrency: 0, // no queue in front of the emitter: order is kept and nobody waits for a slow subscriber
      connectTimeout: this.#limits.connectTimeoutMs,
      drainTimeout: 0,
      maxClientsIdLength: 65_535,
      authorizePublish: (_client, will, done) => this.#will(will, done),
      authorizeSubscribe: (client, subscription, done) => done(null, this.#grant(client as AedesClient, subscription)),
      authorizeForward: (client, packet) => admit(client as AedesClient, packet as ForwardPacket, { limits: this.#limits, tally: this.#tally }) as typeof packet | null,
    }) as AedesBroker;
    this.#watch();
  }

  get listeners(): readonly Listener[] {
    return this.#listeners;
  }

  async start(): Promise<void> {
    await this.#aedes.listen();
    try {
      for (const listener of this.#options.listeners) {
        this.#listeners.push(await listen(listener, { allowInsecure: this.#options.allowInsecure === true, accept: (socket) => this.#accept(socket) }));
      }
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#options.log.info('mqtt.listening', { addresses: this.#listeners.map(({ address }) => address) });
  }

  port(name: string, options: PortOptions = {}): BrokerPort {
    return createPort(name, options, {
      emitter: this.#aedes.mq,
      ingest: this.#options.ingest,
      tally: this.#tally,
      queueLimit: this.#limits.portQueue,
      forward: (message) => this.#forward(message),
      wanted: (topic) => this.#wanted(topic),
      deliveries: this.#deliveries,
    });
  }

  stats(): BrokerStats {
    return { clients: this.#aedes.connectedClients ?? 0, sessions: 0, retained: 0, dropped: this.#tally.total('mqtt.message.dropped'), refused: this.#tally.total('mqtt.ingest.failed') };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#keepAlive.stop();
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    if (!this.#aedes.closed) await new Promise<void>((resolve) => this.#aedes.close(() => resolve()));
  }

  #watch(): void {
    const { log } = this.#options;
    this.#aedes.on('client', (client) => this.#keepAlive.adopt(client as AedesClient));
    this.#aedes.on('clientReady', (client) => this.#announce(client, true));
    this.#aedes.on('clientDisconnect', (client) => {
      this.#keepAlive.forget(client as AedesClient);
      this.#announce(client, false);
    });
    this.#aedes.on('clientError', (client, error) => this.#tally.count('mqtt.client.closed', { client: client.id, error: error.message }));
    this.#aedes.on('connectionError', (_client, error) => this.#tally.count('mqtt.connection.closed', { error: error.message }));
    (this.#aedes as NodeJS.EventEmitter).on('error', (error: unknown) => log.error('mqtt.broker.failed', { error: messageOf(error) }));
  }

  #announce(client: Client, connected: boolean): void {
    const clients = this.#aedes.connectedClients;
    this.#options.log.debug(connected ? 'mqtt.client.connected' : 'mqtt.client.left', { client: client.id, clients });
    this.#options.onClient?.({ clientId: client.id, connected, clients });
  }

  #accept(socket: Socket): void {
    if (this.#connections >= this.#limits.connections) {
      this.#tally.count('mqtt.connection.refused', { reason: `${this.#limits.connections} connections are open` });
      socket.destroy();
      return;
    }
    this.#connections++;
    socket.once('close', () => this.#connections--);
    const client = this.#aedes.handle(socket) as AedesClient;
    neverWait(client);
    const ingress = new Ingress(client, {
      clock: this.#options.clock,
      limits: this.#limits,
      ingest: this.#options.ingest,
      forward: (publish) => this.#forward(publish),
      allowed: ({ topic }) => !topic.startsWith('$SYS/'),
      unreleased: (owner) => this.#unreleasedOf(owner),
      ingestFailed: (publish, error) => this.#ingestFailed(publish, error),
    });
    this.#keepAlive.watch(client, ingress);
  }

  #unreleasedOf(client: AedesClient): UnreleasedIds {
    let ids = this.#unreleased.get(client);
    if (ids === undefined) this.#unreleased.set(client, (ids = new Set()));
    return ids;
  }

  #grant(client: AedesClient, subscription: Subscription): Subscription | null {
    const fault = filterFault(subscription.topic);
    const full = Object.keys(client.subscriptions).length >= this.#limits.subscriptions && client.subscriptions[subscription.topic] === undefined;
    if (fault === undefined && !full) return subscription;
    this.#tally.count('mqtt.subscription.refused', { client: client.id, reason: fault ?? `${this.#limits.subscriptions} filters are subscribed` });
    return null;
  }

  /** A will is a publish like any other: commit first. */
  #will(will: PublishPacket, done: (error?: Error | null) => void): void {
    const pending = this.#options.ingest?.({
      topic: will.topic,
      payload: Buffer.from(will.payload),
      qos: will.qos,
      retain: will.retain,
      clientId: 'will',
    });
    if (pending === undefined) return done(null);
    pending.then(
      () => done(null),
      (error: unknown) => done(error instanceof Error ? error : new Error(messageOf(error))),
    );
  }

  #forward(message: Outgoing): void {
    const { topic, qos, retain, clientId } = message;
    if (!retain && qos === 0 && !this.#wanted(topic)) return;
    const payload = typeof message.payload === 'string' ? Buffer.from(message.payload) : message.payload;
    this.#aedes.publish({ cmd: 'publish', topic, payload, qos, retain, dup: false, ...(clientId === undefined ? {} : { clientId }) }, (error) => {
      if (error !== undefined && error !== null) this.#tally.count('mqtt.message.dropped', { topic, reason: error.message });
    });
  }

  #wanted(topic: string): boolean {
    return this.#aedes.mq._matcher.match(topic).length > 0;
  }

  #ingestFailed(publish: IncomingPublish, error: unknown): void {
    this.#tally.count('mqtt.ingest.failed', { client: publish.clientId, topic: publish.topic, error: messageOf(error) });
  }
}

/** Owns the embedded MQTT broker: aedes with our way in, our way out, our store and our bounds. */
import type { Socket } from 'node:net';
import { Aedes, type Client, type ConnectPacket, type PublishPacket, type Subscription } from 'aedes';
import mqttPacket from 'mqtt-packet';
import type { Clock, Timer } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import type { AedesBroker, AedesClient, ForwardPacket } from './aedes-inside.ts';
import { openBrokerDatabase } from './broker-database.ts';
import { Egress, EndOfTurn } from './egress.ts';
import { Emitter } from './emitter.ts';
import { Ingress, type IngressDeps } from './ingress.ts';
import { KeepAlive } from './keepalive.ts';
import { type BrokerLimits, defaultLimits } from './limits.ts';
import { listen, type Listener, type ListenerOptions } from './listener.ts';
import { type BrokerPort, createPort, PortDeliveries, type PortOptions } from './port.ts';
import { PublishQueue } from './publish-queue.ts';
import type { Ingest, IncomingPublish } from './publish.ts';
import { AedesPersistence, sendRetained } from './retained-delivery.ts';
import { Router } from './router.ts';
import { Tally } from './tally.ts';
import { filterFault, topicFault } from './topic.ts';
import { unreleasedIds } from './unreleased.ts';

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
  /** Path of the file that keeps retained messages and sessions; without it they are lost on a restart. */
  store?: string;
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

/** Opens the store; throws HiveletError STORE_LOCKED or STORE_FAILED. */
export function createBroker(options: BrokerOptions): Broker {
  return new EmbeddedBroker(options);
}

const EXPIRY_MS = 3_600_000;
const RESERVED = '$SYS/';
const IDENTIFIER_REJECTED = 2;

interface Connection {
  client: AedesClient;
  ingress: Ingress;
  egress: Egress;
}

class EmbeddedBroker implements Broker {
  readonly #options: BrokerOptions;
  readonly #limits: BrokerLimits;
  readonly #tally: Tally;
  readonly #persistence: AedesPersistence;
  readonly #emitter = new Emitter();
  readonly #aedes: AedesBroker;
  readonly #router: Router;
  readonly #deliveries: PortDeliveries;
  readonly #keepAlive: KeepAlive;
  readonly #connections = new Map<AedesClient, Connection>();
  readonly #endOfTurn = new EndOfTurn();
  /** Wills whose clients are gone since an earlier run. */
  readonly #orphans: PublishQueue;
  readonly #ports = new Set<BrokerPort>();
  readonly #listeners: Listener[] = [];
  #expiry: Timer | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: BrokerOptions) {
    const { clock, log, store } = options;
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#tally = new Tally(clock, log);
    this.#deliveries = new PortDeliveries(this.#limits.portQueue, this.#tally);
    this.#keepAlive = new KeepAlive(clock);
    const database = store === undefined ? {} : { database: openBrokerDatabase(store, log) };
    this.#persistence = new AedesPersistence({ clock, limits: this.#limits, tally: this.#tally, ...database });
    this.#aedes = this.#createAedes();
    this.#router = new Router(this.#aedes, this.#emitter, this.#persistence);
    const failed = this.#ingestFailed.bind(this);
    this.#orphans = new PublishQueue({ ingest: options.ingest, forward: (publish) => this.#router.forward(publish), failed });
    this.#persistence.sessions.online = (id) => this.#aedes.clients[id] !== undefined;
    this.#watch();
  }

  get listeners(): readonly Listener[] {
    return this.#listeners;
  }

  async start(): Promise<void> {
    if (this.#closing !== undefined) throw new HiveletError('STOPPED', 'a broker that was closed cannot be started again: create another');
    try {
      await this.#aedes.listen();
      for (const options of this.#options.listeners) {
        const accept = (socket: Socket): void => this.#accept(socket);
        this.#listeners.push(await listen(options, { allowInsecure: this.#options.allowInsecure === true, accept }));
      }
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#expireLater();
    this.#options.log.info('mqtt.listening', { addresses: this.#listeners.map(({ address }) => address) });
  }

  port(name: string, options: PortOptions = {}): BrokerPort {
    const port = createPort(name, options, {
      emitter: this.#emitter,
      ingest: this.#options.ingest,
      tally: this.#tally,
      deliveries: this.#deliveries,
      forward: (message) => this.#router.forward(message),
      wanted: (topic) => this.#router.wanted(topic),
    });
    this.#ports.add(port);
    return port;
  }

  stats(): BrokerStats {
    return {
      clients: Object.keys(this.#aedes.clients).length,
      sessions: this.#persistence.sessions.size,
      retained: this.#persistence.retained.size,
      dropped: this.#tally.total('mqtt.message.dropped'),
      refused: this.#tally.total('mqtt.ingest.failed'),
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#keepAlive.stop();
    this.#expiry?.cancel();
    for (const port of this.#ports) port.close();
    for (const client of Object.values(this.#aedes.clients)) client.will = null;
    const listeners = Promise.all(this.#listeners.map((listener) => listener.close()));
    if (!this.#aedes.closed) await new Promise<void>((resolve) => this.#aedes.close(() => resolve()));
    await listeners;
    await this.#persistence.destroy();
  }

  #createAedes(): AedesBroker {
    return new Aedes({
      persistence: this.#persistence,
      mq: this.#emitter,
      concurrency: 0, // no limit of listeners per socket
      connectTimeout: this.#limits.connectTimeoutMs,
      drainTimeout: 0,
      maxClientsIdLength: 65_535, // MQTT 3.1 allows 23 characters, its clients send more
      preConnect: (client, packet, done) => done(refuseNameless(client, packet), true),
      authorizePublish: (client, will, done) => this.#admitWill(client as AedesClient | null, will, done),
      authorizeSubscribe: (client, subscription, done) => done(null, this.#grant(client as AedesClient, subscription)),
      authorizeForward: (client, packet) =>
        this.#connections.get(client as AedesClient)?.egress.resend(packet as ForwardPacket) as typeof packet,
    }) as AedesBroker;
  }

  #watch(): void {
    const { log } = this.#options;
    const { sessions } = this.#persistence;
    this.#aedes.on('client', (client) => this.#registered(client as AedesClient));
    this.#aedes.on('clientReady', (client) => {
      this.#connections.get(client as AedesClient)?.egress.sendUnsent();
      this.#announce(client, true);
    });
    this.#aedes.on('clientDisconnect', (client) => {
      sessions.left(client.id);
      this.#announce(client, false);
    });
    this.#aedes.on('subscribe', (subscriptions, client) => this.#sendRetained(client as AedesClient, subscriptions));
    this.#aedes.on('clientError', (client, error) => this.#tally.count('mqtt.client.closed', { client: client.id, error: error.message }));
    this.#aedes.on('connectionError', (_client, error) => this.#tally.count('mqtt.connection.closed', { error: error.message }));
    (this.#aedes as NodeJS.EventEmitter).on('error', (error: unknown) => log.error('mqtt.broker.failed', { error: messageOf(error) }));
  }

  #sendRetained(client: AedesClient, subscriptions: readonly Subscription[]): void {
    const connection = this.#connections.get(client);
    if (connection === undefined) return;
    sendRetained(connection, subscriptions, this.#persistence.retained).catch((error: unknown) => {
      this.#options.log.error('mqtt.retained.failed', { client: client.id, error: messageOf(error) });
    });
  }

  #registered(client: AedesClient): void {
    this.#keepAlive.adopt(client);
    if (client.clean) return;
    this.#persistence.sessions.connected(client.id);
    const queue = this.#persistence.sessions.get(client.id)?.queue;
    if (queue !== undefined && queue.size > 0) client._nextId = queue.nextId();
  }

  #announce(client: Client, connected: boolean): void {
    const clients = Object.keys(this.#aedes.clients).length;
    this.#options.log.debug(connected ? 'mqtt.client.connected' : 'mqtt.client.left', { client: client.id, clients });
    this.#options.onClient?.({ clientId: client.id, connected, clients });
  }

  #accept(socket: Socket): void {
    if (this.#connections.size >= this.#limits.connections) {
      this.#tally.count('mqtt.connection.refused', { reason: `${this.#limits.connections} connections are open` });
      socket.destroy();
      return;
    }
    const client = this.#aedes.handle(socket) as AedesClient;
    const { sessions } = this.#persistence;
    const egress = new Egress(client, { limits: this.#limits, tally: this.#tally, sessions, endOfTurn: this.#endOfTurn });
    const ingress = new Ingress(client, this.#ingressDeps(client, egress));
    this.#connections.set(client, { client, ingress, egress });
    socket.once('close', () => this.#connections.delete(client));
    this.#keepAlive.watch(client, ingress);
  }

  #ingressDeps(client: AedesClient, egress: Egress): IngressDeps {
    return {
      clock: this.#options.clock,
      limits: this.#limits,
      ingest: this.#options.ingest,
      forward: (publish) => this.#router.forward(publish),
      allowed: ({ topic }) => !topic.startsWith(RESERVED),
      answer: (frame) => egress.answer(frame),
      flush: egress.flush,
      unreleased: unreleasedIds(client, this.#persistence.sessions),
      acknowledged: (messageId) => {
        if (!client.clean) this.#persistence.sessions.acknowledge(client.id, messageId);
      },
      ingestFailed: (publish, error) => this.#ingestFailed(publish, error),
    };
  }

  #grant(client: AedesClient, subscription: Subscription): Subscription | null {
    const { topic } = subscription;
    const full = client.subscriptions[topic] === undefined && Object.keys(client.subscriptions).length >= this.#limits.subscriptions;
    const fault = filterFault(topic) ?? (full ? `${this.#limits.subscriptions} filters are subscribed` : undefined);
    if (fault === undefined) return subscription;
    this.#tally.count('mqtt.subscription.refused', { client: client.id, filter: topic.slice(0, 200), reason: fault });
    subscription.qos = 128 as Subscription['qos']; // so that the session does not keep it
    return null;
  }

  /** A will is a publish like any other. Without a client it is one of an earlier run whose client did not come back. */
  #admitWill(client: AedesClient | null, will: PublishPacket, done: (error?: Error | null) => void): void {
    const { topic, qos, retain } = will;
    const fault = topicFault(topic) ?? (topic.startsWith(RESERVED) ? 'the topic is reserved' : undefined);
    if (fault !== undefined) return done(new Error(fault));
    const publish: IncomingPublish = { topic, payload: Buffer.from(will.payload), qos, retain, clientId: client?.id ?? 'will' };
    const connection = client === null ? undefined : this.#connections.get(client);
    if (connection !== undefined) return connection.ingress.will(publish, done);
    this.#orphans.push(publish, { accepted: () => done(), refused: () => done(new Error('the will was refused')) }, false);
  }

  #ingestFailed({ clientId, topic }: IncomingPublish, error: unknown): void {
    this.#tally.count('mqtt.ingest.failed', { client: clientId, topic, error: messageOf(error) });
  }

  #expireLater(): void {
    this.#expiry = this.#options.clock.timer(EXPIRY_MS, () => {
      this.#persistence.sessions.expire();
      this.#expireLater();
    });
  }
}

/** A session that is kept needs a name [MQTT-3.1.3-8]; aedes would invent one. */
function refuseNameless(client: Client, { clientId, clean }: ConnectPacket): Error | null {
  if (clientId !== '' || clean === true) return null;
  client.conn.write(Buffer.from([0x20, 2, 0, IDENTIFIER_REJECTED]));
  return new Error('a session that is kept needs a client id');
}

/** Owns the embedded MQTT broker: aedes with our way in, our way out, our store and our bounds. */
import type { Duplex } from 'node:stream';
import { Aedes, type Client, type PublishPacket, type Subscription } from 'aedes';
import mqttPacket from 'mqtt-packet';
import type { Timer } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import { AccountBook } from './account-file.ts';
import type { AedesBroker, AedesClient, ForwardPacket } from './aedes-inside.ts';
import type { Broker, BrokerOptions, BrokerStats } from './broker-options.ts';
import { openBrokerDatabase } from './broker-database.ts';
import { Egress, EndOfTurn } from './egress.ts';
import { Emitter } from './emitter.ts';
import { Refusal } from './gatekeeper.ts';
import { Guard } from './guard.ts';
import { Ingress, type IngressDeps } from './ingress.ts';
import { KeepAlive } from './keepalive.ts';
import { type BrokerLimits, defaultLimits } from './limits.ts';
import { listen, type Listener, type ListenerOptions, type Visitor } from './listener.ts';
import { type BrokerPort, createPort, PortDeliveries, type PortOptions } from './port.ts';
import { PublishQueue } from './publish-queue.ts';
import type { IncomingPublish } from './publish.ts';
import { AedesPersistence, sendRetained } from './retained-delivery.ts';
import { Router } from './router.ts';
import { Tally } from './tally.ts';
import { unreleasedIds } from './unreleased.ts';

// Costs 6 to 15 MB otherwise (a Buffer for each of 65,536 numbers).
mqttPacket.writeToStream.cacheNumbers = false;

export type { Broker, BrokerOptions, BrokerStats } from './broker-options.ts';

/** Opens the store; throws HiveletError STORE_LOCKED or STORE_FAILED. */
export function createBroker(options: BrokerOptions): Broker {
  return new EmbeddedBroker(options);
}

const EXPIRY_MS = 3_600_000;

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
  readonly #book: AccountBook;
  readonly #guard: Guard;
  readonly #connections = new Map<AedesClient, Connection>();
  readonly #endOfTurn = new EndOfTurn();
  /** Wills whose clients are gone since an earlier run. */
  readonly #orphans: PublishQueue;
  readonly #ports = new Set<BrokerPort>();
  readonly #listeners: Listener[] = [];
  #accepted = 0;
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
    this.#book = new AccountBook({ path: options.accounts, clock, log });
    const { sessions } = this.#persistence;
    this.#guard = new Guard({ clock, tally: this.#tally, limits: this.#limits, book: this.#book, sessions });
    this.#aedes = this.#createAedes();
    this.#router = new Router(this.#aedes, this.#emitter, this.#persistence);
    const failed = this.#ingestFailed.bind(this);
    this.#orphans = new PublishQueue({ ingest: options.ingest, forward: (publish) => this.#router.forward(publish), failed });
    sessions.online = (id) => this.#aedes.clients[id] !== undefined;
    this.#watch();
  }

  get listeners(): readonly Listener[] {
    return this.#listeners;
  }

  async start(): Promise<void> {
    if (this.#closing !== undefined) throw new HiveletError('STOPPED', 'a broker that was closed cannot be started again: create another');
    try {
      this.#book.start();
      await this.#aedes.listen();
      for (const options of this.#options.listeners) this.#listeners.push(await this.#listen(options));
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#expireLater();
    this.#options.log.info('mqtt.listening', { addresses: this.#listeners.map(({ address }) => address) });
  }

  #listen(options: ListenerOptions): Promise<Listener> {
    const { allowInsecure = false, requireAccounts = false, websocketOrigins = [], tls } = this.#options;
    const { strangers, packetBytes } = this.#limits;
    return listen(options, {
      allowInsecure,
      requireAccounts,
      accounts: this.#book.size,
      tls,
      tally: this.#tally,
      strangers,
      frameBytes: 2 * packetBytes,
      origins: websocketOrigins,
      accept: (connection, visitor) => this.#accept(connection, visitor),
    });
  }

  port(name: string, options: PortOptions = {}): BrokerPort {
    const port = createPort(name, options, {
      emitter: this.#emitter,
      ingest: this.#options.ingest,
      tally: this.#tally,
      deliveries: this.#deliveries,
      forward: (message) => this.#router.forward(message),
      wanted: (topic) => this.#router.wanted(topic),
      closed: (closed) => this.#ports.delete(closed),
    });
    this.#ports.add(port);
    return port;
  }

  stats(): BrokerStats {
    return {
      clients: Object.keys(this.#aedes.clients).length,
      accepted: this.#accepted,
      sessions: this.#persistence.sessions.size,
      retained: this.#persistence.retained.size,
      dropped: this.#tally.total('mqtt.message.dropped'),
      refused: this.#tally.total('mqtt.ingest.failed'),
      denied: ['mqtt.login.refused', 'mqtt.publish.denied', 'mqtt.subscription.refused'].reduce(
        (sum, name) => sum + this.#tally.total(name),
        0,
      ),
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#keepAlive.stop();
    this.#guard.close();
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
      preConnect: (client, packet, done) => void this.#guard.connect(client as AedesClient, packet, done),
      authorizePublish: (client, will, done) => this.#admitWill(client as AedesClient | null, will, done),
      authorizeSubscribe: (client, subscription, done) => done(null, this.#guard.grant(client as AedesClient, subscription)),
      authorizeForward: (client, packet) => this.#resend(client as AedesClient, packet as ForwardPacket) as typeof packet,
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
    this.#aedes.on('connectionError', (_client, error) => {
      // The guard has told of those that it turned away.
      if (!(error instanceof Refusal)) this.#tally.count('mqtt.connection.closed', { error: error.message });
    });
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

  /** A message that waited for its session; null when its account may not read it any more. */
  #resend(client: AedesClient, packet: ForwardPacket): ForwardPacket | null {
    if (!this.#guard.mayRead(client, packet.topic)) return null;
    return this.#connections.get(client)?.egress.resend(packet) ?? null;
  }

  #accept(connection: Duplex, visitor: Visitor): void {
    if (this.#connections.size >= this.#limits.connections) {
      this.#tally.count('mqtt.connection.refused', { remote: visitor.remote, reason: `${this.#limits.connections} connections are open` });
      connection.destroy();
      return;
    }
    this.#accepted++;
    const client = this.#aedes.handle(connection) as AedesClient;
    const { sessions } = this.#persistence;
    const egress = new Egress(client, { limits: this.#limits, tally: this.#tally, sessions, endOfTurn: this.#endOfTurn });
    const ingress = new Ingress(client, this.#ingressDeps(client, egress));
    this.#connections.set(client, { client, ingress, egress });
    connection.once('close', () => this.#connections.delete(client));
    this.#guard.arrived(client, visitor);
    this.#keepAlive.watch(client, ingress);
  }

  #ingressDeps(client: AedesClient, egress: Egress): IngressDeps {
    return {
      clock: this.#options.clock,
      limits: this.#limits,
      ingest: this.#options.ingest,
      forward: (publish) => this.#router.forward(publish),
      allowed: ({ topic }) => this.#guard.mayPublish(client, topic),
      inPace: () => this.#guard.inPace(client),
      answer: (frame) => egress.answer(frame),
      flush: egress.flush,
      unreleased: unreleasedIds(client, this.#persistence.sessions),
      acknowledged: (messageId) => {
        if (!client.clean) this.#persistence.sessions.acknowledge(client.id, messageId);
      },
      ingestFailed: (publish, error) => this.#ingestFailed(publish, error),
    };
  }

  /** A will is a publish like any other. Without a client it is one of an earlier run whose client did not come back. */
  #admitWill(client: AedesClient | null, will: PublishPacket, done: (error?: Error | null) => void): void {
    const { topic, qos, retain } = will;
    const fault = this.#guard.willFault(client?.id ?? (will as { clientId?: string }).clientId, topic);
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
      for (const listener of this.#listeners) listener.renew?.();
      this.#expireLater();
    });
  }
}

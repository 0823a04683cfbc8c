/** Owns the store as aedes sees it (the contract of aedes-persistence): retained messages, sessions, wills; on disk when there is a database. */
import { Readable } from 'node:stream';
import type { Clock } from '#beehive/clock.ts';
import type { Database } from 'better-sqlite3';
import { noJournal, WriteBehind } from './journal.ts';
import type { BrokerLimits } from './limits.ts';
import { RetainedTable, type RetainedMessage } from './retained.ts';
import { type MessageRef, streamed } from './session-queue.ts';
import { noSessionRows, SqliteSessionRows } from './session-rows.ts';
import { type QueueableMessage, SessionTable, type SessionSubscription, type SubscriptionOf } from './sessions.ts';
import type { Tally } from './tally.ts';
import { WillTable, type Will } from './wills.ts';

interface ClientRef {
  id: string;
}

interface BrokerRef {
  id: string;
}

export interface PersistenceOptions {
  clock: Clock;
  limits: BrokerLimits;
  tally: Tally;
  /** Opened by `openBrokerDatabase`; without it everything is kept in memory only. Closed by `destroy`. */
  database?: Database;
}

/** Every method answers at once; those that aedes awaits are async for its sake. */
export class BrokerPersistence {
  readonly retained: RetainedTable;
  readonly sessions: SessionTable;
  readonly wills: WillTable;
  readonly #database: Database | undefined;
  readonly #journal: WriteBehind | undefined;
  #broker: BrokerRef | undefined;

  constructor({ clock, limits, tally, database }: PersistenceOptions) {
    this.#database = database;
    if (database !== undefined) {
      this.#journal = new WriteBehind({ clock, tally, transaction: (run) => database.transaction(run)() });
    }
    const journal = this.#journal ?? noJournal;
    this.retained = new RetainedTable({ clock, journal, limits, tally });
    this.wills = new WillTable(journal);
    const rows = database === undefined ? noSessionRows : new SqliteSessionRows(database);
    this.sessions = new SessionTable({ clock, journal, limits, tally, rows });
    if (database === undefined) return;
    this.retained.load(database);
    this.wills.load(database);
    this.sessions.load();
  }

  get broker(): BrokerRef | undefined {
    return this.#broker;
  }

  /** Transactions written since the start. */
  get commits(): number {
    return this.#journal?.commits ?? 0;
  }

  /** Writes what is due now. */
  flush(): void {
    this.#journal?.flush();
  }

  async setup(broker: BrokerRef): Promise<void> {
    this.#broker = broker;
  }

  async destroy(): Promise<void> {
    this.#journal?.close();
    this.#database?.close();
  }

  async storeRetained(packet: RetainedMessage): Promise<void> {
    this.retained.store(packet);
  }

  createRetainedStream(filter: string): Readable {
    return Readable.from(this.retained.matching(filter));
  }

  createRetainedStreamCombi(filters: readonly string[]): Readable {
    const { retained } = this;
    return Readable.from(
      (async function* () {
        for (const filter of filters) yield* retained.matching(filter);
      })(),
    );
  }

  async addSubscriptions(client: ClientRef, subscriptions: readonly SessionSubscription[]): Promise<void> {
    this.sessions.subscribe(client.id, subscriptions);
  }

  async removeSubscriptions(client: ClientRef, filters: readonly string[]): Promise<void> {
    this.sessions.unsubscribe(client.id, filters);
  }

  async subscriptionsByClient(client: ClientRef): Promise<SessionSubscription[]> {
    return [...(this.sessions.get(client.id)?.subscriptions.values() ?? [])];
  }

  async subscriptionsByTopic(topic: string): Promise<SubscriptionOf[]> {
    return this.sessions.matching(topic);
  }

  /** aedes calls it when a client connects clean: the whole session goes [MQTT-3.1.2-6]. */
  async cleanSubscriptions(client: ClientRef): Promise<void> {
    this.sessions.forget(client.id);
  }

  async countOffline(): Promise<{ subsCount: number; clientsCount: number }> {
    let clientsCount = 0;
    for (const session of this.sessions.all()) if (session.subscriptions.size > 0) clientsCount++;
    return { subsCount: this.sessions.subscriptionCount, clientsCount };
  }

  getClientList(filter: string): Readable {
    const ids = [...this.sessions.all()].filter((session) => session.subscriptions.has(filter)).map((session) => session.id);
    return Readable.from(ids);
  }

  async outgoingEnqueue(subscription: { clientId: string; qos?: number }, packet: QueueableMessage): Promise<void> {
    this.sessions.enqueue([{ clientId: subscription.clientId, qos: subscription.qos ?? packet.qos }], packet);
  }

  async outgoingEnqueueCombi(subscriptions: readonly { clientId: string; qos: number }[], packet: QueueableMessage): Promise<void> {
    this.sessions.enqueue(subscriptions, packet);
  }

  /** A packet identifier was given to a message, or its PUBREC arrived. Unknown messages (dropped, retained) are fine. */
  async outgoingUpdate(client: ClientRef, packet: MessageRef): Promise<void> {
    const session = this.sessions.get(client.id);
    const message = session?.queue.find(packet);
    if (session === undefined || message === undefined) return;
    if (packet.cmd === 'pubrel') this.sessions.release(session, message);
    else this.sessions.identify(session, message, packet.messageId);
  }

  async outgoingClearMessageId(client: ClientRef, packet: MessageRef): Promise<object | undefined> {
    const session = this.sessions.get(client.id);
    const message = session?.queue.find(packet);
    if (session === undefined || message === undefined) return undefined;
    this.sessions.remove(session, message);
    return streamed(message);
  }

  outgoingStream(client: ClientRef): Readable {
    const messages = [...(this.sessions.get(client.id)?.queue ?? [])];
    return Readable.from(messages.map(streamed));
  }

  async incomingStorePacket(client: ClientRef, { length: _size, ...packet }: MessageRef & { length?: number }): Promise<void> {
    this.sessions.setUnreleased(this.sessions.ensure(client.id), packet.messageId ?? 0, packet);
  }

  async incomingGetPacket(client: ClientRef, packet: MessageRef): Promise<MessageRef> {
    const known = this.sessions.get(client.id)?.unreleased.get(packet.messageId ?? 0);
    if (known === undefined) throw new Error('no such packet');
    return known ?? { messageId: packet.messageId ?? 0 };
  }

  async incomingDelPacket(client: ClientRef, packet: MessageRef): Promise<void> {
    const session = this.sessions.get(client.id);
    if (session === undefined || !this.sessions.deleteUnreleased(session, packet.messageId ?? 0)) throw new Error('no such packet');
  }

  async cleanIncoming(client: ClientRef): Promise<void> {
    const session = this.sessions.get(client.id);
    if (session !== undefined) this.sessions.clearUnreleased(session);
  }

  async putWill(client: ClientRef, will: Will): Promise<void> {
    this.wills.set(client.id, will, this.#broker?.id ?? '');
  }

  async getWill(client: ClientRef): Promise<Will | undefined> {
    return this.wills.get(client.id);
  }

  async delWill(client: ClientRef): Promise<Will | undefined> {
    return this.wills.delete(client.id);
  }

  /** Wills of brokers that are not alive. Ours is, whatever the wall clock says of its last heartbeat. */
  streamWill(alive?: Record<string, unknown>): Readable {
    const orphaned = [...this.wills.values()].filter(
      ({ brokerId = '' }) => alive === undefined || (brokerId !== this.#broker?.id && !Object.hasOwn(alive, brokerId)),
    );
    return Readable.from(orphaned);
  }
}

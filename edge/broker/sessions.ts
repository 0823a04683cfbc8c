/** Owns the persistent sessions: their subscriptions, the messages on their way, and when a session is forgotten. */
import type { Clock } from '#beehive/clock.ts';
import type { Journal } from './journal.ts';
import type { BrokerLimits } from './limits.ts';
import type { Qos } from './publish.ts';
import { copy } from './retained.ts';
import { type MessageRef, type QueuedMessage, SessionQueue } from './session-queue.ts';
import type { SessionRows } from './session-rows.ts';
import type { Tally } from './tally.ts';
import { TopicTrie } from './topic-trie.ts';

export interface SessionSubscription {
  topic: string;
  qos: number;
  rh?: number;
  rap?: boolean;
  nl?: boolean;
  subscriptionIdentifier?: number;
}

/** A subscription as aedes wants it back by topic. */
export interface SubscriptionOf extends SessionSubscription {
  clientId: string;
}

export interface QueueableMessage {
  brokerId: string;
  brokerCounter: number;
  topic: string;
  payload: string | Buffer;
  qos: Qos;
}

export interface Session {
  readonly id: string;
  readonly subscriptions: Map<string, SessionSubscription>;
  readonly queue: SessionQueue;
  /** QoS 2 messages from this client that wait for PUBREL; the packet only for who stored it with one. */
  readonly unreleased: Map<number, MessageRef | null>;
  /** Time away up to `sinceMs` (monotonic), counted while the broker runs. */
  awayMs: number;
  sinceMs: number;
}

/** A connected session may have more on its way than one that is away. */
const CONNECTED_QUEUE = 2_000;
const SUBSCRIBABLE_QOS = 2;

export class SessionTable {
  readonly #deps: { clock: Clock; journal: Journal; limits: BrokerLimits; tally: Tally; rows: SessionRows };
  readonly #sessions = new Map<string, Session>();
  /** Subscriptions of QoS 1 and 2 only: nothing waits for the others. */
  readonly #trie = new TopicTrie<SubscriptionOf>();
  /** Whether a client is connected; told by the broker. */
  online: (id: string) => boolean = () => false;
  #bytes = 0;
  #lastRow = 0;
  #lastAdded: { client: string; subscriptions: readonly SessionSubscription[] } | undefined;

  constructor(deps: { clock: Clock; journal: Journal; limits: BrokerLimits; tally: Tally; rows: SessionRows }) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Subscriptions of QoS 1 and 2. */
  get subscriptionCount(): number {
    return this.#trie.size;
  }

  load(): void {
    this.#deps.rows.load({
      session: (id, subscriptions, awayMs) => {
        const session = this.#ensure(id, awayMs);
        for (const subscription of subscriptions) this.#place(session, subscription);
      },
      message: (id, message) => {
        const session = this.#ensure(id);
        session.queue.add(message);
        this.#bytes += message.payload.length;
        this.#lastRow = Math.max(this.#lastRow, message.row);
      },
      unreleased: (id, messageId) => this.#ensure(id).unreleased.set(messageId, null),
    });
  }

  get(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  all(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  /** aedes adds the whole SUBSCRIBE once for each filter in it; refused ones have a QoS that cannot be subscribed. */
  subscribe(id: string, subscriptions: readonly SessionSubscription[]): void {
    if (this.#lastAdded?.client === id && this.#lastAdded.subscriptions === subscriptions) return;
    this.#lastAdded = { client: id, subscriptions };
    const session = this.#ensure(id);
    for (const subscription of subscriptions) if (subscription.qos <= SUBSCRIBABLE_QOS) this.#place(session, subscription);
    this.#mark(session);
  }

  unsubscribe(id: string, filters: readonly string[]): void {
    this.#lastAdded = undefined;
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    for (const filter of filters) if (session.subscriptions.delete(filter)) this.#trie.delete(filter, id);
    this.#mark(session);
  }

  /** The client comes back clean, or was away too long. */
  forget(id: string): void {
    this.#lastAdded = undefined;
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    for (const filter of session.subscriptions.keys()) this.#trie.delete(filter, id);
    for (const message of session.queue) this.#drop(session, message);
    this.clearUnreleased(session);
    this.#sessions.delete(id);
    this.#mark(session);
  }

  /** Subscriptions of QoS 1 and 2 that match. */
  matching(topic: string): SubscriptionOf[] {
    return this.#trie.match(topic);
  }

  /** Queues the message once for each session among `subscriptions`, at the QoS granted to it. The payload is copied. */
  enqueue(subscriptions: readonly { clientId: string; qos: number }[], message: QueueableMessage): void {
    if (subscriptions.length === 0) return;
    const granted = new Map<string, number>();
    for (const { clientId, qos } of subscriptions) granted.set(clientId, Math.max(qos, granted.get(clientId) ?? 0));
    const payload = copy(message.payload);
    for (const [id, qos] of granted) {
      const session = this.#ensure(id);
      if (this.#makeRoom(session, payload.length, message.topic))
        this.#add(session, { ...message, payload, qos: qos < message.qos ? 1 : message.qos });
    }
  }

  identify(session: Session, message: QueuedMessage, messageId: number | undefined): void {
    session.queue.identify(message, messageId);
    if (message.qos === 2) this.#markMessage(session, message); // only QoS 2 must keep its identifier to arrive once
  }

  release(session: Session, message: QueuedMessage): void {
    message.released = true;
    this.#markMessage(session, message);
  }

  acknowledge(id: string, messageId: number): void {
    const session = this.#sessions.get(id);
    const message = session?.queue.find({ messageId });
    if (session !== undefined && message !== undefined) this.#drop(session, message);
  }

  /** Acknowledged, or given up. */
  remove(session: Session, message: QueuedMessage): void {
    this.#drop(session, message);
  }

  ensure(id: string): Session {
    return this.#ensure(id);
  }

  setUnreleased(session: Session, messageId: number, packet: MessageRef | null): void {
    session.unreleased.set(messageId, packet);
    this.#markUnreleased(session, messageId);
  }

  deleteUnreleased(session: Session, messageId: number): boolean {
    const known = session.unreleased.delete(messageId);
    if (known) this.#markUnreleased(session, messageId);
    return known;
  }

  clearUnreleased(session: Session): void {
    for (const messageId of [...session.unreleased.keys()]) this.deleteUnreleased(session, messageId);
  }

  connected(id: string): void {
    const session = this.#sessions.get(id);
    if (session === undefined || session.awayMs === 0) return;
    session.awayMs = 0;
    this.#mark(session);
  }

  left(id: string): void {
    const session = this.#sessions.get(id);
    if (session !== undefined) session.sinceMs = this.#deps.clock.monotonic();
  }

  /** Forgets sessions that were away too long; called now and then. */
  expire(): void {
    const { clock, limits } = this.#deps;
    const now = clock.monotonic();
    for (const session of [...this.#sessions.values()]) {
      if (this.online(session.id)) continue;
      session.awayMs += now - session.sinceMs;
      session.sinceMs = now;
      if (session.awayMs >= limits.sessionExpiryMs) this.forget(session.id);
      else this.#mark(session);
    }
  }

  #ensure(id: string, awayMs = 0): Session {
    const known = this.#sessions.get(id);
    if (known !== undefined) return known;
    if (this.#sessions.size >= this.#deps.limits.sessions) this.#evict();
    const session: Session = {
      id,
      subscriptions: new Map(),
      queue: new SessionQueue(),
      unreleased: new Map(),
      awayMs,
      sinceMs: this.#deps.clock.monotonic(),
    };
    this.#sessions.set(id, session);
    return session;
  }

  /** Makes room for a new session: the one that is away longest goes. */
  #evict(): void {
    let oldest: Session | undefined;
    const now = this.#deps.clock.monotonic();
    const away = (session: Session): number => session.awayMs + now - session.sinceMs;
    for (const session of this.#sessions.values()) {
      if (!this.online(session.id) && (oldest === undefined || away(session) > away(oldest))) oldest = session;
    }
    if (oldest === undefined) return; // all are connected: the bound on connections holds
    this.#deps.tally.count('mqtt.session.dropped', { client: oldest.id, reason: `${this.#deps.limits.sessions} sessions are kept` });
    this.forget(oldest.id);
  }

  #place(session: Session, subscription: SessionSubscription): void {
    const { topic, qos } = subscription;
    session.subscriptions.set(topic, subscription);
    if (qos > 0) this.#trie.set(topic, session.id, { clientId: session.id, ...subscription });
    else this.#trie.delete(topic, session.id);
  }

  #makeRoom(session: Session, bytes: number, topic: string): boolean {
    const { limits } = this.#deps;
    const online = this.online(session.id);
    const most = online ? Math.max(CONNECTED_QUEUE, limits.queueMessages) : limits.queueMessages;
    const full = (): boolean =>
      session.queue.size >= most || session.queue.bytes + bytes > limits.queueBytes || this.#bytes + bytes > limits.queueBytesTotal;
    while (full()) {
      const victim = online ? undefined : session.queue.oldestUnsent();
      this.#deps.tally.count('mqtt.message.dropped', {
        client: session.id,
        topic: victim?.topic ?? topic,
        reason: 'the queue of the session is full',
      });
      if (victim === undefined) return false;
      this.#drop(session, victim);
    }
    return true;
  }

  #add(session: Session, message: QueueableMessage): void {
    const { brokerId, brokerCounter, topic, payload, qos } = message;
    const row = ++this.#lastRow;
    const queued: QueuedMessage = {
      row,
      brokerId,
      brokerCounter,
      topic,
      payload,
      qos,
      messageId: undefined,
      released: false,
      sent: false,
      stored: false,
    };
    session.queue.add(queued);
    this.#bytes += payload.length;
    this.#markMessage(session, queued);
  }

  #drop(session: Session, message: QueuedMessage): void {
    session.queue.remove(message);
    this.#bytes -= message.payload.length;
    const { journal, rows } = this.#deps;
    if (message.stored) journal.mark(`outgoing ${message.row}`, () => rows.deleteMessage(message.row));
    else journal.unmark(`outgoing ${message.row}`);
  }

  #markMessage(session: Session, message: QueuedMessage): void {
    const { journal, rows } = this.#deps;
    const written = (): void => {
      message.stored = true;
    };
    journal.mark(`outgoing ${message.row}`, () => rows.putMessage(session.id, message), { written });
  }

  #markUnreleased({ id }: Session, messageId: number): void {
    const { journal, rows } = this.#deps;
    journal.mark(`unreleased ${messageId} ${id}`, () =>
      rows.setUnreleased(id, messageId, this.#sessions.get(id)?.unreleased.has(messageId) === true),
    );
  }

  #mark({ id }: Session): void {
    const { journal, rows } = this.#deps;
    journal.mark(`session ${id}`, () => rows.putSession(id, this.#sessions.get(id)));
  }
}

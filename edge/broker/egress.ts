/**
 * Owns the way out to one subscriber: one write per turn, in order across QoS; a subscriber that stops reading is cut off from messages,
 * and nobody waits for it.
 */
import type { AedesClient, Delivery, ForwardPacket } from './aedes-inside.ts';
import type { BrokerLimits } from './limits.ts';
import { publishFrame } from './publish-frame.ts';
import type { QueuedMessage } from './session-queue.ts';
import type { SessionTable } from './sessions.ts';
import type { Tally } from './tally.ts';
import { matches } from './topic.ts';

/** Runs each task once, at the end of the turn of the event loop. */
export class EndOfTurn {
  #tasks = new Set<() => void>();

  add(task: () => void): void {
    if (this.#tasks.size === 0) setImmediate(() => this.#run());
    this.#tasks.add(task);
  }

  #run(): void {
    const tasks = this.#tasks;
    this.#tasks = new Set();
    for (const task of tasks) task();
  }
}

export interface EgressDeps {
  limits: BrokerLimits;
  tally: Tally;
  sessions: SessionTable;
  endOfTurn: EndOfTurn;
}

/** Frames joined into one write up to this size; above, the kernel gathers them. */
const JOIN_BYTES = 64 * 1024;
const HIGHEST_ID = 65_535;

export class Egress {
  readonly #client: AedesClient;
  readonly #deps: EgressDeps;
  #frames: Buffer[] = [];
  #bytes = 0;

  /** Takes the place of aedes' deliveries: theirs wait for the slowest reader and write each message on its own. */
  constructor(client: AedesClient, deps: EgressDeps) {
    this.#client = client;
    this.#deps = deps;
    client.deliver0 = this.#deliver0;
    client.deliverQoS = this.#deliverQos;
    client.waitForDrain = (done) => {
      setImmediate(done, null, client);
    };
  }

  /** Bytes on their way that the subscriber has not taken. */
  get unsentBytes(): number {
    return this.#client.conn.writableLength + this.#bytes;
  }

  /** After CONNACK and the messages that waited: those that came meanwhile. */
  sendUnsent(): void {
    const { sessions } = this.#deps;
    const session = this.#client.clean ? undefined : sessions.get(this.#client.id);
    for (const message of session?.queue ?? []) if (!message.sent) this.#sendQueued(message);
  }

  /** An acknowledgement: never dropped, as a client that does not take its answers is not read from. */
  answer(frame: Buffer): void {
    if (this.#client.connected) this.#push(frame);
  }

  /** For aedes, which sends the messages that waited for a session: marks those that were sent before. */
  readonly resend = (packet: ForwardPacket): ForwardPacket => {
    const message = this.#deps.sessions.get(this.#client.id)?.queue.find(packet);
    if (message === undefined) return packet;
    packet.dup = message.sent;
    message.sent = true;
    return packet;
  };

  readonly #deliver0: Delivery = (packet, done) => {
    // Of overlapping filters the highest QoS decides, not the one found first [MQTT-3.3.5-1].
    const other = packet.qos > 0 && this.#granted(packet.topic) > 0;
    if (!other && this.#isNew(packet) && this.#hasRoom(packet.topic)) this.#push(publishFrame({ ...packet, qos: 0 }));
    done();
  };

  readonly #deliverQos: Delivery = (packet, done) => {
    if (packet.qos === 0) return this.#deliver0(packet, done);
    if (this.#isNew(packet) && !this.#cutOff()) {
      if (this.#client.clean || packet.retain) {
        // A retained one has the QoS of its filter already.
        const qos = packet.qos === 2 && !packet.retain && this.#granted(packet.topic) < 2 ? 1 : packet.qos;
        if (this.#client.connected) this.#push(publishFrame({ ...packet, qos, messageId: this.#nextId() }));
      } else {
        // What is not in the queue of the session did not fit. Before CONNACK it waits for sendUnsent().
        const message = this.#deps.sessions.get(this.#client.id)?.queue.find(packet);
        if (message !== undefined && this.#client.connected) this.#sendQueued(message);
      }
    }
    done();
  };

  #sendQueued(message: QueuedMessage): void {
    const { topic, payload, qos } = message;
    const session = this.#deps.sessions.get(this.#client.id);
    if (session === undefined) return;
    const messageId = this.#nextId();
    message.sent = true;
    this.#deps.sessions.identify(session, message, messageId);
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    this.#push(publishFrame({ topic, payload: bytes, qos, retain: false, messageId }));
  }

  /** False for a message that this client got through another of its filters. */
  #isNew({ brokerId, brokerCounter }: ForwardPacket): boolean {
    if (brokerId === null) return true;
    const { duplicates } = this.#client;
    if ((duplicates[brokerId] ?? 0) >= brokerCounter) return false;
    duplicates[brokerId] = brokerCounter;
    return true;
  }

  #hasRoom(topic: string): boolean {
    const { limits, tally } = this.#deps;
    if (this.#cutOff() || !this.#client.connected) return false;
    if (this.unsentBytes <= limits.softBacklogBytes) return true;
    tally.count('mqtt.message.dropped', { client: this.#client.id, topic, reason: 'the subscriber is slow' });
    return false;
  }

  /** Above the hard bound the subscriber is disconnected: QoS 1 must not be dropped silently, nor kept without bound. */
  #cutOff(): boolean {
    const { conn, id } = this.#client;
    const { unsentBytes } = this;
    if (conn.destroyed) return true;
    if (unsentBytes <= this.#deps.limits.hardBacklogBytes) return false;
    this.#deps.tally.count('mqtt.subscriber.disconnected', { client: id, reason: 'does not read', unsentBytes });
    conn.destroy();
    return true;
  }

  /** The highest QoS among the client's filters that match. */
  #granted(topic: string): number {
    let granted = 0;
    for (const [filter, { qos }] of Object.entries(this.#client.subscriptions)) {
      if (qos > granted && matches(filter, topic)) granted = qos;
    }
    return granted;
  }

  #nextId(): number {
    const id = this.#client._nextId;
    this.#client._nextId = id >= HIGHEST_ID ? 1 : id + 1;
    return id;
  }

  #push(frame: Buffer): void {
    this.#frames.push(frame);
    this.#bytes += frame.length;
    this.#deps.endOfTurn.add(this.flush);
  }

  /** Writes what gathered in this turn. */
  readonly flush = (): void => {
    const { conn } = this.#client;
    const frames = this.#frames;
    const bytes = this.#bytes;
    this.#frames = [];
    this.#bytes = 0;
    if (frames.length === 0 || conn.destroyed || !conn.writable) return;
    if (bytes <= JOIN_BYTES) {
      conn.write(frames.length === 1 ? (frames[0] ?? '') : Buffer.concat(frames, bytes));
      return;
    }
    conn.cork();
    for (const frame of frames) conn.write(frame);
    conn.uncork();
  };
}

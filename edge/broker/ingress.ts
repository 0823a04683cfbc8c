/** Owns one connection's way in: reads the socket, keeps its packets in order, hands publishes to ingest and answers them. */
import type { Clock } from '#beehive/clock.ts';
import type { IPublishPacket } from 'mqtt-packet';
import type { AedesClient, ClientPacket } from './aedes-inside.ts';
import type { BrokerLimits } from './limits.ts';
import { PublishQueue, type Receipt } from './publish-queue.ts';
import type { IncomingPublish, Ingest } from './publish.ts';
import { topicFault } from './topic.ts';

const PUBACK = 0x40;
const PUBREC = 0x50;
const PINGRESP = Buffer.from([0xd0, 0]);
/** Packets of one client handled before others get their turn. */
const PER_TURN = 500;
/** QoS 2 messages of one client that wait for PUBREL. */
const UNRELEASED_LIMIT = 1_000;

/** The QoS 2 message ids of a session that were published and not released. */
export interface UnreleasedIds {
  has(id: number): boolean;
  add(id: number): void;
  delete(id: number): boolean;
  readonly size: number;
}

export interface IngressDeps {
  clock: Clock;
  limits: BrokerLimits;
  ingest: Ingest | undefined;
  forward: (publish: IncomingPublish) => void;
  /** False: acknowledged, but neither ingested nor forwarded [MQTT-3.3.5-2]. */
  allowed(publish: IncomingPublish): boolean;
  /** False: the client sends more packets than it may. */
  inPace(): boolean;
  /** Sends a PUBACK or PUBREC, in order with what is forwarded to this client. */
  answer: (frame: Buffer) => void;
  /** Writes what was to be sent at the end of the turn. */
  flush: () => void;
  unreleased: UnreleasedIds;
  /** PUBACK or PUBCOMP: the message with this identifier has arrived. */
  acknowledged: (messageId: number) => void;
  ingestFailed: (publish: IncomingPublish, error: unknown) => void;
}

export class Ingress {
  readonly #client: AedesClient;
  readonly #deps: IngressDeps;
  readonly #enqueue: (packet: ClientPacket) => void;
  readonly #queue: PublishQueue;
  /** Parsed and not handled, from `#next` on: shifting a long array would move all of it. */
  #waiting: ClientPacket[] = [];
  #next = 0;
  /** Packets that aedes works on. */
  #handling = 0;
  /** CONNECT, SUBSCRIBE and the like: nothing after them starts before they are done. */
  #barrier = false;
  #pumping = false;
  #drained = false;
  #refused = false;
  /** CONNECT was accepted; stays so when the connection has ended. */
  #connected = false;
  /** Monotonic ms of the last bytes received. */
  heardMs: number;

  constructor(client: AedesClient, deps: IngressDeps) {
    this.#client = client;
    this.#deps = deps;
    this.heardMs = deps.clock.monotonic();
    this.#queue = new PublishQueue({
      ingest: deps.ingest,
      forward: deps.forward,
      settled: () => this.#pump(),
      failed: deps.ingestFailed,
    });
    this.#enqueue = this.#takeOver();
  }

  /** True while we do not read although the client may be sending. */
  get held(): boolean {
    return this.#barrier || this.#full();
  }

  /** Replaces the reading loop of aedes, which hands a whole chunk to its handlers at once and lets QoS 0 overtake QoS 1. */
  #takeOver(): (packet: ClientPacket) => void {
    const client = this.#client;
    const { conn, _parser: parser } = client;
    const [original] = parser.listeners('packet');
    parser.removeAllListeners('packet');
    parser.on('packet', (packet: ClientPacket) => this.#arrived(packet));
    conn.removeListener('readable', client._nextBatch);
    conn.on('readable', () => this.#pump());
    // A client that does not read its answers is not read from either.
    conn.on('drain', () => this.#pump());
    client._nextBatch = (error) => this.#handled(error ?? undefined);
    client.resume = () => {
      client._paused = false;
      this.#pump();
    };
    this.#beforeClose(() => this.#drain());
    return (packet) => {
      client._parsingBatch = 0; // aedes queues packets by this count; the order is ours now
      original?.call(parser, packet);
    };
  }

  #beforeClose(act: () => void): void {
    const client = this.#client;
    const close = client.close.bind(client);
    client.close = (done) => {
      act();
      close(done);
    };
    for (const event of ['end', 'close']) client.conn.prependListener(event, act); // aedes bound its own close() to these
  }

  /** The connection is gone: what it sent before counts, in order and before its will, but is not answered. */
  #drain(): void {
    if (this.#drained) return;
    this.#drained = true;
    for (let chunk = this.#read(); chunk !== null && !this.#faulty; chunk = this.#read()) this.#parse(chunk);
    const left = this.#waiting.slice(this.#next);
    this.#forgetHandled();
    if (this.#connected) for (const packet of left) if (packet.cmd === 'publish') this.#publish(packet);
  }

  /** A will follows what its client published: `done` is called when it may be forwarded. */
  will(publish: IncomingPublish, done: (error?: Error) => void): void {
    this.#queue.push(
      publish,
      { accepted: () => done(), refused: (error) => done(error instanceof Error ? error : new Error(String(error))) },
      false,
    );
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    let left = PER_TURN;
    while (!this.#client.closed && left > 0 && this.#step()) left--;
    // Others first: 64 KiB may hold 30,000 packets.
    if (left === 0) setImmediate(() => this.#resume());
    else this.#pumping = false;
  }

  #resume(): void {
    this.#pumping = false;
    this.#pump();
  }

  /** One packet or one chunk; false when there is nothing to do now. */
  #step(): boolean {
    const next = this.#waiting[this.#next];
    if (next !== undefined) {
      if (!this.#ready(next)) return false;
      this.#next++;
      this.#dispatch(next);
      return true;
    }
    this.#forgetHandled();
    if (this.held || this.#client._paused === true || this.#client.conn.writableLength > this.#deps.limits.softBacklogBytes) return false;
    const chunk = this.#read();
    if (chunk === null) return false;
    this.heardMs = this.#deps.clock.monotonic();
    this.#parse(chunk);
    return true;
  }

  #forgetHandled(): void {
    if (this.#waiting.length === 0) return;
    this.#waiting = [];
    this.#next = 0;
  }

  #read(): Buffer | null {
    return this.#client.conn.read() as Buffer | null;
  }

  #parse(chunk: Buffer): void {
    const parser = this.#client._parser;
    try {
      parser.parse(chunk);
    } catch (error) {
      this.#refuse(`the packet cannot be read: ${String(error)}`);
      return;
    }
    this.#checkSize(parser.packet.length);
  }

  #checkSize(length: number): boolean {
    if (length <= this.#deps.limits.packetBytes) return true;
    this.#refuse(`a packet of ${length} bytes is over the limit of ${this.#deps.limits.packetBytes}`);
    return false;
  }

  #arrived(packet: ClientPacket): void {
    if (this.#client.closed || !this.#checkSize(packet.length ?? 0)) return;
    switch (packet.cmd) {
      case 'puback':
      case 'pubcomp':
        // At once: a client that acknowledges and leaves must not get the message again.
        if (this.#client.connected) this.#deps.acknowledged(packet.messageId ?? 0);
        return;
      case 'disconnect':
        this.#client._disconnected = true; // no will from here on, even if the socket ends first [MQTT-3.14.4-3]
        break;
      default:
    }
    this.#waiting.push(packet);
  }

  #ready(packet: ClientPacket): boolean {
    if (this.#barrier) return false;
    switch (packet.cmd) {
      case 'publish':
        return !this.#full();
      case 'subscribe':
      case 'unsubscribe':
      case 'disconnect':
        return this.#queue.size === 0;
      default:
        return true;
    }
  }

  #full(): boolean {
    const { inFlight, inFlightBytes } = this.#deps.limits;
    return this.#queue.size >= inFlight || this.#queue.bytes >= inFlightBytes;
  }

  #dispatch(packet: ClientPacket): void {
    if (this.#client.connected) this.#connected = true;
    if (!this.#deps.inPace()) return this.#refuse('it sends faster than modules.eventBus.limits.publishRate');
    if (packet.cmd === 'publish' && this.#connected) return this.#publish(packet);
    if (packet.cmd === 'pingreq' && this.#connected) return this.#deps.answer(PINGRESP);
    if (packet.cmd === 'disconnect') this.#deps.flush();
    if (packet.cmd === 'pubrel') this.#deps.unreleased.delete(packet.messageId ?? 0);
    this.#barrier = packet.cmd === 'connect' || packet.cmd === 'subscribe' || packet.cmd === 'unsubscribe';
    this.#handling++;
    this.#enqueue(packet);
  }

  #handled(error: Error | undefined): void {
    if (error !== undefined) {
      this.#client.emit('error', error);
      return;
    }
    this.#handling--;
    if (this.#handling === 0) this.#barrier = false;
    this.#pump();
  }

  #publish(packet: IPublishPacket): void {
    const { topic, qos, retain, messageId } = packet;
    const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
    const fault = topicFault(topic) ?? lengthFault(packet, payload);
    if (fault !== undefined) return this.#refuse(fault);
    const publish: IncomingPublish = { topic, payload, qos, retain, clientId: this.#client.id };
    const allowed = this.#deps.allowed(publish);
    if (qos === 2) return this.#publishOnce(publish, messageId ?? 0, allowed);
    const receipt = qos === 1 ? this.#receipt(PUBACK, messageId ?? 0) : undefined;
    if (allowed) this.#queue.push(publish, receipt);
    else if (receipt !== undefined) this.#queue.acknowledge(publish, receipt);
  }

  #publishOnce(publish: IncomingPublish, id: number, allowed: boolean): void {
    const { unreleased } = this.#deps;
    if (!allowed || unreleased.has(id)) return this.#queue.acknowledge(publish, this.#receipt(PUBREC, id));
    if (unreleased.size >= UNRELEASED_LIMIT) return this.#refuse(`more than ${UNRELEASED_LIMIT} QoS 2 messages wait for PUBREL`);
    unreleased.add(id);
    const receipt = this.#receipt(PUBREC, id);
    this.#queue.push(publish, { accepted: receipt.accepted, refused: () => unreleased.delete(id) });
  }

  #receipt(kind: number, id: number): Receipt {
    return {
      accepted: () => this.#deps.answer(Buffer.from([kind, 2, id >> 8, id & 0xff])),
      refused: () => undefined,
    };
  }

  /** What it sends makes no sense, or is not allowed: nothing more is read from it. */
  get #faulty(): boolean {
    return this.#refused || this.#client._parser.error !== null;
  }

  #refuse(reason: string): void {
    this.#refused = true;
    this.#client.emit('error', new Error(reason));
  }
}

/** The parser reads a topic beyond the end of a packet that is too short for it, into the next one. */
function lengthFault(packet: IPublishPacket, payload: Buffer): string | undefined {
  const { qos, topic, length, messageId } = packet;
  if (qos > 0 && messageId === 0) return 'the packet identifier is 0';
  // Also unequal for a topic that is not UTF-8 [MQTT-1.5.3-1].
  const expected = 2 + Buffer.byteLength(topic) + (qos > 0 ? 2 : 0) + payload.length;
  return length === expected ? undefined : 'the packet does not have the length of its topic and payload';
}

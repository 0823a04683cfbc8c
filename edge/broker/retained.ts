/** Owns the retained messages: the last one of each topic, in memory and on disk, bounded. */
import type { Clock } from '#beehive/clock.ts';
import type { Database, Statement } from 'better-sqlite3';
import type { Journal } from './journal.ts';
import type { BrokerLimits } from './limits.ts';
import type { Qos } from './publish.ts';
import type { Tally } from './tally.ts';
import { hasWildcard, matches } from './topic.ts';

export interface RetainedMessage {
  cmd: 'publish';
  topic: string;
  payload: Buffer;
  qos: Qos;
  retain: boolean;
}

interface Row {
  topic: string;
  payload: Buffer;
  qos: Qos;
}

/** Topics looked at before other work gets its turn. */
const SCAN_SLICE = 2_000;
/** A QoS 0 topic written again sooner than this is written lazily: the standard lets us, and a card lasts longer. */
const LAZY_WITHIN_MS = 30_000;

export class RetainedTable {
  readonly #messages = new Map<string, RetainedMessage>();
  /** Topics on disk and when they were written, monotonic. */
  readonly #writtenMs = new Map<string, number>();
  readonly #deps: { clock: Clock; journal: Journal; limits: BrokerLimits; tally: Tally };
  #put: Statement<[string, Buffer, number]> | undefined;
  #remove: Statement<[string]> | undefined;
  #bytes = 0;

  constructor(deps: { clock: Clock; journal: Journal; limits: BrokerLimits; tally: Tally }) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#messages.size;
  }

  /** Payload bytes kept. */
  get bytes(): number {
    return this.#bytes;
  }

  load(database: Database): void {
    for (const row of database.prepare<[], Row>('SELECT topic, payload, qos FROM retained').iterate()) {
      this.#messages.set(row.topic, { cmd: 'publish', ...row, retain: true });
      this.#bytes += row.payload.length;
      this.#writtenMs.set(row.topic, -LAZY_WITHIN_MS);
    }
    this.#put = database.prepare('INSERT OR REPLACE INTO retained (topic, payload, qos) VALUES (?, ?, ?)');
    this.#remove = database.prepare('DELETE FROM retained WHERE topic = ?');
  }

  /** An empty payload forgets the topic. Answers false when a bound keeps a new message out. The payload is copied. */
  store(message: RetainedMessage): boolean {
    const { topic, payload } = message;
    const old = this.#messages.get(topic);
    if (payload.length === 0 && old === undefined) return true;
    const { limits, tally } = this.#deps;
    const bytes = this.#bytes - (old?.payload.length ?? 0) + payload.length;
    const messages = this.#messages.size + (old === undefined ? 1 : 0);
    if (payload.length > 0 && (messages > limits.retainedMessages || bytes > limits.retainedBytes)) {
      tally.count('mqtt.message.dropped', { topic, reason: 'too many retained messages', messages: this.size, bytes: this.#bytes });
      return false;
    }
    this.#bytes = bytes;
    if (payload.length === 0) this.#messages.delete(topic);
    else this.#messages.set(topic, { ...message, payload: copy(payload) });
    this.#mark(topic, message.qos);
    return true;
  }

  get(topic: string): RetainedMessage | undefined {
    return this.#messages.get(topic);
  }

  /** Those that match the filter, as they are when the walk reaches them; long walks give way to other work. */
  async *matching(filter: string): AsyncGenerator<RetainedMessage> {
    if (!hasWildcard(filter)) {
      const message = this.#messages.get(filter);
      if (message !== undefined) yield message;
      return;
    }
    let seen = 0;
    for (const message of this.#messages.values()) {
      if (++seen % SCAN_SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
      if (matches(filter, message.topic)) yield message;
    }
  }

  #mark(topic: string, qos: Qos): void {
    const { clock, journal } = this.#deps;
    const lastMs = this.#writtenMs.get(topic);
    const gone = !this.#messages.has(topic);
    if (gone && lastMs === undefined) return journal.unmark(`retained ${topic}`);
    const lazy = !gone && qos === 0 && lastMs !== undefined && clock.monotonic() - lastMs < LAZY_WITHIN_MS;
    const written = (): void => {
      if (this.#messages.has(topic)) this.#writtenMs.set(topic, clock.monotonic());
      else this.#writtenMs.delete(topic);
    };
    journal.mark(`retained ${topic}`, () => this.#write(topic), { lazy, written });
  }

  #write(topic: string): void {
    const message = this.#messages.get(topic);
    if (message === undefined) this.#remove?.run(topic);
    else this.#put?.run(topic, message.payload, message.qos);
  }
}

/** A copy of its own: a view would keep the whole socket buffer alive. */
export function copy<Payload extends string | Buffer>(payload: Payload): Payload;
export function copy(payload: string | Buffer): string | Buffer {
  if (typeof payload === 'string') return payload;
  const own = Buffer.allocUnsafeSlow(payload.length);
  payload.copy(own);
  return own;
}

/** Owns the plugin process's end of the stream: the ports to edgecore that its mapper host is given. */
import type { Duplex } from 'node:stream';
import { HiveletError } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import type { PubSub, Secrets } from '../contract.ts';
import { Channel } from './channel.ts';
import type { Frame } from './frames.ts';
import { errorOf, type FromChild, type ToChild } from './messages.ts';

type Hello = Extract<ToChild, { type: 'hello' }>;
type Change = { kind: 'set'; profile: DeviceProfile } | { kind: 'removed'; name: string };
type Handler = (topic: string, payload: Buffer) => void;

export interface EdgeEndOptions {
  readonly stream: Duplex;
  readonly plugin: string;
  readonly version: string;
  readonly pid: number;
}

interface Asked {
  resolve(value: Buffer): void;
  reject(error: Error): void;
}

/** Bytes that edgecore has not taken yet. A process that has more to say than edgecore can store starts anew, with the state of its devices. */
const OUTBOX_LIMIT = 16 * 1024 * 1024;

export class EdgeEnd implements PubSub, Secrets {
  /** Resolves with edgecore's first word; rejects when the stream ends before. */
  readonly greeted: Promise<Hello>;
  /** Settles when the stream is gone: undefined, or what was wrong with it. */
  readonly ended: Promise<Error | undefined>;
  readonly #channel: Channel;
  readonly #profiles = new Map<string, DeviceProfile>();
  readonly #listeners = new Set<(change: Change) => void>();
  readonly #handlers = new Map<string, { id: number; handler: Handler }>();
  readonly #byId = new Map<number, Handler>();
  readonly #asked = new Map<number, Asked>();
  #count = 0;
  #greet: (hello: Hello) => void = () => undefined;

  constructor({ stream, plugin, version, pid }: EdgeEndOptions) {
    let end: (fault: Error | undefined) => void = () => undefined;
    this.ended = new Promise((resolve) => (end = resolve));
    this.greeted = new Promise((resolve, reject) => {
      this.#greet = resolve;
      void this.ended.then((fault) => reject(fault ?? new HiveletError('STOPPED', 'edgecore closed the stream before it said anything')));
    });
    this.greeted.catch(() => undefined);
    this.#channel = new Channel({
      stream,
      outboxLimit: OUTBOX_LIMIT,
      onFrame: (frame) => this.#onFrame(frame),
      onEnd: (fault) => {
        for (const asked of this.#asked.values()) asked.reject(fault ?? new HiveletError('STOPPED', 'edgecore has closed the stream'));
        this.#asked.clear();
        end(fault);
      },
    });
    this.#tell({ type: 'hello', version, plugin, pid });
  }

  /** The devices that this process serves. */
  list(): readonly DeviceProfile[] {
    return [...this.#profiles.values()];
  }

  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(topic: string, payload: string): void {
    this.#channel.send({ kind: 'mqtt', to: 0, topic, payload: Buffer.from(payload) });
  }

  subscribe(filter: string, handler: Handler): void {
    this.unsubscribe(filter);
    const id = ++this.#count;
    this.#handlers.set(filter, { id, handler });
    this.#byId.set(id, handler);
    this.#tell({ type: 'subscribe', id, filter });
  }

  unsubscribe(filter: string): void {
    const found = this.#handlers.get(filter);
    if (found === undefined) return;
    this.#handlers.delete(filter);
    this.#byId.delete(found.id);
    this.#tell({ type: 'unsubscribe', filter });
  }

  resolve(reference: string, path: string): Promise<Buffer> {
    const id = ++this.#count;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      this.#tell({ type: 'secret', id, reference, path });
    });
  }

  /** `line`: one of `formatJson`, which bounds it and makes errors plain. */
  log(line: string): void {
    const { level, event, time: _, ...fields } = JSON.parse(line) as { level: keyof Logger & 'info'; event: string; time: string };
    this.#tell({ type: 'log', level, event, fields });
  }

  /** Whether the code of the plugin is in; if not, why. */
  loaded(reason?: string): void {
    this.#tell({ type: 'loaded', ...(reason === undefined ? {} : { reason }) });
  }

  /** Resolves when all that was said is written, or cannot be any more. */
  async close(): Promise<void> {
    this.#channel.close();
    await this.#channel.finished;
  }

  #tell(message: FromChild): void {
    this.#channel.tell(message);
  }

  #onFrame(frame: Frame): void {
    if (frame.kind === 'mqtt') this.#byId.get(frame.to)?.(frame.topic, frame.payload);
    else this.#obey(frame.body as ToChild);
  }

  #obey(message: ToChild): void {
    switch (message.type) {
      case 'hello':
        return this.#greet(message);
      case 'ping':
        return this.#tell({ type: 'pong' });
      case 'set':
        this.#profiles.set(message.profile.name, message.profile);
        return this.#changed({ kind: 'set', profile: message.profile });
      case 'removed':
        this.#profiles.delete(message.name);
        return this.#changed({ kind: 'removed', name: message.name });
      case 'secret':
        return this.#answered(message.id)?.resolve(Buffer.from(message.value, 'base64'));
      case 'refused':
        return this.#answered(message.id)?.reject(errorOf(message.error));
    }
  }

  #changed(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }

  #answered(id: number): Asked | undefined {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    return asked;
  }
}

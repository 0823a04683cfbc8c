/** Owns edgecore's end of one life of a plugin's process: what it is given, what it may say, and whether it is still alive. */
import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import type { PubSub, Secrets } from '../contract.ts';
import { Channel } from './channel.ts';
import type { Frame } from './frames.ts';
import { failureOf, readFromChild, type FromChild, type ToChild } from './messages.ts';
import { deviceOf, Permissions } from './permissions.ts';
import { RateLimit } from './rate-limit.ts';

/** The broker's port. `commit` settles when the message is stored and forwarded, or refused. */
export interface MapperPort extends Omit<PubSub, 'publish'> {
  commit(topic: string, payload: Buffer): Promise<void>;
  close(): void;
}

export type Hello = Extract<ToChild, { type: 'hello' }>;

export interface SessionOptions {
  readonly stream: Duplex;
  readonly hello: Hello;
  readonly port: MapperPort;
  readonly secrets: Secrets | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** It has said a word that shows that it is ours; its pid. */
  readonly onGreeted: (pid: number) => void;
  readonly onLoaded: (fault: string | undefined) => void;
  /** It published the state of a device of its own. */
  readonly onState: (device: string, payload: Buffer) => void;
  /** Once. The fault is why nothing more can come of it; undefined: the stream ended. */
  readonly onEnd: (fault: string | undefined) => void;
  /** How often it is asked for a sign of life, ms. */
  readonly pingMs?: number;
}

const PING_MS = 5000;
/** So many pings without a sign of life make it a stuck one. */
const MISSES = 6;
/** A small board takes its time to start a program. */
const START_MS = 60_000;
/** Uncommitted messages beyond which it is not read. */
const MOST_WAITING = { messages: 256, bytes: 1024 * 1024 } as const;
/** The host needs two; the others are for plugins to come. */
const FILTERS_PER_DEVICE = 8;
const MOST_SECRETS = 32;
/** Characters of the fields of one line of its log. */
const MOST_FIELDS = 16_384;
const LOG_LINES = { burst: 500, perSecond: 50 } as const;

export class Session {
  readonly #options: SessionOptions;
  readonly #channel: Channel;
  readonly #permissions = new Permissions();
  /** Filter -> number under which the process knows it. */
  readonly #filters = new Map<string, number>();
  readonly #lines: RateLimit;
  readonly #refusals: RateLimit;
  #waiting = { messages: 0, bytes: 0 };
  #secrets = 0;
  #isPaused = false;
  #isEnded = false;
  #isGreeted = false;
  #wasHeard = true;
  #misses = 0;
  #pulse: Timer | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#lines = new RateLimit(options.clock, LOG_LINES);
    this.#refusals = new RateLimit(options.clock, { burst: 10, perSecond: 1 / 10 });
    this.#channel = new Channel({
      stream: options.stream,
      onFrame: (frame) => this.#onFrame(frame),
      onEnd: (fault) => this.#end(fault === undefined ? undefined : messageOf(fault)),
    });
    this.#tell(options.hello);
    this.#beat();
  }

  set(profile: DeviceProfile): void {
    this.#permissions.give(profile);
    this.#tell({ type: 'set', profile });
  }

  removed(name: string): void {
    for (const filter of [...this.#filters.keys()]) if (deviceOf(filter) === name) this.#unsubscribe(filter);
    this.#permissions.take(name);
    this.#tell({ type: 'removed', name });
  }

  /** No more is heard of it; it sees the end of the stream. Idempotent. */
  close(): void {
    if (this.#isEnded) return;
    this.#release();
    this.#channel.close();
  }

  #tell(message: ToChild): void {
    if (!this.#isEnded) this.#channel.tell(message);
  }

  #end(fault: string | undefined): void {
    if (this.#isEnded) return;
    this.#release();
    this.#channel.close();
    this.#options.onEnd(fault);
  }

  #release(): void {
    this.#isEnded = true;
    this.#pulse?.cancel();
    for (const filter of [...this.#filters.keys()]) this.#unsubscribe(filter);
    this.#closePort();
  }

  /** What it said before its end still counts. */
  #closePort(): void {
    if (this.#isEnded && this.#waiting.messages === 0) this.#options.port.close();
  }

  /** Counted by pings, not by time: a stall of our own is no fault of the process. */
  #beat(): void {
    const { clock, pingMs = PING_MS } = this.#options;
    this.#tell({ type: 'ping' });
    this.#pulse = clock.timer(pingMs, () => {
      this.#misses = this.#wasHeard || this.#isPaused ? 0 : this.#misses + 1;
      this.#wasHeard = false;
      this.#tellRefused();
      const limitMs = this.#isGreeted ? MISSES * pingMs : START_MS;
      if (this.#misses * pingMs < limitMs) return this.#beat();
      return this.#end(`it gave no sign of life for ${limitMs / 1000} s`);
    });
  }

  #tellRefused(): void {
    const lines = this.#lines.refused();
    if (lines > 0) this.#options.log.warn('mapper.process.chatty', { droppedLines: lines });
    const refusals = this.#refusals.refused();
    if (refusals > 0) this.#options.log.warn('mapper.process.refused', { more: refusals });
  }

  #onFrame(frame: Frame): void {
    this.#wasHeard = true;
    const message = frame.kind === 'json' ? readFromChild(frame.body) : undefined;
    if (!this.#isGreeted && message?.type !== 'hello') throw new HiveletError('FRAME_INVALID', 'it spoke before it said who it is');
    if (frame.kind === 'mqtt') this.#publish(frame);
    else if (message !== undefined) this.#obey(message);
  }

  #publish({ topic, payload }: { topic: string; payload: Buffer }): void {
    if (!this.#permissions.mayPublish(topic)) return this.#refuse('publish', topic);
    const device = topic.endsWith('/state/update') ? deviceOf(topic) : undefined;
    this.#count(1, payload.length);
    // A refusal is told by the broker.
    void this.#options.port
      .commit(topic, payload)
      .catch(() => undefined)
      .then(() => this.#count(-1, -payload.length));
    if (device !== undefined) this.#options.onState(device, payload);
  }

  /** Back-pressure: the process can only fill its own memory. */
  #count(messages: number, bytes: number): void {
    const waiting = { messages: this.#waiting.messages + messages, bytes: this.#waiting.bytes + bytes };
    this.#waiting = waiting;
    if (this.#isEnded) return this.#closePort();
    if (!this.#isPaused && (waiting.messages > MOST_WAITING.messages || waiting.bytes > MOST_WAITING.bytes)) {
      this.#isPaused = true;
      this.#channel.pause();
    } else if (this.#isPaused && waiting.messages <= MOST_WAITING.messages / 2 && waiting.bytes <= MOST_WAITING.bytes / 2) {
      this.#isPaused = false;
      this.#wasHeard = true;
      this.#channel.resume();
    }
  }

  #obey(message: FromChild): void {
    switch (message.type) {
      case 'hello':
        return this.#greet(message);
      case 'pong':
        return;
      case 'subscribe':
        return this.#subscribe(message);
      case 'unsubscribe':
        return this.#unsubscribe(message.filter);
      case 'log':
        return this.#log(message);
      case 'loaded':
        return this.#options.onLoaded(message.reason?.slice(0, 500));
      case 'secret':
        return void this.#resolve(message);
    }
  }

  #greet({ version, plugin, pid }: Extract<FromChild, { type: 'hello' }>): void {
    const { hello } = this.#options;
    if (version === hello.version && plugin === hello.plugin) {
      this.#isGreeted = true;
      return this.#options.onGreeted(pid);
    }
    throw new HiveletError(
      'FRAME_INVALID',
      `it serves ${JSON.stringify(plugin.slice(0, 40))} in version ${version.slice(0, 40)}, edgecore wants ${hello.plugin} in ${hello.version}: restart both`,
    );
  }

  #subscribe({ id, filter }: { id: number; filter: string }): void {
    const device = this.#permissions.subscribable(filter);
    const own = [...this.#filters.keys()].filter((each) => deviceOf(each) === device).length;
    if (device === undefined || (own >= FILTERS_PER_DEVICE && !this.#filters.has(filter))) return this.#refuse('subscribe', filter);
    this.#filters.set(filter, id);
    this.#options.port.subscribe(filter, (topic, payload) => {
      if (!this.#isEnded) this.#channel.send({ kind: 'mqtt', to: id, topic, payload });
    });
  }

  #unsubscribe(filter: string): void {
    if (this.#filters.delete(filter)) this.#options.port.unsubscribe(filter);
  }

  /** For a device that was just taken away this is no attack; so it is told, and not held against the process. */
  #refuse(what: 'publish' | 'subscribe', topic: string): void {
    if (this.#refusals.take()) this.#options.log.warn('mapper.process.refused', { what, topic: topic.slice(0, 200) });
  }

  /** Its fields cannot hide whose line it is. */
  #log({ level, event, fields }: Extract<FromChild, { type: 'log' }>): void {
    if (!this.#lines.take()) return;
    const size = JSON.stringify(fields).length;
    const shown = size > MOST_FIELDS ? { reason: `fields of ${size} characters are left out` } : fields;
    this.#options.log[level](event.slice(0, 100), { ...shown, mapper: this.#options.hello.plugin });
  }

  async #resolve({ id, reference, path }: Extract<FromChild, { type: 'secret' }>): Promise<void> {
    const { secrets } = this.#options;
    this.#secrets++;
    try {
      if (this.#secrets > MOST_SECRETS) throw new HiveletError('DEVICE_BUSY', `${path}: too many secrets are asked for at once`);
      if (secrets === undefined || !this.#permissions.mayResolve(reference))
        throw new HiveletError('PROFILE_INVALID', `${path}: no device of this mapper names such a secret`);
      const value = await secrets.resolve(reference, path);
      this.#tell({ type: 'secret', id, value: value.toString('base64') });
    } catch (error) {
      this.#tell({ type: 'refused', id, error: failureOf(error) });
    } finally {
      this.#secrets--;
    }
  }
}

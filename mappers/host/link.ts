/** Owns one connection and its queue: opened on use, reopened with back-off, shared by all devices with the same link key. */
import { abortable } from '#beehive/abortable.ts';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError, isHiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { backoff } from '#beehive/retry.ts';
import { numberOf } from '#device-models/fields.ts';
import type { Connection, MapperPlugin } from '../contract.ts';
import { TurnQueue } from './abortable.ts';
import { bookTimeout, OPEN_ACCOUNT, pauseAfter } from './bus-time.ts';

export interface LinkDeps {
  key: string;
  plugin: MapperPlugin;
  /** The link of the device that came first; the connection is opened with it. */
  link: unknown;
  clock: Clock;
  log: Logger;
}

/** DESIGN section 4, "Reconnect back-off". */
export const FIRST_RETRY_MS = 500;
export const LAST_RETRY_MS = 30_000;

/** How often who waits for a probe looks whether anybody is left whose time it would cost. */
const LOOK_MS = 250;

export type Job<T> = (connection: Connection) => Promise<T>;

export class Link {
  readonly key: string;
  readonly #plugin: MapperPlugin;
  readonly #link: unknown;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #closing = new AbortController();
  readonly #reads = new TurnQueue();
  readonly #probes = new TurnQueue();
  #users = 0;
  /** Devices that wait to be probed. */
  #dead = 0;
  #connection: Connection | undefined;
  #opening: Promise<Connection> | undefined;
  #pauses: Generator<number, never>;
  #retryAt = -Infinity;
  #refusal: HiveletError | undefined;
  #retryMs: number | undefined;
  #longestPauseMs = LAST_RETRY_MS;
  #account = OPEN_ACCOUNT;
  /** Monotonic ms at which the last probe in vain is earned back. */
  #probedUntil = -Infinity;

  constructor({ key, plugin, link, clock, log }: LinkDeps) {
    this.key = key;
    this.#plugin = plugin;
    this.#link = link;
    this.#clock = clock;
    this.#log = log.child({ link: key });
    this.#pauses = this.#newPauses();
  }

  join(): void {
    this.#users++;
  }

  /** How many devices still use it. */
  leave(): number {
    return --this.#users;
  }

  /** True when unanswered requests of one device cost others time. */
  get shared(): boolean {
    return this.#users > 1 || this.#plugin.sharedMedium?.(this.#link) === true;
  }

  /** True when what was written to a device may be gone with each connection. */
  get forgetful(): boolean {
    return this.#plugin.forgetful === true;
  }

  /** True when the plugin itself looks for the device: asking it costs nothing. */
  get watched(): boolean {
    return this.#retryMs !== undefined;
  }

  /** One of its devices is to be back so long after it answers again, ms: the link is tried no rarer, unless only a person can mend it. */
  retryWithin(ms: number): void {
    this.#longestPauseMs = Math.min(this.#longestPauseMs, Math.max(ms, FIRST_RETRY_MS));
  }

  /** Monotonic ms before which the link is not opened again. */
  get retryAt(): number {
    return this.#retryAt;
  }

  /** Reads wait for each other. */
  read<T>(job: Job<T>, signal: AbortSignal): Promise<T> {
    return this.#reads.run(() => this.#attempt(job, signal), signal);
  }

  /** Goes at once: the connection itself puts it before reads that wait. */
  urgent<T>(job: Job<T>, signal: AbortSignal): Promise<T> {
    return this.#attempt(job, signal);
  }

  /**
   * A read of a device that is known to be dead: on a shared medium it waits until earlier time-outs are earned back. Where all devices are
   * dead, as when the line itself was cut, they cost nobody time, and the first that answers lets the others be asked at once. One that lives
   * but fails again and again keeps no other from being asked.
   */
  async probe<T>(job: Job<T>, signal: AbortSignal): Promise<T> {
    if (!this.shared) return this.read(job, signal);
    const since = this.#clock.monotonic();
    this.#dead++;
    try {
      return await this.#probes.run(async () => {
        for (let wait = this.#untilProbe(since); wait > 0 && this.#dead < this.#users; wait = this.#untilProbe(since))
          await this.#clock.sleep(Math.min(wait, LOOK_MS), signal);
        const wasCut = this.#dead >= this.#users;
        const start = this.#clock.monotonic();
        const answer = await this.read(job, signal).catch((error: unknown) => {
          const at = this.#clock.monotonic();
          this.#probedUntil = at + pauseAfter(at - start);
          throw error;
        });
        if (wasCut) this.#account = OPEN_ACCOUNT;
        return answer;
      }, signal);
    } finally {
      this.#dead--;
    }
  }

  async close(): Promise<void> {
    // Taken first: it may call itself lost as soon as it hears that it is no longer wanted.
    const connection = this.#connection;
    this.#connection = undefined;
    this.#closing.abort(new HiveletError('STOPPED', `${this.key} is closed`));
    await this.#opening?.catch(() => undefined);
    await connection?.close();
  }

  #untilProbe(since: number): number {
    const { openAt, longestMs } = this.#account;
    return Math.min(openAt, Math.max(since + longestMs, this.#probedUntil)) - this.#clock.monotonic();
  }

  async #attempt<T>(job: Job<T>, signal: AbortSignal): Promise<T> {
    const wasOpen = this.#connection !== undefined;
    const connection = await this.#connected(signal);
    try {
      return await this.#timed(job, connection);
    } catch (error) {
      // Many devices close a connection that was idle: that is no failure of theirs.
      if (!wasOpen || !isHiveletError(error, 'DEVICE_UNREACHABLE') || error.facts.lost !== true || signal.aborted) throw error;
      this.#drop(connection);
      return await this.#timed(job, await this.#connected(signal));
    }
  }

  /** Books the time of requests that were not answered. */
  async #timed<T>(job: Job<T>, connection: Connection): Promise<T> {
    const start = this.#clock.monotonic();
    try {
      return await job(connection);
    } catch (error) {
      const at = this.#clock.monotonic();
      if (isHiveletError(error, 'DEVICE_UNREACHABLE')) this.#account = bookTimeout(this.#account, { at, costMs: at - start });
      throw error;
    }
  }

  #connected(signal: AbortSignal): Promise<Connection> {
    if (this.#connection !== undefined) return Promise.resolve(this.#connection);
    if (this.#opening === undefined && this.#refusal !== undefined && this.#clock.monotonic() < this.#retryAt)
      return Promise.reject(this.#refusal);
    this.#opening ??= this.#open().finally(() => (this.#opening = undefined));
    return abortable(this.#opening, signal);
  }

  async #open(): Promise<Connection> {
    const { signal } = this.#closing;
    signal.throwIfAborted();
    try {
      const connection = await this.#plugin.open(this.#link, { clock: this.#clock, log: this.#log, signal });
      if (signal.aborted) await connection.close();
      signal.throwIfAborted();
      this.#connection = connection;
      this.#refusal = undefined;
      this.#retryMs = undefined;
      this.#retryAt = -Infinity;
      this.#pauses = this.#newPauses();
      this.#log.debug('mapper.link.open');
      void connection.lost.then(() => this.#drop(connection));
      return connection;
    } catch (error) {
      if (signal.aborted) throw error;
      this.#refusal = isHiveletError(error)
        ? error
        : new HiveletError('DEVICE_UNREACHABLE', `${this.key} cannot be opened: ${messageOf(error)}`, { cause: error });
      this.#retryMs = numberOf(this.#refusal.facts.retryMs);
      const pause = this.#pauses.next().value;
      this.#retryAt =
        this.#clock.monotonic() + (this.#retryMs ?? (isStanding(this.#refusal) ? pause : Math.min(pause, this.#longestPauseMs)));
      this.#log.debug('mapper.link.refused', { error: this.#refusal });
      throw this.#refusal;
    }
  }

  #drop(connection: Connection): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#log.debug('mapper.link.lost');
    connection.close().catch((error: unknown) => this.#log.warn('mapper.link.close-failed', { error }));
  }

  #newPauses(): Generator<number, never> {
    return backoff(FIRST_RETRY_MS, LAST_RETRY_MS, () => this.#clock.random());
  }
}

/** What does not pass by itself: a wrong password, a certificate that nobody trusts, settings that cannot work. */
function isStanding({ code, facts }: HiveletError): boolean {
  return code !== 'DEVICE_UNREACHABLE' || facts.standing === true;
}

/** Links by key; one lives as long as a device uses it. */
export class LinkPool {
  readonly #links = new Map<string, Link>();
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor({ clock, log }: { clock: Clock; log: Logger }) {
    this.#clock = clock;
    this.#log = log;
  }

  join(plugin: MapperPlugin, link: unknown): Link {
    const key = plugin.linkKey(link);
    let found = this.#links.get(key);
    if (found === undefined) {
      found = new Link({ key, plugin, link, clock: this.#clock, log: this.#log });
      this.#links.set(key, found);
    }
    found.join();
    return found;
  }

  async leave(link: Link): Promise<void> {
    if (link.leave() > 0) return;
    if (this.#links.get(link.key) === link) this.#links.delete(link.key);
    await link.close();
  }
}

/** Owns what a connection pushes to one device's runner: which names need no polling as long as it lasts, and when it last pushed. */
import type { Clock } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';
import type { Connection, Point, Reading } from '../contract.ts';

export interface PushesDeps {
  link: unknown;
  points: readonly Point[];
  clock: Clock;
  log: Logger;
  /** Aborts when the device is no longer served. */
  signal: AbortSignal;
  pushed(readings: readonly Reading[]): void;
  /** The connection that pushed these names is gone. */
  lost(names: ReadonlySet<string>): void;
}

const NONE: ReadonlySet<string> = new Set();

export class Pushes {
  readonly #deps: PushesDeps;
  #connection: Connection | undefined;
  #names: ReadonlySet<string> = NONE;
  /** Monotonic ms. */
  #pushedAt = -Infinity;

  constructor(deps: PushesDeps) {
    this.#deps = deps;
  }

  get names(): ReadonlySet<string> {
    return this.#names;
  }

  /** Monotonic ms of the last push. */
  get pushedAt(): number {
    return this.#pushedAt;
  }

  /** What has to be polled of them; the same array when that is all. */
  polled(names: readonly string[]): readonly string[] {
    return this.#names.size === 0 ? names : names.filter((name) => !this.#names.has(name));
  }

  /** Subscribes on a connection that is new and can push. Never rejects: without a subscription polling goes on. */
  async follow(connection: Connection): Promise<void> {
    const { link, points, signal, log, clock } = this.#deps;
    if (connection.subscribe === undefined || this.#connection === connection) return;
    this.#connection = connection;
    this.#names = NONE;
    void connection.lost.then(() => this.#lost(connection));
    const emit = (readings: readonly Reading[]): void => {
      if (signal.aborted || this.#connection !== connection) return;
      this.#pushedAt = clock.monotonic();
      this.#deps.pushed(readings);
    };
    try {
      const names = await connection.subscribe(link, points, emit, signal);
      if (this.#connection !== connection) return;
      this.#names = names;
      if (names.size > 0) log.info('mapper.subscribed', { properties: names.size });
    } catch (error) {
      // The next connection tries again.
      if (!signal.aborted) log.warn('mapper.subscribe.failed', { error });
    }
  }

  #lost(connection: Connection): void {
    if (this.#connection !== connection) return;
    const names = this.#names;
    this.#connection = undefined;
    this.#names = NONE;
    if (names.size > 0 && !this.#deps.signal.aborted) this.#deps.lost(names);
  }
}

/** Owns work that is done a little later and a bounded part at a time: keys, each at most once, with a second try after a failure. */
import type { Clock, Timer } from '#beehive/clock.ts';

export interface WorkQueueOptions {
  clock: Clock;
  /** Pause after the first key that comes to an idle queue. */
  settleMs: number;
  /** Keys of one round. */
  round: number;
  /** Resolves when the work on the key is committed; a rejection is reported and tried again. */
  work: (key: string) => Promise<void>;
  /** After each round. */
  done?: () => void;
  failed: (key: string, error: unknown) => void;
}

const RETRY_MS = 5000;

export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #keys = new Set<string>();
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  get length(): number {
    return this.#keys.size;
  }

  add(key: string): void {
    if (this.#stopped) return;
    this.#keys.add(key);
    if (this.#running === undefined) this.#arm(this.#options.settleMs);
  }

  /** Resolves when the round that runs has ended; what is left is for the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#keys.clear();
    await this.#running;
  }

  #arm(ms: number): void {
    this.#timer ??= this.#options.clock.timer(ms, () => {
      this.#timer = undefined;
      this.#running = this.#round();
    });
  }

  async #round(): Promise<void> {
    const { round, done } = this.#options;
    const keys: string[] = [];
    for (const key of this.#keys) {
      if (keys.length === round) break;
      keys.push(key);
    }
    for (const key of keys) this.#keys.delete(key);
    const again: string[] = [];
    await Promise.all(keys.map((key) => this.#try(key, again)));
    done?.();
    this.#running = undefined;
    if (this.#stopped) return;
    if (this.#keys.size > 0) this.#arm(0);
    for (const key of again) this.#keys.add(key);
    if (again.length > 0) this.#arm(RETRY_MS);
  }

  async #try(key: string, again: string[]): Promise<void> {
    try {
      await this.#options.work(key);
    } catch (error) {
      this.#options.failed(key, error);
      again.push(key);
    }
  }
}

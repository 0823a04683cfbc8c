/** Owns waiting that an abort ends: for a turn, for a time; and what runs beside. */
import { abortable } from '#beehive/abortable.ts';
import type { Clock, Timer } from '#beehive/clock.ts';

/** One at a time, in order of arrival; who aborts leaves the queue. */
export class TurnQueue {
  #tail: Promise<void> = Promise.resolve();

  async run<T>(job: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const before = this.#tail;
    let release = (): void => undefined;
    this.#tail = new Promise((resolve) => (release = resolve));
    try {
      await abortable(before, signal);
      return await job();
    } finally {
      void before.then(release);
    }
  }
}

/** A pause that somebody else can end early. One waits at a time. */
export class Alarm {
  readonly #clock: Clock;
  #ring: () => void = () => undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves after `ms` or with the next `ring`. */
  wait(ms: number, signal: AbortSignal): Promise<void> {
    let timer: Timer | undefined;
    const rung = new Promise<void>((resolve) => {
      this.#ring = resolve;
      timer = this.#clock.timer(ms, resolve);
    });
    return abortable(rung, signal).finally(() => timer?.cancel());
  }

  ring(): void {
    this.#ring();
  }
}

/** What runs besides the main loop: a stop waits for it. */
export class Background {
  readonly #running = new Set<Promise<void>>();

  /** The job must deal with its own failures. */
  run(job: Promise<void>): void {
    const done = job.finally(() => this.#running.delete(done));
    this.#running.add(done);
  }

  async settled(): Promise<void> {
    await Promise.all(this.#running);
  }
}

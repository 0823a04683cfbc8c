/** Owns how many lines a second a process may put into edgecore's log. */
import type { Clock } from '#beehive/clock.ts';

/** A bucket: full at the start, refilled evenly. */
export class RateLimit {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #burst: number;
  readonly #perSecond: number;
  #left: number;
  #at: number;
  #refused = 0;

  constructor(clock: Pick<Clock, 'monotonic'>, { burst, perSecond }: { burst: number; perSecond: number }) {
    this.#clock = clock;
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#left = burst;
    this.#at = clock.monotonic();
  }

  /** False when it is one too many; these are counted. */
  take(): boolean {
    const now = this.#clock.monotonic();
    this.#left = Math.min(this.#burst, this.#left + ((now - this.#at) / 1000) * this.#perSecond);
    this.#at = now;
    if (this.#left < 1) {
      this.#refused++;
      return false;
    }
    this.#left--;
    return true;
  }

  /** How many were refused since it was last asked. */
  refused(): number {
    const count = this.#refused;
    this.#refused = 0;
    return count;
  }
}

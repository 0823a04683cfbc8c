/** Owns how fast one client may send: a bucket that fills again with time. */
import type { Clock } from '#beehive/clock.ts';

/** Seconds' worth that may come at once, after a link was down for instance. */
const BURST_S = 10;

export class Pace {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #perSecond: number;
  #left: number;
  #filledMs: number;

  constructor(clock: Pick<Clock, 'monotonic'>, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#left = perSecond * BURST_S;
    this.#filledMs = clock.monotonic();
  }

  /** False when the client has sent more than it may. */
  take(): boolean {
    if (this.#left < 1) this.#fill();
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }

  #fill(): void {
    const now = this.#clock.monotonic();
    this.#left = Math.min(this.#perSecond * BURST_S, this.#left + ((now - this.#filledMs) / 1000) * this.#perSecond);
    this.#filledMs = now;
  }
}

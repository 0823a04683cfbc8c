/** Owns how often the status of one device is written: at once after quiet, then at most once a second, rarer and rarer under chatter. */

const FIRST_MS = 1000;
/** One per 10 s, and just below the time after which an edge sends an unacknowledged report again (ACK_TIMEOUT_MS). */
const CHATTER_MS = 9500;
/** Part of a chatty device's interval that is left to chance: devices that began together do not go on writing together. */
const SPREAD = 0.3;

/** All times are monotonic ms. */
export class WritePace {
  readonly #random: () => number;
  #lastMs = -Infinity;
  #intervalMs = FIRST_MS;
  /** Of this interval, in [0, 1). */
  #chance = 0;

  /** `random`: in [0, 1); without it nothing is left to chance. */
  constructor(random: () => number = () => 0) {
    this.#random = random;
  }

  /** When the next write may go. `brisk`: somebody waits for a desired value, so the back-off does not count. */
  nextMs(brisk: boolean): number {
    if (brisk || this.#intervalMs === FIRST_MS) return this.#lastMs + FIRST_MS;
    return this.#lastMs + this.#intervalMs * (1 - SPREAD * this.#chance);
  }

  /** A write goes now. `brisk` writes are no chatter: somebody caused them. */
  wrote(nowMs: number, brisk: boolean): void {
    const gapMs = nowMs - this.#lastMs;
    if (gapMs >= 2 * this.#intervalMs) this.#intervalMs = FIRST_MS;
    else if (!brisk) this.#intervalMs = Math.min(CHATTER_MS, this.#intervalMs * 2);
    this.#lastMs = nowMs;
    this.#chance = this.#random();
  }
}

/** Owns how often the status of one device is written: at once after quiet, then at most once a second, rarer and rarer under chatter. */

const FIRST_MS = 1000;
/** One per 10 s, and just below the time after which an edge sends an unacknowledged report again (ACK_TIMEOUT_MS). */
const CHATTER_MS = 9500;

/** All times are monotonic ms. */
export class WritePace {
  #lastMs = -Infinity;
  #intervalMs = FIRST_MS;

  /** When the next write may go. `brisk`: somebody waits for a desired value, so the back-off does not count. */
  nextMs(brisk: boolean): number {
    return this.#lastMs + (brisk ? FIRST_MS : this.#intervalMs);
  }

  /** A write goes now. `brisk` writes are no chatter: somebody caused them. */
  wrote(nowMs: number, brisk: boolean): void {
    const gapMs = nowMs - this.#lastMs;
    if (gapMs >= 2 * this.#intervalMs) this.#intervalMs = FIRST_MS;
    else if (!brisk) this.#intervalMs = Math.min(CHATTER_MS, this.#intervalMs * 2);
    this.#lastMs = nowMs;
  }
}

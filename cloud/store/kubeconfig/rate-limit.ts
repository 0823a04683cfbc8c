/** Owns the total bound on requests: a token bucket of `qps` and `burst` (`kubeAPIConfig`). */
import type { Clock } from '#beehive/clock.ts';

export class RateLimit {
  readonly #qps: number;
  readonly #burst: number;
  readonly #clock: Clock;
  /** May be negative: that many callers are waiting, each for its own moment. */
  #tokens: number;
  #filledAtMs: number;

  constructor({ qps, burst, clock }: { qps: number; burst: number; clock: Clock }) {
    this.#qps = qps;
    this.#burst = Math.max(1, burst);
    this.#clock = clock;
    this.#tokens = this.#burst;
    this.#filledAtMs = clock.monotonic();
  }

  /** Resolves when the caller may send one request; callers go in the order in which they asked. */
  async take(signal?: AbortSignal): Promise<void> {
    if (!(this.#qps > 0)) return;
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#filledAtMs) / 1000) * this.#qps);
    this.#filledAtMs = now;
    this.#tokens -= 1;
    if (this.#tokens >= 0) return;
    try {
      await this.#clock.sleep((-this.#tokens / this.#qps) * 1000, signal);
    } catch (error) {
      this.#tokens += 1;
      throw error;
    }
  }
}

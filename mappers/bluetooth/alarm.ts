/** Owns a pause that somebody else can end early. One waits at a time. */
import type { Clock } from '#beehive/clock.ts';

export class Alarm {
  readonly #clock: Clock;
  #rung = false;
  #ring: () => void = () => undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves after `ms` (Infinity: never by itself), with a `ring` since the last wait, or when the signal aborts. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#rung && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const end = (): void => {
          timer?.cancel();
          signal.removeEventListener('abort', end);
          resolve();
        };
        const timer = Number.isFinite(ms) ? this.#clock.timer(ms, end) : undefined;
        this.#ring = end;
        signal.addEventListener('abort', end, { once: true });
      });
      this.#ring = () => undefined;
    }
    this.#rung = false;
  }

  ring(): void {
    this.#rung = true;
    this.#ring();
  }
}

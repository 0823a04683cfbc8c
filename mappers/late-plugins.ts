/** Owns the search for plugins of others that are installed while devices already wait for them. */
import type { Clock, Timer } from '#beehive/clock.ts';
import { backoff } from '#beehive/retry.ts';

const FIRST_LOOK_MS = 2000;
const LAST_LOOK_MS = 60_000;

export class LatePlugins {
  readonly #clock: Clock;
  /** Looks once; answers whether any plugin was found that there was not before. */
  readonly #look: () => boolean;
  /** Devices whose protocol nobody serves. */
  readonly #waiting = new Set<string>();
  #pauses: Generator<number, never> | undefined;
  #timer: Timer | undefined;

  constructor(clock: Clock, look: () => boolean) {
    this.#clock = clock;
    this.#look = look;
  }

  wait(device: string): void {
    this.#waiting.add(device);
    if (this.#timer === undefined) this.#lookLater();
  }

  /** Served now, or gone. */
  forget(device: string): void {
    if (this.#waiting.delete(device) && this.#waiting.size === 0) this.stop();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#pauses = undefined;
    this.#waiting.clear();
  }

  #lookLater(): void {
    this.#timer?.cancel();
    this.#pauses ??= backoff(FIRST_LOOK_MS, LAST_LOOK_MS, () => this.#clock.random());
    this.#timer = this.#clock.timer(this.#pauses.next().value, () => {
      if (this.#look()) this.#pauses = undefined;
      if (this.#waiting.size > 0) this.#lookLater();
    });
  }
}

/** Owns how often pushed values of one point are told: the newest, at most once per collect cycle. */
import type { Clock, Timer } from '#beehive/clock.ts';
import type { Reading } from '../contract.ts';

export type Emit = (readings: readonly Reading[]) => void;

/** Cycles of a device and of ours are never equal: a value this much too early is told at once. */
const SLACK = 0.8;

export class Pushes {
  readonly #clock: Clock;
  readonly #emit: Emit;
  readonly #points = new Map<string, { toldAt: number; next?: Reading; timer?: Timer }>();
  #ended = false;

  constructor(clock: Clock, emit: Emit) {
    this.#clock = clock;
    this.#emit = emit;
  }

  /** `everyMs`: the collect cycle. */
  push(reading: Reading, everyMs = 0): void {
    if (this.#ended) return;
    const point = this.#points.get(reading.name) ?? { toldAt: -Infinity };
    this.#points.set(reading.name, point);
    const wait = point.toldAt + everyMs * SLACK - this.#clock.monotonic();
    if (wait <= 0) return this.#tell(reading, point);
    point.next = reading;
    point.timer ??= this.#clock.timer(wait, () => {
      delete point.timer;
      if (point.next !== undefined) this.#tell(point.next, point);
    });
  }

  end(): void {
    this.#ended = true;
    for (const { timer } of this.#points.values()) timer?.cancel();
    this.#points.clear();
  }

  #tell(reading: Reading, point: { toldAt: number; next?: Reading; timer?: Timer }): void {
    point.timer?.cancel();
    delete point.timer;
    delete point.next;
    point.toldAt = this.#clock.monotonic();
    if (!this.#ended) this.#emit([reading]);
  }
}

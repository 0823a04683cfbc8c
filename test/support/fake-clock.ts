/** Owns virtual time for tests: a Clock that moves only when it is told to. */
import { setImmediate as turn } from 'node:timers/promises';
import { sleepOn, type Clock, type Timer } from '#beehive/clock.ts';

interface Pending {
  at: number;
  order: number;
  fire: () => void;
}

/** Turns of the event loop after which promise chains that need no I/O have settled. */
const SETTLE_TURNS = 3;

export class FakeClock implements Clock {
  readonly #pending = new Set<Pending>();
  #monotonic = 0;
  /** Wall clock minus monotonic. */
  #offset: number;
  #order = 0;
  #seed: number;

  /** `wallMs` is the wall clock at the start (unix ms); equal seeds give equal random numbers. */
  constructor({ wallMs = Date.UTC(2026, 0, 1), seed = 1 }: { wallMs?: number; seed?: number } = {}) {
    this.#offset = wallMs;
    this.#seed = seed >>> 0;
  }

  now(): number {
    return this.#offset + this.#monotonic;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  timer(ms: number, fire: () => void): Timer {
    const pending: Pending = { at: this.#monotonic + Math.max(0, ms), order: this.#order++, fire };
    this.#pending.add(pending);
    return { cancel: () => void this.#pending.delete(pending) };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  /** mulberry32: the same sequence for the same seed. */
  random(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) >>> 0;
    let mixed = this.#seed;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Moves time by `ms`, firing timers in order of their time; promises settle before, between and after them. */
  async advance(ms: number): Promise<void> {
    const target = this.#monotonic + ms;
    await this.settle();
    for (let next = this.#next(target); next !== undefined; next = this.#next(target)) {
      this.#pending.delete(next);
      this.#monotonic = Math.max(this.#monotonic, next.at);
      next.fire();
      await this.settle();
    }
    this.#monotonic = target;
  }

  /** Moves time to the next timer and fires it; false when there is none. */
  async advanceToNext(): Promise<boolean> {
    await this.settle();
    const next = this.#next(Infinity);
    if (next !== undefined) await this.advance(next.at - this.#monotonic);
    return next !== undefined;
  }

  /** Lets promises that wait for no timer and no I/O settle. */
  async settle(): Promise<void> {
    for (let count = 0; count < SETTLE_TURNS; count++) await turn();
  }

  /** Sets the wall clock (unix ms) as a time server would; monotonic time and timers are untouched. */
  setWall(wallMs: number): void {
    this.#offset = wallMs - this.#monotonic;
  }

  /** How many timers are armed: 0 when everything was stopped properly. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Milliseconds until the next timer; undefined when none is armed. */
  get nextInMs(): number | undefined {
    const next = this.#next(Infinity);
    return next === undefined ? undefined : next.at - this.#monotonic;
  }

  #next(until: number): Pending | undefined {
    let first: Pending | undefined;
    for (const pending of this.#pending) {
      if (pending.at > until) continue;
      if (first === undefined || pending.at < first.at || (pending.at === first.at && pending.order < first.order)) first = pending;
    }
    return first;
  }
}

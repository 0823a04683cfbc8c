/** Owns slowing down who fails again and again, per address, in a bounded table. Pure but for the clock. */
import { isIPv6 } from 'node:net';
import type { Clock } from '#beehive/clock.ts';

interface Failures {
  count: number;
  /** Monotonic. */
  lastMs: number;
}

/** A person may mistype. */
const FREE = 3;
const FIRST_MS = 1000;
const LONGEST_MS = 60_000;
/** Who did not fail for so long starts anew. */
const FORGET_MS = 10 * 60_000;
const MOST_ADDRESSES = 1000;

export class Throttle {
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** Oldest failure first. */
  readonly #addresses = new Map<string, Failures>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#addresses.size;
  }

  /** How long the address has to wait, in ms; 0 = not at all. */
  waitMs(address: string): number {
    const failures = this.#addresses.get(placeOf(address));
    if (failures === undefined || failures.count <= FREE) return 0;
    const pauseMs = Math.min(FIRST_MS * 2 ** Math.min(failures.count - FREE - 1, 20), LONGEST_MS);
    return Math.max(0, Math.ceil(failures.lastMs + pauseMs - this.#clock.monotonic()));
  }

  failed(address: string): void {
    const nowMs = this.#clock.monotonic();
    const place = placeOf(address);
    const known = this.#addresses.get(place);
    const count = known === undefined || nowMs - known.lastMs >= FORGET_MS ? 0 : known.count;
    this.#addresses.delete(place);
    this.#addresses.set(place, { count: count + 1, lastMs: nowMs });
    const [oldest] = this.#addresses.keys();
    if (this.#addresses.size > MOST_ADDRESSES && oldest !== undefined) this.#addresses.delete(oldest);
  }

  succeeded(address: string): void {
    this.#addresses.delete(placeOf(address));
  }
}

/** Whoever has one IPv6 address has 2^64 of them. */
function placeOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  if (!isIPv6(plain)) return plain;
  const [head = '', tail] = plain.split('%')[0]?.split('::') ?? [];
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [left, right] = [groups(head), groups(tail ?? '')];
  const all = tail === undefined ? left : [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0'), ...right];
  return all.slice(0, 4).join(':');
}

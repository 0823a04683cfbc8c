/** Owns the recent past: events kept in memory for watches that start in it, bounded by count, size and age. */
import { weightOf } from './stored-object.ts';
import type { StoredObject } from './stored-object.ts';

export interface StoreEvent {
  readonly revision: number;
  readonly resource: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  /** The new state; of a deleted object its last state, under the revision of the deletion. */
  readonly object: StoredObject;
  readonly previous: StoredObject | undefined;
  /** Monotonic ms. */
  readonly atMs: number;
}

export interface WindowBounds {
  events: number;
  /** Characters of JSON. */
  size: number;
  ageMs: number;
}

const CUT = 8;

export const DEFAULT_BOUNDS: WindowBounds = { events: 10_000, size: 8 * 1024 * 1024, ageMs: 10 * 60_000 };

export class WatchWindow {
  readonly #bounds: WindowBounds;
  #events: StoreEvent[] = [];
  /** Events before this index are gone; the array is cut when an eighth of it is, for until then it holds them. */
  #head = 0;
  #size = 0;
  #floor: number;

  constructor(floor: number, bounds: WindowBounds = DEFAULT_BOUNDS) {
    this.#floor = floor;
    this.#bounds = bounds;
  }

  /** The oldest revision after which every event is known. */
  get floor(): number {
    return this.#floor;
  }

  get length(): number {
    return this.#events.length - this.#head;
  }

  push(event: StoreEvent): void {
    this.#events.push(event);
    this.#size += weightOf(event.object, event.previous);
    while (this.length > this.#bounds.events || this.#size > this.#bounds.size) this.#shift();
  }

  /** Forgets what is too old; called now and then. */
  expire(nowMs: number): void {
    for (let first = this.#events[this.#head]; first !== undefined; first = this.#events[this.#head]) {
      if (nowMs - first.atMs <= this.#bounds.ageMs) return;
      this.#shift();
    }
  }

  /** Events after `revision`, oldest first; undefined when some of them are forgotten. */
  after(revision: number): StoreEvent[] | undefined {
    if (revision < this.#floor) return undefined;
    let low = this.#head;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#events[middle]?.revision ?? 0) > revision) high = middle;
      else low = middle + 1;
    }
    return this.#events.slice(low);
  }

  #shift(): void {
    const first = this.#events[this.#head];
    if (first === undefined) return;
    this.#floor = first.revision;
    this.#size -= weightOf(first.object, first.previous);
    this.#head += 1;
    if (this.#head * CUT > this.#events.length) {
      this.#events = this.#events.slice(this.#head);
      this.#head = 0;
    }
  }
}

/**
 * Owns when the broker's tables are written: changes are gathered, only the latest state of a row is written, all in one transaction.
 *
 * Towards other subscribers a QoS 1 message is stored within 1 s after its PUBACK (normally 0.2 s). A message that was delivered and
 * acknowledged before that never touches the disk.
 */
import type { Clock, Timer } from '#beehive/clock.ts';
import { messageOf } from '#beehive/errors.ts';
import type { Tally } from './tally.ts';

/** Runs inside the transaction; writes the row as it is by then. */
export type RowWriter = () => void;

export interface Journal {
  /** `lazy`: a row that changes often and may be lost by the standard (retained QoS 0); written within 30 s. */
  mark(key: string, write: RowWriter, options?: { lazy?: boolean; written?: () => void }): void;
  /** The row was never written and is gone again. */
  unmark(key: string): void;
}

/** For a broker that keeps nothing. */
export const noJournal: Journal = { mark: () => undefined, unmark: () => undefined };

const SOON_MS = 200;
const LATEST_MS = 1_000;
const LAZY_MS = 30_000;
const RETRY_MS = 10_000;
/** At most this share of the time is spent in syncs on a slow card. */
const PAUSE_FACTOR = 4;

interface Mark {
  write: RowWriter;
  written: (() => void) | undefined;
}

export class WriteBehind implements Journal {
  readonly #clock: Clock;
  readonly #tally: Tally;
  /** Runs its argument in one transaction and syncs. */
  readonly #transaction: (run: () => void) => void;
  readonly #soon = new Map<string, Mark>();
  readonly #lazy = new Map<string, Mark>();
  #soonTimer: Timer | undefined;
  #lazyTimer: Timer | undefined;
  #lastSyncMs = 0;
  /** Transactions committed. */
  commits = 0;

  constructor(options: { clock: Clock; tally: Tally; transaction: (run: () => void) => void }) {
    this.#clock = options.clock;
    this.#tally = options.tally;
    this.#transaction = options.transaction;
  }

  mark(key: string, write: RowWriter, options: { lazy?: boolean; written?: () => void } = {}): void {
    const mark: Mark = { write, written: options.written };
    if (options.lazy === true && !this.#soon.has(key)) {
      this.#lazy.set(key, mark);
      this.#lazyTimer ??= this.#clock.timer(LAZY_MS, () => this.#hurry());
      return;
    }
    this.#lazy.delete(key);
    this.#soon.set(key, mark);
    this.#arm(Math.min(LATEST_MS, Math.max(SOON_MS, PAUSE_FACTOR * this.#lastSyncMs)));
  }

  unmark(key: string): void {
    this.#soon.delete(key);
    this.#lazy.delete(key);
  }

  /** Writes what is due. A failure is logged and tried again every 10 s; nothing is lost while the process lives. */
  flush(): void {
    this.#soonTimer?.cancel();
    this.#soonTimer = undefined;
    if (this.#soon.size === 0) return;
    const marks = [...this.#soon.values()];
    const started = this.#clock.monotonic();
    try {
      this.#transaction(() => {
        for (const { write } of marks) write();
      });
    } catch (error) {
      this.#tally.count('mqtt.store.failed', { error: messageOf(error), waiting: marks.length });
      this.#arm(RETRY_MS);
      return;
    }
    this.#lastSyncMs = this.#clock.monotonic() - started;
    this.commits++;
    this.#soon.clear();
    for (const { written } of marks) written?.();
  }

  /** Writes everything and stops. */
  close(): void {
    this.#hurry();
    this.#soonTimer?.cancel();
    this.#soonTimer = undefined;
  }

  #hurry(): void {
    this.#lazyTimer?.cancel();
    this.#lazyTimer = undefined;
    for (const [key, mark] of this.#lazy) this.#soon.set(key, mark);
    this.#lazy.clear();
    this.flush();
  }

  #arm(ms: number): void {
    this.#soonTimer ??= this.#clock.timer(ms, () => {
      this.#soonTimer = undefined;
      this.flush();
    });
  }
}

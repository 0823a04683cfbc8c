/** Owns transactions: what arrives together is committed together, and everybody is answered after the sync (DESIGN D8). */
import type { Clock } from '#beehive/clock.ts';
import type { CommitStats, Committer, Job } from '#beehive/commit.ts';
import type { HiveletError } from '#beehive/errors.ts';
import { storeError, type Sqlite } from './database.ts';

export interface CommitterOptions {
  sqlite: Sqlite;
  /** Named in errors. */
  path: string;
  clock: Pick<Clock, 'monotonic'>;
  /** Once for each batch that was rolled back. */
  onFailure?: (error: HiveletError) => void;
  /** With the first batch that is committed after such a one. */
  onRecovery?: () => void;
}

/** A batch waits at most this long for its companions; at one update at a time it waits for none. */
const LONGEST_WAIT_MS = 1;

export function createCommitter(options: CommitterOptions): Committer {
  return new GroupCommitter(options);
}

class GroupCommitter implements Committer {
  readonly stats: CommitStats = { batches: 0, jobs: 0, failures: 0 };
  readonly #options: CommitterOptions;
  readonly #begin: () => void;
  readonly #commit: () => void;
  #queue: Job[] = [];
  #scheduled = false;
  /** About how many came together lately. */
  #usual = 1;
  #untilMs = 0;
  #failing = false;

  constructor(options: CommitterOptions) {
    this.#options = options;
    const [begin, commit] = [options.sqlite.prepare('BEGIN IMMEDIATE'), options.sqlite.prepare('COMMIT')];
    this.#begin = () => void begin.run();
    this.#commit = () => void commit.run();
  }

  enqueue(job: Job): void {
    this.#queue.push(job);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#untilMs = this.#usual === 1 ? 0 : this.#options.clock.monotonic() + LONGEST_WAIT_MS;
    setImmediate(() => this.#turn());
  }

  flush(): void {
    if (this.#queue.length === 0) return;
    const batch = this.#queue;
    this.#queue = [];
    this.#usual = batch.length === 1 ? 1 : Math.ceil((this.#usual + batch.length) / 2);
    const failure = this.#write(batch);
    this.stats.batches++;
    this.stats.jobs += batch.length;
    if (failure === undefined) {
      if (this.#failing) this.#options.onRecovery?.();
      this.#failing = false;
      return forEachJob(batch, (job) => job.done());
    }
    this.#failing = true;
    this.stats.failures++;
    this.#options.onFailure?.(failure);
    forEachJob(batch, (job) => job.failed(failure));
  }

  /**
   * Under load the companions of a batch arrive over a few turns; waiting for about as many as last time trades part of
   * a millisecond for a sync saved.
   */
  #turn(): void {
    const some = this.#queue.length > 0 && this.#queue.length < this.#usual;
    if (some && this.#options.clock.monotonic() < this.#untilMs) {
      setImmediate(() => this.#turn());
      return;
    }
    this.#scheduled = false;
    this.flush();
  }

  #write(batch: readonly Job[]): HiveletError | undefined {
    try {
      this.#begin();
      for (const job of batch) job.run();
      this.#commit();
      return undefined;
    } catch (error) {
      this.#rollback();
      return storeError(error, this.#options.path);
    }
  }

  /** SQLite has often done it already. When it cannot, the next BEGIN fails and says so. */
  #rollback(): void {
    const { sqlite } = this.#options;
    try {
      if (sqlite.inTransaction) sqlite.exec('ROLLBACK');
    } catch {
      // The failure that led here is the one to tell.
    }
  }
}

/** A job that throws where it must not is a fault of the program, but the others are to be answered first. */
function forEachJob(batch: readonly Job[], settle: (job: Job) => void): void {
  const faults: unknown[] = [];
  for (const job of batch) {
    try {
      settle(job);
    } catch (error) {
      faults.push(error);
    }
  }
  if (faults.length > 0) throw faults[0];
}

/** Owns transactions: what arrives together is committed together, and everybody is answered after the sync (DESIGN D8). */
import type { Clock } from '#beehive/clock.ts';
import type { HiveletError } from '#beehive/errors.ts';
import { storeError, type Sqlite } from './database.ts';

/** One unit of work. All jobs of a batch share one transaction: they are all committed, or none is. */
export interface Job {
  /** Inside the transaction, synchronous, in the order of arrival. Must not throw for bad input: that is an answer, not a failure. */
  run(): void;
  /** After the commit. */
  done(): void;
  /** The transaction was rolled back: undo what `run` changed in memory, answer 500. */
  failed(error: HiveletError): void;
}

export interface CommitStats {
  batches: number;
  jobs: number;
  failures: number;
}

export interface Committer {
  enqueue(job: Job): void;
  /** Commits what waits, now. */
  flush(): void;
  readonly stats: Readonly<CommitStats>;
}

/** A batch waits at most this long for its companions; at one update at a time it waits for none. */
const LONGEST_WAIT_MS = 1;

export function createCommitter(options: {
  sqlite: Sqlite;
  path: string;
  clock: Pick<Clock, 'monotonic'>;
  onFailure?: (error: HiveletError) => void;
}): Committer {
  const { sqlite, path, clock, onFailure } = options;
  const begin = sqlite.prepare('BEGIN IMMEDIATE');
  const commit = sqlite.prepare('COMMIT');
  const stats: CommitStats = { batches: 0, jobs: 0, failures: 0 };
  let queue: Job[] = [];
  let scheduled = false;
  /** About how many came together lately. */
  let usual = 1;
  let untilMs = 0;

  // Under load the companions of a batch arrive over a few turns; waiting for about as many as last time trades part of
  // a millisecond for a sync saved.
  const turn = (): void => {
    if (queue.length < usual && clock.monotonic() < untilMs) {
      setImmediate(turn);
      return;
    }
    scheduled = false;
    flush();
  };

  const flush = (): void => {
    if (queue.length === 0) return;
    const batch = queue;
    queue = [];
    usual = batch.length === 1 ? 1 : Math.ceil((usual + batch.length) / 2);
    let failure: HiveletError | undefined;
    try {
      begin.run();
      for (const job of batch) job.run();
      commit.run();
    } catch (error) {
      failure = storeError(error, path);
      if (sqlite.inTransaction) sqlite.exec('ROLLBACK');
    }
    stats.batches++;
    stats.jobs += batch.length;
    if (failure === undefined) {
      for (const job of batch) job.done();
      return;
    }
    stats.failures++;
    onFailure?.(failure);
    for (const job of batch) job.failed(failure);
  };

  return {
    stats,
    flush,
    enqueue: (job) => {
      queue.push(job);
      if (scheduled) return;
      scheduled = true;
      untilMs = usual === 1 ? 0 : clock.monotonic() + LONGEST_WAIT_MS;
      setImmediate(turn);
    },
  };
}

/** A job as a promise: resolves with what `run` returned, after the commit. */
export function committed<T>(committer: Committer, run: () => T, undo: () => void = () => undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    let result: T;
    committer.enqueue({
      run: () => {
        result = run();
      },
      done: () => resolve(result),
      failed: (error) => {
        undo();
        reject(error);
      },
    });
  });
}

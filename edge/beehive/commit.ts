/** Owns the contract between the rooms and whoever writes to the disk: what is handed over together is kept together (DESIGN D8). */
import type { HiveletError } from './errors.ts';

/** One unit of work. All jobs of a batch share one transaction: they are all committed, or none is. */
export interface Job {
  /** Inside the transaction, synchronous, in the order of arrival. Must not throw for bad input: that is an answer, not a failure. */
  run(): void;
  /** After the commit. */
  done(): void;
  /** The transaction was rolled back: undo what `run` changed in memory, answer 500. `run` may not have been called. */
  failed(error: HiveletError): void;
}

export interface CommitStats {
  batches: number;
  jobs: number;
  /** Batches that were rolled back. */
  failures: number;
}

export interface Committer {
  /** Every job ends with either `done` or `failed`, never within this call. */
  enqueue(job: Job): void;
  /** Commits what waits, now. */
  flush(): void;
  readonly stats: Readonly<CommitStats>;
}

/** A job as a promise: resolves with what `run` returned, after the commit; rejects after `undo` when it was rolled back. */
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

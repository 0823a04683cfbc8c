/** Owns the transactions of devicetwin: one handler is one job, memory follows the disk when a transaction is rolled back. */
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Committer } from '#beehive/commit.ts';
import { emptyOutcome, storeTwin, type Outcome, type TwinRoom } from './room.ts';

export interface TwinJob {
  /** Inside the transaction. */
  run(): Outcome;
  /** After the commit. */
  done(outcome: Outcome): void;
  failed(error: HiveletError): void;
}

export function enqueueJob(room: TwinRoom, committer: Committer, job: TwinJob): void {
  let outcome: Outcome = emptyOutcome();
  let broken: HiveletError | undefined;
  let cut = false;
  committer.enqueue({
    run: () => {
      cut = true;
      try {
        outcome = job.run();
        cut = false;
      } catch (error) {
        // The store's failures end the transaction; a fault of ours must not take the others of the batch with it.
        if (error instanceof Error && error.name === 'SqliteError') throw error;
        room.log.error('twin.handler.failed', { error });
        broken = new HiveletError('INTERNAL', messageOf(error), { cause: error });
      }
    },
    done: () => (broken === undefined ? job.done(outcome) : job.failed(broken)),
    failed: (error) => {
      // A handler that was cut short by the store has not said what it had touched.
      if (cut) room.registry.reloadAll();
      for (const id of outcome.touched) room.registry.reload(id);
      job.failed(error);
    },
  });
}

/**
 * What is in memory only reaches the disk: reports of our own mapper host, and with `stamps` the times of equal reports.
 * `stored` is called after the commit, also when there was nothing to write.
 */
export function storeKept(room: TwinRoom, committer: Committer, { stamps, stored }: { stamps: boolean; stored: () => void }): void {
  const stale = room.registry.all().flatMap((device) => {
    const names = [...device.later, ...(stamps ? device.stamps : [])];
    return names.length > 0 || (stamps && device.rowStamp) ? [{ device, names }] : [];
  });
  if (stale.length === 0) return stored();
  committer.enqueue({
    run: () => {
      for (const { device, names } of stale) {
        for (const twin of names.map((name) => device.twins.get(name))) if (twin !== undefined) storeTwin(room, device, twin);
        if (stamps && device.rowStamp && room.registry.any(device.row.id) === device) room.table.putDevice(device.row);
      }
    },
    done: () => {
      if (stamps) for (const { device } of stale) device.rowStamp = false;
      stored();
    },
    // The values are still in memory: the next round tries again.
    failed: () => {
      for (const { device, names } of stale) for (const name of names) device.later.add(name);
    },
  });
}

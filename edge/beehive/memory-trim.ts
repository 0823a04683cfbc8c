/** Owns giving memory back to the machine: a full collection after the start, and after each burst of work. */
import type { Timer } from './clock.ts';
import type { Module } from './module.ts';

export interface MemoryTrimOptions {
  /** A full collection; undefined when node was started without --expose-gc (the launcher gives it on boards): nothing is done then. */
  collect: (() => void) | undefined;
  /** A counter of work done. */
  work: () => number;
  /** Less than this between two checks, 10 s apart, is a quiet time; default 100. */
  quiet?: number;
  /**
   * Less than this since the last collection leaves nothing worth collecting; default 2000. Where work is processor time, a collection also
   * waits for 20 times what the last one cost.
   */
  burst?: number;
}

const SETTLE_MS = 3000;
const CHECK_MS = 10_000;
const QUIET = 100;
const BURST = 2000;
/** Collections take at most a twentieth of the time that the work takes. */
const WORK_PER_COST = 20;

/** V8 returns memory when it feels pressure; on a board with 512 MiB others need it before. */
export function createMemoryTrim({ collect, work, quiet = QUIET, burst = BURST }: MemoryTrimOptions): Module {
  let timer: Timer | undefined;
  let seen = 0;
  let collectedAt = 0;
  let cost = 0;
  let collections = 0;
  const trim = (): void => {
    const before = work();
    collect?.();
    collections++;
    collectedAt = work();
    cost = collectedAt - before;
  };
  return {
    name: 'memory',
    start: ({ clock }) => {
      const check = (): void => {
        const now = work();
        if (now - seen < quiet && now - collectedAt > Math.max(burst, WORK_PER_COST * cost)) trim();
        // What the collection cost is no work.
        seen = work();
        timer = clock.timer(CHECK_MS, check);
      };
      if (collect !== undefined) {
        timer = clock.timer(SETTLE_MS, () => {
          trim();
          check();
        });
      }
      return Promise.resolve();
    },
    stop: () => {
      timer?.cancel();
      return Promise.resolve();
    },
    health: () => ({ ok: true, detail: `${String(collections)} collections` }),
  };
}

/** Owns giving memory back to the board: a full collection after the start, and after each burst of work. */
import type { Timer } from './clock.ts';
import type { Module } from './module.ts';

export interface MemoryTrimOptions {
  /** A full collection; undefined when node was started without --expose-gc (the launcher gives it on boards): nothing is done then. */
  collect: (() => void) | undefined;
  /** A counter of work done. */
  work: () => number;
}

const SETTLE_MS = 3000;
const CHECK_MS = 10_000;
/** Less than this between two checks is a quiet time. */
const QUIET = 100;
/** Less than this since the last collection leaves nothing worth collecting. */
const BURST = 2000;

/** V8 returns memory when it feels pressure; on a board with 512 MiB others need it before. */
export function createMemoryTrim({ collect, work }: MemoryTrimOptions): Module {
  let timer: Timer | undefined;
  let seen = 0;
  let collectedAt = 0;
  let collections = 0;
  const trim = (): void => {
    collect?.();
    collections++;
    collectedAt = work();
  };
  return {
    name: 'memory',
    start: ({ clock }) => {
      const check = (): void => {
        const now = work();
        if (now - seen < QUIET && now - collectedAt > BURST) trim();
        seen = now;
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

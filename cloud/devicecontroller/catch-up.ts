/** Owns waiting until this replica has seen what an edge already knows: a node that comes from another one must not be told older things. */
import type { Clock } from '#beehive/clock.ts';

/** An API whose data was put back may never get there again. */
export const CATCH_UP_MS = 5000;
const LOOK_MS = 20;

export interface CatchUp {
  clock: Clock;
  /** Ends the wait: the link. */
  signal: AbortSignal;
  /** `resourceVersion` up to which the edge was told; anything else = nothing. */
  told: unknown;
  /** Up to which this replica has seen the Devices. */
  seen: () => number;
}

/** Resolves with true when it may go on, at the latest after `CATCH_UP_MS`; with false when the link is gone. Never rejects. */
export async function caughtUp({ clock, signal, told, seen }: CatchUp): Promise<boolean> {
  if (typeof told !== 'number') return !signal.aborted;
  const untilMs = clock.monotonic() + CATCH_UP_MS;
  while (!signal.aborted && seen() < told && clock.monotonic() < untilMs) await clock.sleep(LOOK_MS, signal).catch(() => undefined);
  return !signal.aborted;
}

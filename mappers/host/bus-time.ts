/** Owns how much of a shared line dead devices may take: an account of lost time that has to be earned back before the next probe. Pure. */

/** DESIGN: at most 5 % of the bus time; a tenth less, for what a measurement from outside sees besides. */
export const PROBE_SHARE = 0.045;

/** What many devices lose together does not add up to more, unless two time-outs of one cost more than that. */
const LONGEST_CLOSED_MS = 30_000;

export interface BusAccount {
  /** Monotonic ms before which no device that is known to be dead may be asked. */
  readonly openAt: number;
  /** No device waits longer for its probe, however often living ones fail meanwhile, ms. */
  readonly longestMs: number;
}

export const OPEN_ACCOUNT: BusAccount = { openAt: -Infinity, longestMs: LONGEST_CLOSED_MS };

/** How long a request that was not answered takes to be earned back. */
export function pauseAfter(costMs: number, share = PROBE_SHARE): number {
  return costMs * (1 / share - 1);
}

/**
 * Books a request that was not answered: `costMs` of line time, which ended at `at`. Several in a row add up, so that over time their sum
 * stays below `share` however many devices are dead.
 */
export function bookTimeout(
  account: BusAccount,
  { at, costMs, share = PROBE_SHARE }: { at: number; costMs: number; share?: number },
): BusAccount {
  const pauseMs = pauseAfter(costMs, share);
  const longestMs = Math.max(LONGEST_CLOSED_MS, 2 * pauseMs);
  const earnedAt = Math.max(account.openAt, at) + pauseMs;
  return { openAt: Math.max(account.openAt, Math.min(earnedAt, at + longestMs)), longestMs };
}

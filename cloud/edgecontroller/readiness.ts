/** Owns when a node is Ready, and which replica may say what of it: pure decisions by monotonic clocks and nothing else. */

/** A node is NotReady so long after it was last heard (DESIGN section 4). */
export const SILENCE_MS = 40_000;
/** Who begins to judge waits so long: nodes may be on their way to another replica, and their Leases are not known yet. */
export const GRACE_MS = 40_000;

/** `unsaid`: it is not for this replica to say, or nothing is known yet; the API's word stands. */
export type Readiness = 'ready' | 'lost' | 'unsaid';

/** All times are monotonic ms of this process. */
export interface Signs {
  nowMs: number;
  /** The node's Lease is ours. */
  serves: boolean;
  /** Last frame over a link of ours while it was. */
  heardMs: number | undefined;
  /** This replica leads, since when; undefined = another one judges. */
  leadsSinceMs: number | undefined;
  /** When the Lease was last seen to be renewed, by whomever. */
  renewedMs: number | undefined;
}

export function readinessOf({ nowMs, serves, heardMs, leadsSinceMs, renewedMs }: Signs): Readiness {
  if (serves && heardMs !== undefined && nowMs - heardMs < SILENCE_MS) return 'ready';
  if (leadsSinceMs === undefined) return 'unsaid';
  if (serves && heardMs !== undefined) return 'lost';
  if (renewedMs !== undefined && nowMs - renewedMs < SILENCE_MS) return 'unsaid';
  return nowMs - leadsSinceMs < GRACE_MS ? 'unsaid' : 'lost';
}

/**
 * What a replica may write of the devices of a node. `all`: it has their reports. `verdict`: it leads and nobody serves the node, so it
 * says what can be said without one. Never do two replicas have one of these at the same time, as far as clocks can tell.
 */
export type Duty = 'all' | 'verdict' | 'nothing';

export function dutyOf(signs: Signs): Duty {
  const { nowMs, serves, heardMs, leadsSinceMs, renewedMs } = signs;
  const leads = leadsSinceMs !== undefined;
  if (serves) return leads || (heardMs !== undefined && nowMs - heardMs < SILENCE_MS) ? 'all' : 'nothing';
  if (!leads || (renewedMs !== undefined && nowMs - renewedMs < SILENCE_MS)) return 'nothing';
  return 'verdict';
}

/** Owns when a node is Ready: a pure decision by the cloud's monotonic clock and nothing else. */

/** A node is NotReady so long after the last frame received (DESIGN section 4). */
export const SILENCE_MS = 40_000;
/** Nodes that were Ready before a start of the cloud have so long to connect again. */
export const GRACE_MS = 40_000;

/** `unsaid`: nothing is known yet, the API's word stands. */
export type Readiness = 'ready' | 'lost' | 'unsaid';

/** All times are monotonic ms; `heardMs` is undefined when no frame came since the start. */
export function readinessOf({ heardMs, startedMs, nowMs }: { heardMs: number | undefined; startedMs: number; nowMs: number }): Readiness {
  if (heardMs !== undefined) return nowMs - heardMs < SILENCE_MS ? 'ready' : 'lost';
  return nowMs - startedMs < GRACE_MS ? 'unsaid' : 'lost';
}

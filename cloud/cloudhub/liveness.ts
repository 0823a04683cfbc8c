/** Owns when a link is dead: by silence, by missing keepalives, by a peer that does not read. Pure; all times are monotonic ms. */

export const PING_MS = 5000;
/** With one ping each 5 s a half-open link is noticed within 20 s (DESIGN section 6). */
export const SILENCE_MS = 15_000;

export interface Vitals {
  nowMs: number;
  /** When the tick before this one ran: a process that was blocked has not read what arrived meanwhile. */
  lastTickMs: number;
  /** Last frame of any kind. */
  heardMs: number;
  /** Last keepalive message; undefined for peers that need not send any. */
  keepaliveMs: number | undefined;
  keepaliveLimitMs: number;
  /** Since when bytes wait in the socket without one of them leaving; undefined when none wait. */
  stuckSinceMs: number | undefined;
  writeLimitMs: number;
}

/** Why the link is to be ended, in a sentence; undefined while it lives. */
export function causeOfDeath(vitals: Vitals): string | undefined {
  const { nowMs, lastTickMs, heardMs, keepaliveMs, keepaliveLimitMs, stuckSinceMs, writeLimitMs } = vitals;
  if (nowMs - lastTickMs > 2 * PING_MS) return undefined;
  if (nowMs - heardMs >= SILENCE_MS) return `silent for ${SILENCE_MS / 1000} s`;
  if (keepaliveMs !== undefined && nowMs - keepaliveMs > keepaliveLimitMs) return `no keepalive for ${keepaliveLimitMs / 1000} s`;
  if (stuckSinceMs !== undefined && nowMs - stuckSinceMs > writeLimitMs) return `took nothing for ${writeLimitMs / 1000} s`;
  return undefined;
}

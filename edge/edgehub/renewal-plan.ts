/** Owns when a certificate is renewed: at two thirds of its life, spread by what is random in it. Pure. */
import type { X509Certificate } from 'node:crypto';

export interface RenewalPlan {
  /** Unix ms. */
  dueMs: number;
  endsMs: number;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** Our cloud issues for a year, and says 1970 for the beginning (docs/security.md). */
const LIFE_MS = 365 * DAY_MS;
const YEAR_2000_MS = Date.UTC(2000, 0, 1);
/** A fleet that joined in one hour does not come back in one hour. */
const SPREAD = 1 / 10;
/** A wall clock before this was never set. */
export const CLOCK_SET_MS = Date.UTC(2025, 0, 1);

/** The same certificate has the same plan after each start. */
export function planOf(certificate: Pick<X509Certificate, 'validFrom' | 'validTo' | 'fingerprint256'>): RenewalPlan {
  const [fromMs, endsMs] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  const lifeMs = fromMs < YEAR_2000_MS ? LIFE_MS : endsMs - fromMs;
  const chance = parseInt(certificate.fingerprint256.replaceAll(':', '').slice(0, 8), 16) / 2 ** 32;
  return { dueMs: endsMs - lifeMs / 3 + (chance - 0.5) * SPREAD * lifeMs, endsMs };
}

/** `unknown`: nobody has told the time yet. */
export type Standing = 'good' | 'due' | 'ended' | 'unknown';

export function standingOf({ dueMs, endsMs }: RenewalPlan, nowMs: number | undefined): Standing {
  if (nowMs === undefined) return 'unknown';
  if (nowMs >= endsMs) return 'ended';
  return nowMs >= dueMs ? 'due' : 'good';
}

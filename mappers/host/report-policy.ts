/** Owns whether a value is worth a report: the property's policy applied to what was told last. Pure. */
import type { PropertyProfile } from '#device-models/device-profile.ts';
import { parseFloat64 } from '#device-models/values.ts';
import type { Sampling } from '../contract.ts';
import { toNumber, type Decimal } from './decimal.ts';

type Policed = Pick<PropertyProfile, 'reportPolicy' | 'reportCycleMs' | 'collectCycleMs'>;

/** Of a collect cycle: timers are late by less than the rest, so that a multiple of the cycle is told when it is due. */
const EARLY = 0.75;

/**
 * How old what was told is when it is told again, ms: with the last collection that is not later than the heartbeat, else than the report
 * cycle, else than what the host does for all.
 */
export function reportAfterMs(property: Policed | undefined, fallbackMs: number): number {
  const everyMs = property?.reportPolicy?.heartbeatMs ?? property?.reportCycleMs ?? 0;
  return (everyMs > 0 ? everyMs : fallbackMs) - EARLY * (property?.collectCycleMs ?? 0);
}

/** Whether a text that differs from the one told last differs enough. What is no number always does. */
export function isNews(property: Policed | undefined, told: string, text: string): boolean {
  const deadband = property?.reportPolicy?.deadband;
  if (deadband === undefined) return true;
  const [before, now] = [parseFloat64(told), parseFloat64(text)];
  if (before === undefined || now === undefined || !Number.isFinite(before) || !Number.isFinite(now)) return true;
  const least = deadband.kind === 'absolute' ? deadband.value : (Math.abs(before) * deadband.value) / 100;
  // The slack of one part in 10^9 lets a step of 0.1 count that binary floats make a hair smaller.
  return Math.abs(now - before) >= least * (1 - 1e-9);
}

/** What a device that pushes its values is asked for, in its own unit. */
export function samplingOf(property: PropertyProfile, { everyMs, scale }: { everyMs: number; scale: Decimal }): Sampling {
  const deadband = property.reportPolicy?.deadband;
  if (deadband === undefined) return { everyMs };
  const value = deadband.kind === 'percent' ? deadband.value : deadband.value / Math.abs(toNumber(scale));
  return { everyMs, deadband: { kind: deadband.kind, value } };
}

/** Owns units of collectCycle and reportCycle: whatever a YAML says becomes milliseconds. */
import { numberOf } from './fields.ts';

/** Which rule a plain number follows: v1alpha2 left the unit open (mappers read nanoseconds), v1beta1 says milliseconds. */
export type CycleUnit = 'nanoseconds-or-milliseconds' | 'milliseconds';

/** DESIGN section 4: as a Go mapper does for 0 or an absent cycle. */
export const DEFAULT_COLLECT_MS = 1000;
/** DESIGN section 4: nothing is polled more often. */
export const SHORTEST_CYCLE_MS = 10;
/** Below it a v1alpha2 number is taken for milliseconds: nobody polls each 0.999 ms, but samples say 5000. */
const SMALLEST_NANOSECONDS = 1_000_000;
/** A month: longer ones are mistakes in the unit, and fit no timer. */
const LONGEST_CYCLE_MS = 31 * 86_400_000;

const unitMs: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

export type Cycle = { ms: number } | { fault: string };

/** `undefined` for an absent, null or zero cycle: the caller's default holds. Texts carry a unit (`5s`, `500ms`, `1m30s`) or follow `unit`. */
export function readCycle(value: unknown, unit: CycleUnit): Cycle | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  const ms = typeof value === 'string' ? (durationMs(value) ?? plainMs(value, unit)) : plainMs(value, unit);
  if (ms === undefined || ms < 0) return { fault: 'is no time: write a text with a unit such as 500ms or 5s' };
  if (ms === 0) return undefined;
  if (ms > LONGEST_CYCLE_MS) return { fault: 'is longer than 31 days: write a text with a unit such as 500ms or 5s' };
  return { ms: Math.max(SHORTEST_CYCLE_MS, Math.round(ms)) };
}

function plainMs(value: unknown, unit: CycleUnit): number | undefined {
  const number = numberOf(value);
  if (number === undefined) return undefined;
  return unit === 'nanoseconds-or-milliseconds' && number >= SMALLEST_NANOSECONDS ? number / 1e6 : number;
}

/** Go's duration texts: one or more of number + unit. */
function durationMs(text: string): number | undefined {
  const parts = [...text.trim().matchAll(/(\d+(?:\.\d+)?|\.\d+)(ns|us|µs|ms|s|m|h)/gy)];
  if (parts.length === 0 || parts.reduce((length, part) => length + part[0].length, 0) !== text.trim().length) return undefined;
  return parts.reduce((sum, [, amount = '', unit = '']) => sum + Number(amount) * (unitMs.get(unit) ?? NaN), 0);
}

/** Owns what a mapper says of writing a desired value, on its way from the device to the API. Additive: peers that do not know it ignore it. */
import { isRecord } from './message.ts';

/** `differs`: written, but the device goes on showing something else. `timedOut` and `failed` are tried again. */
const results = ['reached', 'differs', 'refused', 'timedOut', 'failed'] as const;
export type WriteResult = (typeof results)[number];

export interface WriteOutcome {
  /** The desired text and the time-stamp that came with it: together they name the desired version. */
  desired: string;
  /** `expected.metadata.timestamp` (unix ms by the edge's clock). */
  stamp: number;
  result: WriteResult;
  /** What the device showed afterwards. */
  observed?: string;
  /** From the arrival of the desired value at the mapper to what settled it, measured monotonically; absent: the mapper wrote nothing. */
  ms?: number;
  /** One sentence, or the name of a protocol exception. */
  reason?: string;
}

const LIMIT = { desired: 16 * 1024, observed: 16 * 1024, reason: 500 };

/** Undefined for what is none; too long texts are cut. */
export function readWriteOutcome(input: unknown): WriteOutcome | undefined {
  if (!isRecord(input)) return undefined;
  const { desired, stamp, observed, ms, reason } = input;
  const result = results.find((word) => word === input['result']);
  if (typeof desired !== 'string' || desired.length > LIMIT.desired || typeof stamp !== 'number' || result === undefined) return undefined;
  return {
    desired,
    stamp,
    result,
    ...(typeof observed === 'string' ? { observed: observed.slice(0, LIMIT.observed) } : {}),
    ...(typeof ms === 'number' && Number.isFinite(ms) && ms >= 0 ? { ms: Math.round(ms) } : {}),
    ...(typeof reason === 'string' && reason !== '' ? { reason: reason.slice(0, LIMIT.reason) } : {}),
  };
}

/** The same news: the duration of a repetition is none. */
export function sameOutcome(left: WriteOutcome | undefined, right: WriteOutcome | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  return left.desired === right.desired && left.stamp === right.stamp && left.result === right.result && left.reason === right.reason;
}

/** Owns how good a reported value is, on its way from the device to the API. Additive: absent is good, and peers that do not know it ignore it. */
import { isRecord } from './message.ts';

const words = ['stale', 'bad'] as const;

/** `stale`: it was right once, but nobody knows whether it still is. `bad`: the device does not give it any more. */
export interface Doubt {
  readonly word: (typeof words)[number];
  /** One sentence, or the name of a protocol exception. */
  readonly reason: string;
}

const LONGEST_REASON = 500;

/** Undefined for `good` and for what says nothing; too long a reason is cut. */
export function readDoubt(input: unknown): Doubt | undefined {
  if (!isRecord(input)) return undefined;
  const word = words.find((one) => one === input['word']);
  const reason = input['reason'];
  return word === undefined ? undefined : { word, reason: typeof reason === 'string' ? reason.slice(0, LONGEST_REASON) : '' };
}

export function sameDoubt(left: Doubt | undefined, right: Doubt | undefined): boolean {
  return left?.word === right?.word && left?.reason === right?.reason;
}

/** As the metadata of a value shows it, on MQTT and in the API. */
export function doubtMetadata(doubt: Doubt | undefined): { quality?: string; reason?: string } {
  return doubt === undefined ? {} : { quality: doubt.word, ...(doubt.reason === '' ? {} : { reason: doubt.reason }) };
}

/** Owns what the tests of mergeCloud share: stored twins, messages of the cloud. */
import type { MsgTwin, TwinVersion } from '#wire/device-messages.ts';
import type { Twin } from '#edge/store/twin-table.ts';
import { mergeCloud, type CloudContext, type Merge } from '#edge/devicetwin/twin.ts';

export const NOW = 2000;
const EARLIER = 1000;
export const version = (cloud: number, edge = 0): TwinVersion => ({ cloud, edge });

/** Stored at version 10: what the cloud wanted last, what is expected now (an override if it differs), what the device has. */
export function stored(
  ...[cloudText, expected, actual, rest]: [cloudText?: string, expected?: string, actual?: string, rest?: Partial<Twin>]
): Twin {
  return {
    name: 'p',
    type: 'string',
    optional: false,
    expected: expected === undefined ? undefined : { value: expected, timestamp: EARLIER },
    actual: actual === undefined ? undefined : { value: actual, timestamp: EARLIER },
    expectedVersion: version(10),
    actualVersion: actual === undefined ? undefined : version(0, 3),
    cloudText,
    settled: false,
    ...rest,
  };
}

export const wants = (value: string | undefined, cloud: number | undefined, rest: MsgTwin = {}): MsgTwin => ({
  ...(value === undefined ? {} : { expected: { value } }),
  optional: false,
  ...(cloud === undefined ? {} : { expected_version: version(cloud) }),
  ...rest,
});

export const merge = (current: Twin | undefined, message: MsgTwin | null, context: Partial<CloudContext> = {}): Merge =>
  mergeCloud('p', { current, message }, { now: NOW, tolerance: 0, ours: true, afresh: undefined, ...context });

export function written(result: Merge): Extract<Merge, { kind: 'written' }> {
  if (result.kind !== 'written') throw new Error(`it was ${result.kind}${'reason' in result ? `: ${result.reason}` : ''}`);
  return result;
}

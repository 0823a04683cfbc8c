/** Owns the grace that a pod on a node is given: its node ends it, unless somebody cuts it short. */
import type { KubeObject } from '../../kube-api.ts';
import { dig, textAt } from '../json-value.ts';
import type { Kind } from '../kinds/kind.ts';

const DEFAULT_SECONDS = 30;

/** Seconds from a DELETE until the object goes: 0 = at once. `wanted` is what the request says. */
export function graceOf({ resource }: Kind, object: KubeObject, wanted: number | undefined): number {
  if (resource !== 'pods') return 0;
  const done = ['Succeeded', 'Failed'].includes(textAt(object, 'status', 'phase'));
  // Where no node runs it there is nobody to end it.
  if (done || textAt(object, 'spec', 'nodeName') === '') return 0;
  const own = dig(object, 'spec', 'terminationGracePeriodSeconds');
  const seconds = wanted ?? (typeof own === 'number' ? own : DEFAULT_SECONDS);
  return seconds < 0 ? 1 : seconds;
}

/** A later DELETE may shorten the grace, never lengthen it. Changes `object`; returns whether it did. */
export function shortenGrace({ metadata }: KubeObject, seconds: number, now: () => string): boolean {
  if (seconds >= (metadata.deletionGracePeriodSeconds ?? 0)) return false;
  metadata.deletionGracePeriodSeconds = seconds;
  metadata.deletionTimestamp = now();
  return true;
}

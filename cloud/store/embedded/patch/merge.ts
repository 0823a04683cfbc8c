/** Owns JSON Merge Patch (RFC 7386). */
import { isRecord, own, setOwn } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';

/** Returns the patched value; `target` itself may be changed. Null removes a member, lists are replaced whole. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const result: JsonRecord = isRecord(target) ? target : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else setOwn(result, key, applyMergePatch(own(result, key), value));
  }
  return result;
}

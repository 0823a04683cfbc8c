/** Owns how these tests read a failure: its code and its sentence. */
import * as assert from 'uvu/assert';
import { isHiveletError } from '#beehive/errors.ts';

/** `CODE: message` of the HiveletError that the work ends with. */
export async function refusal(work: Promise<unknown> | (() => unknown)): Promise<string> {
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    assert.ok(isHiveletError(error), String(error));
    return `${error.code}: ${error.message}`;
  }
  throw new Error('it should have been refused');
}

/** Owns the proof of what a twin keeps of the outcome of a write: that of its present expected value, by text and stamp. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readWriteOutcome, type WriteOutcome } from '#wire/write-outcome.ts';
import type { MsgTwin } from '#wire/device-messages.ts';
import type { Twin } from '#edge/store/twin-table.ts';
import { readTwinUpdate } from '#edge/devicetwin/payloads.ts';
import { mergeCloud, mergeLocal, type Merge } from '#edge/devicetwin/twin.ts';

const NOW = 2000;
const reached: WriteOutcome = { desired: '23', stamp: 1000, result: 'reached', observed: '22.9', ms: 41 };

const stored = (rest: Partial<Twin> = {}): Twin => ({
  name: 'p',
  type: 'float',
  optional: false,
  expected: { value: '23', timestamp: 1000 },
  expectedVersion: { cloud: 7, edge: 0 },
  cloudText: '23',
  actual: { value: '20', timestamp: 1000 },
  actualVersion: { cloud: 0, edge: 3 },
  settled: false,
  ...rest,
});

function written(merge: Merge): Extract<Merge, { kind: 'written' }> {
  if (merge.kind !== 'written') throw new Error(merge.kind);
  return merge;
}

const local = (current: Twin, message: MsgTwin) => written(mergeLocal('p', { current, message }, { now: NOW, tolerance: 0.05 }));
const cloud = (current: Twin, message: MsgTwin, afresh?: 'device') =>
  written(mergeCloud('p', { current, message }, { now: NOW, tolerance: 0, ours: true, afresh }));

test('an outcome is kept beside the value that it came with', () => {
  const { twin, changed, wrote } = local(stored(), { actual: { value: '22.9' }, write: reached });
  assert.equal([twin.write, changed, wrote], [reached, ['actual'], true]);
});

test('one without a value changes nothing for MQTT clients', () => {
  const refused: WriteOutcome = { desired: '23', stamp: 1000, result: 'refused', reason: 'NO', ms: 1 };
  const { twin, changed, answered, wrote } = local(stored(), { write: refused });
  assert.equal([twin.write, changed, answered, wrote], [refused, [], [], true]);
});

test('the same one again is no news', () => {
  const before = stored({ write: reached });
  const { twin, wrote } = local(before, { write: { ...reached, ms: 99 } });
  assert.equal([twin.write, wrote], [reached, false]);
});

test('one of another expected value comes too late', () => {
  for (const write of [
    { ...reached, desired: '22' },
    { ...reached, stamp: 999 },
  ])
    assert.equal([local(stored(), { write }).twin.write, local(stored(), { write }).wrote], [undefined, false]);
});

test('a new expected value starts without one, a newer version of the same text keeps it', () => {
  const before = stored({ write: reached });
  assert.is(local(before, { expected: { value: '24' } }).twin.write, undefined);
  const version = { expected_version: { cloud: 8, edge: 0 }, metadata: { type: 'float' } };
  assert.is(cloud(before, { ...version, expected: { value: '24' } }).twin.write, undefined);
  assert.is(cloud(before, version).twin.write, undefined, 'withdrawn');
  assert.equal(cloud(before, { ...version, expected: { value: '23' } }).twin.write, reached);
  assert.is(cloud(before, { ...version, expected: { value: '23' } }, 'device').twin.write, undefined, 'of another Device');
});

test('what is no outcome is left out, and the rest of the message is taken', () => {
  for (const write of [null, 1, 'x', {}, { ...reached, result: 'perhaps' }, { ...reached, stamp: '1' }, { ...reached, desired: 5 }]) {
    assert.is(readWriteOutcome(write), undefined);
    const read = readTwinUpdate(Buffer.from(JSON.stringify({ twin: { p: { actual: { value: '1' }, write } } })), { strict: true });
    assert.equal(read.ok && read.body.get('p'), { actual: { value: '1' } });
  }
  assert.is(readWriteOutcome({ ...reached, reason: 'x'.repeat(9000) })?.reason?.length, 500);
  assert.equal(readWriteOutcome({ ...reached, ms: -1, more: 1 }), { desired: '23', stamp: 1000, result: 'reached', observed: '22.9' });
});

test.run();

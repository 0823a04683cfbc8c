/** Proves what a twin keeps of how good its value is, and of the time at which it was read. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { MsgTwin } from '#wire/device-messages.ts';
import { readDoubt } from '#wire/quality.ts';
import type { Twin } from '#edge/store/twin-table.ts';
import { readTwinUpdate } from '#edge/devicetwin/payloads.ts';
import { partOf, plainTwin } from '#edge/devicetwin/publications.ts';
import { mergeLocal, type Merge } from '#edge/devicetwin/twin.ts';

const NOW = 1_800_000_002_000;
const bad = { word: 'bad', reason: 'ILLEGAL DATA ADDRESS' } as const;
const stored: Twin = {
  name: 'p',
  type: 'float',
  optional: false,
  actual: { value: '20', timestamp: 1_800_000_001_000 },
  actualVersion: { cloud: 0, edge: 3 },
  settled: false,
};

function local(current: Twin | undefined, message: MsgTwin): Extract<Merge, { kind: 'written' }> {
  const merge = mergeLocal('p', { current, message }, { now: NOW, tolerance: 0 });
  if (merge.kind !== 'written') throw new Error(merge.kind);
  return merge;
}

test('a doubt alone leaves the value, its time and its version, and is no reason to write to disk', () => {
  const { twin, changed, doubted, answered, wrote } = local(stored, { quality: bad });
  assert.equal(twin, { ...stored, doubt: bad, expected: undefined, expectedVersion: undefined });
  assert.equal([changed, doubted, answered, wrote], [[], true, [], false]);
});

test('the same doubt again is no news, another reason is', () => {
  const doubted = local(stored, { quality: bad }).twin;
  assert.is(local(doubted, { quality: { ...bad } }).doubted, false);
  assert.is(local(doubted, { quality: { word: 'bad', reason: 'NO' } }).doubted, true);
});

test('a value without a doubt is good again, the same value too', () => {
  const doubted = local(stored, { quality: bad }).twin;
  const { twin, changed, doubted: isNews } = local(doubted, { actual: { value: '20' } });
  assert.equal([twin.doubt, changed, isNews], [undefined, [], true]);
});

test('a message about other things leaves the doubt', () => {
  const doubted = local(stored, { quality: bad }).twin;
  assert.equal(local(doubted, { expected: { value: '5' } }).twin.doubt, bad);
});

test('why a value is missing stands beside it, on its own side only, until there is one', () => {
  const { twin, doubted } = local({ ...stored, actual: undefined, expected: { value: '5', timestamp: 1 } }, { quality: bad });
  assert.equal([twin.actual, twin.doubt, doubted], [undefined, bad, true]);
  assert.equal(plainTwin(twin).quality, bad);
  assert.not.ok('actual' in plainTwin(twin));
  assert.not.ok('quality' in partOf(twin, ['expected', 'actual']), 'what KubeEdge hears of it has its own form');
  assert.equal(plainTwin(local(twin, { actual: { value: '21' } }).twin).quality, undefined);
});

test('no twin is made for a value that is missing', () => {
  assert.is(mergeLocal('p', { current: undefined, message: { quality: bad } }, { now: NOW, tolerance: 0 }).kind, 'untouched');
});

test('the metadata shows it; a good value has the form of KubeEdge', () => {
  assert.equal(plainTwin(local(stored, { quality: bad }).twin).actual, {
    value: '20',
    metadata: { timestamp: 1_800_000_001_000, quality: 'bad', reason: 'ILLEGAL DATA ADDRESS' },
  });
  assert.equal(plainTwin(stored).actual, { value: '20', metadata: { timestamp: 1_800_000_001_000 } });
});

test('a time that a board without a set clock took is marked as such', () => {
  const { actual } = plainTwin({ ...stored, actual: { value: '20', timestamp: 86_400_000 } });
  assert.equal(actual?.metadata, { timestamp: 86_400_000, clock: 'unset' });
});

test('a reading keeps its time, unless that is in the future', () => {
  const stamp = (timestamp: number): number | undefined =>
    local(stored, { actual: { value: '21', metadata: { timestamp } } }).twin.actual?.timestamp;
  assert.equal([stamp(1_800_000_001_500), stamp(NOW + 1)], [1_800_000_001_500, NOW]);
});

test('only the mapper host is believed what time it was', () => {
  const payload = Buffer.from('{"twin":{"p":{"actual":{"value":"21","metadata":{"timestamp":1500}}}}}');
  const read = (times: boolean): MsgTwin | null | undefined => {
    const message = readTwinUpdate(payload, { strict: false, times });
    return message.ok ? message.body.get('p') : undefined;
  };
  assert.equal(read(true), { actual: { value: '21', metadata: { timestamp: 1500 } } });
  assert.equal(read(false), { actual: { value: '21' } });
});

test('what is no doubt is none', () => {
  for (const input of [undefined, null, 'bad', {}, { word: 'good' }, { word: 5 }]) assert.is(readDoubt(input), undefined);
  assert.equal(readDoubt({ word: 'stale', reason: 5 }), { word: 'stale', reason: '' });
  assert.is(readDoubt({ word: 'bad', reason: 'x'.repeat(9999) })?.reason.length, 500);
});

test.run();

/** Owns the proof of what the cloud may do to a twin beside its desired value: versions, types, deletion, actual (mqtt-topics.md 6.4 to 6.7). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { MsgTwin } from '#wire/device-messages.ts';
import type { Twin } from '#edge/store/twin-table.ts';
import { isTombstone, type Merge } from '#edge/devicetwin/twin.ts';
import { merge, stored, version, wants, written } from './cloud-message.ts';

const refusals: [what: string, current: Twin | undefined, message: MsgTwin | null, ours: boolean, kind: Merge['kind'], reason: RegExp][] = [
  ['an older version', stored('a', 'a'), wants('b', 9), true, 'refused', /older/],
  ['an older version of a KubeEdge cloud', stored('a', 'a'), wants('b', 9), false, 'refused', /older/],
  ['a text without a version', stored('a', 'a'), wants('b', undefined), false, 'refused', /missing/],
  ['a withdrawal without a version', stored('a', 'a'), wants(undefined, undefined), true, 'refused', /missing/],
  ['a deletion with an older version', stored('a', 'a'), wants('', 9, { metadata: { type: 'deleted' } }), false, 'refused', /older/],
  ['a text that is no number for a number', stored('5', '5', '5', { type: 'int' }), wants('warm', 11), true, 'invalid', /not int/],
  ['a type that does not exist', undefined, wants('1', 11, { metadata: { type: 'temperature' } }), true, 'invalid', /type is not allowed/],
];
for (const [what, current, message, ours, kind, reason] of refusals) {
  test(`${what} is ${kind}`, () => {
    const result = merge(current, message, { ours });
    assert.is(result.kind, kind);
    if (result.kind === 'refused' || result.kind === 'invalid') assert.match(result.reason, reason);
  });
}

test('a KubeEdge cloud may leave out metadata and expected: nothing is withdrawn (defect T5)', () => {
  const { twin, changed } = written(merge(stored('a', 'a', 'b'), {}, { ours: false }));
  assert.equal([twin.expected?.value, twin.expectedVersion, changed], ['a', version(10), []]);
});

test('a deletion of the cloud leaves a tombstone with the version, and the version may be missing', () => {
  for (const [message, at] of [
    [wants('', 12, { metadata: { type: 'deleted' } }), 12],
    [{ metadata: { type: 'deleted' } }, 10],
    [null, 10],
  ] as const) {
    const result = merge(stored('a', 'a', 'b'), message, { ours: false });
    if (result.kind !== 'deleted') throw new Error(result.kind);
    assert.ok(isTombstone(result.twin));
    assert.equal([result.twin.expected, result.twin.actual, result.twin.expectedVersion], [undefined, undefined, version(at)]);
  }
});

test('deleting what is not there does nothing', () => {
  assert.equal(merge(undefined, null), { kind: 'untouched' });
  assert.equal(merge(stored(undefined, undefined, undefined, { type: 'deleted' }), null), { kind: 'untouched' });
});

test('a tombstone comes back to life with the type of the cloud', () => {
  const gone = stored(undefined, undefined, undefined, { type: 'deleted' });
  const { twin, changed } = written(merge(gone, wants('5', 11, { metadata: { type: 'int' } })));
  assert.equal([twin.type, twin.expected?.value, twin.optional], ['int', '5', false]);
  assert.equal(changed, ['meta', 'expected']);
});

test('a property without a desired value becomes a twin without expected, whatever its type (defect T18)', () => {
  const { twin } = written(merge(undefined, wants(undefined, 11, { metadata: { type: 'int' } })));
  assert.equal([twin.type, twin.expected, twin.optional], ['int', undefined, false]);
});

test('our cloud knows the type from the model; a KubeEdge cloud does not change a type', () => {
  const message = wants('5', 11, { metadata: { type: 'float' } });
  assert.is(written(merge(stored('5', '5', '5', { type: 'int' }), message)).twin.type, 'float');
  assert.is(written(merge(stored('5', '5', '5', { type: 'int' }), message, { ours: false })).twin.type, 'int');
});

test('our cloud never writes actual; a KubeEdge cloud may, with a version that is not older', () => {
  const message = (edge: number): MsgTwin => ({ actual: { value: 'told' }, actual_version: version(0, edge) });
  const current = stored('a', 'a', 'mine');
  assert.is(written(merge(current, { ...message(9), ...wants('a', 11) })).twin.actual?.value, 'mine');
  assert.is(written(merge(current, message(9), { ours: false })).twin.actual?.value, 'told');
  assert.is(written(merge(current, message(2), { ours: false })).twin.actual?.value, 'mine');
  assert.is(written(merge(current, { actual: { value: 'told' } }, { ours: false })).twin.actual?.value, 'mine');
});

test('a desired value that the device has already is settled at once, within half a step', () => {
  const current = stored('20', '20', '21.46', { type: 'float' });
  assert.is(written(merge(current, wants('21.5', 11), { tolerance: 0.05 })).twin.settled, true);
  assert.is(written(merge(current, wants('21.5', 11))).twin.settled, false);
});

test.run();

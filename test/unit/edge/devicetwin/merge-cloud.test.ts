/** Owns the proof of the rules for desired values of the cloud (DESIGN section 4 "Desired", mqtt-topics.md 6.5). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { MsgTwin, TwinVersion } from '#wire/device-messages.ts';
import type { Twin } from '#edge/store/twin-table.ts';
import { isOverride, isTombstone, mergeCloud, type CloudContext, type Merge } from '#edge/devicetwin/twin.ts';

const NOW = 2000;
const EARLIER = 1000;
const version = (cloud: number, edge = 0): TwinVersion => ({ cloud, edge });

/** Stored at version 10: what the cloud wanted last, what is expected now (an override if it differs), what the device has. */
function stored(cloudText: string | undefined, expected: string | undefined, actual?: string, rest: Partial<Twin> = {}): Twin {
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

const wants = (value: string | undefined, cloud: number | undefined, rest: MsgTwin = {}): MsgTwin => ({
  ...(value === undefined ? {} : { expected: { value } }),
  optional: false,
  ...(cloud === undefined ? {} : { expected_version: version(cloud) }),
  ...rest,
});

const merge = (current: Twin | undefined, message: MsgTwin | null, context: Partial<CloudContext> = {}): Merge =>
  mergeCloud('p', current, message, { now: NOW, tolerance: 0, ours: true, afresh: undefined, ...context });

function written(result: Merge): Extract<Merge, { kind: 'written' }> {
  if (result.kind !== 'written') throw new Error(`it was ${result.kind}${'reason' in result ? `: ${result.reason}` : ''}`);
  return result;
}

interface Case {
  what: string;
  current: Twin | undefined;
  message: MsgTwin;
  context?: Partial<CloudContext>;
  expected: string | undefined;
  cloudText: string | undefined;
  cloud?: number;
  override: boolean;
  changed: boolean;
}

const cases: Case[] = [
  {
    what: 'a changed text wins',
    current: stored('a', 'a', 'a'),
    message: wants('b', 11),
    expected: 'b',
    cloudText: 'b',
    override: false,
    changed: true,
  },
  {
    what: 'the same text with a higher version only raises the version',
    current: stored('a', 'a', 'x', { settled: true }),
    message: wants('a', 12),
    expected: 'a',
    cloudText: 'a',
    cloud: 12,
    override: false,
    changed: false,
  },
  {
    what: 'an override holds while the cloud keeps its text',
    current: stored('a', 'mine', 'mine'),
    message: wants('a', 12),
    expected: 'mine',
    cloudText: 'a',
    cloud: 12,
    override: true,
    changed: false,
  },
  {
    what: 'an override ends when the text of the cloud changes',
    current: stored('a', 'mine', 'mine'),
    message: wants('b', 12),
    expected: 'b',
    cloudText: 'b',
    override: false,
    changed: true,
  },
  {
    what: 'a new text of the cloud that equals the override ends it without a change',
    current: stored('a', 'mine', 'mine'),
    message: wants('mine', 12),
    expected: 'mine',
    cloudText: 'mine',
    override: false,
    changed: false,
  },
  {
    what: 'a desired value that is withdrawn clears expected and keeps actual',
    current: stored('a', 'a', 'a'),
    message: wants(undefined, 11),
    expected: undefined,
    cloudText: undefined,
    override: false,
    changed: true,
  },
  {
    what: 'withdrawing is a change: it ends an override',
    current: stored('a', 'mine', 'mine'),
    message: wants(undefined, 11),
    expected: undefined,
    cloudText: undefined,
    override: false,
    changed: true,
  },
  {
    what: 'a cloud that never wanted anything leaves a local command alone',
    current: stored(undefined, 'mine', 'mine'),
    message: wants(undefined, 11),
    expected: 'mine',
    cloudText: undefined,
    override: true,
    changed: false,
  },
  {
    what: 'an empty text is a value of a string',
    current: stored('a', 'a', 'a'),
    message: wants('', 11),
    expected: '',
    cloudText: '',
    override: false,
    changed: true,
  },
  {
    what: 'an empty text for a number means that nobody wants anything',
    current: stored('5', '5', '5', { type: 'float' }),
    message: wants('', 11),
    expected: undefined,
    cloudText: undefined,
    override: false,
    changed: true,
  },
  {
    what: 'an empty text of a KubeEdge cloud means that nobody wants anything, also of a string (defect T18)',
    current: undefined,
    message: wants('', 11),
    context: { ours: false },
    expected: undefined,
    cloudText: undefined,
    override: false,
    changed: true,
  },
  {
    what: 'a text for an expected value that went missing is set again',
    current: stored('a', undefined, 'x'),
    message: wants('a', 11),
    expected: 'a',
    cloudText: 'a',
    override: false,
    changed: true,
  },
  {
    what: 'after one local write the cloud is still heard (defect T4)',
    current: stored('a', 'mine', 'mine', { expectedVersion: version(10, 5) }),
    message: wants('b', 11),
    context: { ours: false },
    expected: 'b',
    cloudText: 'b',
    cloud: 11,
    override: false,
    changed: true,
  },
  {
    what: 'equal versions are accepted: a cloud that restarts says the same again',
    current: stored('a', 'a', 'a'),
    message: wants('a', 10),
    context: { ours: false },
    expected: 'a',
    cloudText: 'a',
    cloud: 10,
    override: false,
    changed: false,
  },
  {
    what: 'another Device of the same name starts afresh: lower versions count',
    current: stored('a', 'a', 'a'),
    message: wants('b', 3),
    context: { afresh: 'device' },
    expected: 'b',
    cloudText: 'b',
    cloud: 3,
    override: false,
    changed: true,
  },
  {
    what: 'another Device that wants nothing drops what its namesake wanted',
    current: stored('a', 'a', 'a'),
    message: wants(undefined, 3),
    context: { afresh: 'device' },
    expected: undefined,
    cloudText: undefined,
    cloud: 3,
    override: false,
    changed: true,
  },
  {
    what: 'another Device that wants nothing leaves a local command alone',
    current: stored('a', 'mine', 'a'),
    message: wants(undefined, 3),
    context: { afresh: 'device' },
    expected: 'mine',
    cloudText: undefined,
    cloud: 3,
    override: true,
    changed: false,
  },
  {
    what: 'another cluster starts afresh: its text wins',
    current: stored('a', 'mine', 'a'),
    message: wants('b', 3),
    context: { afresh: 'cluster' },
    expected: 'b',
    cloudText: 'b',
    cloud: 3,
    override: false,
    changed: true,
  },
  {
    what: 'the silence of another cluster takes nothing away: it shows as an override',
    current: stored('a', 'a', 'a'),
    message: wants(undefined, 3),
    context: { afresh: 'cluster' },
    expected: 'a',
    cloudText: undefined,
    cloud: 3,
    override: true,
    changed: false,
  },
  {
    what: 'another cluster that wants the same changes nothing',
    current: stored('a', 'a', 'a', { settled: true }),
    message: wants('a', 3),
    context: { afresh: 'cluster' },
    expected: 'a',
    cloudText: 'a',
    cloud: 3,
    override: false,
    changed: false,
  },
];
for (const { what, current, message, context, ...want } of cases) {
  test(what, () => {
    const { twin, changed } = written(merge(current, message, context));
    assert.is(twin.expected?.value, want.expected);
    assert.is(twin.cloudText, want.cloudText);
    assert.is(isOverride(twin), want.override, 'override');
    assert.is(changed.length > 0, want.changed, `changed: ${changed.join()}`);
    if (want.cloud !== undefined) assert.equal(twin.expectedVersion, version(want.cloud));
    assert.equal(twin.actual, current?.actual, 'actual is the edge’s');
    if (!want.changed) assert.is(twin.expected, current?.expected, 'the stamp of expected stays');
    if (!want.changed && current?.settled === true) assert.is(twin.settled, true, 'what was reached is not asserted again');
  });
}

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

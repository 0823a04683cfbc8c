/** Owns the proof of whose desired value holds: the cloud's text, a local override, nothing (DESIGN section 4 "Desired"). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { MsgTwin } from '#wire/device-messages.ts';
import type { Twin } from '#edge/store/twin-table.ts';
import { isOverride, type CloudContext } from '#edge/devicetwin/twin.ts';
import { merge, stored, version, wants, written } from './cloud-message.ts';

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

test.run();

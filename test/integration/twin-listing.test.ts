/** Owns the proof of which devices the edge has: added, removed, set aside, of another cluster (DESIGN section 4 "Membership"). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { MembershipDetail } from '#wire/device-messages.ts';
import { deviceTopic } from '#wire/topics.ts';
import { ask } from '#test/support/edge.ts';
import { desired, entry } from '#test/support/hivelet-hub.ts';
import { closeAll, startLinkedEdge } from '#test/support/linked-edge.ts';
import { until } from '#test/support/until.ts';

test.after.each(closeAll);

test('a device that is added is told to everybody, without versions and without what is ours', async () => {
  const here = await startLinkedEdge([]);
  const from = here.mqtt.seen.length;
  await here.hub.tell('membership', { added_devices: [entry('d1', { temperature: '20' })] });
  const told = await here.mqtt.message('membership/updated', (seen) => seen.topic === '$hw/events/node/edge-node/membership/updated', from);
  const body = JSON.parse(told.payload) as Record<string, unknown>;
  assert.equal(body['added_devices'], [
    { id: 'd1', name: 'd1', twin: { temperature: { expected: { value: '20' }, optional: false, metadata: { type: 'float' } } } },
  ]);
  assert.is(body['removed_devices'], null);
});

test('a device removed by name goes at once, in the detail and in a membership message', async () => {
  const here = await startLinkedEdge([entry('d1', {}), entry('d2', {}), entry('d3', {})]);
  await here.hub.tell('membership', { removed_devices: [{ id: 'd1' }] });
  assert.equal(await here.members(), ['d2', 'd3']);
  const detail = { devices: [], hivelet: { cluster_uid: 'cluster-1', unchanged: ['d3'], removed: ['d2'] } };
  await here.hub.tell('membership/detail', detail);
  assert.equal(await here.members(), ['d3']);
  await here.hub.tell('membership', { added_devices: [entry('d1', { temperature: undefined })] });
  assert.equal(await here.twins('d1'), { temperature: { optional: false, metadata: { type: 'float' } } }, 'nothing of the old one is left');
});

const DAY = 86_400_000;
const START = Date.UTC(2026, 0, 1);
const list = (unchanged: string[], cluster = 'cluster-1'): Partial<MembershipDetail> => ({
  devices: [],
  hivelet: { cluster_uid: cluster, unchanged, removed: [] },
});

test('a device that is merely no longer listed is set aside for 7 days by the cloud’s clock, and comes back with its twins', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: '20' }), entry('d2', {})]);
  await here.report('d1', '19');
  const host = (): string => here.detail('mapper-host');
  await until(() => host().includes('2 starting'), { what: 'both devices in the mapper host' });
  await here.hub.tell('membership/detail', list(['d2']), { timestamp: START });
  assert.equal(await here.members(), ['d2']);
  assert.is((await ask(here.mqtt, deviceTopic.twinGet('d1'), {}))['code'], 404);
  assert.match(host(), '1 starting');
  await here.hub.tell('membership/detail', list(['d2']), { timestamp: START + 7 * DAY });
  const from = here.mqtt.seen.length;
  await here.hub.tell('membership', { added_devices: [entry('d1', { temperature: '20' })] });
  assert.is((await here.twins('d1'))['temperature']?.actual?.value, '19');
  assert.ok(
    here.mqtt.seen.slice(from).some((seen) => seen.topic.endsWith('/membership/updated')),
    'it is announced again',
  );
  assert.match(host(), '2 starting', 'the mapper host has it again though its profile is the same');
  await here.hub.tell('membership/detail', list(['d2']), { timestamp: START });
  await here.hub.tell('membership/detail', list(['d2']), { timestamp: START + 7 * DAY + 1 });
  await here.hub.tell('membership', { added_devices: [entry('d1', { temperature: '20' })] });
  assert.is((await here.twins('d1'))['temperature']?.actual, undefined, 'after 7 days it was forgotten');
});

test('what is set aside stays so over a restart and is not offered as known', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: '20' }), entry('d2', {})]);
  await here.hub.tell('membership/detail', list(['d2']), { timestamp: START });
  await here.stop();
  const again = await startLinkedEdge(() => list(['d2']), { hub: here.hub, dataDir: here.dataDir });
  assert.equal(await again.members(), ['d2']);
  assert.equal(Object.keys(again.hub.details().at(-1)?.hivelet?.known ?? {}), ['uid-d2']);
});

test('a cloud that does not say what time it is ends no wait, and one that says nonsense neither', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: '20' })]);
  await here.report('d1', '19');
  for (const timestamp of [0, START, START + DAY]) await here.hub.tell('membership/detail', list([]), { timestamp });
  const nonsense =
    '{"header":{"msg_id":"n","timestamp":1e999},"route":{"source":"devicecontroller","group":"twin","operation":"update","resource":"membership/detail"},"content":{"devices":[],"hivelet":{"cluster_uid":"cluster-1"}}}';
  here.hub.send(nonsense);
  await here.hub.frame('the answer', ({ header }) => header.parent_msg_id === 'n');
  await here.hub.tell('membership', { added_devices: [entry('d1', { temperature: '20' })] });
  assert.is((await here.twins('d1'))['temperature']?.actual?.value, '19');
});

test('another cluster removes nothing, neither by name nor by silence', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: '20' }), entry('d2', {})]);
  await here.hub.tell('membership/detail', { devices: [], hivelet: { cluster_uid: 'cluster-2', unchanged: [], removed: ['d1'] } });
  assert.equal(await here.members(), ['d1', 'd2']);
  const other = entry('d1', { temperature: undefined }, { cluster: 'cluster-2', uid: 'another', version: 1 });
  await here.hub.tell('membership/detail', { devices: [other], hivelet: { cluster_uid: 'cluster-2', unchanged: [], removed: [] } });
  assert.equal(await here.members(), ['d1', 'd2']);
  assert.is(await here.expected('d1'), '20', 'its silence takes no desired value away');
  const told = await here.hub.report('d1/temperature', (form) => form?.override === true);
  assert.is(told?.expected?.value, '20', 'which shows as an override');
});

test('an entry that cannot be read is left out, and is not taken for one that is missing', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: '20' }), entry('d2', {})]);
  const bad = { ...entry('d1', {}), twin: ['x'] };
  const oddKey = { ...entry('d3', {}), twin: { ...desired({ good: '1' }), 'not good': { expected: { value: '1' } } } };
  await here.hub.tell('membership/detail', {
    devices: [bad, oddKey, { id: 'a/b' }, { id: '\ud800' }, { id: 'x'.repeat(254) }, null, 5],
    hivelet: { cluster_uid: 'cluster-1', unchanged: ['d2'], removed: [] },
  });
  assert.equal(await here.members(), ['d1', 'd2', 'd3']);
  assert.equal(Object.keys(await here.twins('d3')), ['good']);
});

test.run();

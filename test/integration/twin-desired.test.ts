/** Owns the proof of desired values of our own cloud, local overrides, and who may speak for the cloud (DESIGN section 4 "Desired"). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deviceTopic } from '#wire/topics.ts';
import { desired, entry } from '#test/support/hivelet-hub.ts';
import { closeAll, startLinkedEdge } from '#test/support/linked-edge.ts';

test.after.each(closeAll);

test('a desired value of the cloud becomes expected, a document and a delta; then it is acknowledged', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: undefined })]);
  const from = here.mqtt.seen.length;
  const answer = (await here.cloudUpdated('d1', { temperature: '23' }, 2)) as { route: { operation: string } };
  assert.is(answer.route.operation, 'response');
  const delta = await here.mqtt.message('the delta', (seen) => seen.topic === deviceTopic.twinDelta('d1'), from);
  assert.match(delta.payload, '"delta":{"temperature":"23"}');
  const document = await here.mqtt.message('the document', (seen) => seen.topic === deviceTopic.twinDocument('d1'), from);
  assert.match(document.payload, '"event_id":"cloud-2"');
  assert.not(
    here.mqtt.seen.slice(from).some((seen) => seen.topic === deviceTopic.twinResult('d1')),
    'no result: nobody here asked',
  );
});

test('everything that our cloud sends is answered: taken, unknown, unreadable', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: undefined })]);
  const answers: [resource: string, content: unknown, operation: string][] = [
    ['membership', { added_devices: [entry('d2', {})] }, 'response'],
    ['membership', { added_devices: null, removed_devices: [{ id: 'd2' }] }, 'response'],
    ['device/d1/twin/cloud_updated', { twin: desired({ temperature: '1' }, { version: 2 }) }, 'response'],
    ['device/d1', { attributes: {} }, 'error'],
    ['device/nobody/twin/cloud_updated', { twin: desired({ temperature: '1' }) }, 'error'],
    ['device/d1/twin/cloud_updated', { event_id: 'x' }, 'error'],
    ['device/d1/twin/cloud_updated', 'no JSON', 'error'],
    ['membership/detail', { devices: 'none' }, 'error'],
    ['membership/else', {}, 'error'],
    ['', {}, 'error'],
  ];
  for (const [resource, content, operation] of answers) {
    const answer = await here.hub.tell(resource, content);
    assert.is(answer.route.operation, operation, `${resource} ${JSON.stringify(content)}`);
  }
  assert.equal(await here.members(), ['d1'], 'a list that cannot be read removes nobody');
});

test('a local command is told as an override, until the cloud changes its mind', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: '20' })]);
  await here.update('d1', { temperature: { expected: { value: '25' } } });
  const told = await here.hub.report('d1/temperature', (form) => form?.override === true);
  assert.equal(told?.expected?.value, '25');
  await here.cloudUpdated('d1', { temperature: '20' }, 5);
  assert.is(await here.expected('d1'), '25', 'the same text again changes nothing');
  const from = here.hub.frames.length;
  await here.cloudUpdated('d1', { temperature: '30' }, 6);
  assert.is(await here.expected('d1'), '30');
  const over = await here.hub.report('d1/temperature', (form) => form?.override === false, from);
  assert.equal([over?.expected, over?.expected_version], [undefined, { cloud: 6, edge: 0 }]);
});

test('a device that was reconciled keeps its override; the cloud hears of it once', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: '20' }, { version: 1 })]);
  await here.update('d1', { temperature: { expected: { value: '25' } } });
  await here.hub.report('d1/temperature', (form) => form?.override === true);
  await here.stop();
  const again = await startLinkedEdge([entry('d1', { temperature: '20' }, { version: 9 })], { hub: here.hub, dataDir: here.dataDir });
  assert.is(await again.expected('d1'), '25');
  const told = await again.hub.report('d1/temperature', (form) => form?.expected_version?.cloud === 9);
  assert.equal([told?.override, told?.expected?.value], [true, '25']);
});

test('a desired value that is withdrawn is gone, without a delta, and actual stays', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: '20', other: '1' })]);
  await here.report('d1', '19');
  const from = here.mqtt.seen.length;
  await here.cloudUpdated('d1', { temperature: undefined, other: undefined }, 2);
  const { temperature } = await here.twins('d1');
  assert.equal([temperature?.expected, temperature?.actual?.value], [undefined, '19']);
  assert.not(here.mqtt.seen.slice(from).some((seen) => seen.topic.endsWith('/delta')));
});

test('a property that left the model leaves the device; one that a mapper made stays', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: '20', old: '1' })]);
  await here.update('d1', { own: { actual: { value: 'x' } } });
  await here.hub.tell('membership', { added_devices: [entry('d1', { temperature: '20' }, { version: 2 })] });
  assert.equal(Object.keys(await here.twins('d1')).sort(), ['own', 'temperature']);
});

test('a new Device of the same name starts afresh: a lower version counts', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: '20' }, { version: 100 })]);
  await here.hub.tell('membership', { added_devices: [entry('d1', { temperature: '21' }, { version: 7, uid: 'new' })] });
  assert.is(await here.expected('d1'), '21');
});

test('twin/cloud_updated without a version means "sync now"', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: undefined })]);
  await here.report('d1', '1');
  await here.hub.report('d1/temperature', (told) => told?.actual?.value === '1');
  const from = here.hub.frames.length;
  here.mqtt.publish(
    '$hw/events/device/d1/twin/cloud_updated',
    '{"event_id":"","twin":{"temperature":{"actual":{"value":"7"},"metadata":{"type":"Updated"}}}}',
  );
  const told = await here.hub.report('d1/temperature', () => true, from);
  assert.is(told?.actual?.value, '1', 'the state of the edge, not what the client says');
});

const plays = '{"event_id":"p","twin":{"temperature":{"expected":{"value":"5"},"metadata":{},"expected_version":{"cloud":900,"edge":0}}}}';

test('twin/cloud_updated with a version is the cloud’s: it is refused', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: '20' })]);
  here.mqtt.publish('$hw/events/device/d1/twin/cloud_updated', plays);
  const refused = await here.mqtt.message('the refusal', (seen) => seen.payload.includes('acceptCloudUpdated'));
  assert.match(refused.payload, '"event_id":"p"');
  assert.is(await here.expected('d1'), '20');
});

test('where that is allowed it counts as a local command and never raises the version of the cloud', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: '20' }, { version: 3 })], {
    sets: ['modules.deviceTwin.acceptCloudUpdated=true'],
  });
  here.mqtt.publish('$hw/events/device/d1/twin/cloud_updated', plays.replace('"5"', '"20"'));
  here.mqtt.publish('$hw/events/device/d1/twin/cloud_updated', plays);
  const told = await here.hub.report('d1/temperature', (form) => form?.override === true);
  assert.equal([told?.expected?.value, told?.expected_version], ['5', { cloud: 3, edge: 0 }]);
  assert.is(await here.expected('d1'), '5');
  await here.cloudUpdated('d1', { temperature: '21' }, 4);
  assert.is(await here.expected('d1'), '21', 'the cloud is still heard');
});

test.run();

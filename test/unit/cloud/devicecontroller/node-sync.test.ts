/** What a connected node is told: the snapshot first, then differences. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { responseTo } from '#wire/message.ts';
import { thermostat, thermostatModel } from '#test/support/device-objects.ts';
import { nodeSyncRig, type Content } from '#test/support/node-sync-rig.ts';

test('the answer to membership/detail holds what the edge lacks, names what it has, and names what is gone', () => {
  const { book, live } = nodeSyncRig();
  book.upsert(thermostat({ name: 'new' }));
  book.upsert(thermostat({ name: 'same' }));
  book.upsert(thermostat({ name: 'other', desired: '5' }));
  book.upsert(thermostat({ name: 'moved', node: 'elsewhere' }));
  book.upsert(thermostat({ name: 'gone', uid: 'uid-gone' }));
  book.remove(thermostat({ name: 'gone', uid: 'uid-gone' }));
  const [answer] = live({
    'uid-default-same': book.bound('pi', 'same')!.hash,
    'uid-default-other': 'an older hash',
    'uid-default-moved': 'x',
    'uid-gone': 'x',
    'uid-never-heard-of': 'x',
  });
  assert.is(answer?.resource, 'membership/detail');
  const { devices, hivelet } = answer!.content;
  assert.equal(devices.map(({ id }) => id).sort(), ['new', 'other']);
  assert.equal(hivelet, { cluster_uid: 'cluster-1', unchanged: ['same'], removed: ['moved', 'gone'] });
});

test('a device entry for our edges carries identity, hash, profile, and every property', () => {
  const { book, live } = nodeSyncRig();
  book.upsert(thermostat());
  const [answer] = live();
  const [device] = answer!.content.devices;
  const { profile, ...extension } = device!.hivelet!;
  assert.equal(extension, {
    uid: 'uid-default-thermo',
    namespace: 'default',
    cluster_uid: 'cluster-1',
    resource_version: 7,
    hash: book.bound('pi', 'thermo')!.hash,
  });
  assert.is(profile.name, 'thermo');
  const { timestamp } = device!.twin!.setpoint!.expected!.metadata!;
  assert.equal(device!.twin, {
    setpoint: {
      expected: { value: '21', metadata: { timestamp } },
      optional: false,
      metadata: { type: 'int' },
      expected_version: { cloud: 7, edge: 0 },
    },
    temperature: { optional: false, metadata: { type: 'float' }, expected_version: { cloud: 7, edge: 0 } },
  });
});

test('events during the snapshot wait behind it, coalesced', () => {
  const { book, sync, frames } = nodeSyncRig();
  book.upsert(thermostat());
  sync.answerDetail(new Map());
  book.upsert(thermostat({ desired: '22', version: 8 }));
  book.upsert(thermostat({ desired: '23', version: 9 }));
  const [snapshot, update, ...more] = frames();
  assert.is(snapshot!.content.devices[0]?.twin?.setpoint?.expected?.value, '21');
  assert.is(update?.resource, 'device/thermo/twin/cloud_updated');
  assert.is(update?.content.twin.setpoint?.expected?.value, '23');
  assert.equal(more, []);
});

test('before the edge asks nothing is sent; one that never asks is told everything after 10 s', async () => {
  const { clock, book, frames } = nodeSyncRig();
  book.upsert(thermostat());
  assert.equal(frames(), []);
  await clock.advance(10_000);
  assert.equal(
    frames().map(({ resource, content }) => [resource, content.added_devices?.[0]?.id]),
    [['membership', 'thermo']],
  );
  assert.is(clock.pending, 0);
});

test('only changed desired texts go down, with every property, version and hash', () => {
  const { book, live, frames, observed } = nodeSyncRig();
  book.upsert(thermostat());
  live();
  book.upsert(
    thermostat({ version: 8, status: { twins: [{ propertyName: 'setpoint', desired: { value: '21' }, reported: { value: '3' } }] } }),
  );
  assert.equal(frames(), [], 'a report is no reason');
  book.upsert(thermostat({ version: 9, desired: '23' }));
  const [update] = frames();
  assert.is(update?.resource, 'device/thermo/twin/cloud_updated');
  assert.equal(Object.keys(update!.content.twin), ['setpoint', 'temperature']);
  assert.equal(update?.content.twin.setpoint?.expected_version, { cloud: 9, edge: 0 });
  assert.equal(update?.content.hivelet, {
    uid: 'uid-default-thermo',
    cluster_uid: 'cluster-1',
    resource_version: 9,
    hash: book.bound('pi', 'thermo')!.hash,
  });
  book.upsert(thermostat({ version: 10, desired: null }));
  const [withdrawn] = frames();
  assert.is(withdrawn?.content.twin.setpoint?.expected, undefined);
  assert.equal(observed, ['thermo 7', 'thermo 9', 'thermo 10']);
});

test('while an update is not acknowledged the next ones wait, and only the newest follows', () => {
  const { book, live, window, sent } = nodeSyncRig();
  book.upsert(thermostat());
  live();
  for (const [version, desired] of [
    [8, '1'],
    [9, '2'],
    [10, '3'],
  ] as const)
    book.upsert(thermostat({ version, desired }));
  assert.is(sent.length, 1);
  window.settle(responseTo(sent[0]!, 0));
  assert.is(sent.length, 2);
  assert.is((sent[1]!.content as Content).twin.setpoint?.expected?.value, '3');
});

test('a value set back before the edge was told is no message', () => {
  const { book, live, window, sent } = nodeSyncRig();
  book.upsert(thermostat());
  live();
  book.upsert(thermostat({ version: 8, desired: '1' }));
  book.upsert(thermostat({ version: 9, desired: '2' }));
  book.upsert(thermostat({ version: 10, desired: '1' }));
  window.settle(responseTo(sent[0]!, 0));
  assert.is(sent.length, 1);
  assert.is(window.size, 0);
});

test('an update that the edge refuses is told again with back-off, in its newest state', async () => {
  const { clock, book, live, frames } = nodeSyncRig();
  book.upsert(thermostat());
  live();
  book.upsert(thermostat({ version: 8, desired: '30' }));
  assert.is(frames('error').length, 1);
  book.upsert(thermostat({ version: 9, desired: '31' }));
  await clock.advance(1000);
  assert.equal(
    frames().map(({ content }) => content.twin.setpoint?.expected?.value),
    ['31'],
  );
});

test('a changed model is a new definition, a deleted device is removed at once', () => {
  const { book, models, live, frames } = nodeSyncRig();
  book.upsert(thermostat());
  live();
  models.set('default/therm', thermostatModel({ maximum: 50 }));
  book.modelChanged('default/therm');
  const [added] = frames();
  assert.is(added?.content.added_devices?.[0]?.hivelet?.profile.properties[0]?.maximum, '50');
  book.remove(thermostat());
  assert.equal(
    frames().map(({ content }) => content.removed_devices),
    [[{ id: 'thermo', name: 'thermo' }]],
  );
});

test('a model that is deleted takes nothing from the edge, and desired values still go down', () => {
  const { book, models, live, frames } = nodeSyncRig();
  book.upsert(thermostat());
  live();
  models.clear();
  book.modelChanged('default/therm');
  assert.equal(frames(), []);
  book.upsert(thermostat({ version: 8, desired: '30' }));
  assert.equal(
    frames().map(({ resource }) => resource),
    ['device/thermo/twin/cloud_updated'],
  );
});

test('a new device waits a second for its model, which is often in the same file', async () => {
  const { clock, book, models, live, frames } = nodeSyncRig('hivelet', false);
  live();
  book.upsert(thermostat());
  assert.equal(frames(), []);
  models.set('default/therm', thermostatModel());
  book.modelChanged('default/therm');
  assert.is(frames()[0]?.content.added_devices?.[0]?.hivelet?.profile.properties.length, 2);
  await clock.advance(1000);
  assert.equal(frames(), []);
  book.upsert(thermostat({ name: 'orphan', model: 'nobody' }));
  assert.equal(frames(), []);
  await clock.advance(1000);
  assert.is(frames()[0]?.content.added_devices?.[0]?.id, 'orphan', 'a device before its model is legal');
});

test('an edge that knows a device keeps it when the cloud lost the model, and hears its desired values', () => {
  const { book, live } = nodeSyncRig('hivelet', false);
  book.upsert(thermostat());
  const [detail, update] = live({ 'uid-default-thermo': 'a hash with the model' });
  assert.equal(detail?.content.hivelet.unchanged, ['thermo']);
  assert.equal(detail?.content.devices, []);
  assert.is(update?.resource, 'device/thermo/twin/cloud_updated');
});

test('a frame is not filled beyond bounds: the rest of a large snapshot follows in single messages', () => {
  const { book, models, live } = nodeSyncRig();
  const model = thermostatModel();
  (model.spec as { properties: { description?: string }[] }).properties[0]!.description = 'x'.repeat(200_000);
  models.set('default/therm', model);
  for (let index = 0; index < 30; index++) book.upsert(thermostat({ name: `d${index}` }));
  const [detail, ...rest] = live();
  const inDetail = detail!.content.devices.length;
  assert.ok(JSON.stringify(detail).length < 5 * 1024 * 1024);
  assert.is(inDetail + rest.length, 30);
  assert.is(detail!.content.hivelet.unchanged.length, 30 - inDetail, 'none of the rest may be taken for gone');
});

test('when the link ends no timer is left', () => {
  const { clock, abort } = nodeSyncRig();
  abort.abort();
  assert.is(clock.pending, 0);
});

test.run();

/** The MQTT topics of edgecore, parsed, built and matched. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deviceTopic, nodeTopic, parseTopic, subscriptions, topicMatches, type EdgeTopic } from '#wire/topics.ts';

type DeviceTopic = Extract<EdgeTopic, { device: string }>;
const device = (id: string, kind: DeviceTopic['kind']): DeviceTopic => ({ kind, device: id });

const topics: [topic: string, meaning: EdgeTopic][] = [
  ['$hw/events/device/led/twin/update', device('led', 'twin.update')],
  ['$hw/events/device/led/twin/get', device('led', 'twin.get')],
  ['$hw/events/device/led/twin/cloud_updated', device('led', 'twin.cloud_updated')],
  ['$hw/events/device/led/state/update', device('led', 'state.update')],
  ['$hw/events/device/led/state/get', device('led', 'state.get')],
  // Ids that KubeEdge cannot take, since it looks for their text in the whole topic (mqtt-topics.md 2.1).
  ['$hw/events/device/device/twin/get', device('device', 'twin.get')],
  ['$hw/events/device/e/twin/get', device('e', 'twin.get')],
  ['$hw/events/device/$hw/twin/get', device('$hw', 'twin.get')],
  ['$hw/events/device/twin/twin/update', device('twin', 'twin.update')],
  ['$hw/events/device/a b é/twin/update', device('a b é', 'twin.update')],
  ['$hw/events/device/__proto__/twin/update', device('__proto__', 'twin.update')],
  // What edgecore says itself.
  ['$hw/events/device/led/twin/update/result', { kind: 'ignored' }],
  ['$hw/events/device/led/twin/update/delta', { kind: 'ignored' }],
  ['$hw/events/device/led/twin/update/document', { kind: 'ignored' }],
  ['$hw/events/device/led/twin/get/result', { kind: 'ignored' }],
  ['$hw/events/device/led/state/update/result', { kind: 'ignored' }],
  ['$hw/events/device/led/updated', { kind: 'ignored' }],
  // Too short, too long, without an id, unknown.
  ['$hw/events/device', { kind: 'ignored' }],
  ['$hw/events/device/', { kind: 'ignored' }],
  ['$hw/events/device/led', { kind: 'ignored' }],
  ['$hw/events/device/led/twin', { kind: 'ignored' }],
  ['$hw/events/device//twin/update', { kind: 'ignored' }],
  ['$hw/events/device/led/twin/update/', { kind: 'ignored' }],
  ['$hw/events/device/led/twin/', { kind: 'ignored' }],
  ['$hw/events/device/led/twin/unknown', { kind: 'ignored' }],
  ['$hw/events/device/led/Twin/update', { kind: 'ignored' }],
  ['$hw/events/device/led/toString/constructor', { kind: 'ignored' }],
  ['$hw/events/device/ns/led/twin/update', { kind: 'ignored' }],
  ['$hw/events/node/edge-1/membership/get', { kind: 'membership.get', node: 'edge-1' }],
  ['$hw/events/node/other/membership/get', { kind: 'membership.get', node: 'other' }],
  ['$hw/events/node//membership/get', { kind: 'ignored' }],
  ['$hw/events/node/edge-1/membership/get/result', { kind: 'ignored' }],
  ['$hw/events/node/edge-1/membership/updated', { kind: 'ignored' }],
  ['$hw/events/node/edge-1/authInfo/get/result', { kind: 'ignored' }],
  ['$hw/events/upload', { kind: 'upload' }],
  ['$hw/events/upload/', { kind: 'upload' }],
  ['$hw/events/upload/a/b/c', { kind: 'upload' }],
  ['$hw/events/uploads/a', { kind: 'other' }],
  ['$hw/events/edgeGroup/n/membership/get', { kind: 'other' }],
  ['$hw/event/device/led/twin/update', { kind: 'other' }],
  ['$hw/events', { kind: 'other' }],
  ['$hw', { kind: 'other' }],
  ['$hw/', { kind: 'other' }],
  ['$hwx/events/device/led/twin/update', { kind: 'other' }],
  ['hw/events/device/led/twin/update', { kind: 'other' }],
  ['SYS/dis/upload_records', { kind: 'upload' }],
  ['SYS/dis/upload_records/more', { kind: 'other' }],
  ['$SYS/dis/upload_records', { kind: 'other' }],
  ['sys/dis/upload_records', { kind: 'other' }],
  ['edge-1/user/alarm', { kind: 'upload' }],
  ['edge-1/user', { kind: 'upload' }],
  ['edge-1/user/', { kind: 'upload' }],
  ['/user/alarm', { kind: 'upload' }],
  ['edge-1/users/alarm', { kind: 'other' }],
  ['a/b/user/alarm', { kind: 'other' }],
  ['user/alarm', { kind: 'other' }],
  ['user', { kind: 'other' }],
  ['$edge/user/alarm', { kind: 'other' }],
  ['$ke/events/device/led/data/update', { kind: 'other' }],
  ['', { kind: 'other' }],
  ['/', { kind: 'other' }],
];
for (const [topic, meaning] of topics) {
  test(`${JSON.stringify(topic)} means ${Object.values(meaning).join(' ')}`, () => assert.equal(parseTopic(topic), meaning));
}

const all = [...subscriptions.device, ...subscriptions.node, ...subscriptions.upload];
test('what edgecore acts on is what it subscribes to, as it says to an external broker', () => {
  for (const [topic, { kind }] of topics) {
    const subscribed = all.some((filter) => topicMatches(filter, topic));
    // state/get has no subscription in KubeEdge; the embedded broker shows it to us all the same.
    if (kind !== 'ignored' && kind !== 'state.get') assert.is(subscribed, kind !== 'other', topic);
  }
});

test('the topics on which edgecore answers are none that it acts on', () => {
  const answers = ['updated', 'stateResult', 'stateGetResult', 'twinGetResult', 'twinResult', 'twinDocument', 'twinDelta'] as const;
  for (const answer of answers) assert.equal(parseTopic(deviceTopic[answer]('led')), { kind: 'ignored' }, answer);
  for (const build of Object.values(nodeTopic)) assert.equal(parseTopic(build('n')), { kind: 'ignored' });
});

test('the topics for requests are those that are parsed', () => {
  assert.equal(parseTopic(deviceTopic.twinUpdate('led')), device('led', 'twin.update'));
  assert.equal(parseTopic(deviceTopic.twinGet('led')), device('led', 'twin.get'));
  assert.equal(parseTopic(deviceTopic.stateUpdate('led')), device('led', 'state.update'));
});

const matches: [filter: string, topic: string, match: boolean][] = [
  ['a', 'a', true],
  ['a', 'A', false],
  ['a', 'a/', false],
  ['a/', 'a', false],
  ['a/b', 'a/b', true],
  ['a/b', 'a', false],
  ['a', 'a/b', false],
  ['+', 'a', true],
  ['+', '', true],
  ['+', 'a/b', false],
  ['+/+', 'a/b', true],
  ['+/+', '/b', true],
  ['/+', '/b', true],
  ['+', '/b', false],
  ['a/+', 'a', false],
  ['a/+', 'a/', true],
  ['a/+/c', 'a/b/c', true],
  ['a/+/c', 'a/b/d', false],
  ['#', 'a', true],
  ['#', 'a/b/c', true],
  ['#', '', true],
  ['a/#', 'a', true],
  ['a/#', 'a/', true],
  ['a/#', 'a/b/c', true],
  ['a/#', 'ab', false],
  ['a/b/#', 'a', false],
  ['+/#', 'a/b', true],
  ['+/b/#', 'a/b', true],
  // Wildcards at the beginning never match what begins with $ [MQTT-4.7.2-1].
  ['#', '$SYS/uptime', false],
  ['+/uptime', '$SYS/uptime', false],
  ['+', '$SYS', false],
  ['$SYS/#', '$SYS/uptime', true],
  ['$SYS/+', '$SYS/uptime', true],
  ['$hw/#', '$hw', true],
  ['+/user/#', 'edge-1/user/a', true],
  ['+/user/#', '$edge/user/a', false],
  ['a/$b', 'a/$b', true],
  ['a/+', 'a/$b', true],
  ['a/#', 'a/$b', true],
];
for (const [filter, topic, match] of matches) {
  test(`${JSON.stringify(filter)} ${match ? 'matches' : 'does not match'} ${JSON.stringify(topic)}`, () =>
    assert.is(topicMatches(filter, topic), match));
}

test.run();

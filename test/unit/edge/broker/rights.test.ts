/** Proves who may publish and subscribe to what, wildcards and client ids that try to reach further included. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Account } from '#edge/broker/accounts.ts';
import { covers, rightsOf } from '#edge/broker/rights.ts';
import { matches } from '#edge/broker/topic.ts';

const account = (more: Partial<Account> = {}): Account => ({
  name: 'press-07',
  kind: 'device',
  certificate: false,
  publish: [],
  subscribe: [],
  ...more,
});

test('a filter is covered only by a pattern that matches everything it could match', () => {
  const cases: [pattern: string, filter: string, covered: boolean][] = [
    ['a/b', 'a/b', true],
    ['a/b', 'a/+', false],
    ['a/+', 'a/+', true],
    ['a/+', 'a/b', true],
    ['a/+', 'a/#', false],
    ['a/+', 'a', false],
    ['a/+', 'a/b/c', false],
    ['a/#', 'a', true],
    ['a/#', 'a/#', true],
    ['a/#', 'a/+/c', true],
    ['a/#', '+/b', false],
    ['a/#', '#', false],
    ['+/b', '+/b', true],
    ['+/b', '#', false],
    ['#', '#', true],
    ['#', 'a/#', true],
    ['#', '$hw/#', false],
    ['+/x', '$hw/x', false],
    ['$hw/+', '$hw/+', true],
    ['$hw/#', '#', false],
    ['', 'a', false],
  ];
  for (const [pattern, filter, covered] of cases) assert.is(covers(pattern, filter), covered, `${pattern} covers ${filter}`);
});

test('what covers() grants agrees with the matcher on every topic of a small world', () => {
  const levels = ['a', 'b', '$s'];
  const topics = [...levels, ...levels.flatMap((x) => levels.map((y) => `${x}/${y}`)), 'a/b/a', '$s/a/b', 'b/a/b'];
  const parts = ['a', 'b', '$s', '+'];
  const filters = [...parts, '#', ...parts.flatMap((x) => [...parts, '#'].map((y) => `${x}/${y}`)), 'a/+/#', '+/+/+', 'a/b/a'];
  for (const pattern of filters) {
    for (const filter of filters) {
      const reached = topics.filter((topic) => matches(filter, topic) && !matches(pattern, topic));
      if (covers(pattern, filter)) assert.equal(reached, [], `${pattern} covers ${filter}`);
    }
  }
});

test('a device publishes its own requests and uploads, and nothing that edgecore or another device says', () => {
  const { mayPublish } = rightsOf(account(), 'any');
  const own = '$hw/events/device/press-07';
  for (const topic of [
    `${own}/state/update`,
    `${own}/state/get`,
    `${own}/twin/update`,
    `${own}/twin/get`,
    `${own}/twin/cloud_updated`,
    '$hw/events/upload/any/thing',
    'SYS/dis/upload_records',
    'node-1/user/app',
  ]) {
    assert.ok(mayPublish(topic), topic);
  }
  for (const topic of [
    '$hw/events/device/press-08/twin/update',
    '$hw/events/device/press-0/twin/update',
    '$hw/events/device/press-07x/twin/update',
    '$hw/events/device//twin/update',
    `${own}/twin/update/delta`,
    `${own}/twin/update/result`,
    `${own}/twin/get/result`,
    `${own}/state/get/result`,
    `${own}/updated`,
    `${own}/`,
    own,
    '$hw/events/node/node-1/membership/get',
    '$hw/events/node/node-1/membership/updated',
    '$hw/events/connected/node-1',
    '$ke/events/device/press-08/data/update',
    '$SYS/x',
    '$hw/user/x',
    'default/anything',
    'press-07',
  ]) {
    assert.not.ok(mayPublish(topic), topic);
  }
});

test('a device subscribes to what concerns itself, however it is written', () => {
  const { maySubscribe, mayRead } = rightsOf(account(), 'any');
  const own = '$hw/events/device/press-07';
  for (const filter of [`${own}/#`, `${own}/twin/update/delta`, `${own}/twin/+/result`, `${own}/+/#`])
    assert.ok(maySubscribe(filter), filter);
  for (const filter of [
    '#',
    '+/#',
    '$hw/#',
    '$hw/events/device/+/twin/update/delta',
    '$hw/events/device/#',
    '$hw/events/+/press-07/#',
    '$hw/events/device/press-08/#',
    '$hw/events/node/node-1/membership/updated',
    '$SYS/#',
    `$share/group/${own}/#`,
    'SYS/dis/upload_records',
  ]) {
    assert.not.ok(maySubscribe(filter), filter);
  }
  assert.ok(mayRead(`${own}/updated`));
  assert.not.ok(mayRead('$hw/events/device/press-08/updated'));
});

test('an app may what its patterns say; its client id widens none of them', () => {
  const app = account({ name: 'panel', kind: 'app', publish: ['site/%u/%c/cmd'], subscribe: ['site/%u/%c/#'] });
  assert.ok(rightsOf(app, 'left').mayPublish('site/panel/left/cmd'));
  assert.not.ok(rightsOf(app, 'left').mayPublish('site/panel/right/cmd'));
  assert.not.ok(rightsOf(app, 'left').mayPublish('$hw/events/device/panel/twin/update'));
  for (const id of ['+', '#', 'a/b', '']) {
    assert.not.ok(rightsOf(app, id).mayPublish('site/panel/left/cmd'), id);
    assert.not.ok(rightsOf(app, id).maySubscribe(`site/panel/${id}/x`), id);
  }
  assert.not.ok(rightsOf(account({ kind: 'app', publish: [] }), 'x').mayPublish('a'));
});

test.run();

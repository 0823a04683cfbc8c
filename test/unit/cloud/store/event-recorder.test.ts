/** Events: counted when they repeat, bounded per object, in total and in memory, and never in anybody's way. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import { events, type KubeObject } from '#cloud/store/kube-api.ts';
import { EventRecorder, type HappenedEvent, type Involved } from '#cloud/store/kubeconfig/event-recorder.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { MemoryKubeApi } from '#test/support/memory-kube-api.ts';

const ABOUT: Involved = { apiVersion: 'v1', kind: 'Device', namespace: 'hall', name: 'thermo', uid: 'u1' };

function rig() {
  const clock = new FakeClock();
  const api = new MemoryKubeApi();
  const abort = new AbortController();
  const recorder = new EventRecorder({ api, clock, log: silentLogger(), signal: abort.signal, component: 'tests' });
  const stored = async (): Promise<KubeObject[]> => (await api.list(events)).items;
  const writes = (): number => api.calls.filter(({ verb }) => verb === 'create' || verb === 'patch').length;
  const say = (message: string, about = ABOUT): void => recorder.record(about, happened(message));
  const settle = async (): Promise<void> => {
    for (let round = 0; round < 20; round += 1) await clock.settle();
  };
  return { clock, api, abort, recorder, stored, writes, say, settle };
}

const happened = (message: string): HappenedEvent => ({ type: 'Warning', reason: 'WriteRefused', message });

test('an event names its object, its source and its time', async () => {
  const { say, settle, stored } = rig();
  say('no');
  await settle();
  const [event] = await stored();
  assert.match(event?.metadata.name ?? '', /^thermo\.[0-9a-f]+$/);
  assert.is(event?.metadata.namespace, 'hall');
  assert.ok(event);
  const { metadata: _metadata, firstTimestamp, lastTimestamp, ...rest } = event;
  assert.is(firstTimestamp, lastTimestamp);
  assert.match(String(firstTimestamp), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.equal(rest, {
    apiVersion: 'v1',
    kind: 'Event',
    involvedObject: ABOUT,
    type: 'Warning',
    reason: 'WriteRefused',
    message: 'no',
    source: { component: 'tests' },
    reportingComponent: 'tests',
    reportingInstance: '',
    eventTime: null,
    count: 1,
  });
});

test('the same event again is counted in the same object', async () => {
  const { clock, say, settle, stored, api } = rig();
  say('no');
  await settle();
  await clock.advance(5000);
  say('no');
  await settle();
  const [event, ...others] = await stored();
  assert.equal([event?.['count'], others.length], [2, 0]);
  assert.is(Date.parse(String(event?.['lastTimestamp'])) - Date.parse(String(event?.['firstTimestamp'])), 5000);
  assert.is(api.patches(events).length, 1);
});

test('what repeats while it is written is one more write', async () => {
  const { say, settle, stored, writes } = rig();
  for (let count = 0; count < 10; count += 1) say('no');
  await settle();
  assert.equal([(await stored())[0]?.['count'], writes()], [10, 2]);
});

test('one that has expired in the API starts anew', async () => {
  const { api, say, settle, stored } = rig();
  say('no');
  await settle();
  const [first] = await stored();
  api.remove(events, { namespace: 'hall', name: first?.metadata.name ?? '' });
  say('no');
  await settle();
  assert.equal(
    (await stored()).map(({ count, metadata }) => [count, metadata.name === first?.metadata.name]),
    [[1, false]],
  );
});

test('of one object 25 come through, then one a minute; others are not held up', async () => {
  const { clock, recorder, say, settle, stored } = rig();
  for (let count = 0; count < 60; count += 1) say(`no ${count}`);
  say('mine', { ...ABOUT, name: 'other', uid: 'u2' });
  await clock.advance(1000);
  await settle();
  assert.is((await stored()).length, 26);
  assert.is(recorder.dropped, 35);
  await clock.advance(59_000);
  say('late');
  say('too soon');
  await settle();
  assert.equal(
    (await stored()).slice(26).map(({ message }) => message),
    ['late'],
  );
});

test('all objects together are bounded by five a second after the first 25, and what waits by its number', async () => {
  const { clock, recorder, say, settle, writes } = rig();
  for (let count = 0; count < 1000; count += 1) say('no', { ...ABOUT, name: `d${count}`, uid: `u${count}` });
  await settle();
  assert.is(writes(), 25);
  assert.is(recorder.dropped, 499);
  await clock.advance(1000);
  await settle();
  assert.ok(writes() <= 31, `${writes()} after a second`);
  for (let second = 0; second < 100; second += 1) await clock.advance(1000);
  assert.is(writes(), 501);
});

test('an API that is away is asked again with pauses, a refusal is left', async () => {
  const { clock, api, recorder, say, settle, stored } = rig();
  let failures = 3;
  api.before = ({ verb }) => {
    if (verb === 'create' && failures-- > 0) throw MemoryKubeApi.failure(503, 'ServiceUnavailable');
  };
  say('no');
  await settle();
  assert.equal(await stored(), []);
  for (let second = 0; second < 10; second += 1) await clock.advance(1000);
  assert.is((await stored()).length, 1);
  api.before = ({ verb }) => {
    if (verb === 'create') throw MemoryKubeApi.failure(403, 'Forbidden');
  };
  say('never');
  for (let second = 0; second < 10; second += 1) await clock.advance(1000);
  assert.is((await stored()).length, 1);
  assert.is(recorder.dropped, 1);
});

test('after the end nothing is written and nothing waits', async () => {
  const { clock, abort, say, settle, writes } = rig();
  for (let count = 0; count < 100; count += 1) say('no', { ...ABOUT, uid: `u${count}` });
  await settle();
  const before = writes();
  abort.abort(new Error('stopped'));
  await settle();
  say('no');
  await clock.advance(60_000);
  assert.is(writes(), before);
  assert.is(clock.pending, 0);
});

test.run();

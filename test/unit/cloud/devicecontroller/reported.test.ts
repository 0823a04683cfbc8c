/** The way up: from a node's messages to the status of the Device, with an answer when the API has it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import { DeviceBook } from '#cloud/devicecontroller/device-book.ts';
import { Reported, type ReportingNode } from '#cloud/devicecontroller/reported.ts';
import { devices } from '#cloud/store/kube-api.ts';
import { createMessage, type BeehiveMessage } from '#wire/message.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { thermostat, thermostatModel } from '#test/support/device-objects.ts';
import { MemoryKubeApi } from '#test/support/memory-kube-api.ts';

const NAME = { namespace: 'default', name: 'thermo' };
const KEY = 'default/thermo';

interface Status {
  state?: string;
  lastOnlineTime?: string;
  conditions?: { type: string; status: string; message: string }[];
  twins?: { propertyName: string; desired?: unknown; reported?: { value: string; metadata: { timestamp: string; type: string } } }[];
}

function rig(nodeState: 'ready' | 'lost' | 'missing' = 'ready') {
  const clock = new FakeClock();
  const api = new MemoryKubeApi();
  const abort = new AbortController();
  const world = { nodeState };
  const book = new DeviceBook({ model: () => thermostatModel(), statusChanged: (key) => reported.statusChanged(key) });
  const reported: Reported = new Reported({
    api,
    clock,
    log: silentLogger(),
    signal: abort.signal,
    book,
    object: (key) => api.peek(devices, { namespace: key.split('/')[0], name: key.split('/')[1] ?? '' }),
    nodeState: () => world.nodeState,
  });
  /** Somebody writes the Device, and the watch shows it. */
  const apply = (object = thermostat()): void => book.upsert(api.put(devices, object));
  const answers: BeehiveMessage[] = [];
  const node = (over: Partial<ReportingNode> = {}): ReportingNode => ({
    node: 'pi',
    peer: 'hivelet',
    store: 'store-1',
    send: (message) => void answers.push(message),
    ...over,
  });
  const status = (): Status => api.peek(devices, NAME)?.status as Status;
  const value = (name: string): string | undefined => status().twins?.find(({ propertyName }) => propertyName === name)?.reported?.value;
  const condition = (type: string): string | undefined => status().conditions?.find((entry) => entry.type === type)?.status;
  return { clock, api, abort, world, book, reported, apply, answers, node, status, value, condition };
}

function message(resource: string, content: unknown): BeehiveMessage {
  return createMessage(1, { source: 'twin', group: 'resource', operation: 'update', resource, content });
}

function twinReport(values: Record<string, string>, edge: number, hivelet?: Record<string, unknown>): BeehiveMessage {
  const twin = Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      { actual: { value, metadata: { timestamp: 1_800_000_000_077 } }, metadata: { type: 'int' }, actual_version: { cloud: 0, edge } },
    ]),
  );
  return message('device/thermo/twin/edge_updated', { event_id: 'e', timestamp: 1, twin, ...(hivelet === undefined ? {} : { hivelet }) });
}

test('a report goes into the status, is answered as KubeEdge answers, and desired stays', async () => {
  const { clock, reported, apply, node, answers, status } = rig();
  apply();
  const report = twinReport({ setpoint: '21', temperature: '19' }, 1);
  assert.is(reported.receive(node(), report), undefined);
  await clock.settle();
  assert.equal(status().twins, [
    {
      propertyName: 'setpoint',
      desired: { value: '21', metadata: { type: 'int' } },
      reported: { value: '21', metadata: { timestamp: '1800000000077', type: 'int', quality: 'good' } },
    },
    { propertyName: 'temperature', reported: { value: '19', metadata: { timestamp: '1800000000077', type: 'int', quality: 'good' } } },
  ]);
  assert.equal(
    answers.map(({ route, header, content }) => [route, header.parent_msg_id, content]),
    [[{ source: 'devicecontroller', group: 'twin', operation: 'response', resource: 'twin' }, report.header.msg_id, 'OK']],
  );
});

test('an older report changes nothing and is answered all the same', async () => {
  const { clock, reported, apply, node, answers, value } = rig();
  apply();
  reported.receive(node(), twinReport({ setpoint: '5' }, 9));
  await clock.advance(5000);
  reported.receive(node(), twinReport({ setpoint: '4' }, 8));
  await clock.advance(5000);
  assert.is(value('setpoint'), '5');
  assert.is(answers.length, 2);
});

test('reaching a desired value goes to the API at once, other changes within their pace', async () => {
  const { clock, reported, apply, node, value, answers } = rig();
  apply();
  await clock.settle();
  reported.receive(node(), twinReport({ setpoint: '20' }, 1));
  await clock.settle();
  assert.is(value('setpoint'), undefined, 'the condition was written a moment ago');
  reported.receive(node(), twinReport({ setpoint: '21' }, 2));
  await clock.settle();
  assert.is(value('setpoint'), '21');
  assert.is(answers.length, 2);
  reported.receive(node(), twinReport({ setpoint: '22' }, 3));
  reported.receive(node(), twinReport({ setpoint: '21' }, 4));
  reported.receive(node(), twinReport({ setpoint: '22' }, 5));
  await clock.settle();
  assert.is(value('setpoint'), '21', 'a value that swings around the desired one settles it once');
  await clock.advance(1000);
  assert.is(value('setpoint'), '22');
  reported.receive(node(), twinReport({ setpoint: '21' }, 6));
  await clock.settle();
  assert.is(value('setpoint'), '22');
  await clock.advance(2000);
  assert.is(value('setpoint'), '21');
});

test('a chatty device that goes away is shown so within a second', async () => {
  const { clock, reported, apply, node, status, value } = rig();
  apply();
  const state = (word: string): unknown => reported.receive(node(), message('device/thermo/state/update', { device: { state: word } }));
  state('online');
  let second = 0;
  const chat = async (): Promise<void> => {
    reported.receive(node(), twinReport({ temperature: String(++second) }, second));
    await clock.advance(1000);
  };
  while (second < 60) await chat();
  // Until a value was just written, so that the next may have to wait for long.
  for (let held = value('temperature'); value('temperature') === held;) await chat();
  await chat();
  assert.is.not(value('temperature'), String(second), 'values are held back');
  state('offline');
  await clock.advance(1000);
  assert.equal([status().state, value('temperature')], ['offline', String(second)]);
});

test('a status that somebody wrote over heals', async () => {
  const { clock, reported, apply, node, value } = rig();
  apply();
  reported.receive(node(), twinReport({ setpoint: '21' }, 1));
  await clock.settle();
  apply(thermostat({ status: { twins: [{ propertyName: 'setpoint', desired: { value: '21' }, reported: { value: '' } }] } }));
  await clock.advance(1000);
  assert.is(value('setpoint'), '21');
});

for (const [what, node, report, reason] of [
  ['a device of another node', 'other', twinReport({ setpoint: '1' }, 1), 'device thermo is not bound to node other'],
  ['a device that does not exist', 'pi', message('device/ghost/twin/edge_updated', { twin: {} }), 'device ghost is not bound to node pi'],
  ['no report at all', 'pi', message('device/thermo', { twin: {} }), 'the message is no report of a device'],
  ['content that is no object', 'pi', message('device/thermo/twin/edge_updated', [1, 2]), 'the message is no report of a device'],
  ['a state that is no word', 'pi', message('device/thermo/state/update', { device: { state: 5 } }), 'device.state is not a word'],
  ['a twin of the wrong type', 'pi', message('device/thermo/twin/edge_updated', { twin: { a: 1 } }), 'twin "a" is not an object'],
] as const) {
  test(`${what} is refused with a reason and touches nothing`, async () => {
    const { clock, api, reported, apply, node: nodeOf, answers } = rig();
    apply();
    await clock.advance(5000);
    const before = JSON.stringify(api.peek(devices, NAME));
    assert.equal(reported.receive(nodeOf({ node }), report), { refused: reason });
    await clock.advance(5000);
    assert.is(JSON.stringify(api.peek(devices, NAME)), before);
    assert.equal(answers, [], 'the hub answers refusals');
  });
}

test('a report for an earlier device of that name is answered and dropped', async () => {
  const { clock, reported, apply, node, answers, value } = rig();
  apply();
  reported.receive(node(), twinReport({ setpoint: '3' }, 1, { uid: 'an-older-device', cluster_uid: 'c' }));
  await clock.advance(5000);
  assert.is(value('setpoint'), undefined);
  assert.is(answers.length, 1);
});

test('state, its reason and last-seen are shown; KubeEdge gets no answer to a state', async () => {
  const { clock, reported, apply, node, answers, status, condition } = rig();
  apply();
  await clock.advance(2000);
  const state = (word: string, version: number): BeehiveMessage =>
    message(
      'device/thermo/state/update',
      JSON.stringify({ device: { name: 'thermo', state: word, reason: 'no answer' }, hivelet: { uid: '', version } }),
    );
  reported.receive(node(), state('offline', 2));
  await clock.advance(2000);
  assert.is(status().state, 'offline');
  assert.is(condition('Ready'), 'False');
  assert.is(status().lastOnlineTime, undefined);
  assert.is(answers.length, 1);
  reported.receive(node(), state('online', 1));
  await clock.advance(10_000);
  assert.is(status().state, 'offline', 'an older state');
  reported.receive(node({ peer: 'kubeedge', store: 'link 1' }), state('online', 1));
  await clock.advance(10_000);
  assert.is(status().state, 'online');
  assert.is(status().lastOnlineTime, '2026-01-01T00:00:14Z');
  assert.is(answers.length, 2);
});

test('ages become times by the clock of the cloud; strange ones and strangers are left out', async () => {
  const { clock, reported, apply, node, answers, status } = rig();
  apply();
  await clock.advance(60_000);
  reported.receiveLastSeen(node(), message('devices/last-seen', { ages: { thermo: 20_000, ghost: 1, bad: -5, worse: 'x' } }));
  await clock.advance(2000);
  assert.is(status().lastOnlineTime, '2026-01-01T00:00:40Z');
  assert.is(answers.length, 1);
  assert.equal(reported.receiveLastSeen(node(), message('devices/last-seen', 'x')), { refused: 'the message names no ages' });
});

test('devices of a lost node are unknown, and again what they were when the node is back', async () => {
  const { clock, world, reported, apply, node, status, condition } = rig();
  apply();
  reported.receive(node(), message('device/thermo/state/update', { device: { state: 'online' } }));
  await clock.advance(2000);
  world.nodeState = 'lost';
  reported.nodeChanged('pi');
  await clock.advance(10_000);
  assert.is(status().state, 'unknown');
  assert.is(condition('Ready'), 'Unknown');
  world.nodeState = 'ready';
  reported.nodeChanged('pi');
  await clock.advance(10_000);
  assert.is(status().state, 'online');
  assert.is(condition('Ready'), 'True');
});

test('after a restart of the cloud the word of the API stands until the node speaks: nothing is written', async () => {
  const first = rig();
  first.apply();
  first.reported.receive(first.node(), message('device/thermo/state/update', { device: { state: 'online' } }));
  await first.clock.advance(5000);
  const left = first.api.peek(devices, NAME)!;
  const second = rig();
  second.apply(left);
  await second.clock.advance(60_000);
  assert.equal(second.api.patches(devices), []);
});

test('a local override shows as a condition with its value until the text of the API changes', async () => {
  const { clock, reported, apply, node, status, condition } = rig();
  apply();
  const twin = { setpoint: { override: true, expected: { value: '25' }, actual: { value: '25' }, actual_version: { edge: 1 } } };
  reported.receive(node(), message('device/thermo/twin/edge_updated', { twin }));
  await clock.advance(5000);
  assert.is(status().conditions?.find(({ type }) => type === 'LocalOverride')?.message, 'setpoint is held at 25 (the API wants 21)');
  apply(
    thermostat({ version: 8, desired: '22', status: { ...status(), twins: [{ propertyName: 'setpoint', desired: { value: '22' } }] } }),
  );
  await clock.advance(5000);
  assert.is(condition('LocalOverride'), undefined);
});

test('nobody but the edge changes what is reported: two stores of one node, one after the other', async () => {
  const { clock, reported, apply, node, value } = rig();
  apply();
  reported.receive(node(), twinReport({ setpoint: '9' }, 500));
  await clock.advance(5000);
  reported.receive(node({ store: 'store-2' }), twinReport({ setpoint: '1' }, 1));
  await clock.advance(5000);
  assert.is(value('setpoint'), '1', 'the board got a new card: its counter starts at 1 again');
});

test('what a deleted device said is forgotten', async () => {
  const { clock, api, book, reported, apply, node, value } = rig();
  apply(thermostat({ uid: 'first' }));
  reported.receive(node(), twinReport({ setpoint: '9' }, 5));
  await clock.advance(5000);
  api.remove(devices, NAME);
  book.remove(thermostat({ uid: 'first' }));
  reported.forget(KEY, 'first');
  apply(thermostat({ uid: 'second' }));
  await clock.advance(5000);
  assert.is(value('setpoint'), undefined);
});

test.run();

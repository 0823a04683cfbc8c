/** Writing status: paced, retried, one at a time per device, and receipts only when the API has it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import { StatusWriter, type Receipt } from '#cloud/devicecontroller/status-writer.ts';
import { devices, type JsonPatchOperation, type KubeObject } from '#cloud/store/kube-api.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { thermostat } from '#test/support/device-objects.ts';
import { MemoryKubeApi } from '#test/support/memory-kube-api.ts';

const KEY = 'default/thermo';
const NAME = { namespace: 'default', name: 'thermo' };

function rig() {
  const clock = new FakeClock();
  const api = new MemoryKubeApi();
  api.put(devices, thermostat());
  const abort = new AbortController();
  const brisk = { now: false };
  /** What status.state is to say; the watch sees the store at once unless it is frozen. */
  const want = { state: 'online' };
  const watch: { frozen?: KubeObject } = {};
  const writer = new StatusWriter({
    api,
    clock,
    log: silentLogger(),
    signal: abort.signal,
    object: () => watch.frozen ?? api.peek(devices, NAME),
    plan: (_key, object): JsonPatchOperation[] =>
      (object.status as { state?: string }).state === want.state
        ? []
        : [
            { op: 'test', path: '/metadata/name', value: 'thermo' },
            { op: 'add', path: '/status/state', value: want.state },
          ],
    brisk: () => brisk.now,
  });
  const heard: string[] = [];
  const receipt = (text: string, node = 'pi'): Receipt => ({
    node,
    done: () => heard.push(text),
    refused: (reason) => heard.push(`${text} refused: ${reason}`),
  });
  const stateInApi = (): unknown => (api.peek(devices, NAME)?.status as { state?: string } | undefined)?.state;
  return { clock, api, abort, brisk, want, watch, writer, heard, receipt, stateInApi, writes: () => api.patches(devices).length };
}

test('the first write goes at once, lazily synced, and its receipt after it', async () => {
  const { clock, api, writer, heard, receipt, stateInApi } = rig();
  let release: () => void = () => undefined;
  api.before = () => new Promise((resolve) => (release = resolve));
  writer.touch(KEY, { receipt: receipt('r1') });
  await clock.settle();
  assert.equal(heard, []);
  release();
  await clock.settle();
  assert.is(stateInApi(), 'online');
  assert.equal(heard, ['r1']);
  assert.is(api.patches(devices)[0]?.persist, 'later');
});

test('what the API says already is receipted without a write', async () => {
  const { api, writer, heard, receipt, writes } = rig();
  api.put(devices, thermostat({ status: { state: 'online' } }));
  writer.touch(KEY, { receipt: receipt('r1') });
  assert.equal(heard, ['r1']);
  assert.is(writes(), 0);
});

test('changes within a second become one write, and all their receipts wait for it', async () => {
  const { clock, want, writer, heard, receipt, stateInApi, writes } = rig();
  writer.touch(KEY, { receipt: receipt('r1') });
  await clock.settle();
  for (const state of ['a', 'b', 'c']) {
    want.state = state;
    writer.touch(KEY, { receipt: receipt(state) });
  }
  await clock.advance(999);
  assert.equal(heard, ['r1']);
  await clock.advance(1);
  assert.equal(heard, ['r1', 'a', 'b', 'c']);
  assert.is(stateInApi(), 'c');
  assert.is(writes(), 2);
});

test('an urgent change waits for nothing', async () => {
  const { clock, want, writer, heard, receipt } = rig();
  writer.touch(KEY);
  await clock.settle();
  want.state = 'reached';
  writer.touch(KEY, { urgent: true, receipt: receipt('r') });
  await clock.settle();
  assert.equal(heard, ['r']);
});

test('a device whose desired value changed gets its pending write within a second, however chatty it was', async () => {
  const { clock, brisk, want, writer, heard, receipt } = rig();
  for (let index = 0; index < 30; index++) {
    want.state = `s${index}`;
    writer.touch(KEY);
    await clock.advance(1000);
  }
  want.state = 'pending';
  writer.touch(KEY, { receipt: receipt('r') });
  await clock.advance(1500);
  assert.equal(heard, []);
  brisk.now = true;
  writer.touch(KEY);
  await clock.advance(1000);
  assert.equal(heard, ['r']);
});

test('a change during a write is written after it', async () => {
  const { clock, api, want, writer, stateInApi, heard, receipt } = rig();
  let release: () => void = () => undefined;
  api.before = () => new Promise((resolve) => (release = resolve));
  writer.touch(KEY, { receipt: receipt('first') });
  await clock.settle();
  want.state = 'newer';
  writer.touch(KEY, { receipt: receipt('second') });
  api.before = () => undefined;
  release();
  await clock.settle();
  assert.equal(heard, ['first']);
  await clock.advance(2000);
  assert.equal(heard, ['first', 'second']);
  assert.is(stateInApi(), 'newer');
});

for (const [code, reason] of [
  [409, 'Conflict'],
  [422, 'Invalid'],
] as const) {
  test(`${code} ${reason}: reads again and writes`, async () => {
    const { clock, api, writer, heard, receipt, stateInApi } = rig();
    let left = 2;
    api.before = ({ verb }) => {
      if (verb === 'patch' && left-- > 0) throw MemoryKubeApi.failure(code, reason);
    };
    writer.touch(KEY, { receipt: receipt('r') });
    await clock.settle();
    assert.equal(
      api.calls.map(({ verb }) => verb),
      ['patch', 'get', 'patch', 'get', 'patch'],
    );
    assert.equal(heard, ['r']);
    assert.is(stateInApi(), 'online');
  });
}

test('a refusal that does not end is told to the node, and tried again with back-off', async () => {
  const { clock, api, writer, heard, receipt, stateInApi } = rig();
  let broken = true;
  api.before = ({ verb }) => {
    if (verb === 'patch' && broken) throw MemoryKubeApi.failure(422, 'Invalid');
  };
  writer.touch(KEY, { receipt: receipt('r') });
  await clock.settle();
  assert.equal(heard, ['r refused: Invalid']);
  broken = false;
  await clock.advance(500);
  assert.is(stateInApi(), 'online');
  assert.equal(heard, ['r refused: Invalid'], 'a receipt is given once');
});

test('while the API is away receipts wait; touches neither hurry nor hold up the back-off', async () => {
  const { clock, api, writer, heard, receipt, writes } = rig();
  api.before = () => {
    throw new Error('connection refused');
  };
  writer.touch(KEY, { receipt: receipt('r') });
  for (let index = 0; index < 100; index++) {
    await clock.advance(100);
    writer.touch(KEY);
  }
  assert.equal(heard, []);
  assert.ok(writes() >= 4 && writes() < 20, `${writes()} tries in 10 s`);
  api.before = () => undefined;
  await clock.advance(30_000);
  assert.equal(heard, ['r']);
});

test('a device that is gone needs no write: what it said is superseded', async () => {
  const { clock, api, writer, heard, receipt } = rig();
  api.before = ({ verb }) => {
    if (verb === 'patch') api.remove(devices, NAME);
  };
  writer.touch(KEY, { receipt: receipt('in flight') });
  await clock.settle();
  writer.touch(KEY, { receipt: receipt('later') });
  assert.equal(heard, ['in flight', 'later']);
  await clock.advance(60_000);
  assert.is(clock.pending, 0);
});

test('a watch that is behind our own write causes no second one', async () => {
  const { clock, api, watch, writer, writes } = rig();
  watch.frozen = structuredClone(api.peek(devices, NAME)!);
  writer.touch(KEY);
  await clock.settle();
  writer.touch(KEY);
  await clock.advance(5000);
  assert.is(writes(), 1);
});

test('an API that crashed and lost our write before the watch showed it is told again', async () => {
  const { clock, api, watch, writer, stateInApi } = rig();
  const before = structuredClone(api.peek(devices, NAME)!);
  watch.frozen = before;
  writer.touch(KEY);
  await clock.settle();
  assert.is(stateInApi(), 'online');
  api.put(devices, before);
  writer.touch(KEY);
  await clock.settle();
  assert.is.not(stateInApi(), 'online');
  await clock.advance(20_000);
  assert.is(stateInApi(), 'online');
});

test('a server that drops a field silently is asked for it once only', async () => {
  const { clock, api, watch, writer, writes } = rig();
  // The patch changes nothing, because the schema prunes status.state: the object keeps its version.
  const pruned = structuredClone(api.peek(devices, NAME)!);
  watch.frozen = pruned;
  api.patch = async (type, name, patch) => {
    api.calls.push({ verb: 'patch', type: type.plural, name: name.name, patch });
    return structuredClone(pruned);
  };
  for (let index = 0; index < 5; index++) {
    writer.touch(KEY);
    await clock.advance(20_000);
  }
  assert.is(writes(), 1);
});

test('one node never waits for more than 16 receipts: the oldest is given early, so that its window stays open', async () => {
  const { clock, api, want, writer, heard, receipt } = rig();
  writer.touch(KEY);
  await clock.settle();
  want.state = 'held back';
  for (let index = 0; index < 20; index++) writer.touch(KEY, { receipt: receipt(`r${index}`) });
  writer.touch(KEY, { receipt: receipt('of another node', 'other') });
  assert.equal(heard, ['r0', 'r1', 'r2', 'r3']);
  await clock.advance(1000);
  assert.is(heard.length, 21);
  assert.is(new Set(heard).size, 21);
  assert.is((api.peek(devices, NAME)?.status as { state: string }).state, 'held back');
});

test('texts for tables wait a second for company, however often they are touched, and go with what is urgent', async () => {
  const clock = new FakeClock();
  const api = new MemoryKubeApi();
  api.put(devices, thermostat());
  const want = { values: 'setpoint 23 -> ?', state: '' };
  const status = (): { state?: string; summary?: { values?: string } } => api.peek(devices, NAME)?.status ?? {};
  const add = (path: string, value: unknown): JsonPatchOperation => ({ op: 'add', path, value });
  const writer = new StatusWriter({
    api,
    clock,
    log: silentLogger(),
    signal: new AbortController().signal,
    object: () => api.peek(devices, NAME),
    plan: () => [
      ...(status().summary?.values === want.values ? [] : [add('/status/summary', { values: want.values })]),
      ...(want.state === '' || status().state === want.state ? [] : [add('/status/state', want.state)]),
    ],
    brisk: () => true,
  });
  for (let tenth = 0; tenth < 9; tenth++) {
    writer.touch(KEY);
    await clock.advance(100);
  }
  assert.is(api.patches(devices).length, 0);
  await clock.advance(100);
  assert.is(status().summary?.values, want.values);
  want.values = 'setpoint 24 -> ?';
  writer.touch(KEY);
  await clock.advance(41);
  Object.assign(want, { values: 'setpoint 24 -> 24', state: 'online' });
  writer.touch(KEY, { urgent: true });
  await clock.settle();
  assert.equal([status().summary?.values, status().state, api.patches(devices).length], ['setpoint 24 -> 24', 'online', 2]);
});

test('after the stop nothing is written and no timer is left', async () => {
  const { clock, abort, want, writer, heard, receipt, writes } = rig();
  writer.touch(KEY);
  await clock.settle();
  want.state = 'later';
  writer.touch(KEY, { receipt: receipt('r') });
  abort.abort();
  writer.touch(KEY);
  await clock.advance(60_000);
  assert.is(writes(), 1);
  assert.equal(heard, []);
  assert.is(clock.pending, 0);
});

test.run();

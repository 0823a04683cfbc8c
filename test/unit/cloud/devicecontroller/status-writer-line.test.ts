/** Owns the proof of writing status under more load than the API takes: a long line of devices, each waiting for its turn. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import { StatusWriter, type Receipt } from '#cloud/devicecontroller/status-writer.ts';
import { devices } from '#cloud/store/kube-api.ts';
import { thermostat } from '#test/support/device-objects.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { MemoryKubeApi } from '#test/support/memory-kube-api.ts';

/** So many writes run at once; whoever comes behind them waits in line. */
const RUNNING = 32;

/** Devices that all want one write, of an API that answers nothing before `open`. */
function line(length: number) {
  const clock = new FakeClock();
  const api = new MemoryKubeApi();
  const names = Array.from({ length }, (_, index) => `device-${String(index).padStart(2, '0')}`);
  for (const name of names) api.put(devices, { ...thermostat(), metadata: { name, namespace: 'default', uid: name } });
  const seen = { planned: 0, written: [] as string[] };
  const gone = new Set<string>();
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  api.before = () => gate;
  const writer = new StatusWriter({
    api,
    clock,
    log: silentLogger(),
    signal: new AbortController().signal,
    object: (key) => (gone.has(key) ? undefined : api.peek(devices, { namespace: 'default', name: key.slice('default/'.length) })),
    plan: (_key, { status }) => {
      seen.planned += 1;
      return (status as { state?: string } | undefined)?.state === 'online' ? [] : [{ op: 'add', path: '/status/state', value: 'online' }];
    },
    brisk: () => false,
    written: (_before, { metadata }) => seen.written.push(metadata.name),
  });
  const keyOf = (index: number): string => `default/${names[index] ?? ''}`;
  for (let index = 0; index < length; index++) writer.touch(keyOf(index));
  const drain = async (): Promise<void> => {
    open();
    await clock.settle();
    await nextTurn();
    await clock.settle();
  };
  return { clock, names, seen, gone, writer, keyOf, drain };
}

const nextTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** A full collection, without a flag on the command line. */
function collect(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

test('in line nothing is planned before the turn comes, and what is urgent goes to the front', async () => {
  const { names, seen, writer, keyOf, drain } = line(60);
  const before = seen.planned;
  for (let count = 0; count < 10; count++) for (let index = RUNNING; index < 60; index++) writer.touch(keyOf(index));
  assert.is(seen.planned, before);
  writer.touch(keyOf(59), { urgent: true });
  await drain();
  assert.equal(seen.written, [...names.slice(0, RUNNING), 'device-59', ...names.slice(RUNNING, 59)]);
});

test('what was given early is not held on to while a device waits for its turn', async () => {
  const { writer, keyOf, drain } = line(RUNNING + 1);
  let given = 0;
  const made: WeakRef<Receipt>[] = [];
  for (let count = 0; count < 100; count++) {
    const receipt: Receipt = { node: 'pi', done: () => (given += 1), refused: assert.unreachable };
    made.push(new WeakRef(receipt));
    writer.touch(keyOf(RUNNING), { receipt });
  }
  await nextTurn();
  collect();
  assert.equal([given, made.filter((each) => each.deref() !== undefined).length], [84, 16]);
  await drain();
  assert.is(given, 100);
});

test('a device that is deleted while it is in line has nothing to wait for', async () => {
  const { seen, gone, writer, keyOf, drain } = line(RUNNING + 1);
  let given = 0;
  writer.touch(keyOf(RUNNING), { receipt: { node: 'pi', done: () => (given += 1), refused: assert.unreachable } });
  assert.is(given, 0);
  gone.add(keyOf(RUNNING));
  writer.touch(keyOf(RUNNING));
  assert.is(given, 1);
  await drain();
  assert.is(seen.written.length, RUNNING);
});

test.run();

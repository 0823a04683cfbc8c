// timeout: 420s
/** Proves that an OPC UA session goes on: values pushed and polled, 1,000 nodes, restarts of the server, a lost link, a server without subscriptions. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { isHiveletError } from '#beehive/errors.ts';
import type { Sampling } from '#mappers/contract.ts';
import { TcpRelay } from '#mappers/contract-test/index.ts';
import { closeAll, connect, point, serve, stop, subscribe } from '#test/simulators/opcua-rig.ts';
import { until } from '#test/support/until.ts';

const field = await serve({ count: 60 });

test('sixty nodes are pushed, first value and changes, with the time of the source', async () => {
  const { connection, link } = await connect(field.url);
  const names = Array.from({ length: 60 }, (_, index) => `value-${index}`);
  const [pushed, taken] = await subscribe(
    connection,
    link,
    names.map((name) => point(name)),
  );
  assert.is(taken.size, 60);
  await until(() => pushed.latest.size === 60, { what: 'all first values' });
  assert.equal(
    names.map((name) => pushed.value(name)),
    names.map((_, index) => index),
  );
  const before = systemClock.now();
  await field.ask({ do: 'set', name: 'value-7', value: 70.5 });
  await until(() => pushed.value('value-7') === 70.5, { what: 'the change' });
  const reading = pushed.latest.get('value-7');
  assert.ok(reading !== undefined && 'at' in reading && (reading.at ?? 0) >= before - 1000, 'it has the time of the change');
  assert.is(pushed.times.get('value-8'), 1, 'what did not change is told once');
});

test('a bad status is an error of its point, and an uncertain one makes the value stale', async () => {
  const { connection, link } = await connect(field.url);
  const [pushed] = await subscribe(connection, link, [point('value-1'), point('value-2')]);
  await until(() => pushed.latest.size === 2, { what: 'the first values' });
  await field.ask({ do: 'fail', name: 'value-1', status: 'BadSensorFailure' });
  await until(() => 'error' in (pushed.latest.get('value-1') ?? {}), { what: 'the failure' });
  const failed = pushed.latest.get('value-1');
  assert.ok(failed !== undefined && 'error' in failed);
  assert.is(failed.error, 'ns=2;s=value-1: BadSensorFailure: the sensor behind the server has failed');
  const [read] = await connection.read(link, [point('value-1')], { signal: stop.signal });
  assert.equal(read, { name: 'value-1', error: failed.error, answered: true });
  await field.ask({ do: 'fail', name: 'value-1' });
  await until(() => pushed.value('value-1') === 1, { what: 'the value again' });
});

test('a deadband keeps small changes back, and none that is as large as it', async () => {
  const { connection, link } = await connect(field.url);
  const wide = (kind: 'absolute' | 'percent', value: number): Sampling => ({ everyMs: 50, deadband: { kind, value } });
  const texts = ['String'].map((name) => ({ ...point(name, wide('absolute', 5)), type: 'string' as const }));
  // 80 % of the range of the node are 12.8, and of the value 2.8.
  const points = [point('value-20', wide('absolute', 5)), point('pressure', wide('percent', 80)), point('value-22', { everyMs: 50 })];
  const [pushed, taken] = await subscribe(connection, link, [...points, ...texts]);
  assert.equal([...taken].sort(), ['String', 'pressure', 'value-20', 'value-22'], 'a text takes no deadband, and is pushed without');
  await until(() => pushed.latest.size === 4, { what: 'the first values' });
  await field.ask({ do: 'set', name: 'value-20', value: 22 });
  for (const value of [23, 24, 25]) {
    await field.ask({ do: 'set', name: 'value-22', value });
    await until(() => pushed.value('value-22') === value, { what: 'the neighbour' });
  }
  assert.is(pushed.value('value-20'), 20, 'a change of 2 is not told');
  await field.ask({ do: 'set', name: 'value-20', value: 25 });
  await until(() => pushed.value('value-20') === 25, { what: 'a change of 5' });
  await field.ask({ do: 'set', name: 'pressure', value: 6.5 });
  await until(() => pushed.value('pressure') === 6.5, { what: 'a change of 86 % of the value' });
  await connection.close();
});

test('a device that goes while a subscription is made takes it from no other', async () => {
  const { connection, link } = await connect(field.url);
  const gone = new AbortController();
  assert.ok(connection.subscribe);
  const first = connection.subscribe(link, [point('Double')], () => undefined, gone.signal).catch((error: unknown) => error);
  const second = subscribe(connection, link, [point('fixed')]);
  gone.abort(new Error('it was removed'));
  const [pushed, taken] = await second;
  assert.equal([...taken], ['fixed']);
  assert.instance(await first, Error);
  await until(() => pushed.value('fixed') === 7, { what: 'the first value' });
  await connection.close();
});

test('a server that has no subscription left is polled', async () => {
  const field = await serve({ maxSubscriptions: 1 });
  const first = await connect(field.url);
  const [, pushed] = await subscribe(first.connection, first.link, [point('Double')]);
  assert.is(pushed.size, 1);
  const { connection, link } = await connect(field.url);
  const [, taken] = await subscribe(connection, link, [point('Double')]);
  assert.is(taken.size, 0);
  const [reading] = await connection.read(link, [point('Double')], { signal: stop.signal });
  assert.is(reading !== undefined && 'value' in reading && reading.value, 0.1);
});

test('a thousand nodes are pushed, and come again by themselves within ten seconds after the server was killed and started', async () => {
  const first = await serve({ count: 1000 });
  const { connection, link } = await connect(first.url);
  let isLost = false;
  void connection.lost.then(() => (isLost = true));
  const names = Array.from({ length: 1000 }, (_, index) => `value-${index}`);
  const [pushed, taken] = await subscribe(
    connection,
    link,
    names.map((name) => point(name, { everyMs: 500 })),
  );
  assert.is(taken.size, 1000);
  await until(() => pushed.latest.size === 1000, { what: 'all first values', deadlineMs: 30_000 });
  await first.kill();
  await until(
    async () => {
      try {
        await connection.read(link, [], { signal: stop.signal });
        return false;
      } catch (error) {
        return isHiveletError(error, 'DEVICE_UNREACHABLE');
      }
    },
    { what: 'the loss to be noticed' },
  );
  pushed.latest.clear();
  const again = await serve({ count: 1000, port: first.port });
  const upAt = systemClock.monotonic();
  await until(() => pushed.latest.size === 1000, { what: 'all values again', deadlineMs: 30_000 });
  const tookMs = systemClock.monotonic() - upAt;
  assert.ok(tookMs <= 10_000, `it took ${Math.round(tookMs)} ms`);
  assert.not(isLost, 'the connection itself is the same');
  await again.ask({ do: 'set', name: 'value-999', value: -1 });
  await until(() => pushed.value('value-999') === -1, { what: 'a change after the restart' });
});

test('a link that was cut loses neither session nor subscription', async () => {
  const relay = new TcpRelay({ port: field.port });
  await relay.restore();
  const { connection, link } = await connect(`opc.tcp://127.0.0.1:${relay.port}`);
  const [pushed] = await subscribe(connection, link, [point('value-30')]);
  await until(() => pushed.latest.size === 1, { what: 'the first value' });
  const sessions = await field.ask({ do: 'sessions' });
  await relay.cut();
  await field.ask({ do: 'set', name: 'value-30', value: -30 });
  await relay.restore();
  await until(() => pushed.value('value-30') === -30, { what: 'the change that came meanwhile', deadlineMs: 20_000 });
  assert.is(await field.ask({ do: 'sessions' }), sessions);
  await connection.close();
  await relay.cut();
});

test('a server that comes back without a node makes the connection end, so that everything is looked up anew', async () => {
  const first = await serve();
  const { connection, link } = await connect(first.url);
  let isLost = false;
  void connection.lost.then(() => (isLost = true));
  const [pushed] = await subscribe(connection, link, [point('Double'), point('fixed')]);
  await until(() => pushed.latest.size === 2, { what: 'the first values' });
  await first.kill();
  await serve({ port: first.port, without: ['fixed'] });
  await until(() => isLost, { what: 'the connection to be given up', deadlineMs: 30_000 });
  await connection.close();
  const again = await connect(first.url);
  const [, taken] = await subscribe(again.connection, again.link, [point('Double'), point('fixed')]);
  assert.equal([...taken], ['Double']);
});

test.after(closeAll);
test.run();

// timeout: 240s
/** Proves that an OPC UA session goes on: values pushed and polled, 1,000 nodes, restarts of the server, a lost link, a server without subscriptions. */
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { isHiveletError } from '#beehive/errors.ts';
import { silentLogger } from '#beehive/log.ts';
import type { Connection, Point, Reading, Sampling } from '#mappers/contract.ts';
import { TcpRelay } from '#mappers/contract-test/index.ts';
import type { OpcuaAccess } from '#mappers/opcua/access.ts';
import type { OpcuaLink } from '#mappers/opcua/link.ts';
import { createOpcuaPlugin } from '#mappers/opcua/plugin.ts';
import { startOpcuaField, type FieldOptions, type OpcuaField } from '#test/simulators/opcua-field.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

type OpcuaConnection = Connection<OpcuaLink, OpcuaAccess>;

const directory = tempDir();
const plain: FieldOptions = { pkiDirectory: path.join(directory, 'server'), modes: ['None'], policies: ['None'] };
const plugin = createOpcuaPlugin({ pkiDirectory: path.join(directory, 'client') });
const stop = new AbortController();
const connections = new Set<OpcuaConnection>();
const fields = new Set<OpcuaField>();

async function serve(options: Partial<FieldOptions> = {}): Promise<OpcuaField> {
  const field = await startOpcuaField({ ...plain, ...options });
  fields.add(field);
  return field;
}

async function connect(url: string, timeout = 2000): Promise<{ connection: OpcuaConnection; link: OpcuaLink }> {
  const link = plugin.link({ url, timeout }, 'spec.protocol');
  const connection = await plugin.open(link, { clock: systemClock, log: silentLogger(), signal: stop.signal });
  connections.add(connection);
  return { connection, link };
}

function point(name: string, sampling: Sampling = { everyMs: 100 }, visitor: object = { nodeID: `ns=2;s=${name}` }): Point<OpcuaAccess> {
  return { name, type: 'double', access: plugin.access({ ...visitor }, 'visitor', { name, type: 'double' }), sampling };
}

/** What was pushed: the latest of each name, and how many in all. */
class Pushed {
  readonly latest = new Map<string, Reading>();
  readonly times = new Map<string, number>();

  readonly emit = (readings: readonly Reading[]): void => {
    for (const reading of readings) {
      this.latest.set(reading.name, reading);
      this.times.set(reading.name, (this.times.get(reading.name) ?? 0) + 1);
    }
  };

  value(name: string): unknown {
    const reading = this.latest.get(name);
    return reading !== undefined && 'value' in reading ? reading.value : undefined;
  }
}

async function subscribe(
  connection: OpcuaConnection,
  link: OpcuaLink,
  points: readonly Point<OpcuaAccess>[],
): Promise<[Pushed, ReadonlySet<string>]> {
  const pushed = new Pushed();
  assert.ok(connection.subscribe);
  return [pushed, await connection.subscribe(link, points, pushed.emit, stop.signal)];
}

test('sixty nodes are pushed, first value and changes, with the time of the source', async () => {
  const field = await serve({ count: 60 });
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
  const [field] = fields;
  assert.ok(field);
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

test('a deadband keeps small changes back, and a node that takes none is pushed without', async () => {
  const [field] = fields;
  assert.ok(field);
  const { connection, link } = await connect(field.url);
  const wide = (kind: 'absolute' | 'percent', value: number): Sampling => ({ everyMs: 50, deadband: { kind, value } });
  const points = [point('value-20', wide('absolute', 5)), point('value-21', wide('percent', 10)), point('value-22', { everyMs: 50 })];
  const [pushed, taken] = await subscribe(connection, link, points);
  assert.equal([...taken].sort(), ['value-20', 'value-21', 'value-22']);
  await until(() => pushed.latest.size === 3, { what: 'the first values' });
  await field.ask({ do: 'set', name: 'value-20', value: 24 });
  for (const value of [23, 24, 25]) {
    await field.ask({ do: 'set', name: 'value-22', value });
    await until(() => pushed.value('value-22') === value, { what: 'the neighbour' });
  }
  assert.is(pushed.value('value-20'), 20, 'a change of 4 is not told');
  await field.ask({ do: 'set', name: 'value-20', value: 26 });
  await until(() => pushed.value('value-20') === 26, { what: 'a change of 6' });
});

test('browse paths find their nodes, a name that two nodes have is refused with both, and so is one that nobody has', async () => {
  const [field] = fields;
  assert.ok(field);
  const { connection, link } = await connect(field.url);
  const by = (browseName: string): Point<OpcuaAccess> => point(browseName, { everyMs: 100 }, { browseName });
  const places = ['2:Line/2:One/2:twin', '/Objects/Line/Two/twin', 'pressure', 'twin', 'Line/Three'];
  const readings = new Map(
    (await connection.read(link, places.map(by), { signal: stop.signal })).map((reading) => [reading.name, reading]),
  );
  const shown = places.map((place) => {
    const reading = readings.get(place);
    return reading === undefined ? undefined : 'value' in reading ? reading.value : 'error' in reading ? reading.error : undefined;
  });
  assert.equal(shown.slice(0, 3), [1, 2, 3.5]);
  assert.match(String(shown[3]), /several nodes have this browse name: write nodeID with one of ns=2;s=twin, ns=2;s=twin-2/);
  assert.match(String(shown[4]), /Line\/Three: BadNoMatch/);
});

test('int64 and uint64 are written exactly, and what does not fit is refused before it is sent', async () => {
  const [field] = fields;
  assert.ok(field);
  const { connection, link } = await connect(field.url);
  const write = (name: string, value: bigint | number | string): Promise<void> =>
    connection.write(link, { point: { ...point(name), type: 'int' }, value }, { signal: stop.signal });
  const read = async (name: string): Promise<unknown> => {
    const [reading] = await connection.read(link, [{ ...point(name), type: 'int' }], { signal: stop.signal });
    return reading !== undefined && 'value' in reading ? reading.value : reading;
  };
  for (const [name, value] of [
    ['Int64', -(2n ** 63n)],
    ['Int64', 2n ** 53n + 1n],
    ['UInt64', 2n ** 64n - 1n],
    ['SByte', -128n],
    ['UInt32', 2n ** 32n - 1n],
  ] as const) {
    await write(name, value);
    assert.is(await read(name), value, name);
  }
  const refusal = async (name: string, value: bigint | number | string): Promise<string> => {
    try {
      await write(name, value);
    } catch (error) {
      return isHiveletError(error) ? `${error.code} ${error.message}` : String(error);
    }
    return 'taken';
  };
  const [raw] = await connection.read(link, [{ ...point('Int16'), type: 'int' }], { signal: stop.signal });
  assert.ok(raw !== undefined && 'raw' in raw && raw.raw !== undefined);
  assert.is(Buffer.from(raw.raw).toString('hex'), '040080', 'type 4, then the bytes of -32768');
  assert.is(await refusal('Byte', 256n), 'VALUE_INVALID ns=2;s=Byte: "256" is outside 0 to 255, which is what Byte holds');
  assert.is(await refusal('Boolean', 'warm'), 'VALUE_INVALID ns=2;s=Boolean: "warm" is neither true nor false');
  assert.is(await refusal('fixed', 1), 'POINT_REJECTED ns=2;s=fixed: BadNotWritable: the server lets nobody write this node');
  assert.is(await refusal('picky', 101), 'POINT_REJECTED ns=2;s=picky: BadOutOfRange: the value is outside what the device takes');
  assert.match(await refusal('missing', 1), /^POINT_REJECTED ns=2;s=missing: /);
  assert.match(await refusal('list', 1), /^POINT_REJECTED ns=2;s=list: the node takes a list/);
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
  const [field] = fields;
  assert.ok(field);
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

test.after(async () => {
  for (const connection of connections) await connection.close();
  for (const field of fields) await field.stop();
});
test.run();

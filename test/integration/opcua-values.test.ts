// timeout: 120s
/** Proves what is asked of an OPC UA server and written to it: its nodes by every name, values in their types. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHiveletError } from '#beehive/errors.ts';
import type { Point } from '#mappers/contract.ts';
import type { OpcuaAccess } from '#mappers/opcua/access.ts';
import { closeAll, connect, point, serve, stop } from '#test/simulators/opcua-rig.ts';

const field = await serve();

test('browse paths find their nodes, a name that two nodes have is refused with both, and so is one that nobody has', async () => {
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
});

test('what was written to a string is shown as it was written: times, lists, and UInt64 to its end', async () => {
  const { connection, link } = await connect(field.url);
  const text = (name: string): Point<OpcuaAccess> => ({ ...point(name), type: 'string' });
  const read = async (name: string): Promise<unknown> => {
    const [reading] = await connection.read(link, [text(name)], { signal: stop.signal });
    return reading !== undefined && 'value' in reading ? reading.value : reading;
  };
  assert.is(await read('levels'), '[1,9223372036854775807]');
  for (const [name, value, held] of [
    ['levels', '[ 9007199254740993, -1 ]', '[9007199254740993,-1]'],
    ['DateTime', '2027-02-03T04:05:06Z', '2027-02-03T04:05:06.000Z'],
    ['UInt64', '18446744073709551615', 2n ** 64n - 1n],
  ] as const) {
    await connection.write(link, { point: text(name), value }, { signal: stop.signal });
    assert.is(String(await read(name)), value);
    const { connection: other } = await connect(field.url);
    const [reading] = await other.read(link, [text(name)], { signal: stop.signal });
    await other.close();
    assert.is(reading !== undefined && 'value' in reading && reading.value, held, 'for who did not write it');
  }
  await connection.write(link, { point: { ...text('UInt64'), type: 'int' }, value: 5n }, { signal: stop.signal });
  assert.is(await read('UInt64'), 5n, 'another value is shown as it is');
  await connection.close();
});

test('an identifier may look like another node id', async () => {
  const { connection, link } = await connect(field.url);
  const [reading] = await connection.read(link, [point('ns=1;i=85')], { signal: stop.signal });
  assert.is(reading !== undefined && 'value' in reading && reading.value, 85);
  await connection.close();
});

test.after(closeAll);
test.run();

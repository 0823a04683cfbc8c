// timeout: 120s
/** Proves what Bluetooth devices do with their characteristics that a SensorTag does not: pairing, long values, and writes without an answer. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { isHiveletError } from '#beehive/errors.ts';
import { silentLogger } from '#beehive/log.ts';
import type { ValueType } from '#device-models/values.ts';
import type { Connection, Point, PropertyValue, Reading } from '#mappers/contract.ts';
import type { BluetoothLink } from '#mappers/bluetooth/link.ts';
import { createBluetoothPlugin } from '#mappers/bluetooth/plugin.ts';
import { AttError, ATT_ERROR } from '#mappers/bluetooth/sim/index.js';
import type { CharacteristicDefinition } from '#mappers/bluetooth/sim/gatt-server.js';
import { bleAir, type BleAir } from '#test/simulators/ble-air.ts';
import { until } from '#test/support/until.ts';

const ADDRESS = 'a0:e6:f8:00:00:20';
/** More than one packet of the smallest size holds. */
const LONG = 'a text that is longer than one packet of a link that was never asked for more';

class Bench {
  readonly radio: BleAir;
  readonly #plugin;
  readonly #signal = new AbortController();

  constructor(radio: BleAir) {
    this.radio = radio;
    this.#plugin = createBluetoothPlugin({ hci: radio.hci });
  }

  get signal(): AbortSignal {
    return this.#signal.signal;
  }

  get link(): BluetoothLink {
    return this.#plugin.link({ macAddress: ADDRESS, timeout: 700 }, 'spec.protocol');
  }

  /** As the host does it: tried again while the device cannot be reached. */
  open(): Promise<Connection> {
    const context = { clock: systemClock, log: silentLogger(), signal: this.signal };
    return until(() => this.#plugin.open(this.link, context).catch(() => undefined), { what: 'the link', deadlineMs: 30_000 });
  }

  point(name: string, type: ValueType, characteristicUUID: string): Point {
    return { name, type, access: this.#plugin.access({ characteristicUUID }, name, { name, type }), sampling: { everyMs: 10 } };
  }

  async read(connection: Connection, point: Point): Promise<PropertyValue | undefined> {
    const [reading] = await connection.read(this.link, [point], { signal: this.signal });
    return valueIn(reading);
  }

  /** undefined: it was taken. */
  async write(connection: Connection, point: Point, value: PropertyValue): Promise<string | undefined> {
    try {
      await connection.write(this.link, { point, value }, { signal: this.signal });
      return undefined;
    } catch (error) {
      assert.ok(isHiveletError(error, 'POINT_REJECTED'), String(error));
      return error.message;
    }
  }

  async close(): Promise<void> {
    this.#signal.abort(new Error('the test is over'));
    await until(() => this.radio.controller.links.length === 0, { what: 'the link to end' });
    await this.radio.close();
  }
}

function valueIn(reading: Reading | undefined): PropertyValue | undefined {
  return reading !== undefined && 'value' in reading ? reading.value : reading?.error;
}

const test = suite<{ bench: Bench }>('characteristics');

test.before.each(async (context) => {
  context.bench = new Bench(await bleAir());
});

test.after.each(({ bench }) => bench.close());

const readable = (uuid: string, more: Partial<CharacteristicDefinition>): CharacteristicDefinition => ({
  uuid,
  properties: ['read', 'write'],
  value: Buffer.of(7),
  ...more,
});
const wantsPairing = (): never => {
  throw new AttError(ATT_ERROR.INSUFFICIENT_AUTHENTICATION);
};

test('what must be paired for a write is refused from then on, and read as before', async ({ bench }) => {
  const device = bench.radio.peripheral(ADDRESS, [readable('fe01', { write: wantsPairing })]);
  const point = bench.point('lock', 'int', 'fe01');
  const first = await bench.open();
  assert.is(await bench.read(first, point), 7n);
  assert.match((await bench.write(first, point, 1n)) ?? '', /^the device refuses a write of fe01: it must be paired first/);
  // noble would wait for a pairing that does not come about: the link is made anew.
  await first.lost;
  const second = await bench.open();
  assert.is(await bench.read(second, point), 7n);
  assert.match((await bench.write(second, point, 1n)) ?? '', /it must be paired first/);
  assert.is(await bench.read(second, point), 7n);
  assert.is(device.connections, 2, 'it is not asked again');
});

test('what must be paired to be read costs the others nothing', async ({ bench }) => {
  bench.radio.peripheral(ADDRESS, [readable('fe01', { read: wantsPairing }), readable('fe02', {})]);
  const connection = await bench.open();
  const secret = bench.point('secret', 'int', 'fe01');
  assert.match(String(await bench.read(connection, secret)), /it must be paired first \(insufficient authentication\)/);
  await connection.lost;
  const next = await bench.open();
  assert.match(String(await bench.read(next, secret)), /it must be paired first/);
  assert.is(await bench.read(next, bench.point('open', 'int', 'fe02')), 7n);
});

test('long values are read, written and told whole', async ({ bench }) => {
  let held: Buffer = Buffer.from(LONG);
  const device = bench.radio.peripheral(ADDRESS, [
    { uuid: 'fe01', properties: ['read', 'write', 'notify'], read: () => held, write: (value: Buffer) => void (held = value) },
  ]);
  const point = bench.point('text', 'string', 'fe01');
  const connection = await bench.open();
  assert.is(await bench.read(connection, point), LONG);
  const longer = `${LONG}, twice over: ${LONG}`;
  assert.is(await bench.write(connection, point, longer), undefined);
  assert.is(held.toString(), longer);
  const told: (PropertyValue | undefined)[] = [];
  await connection.subscribe?.(bench.link, [point], (readings) => told.push(...readings.map(valueIn)), bench.signal);
  held = Buffer.from(`${longer}!`);
  const attribute = device.gatt.range(1, 0xffff).find(({ type }) => type.toString('hex') === '01fe');
  assert.ok(device.bearer?.notify(attribute?.handle ?? 0, held));
  await until(() => told.at(-1) === `${longer}!`, { what: 'the whole of it', deadlineMs: 10_000 });
});

test('a characteristic that takes writes without an answer only is written, and shows what was written', async ({ bench }) => {
  const taken: string[] = [];
  bench.radio.peripheral(ADDRESS, [
    { uuid: 'fe01', properties: ['writeWithoutResponse'], write: (value: Buffer) => void taken.push(value.toString('hex')) },
    readable('fe02', {}),
  ]);
  const connection = await bench.open();
  const point = bench.point('buzzer', 'int', 'fe01');
  assert.is(await bench.read(connection, point), undefined, 'nothing is known of it');
  assert.is(await bench.write(connection, point, 9n), undefined);
  assert.is(await bench.read(connection, point), 9n);
  // An answered request behind it tells that it arrived.
  assert.is(await bench.read(connection, bench.point('other', 'int', 'fe02')), 7n);
  assert.equal(taken, ['09']);
});

test('what can only be read is refused a write without asking the device', async ({ bench }) => {
  bench.radio.peripheral(ADDRESS, [readable('fe01', { properties: ['read'] })]);
  const connection = await bench.open();
  assert.match(
    (await bench.write(connection, bench.point('level', 'int', 'fe01'), 1n)) ?? '',
    /^fe01 of a0:e6:f8:00:00:20 cannot be written$/,
  );
});

test.run();

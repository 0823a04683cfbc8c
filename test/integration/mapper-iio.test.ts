/** Proves the IIO mapper on files as the kernel shows them: finding a sensor, failing reads, rare reads, and what lies outside of its root. */
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { isHiveletError } from '#beehive/errors.ts';
import { silentLogger } from '#beehive/log.ts';
import type { Connection, Reading } from '#mappers/contract.ts';
import type { IioChannel, IioLink } from '#mappers/iio/channel.ts';
import { createIioPlugin } from '#mappers/iio/plugin.ts';
import { startDht11 } from '#mappers/iio/simulate.ts';
import { createPlugins } from '#mappers/index.ts';
import { MapperWorld } from '#test/simulators/mapper-world.ts';
import { profile, property } from '#test/simulators/profiles.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

interface Sysfs {
  root: string;
  clock: FakeClock;
}

const test = suite<Sysfs>('iio');
const { signal } = new AbortController();
/** Reading the first page of a process's memory answers EIO. */
const UNREADABLE = '/proc/self/mem';

test.before.each((sysfs) => {
  sysfs.root = tempDir();
  sysfs.clock = new FakeClock();
});

async function sensor({ root }: Sysfs, index: number, files: Record<string, string>): Promise<string> {
  const directory = path.join(root, 'bus/iio/devices', `iio:device${index}`);
  await mkdir(directory, { recursive: true });
  for (const [file, text] of Object.entries(files)) await writeFile(path.join(directory, file), `${text}\n`);
  return directory;
}

const DHT11 = { name: 'dht11@4', in_temp_input: '21000', in_humidityrelative_input: '45000' };
const open = ({ root, clock }: Sysfs, link: IioLink): Promise<Connection<IioLink, IioChannel>> =>
  createIioPlugin({ sysfsRoot: root }).open(link, { clock, log: silentLogger(), signal });

/** Reads channels by name; virtual time runs until it is done. */
async function read({ clock }: Sysfs, connection: Connection<IioLink, IioChannel>, ...channels: string[]): Promise<readonly Reading[]> {
  const plugin = createIioPlugin();
  const points = channels.map((name) => ({
    name,
    type: 'float' as const,
    access: plugin.access({ channel: name }, name, { name, type: 'float' }),
  }));
  let done = false;
  const reading = connection.read({}, points, { signal }).finally(() => (done = true));
  reading.catch(() => undefined);
  await until(
    async () => {
      await clock.advanceToNext();
      return done;
    },
    { what: 'the reading', everyMs: 1 },
  );
  return reading;
}

const values = (readings: readonly Reading[]): unknown[] => readings.map((reading) => ('error' in reading ? reading.error : reading.value));
const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

const lookups: [what: string, link: IioLink][] = [
  ['its exact name', { name: 'dht11@4' }],
  ['its name without the pin', { name: 'dht11' }],
  ['its directory', { path: 'iio:device1' }],
];
for (const [what, link] of lookups) {
  test(`a sensor is found by ${what}`, async (sysfs) => {
    await sensor(sysfs, 0, { name: 'bme280', in_temp_input: '1' });
    await sensor(sysfs, 1, DHT11);
    assert.equal(values(await read(sysfs, await open(sysfs, link), 'in_temp_input', 'humidityrelative', 'temperature')), [
      21_000n,
      45_000n,
      21_000n,
    ]);
  });
}

test('the real sysfs is links: they are followed inside of the root', async (sysfs) => {
  const real = path.join(sysfs.root, 'devices/platform/dht11@4/iio:device0');
  const made = await sensor(sysfs, 0, DHT11);
  await mkdir(path.dirname(real), { recursive: true });
  await rename(made, real);
  await symlink(path.relative(path.dirname(made), real), made);
  assert.equal(values(await read(sysfs, await open(sysfs, { name: 'dht11' }), 'temp')), [21_000n]);
});

const strangers: [what: string, prepare: (sysfs: Sysfs) => Promise<IioLink>, code: string, says: RegExp][] = [
  ['an absolute path elsewhere', async () => ({ path: '/etc' }), 'PROFILE_INVALID', /\/etc lies outside of/],
  [
    'a link that leads elsewhere',
    async ({ root }) => {
      await mkdir(path.join(root, 'bus/iio/devices'), { recursive: true });
      await symlink('/etc', path.join(root, 'bus/iio/devices/iio:device0'));
      return { path: 'iio:device0' };
    },
    'PROFILE_INVALID',
    /lies outside of/,
  ],
  ['a directory that is not there', async () => ({ path: 'iio:device9' }), 'DEVICE_UNREACHABLE', /is not there/],
  ['a root without sensors', async () => ({ name: 'dht11' }), 'DEVICE_UNREACHABLE', /is the industrial I\/O subsystem loaded\?/],
  [
    'a name that no sensor has',
    async (sysfs) => {
      await sensor(sysfs, 0, DHT11);
      return { name: 'bme280' };
    },
    'DEVICE_UNREACHABLE',
    /no sensor with the name bme280, only dht11@4/,
  ],
  [
    'a name that two sensors have',
    async (sysfs) => {
      await sensor(sysfs, 0, DHT11);
      await sensor(sysfs, 1, DHT11);
      return { name: 'dht11' };
    },
    'DEVICE_UNREACHABLE',
    /2 sensors have the name dht11: give path, for instance iio:device0/,
  ],
];
for (const [what, prepare, code, says] of strangers) {
  test(`${what} is refused`, async (sysfs) => {
    const error = await failure(open(sysfs, await prepare(sysfs)));
    assert.ok(isHiveletError(error), String(error));
    assert.is(error.code, code);
    assert.match(error.message, says);
  });
}

test('raw channels are offset and scaled, by their own files or those of their kind', async (sysfs) => {
  await sensor(sysfs, 0, {
    name: 'adc',
    in_voltage0_raw: '1000',
    in_voltage_scale: '0.5',
    in_voltage1_raw: '1000',
    in_voltage1_scale: '2',
    in_voltage1_offset: '-10',
    in_temp_raw: '7',
  });
  assert.equal(values(await read(sysfs, await open(sysfs, { name: 'adc' }), 'voltage0', 'in_voltage1_raw', 'temp')), [500, 1980, 7n]);
});

test('a read that fails with EIO is repeated, up to five times', async (sysfs) => {
  const directory = await sensor(sysfs, 0, DHT11);
  const file = path.join(directory, 'in_temp_input');
  await rm(file);
  await symlink(UNREADABLE, file);
  const connection = await open(sysfs, { name: 'dht11' });
  const started = sysfs.clock.monotonic();
  assert.equal(await read(sysfs, connection, 'temp', 'humidityrelative'), [
    { name: 'temp', error: 'in_temp_input: EIO 5 times in a row', answered: false },
    { name: 'humidityrelative', value: 45_000n, raw: Buffer.from('45000\n') },
  ]);
  assert.is(sysfs.clock.monotonic() - started, 50 + 100 + 150 + 200);
  // By rename: in between the file would be gone, which is another fault.
  await writeFile(`${file}.next`, '22000\n');
  const timer = sysfs.clock.timer(60, () => void rename(`${file}.next`, file));
  assert.equal(values(await read(sysfs, connection, 'temp')), [22_000n]);
  timer.cancel();
});

test('a sensor of which nothing can be read is unreachable', async (sysfs) => {
  const directory = await sensor(sysfs, 0, DHT11);
  const connection = await open(sysfs, { name: 'dht11' });
  await rm(directory, { recursive: true });
  assert.ok(isHiveletError(await failure(read(sysfs, connection, 'temp', 'humidityrelative')), 'DEVICE_UNREACHABLE'));
});

test('a channel that it does not have, and one that holds no number, are named', async (sysfs) => {
  await sensor(sysfs, 0, { ...DHT11, in_pressure_input: 'high' });
  const readings = values(await read(sysfs, await open(sysfs, { name: 'dht11' }), 'temp', 'illuminance', 'pressure'));
  assert.equal(readings, [
    21_000n,
    'iio:device0 has no in_illuminance_input or in_illuminance_raw',
    'in_pressure_input holds "high", no number',
  ]);
});

test('within two seconds the sensor itself is not read again', async (sysfs) => {
  const directory = await sensor(sysfs, 0, DHT11);
  const connection = await open(sysfs, { name: 'dht11' });
  await read(sysfs, connection, 'temp');
  await writeFile(path.join(directory, 'in_temp_input'), '30000\n');
  await sysfs.clock.advance(1500);
  assert.equal(values(await read(sysfs, connection, 'temp')), [21_000n]);
  await sysfs.clock.advance(500);
  assert.equal(values(await read(sysfs, connection, 'temp')), [30_000n]);
});

const channels: [written: unknown, attributes: string[]][] = [
  ['in_temp_input', ['in_temp_input']],
  ['temp', ['in_temp_input', 'in_temp_raw']],
  ['in_temp', ['in_temp_input', 'in_temp_raw']],
  ['Temperature', ['in_temp_input', 'in_temp_raw']],
  ['humidity', ['in_humidityrelative_input', 'in_humidityrelative_raw']],
  ['in_voltage0_raw', ['in_voltage0_raw']],
];
for (const [written, attributes] of channels) {
  test(`the channel ${String(written)} is read from ${attributes.join(' or ')}`, () =>
    assert.equal(createIioPlugin().access({ channel: written }, 'v', { name: 'p', type: 'float' }), { attributes }));
}

for (const written of ['../../../etc/passwd', 'in_temp/../name', '', 'a b']) {
  test(`${JSON.stringify(written)} is no channel`, () =>
    assert.throws(
      () => createIioPlugin().access({ channel: written }, 'v', { name: '-', type: 'float' }),
      (error: Error) => isHiveletError(error, 'PROFILE_INVALID'),
    ));
}

test('a link needs a name or a path, and no way up', () => {
  const plugin = createIioPlugin();
  assert.equal(plugin.link({ configData: { name: 'dht11' } }, 'p'), { name: 'dht11' });
  assert.throws(() => plugin.link({}, 'p'), /^p: neither name nor path/);
  assert.throws(() => plugin.link({ path: '../../etc' }, 'p'), /must not contain \.\./);
});

test('a DHT11 with its failures ends up in the twin, in degrees and percent', async ({ root }) => {
  const dht11 = await startDht11({ clock: systemClock, root, failShare: 1, failMs: 30, stepMs: 100 });
  const config = { name: 'dht11' };
  const properties = [
    property('iio', 'temperature', { accessMode: 'ReadOnly', config: { channel: 'in_temp_input' } }),
    property('iio', 'humidity', { type: 'int', accessMode: 'ReadOnly', config: { channel: 'in_humidityrelative_input' } }),
  ];
  const world = new MapperWorld({
    clock: systemClock,
    plugins: createPlugins({ iio: { sysfsRoot: root } }),
    profiles: [profile('air', { protocol: 'iio', config, properties })],
  });
  world.broker.addDevice('air');
  await world.start();
  await until(() => world.broker.actual('air', 'temperature') !== undefined, { what: 'the first report' });
  assert.match(world.broker.actual('air', 'temperature') ?? '', /^2[123]$/);
  assert.match(world.broker.actual('air', 'humidity') ?? '', /^4[456]$/);
  await dht11.fail(true);
  await until(() => world.broker.lastState('air')?.state === 'offline', { what: 'offline', deadlineMs: 15_000 });
  await world.stop();
  await dht11.close();
});

test.run();

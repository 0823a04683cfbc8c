/** Proves that a device made from a profile is what a mapper with the same profile expects. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { silentLogger } from '#beehive/log.ts';
import { createPlugins } from '#mappers/index.ts';
import { createModbusPlugin } from '#mappers/modbus/plugin.ts';
import { startProfileDevice } from '#mappers/modbus/simulate-profile.ts';
import { MapperWorld } from '#test/simulators/mapper-world.ts';
import { profile, property } from '#test/simulators/profiles.ts';
import { until } from '#test/support/until.ts';

const properties = [
  property('modbus', 'level', {
    minimum: '-50',
    maximum: '50',
    tolerance: 0.05,
    config: { register: 'HoldingRegister', offset: 0, limit: 1, scale: 0.1 },
  }),
  property('modbus', 'count', {
    type: 'int',
    maximum: '1000',
    config: { register: 'HoldingRegister', offset: 1, limit: 2, isRegisterSwap: true },
  }),
  property('modbus', 'flow', { accessMode: 'ReadOnly', minimum: '10', maximum: '20', config: { register: 'InputRegister', offset: 0 } }),
  property('modbus', 'label', { type: 'string', config: { register: 'HoldingRegister', offset: 10, limit: 4 } }),
  property('modbus', 'valve', { type: 'boolean', config: { register: 'CoilRegister', offset: 0 } }),
];

test('every property of the profile can be read, and those that may be written keep what is written', async () => {
  const made = profile('tank', { protocol: 'modbus', config: { ip: '127.0.0.1' }, properties });
  const device = await startProfileDevice({ clock: systemClock, profiles: [made], stepMs: 20 });
  const world = new MapperWorld({
    clock: systemClock,
    plugins: createPlugins(),
    profiles: [
      {
        ...made,
        protocolConfig: { ip: device.host, port: device.port },
        properties: properties.map((each) => ({ ...each, collectCycleMs: 50 })),
      },
    ],
  });
  world.broker.addDevice('tank');
  await world.start();
  await until(() => world.broker.updates('tank').length >= 3, { what: 'a value that wanders' });
  assert.equal(world.broker.states('tank'), [{ state: 'online' }]);
  assert.equal(
    ['level', 'count', 'label', 'valve'].map((name) => world.broker.actual('tank', name)),
    ['0', '500', 'label', 'false'],
  );
  const flow = Number(world.broker.actual('tank', 'flow'));
  assert.ok(flow >= 10 && flow <= 20, String(flow));
  world.broker.desire('tank', 'level', '-12.5');
  world.broker.desire('tank', 'count', '70000');
  world.broker.desire('tank', 'count', '700');
  world.broker.desire('tank', 'valve', 'true');
  await until(() => world.broker.actual('tank', 'count') === '700' && world.broker.actual('tank', 'valve') === 'true', {
    what: 'what was written',
  });
  assert.is(world.broker.actual('tank', 'level'), '-12.5');
  const { level, count, valve } = device.values();
  assert.equal([level, count, valve], [-125n, 700n, 1n]);
  await world.stop();
  await device.close();
});

test('it refuses, goes silent and comes back as it is told; a value out of bounds is refused by the device itself', async () => {
  const made = profile('tank', { protocol: 'modbus', config: { ip: '127.0.0.1' }, properties });
  const device = await startProfileDevice({ clock: systemClock, profiles: [made], stepMs: 20 });
  const plugin = createModbusPlugin();
  const signal = new AbortController().signal;
  const link = plugin.link({ ip: device.host, port: device.port, timeout: 200 }, '');
  const connection = await plugin.open(link, { clock: systemClock, log: silentLogger(), signal });
  const points = properties.map(({ name, type, visitor }) => ({
    name,
    type,
    access: plugin.access(visitor?.config ?? {}, '', { name, type }),
  }));
  const failures = async (): Promise<string[]> =>
    (await connection.read(link, points, { signal })).flatMap((reading) =>
      'error' in reading ? [`${reading.name}: ${reading.error}`] : [],
    );
  assert.equal(await failures(), []);
  device.device('tank').refuse('count', true);
  assert.equal(await failures(), ['count: ILLEGAL DATA ADDRESS']);
  device.device('tank').refuse('count', false);
  assert.equal(await failures(), []);
  const [level] = points;
  if (level === undefined) throw new Error('no points');
  const write = connection.write(link, { point: level, value: 501n }, { signal });
  assert.match(await write.then(String, String), /refused the write of level with ILLEGAL DATA VALUE/);
  assert.is(device.values()['level'], 0n);
  device.silence(true);
  assert.match(await failures().then(String, String), /did not answer within 200 ms/);
  device.silence(false);
  assert.equal(await failures(), []);
  await connection.close();
  await device.close();
});

test.run();

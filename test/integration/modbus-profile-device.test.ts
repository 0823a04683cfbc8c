/** Proves that a device made from a profile is what a mapper with the same profile expects. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { createPlugins } from '#mappers/index.ts';
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
  const made = profile('tank', { protocol: 'modbus', config: {}, properties });
  const device = await startProfileDevice({ clock: systemClock, profile: made, stepMs: 20 });
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
    ['0', '500', 'label', 'true'],
  );
  const flow = Number(world.broker.actual('tank', 'flow'));
  assert.ok(flow >= 10 && flow <= 20, String(flow));
  world.broker.desire('tank', 'level', '-12.5');
  world.broker.desire('tank', 'count', '70000');
  world.broker.desire('tank', 'count', '700');
  world.broker.desire('tank', 'valve', 'false');
  await until(() => world.broker.actual('tank', 'count') === '700' && world.broker.actual('tank', 'valve') === 'false', {
    what: 'what was written',
  });
  assert.is(world.broker.actual('tank', 'level'), '-12.5');
  const { level, count, valve } = device.values();
  assert.equal([level, count, valve], [-125n, 700n, 0n]);
  await world.stop();
  await device.close();
});

test.run();

/** Proves how the mapper host reads and reports devices, in virtual time, and how it follows their definitions. */
import * as assert from 'uvu/assert';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { benchSuite, pass, settle, thermostat } from '#test/simulators/mapper-bench.ts';

const test = benchSuite('mapper host');

test('all values of a device that are due go out in one message, unchanged ones do not', async (bench) => {
  const { world, plugin } = bench;
  world.broker.addDevice('thermostat');
  await world.start();
  world.set(thermostat());
  await pass(bench, 3000);
  assert.equal(world.broker.updates('thermostat'), [{ setpoint: '20', temperature: '18' }]);
  plugin.device('thermostat').values.set('temperature', 183n);
  await pass(bench, 1000);
  assert.equal(world.broker.updates('thermostat').at(-1), { temperature: '18.3' });
  assert.is(plugin.device('thermostat').reads, 5);
});

test('an unchanged value is reported in its report cycle, and otherwise once a minute', async (bench) => {
  const { world } = bench;
  world.broker.addDevice('thermostat');
  await world.start();
  world.set(thermostat({}, { reportCycleMs: 5000 }));
  await pass(bench, 61_000);
  const counts = { setpoint: 0, temperature: 0 };
  for (const update of world.broker.updates('thermostat'))
    for (const name of Object.keys(update) as (keyof typeof counts)[]) counts[name]++;
  assert.equal(counts, { setpoint: 13, temperature: 2 });
});

test('time series are published with each collection, on the topic of the device', async (bench) => {
  const { world } = bench;
  await world.start();
  world.set(thermostat({ data: { topic: 'plant/thermostat/data', properties: ['temperature'] } }));
  await pass(bench, 2500);
  const series = world.broker.published.filter(({ topic }) => topic === 'plant/thermostat/data');
  assert.is(series.length, 3);
  const stamp = (series[0]?.message as { timestamp: number }).timestamp;
  assert.equal(series[0]?.message, {
    event_id: '',
    timestamp: stamp,
    data: { temperature: { value: '18', metadata: { timestamp: stamp, type: 'float' } } },
  });
});

test('a device that answers with bad points is unhealthy and names the first', async (bench) => {
  const { world, plugin } = bench;
  plugin.device('thermostat').failing.set('temperature', 'ILLEGAL DATA ADDRESS');
  world.broker.addDevice('thermostat');
  await world.start();
  world.set(thermostat());
  await pass(bench, 100);
  assert.equal(world.broker.states('thermostat'), [{ state: 'unhealthy', reason: 'temperature: ILLEGAL DATA ADDRESS' }]);
  assert.equal(world.broker.updates('thermostat'), [{ setpoint: '20' }]);
  plugin.device('thermostat').failing.clear();
  await pass(bench, 1000);
  assert.equal(world.broker.lastState('thermostat'), { state: 'online' });
});

test('the state is repeated once a minute', async (bench) => {
  const { world } = bench;
  world.broker.addDevice('thermostat');
  await world.start();
  world.set(thermostat());
  await pass(bench, 121_000);
  assert.is(world.broker.states('thermostat').length, 3);
});

test('a bad visitor costs its property only, and is named', async (bench) => {
  const { world } = bench;
  world.broker.addDevice('thermostat');
  await world.start();
  world.set(thermostat({}, { config: {} }));
  await pass(bench, 100);
  assert.equal(world.broker.states('thermostat'), [{ state: 'unhealthy', reason: 'setpoint: visitor of setpoint.key: is missing' }]);
  assert.equal(world.broker.updates('thermostat'), [{ temperature: '18' }]);
});

const unserved: [what: string, change: Partial<DeviceProfile>, reason: RegExp][] = [
  ['a protocol without a plugin', { protocol: 'x10' }, /no mapper plugin serves the protocol x10 here \(there are bench\)/],
  ['a protocol block that cannot be used', { protocolConfig: {} }, /^spec\.protocol\.unit: is missing$/],
  ['no visitor at all', { properties: [] }, /nothing to read/],
];
for (const [what, change, reason] of unserved) {
  test(`${what} leaves the device unknown, with the reason`, async (bench) => {
    const { world } = bench;
    await world.start();
    world.set(thermostat(change));
    await pass(bench, 65_000);
    assert.is(world.broker.states('thermostat')[0]?.state, 'unknown');
    assert.match(world.broker.states('thermostat')[0]?.reason ?? '', reason);
    assert.is(world.host.health().ok, true);
  });
}

test('a device without a protocol is left to others', async (bench) => {
  const { world } = bench;
  await world.start();
  world.set(thermostat({ protocol: '' }));
  await pass(bench, 5000);
  assert.equal(world.broker.published, []);
});

test('the plugin is loaded with the first device of its protocol, not before', async (bench) => {
  await bench.world.start();
  await pass(bench, 1000);
  assert.is(bench.loads, 0);
  bench.world.set(thermostat());
  await pass(bench, 100);
  assert.is(bench.loads, 1);
});

test('a plugin that cannot be loaded is tried again with back-off, and told once', async (bench) => {
  const { world, clock } = bench;
  bench.missing = 'driver';
  await world.start();
  world.set(thermostat());
  world.set(thermostat({ name: 'gone' }));
  await pass(bench, 120_000);
  assert.equal(world.broker.states('thermostat'), [
    { state: 'unknown', reason: "the plugin of the protocol bench cannot be loaded: Cannot find package 'driver'" },
  ]);
  assert.ok(bench.loads >= 12 && bench.loads <= 80, `${String(bench.loads)} attempts for two devices in two minutes`);
  world.remove('gone');
  await settle(bench);
  assert.is(clock.pending, 1, 'only the device that is left is tried');
  bench.missing = undefined;
  await pass(bench, 30_100);
  assert.equal(world.broker.lastState('thermostat'), { state: 'online' });
});

test('a change of the profile restarts this device only; a new desired value restarts none', async (bench) => {
  const { world, plugin } = bench;
  plugin.device('other', { setpoint: 200n, temperature: 180n });
  await world.start();
  world.set(thermostat());
  world.set(thermostat({ name: 'other', protocolConfig: { unit: 'other' } }));
  await pass(bench, 1500);
  assert.is(plugin.opened, 2);
  const desired = thermostat();
  desired.properties[0]!.desired = { value: '23' };
  world.set(desired);
  await pass(bench, 1000);
  assert.is(plugin.opened, 2);
  world.set(thermostat({}, { collectCycleMs: 2000 }));
  await pass(bench, 1000);
  assert.is(plugin.opened, 3);
  assert.is(world.events('mapper.device.bound').length, 3);
});

test('a removed device is read no more', async (bench) => {
  const { world, plugin } = bench;
  await world.start();
  world.set(thermostat());
  await pass(bench, 1500);
  world.remove('thermostat');
  await settle(bench);
  const { reads } = plugin.device('thermostat');
  await pass(bench, 5000);
  assert.is(plugin.device('thermostat').reads, reads);
  assert.is(plugin.closed, 1);
  assert.equal(world.host.devices(), []);
});

test('removed and added in one breath, it is served as added', async (bench) => {
  const { world } = bench;
  world.broker.addDevice('thermostat');
  await world.start();
  world.set(thermostat());
  world.remove('thermostat');
  world.set(thermostat());
  world.remove('thermostat');
  world.set(thermostat());
  await pass(bench, 1500);
  assert.is(world.host.devices().length, 1);
  assert.is(bench.plugin.opened, 1);
});

test('a twin that does not know the device yet is asked again, and gets all values then', async (bench) => {
  const { world } = bench;
  await world.start();
  world.set(thermostat());
  await pass(bench, 3000);
  world.broker.addDevice('thermostat', { setpoint: { expected: '23' } });
  await pass(bench, 20_000);
  assert.is(world.broker.actual('thermostat', 'setpoint'), '23');
  assert.is(world.broker.actual('thermostat', 'temperature'), '18');
});

test('garbage on its topics does not disturb a device', async (bench) => {
  const { world } = bench;
  world.broker.addDevice('thermostat');
  await world.start();
  world.set(thermostat());
  await pass(bench, 1500);
  for (const garbage of ['', '{', 'null', '[]', '{"twin":5,"delta":{"setpoint":null}}', '{"delta":{"__proto__":"1","nothing":"2"}}']) {
    world.broker.deliver('$hw/events/device/thermostat/twin/update/delta', garbage);
    world.broker.deliver('$hw/events/device/thermostat/twin/get/result', garbage);
  }
  await settle(bench);
  world.broker.desire('thermostat', 'setpoint', '23');
  await settle(bench);
  assert.is(bench.plugin.device('thermostat').writes.length, 1);
  assert.equal(
    world.log.filter(({ level }) => level === 'error'),
    [],
  );
});

test.run();

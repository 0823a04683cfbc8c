/** Proves what the mapper host does with lines and with devices that do not answer, in virtual time. */
import * as assert from 'uvu/assert';
import { benchSuite, pass, thermostat } from '#test/simulators/mapper-bench.ts';

const test = benchSuite('mapper links');

test('a dead device is offline within two cycles, and back with its next answer', async (bench) => {
  const { world, plugin } = bench;
  world.broker.addDevice('thermostat');
  await world.start();
  world.set(thermostat());
  await pass(bench, 1500);
  assert.equal(world.broker.states('thermostat'), [{ state: 'online' }]);
  plugin.device('thermostat').dead = true;
  await pass(bench, 2000);
  assert.equal(world.broker.lastState('thermostat'), { state: 'offline', reason: 'thermostat did not answer' });
  plugin.device('thermostat').dead = false;
  await pass(bench, 30_000);
  assert.equal(
    world.broker.states('thermostat').map(({ state }) => state),
    ['online', 'offline', 'online'],
  );
});

test('a connection that broke while idle is opened again without a miss', async (bench) => {
  const { world, plugin } = bench;
  world.broker.addDevice('thermostat');
  await world.start();
  world.set(thermostat());
  await pass(bench, 1500);
  plugin.dropConnections();
  await pass(bench, 2000);
  assert.equal(world.broker.states('thermostat'), [{ state: 'online' }]);
  assert.is(plugin.opened, 2);
});

for (const standing of [false, true]) {
  const how = standing ? 'that only a person can mend is tried with back-off' : 'that cannot be opened is tried once in a cycle';
  test(`a link ${how}`, async (bench) => {
    const { world, plugin } = bench;
    plugin.cut.add('thermostat');
    plugin.standing = standing;
    await world.start();
    world.set(thermostat());
    await pass(bench, 600_000);
    const refused = world.events('mapper.link.refused').length;
    const [least, most] = standing ? [20, 80] : [400, 1200];
    assert.ok(refused > least && refused < most, `${refused} attempts in ten minutes`);
    plugin.cut.clear();
    await pass(bench, standing ? 30_000 : 2000);
    assert.is(world.broker.lastState('thermostat')?.state, 'online');
  });
}

test('on a shared line dead devices take at most 5 % of its time, and the living are read in their cycle', async (bench) => {
  const { world, plugin, clock } = bench;
  plugin.shared = true;
  await world.start();
  world.broker.addDevice('thermostat');
  world.set(thermostat({ protocolConfig: { unit: 'thermostat', line: 'ttyS0' } }));
  for (const name of ['dead-1', 'dead-2', 'dead-3']) world.set(thermostat({ name, protocolConfig: { unit: name, line: 'ttyS0' } }));
  await pass(bench, 300_000);
  assert.is(plugin.opened, 1);
  const share = (plugin.lostMs.get('ttyS0') ?? 0) / clock.monotonic();
  assert.ok(share <= 0.05, `${share} of the time was lost`);
  assert.ok(share > 0.03, `${share}: they are still probed`);
  assert.ok(plugin.device('thermostat').reads >= 295, `${plugin.device('thermostat').reads} reads`);
  for (const name of ['dead-1', 'dead-2', 'dead-3']) assert.is(world.broker.lastState(name)?.state, 'offline');
});

test('on a shared line all dead devices come back soon after the first one did', async (bench) => {
  const { world, plugin } = bench;
  plugin.shared = true;
  const names = ['a', 'b', 'c', 'd'];
  await world.start();
  for (const name of names) {
    world.broker.addDevice(name);
    plugin.device(name, { setpoint: 200n, temperature: 180n }).dead = true;
    world.set(thermostat({ name, protocolConfig: { unit: name, line: 'ttyS0' } }));
  }
  await pass(bench, 60_000);
  for (const name of names) plugin.device(name).dead = false;
  await pass(bench, 10_000);
  assert.equal(
    names.map((name) => world.broker.lastState(name)?.state),
    ['online', 'online', 'online', 'online'],
  );
});

test('a dead device on its own link costs the others nothing', async (bench) => {
  const { world, plugin } = bench;
  plugin.timeoutMs = 5000;
  await world.start();
  world.set(thermostat());
  world.set(thermostat({ name: 'dead', protocolConfig: { unit: 'dead' } }));
  await pass(bench, 60_500);
  assert.is(plugin.device('thermostat').reads, 61);
});

test('a sensor is not read more often than its plugin allows', async (bench) => {
  const { world, plugin } = bench;
  plugin.minimumCycleMs = 2000;
  await world.start();
  world.set(thermostat());
  await pass(bench, 20_500);
  assert.is(plugin.device('thermostat').reads, 11);
});

test('a stop in the middle of everything settles', async (bench) => {
  const { world, plugin } = bench;
  plugin.device('thermostat').dead = true;
  plugin.device('slow', { setpoint: 200n, temperature: 180n }).readMs = 10_000;
  plugin.cut.add('cut');
  world.broker.addDevice('slow', { setpoint: { expected: '23' } });
  await world.start();
  world.set(thermostat());
  world.set(thermostat({ name: 'slow', protocolConfig: { unit: 'slow' } }));
  world.set(thermostat({ name: 'cut', protocolConfig: { unit: 'cut' } }));
  await pass(bench, 100);
});

test.run();

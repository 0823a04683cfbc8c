/** Proves what the mapper host does with desired values, in virtual time. */
import * as assert from 'uvu/assert';
import { HiveletError } from '#beehive/errors.ts';
import { benchSuite, pass, settle, thermostat } from '#test/simulators/mapper-bench.ts';

const test = benchSuite('desired values');

test('a desired value is written once, read back and reported, however often the delta is repeated', async (bench) => {
  const { world, plugin } = bench;
  const device = plugin.device('thermostat');
  world.broker.addDevice('thermostat');
  await world.start();
  world.set(thermostat());
  await pass(bench, 1500);
  world.broker.desire('thermostat', 'setpoint', '23');
  world.broker.repeatDelta('thermostat');
  await settle(bench);
  assert.equal(device.writes, [{ name: 'setpoint', value: 230 }]);
  assert.equal(world.broker.updates('thermostat').at(-1), { setpoint: '23' }, 'before the next cycle');
  world.broker.repeatDelta('thermostat');
  await pass(bench, 10_000);
  assert.is(device.writes.length, 1);
});

test('a value that the device does not take over is not written again and again', async (bench) => {
  const { world, plugin } = bench;
  const device = plugin.device('thermostat');
  device.stubborn = true;
  world.broker.addDevice('thermostat');
  await world.start();
  world.set(thermostat());
  await pass(bench, 1500);
  world.broker.desire('thermostat', 'setpoint', '23');
  for (let cycle = 0; cycle < 20; cycle++) {
    await pass(bench, 1000);
    world.broker.repeatDelta('thermostat');
  }
  assert.is(device.writes.length, 1);
});

test('a value changed at the device is reported and left alone', async (bench) => {
  const { world, plugin } = bench;
  const device = plugin.device('thermostat');
  world.broker.addDevice('thermostat');
  await world.start();
  world.set(thermostat());
  await pass(bench, 1500);
  world.broker.desire('thermostat', 'setpoint', '23');
  await pass(bench, 2000);
  device.values.set('setpoint', 190n);
  await pass(bench, 5000);
  assert.is(world.broker.actual('thermostat', 'setpoint'), '19');
  assert.is(device.writes.length, 1);
});

test('of two quick desired values the last one is in the device', async (bench) => {
  const { world, plugin } = bench;
  world.broker.addDevice('thermostat');
  await world.start();
  world.set(thermostat());
  await pass(bench, 1500);
  world.broker.desire('thermostat', 'setpoint', '23');
  world.broker.desire('thermostat', 'setpoint', '24');
  await settle(bench);
  assert.equal(plugin.device('thermostat').writes.at(-1), { name: 'setpoint', value: 240 });
  assert.is(world.broker.actual('thermostat', 'setpoint'), '24');
});

const restarts: [what: string, twin: { expected: string; actual?: string; settled?: boolean }, tellsSettled: boolean, writes: number][] = [
  ['a value that was reached once is not asserted after a restart', { expected: '23', actual: '19', settled: true }, true, 0],
  ['one that was never reached is', { expected: '23', actual: '20' }, true, 1],
  ['one that was never reported is', { expected: '23' }, true, 1],
  ['with a twin that is no Hivelet, equal values count as reached', { expected: '23', actual: '23.0' }, false, 0],
];
for (const [what, twin, tellsSettled, writes] of restarts) {
  test(what, async (bench) => {
    const { world, plugin } = bench;
    world.broker.tellsSettled = tellsSettled;
    world.broker.addDevice('thermostat', { setpoint: { settled: false, ...twin } });
    await world.start();
    world.set(thermostat());
    await pass(bench, 5000);
    assert.is(plugin.device('thermostat').writes.length, writes);
  });
}

test('a settled value is asserted again after the device was away', async (bench) => {
  const { world, plugin } = bench;
  const device = plugin.device('thermostat');
  world.broker.addDevice('thermostat');
  await world.start();
  world.set(thermostat());
  await pass(bench, 1500);
  world.broker.desire('thermostat', 'setpoint', '23');
  await pass(bench, 2000);
  device.dead = true;
  await pass(bench, 10_000);
  assert.is(world.broker.lastState('thermostat')?.state, 'offline');
  device.values.set('setpoint', 200n);
  device.dead = false;
  await pass(bench, 31_000);
  assert.equal(device.writes, [
    { name: 'setpoint', value: 230 },
    { name: 'setpoint', value: 230 },
  ]);
  assert.is(world.broker.lastState('thermostat')?.state, 'online');
});

test('a value withdrawn while the device was away is not asserted', async (bench) => {
  const { world, plugin } = bench;
  const device = plugin.device('thermostat');
  world.broker.addDevice('thermostat');
  await world.start();
  world.set(thermostat());
  await pass(bench, 1500);
  world.broker.desire('thermostat', 'setpoint', '23');
  await pass(bench, 2000);
  device.dead = true;
  await pass(bench, 10_000);
  world.broker.desire('thermostat', 'setpoint', undefined);
  device.values.set('setpoint', 200n);
  device.dead = false;
  await pass(bench, 31_000);
  assert.is(device.writes.length, 1);
});

test('a value set while the device is away is written when it is back', async (bench) => {
  const { world, plugin } = bench;
  const device = plugin.device('thermostat');
  device.dead = true;
  world.broker.addDevice('thermostat');
  await world.start();
  world.set(thermostat());
  await pass(bench, 5000);
  world.broker.desire('thermostat', 'setpoint', '23');
  await pass(bench, 5000);
  device.dead = false;
  await pass(bench, 31_000);
  assert.equal(device.writes, [{ name: 'setpoint', value: 230 }]);
});

test('a failed write is retried until it is taken', async (bench) => {
  const { world, plugin } = bench;
  const device = plugin.device('thermostat');
  device.writeErrors = [new HiveletError('DEVICE_BUSY'), new HiveletError('DEVICE_BUSY'), new HiveletError('DEVICE_BUSY')];
  world.broker.addDevice('thermostat');
  await world.start();
  world.set(thermostat());
  await pass(bench, 1500);
  world.broker.desire('thermostat', 'setpoint', '23');
  await settle(bench);
  assert.is(device.writes.length, 0);
  await pass(bench, 4000);
  assert.equal(device.writes, [{ name: 'setpoint', value: 230 }]);
  assert.is(world.broker.lastState('thermostat')?.state, 'online');
});

const refusals: [what: string, desired: string, error: HiveletError | undefined, reason: RegExp][] = [
  ['a value out of bounds', '99', undefined, /"99" of setpoint is not written: it is outside 5 to 35/],
  ['a text for a number', 'warm', undefined, /it is no float/],
  ['a value that the device refuses', '23', new HiveletError('POINT_REJECTED', 'ILLEGAL DATA VALUE'), /ILLEGAL DATA VALUE/],
];
for (const [what, desired, error, reason] of refusals) {
  test(`${what} is not written, logged once and told in the state`, async (bench) => {
    const { world, plugin } = bench;
    if (error !== undefined) plugin.device('thermostat').writeErrors.push(error);
    world.broker.addDevice('thermostat');
    await world.start();
    world.set(thermostat());
    await pass(bench, 1500);
    world.broker.desire('thermostat', 'setpoint', desired);
    await pass(bench, 5000);
    world.broker.repeatDelta('thermostat');
    await pass(bench, 5000);
    assert.is(plugin.device('thermostat').writes.length, 0);
    assert.is(world.events('mapper.desired.refused').length, 1);
    assert.match(world.broker.lastState('thermostat')?.reason ?? '', reason);
    assert.is(world.broker.lastState('thermostat')?.state, 'online');
    world.broker.desire('thermostat', 'setpoint', '24');
    await pass(bench, 1000);
    assert.equal(world.broker.lastState('thermostat'), { state: 'online' });
  });
}

test('a reading that began before a write does not undo the report of its read-back', async (bench) => {
  const { world, plugin } = bench;
  const device = plugin.device('thermostat');
  device.readMs = 400;
  world.broker.addDevice('thermostat');
  await world.start();
  world.set(thermostat());
  await pass(bench, 1100);
  world.broker.desire('thermostat', 'setpoint', '23');
  await pass(bench, 5000);
  const reported = world.broker.updates('thermostat').flatMap(({ setpoint }) => setpoint ?? []);
  assert.equal(reported, ['20', '23']);
});

test.run();

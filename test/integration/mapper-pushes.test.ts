/** Proves how the host serves devices that push their values: no polling of these, a look whether the device is there, the end of a connection. */
import * as assert from 'uvu/assert';
import { benchSuite, pass, thermostat, type Bench } from '#test/simulators/mapper-bench.ts';

const test = benchSuite('pushed values');

/** The temperature is pushed, the setpoint too unless it says otherwise. */
async function serve(bench: Bench, ...pushing: string[]): Promise<void> {
  const { world, plugin } = bench;
  for (const key of pushing.length === 0 ? ['setpoint', 'temperature'] : pushing) plugin.device('thermostat').pushing.add(key);
  world.broker.addDevice('thermostat');
  await world.start();
  world.set(thermostat());
  await pass(bench, 100);
}

const texts = ({ world }: Bench): string[] => world.broker.told('thermostat', 'temperature').flatMap(({ actual }) => actual?.value ?? []);

test('what is pushed is read once and then not polled; a push is reported at once', async (bench) => {
  const { plugin, world, clock } = bench;
  await serve(bench);
  const device = plugin.device('thermostat');
  await pass(bench, 10_000);
  assert.is(device.reads, 1);
  plugin.push('thermostat', 'temperature', 191n);
  assert.equal(texts(bench), ['18', '19.1']);
  assert.is(world.broker.told('thermostat', 'temperature').at(-1)?.actual?.metadata.timestamp, clock.now());
});

test('a push that an answer has overtaken does not bring the old value back; the device is asked what holds', async (bench) => {
  const { plugin, world, clock } = bench;
  await serve(bench);
  const device = plugin.device('thermostat');
  const remark = (at: number): unknown => device.remarks.set('setpoint', { at });
  remark(clock.now());
  world.broker.desire('thermostat', 'setpoint', '23');
  await pass(bench, 100);
  assert.is(world.broker.actual('thermostat', 'setpoint'), '23');
  const { reads } = device;
  // From before the write, and late.
  remark(clock.now() - 5000);
  plugin.push('thermostat', 'setpoint', 200n);
  device.values.set('setpoint', 230n);
  remark(clock.now());
  await pass(bench, 100);
  assert.equal(
    world.broker.told('thermostat', 'setpoint').map(({ actual }) => actual?.value),
    ['20', '23'],
  );
  assert.is(device.reads, reads + 1);
  // A clock that was set back: what the device answers counts, and then its pushes do again.
  remark(clock.now() - 3_600_000);
  plugin.push('thermostat', 'setpoint', 240n);
  await pass(bench, 100);
  assert.is(world.broker.actual('thermostat', 'setpoint'), '24');
  plugin.push('thermostat', 'setpoint', 250n);
  assert.is(world.broker.actual('thermostat', 'setpoint'), '25');
  assert.is(device.reads, reads + 2);
});

test('what is not pushed is polled on', async (bench) => {
  await serve(bench, 'temperature');
  await pass(bench, 5000);
  const device = bench.plugin.device('thermostat');
  assert.equal([device.reads, device.pings], [6, 0]);
  bench.plugin.device('thermostat').values.set('setpoint', 220n);
  await pass(bench, 1000);
  assert.is(bench.world.broker.actual('thermostat', 'setpoint'), '22');
});

test('the device is asked whether it is there when it pushed nothing for a cycle, and only then', async (bench) => {
  const { plugin } = bench;
  await serve(bench);
  const device = plugin.device('thermostat');
  await pass(bench, 10_000);
  assert.is(device.pings, 10);
  for (let step = 0; step < 20; step++) {
    plugin.push('thermostat', 'temperature', BigInt(200 + step));
    await pass(bench, 500);
  }
  assert.ok(device.pings <= 11, String(device.pings));
});

test('what is pushed and stays as it is goes out with the heartbeat, with the time at which it was read', async (bench) => {
  const { world } = bench;
  await serve(bench);
  await pass(bench, 121_000);
  const told = world.broker.told('thermostat', 'temperature');
  assert.is(told.length, 3);
  assert.is(new Set(told.map(({ actual }) => actual?.metadata.timestamp)).size, 1);
});

test('a device that falls silent is offline within two cycles, and its values are read anew when it is back', async (bench) => {
  const { plugin, world } = bench;
  await serve(bench);
  const device = plugin.device('thermostat');
  await pass(bench, 5000);
  device.dead = true;
  await pass(bench, 2000);
  assert.is(world.broker.lastState('thermostat')?.state, 'offline');
  assert.is(world.broker.told('thermostat', 'temperature').at(-1)?.quality?.word, 'stale');
  // It changed while nobody heard its pushes.
  device.values.set('temperature', 250n);
  device.dead = false;
  await pass(bench, 31_000);
  assert.is(world.broker.lastState('thermostat')?.state, 'online');
  assert.is(texts(bench).at(-1), '25');
  assert.is(world.broker.told('thermostat', 'temperature').at(-1)?.quality, undefined);
});

test('when the connection is lost all is polled at once on a new one, which pushes again', async (bench) => {
  const { plugin } = bench;
  await serve(bench);
  const device = plugin.device('thermostat');
  await pass(bench, 5500);
  const { reads } = device;
  device.values.set('temperature', 240n);
  plugin.dropConnections();
  await pass(bench, 10);
  assert.equal([plugin.opened, device.reads, texts(bench).at(-1)], [2, reads + 1, '24']);
  plugin.push('thermostat', 'temperature', 241n);
  await pass(bench, 5000);
  assert.equal([device.reads, texts(bench).at(-1)], [reads + 1, '24.1']);
});

test('the plugin is told how often, and by how much, in the unit of the device', async (bench) => {
  const { plugin, world } = bench;
  plugin.device('thermostat').pushing.add('setpoint').add('temperature');
  await world.start();
  world.set(thermostat({}, { collectCycleMs: 250, reportPolicy: { deadband: { kind: 'absolute', value: 0.5 } } }));
  await pass(bench, 500);
  const [setpoint, temperature] = plugin.subscriptions.get('thermostat')?.points ?? [];
  assert.equal(setpoint?.sampling, { everyMs: 250, deadband: { kind: 'absolute', value: 5 } });
  assert.equal(temperature?.sampling, { everyMs: 1000 });
});

test('a desired value is written, read back once and told', async (bench) => {
  const { plugin, world } = bench;
  await serve(bench);
  const { reads } = plugin.device('thermostat');
  world.broker.desire('thermostat', 'setpoint', '23');
  await pass(bench, 5000);
  assert.equal(plugin.device('thermostat').reads, reads + 1);
  assert.equal(
    world.broker.outcomes('thermostat', 'setpoint').map(({ result, observed }) => [result, observed]),
    [['reached', '23']],
  );
});

test.run();

/** Proves what of a reading is reported and when: deadbands, heartbeats, times, quality; in virtual time. */
import * as assert from 'uvu/assert';
import type { ReportPolicy } from '#device-models/report-policy.ts';
import type { Doubt } from '#wire/quality.ts';
import { benchSuite, pass, thermostat, type Bench } from '#test/simulators/mapper-bench.ts';

const test = benchSuite('reports');

async function serve(bench: Bench, reportPolicy?: ReportPolicy): Promise<void> {
  bench.world.broker.addDevice('thermostat');
  await bench.world.start();
  bench.world.set(thermostat({}, reportPolicy === undefined ? {} : { reportPolicy }));
  await pass(bench, 100);
}

const texts = ({ world }: Bench): string[] => world.broker.told('thermostat', 'setpoint').flatMap(({ actual }) => actual?.value ?? []);

/** The setpoint is read once with each of the values, in tenths. */
async function wander(bench: Bench, ...values: bigint[]): Promise<void> {
  for (const value of values) {
    bench.plugin.device('thermostat').values.set('setpoint', value);
    await pass(bench, 1000);
  }
}

test('without a policy each change is reported', async (bench) => {
  await serve(bench);
  await wander(bench, 201n, 201n, 200n);
  assert.equal(texts(bench), ['20', '20.1', '20']);
});

test('an absolute deadband counts from the value that was reported, not from the last one read', async (bench) => {
  await serve(bench, { deadband: { kind: 'absolute', value: 0.5 } });
  await wander(bench, 202n, 204n, 205n, 201n, 200n, 204n);
  assert.equal(texts(bench), ['20', '20.5', '20']);
  await wander(bench, 205n);
  assert.equal(texts(bench), ['20', '20.5', '20', '20.5']);
});

test('a percent deadband is a share of the value that was reported', async (bench) => {
  await serve(bench, { deadband: { kind: 'percent', value: 10 } });
  await wander(bench, 219n, 220n, 239n, 242n, 219n, 217n);
  assert.equal(texts(bench), ['20', '22', '24.2', '21.7']);
});

test('a value within the deadband goes out with the heartbeat', async (bench) => {
  await serve(bench, { deadband: { kind: 'absolute', value: 5 }, heartbeatMs: 10_000 });
  await wander(bench, 210n);
  await pass(bench, 25_000);
  assert.equal(texts(bench), ['20', '21', '21']);
});

test('a heartbeat between two collections goes out with the earlier one', async (bench) => {
  await serve(bench, { heartbeatMs: 2500 });
  await pass(bench, 6000);
  assert.is(texts(bench).length, 4, 'at 0, 2, 4 and 6 s');
});

test('with mode always each collection is reported', async (bench) => {
  await serve(bench, { always: true });
  await pass(bench, 5000);
  assert.is(texts(bench).length, 6);
});

test('a desired value is reported when it is reached, however small a change that is', async (bench) => {
  await serve(bench, { deadband: { kind: 'absolute', value: 5 } });
  bench.world.broker.desire('thermostat', 'setpoint', '21');
  await pass(bench, 2000);
  assert.equal(texts(bench), ['20', '21']);
  assert.equal(
    bench.world.broker.outcomes('thermostat', 'setpoint').map(({ result }) => result),
    ['reached'],
  );
});

test('a report has the time of its reading: the device’s own where it knows it, else when the answer came', async (bench) => {
  const { clock, plugin, world } = bench;
  plugin.device('thermostat').remarks.set('setpoint', { at: 1234 });
  await serve(bench);
  const stampOf = (property: string): number | undefined => world.broker.told('thermostat', property).at(-1)?.actual?.metadata.timestamp;
  assert.is(stampOf('setpoint'), 1234);
  assert.is(stampOf('temperature'), clock.now() - 100);
});

const doubts = ({ world }: Bench, property: string): (Doubt | 'good')[] =>
  world.broker.told('thermostat', property).map(({ quality }) => quality ?? 'good');

test('a point that the device refuses is bad with the reason, once, and good again with its next value', async (bench) => {
  await serve(bench);
  const device = bench.plugin.device('thermostat');
  device.failing.set('temperature', 'ILLEGAL DATA ADDRESS');
  await pass(bench, 30_000);
  device.failing.clear();
  await pass(bench, 5000);
  assert.equal(doubts(bench, 'temperature'), ['good', { word: 'bad', reason: 'ILLEGAL DATA ADDRESS' }, 'good']);
  assert.equal(doubts(bench, 'setpoint'), ['good']);
  const [, bad] = bench.world.broker.told('thermostat', 'temperature');
  assert.is(bad?.actual, undefined, 'the last value and its time stay as they are');
});

test('a reason that changes each second is told with the heartbeat only', async (bench) => {
  await serve(bench);
  const device = bench.plugin.device('thermostat');
  for (let second = 0; second < 130; second++) {
    device.failing.set('temperature', `noise ${second}`);
    await pass(bench, 1000);
  }
  assert.is(doubts(bench, 'temperature').length, 4, 'a value, the fault, and two heartbeats');
});

test('a point that alone does not answer is stale after two cycles, not after one', async (bench) => {
  await serve(bench);
  const device = bench.plugin.device('thermostat');
  device.mute.add('temperature');
  await pass(bench, 1000);
  assert.equal(doubts(bench, 'temperature'), ['good']);
  await pass(bench, 1000);
  assert.equal(doubts(bench, 'temperature'), ['good', { word: 'stale', reason: 'no answer' }]);
});

test('all values of a device that went offline are stale, in one message, and good when it is back', async (bench) => {
  const { world, plugin } = bench;
  await serve(bench);
  const before = world.broker.updates('thermostat').length;
  plugin.device('thermostat').dead = true;
  await pass(bench, 60_000);
  assert.is(world.broker.updates('thermostat').length, before + 1);
  const stale = { word: 'stale', reason: 'thermostat did not answer' };
  assert.equal([doubts(bench, 'setpoint').at(-1), doubts(bench, 'temperature').at(-1)], [stale, stale]);
  plugin.device('thermostat').dead = false;
  await pass(bench, 31_000);
  assert.equal([doubts(bench, 'setpoint').at(-1), doubts(bench, 'temperature').at(-1)], ['good', 'good']);
});

test('what the device itself calls doubtful is stale with its reason, and told once', async (bench) => {
  const { plugin, world } = bench;
  await serve(bench);
  const quality = { word: 'stale', reason: 'UncertainLastUsableValue' } as const;
  plugin.device('thermostat').remarks.set('temperature', { quality });
  await pass(bench, 5000);
  assert.equal(doubts(bench, 'temperature'), ['good', quality]);
  plugin.device('thermostat').values.set('temperature', 190n);
  await pass(bench, 1000);
  assert.equal(world.broker.told('thermostat', 'temperature').at(-1)?.actual?.value, '19', 'a changed value goes out all the same');
  assert.equal(doubts(bench, 'temperature').at(-1), quality);
});

test('a property whose visitor cannot be used is bad from the start', async (bench) => {
  const { world } = bench;
  world.broker.addDevice('thermostat');
  await world.start();
  world.set(thermostat({}, { config: {} }));
  await pass(bench, 100);
  assert.equal(doubts(bench, 'setpoint'), [{ word: 'bad', reason: 'visitor of setpoint.key: is missing' }]);
});

test('points that were never read say why, each of them, also when the twin came to know the device later', async (bench) => {
  const { world, plugin } = bench;
  const [noSuch, noAnswer] = [
    { word: 'bad', reason: 'ILLEGAL DATA ADDRESS' },
    { word: 'stale', reason: 'no answer' },
  ];
  plugin.device('thermostat').failing.set('setpoint', 'ILLEGAL DATA ADDRESS');
  plugin.device('thermostat').mute.add('temperature');
  await world.start();
  world.set(thermostat());
  await pass(bench, 100);
  assert.equal([doubts(bench, 'setpoint'), doubts(bench, 'temperature')], [[noSuch], [noAnswer]]);
  world.broker.addDevice('thermostat');
  await pass(bench, 10_000);
  assert.equal(
    [doubts(bench, 'setpoint'), doubts(bench, 'temperature')],
    [
      [noSuch, noSuch],
      [noAnswer, noAnswer],
    ],
  );
});

test('a device of which no property can be used says why of each', async (bench) => {
  const { world } = bench;
  world.broker.addDevice('thermostat');
  await world.start();
  const { properties, ...rest } = thermostat({}, { config: {} });
  world.set({ ...rest, properties: properties.slice(0, 1) });
  await pass(bench, 1000);
  const why = 'visitor of setpoint.key: is missing';
  assert.equal(world.broker.lastState('thermostat'), { state: 'unknown', reason: `setpoint: ${why}` });
  assert.equal(doubts(bench, 'setpoint'), [{ word: 'bad', reason: why }]);
});

test('who sets a value on a device that is offline is told at once, and again when it was written', async (bench) => {
  const { world, plugin } = bench;
  await serve(bench);
  plugin.device('thermostat').dead = true;
  await pass(bench, 10_000);
  world.broker.desire('thermostat', 'setpoint', '23');
  await pass(bench, 100);
  const said = (): unknown[] => world.broker.outcomes('thermostat', 'setpoint').map(({ result, reason }) => [result, reason]);
  const reason = 'the device is offline (thermostat did not answer): it is written when it is back';
  assert.equal(said(), [['failed', reason]]);
  plugin.device('thermostat').dead = false;
  await pass(bench, 31_000);
  assert.equal(said(), [
    ['failed', reason],
    ['reached', undefined],
  ]);
});

test('a value that was taken but cannot be read back is told so after five seconds', async (bench) => {
  const { world, plugin } = bench;
  await serve(bench);
  plugin.device('thermostat').failing.set('setpoint', 'ILLEGAL FUNCTION');
  world.broker.desire('thermostat', 'setpoint', '23');
  await pass(bench, 4000);
  assert.equal(world.broker.outcomes('thermostat', 'setpoint'), []);
  await pass(bench, 3000);
  const [outcome, ...others] = world.broker.outcomes('thermostat', 'setpoint');
  assert.equal([outcome?.result, outcome?.reason, others], ['differs', 'it cannot be read back: ILLEGAL FUNCTION', []]);
});

test.run();

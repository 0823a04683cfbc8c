/** Proves what the mapper host says of desired values: once per version and result, with the time it took, in virtual time. */
import * as assert from 'uvu/assert';
import { HiveletError } from '#beehive/errors.ts';
import type { WriteOutcome } from '#wire/write-outcome.ts';
import { benchSuite, pass, settle, thermostat, type Bench } from '#test/simulators/mapper-bench.ts';

const test = benchSuite('outcomes of writes');

async function serve(bench: Bench): Promise<void> {
  bench.world.broker.addDevice('thermostat');
  await bench.world.start();
  bench.world.set(thermostat());
  await pass(bench, 1500);
}

/** Without the stamp, which is the twin's. */
const said = ({ world }: Bench): Omit<WriteOutcome, 'stamp'>[] =>
  world.broker.outcomes('thermostat', 'setpoint').map(({ stamp: _stamp, ...outcome }) => outcome);

test('a value that is written and shown is told with the reading, and once', async (bench) => {
  await serve(bench);
  bench.world.broker.desire('thermostat', 'setpoint', '23');
  await settle(bench);
  bench.world.broker.repeatDelta('thermostat');
  await pass(bench, 120_000);
  assert.equal(said(bench), [{ desired: '23', result: 'reached', observed: '23', ms: 0 }]);
  const message = bench.world.broker.published.find(({ message: { twin } }) => JSON.stringify(twin ?? {}).includes('"write"'));
  const { setpoint } = message?.message.twin as Record<string, { actual?: { value: string }; write?: WriteOutcome }>;
  assert.is(setpoint?.actual?.value, '23', 'in one message');
});

test('the time is from the arrival to the reading, retries included', async (bench) => {
  await serve(bench);
  bench.plugin.device('thermostat').writeErrors = [new HiveletError('DEVICE_BUSY', 'busy'), new HiveletError('DEVICE_BUSY', 'busy')];
  bench.world.broker.desire('thermostat', 'setpoint', '23');
  await pass(bench, 5000);
  const [failed, reached, ...others] = said(bench);
  assert.equal([failed, others], [{ desired: '23', result: 'failed', reason: 'busy', ms: 0 }, []], 'a repeated failure is no news');
  assert.is(reached?.result, 'reached');
  assert.ok(reached?.ms !== undefined && reached.ms > 0 && reached.ms < 5000, String(reached?.ms));
});

test('a write that nobody answers is told as timed out, and as reached when the device is back', async (bench) => {
  await serve(bench);
  const device = bench.plugin.device('thermostat');
  device.dead = true;
  bench.world.broker.desire('thermostat', 'setpoint', '23');
  await pass(bench, 5000);
  device.dead = false;
  await pass(bench, 31_000);
  assert.equal(
    said(bench).map(({ result, reason }) => [result, reason]),
    [
      ['timedOut', 'thermostat did not answer'],
      ['reached', undefined],
    ],
  );
});

const refusals: [what: string, desired: string, error: HiveletError | undefined, reason: string][] = [
  ['out of bounds', '99', undefined, 'it is outside 5 to 35'],
  [
    'by the device',
    '23',
    new HiveletError('POINT_REJECTED', 'the device refused it', { facts: { why: 'ILLEGAL DATA ADDRESS' } }),
    'ILLEGAL DATA ADDRESS',
  ],
];
for (const [what, desired, error, reason] of refusals) {
  test(`a value that is refused ${what} is told without a reading, and once`, async (bench) => {
    await serve(bench);
    if (error !== undefined) bench.plugin.device('thermostat').writeErrors.push(error);
    bench.world.broker.desire('thermostat', 'setpoint', desired);
    await pass(bench, 5000);
    bench.world.broker.repeatDelta('thermostat');
    await pass(bench, 5000);
    assert.equal(said(bench), [{ desired, result: 'refused', reason, ms: 0 }]);
    assert.is(bench.world.broker.actual('thermostat', 'setpoint'), '20');
  });
}

test('a device that takes a value but goes on showing another one is told after five seconds', async (bench) => {
  await serve(bench);
  bench.plugin.device('thermostat').stubborn = true;
  bench.world.broker.desire('thermostat', 'setpoint', '23');
  await pass(bench, 4500);
  assert.equal(said(bench), []);
  await pass(bench, 20_000);
  const [outcome, ...others] = said(bench);
  assert.equal([outcome?.result, outcome?.observed, others], ['differs', '20', []]);
  bench.plugin.device('thermostat').values.set('setpoint', 230n);
  await pass(bench, 2000);
  assert.is(said(bench).at(-1)?.result, 'reached');
});

test('what was reached in an earlier life is no news; what the device had without a write has no time', async (bench) => {
  const { world } = bench;
  world.broker.addDevice('thermostat', { setpoint: { expected: '23', actual: '20', settled: true } });
  await world.start();
  world.set(thermostat());
  await pass(bench, 5000);
  assert.equal(said(bench), []);
  world.broker.desire('thermostat', 'setpoint', '20.01');
  await pass(bench, 5000);
  const [outcome] = said(bench);
  assert.is(outcome?.result, 'reached');
});

test('of two quick values only the last one is told', async (bench) => {
  await serve(bench);
  bench.world.broker.desire('thermostat', 'setpoint', '23');
  bench.world.broker.desire('thermostat', 'setpoint', '24');
  await pass(bench, 5000);
  assert.equal(said(bench).at(-1)?.desired, '24');
  assert.equal(
    said(bench).filter(({ result }) => result !== 'reached'),
    [],
  );
});

test.run();

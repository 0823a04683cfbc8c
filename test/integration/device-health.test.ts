/** Proves how soon a device is called online, unhealthy or offline, and that it says why: within two collect cycles, in virtual time. */
import * as assert from 'uvu/assert';
import { benchSuite, pass, thermostat, type Bench } from '#test/simulators/mapper-bench.ts';

const test = benchSuite('device health');

async function serve(bench: Bench, collectCycleMs: number): Promise<void> {
  const { world } = bench;
  world.broker.addDevice('thermostat');
  await world.start();
  const device = thermostat();
  world.set({ ...device, properties: device.properties.map((property) => ({ ...property, collectCycleMs })) });
  await pass(bench, 20 * collectCycleMs);
}

/** Milliseconds until the state is told, from `change` on; at most `limit` are waited for. */
async function flip(bench: Bench, { change, to, limit }: { change: () => void; to: string; limit: number }): Promise<number> {
  const { world, clock } = bench;
  const start = clock.monotonic();
  change();
  while (world.broker.lastState('thermostat')?.state !== to && clock.monotonic() - start < limit)
    await pass(bench, 5 * Math.ceil(limit / 2000));
  return clock.monotonic() - start;
}

interface Fault {
  what: string;
  state: string;
  reason: RegExp;
  begin: (bench: Bench) => void;
  end: (bench: Bench) => void;
}

const device = ({ plugin }: Bench): ReturnType<Bench['plugin']['device']> => plugin.device('thermostat');
const faults: Fault[] = [
  {
    what: 'a device that does not answer',
    state: 'offline',
    reason: /^thermostat did not answer$/,
    begin: (bench) => void (device(bench).dead = true),
    end: (bench) => void (device(bench).dead = false),
  },
  {
    what: 'a link that is gone',
    state: 'offline',
    reason: /^thermostat: refused$/,
    begin: ({ plugin }) => {
      plugin.cut.add('thermostat');
      plugin.dropConnections();
    },
    end: ({ plugin }) => plugin.cut.clear(),
  },
  {
    what: 'a point that fails',
    state: 'unhealthy',
    reason: /^temperature: ILLEGAL DATA ADDRESS$/,
    begin: (bench) => void device(bench).failing.set('temperature', 'ILLEGAL DATA ADDRESS'),
    end: (bench) => device(bench).failing.clear(),
  },
];

for (const { what, state, reason, begin, end } of faults) {
  for (const cycleMs of [500, 1000, 5000, 60_000]) {
    for (const outageMs of [0, 20]) {
      test(`${what} is ${state} within two cycles of ${cycleMs} ms, and online again after ${outageMs} more`, async (bench) => {
        await serve(bench, cycleMs);
        const { world } = bench;
        assert.equal(world.broker.lastState('thermostat'), { state: 'online' });
        const limit = 2 * cycleMs;
        const there = await flip(bench, { change: () => begin(bench), to: state, limit: 2 * limit });
        assert.ok(there <= limit, `${state} after ${there} ms`);
        assert.match(world.broker.lastState('thermostat')?.reason ?? '', reason);
        await pass(bench, outageMs * cycleMs);
        const back = await flip(bench, { change: () => end(bench), to: 'online', limit: 2 * limit });
        assert.ok(back <= limit, `online after ${back} ms`);
        assert.equal(world.broker.lastState('thermostat'), { state: 'online' });
      });
    }
  }
}

test('one lost answer makes no state', async (bench) => {
  await serve(bench, 1000);
  device(bench).dead = true;
  await pass(bench, 1000);
  device(bench).dead = false;
  await pass(bench, 5000);
  assert.equal(
    bench.world.broker.states('thermostat').map(({ state }) => state),
    ['online'],
  );
});

test.run();

/** Owns the bench that mapper tests stand on: a host, a twin and devices in virtual time. */
import { suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import type { PluginLoader } from '#mappers/contract.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { BenchPlugin } from './bench-devices.ts';
import { MapperWorld } from './mapper-world.ts';
import { profile, property, type PropertyOptions } from './profiles.ts';

export interface Bench {
  clock: FakeClock;
  plugin: BenchPlugin;
  world: MapperWorld;
  /** How often the plugin was loaded. */
  loads: number;
  /** What it cannot be loaded without, while that is not there. */
  missing: string | undefined;
}

/** A suite with a fresh bench for each test, which checks at its end that nothing is left behind. */
export function benchSuite(name: string): Test<Bench> {
  const test = suite<Bench>(name);
  test.before.each((bench) => {
    bench.clock = new FakeClock();
    bench.plugin = new BenchPlugin(bench.clock);
    bench.loads = 0;
    bench.missing = undefined;
    const load: PluginLoader = async () => {
      bench.loads++;
      if (bench.missing !== undefined) throw new Error(`Cannot find package '${bench.missing}'`);
      return bench.plugin;
    };
    bench.world = new MapperWorld({ clock: bench.clock, plugins: new Map([['bench', load]]) });
    bench.plugin.device('thermostat', { setpoint: 200n, temperature: 180n });
  });

  test.after.each(async ({ world, clock, plugin }) => {
    await world.stop();
    assert.is(clock.pending, 0, 'no timer is left behind');
    assert.is(plugin.closed, plugin.opened, 'every connection was closed');
    assert.equal(world.broker.subscriptions, [], 'every subscription ended');
  });
  return test;
}

/** Messages travel in later turns, so a chain of them needs more than one settling. */
export async function settle({ clock }: Bench): Promise<void> {
  for (let round = 0; round < 10; round++) await clock.settle();
}

export async function pass(bench: Bench, ms: number): Promise<void> {
  await settle(bench);
  await bench.clock.advance(ms);
  await settle(bench);
}

/** Setpoint and temperature in tenths, read each second. */
export const thermostat = (more: Partial<DeviceProfile> = {}, options: PropertyOptions = {}): DeviceProfile => ({
  ...profile('thermostat', {
    protocol: 'bench',
    config: { unit: 'thermostat' },
    properties: [
      property('bench', 'setpoint', { minimum: '5', maximum: '35', config: { key: 'setpoint', scale: 0.1 }, tolerance: 0.05, ...options }),
      property('bench', 'temperature', { accessMode: 'ReadOnly', config: { key: 'temperature', scale: 0.1 }, tolerance: 0.05 }),
    ],
  }),
  ...more,
});

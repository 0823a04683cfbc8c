/**
 * Owns the contract test: what every mapper plugin has to do, run against a device of its protocol.
 *
 * Use it from a test file of your own. It takes the `test` of whatever runner you have:
 *
 *     import { test } from 'node:test';
 *     import { contractTest } from '…/mappers/contract-test/index.ts';
 *
 *     contractTest('thermometer', {
 *       plugin: createThermometerPlugin(),
 *       patienceMs: 3000,                      // the plugin's own time-out and a margin
 *       async start() {                        // a fresh device for each case
 *         const device = await startThermometer();
 *         return {
 *           link: { host: '127.0.0.1', port: device.port },
 *           points: (count) => …,              // good points: name, type, visitor
 *           bad: …,                            // a point that the device does not have
 *           writable: { point, values: [20, 21.5] },
 *           refusing: { point, value: 1000 },  // the device itself says no
 *           silence, speak, slow, cut, restore, connections, stop,
 *         };
 *       },
 *     }, test);
 *
 * (with uvu: `test`, and `test.run()` after it). Each case starts a device, drives the plugin as the host would, closes everything and
 * checks that no timer of the clock, no promise, no listener and no connection is left. A device on TCP gets its `silence`, `speak`, `slow`,
 * `cut`, `restore` and `connections` from a `TcpRelay` put in front of it (`...relay.faults`). The whole harness is described in harness.ts,
 * a complete example is mappers/contract-test/example, the reasons are in docs/write-a-mapper.md. It is driven by the contract alone, so
 * that a plugin that passes it works in the host, inside edgecore and in a child process.
 */
import type { Case } from './cases.ts';
import type { ContractHarness, Register } from './harness.ts';
import { linkCases } from './links.ts';
import { pushCases } from './pushes.ts';
import { requestCases } from './requests.ts';
import { keepAwake, Rig } from './rig.ts';

export type { ContractHarness, DeviceUnderTest, Register, TestPoint } from './harness.ts';
export { TcpRelay } from './relay.ts';

const cases: readonly Case[] = [...linkCases, ...requestCases, ...pushCases];

/** Registers one test per case: `<name>: <case>`. */
export function contractTest<Link, Access>(name: string, harness: ContractHarness<Link, Access>, register: Register): void {
  for (const each of cases) register(`${name}: ${each.title}`, () => runCase(each, harness));
}

async function runCase<Link, Access>(each: Case, harness: ContractHarness<Link, Access>): Promise<void> {
  const sleepless = keepAwake();
  const device = await harness.start();
  try {
    if (each.needs?.(device) === false) return;
    const rig = new Rig<Link, Access>(harness, device);
    try {
      await each.run(rig);
    } catch (error) {
      // What the case found is told, not what it left behind.
      await rig.finish().catch(() => undefined);
      throw error;
    }
    await rig.finish();
  } finally {
    await device.stop();
    sleepless();
  }
}

/** Owns `make bench`: the figures of docs/performance.md, one JSON line each. `--quick` takes one short run of each. */
import { cpus, release } from 'node:os';
import { parseArgs } from 'node:util';
import { diskBaseline, diskCost, throughput } from './loads.ts';
import { mapperProcesses } from './mapper-processes.ts';
import { idleMemory, memoryAfterUpdates, startUp } from './memory.ts';
import { patchToRegister } from './patch.ts';
import { print } from './programs.ts';
import { registers } from './registers.ts';
import { roundTrips } from './round-trip.ts';
import { chatter, cloudIdle, scale } from './scale.ts';
import { apiSecurity, brokerSecurity } from './security.ts';
import { wear } from './wear.ts';

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, only: { type: 'string', default: '' } } });
const runs = values.quick ? 1 : 5;
const seconds = values.quick ? 2 : 5;

const measurements: Record<string, () => Promise<void>> = {
  load: () => throughput(runs, seconds, 'off'),
  'load-link-down': () => throughput(runs, seconds, 'down'),
  disk: () => diskCost(),
  start: () => startUp(values.quick ? 3 : 11),
  idle: () => idleMemory(values.quick ? 10 : 60),
  memory: () => memoryAfterUpdates(values.quick ? 20_000 : 100_000),
  'mapper-processes': () => mapperProcesses(values.quick ? 10 : 60),
  wear: () => wear(30, values.quick ? 60 : 330),
  registers: () => registers(values.quick ? 10 : 60, false),
  'registers-cloud': () => registers(values.quick ? 10 : 60, true),
  'round-trip': () => allRoundTrips(values.quick ? 40 : 200),
  patch: () => patchToRegister(values.quick ? 20 : 200),
  security: async () => {
    await brokerSecurity(values.quick ? 5 : 20);
    await apiSecurity(values.quick ? 50 : 400);
  },
  'cloud-idle': () => cloudIdle(values.quick ? 1 : 5, values.quick ? 5 : 60),
  chatter: () => chatter(values.quick ? 10 : 60),
  scale: () => scale(values.quick ? 100 : 1000, values.quick ? 10 : 60),
};

async function allRoundTrips(changes: number): Promise<void> {
  for (const protocol of ['modbus', 'opcua', 'bluetooth'] as const) {
    const { times, p50, p95, max } = await roundTrips(protocol, changes);
    print({ what: 'PATCH -> device -> reported in the API', protocol, changes: times.length, p50_ms: p50, p95_ms: p95, max_ms: max });
  }
}

print({ what: 'machine', node: process.version, cpu: cpus()[0]?.model ?? '', cores: cpus().length, kernel: release(), ...diskBaseline() });
for (const [name, measure] of Object.entries(measurements))
  if (values.only === '' || values.only.split(',').includes(name)) await measure();

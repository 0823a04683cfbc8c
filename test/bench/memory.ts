/** Owns the memory and start-up figures: the shipped bundle, all modules on, one Modbus device polling. */
import { systemClock } from '#beehive/clock.ts';
import { startThermostat } from '#mappers/modbus/simulate.ts';
import { twinLoad } from './loads.ts';
import { median, memoryOf, print, startEdge } from './programs.ts';
import { startWorld } from './world.ts';

export async function startUp(runs: number): Promise<void> {
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    const edge = await startEdge({ devices: 0, sets: ['modules.edgeHub.enable=false'] });
    times.push(edge.connackMs);
    await edge.stop();
  }
  print({
    what: 'exec to CONNACK',
    runs,
    median_ms: Math.round(median(times)),
    min_ms: Math.round(Math.min(...times)),
    max_ms: Math.round(Math.max(...times)),
  });
}

const pause = (ms: number): Promise<void> => systemClock.sleep(ms);

/** Idle: linked to the cloud, one Modbus device polled every 500 ms. */
export async function idleMemory(seconds: number): Promise<void> {
  const keepAlive = setInterval(() => undefined, 1000);
  const thermostat = await startThermostat({ clock: systemClock });
  const world = await startWorld({ thermostatPort: thermostat.port });
  try {
    await pause(seconds * 1000);
    print({ what: 'edge idle, one Modbus device, link up', after_s: seconds, ...memoryOf(world.edge.pid) });
    print({ what: 'cloud idle (API, cloudhub, controllers)', after_s: seconds, ...memoryOf(world.cloudPid) });
  } finally {
    await world.stop();
    await thermostat.close();
    clearInterval(keepAlive);
  }
}

/** Changing values, 100 devices, documents subscribed, link up. */
export async function memoryAfterUpdates(count: number): Promise<void> {
  const thermostat = await startThermostat({ clock: systemClock });
  const world = await startWorld({ thermostatPort: thermostat.port, devices: 100 });
  try {
    const before = memoryOf(world.edge.pid);
    const load = await twinLoad(world.edge.mqttPort, { devices: 100, outstanding: 64, count, duration: 20, documents: true });
    print({
      what: 'edge after updates, 100 devices, documents subscribed, link up',
      updates: load.results,
      before,
      after: memoryOf(world.edge.pid),
      msgs_per_s: load.msgs_per_s,
    });
    await twinLoad(world.edge.mqttPort, { devices: 100, outstanding: 64, count, duration: 20, documents: true });
    print({ what: 'the same again', updates: count, after: memoryOf(world.edge.pid) });
  } finally {
    await world.stop();
    await thermostat.close();
  }
}

/** Owns the command latency: PATCH received by the API -> register written on the device. */
import { systemClock } from '#beehive/clock.ts';
import { devices } from '#cloud/store/kube-api.ts';
import { THERMOSTAT, startThermostat } from '#mappers/modbus/simulate.ts';
import { print } from './programs.ts';
import { startWorld } from './world.ts';

interface Device {
  status: { twins: { propertyName: string }[] };
}

/** `changes` different setpoints, one after the other; the time runs from the start of the request, so it holds the request too. */
export async function patchToRegister(changes: number): Promise<void> {
  let written: (raw: number) => void = () => undefined;
  const thermostat = await startThermostat({
    clock: systemClock,
    onWrite: ({ address, values }) => {
      if (address === THERMOSTAT.setpoint) written(values[0] ?? NaN);
    },
  });
  const world = await startWorld({ thermostatPort: thermostat.port });
  const name = { namespace: 'default', name: 'thermostat' };
  try {
    const device = (await world.api.get(devices, name)) as unknown as Device;
    const index = device.status.twins.findIndex((twin) => twin.propertyName === 'setpoint');
    const times: number[] = [];
    for (let change = 0; change < changes; change++) {
      const raw = 180 + (change % 60);
      const seen = new Promise<number>((resolve) => {
        written = (value) => {
          if (value === raw) resolve(performance.now());
        };
      });
      const from = performance.now();
      const operations = [
        { op: 'test', path: `/status/twins/${String(index)}/propertyName`, value: 'setpoint' },
        { op: 'add', path: `/status/twins/${String(index)}/desired`, value: { value: (raw / 10).toFixed(1) } },
      ] as const;
      await world.api.patch(devices, name, { type: 'json', operations: [...operations] });
      times.push((await seen) - from);
      // Changes come at human pace, not in phase with the polling.
      await systemClock.sleep(20 + (change % 7) * 13);
    }
    times.sort((a, b) => a - b);
    const q = (p: number): number => Number((times[Math.min(times.length - 1, Math.ceil(p * times.length) - 1)] ?? NaN).toFixed(1));
    print({ what: 'PATCH to register written', changes, p50_ms: q(0.5), p95_ms: q(0.95), p99_ms: q(0.99), max_ms: q(1) });
  } finally {
    await world.stop();
    await thermostat.close();
  }
}

/** Owns the wear figures: bytes written per day by cloud and edge together, and bytes sent by an idle node. */
import { systemClock } from '#beehive/clock.ts';
import { deviceModels, devices } from '#cloud/store/kube-api.ts';
import { startModbusServer, ModbusUnit } from '#mappers/modbus/server.ts';
import { startThermostat } from '#mappers/modbus/simulate.ts';
import { bytesWritten, print } from './programs.ts';
import { startWorld } from './world.ts';

const DAY_S = 86_400;

/** `count` Modbus devices, each with one register that changes every second. */
export async function wear(count: number, seconds: number): Promise<void> {
  const units = new Map(Array.from({ length: count }, (_, index) => [index + 1, new ModbusUnit().set('holding', 0, 0)]));
  const server = await startModbusServer({ host: '127.0.0.1', port: 0, unit: (id) => units.get(id) });
  let value = 0;
  const ticking = setInterval(() => {
    value = (value + 1) % 1000;
    for (const unit of units.values()) unit.set('holding', 0, value);
  }, 1000);
  const thermostat = await startThermostat({ clock: systemClock, noise: 0, setpoint: 20, temperature: 20 });
  const world = await startWorld({ thermostatPort: thermostat.port });
  try {
    await world.api.create(deviceModels, {
      metadata: { name: 'meter', namespace: 'default' },
      spec: { properties: [{ name: 'reading', type: { int: { accessMode: 'ReadOnly' } } }] },
    });
    for (let index = 1; index <= count; index++) await world.api.create(devices, meter(index, server.port));
    // The first minute holds the creation of everything.
    await systemClock.sleep(20_000);
    const before = { edge: bytesWritten(world.edge.pid), cloud: bytesWritten(world.cloudPid) };
    await systemClock.sleep(seconds * 1000);
    const perDay = (bytes: number): number => Math.round(((bytes / seconds) * DAY_S) / 1e5) / 10;
    const edge = perDay(bytesWritten(world.edge.pid) - before.edge);
    const cloud = perDay(bytesWritten(world.cloudPid) - before.cloud);
    print({
      what: 'written per day, devices changing every second',
      devices: count,
      measured_s: seconds,
      edge_mb: edge,
      cloud_mb: cloud,
      together_mb: Math.round((edge + cloud) * 10) / 10,
    });
  } finally {
    clearInterval(ticking);
    await world.stop();
    await server.close();
    await thermostat.close();
  }
}

function meter(index: number, port: number) {
  return {
    metadata: { name: `meter-${String(index)}`, namespace: 'default' },
    spec: {
      deviceModelRef: { name: 'meter' },
      nodeSelector: { nodeSelectorTerms: [{ matchExpressions: [{ key: '', operator: 'In', values: ['bench'] }] }] },
      protocol: { modbus: { slaveID: index }, common: { tcp: { ip: '127.0.0.1', port } } },
      propertyVisitors: [
        { propertyName: 'reading', collectCycle: 1_000_000_000, modbus: { register: 'HoldingRegister', offset: 0, limit: 1, scale: 1 } },
      ],
    },
  };
}

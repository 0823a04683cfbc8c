/** Owns the figures of a large field: a hundred Modbus devices of a hundred registers, read every second, on one core. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'mqtt';
import { systemClock } from '#beehive/clock.ts';
import { deviceModels, devices, type KubeObjectInput } from '#cloud/store/kube-api.ts';
import { spawnProcess, type TestProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { cpuMsOf, memoryOf, print, root, startEdge, type BenchEdge } from './programs.ts';
import { startWorld } from './world.ts';
import { startThermostat } from '#mappers/modbus/simulate.ts';

const DEVICES = 100;
const REGISTERS = 100;
const CHANGING = 10;
/** The edge has this core for itself, the devices and the rest have the others. */
const EDGE_CORE = ['taskset', '-c', '0'];
const OTHER_CORE = '1';
const WARM_UP_MS = 15_000;
const COUNTED_MS = 10_000;

/** Without a cloud, or linked to one on the other core. */
export async function registers(seconds: number, cloud: boolean): Promise<void> {
  const field = await startField();
  try {
    if (cloud) await withCloud(field.ports, seconds);
    else await alone(field.ports, seconds);
  } finally {
    await field.process.stop();
  }
}

async function startField(): Promise<{ process: TestProcess; ports: number[] }> {
  const script = join(root, 'test/simulators/modbus-field.ts');
  const args = ['-c', OTHER_CORE, process.execPath, '--import', 'tsx', script, ...[DEVICES, REGISTERS, CHANGING].map(String)];
  const child = spawnProcess({ command: 'taskset', args, cwd: root });
  const line = await child.line('ready', { deadlineMs: 60_000 });
  return { process: child, ports: line.split(' ').slice(1).map(Number) };
}

async function alone(ports: readonly number[], seconds: number): Promise<void> {
  const dataDir = tempDir();
  const folder = join(dataDir, 'edge/devices.d');
  mkdirSync(folder, { recursive: true });
  const objects = [{ kind: 'DeviceModel', ...model }, ...ports.map((port, index) => ({ kind: 'Device', ...device(index, port) }))];
  // JSON is YAML.
  writeFileSync(join(folder, 'field.yaml'), objects.map((object) => JSON.stringify(object)).join('\n---\n'));
  const edge = await startEdge({ dataDir, sets: ['modules.edgeHub.enable=false'], wrapper: EDGE_CORE });
  try {
    await measure(edge, { seconds, what: 'no cloud' });
  } finally {
    await edge.stop();
  }
}

async function withCloud(ports: readonly number[], seconds: number): Promise<void> {
  const thermostat = await startThermostat({ clock: systemClock });
  const world = await startWorld({ thermostatPort: thermostat.port, wrapper: EDGE_CORE, cloudWrapper: ['taskset', '-c', OTHER_CORE] });
  try {
    await world.api.create(deviceModels, model);
    for (const [index, port] of ports.entries()) await world.api.create(devices, device(index, port));
    await measure(world.edge, { seconds, what: 'link up', cloudPid: world.cloudPid });
  } finally {
    await world.stop();
    await thermostat.close();
  }
}

async function measure(edge: BenchEdge, { seconds, what, cloudPid }: { seconds: number; what: string; cloudPid?: number }): Promise<void> {
  await systemClock.sleep(WARM_UP_MS);
  const updates = await countUpdates(edge.mqttPort);
  await systemClock.sleep(COUNTED_MS);
  const before = { atMs: performance.now(), edge: cpuMsOf(edge.pid), cloud: cloudPid === undefined ? 0 : cpuMsOf(cloudPid) };
  await systemClock.sleep(seconds * 1000);
  const passedMs = performance.now() - before.atMs;
  const percent = (cpuMs: number): number => Math.round((cpuMs / passedMs) * 1000) / 10;
  print({
    what: `${DEVICES} devices x ${REGISTERS} registers every second, ${CHANGING} of each changing, ${what}`,
    seconds,
    cpu_percent_of_one_core: percent(cpuMsOf(edge.pid) - before.edge),
    ...memoryOf(edge.pid),
    updates_per_device_and_second: updates.perDevice,
    values_per_update: updates.values,
    ...(cloudPid === undefined
      ? {}
      : { cloud_cpu_percent: percent(cpuMsOf(cloudPid) - before.cloud), cloud_rss_mib: memoryOf(cloudPid).rss_mib }),
  });
}

/** What an MQTT client sees, for a while; it is gone when the time of the processor is taken. */
async function countUpdates(port: number): Promise<{ perDevice: number; values: number }> {
  const client = connect({ host: '127.0.0.1', port, protocolVersion: 4 });
  let messages = 0;
  let values = 0;
  client.on('message', (topic, payload) => {
    if (!topic.startsWith('$hw/events/device/field-')) return;
    messages += 1;
    values += Object.keys((JSON.parse(payload.toString('utf8')) as { twin: object }).twin).length;
  });
  await client.subscribeAsync('$hw/events/device/+/twin/update');
  await systemClock.sleep(COUNTED_MS);
  await client.endAsync(true);
  return {
    perDevice: Math.round((messages / DEVICES / (COUNTED_MS / 1000)) * 100) / 100,
    values: Math.round((values / messages) * 10) / 10,
  };
}

const names = Array.from({ length: REGISTERS }, (_, index) => `register-${index}`);

const model: KubeObjectInput = {
  metadata: { name: 'field', namespace: 'default' },
  spec: { properties: names.map((name) => ({ name, type: { int: { accessMode: 'ReadOnly' } } })) },
};

function device(index: number, port: number): KubeObjectInput {
  return {
    metadata: { name: `field-${index}`, namespace: 'default' },
    spec: {
      deviceModelRef: { name: 'field' },
      nodeSelector: { nodeSelectorTerms: [{ matchExpressions: [{ key: '', operator: 'In', values: ['bench'] }] }] },
      protocol: { modbus: { slaveID: 1 }, common: { tcp: { ip: '127.0.0.1', port } } },
      propertyVisitors: names.map((propertyName, offset) => ({
        propertyName,
        collectCycle: 1_000_000_000,
        modbus: { register: 'HoldingRegister', offset, limit: 1, scale: 1 },
      })),
    },
  };
}

/** Owns what a mapper in a process of its own costs: the edge and that process, with one device, beside the edge with none and one inside. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { PluginStatus } from '#mappers/mappers.ts';
import { freePort } from '#test/support/ports.ts';
import { spawnProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';
import { launcher, memoryOf, print, root, startEdge } from './programs.ts';

interface Trial {
  plugin: string;
  /** The mapper has no process of its own. */
  inside?: boolean;
  sample: string;
  /** Of the simulator. */
  args: readonly string[];
  /** Settings of the edge. */
  sets: readonly string[];
  /** What of the Device is another one here. */
  change: (yaml: string) => string;
}

/** After `seconds`: no device, one inside, then one each in a process of its own. */
export async function mapperProcesses(seconds: number): Promise<void> {
  const port = await freePort();
  const hci = join(tempDir(), 'hci.sock');
  await measure(seconds, undefined);
  const tcp = (yaml: string): string => yaml.replace(/port: \d+/, `port: ${String(port)}`);
  const thermostat = { plugin: 'modbus', sample: 'modbus-thermostat', args: ['modbus', '--port', String(port)], change: tcp };
  await measure(seconds, { ...thermostat, inside: true, sets: [] });
  await measure(seconds, { ...thermostat, sets: ['modules.mapperHost.placement.modbus=child'] });
  await measure(seconds, {
    plugin: 'opcua',
    sample: 'opcua-press',
    args: ['opcua', '--port', String(port)],
    sets: [],
    change: (yaml) => yaml.replace(/(opc\.tcp:\/\/[^:/]+):\d+/, `$1:${String(port)}`),
  });
  await measure(seconds, {
    plugin: 'bluetooth',
    sample: 'sensortag',
    args: ['sensortag', '--hci', hci],
    sets: [`modules.mapperHost.bluetooth.hci=${hci}`],
    change: (yaml) => yaml,
  });
}

async function measure(seconds: number, trial: Trial | undefined): Promise<void> {
  const dataDir = tempDir();
  if (trial !== undefined) placeDevice(dataDir, trial);
  const simulator = trial && spawnProcess({ command: launcher, args: ['simulate', ...trial.args, '--data-dir', dataDir] });
  await simulator?.line(/simulator\.ready/, { deadlineMs: 60_000 });
  const edge = await startEdge({ dataDir, sets: ['modules.edgeHub.enable=false', ...(trial?.sets ?? [])] });
  try {
    const served = trial && (await until(() => serving(dataDir, trial), { what: `${trial.plugin} to be served`, deadlineMs: 60_000 }));
    const pid = served?.pid;
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    print({
      what: nameOf(trial),
      after_s: seconds,
      edge: memoryOf(edge.pid),
      ...(pid === undefined ? {} : { mapper: memoryOf(pid) }),
    });
  } finally {
    await edge.stop();
    await simulator?.stop();
  }
}

function nameOf(trial: Trial | undefined): string {
  if (trial === undefined) return 'edge without a device';
  return `edge with one device of ${trial.plugin}, its mapper ${trial.inside === true ? 'inside' : 'in a process'}`;
}

function placeDevice(dataDir: string, { sample, change }: Trial): void {
  const devices = join(dataDir, 'edge/devices.d');
  mkdirSync(devices, { recursive: true });
  for (const file of [`${sample}-model.yaml`, `${sample}.yaml`])
    writeFileSync(join(devices, file), change(readFileSync(join(root, 'device-models/samples', file), 'utf8')));
}

/** The plugin, once it runs where it should and all its devices are online. */
async function serving(dataDir: string, { plugin, inside = false }: Trial): Promise<PluginStatus | undefined> {
  const body = await new Promise<string>((resolve, reject) => {
    const asked = request({ socketPath: join(dataDir, 'edge/control.sock'), path: '/mappers', agent: false }, (response) => {
      text(response).then(resolve, reject);
    });
    asked.on('error', reject).end();
  });
  const { plugins, devices } = JSON.parse(body) as { plugins: PluginStatus[]; devices: { state?: { word: string } }[] };
  const isServed = devices.length > 0 && devices.every(({ state }) => state?.word === 'online');
  return plugins.find(({ name, pid }) => name === plugin && (pid === undefined) === inside && isServed);
}

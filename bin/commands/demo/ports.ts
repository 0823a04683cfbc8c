/** Owns the ports of the demo: which they are, whether they are free, and how to choose others. */
import { createServer } from 'node:net';
import { HiveletError } from '#beehive/errors.ts';
import type { FlagSpecs, Invocation } from '../command.ts';

export interface DemoPorts {
  mqtt: number;
  api: number;
  hub: number;
  https: number;
  modbus: number;
}

interface PortRow {
  key: keyof DemoPorts;
  /** As `make demo` takes it. */
  variable: string;
  usual: number;
  what: string;
}

const rows: readonly PortRow[] = [
  { key: 'mqtt', variable: 'MQTT_PORT', usual: 1883, what: 'MQTT broker of the edge' },
  { key: 'api', variable: 'API_PORT', usual: 6443, what: 'Kubernetes API' },
  { key: 'hub', variable: 'HUB_PORT', usual: 10_000, what: 'link of edge and cloud' },
  { key: 'https', variable: 'HTTPS_PORT', usual: 10_002, what: 'HTTPS of the cloud' },
  { key: 'modbus', variable: 'MODBUS_PORT', usual: 1502, what: 'simulated thermostat' },
];

export const portFlags: FlagSpecs = Object.fromEntries(
  rows.map(({ key, variable, usual, what }) => [
    `${key}-port`,
    { type: 'string' as const, value: 'PORT', help: `${what} (default $${variable} or ${usual})` },
  ]),
);

/** From flags, then from the environment (`make demo MQTT_PORT=1893`). Throws USAGE. */
export function readPorts({ flags, env }: Pick<Invocation, 'flags' | 'env'>): DemoPorts {
  const read = ({ key, variable, usual }: PortRow): number => {
    const written = flags.text(`${key}-port`) ?? env[variable] ?? '';
    const port = written === '' ? usual : Number(written);
    if (Number.isInteger(port) && port > 0 && port <= 65_535) return port;
    throw new HiveletError('USAGE', `${variable}=${written} is no port: write 1 to 65535`);
  };
  const ports: DemoPorts = { mqtt: 0, api: 0, hub: 0, https: 0, modbus: 0 };
  for (const row of rows) ports[row.key] = read(row);
  return ports;
}

/** Throws PORT_IN_USE naming all taken ones, with a command that avoids them. */
export async function checkPorts(ports: DemoPorts): Promise<void> {
  const taken: PortRow[] = [];
  for (const row of rows) if (!(await isFree(ports[row.key]))) taken.push(row);
  if (taken.length === 0) return;
  const reserved = new Set(Object.values(ports));
  const choices: string[] = [];
  for (const { key, variable } of taken) {
    const free = await nextFree(ports[key] + 10, reserved);
    reserved.add(free);
    choices.push(`${variable}=${free}`);
  }
  const list = taken.map(({ key, what }) => `${ports[key]} (${what})`).join(', ');
  throw new HiveletError(
    'PORT_IN_USE',
    `port ${list} ${taken.length === 1 ? 'is' : 'are'} taken on this machine: choose others with \`make demo ${choices.join(' ')}\``,
  );
}

async function nextFree(from: number, reserved: ReadonlySet<number>): Promise<number> {
  for (let port = from; port < from + 200; port++) if (!reserved.has(port) && (await isFree(port))) return port;
  return from;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

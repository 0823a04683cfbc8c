/** Owns edgecore as a process of its own, run from the sources, on a free MQTT port. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnProcess, type TestProcess } from './processes.ts';

const root = join(import.meta.dirname, '../..');

export interface EdgeProcess {
  readonly process: TestProcess;
  /** Of edgecore itself, also behind a wrapper. */
  readonly pid: number;
  readonly port: number;
  /** Log events so far, parsed. */
  events(name: string): Record<string, unknown>[];
  stop(): Promise<void>;
  /** kill -9. */
  kill(): Promise<void>;
}

export interface EdgeProcessOptions {
  dataDir: string;
  sets?: readonly string[];
  /** `NAME:N`. */
  seed?: string;
  /** Address of a hub; without one there is no link. */
  hub?: string;
  /** Put before node, for instance strace. */
  wrapper?: readonly string[];
  env?: Record<string, string>;
  deadlineMs?: number;
}

/** The command line, for starts that are meant to fail. */
export function edgeCommand({ dataDir, sets = [], seed, hub, wrapper = [] }: EdgeProcessOptions): { command: string; args: string[] } {
  const all = [
    'modules.edged.hostnameOverride=edge-node',
    'modules.eventBus.mqttServerInternal=tcp://127.0.0.1:0',
    ...(hub === undefined ? ['modules.edgeHub.enable=false'] : [`modules.edgeHub.websocket.server=${hub}`]),
    ...sets,
  ];
  const [command = process.execPath, ...args] = [
    ...wrapper,
    process.execPath,
    ...['--import', 'tsx', join(root, 'edge/main.ts'), '--log-format', 'json', '--data-dir', dataDir],
    ...all.flatMap((set) => ['--set', set]),
    ...(seed === undefined ? [] : ['--seed-devices', seed]),
  ];
  return { command, args };
}

export async function startEdgeProcess(options: EdgeProcessOptions): Promise<EdgeProcess> {
  const { env = {}, deadlineMs = 30_000 } = options;
  const child = spawnProcess({ ...edgeCommand(options), cwd: root, env });
  const ready = JSON.parse(await child.line('"edgecore.ready"', { deadlineMs })) as { pid: number; mqtt: string[] };
  const address = ready.mqtt[0] ?? '';
  const gone = async (): Promise<void> => void (await child.exited);
  return {
    process: child,
    pid: ready.pid,
    port: Number(address.slice(address.lastIndexOf(':') + 1)),
    events: (name) =>
      child.lines.flatMap((line) => {
        if (!line.includes(`"${name}"`)) return [];
        const fields = JSON.parse(line) as Record<string, unknown>;
        return fields['event'] === name ? [fields] : [];
      }),
    stop: async () => {
      if (child.running) process.kill(ready.pid, 'SIGTERM');
      await gone();
    },
    kill: async () => {
      if (child.running) process.kill(ready.pid, 'SIGKILL');
      await gone();
    },
  };
}

/** Resident memory, MiB. */
export function residentMiB(pid: number): number {
  const status = readFileSync(`/proc/${String(pid)}/status`, 'utf8');
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1] ?? NaN) / 1024;
}

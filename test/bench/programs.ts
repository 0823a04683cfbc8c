/** Owns the programs under measurement: the shipped bundle with the launcher's flags, started and read from outside. */
import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { spawnProcess, type TestProcess } from '#test/support/processes.ts';
import { freePort } from '#test/support/ports.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

export const root = join(import.meta.dirname, '../..');
export const launcher = join(root, 'bin/hivelet');

export interface BenchEdge {
  process: TestProcess;
  pid: number;
  mqttPort: number;
  dataDir: string;
  /** ms from exec to the CONNACK of a client that keeps dialing. */
  connackMs: number;
  stop(): Promise<void>;
}

export interface BenchEdgeOptions {
  devices?: number;
  sets?: readonly string[];
  dataDir?: string;
  /** Put before the launcher, for instance strace. */
  wrapper?: readonly string[];
  /** A CONNACK that refuses will do: clients need an account. */
  anyConnack?: boolean;
}

export async function startEdge({
  devices = 0,
  sets = [],
  dataDir = tempDir(),
  wrapper = [],
  anyConnack = false,
}: BenchEdgeOptions): Promise<BenchEdge> {
  const mqttPort = await freePort();
  const args = [
    'edge',
    '--data-dir',
    dataDir,
    ...['modules.edged.hostnameOverride=bench', `modules.eventBus.mqttServerInternal=tcp://127.0.0.1:${String(mqttPort)}`, ...sets].flatMap(
      (set) => ['--set', set],
    ),
    ...(devices > 0 ? ['--seed-devices', `bench-dev-:${String(devices)}`] : []),
  ];
  const [command = launcher, ...rest] = [...wrapper, launcher, ...args];
  const startedMs = performance.now();
  const child = spawnProcess({ command, args: rest });
  await connack(mqttPort, anyConnack);
  const connackMs = performance.now() - startedMs;
  const line = await child.line(/edgecore\.ready/);
  const pid = Number(/"pid":(\d+)/.exec(line)?.[1] ?? /pid=(\d+)/.exec(line)?.[1]);
  const stop = async (): Promise<void> => {
    // strace keeps SIGTERM for itself: the program is told directly.
    process.kill(pid, 'SIGTERM');
    await child.exited;
  };
  return { process: child, pid, mqttPort, dataDir, connackMs, stop };
}

const CONNECT = Buffer.from([0x10, 16, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 60, 0, 4, 0x62, 0x6e, 0x63, 0x68]);

/** Dials again and again until a CONNACK comes. */
function connack(port: number, any: boolean): Promise<true> {
  const attempt = (): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = createConnection({ host: '127.0.0.1', port, noDelay: true }, () => socket.write(CONNECT));
      socket.once('data', (data) => {
        socket.destroy();
        resolve(data[0] === 0x20 && (any || data[3] === 0));
      });
      socket.once('error', () => resolve(false));
    });
  return until(attempt, { what: 'CONNACK', everyMs: 2, deadlineMs: 30_000 });
}

export interface Memory {
  rss_mib: number;
  pss_mib: number;
  anon_mib: number;
}

export function memoryOf(pid: number): Memory {
  const rollup = readFileSync(`/proc/${String(pid)}/smaps_rollup`, 'utf8');
  const status = readFileSync(`/proc/${String(pid)}/status`, 'utf8');
  const mib = (text: string, key: string): number =>
    Math.round((Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) / 1024) * 10) / 10;
  return { rss_mib: mib(status, 'VmRSS'), pss_mib: mib(rollup, 'Pss'), anon_mib: mib(status, 'RssAnon') };
}

/** Bytes that the process caused to be written to storage (/proc/PID/io). */
export function bytesWritten(pid: number): number {
  return Number(/^write_bytes: (\d+)/m.exec(readFileSync(`/proc/${String(pid)}/io`, 'utf8'))?.[1] ?? 0);
}

/** utime and stime, in ticks of 10 ms. */
export function cpuMsOf(pid: number): number {
  const fields =
    readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
      .split(') ')[1]
      ?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? NaN;
}

export function print(row: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(row)}\n`);
}

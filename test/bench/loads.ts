/** Owns the twin loads: updates per second, order, bytes and syncs, measured with the public MQTT topics only. */
import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { havePeer } from '#test/support/peers.ts';
import { runProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { bytesWritten, median, print, startEdge, type BenchEdge } from './programs.ts';

export interface LoadResult {
  results: number;
  errors: number;
  lost: number;
  out_of_order: number;
  final_mismatched: number | null;
  msgs_per_s: number;
  p50_ms: number;
  p99_ms: number;
}

export async function twinLoad(port: number, options: Record<string, string | number | true>): Promise<LoadResult> {
  const args = Object.entries(options).flatMap(([name, value]) => (value === true ? [`--${name}`] : [`--${name}`, String(value)]));
  const { stdout, stderr, code } = await runProcess({
    command: process.execPath,
    args: [join(import.meta.dirname, 'twin-load.mjs'), '--port', String(port), ...args],
    deadlineMs: 90_000,
  });
  if (code !== 0) throw new Error(`twin-load failed: ${stderr}`);
  return JSON.parse(stdout) as LoadResult;
}

/** This disk: append of 1 KiB + fdatasync, one after the other. */
export function diskBaseline(seconds = 2): { syncs_per_s: number; sync_p99_ms: number } {
  const file = openSync(join(tempDir(), 'sync'), 'w');
  const block = Buffer.alloc(1024, 1);
  const times: number[] = [];
  const endMs = performance.now() + seconds * 1000;
  while (performance.now() < endMs) {
    writeSync(file, block);
    const from = performance.now();
    fdatasyncSync(file);
    times.push(performance.now() - from);
  }
  closeSync(file);
  times.sort((a, b) => a - b);
  return {
    syncs_per_s: Math.round(times.length / seconds),
    sync_p99_ms: Number((times[Math.floor(times.length * 0.99)] ?? NaN).toFixed(3)),
  };
}

const shapes = [
  { devices: 1, outstanding: 1 },
  { devices: 1, outstanding: 64 },
  { devices: 100, outstanding: 1 },
  { devices: 100, outstanding: 64 },
] as const;

/** Medians over the runs, after a warm-up of 3 s. */
export async function throughput(runs: number, seconds: number, link: 'off' | 'down'): Promise<void> {
  const edge = await startEdge({ devices: 100, sets: linkSets(link) });
  try {
    await twinLoad(edge.mqttPort, { devices: 100, outstanding: 64, duration: 3 });
    for (const shape of shapes) {
      const results: LoadResult[] = [];
      for (let run = 0; run < runs; run++) results.push(await twinLoad(edge.mqttPort, { ...shape, duration: seconds, verify: true }));
      const sum = (key: 'errors' | 'lost' | 'out_of_order'): number => results.reduce((total, result) => total + result[key], 0);
      print({
        what: 'twin updates',
        link,
        ...shape,
        runs,
        msgs_per_s: median(results.map((result) => result.msgs_per_s)),
        p50_ms: median(results.map((result) => result.p50_ms)),
        p99_ms: median(results.map((result) => result.p99_ms)),
        errors: sum('errors'),
        lost: sum('lost'),
        out_of_order: sum('out_of_order'),
        final_mismatched: results.reduce((total, result) => total + (result.final_mismatched ?? 0), 0),
      });
    }
  } finally {
    await edge.stop();
  }
}

export function linkSets(link: 'off' | 'down'): string[] {
  // Port 9 (discard) refuses at once: the link is enabled and stays down.
  return link === 'off' ? ['modules.edgeHub.enable=false'] : ['modules.edgeHub.websocket.server=127.0.0.1:9'];
}

/** Bytes (from /proc/PID/io) and commits (as the program counts them) per 10,000 updates; strace, where it is there, checks that a commit is a sync. */
export async function diskCost(): Promise<void> {
  for (const shape of [shapes[0], shapes[3]]) {
    const edge = await startEdge({ devices: 100, sets: linkSets('down') });
    await twinLoad(edge.mqttPort, { ...shape, count: 1000 });
    const before = { bytes: bytesWritten(edge.pid), commits: await commitsOf(edge) };
    await twinLoad(edge.mqttPort, { ...shape, count: 10_000, duration: 20 });
    const bytes = bytesWritten(edge.pid) - before.bytes;
    const commits = (await commitsOf(edge)) - before.commits;
    await edge.stop();
    print({
      what: 'disk per 10,000 updates',
      ...shape,
      mb_written: Math.round(bytes / 1e5) / 10,
      commits,
      updates_per_commit: Math.round(100_000 / commits) / 10,
      syncs_under_strace: havePeer('strace') ? await countSyncs(shape) : null,
    });
  }
}

/** From `/modules` on the control socket. */
function commitsOf({ dataDir }: BenchEdge): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = get({ socketPath: join(dataDir, 'edge/control.sock'), path: '/modules' }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve(Number(/changes in (\d+) commits/.exec(text)?.[1])));
    });
    request.on('error', reject);
  });
}

async function countSyncs(shape: { devices: number; outstanding: number }): Promise<number> {
  const trace = join(tempDir(), 'trace');
  const edge: BenchEdge = await startEdge({
    devices: 100,
    sets: linkSets('down'),
    wrapper: ['strace', '-f', '-qq', '-e', 'trace=fdatasync,fsync', '-o', trace],
  });
  const count = (): number =>
    readFileSync(trace, 'utf8')
      .split('\n')
      .filter((line) => /f(?:data)?sync\(/.test(line)).length;
  const before = count();
  await twinLoad(edge.mqttPort, { ...shape, count: 10_000, duration: 20 });
  const after = count();
  await edge.stop();
  return after - before;
}

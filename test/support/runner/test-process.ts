/** Owns one run of one test file: its process, its time-out, its temporary directory and what it left behind. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { MARK, killAll, marked } from './process-tree.ts';
import type { TestFile } from './test-files.ts';
import { judge, type Verdict } from './verdict.ts';

export interface FileResult extends Verdict {
  file: TestFile;
  output: string;
  tookMs: number;
}

/** A file whose tests are through must end soon after; an open handle would keep it for ever. */
const LINGER_MS = 10_000;
const TERM_GRACE_MS = 2_000;
const VANISH_MS = 2_000;
const OUTPUT_LIMIT = 2 * 1024 * 1024;

const preload = pathToFileURL(path.join(import.meta.dirname, 'preload.ts')).href;

export interface RunOptions {
  /** Aborting it ends the file at once. */
  signal?: AbortSignal;
  /** Gets what the file prints, as it comes. */
  live?: (chunk: string) => void;
}

/** Resolves when the file and everything it started are gone; never rejects. */
export async function runTestFile(root: string, file: TestFile, { signal, live }: RunOptions = {}): Promise<FileResult> {
  const started = performance.now();
  const id = randomUUID();
  const temp = mkdtempSync(path.join(os.tmpdir(), 'hvt-'));
  const child = spawn(process.execPath, ['--import', 'tsx', '--import', preload, path.join(root, file.path)], {
    cwd: root,
    env: childEnvironment({ [MARK]: id, TMPDIR: temp }),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const groupId = child.pid ?? 0;
  let output = '';
  let killedFor: string | undefined;
  let lingering: NodeJS.Timeout | undefined;
  const end = (reason: string): void => {
    if (killedFor !== undefined || groupId === 0) return;
    killedFor = reason;
    child.kill('SIGTERM');
    setTimeout(() => killAll(groupId, id), TERM_GRACE_MS).unref();
  };
  const collect = (chunk: string): void => {
    live?.(chunk);
    output = (output + chunk).slice(-OUTPUT_LIMIT);
    if (/^ {2}Duration: /m.test(chunk))
      lingering ??= setTimeout(() => end('still running 10 s after its last test: something is left open'), LINGER_MS);
  };
  child.stdout.setEncoding('utf8').on('data', collect);
  child.stderr.setEncoding('utf8').on('data', collect);
  const timeout = setTimeout(() => end(`not done after ${String(file.timeoutMs / 1000)} s`), file.timeoutMs);
  const onAbort = (): void => end('interrupted');
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted === true) onAbort();

  const exit = await new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('error', (error) => {
      output += `\n${error.message}\n`;
      resolve({ code: 1, signal: null });
    });
    child.once('exit', (code, exitSignal) => resolve({ code, signal: exitSignal }));
  });
  clearTimeout(timeout);
  clearTimeout(lingering);
  signal?.removeEventListener('abort', onAbort);
  const leftBehind = killedFor === undefined ? await stragglers(id) : [];
  if (groupId !== 0) killAll(groupId, id);
  await drained(child);
  rmSync(temp, { recursive: true, force: true, maxRetries: 3 });
  const verdict = judge({ ...exit, ...(killedFor === undefined ? {} : { killedFor }), leftBehind, output });
  return { ...verdict, file, output, tookMs: performance.now() - started };
}

/** Plain output for the parser; the runner's own options do not reach the tests. */
function childEnvironment(extra: Record<string, string>): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = { ...process.env, ...extra, NO_COLOR: '1' };
  delete environment.FORCE_COLOR;
  delete environment.NODE_OPTIONS;
  return environment;
}

/** What is still alive a little after the file ended: a child that was told to stop is given the time to do so. */
async function stragglers(id: string): Promise<string[]> {
  const deadline = performance.now() + VANISH_MS;
  let alive = marked(id);
  while (alive.length > 0 && performance.now() < deadline) {
    await sleep(50);
    alive = marked(id);
  }
  return alive.map(({ command }) => command);
}

/** All pipes closed, so that nothing printed is missed; a process that kept one open was ended before. */
async function drained(child: ReturnType<typeof spawn>): Promise<void> {
  const streams = [child.stdout, child.stderr].filter((stream) => stream !== null && !stream.destroyed);
  const closed = Promise.all(streams.map((stream) => new Promise<void>((resolve) => stream?.once('close', () => resolve()))));
  await Promise.race([closed, sleep(1000, undefined, { ref: false })]);
}

/** Owns child processes of `up` and `demo`: started again with back-off when they crash, stopped together, their output line by line. */
import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import { backoff } from '#beehive/retry.ts';
import { fieldsOf, textOf } from '#device-models/fields.ts';

/** The launcher that starts every part of Hivelet. */
export const LAUNCHER = path.join(import.meta.dirname, '../hivelet');

export interface ChildOptions {
  /** As it stands before its lines. */
  name: string;
  command: string;
  args: readonly string[];
  env?: Readonly<Record<string, string | undefined>>;
  clock: Clock;
  /** Each line that it prints. `event` and its fields when it is a JSON line of our logger. */
  line: (text: string, log: LogEvent | undefined) => void;
}

export interface LogEvent {
  event: string;
  level: string;
  time: string;
  fields: Readonly<Record<string, unknown>>;
}

const RESTART_MS = { first: 500, max: 30_000 };
/** Who ran this long starts with the shortest wait again. */
const STEADY_MS = 60_000;
const STOP_MS = 15_000;
/** For what is still in the pipes when it has ended. */
const LAST_WORDS_MS = 500;
const LINES_KEPT = 20;

export class KeptChild {
  readonly name: string;
  /** Resolves at its first `*.ready` event; rejects when it ends before, with what it said. */
  readonly ready: Promise<LogEvent>;
  readonly #options: ChildOptions;
  readonly #stopping = new AbortController();
  readonly #recent: string[] = [];
  #running: Promise<void> | undefined;
  #child: ChildProcess | undefined;
  #everReady = false;
  #becomeReady: (event: LogEvent) => void = () => undefined;
  #neverReady: (error: Error) => void = () => undefined;

  constructor(options: ChildOptions) {
    this.name = options.name;
    this.#options = options;
    this.ready = new Promise((resolve, reject) => {
      this.#becomeReady = resolve;
      this.#neverReady = reject;
    });
    // Who does not wait for it is not to be ended by it.
    this.ready.catch(() => undefined);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** 0 while it is not running. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Settles when it runs no longer and will not be started again. */
  get ended(): Promise<void> {
    return this.#running ?? Promise.resolve();
  }

  /** SIGTERM, then SIGKILL to all that it started. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort(new HiveletError('STOPPED'));
    this.#child?.kill('SIGTERM');
    const timer = this.#options.clock.timer(STOP_MS, () => this.kill());
    await this.#running;
    timer.cancel();
  }

  /** SIGKILL to all that it started, at once. */
  kill(): void {
    try {
      if (this.pid !== 0) process.kill(-this.pid, 'SIGKILL');
    } catch {
      // It is gone already.
    }
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stopping;
    let waits = backoff(RESTART_MS.first, RESTART_MS.max, () => clock.random());
    while (!signal.aborted) {
      const startedMs = clock.monotonic();
      const how = await this.#once();
      if (signal.aborted) break;
      // What never came up has a fault that only a person can mend: a port, a file, a flag.
      if (!this.#everReady) return this.#neverReady(this.#failure(how));
      if (clock.monotonic() - startedMs >= STEADY_MS) waits = backoff(RESTART_MS.first, RESTART_MS.max, () => clock.random());
      const waitMs = waits.next().value;
      this.#options.line(`it ended (${how}) and is started again in ${(waitMs / 1000).toFixed(1)} s`, undefined);
      await clock.sleep(waitMs, signal).catch(() => undefined);
    }
    this.#neverReady(new HiveletError('STOPPED'));
  }

  /** One life; resolves with how it ended. What it may have left running ends with it. */
  async #once(): Promise<string> {
    const { command, args, env = {}, clock } = this.#options;
    // A group of its own: Ctrl-C reaches it through us only, and once.
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, env: { ...process.env, ...env } });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream, crlfDelay: Infinity }).on('line', (text) => this.#line(text));
    }
    const how = await new Promise<string>((resolve) => {
      const end = (code: number | null, signal: string | null): void => resolve(signal ?? `exit code ${code ?? 0}`);
      child.once('error', (error) => resolve(error.message));
      child.once('close', end);
      // A child of its own may hold the pipes open: then nobody waits for them to close.
      child.once('exit', (code, signal) => void clock.timer(LAST_WORDS_MS, () => end(code, signal)));
    });
    this.kill();
    this.#child = undefined;
    return how;
  }

  #line(text: string): void {
    this.#recent.push(text);
    if (this.#recent.length > LINES_KEPT) this.#recent.shift();
    const log = readLogLine(text);
    if (log?.event.endsWith('.ready') === true) {
      this.#everReady = true;
      this.#becomeReady(log);
    }
    this.#options.line(text, log);
  }

  #failure(how: string): HiveletError {
    const said = this.#recent
      .filter((line) => readLogLine(line)?.level !== 'info')
      .slice(-3)
      .map((line) => line.replace(/^(?:edgecore|cloudcore|hivelet [a-z]+): /, ''));
    return new HiveletError('INTERNAL', `${this.name} did not start (${how})${said.length === 0 ? '' : `: ${said.join('; ')}`}`);
  }
}

/** A JSON line of our logger, or undefined. */
export function readLogLine(text: string): LogEvent | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const { time, level, event, ...fields } = fieldsOf(JSON.parse(text)) ?? {};
    const name = textOf(event);
    return name === undefined ? undefined : { event: name, level: textOf(level) ?? '', time: textOf(time) ?? '', fields };
  } catch {
    // A line that only looks like one.
    return undefined;
  }
}

/** Stops all of them at once; resolves when all are gone. */
export async function stopAll(children: readonly KeptChild[]): Promise<void> {
  await Promise.all(children.map((child) => child.stop()));
}

/** Owns real processes in tests: started in a group of their own, watched by what they print, gone when the test ends. */
import { spawn, type ChildProcess } from 'node:child_process';
import { within } from './until.ts';

export interface SpawnOptions {
  command: string;
  args?: readonly string[];
  cwd?: string;
  /** Added to the environment of the test; undefined takes a variable away. */
  env?: Record<string, string | undefined>;
  /** Given to the process on standard input, which is then closed; by default it has none. */
  input?: string;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface Finished extends Exit {
  stdout: string;
  stderr: string;
}

const OUTPUT_LIMIT = 8 * 1024 * 1024;
const STOP_GRACE_MS = 10_000;
const PIPE_GRACE_MS = 500;
const alive = new Set<TestProcess>();
let watched = false;

/** Starts it; `exited` settles when it has ended and everything it printed was read. Never throws: see `exited`. */
export function spawnProcess(options: SpawnOptions): TestProcess {
  if (!watched) {
    watched = true;
    process.once('exit', killAlive);
    process.once('SIGINT', () => process.exit(130));
    process.once('SIGTERM', () => process.exit(143));
  }
  return new TestProcess(options);
}

/** Runs it to its end. Rejects when it cannot be started or lasts longer than `deadlineMs` (default 30 s); any exit code is an answer. */
export async function runProcess(options: SpawnOptions & { deadlineMs?: number }): Promise<Finished> {
  const running = spawnProcess(options);
  try {
    const exit = await within(running.exited, { what: `the end of ${running.name}`, deadlineMs: options.deadlineMs ?? 30_000 });
    return { ...exit, stdout: running.stdout, stderr: running.stderr };
  } finally {
    running.kill();
  }
}

export class TestProcess {
  readonly name: string;
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #watchers = new Set<() => void>();
  #stdout = '';
  #stderr = '';
  #output = '';
  #exit: Exit | undefined;

  constructor({ command, args = [], cwd, env = {}, input }: SpawnOptions) {
    this.name = [command, ...args].join(' ').slice(0, 120);
    this.#child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      detached: true,
    });
    alive.add(this);
    this.#child.stdin?.on('error', () => undefined).end(input);
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout = (this.#stdout + text).slice(-OUTPUT_LIMIT);
      this.#printed(text);
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-OUTPUT_LIMIT);
      this.#printed(text);
    });
    this.exited = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      const end = (exit: Exit): void => {
        this.#exit = exit;
        alive.delete(this);
        resolve(exit);
        this.#wake();
      };
      this.#child.once('close', (code, signal) => end({ code, signal }));
      // A child of its own that holds the pipes open must not keep it from having ended.
      this.#child.once('exit', (code, signal) => void setTimeout(() => end({ code, signal }), PIPE_GRACE_MS).unref());
    });
    // Who never looks at `exited` must not be ended by it.
    this.exited.catch(() => alive.delete(this));
  }

  /** 0 when it could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get running(): boolean {
    return this.#exit === undefined;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Both streams in the order of arrival. */
  get output(): string {
    return this.#output;
  }

  /** Complete lines printed so far, both streams. */
  get lines(): string[] {
    return this.#output.split('\n').slice(0, -1);
  }

  /**
   * The first line, printed already or later, that contains the text or matches the pattern. Rejects at the deadline (default 20 s) and when
   * the process ends without it; the error shows what was printed last.
   */
  async line(pattern: string | RegExp, options: { deadlineMs?: number } = {}): Promise<string> {
    const found = new Promise<string>((resolve, reject) => {
      const look = (): void => {
        const line = this.lines.find((each) => (typeof pattern === 'string' ? each.includes(pattern) : pattern.test(each)));
        if (line === undefined && this.#exit === undefined) return;
        this.#watchers.delete(look);
        if (line !== undefined) resolve(line);
        else
          reject(new Error(`${this.name} ended (${String(this.#exit?.code ?? this.#exit?.signal)}) without printing ${String(pattern)}`));
      };
      this.#watchers.add(look);
      this.exited.catch(reject);
      look();
    });
    try {
      return await within(found, { what: `${String(pattern)} from ${this.name}`, deadlineMs: options.deadlineMs ?? 20_000 });
    } catch (error) {
      throw new Error(`${(error as Error).message}\n--- it printed last:\n${this.#output.slice(-4000)}`, { cause: error });
    }
  }

  /** To the process itself, not to its children. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** SIGTERM, then SIGKILL to the whole group after 10 s; resolves when it has ended. */
  async stop(): Promise<Exit> {
    this.signal('SIGTERM');
    try {
      return await within(this.exited, { what: `${this.name} to stop`, deadlineMs: STOP_GRACE_MS });
    } finally {
      this.kill();
    }
  }

  /** SIGKILL to the whole group, at once. */
  kill(): void {
    if (this.pid === 0) return;
    try {
      process.kill(-this.pid, 'SIGKILL');
    } catch {
      // The group is gone.
    }
  }

  #printed(text: string): void {
    this.#output = (this.#output + text).slice(-OUTPUT_LIMIT);
    this.#wake();
  }

  #wake(): void {
    for (const look of [...this.#watchers]) look();
  }
}

function killAlive(): void {
  for (const running of alive) running.kill();
}

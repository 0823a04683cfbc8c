/** Owns a plugin's process as a child of edgecore: how it is started, with which environment, and that it is gone after a stop. */
import { spawn, type ChildProcess } from 'node:child_process';
import { Duplex } from 'node:stream';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { LastWords } from './last-words.ts';
import type { Life, Place } from './life.ts';
import { RateLimit } from './rate-limit.ts';

/** How a program of ours is started: node with its flags, then the file. */
export interface Program {
  readonly command: string;
  /** The name of the plugin is put behind them. */
  readonly args: readonly string[];
  readonly cwd: string;
}

export interface ChildPlaceOptions {
  readonly plugin: string;
  readonly program: Program;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: Logger;
  /** From SIGTERM to SIGKILL, ms. */
  readonly graceMs?: number;
}

/** The stream to edgecore, inherited. */
export const STREAM_FD = 3;
const GRACE_MS = 4000;
/** For what is still in the pipes when it has ended. */
const LAST_WORDS_MS = 500;
const SAID = { burst: 100, perSecond: 10 } as const;
/** Pieces of at most 64 KiB that are read at once of what it prints; more of it has to wait, and the process with it. */
const PIECES = { burst: 64, perSecond: 10 } as const;
const PIECE_MS = 100;

export function childPlace(options: ChildPlaceOptions): Place {
  return {
    start: async (signal) => {
      signal.throwIfAborted();
      return new Child(options);
    },
    release: () => Promise.resolve(),
  };
}

/** What a driver may need; nothing that tells or opens anything of edgecore. */
const PASSED = ['PATH', 'LANG', 'TZ', 'TMPDIR'];
const PASSED_PREFIXES = ['LC_', 'MALLOC_', 'NOBLE_', 'HCI_'];

export function scrubbed(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => PASSED.includes(name) || PASSED_PREFIXES.some((prefix) => name.startsWith(prefix))),
  );
}

class Child implements Life {
  readonly stream: Duplex;
  readonly ended: Promise<string>;
  readonly #options: ChildPlaceOptions;
  readonly #process: ChildProcess;
  readonly #words = new LastWords();
  #isGone = false;

  constructor(options: ChildPlaceOptions) {
    this.#options = options;
    const { plugin, program, env } = options;
    this.#process = spawn(program.command, [...program.args, plugin], {
      cwd: program.cwd,
      env: scrubbed(env),
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    });
    this.stream = streamOf(this.#process);
    this.ended = this.#end();
    this.#listen();
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  async stop(): Promise<void> {
    const { clock, graceMs = GRACE_MS, log } = this.#options;
    this.#process.kill('SIGTERM');
    const timer = clock.timer(graceMs, () => {
      log.warn('mapper.process.killed', { reason: `it did not end within ${graceMs / 1000} s` });
      this.#process.kill('SIGKILL');
    });
    await this.ended;
    timer.cancel();
  }

  async kill(): Promise<void> {
    if (!this.#isGone) this.#process.kill('SIGKILL');
    await this.ended;
  }

  #end(): Promise<string> {
    const { clock } = this.#options;
    return new Promise((resolve) => {
      const end = (how: string): void => {
        this.#isGone = true;
        const words = this.#words.best;
        resolve(words === '' ? how : `${how}: ${words}`);
      };
      const exited = (code: number | null, signal: string | null): string => signal ?? `exit code ${code ?? 0}`;
      this.#process.once('error', (error) => end(`it could not be started: ${messageOf(error)}`));
      this.#process.once('close', (code, signal) => end(exited(code, signal)));
      // A process of its own that holds the pipes open must not keep it from having ended.
      this.#process.once('exit', (code, signal) => {
        const last = clock.timer(LAST_WORDS_MS, () => {
          this.stream.destroy();
          end(exited(code, signal));
        });
        this.#process.once('close', () => last.cancel());
      });
    });
  }

  /** What a library prints, and what node says of a crash. Its log comes over the stream. */
  #listen(): void {
    const { clock, log, plugin } = this.#options;
    const limit = new RateLimit(clock, SAID);
    const pieces = new RateLimit(clock, PIECES);
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (stream === null) continue;
      stream.on('data', () => {
        if (pieces.take()) return;
        stream.pause();
        clock.timer(PIECE_MS, () => stream.resume());
      });
      this.#words.follow(stream, (text) => {
        if (limit.take()) log.warn('mapper.process.said', { text, mapper: plugin });
      });
    }
  }
}

function streamOf(child: ChildProcess): Duplex {
  const stream = child.stdio[STREAM_FD];
  if (stream instanceof Duplex) return stream;
  throw new HiveletError('INTERNAL', 'the process of a mapper has no stream to edgecore');
}

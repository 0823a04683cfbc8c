/** Owns the files of the audit log: lines written together within a second, a bounded number of files of bounded size. */
import { appendFile, mkdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Clock, Timer } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';

export interface AuditFileOptions {
  file: string;
  /** A file that would grow beyond it becomes `FILE.1`, that one `FILE.2`, … */
  maxBytes: number;
  /** All of them together; the oldest goes. */
  maxFiles: number;
}

const FLUSH_MS = 500;
/** Characters that wait for a disk that does not take them. */
const MOST_WAITING = 1024 * 1024;
const COMPLAINT_MS = 60_000;
const OWNER_ONLY = 0o600;

export class AuditFile {
  readonly #options: AuditFileOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  #lines: string[] = [];
  #waiting = 0;
  #dropped = 0;
  #timer: Timer | undefined;
  #writing: Promise<void> = Promise.resolve();
  /** Of the present file; undefined until it was looked at. */
  #size: number | undefined;
  #complainedMs: number | undefined;

  constructor(options: AuditFileOptions, { clock, log }: { clock: Clock; log: Logger }) {
    this.#options = options;
    this.#clock = clock;
    this.#log = log;
  }

  append(line: string): void {
    if (this.#waiting > MOST_WAITING) {
      this.#dropped += 1;
      return;
    }
    this.#lines.push(line);
    this.#waiting += line.length;
    this.#timer ??= this.#clock.timer(FLUSH_MS, () => void this.flush());
  }

  /** Never rejects. */
  flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  async #write(): Promise<void> {
    if (this.#lines.length === 0) return;
    if (this.#dropped > 0) this.#lines.push(JSON.stringify({ time: new Date(this.#clock.now()).toISOString(), dropped: this.#dropped }));
    const text = `${this.#lines.join('\n')}\n`;
    this.#lines = [];
    this.#waiting = 0;
    this.#dropped = 0;
    try {
      await this.#put(Buffer.from(text));
    } catch (error) {
      this.#size = undefined;
      const now = this.#clock.monotonic();
      if (this.#complainedMs !== undefined && now - this.#complainedMs < COMPLAINT_MS) return;
      this.#complainedMs = now;
      this.#log.error('api.audit.failed', { file: this.#options.file, error });
    }
  }

  async #put(bytes: Buffer): Promise<void> {
    const { file, maxBytes } = this.#options;
    this.#size ??= await sizeOf(file);
    if (this.#size > 0 && this.#size + bytes.length > maxBytes) {
      await this.#rotate();
      this.#size = 0;
    }
    if (this.#size === 0) await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    await appendFile(file, bytes, { mode: OWNER_ONLY });
    this.#size += bytes.length;
  }

  /** From the oldest on, so that none is written over before it has moved. */
  async #rotate(): Promise<void> {
    const { file, maxFiles } = this.#options;
    const names = [file, ...Array.from({ length: maxFiles - 1 }, (_each, index) => `${file}.${String(index + 1)}`)];
    await rm(names.at(-1) ?? file, { force: true });
    for (let index = names.length - 2; index >= 0; index -= 1) await moveIfThere(names[index] ?? '', names[index + 1] ?? '');
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

async function moveIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'ENOENT';
}

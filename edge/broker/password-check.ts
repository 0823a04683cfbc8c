/**
 * Owns the checking of passwords while many come at once: one is computed at a time, addresses take turns, and what was found out is remembered, so
 * that a reconnecting fleet costs one computation for each client and a client with a wrong password does not cost one for each try.
 */
import { createHmac, randomBytes } from 'node:crypto';
import type { Clock } from '#beehive/clock.ts';
import { verifyPassword } from './password.ts';

export interface Attempt {
  account: string;
  /** As it is stored: a changed password is not answered from memory. */
  hash: string;
  password: Buffer;
  /** Attempts of one address wait behind each other. */
  address: string;
  /** False: nobody waits for the answer any more. */
  wanted(): boolean;
}

interface Job extends Attempt {
  settle(right: boolean): void;
}

const REMEMBER_RIGHT_MS = 12 * 3_600_000;
const REMEMBER_WRONG_MS = 60_000;
const MOST_REMEMBERED = 1_000;

export class PasswordCheck {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #verify: typeof verifyPassword;
  /** What is remembered can be tried by nobody who reads this memory without it. */
  readonly #key = randomBytes(32);
  readonly #right = new Map<string, number>();
  readonly #wrong = new Map<string, number>();
  /** By address, each in order of arrival; the first address is next. */
  readonly #waiting = new Map<string, Job[]>();
  #running = false;
  #closed = false;

  constructor(clock: Pick<Clock, 'monotonic'>, verify: typeof verifyPassword = verifyPassword) {
    this.#clock = clock;
    this.#verify = verify;
  }

  /** Resolves with false also when the check was closed or nobody wants the answer. */
  async right(attempt: Attempt): Promise<boolean> {
    if (this.#closed) return false;
    const known = this.#recall(attempt);
    if (known !== undefined) return known;
    return new Promise((resolve) => {
      const queue = this.#waiting.get(attempt.address);
      const job = { ...attempt, settle: resolve };
      if (queue === undefined) this.#waiting.set(attempt.address, [job]);
      else queue.push(job);
      if (!this.#running) void this.#run();
    });
  }

  forget(): void {
    this.#right.clear();
    this.#wrong.clear();
  }

  close(): void {
    this.#closed = true;
    this.forget();
    for (const queue of this.#waiting.values()) for (const job of queue) job.settle(false);
    this.#waiting.clear();
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let job = this.#take(); job !== undefined; job = this.#take()) {
      if (!job.wanted()) job.settle(false);
      else job.settle(this.#recall(job) ?? (await this.#compute(job)));
    }
    this.#running = false;
  }

  /** The first of the address whose turn it is, which goes to the end of the line then. */
  #take(): Job | undefined {
    const [next] = this.#waiting;
    if (next === undefined) return undefined;
    const [address, queue] = next;
    const job = queue.shift();
    this.#waiting.delete(address);
    if (queue.length > 0) this.#waiting.set(address, queue);
    return job;
  }

  async #compute(job: Job): Promise<boolean> {
    const right = await this.#verify(job.password, job.hash).catch(() => false);
    if (this.#closed) return false;
    const [memory, ms] = right ? [this.#right, REMEMBER_RIGHT_MS] : [this.#wrong, REMEMBER_WRONG_MS];
    const [oldest] = memory.keys();
    if (memory.size >= MOST_REMEMBERED && oldest !== undefined) memory.delete(oldest);
    memory.set(this.#digest(job), this.#clock.monotonic() + ms);
    return right;
  }

  #recall(attempt: Attempt): boolean | undefined {
    const digest = this.#digest(attempt);
    for (const [memory, answer] of [
      [this.#right, true],
      [this.#wrong, false],
    ] as const) {
      const untilMs = memory.get(digest);
      if (untilMs === undefined) continue;
      if (this.#clock.monotonic() < untilMs) return answer;
      memory.delete(digest);
    }
    return undefined;
  }

  #digest({ account, hash, password }: Attempt): string {
    return createHmac('sha256', this.#key).update(`${account}\0${hash}\0`).update(password).digest('base64');
  }
}

/** Owns what TCP and serial lines have in common: one request at a time, urgent ones first, each with its deadline. */
import type { Clock } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';

export interface WireRequest {
  readonly unit: number;
  readonly pdu: Uint8Array;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly urgent: boolean;
}

/** Carries a PDU to a unit and brings the answer. */
export interface Transport {
  /** Rejects with DEVICE_UNREACHABLE (no answer in time, line lost) or with the signal's reason. */
  request(request: WireRequest): Promise<Uint8Array>;
  /** Settles when the line broke by itself. */
  readonly lost: Promise<void>;
  close(): Promise<void>;
}

/** More waiting requests than this on one line mean that something asks without end. */
const QUEUE_LIMIT = 10_000;

interface Waiting {
  start: () => void;
  abandon: (error: Error) => void;
}

/** Grants the medium to one holder at a time: urgent ones first, else in order of arrival. */
export class Turnstile {
  readonly #urgent: Waiting[] = [];
  readonly #patient: Waiting[] = [];
  #taken = false;
  #closed: Error | undefined;

  async run<T>(job: () => Promise<T>, { urgent, signal }: { urgent: boolean; signal: AbortSignal }): Promise<T> {
    await this.#enter(urgent ? this.#urgent : this.#patient, signal);
    try {
      return await job();
    } finally {
      this.#leave();
    }
  }

  /** Rejects everybody who waits, now and later. */
  close(error: Error): void {
    this.#closed ??= error;
    for (const waiting of [...this.#urgent.splice(0), ...this.#patient.splice(0)]) waiting.abandon(this.#closed);
  }

  async #enter(queue: Waiting[], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#closed !== undefined) throw this.#closed;
    if (!this.#taken) {
      this.#taken = true;
      return;
    }
    if (queue.length >= QUEUE_LIMIT) throw new HiveletError('DEVICE_BUSY', `${queue.length} requests wait for the line already`);
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        queue.splice(queue.indexOf(waiting), 1);
        reject(signal.reason as Error);
      };
      const waiting: Waiting = {
        start: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
        abandon: (error) => {
          signal.removeEventListener('abort', onAbort);
          reject(error);
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      queue.push(waiting);
    });
  }

  #leave(): void {
    const next = this.#urgent.shift() ?? this.#patient.shift();
    if (next === undefined) this.#taken = false;
    else next.start();
  }
}

/** A timer that fired this much too late says that the process, not the device, was slow. */
const LATE_MS = 20;
/** How often such a process gets more time for the same answer. */
const EXTENSIONS = 5;

/**
 * Calls `expired` after `timeoutMs`, but never before the process had a chance to see an answer that is there already: timers fire before
 * sockets are read, so a process that was blocked (a slow card: 200 ms a sync) would else see time-outs that never were.
 * Returns what cancels it.
 */
export function fairTimeout(clock: Clock, timeoutMs: number, expired: () => void): () => void {
  let cancelled = false;
  let extensions = 0;
  const arm = (ms: number): ReturnType<Clock['timer']> => {
    const due = clock.monotonic() + ms;
    return clock.timer(ms, () => {
      const late = clock.monotonic() - due;
      if (late > LATE_MS && extensions++ < EXTENSIONS) timer = arm(Math.min(late, timeoutMs));
      else setImmediate(() => cancelled || expired());
    });
  };
  let timer = arm(timeoutMs);
  return () => {
    cancelled = true;
    timer.cancel();
  };
}

/** Owns a process's modules: started in order, stopped in reverse, a failed one restarted with back-off. */
import type { Clock } from './clock.ts';
import { HiveletError, messageOf } from './errors.ts';
import type { Logger } from './log.ts';
import type { Health, Module } from './module.ts';
import { backoff } from './retry.ts';

const RESTART_FIRST_MS = 500;
const RESTART_MAX_MS = 30_000;
/** A module that ran this long starts over with the shortest wait. */
const SETTLED_MS = 60_000;
/** A module that does not stop in this time is given up, so that a stop always ends. */
const STOP_LIMIT_MS = 10_000;

interface Slot {
  module: Module;
  abort: AbortController;
  running: boolean;
  startedAt: number;
  waits: Generator<number, never>;
  restarting: Promise<void> | undefined;
  lastError?: string;
}

export class Supervisor {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #slots: Slot[] = [];
  #stopping: Promise<void> | undefined;

  constructor(options: { clock: Clock; log: Logger }) {
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /**
   * Starts all in order. When one fails to start (its `start` throws, or it calls `failed` before it is ready), it and those before it are
   * stopped and its error is thrown; a stop in the meantime throws STOPPED.
   */
  async start(modules: readonly Module[]): Promise<void> {
    for (const module of modules) {
      if (this.#isStopping()) throw new HiveletError('STOPPED');
      const slot: Slot = {
        module,
        abort: new AbortController(),
        running: false,
        startedAt: 0,
        waits: this.#freshWaits(),
        restarting: undefined,
      };
      this.#slots.push(slot);
      try {
        await this.#startSlot(slot);
      } catch (error) {
        await this.stop();
        throw error;
      }
    }
    if (this.#isStopping()) throw new HiveletError('STOPPED');
  }

  /** Stops all in reverse order; idempotent, every caller waits for the same stop. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  health(): { ok: boolean; modules: Record<string, Health> } {
    const modules = Object.fromEntries(this.#slots.map((slot): [string, Health] => [slot.module.name, healthOf(slot)]));
    return { ok: Object.values(modules).every((health) => health.ok), modules };
  }

  async #startSlot(slot: Slot): Promise<void> {
    const abort = new AbortController();
    slot.abort = abort;
    await new Promise<void>((resolve, reject) => {
      abort.signal.addEventListener('abort', () => reject(new HiveletError('STOPPED')), { once: true });
      const failed = (error: unknown): void => {
        if (slot.running) this.#restart(slot, error);
        else reject(error instanceof Error ? error : new HiveletError('INTERNAL', messageOf(error)));
      };
      this.#callStart(slot, failed).then(() => {
        // A start that went on after it was given up has opened again what the stop had closed.
        if (abort.signal.aborted) return this.#stopModule(slot);
        slot.running = true;
        slot.startedAt = this.#clock.monotonic();
        return resolve();
      }, reject);
    });
    this.#log.debug('module.started', { module: slot.module.name });
  }

  /** Rejects also where `start` throws before it answers. */
  async #callStart(slot: Slot, failed: (error: unknown) => void): Promise<void> {
    const { signal } = slot.abort;
    await slot.module.start({
      clock: this.#clock,
      log: this.#log.child({ module: slot.module.name }),
      signal,
      failed: (error) => {
        if (!signal.aborted) failed(error);
      },
    });
  }

  #restart(slot: Slot, error: unknown): void {
    if (this.#isStopping()) return;
    slot.lastError = messageOf(error);
    slot.running = false;
    slot.restarting = this.#restartLoop(slot, error);
  }

  async #restartLoop(slot: Slot, cause: unknown): Promise<void> {
    let error = cause;
    if (this.#clock.monotonic() - slot.startedAt > SETTLED_MS) slot.waits = this.#freshWaits();
    for (;;) {
      const waitMs = Math.round(slot.waits.next().value);
      this.#log.error('module.failed', { module: slot.module.name, error, restartInMs: waitMs });
      slot.abort.abort(new HiveletError('STOPPED'));
      await this.#stopModule(slot);
      if (this.#isStopping()) return;
      // Aborted by a stop, so that nobody waits for the rest of the back-off.
      slot.abort = new AbortController();
      try {
        await this.#clock.sleep(waitMs, slot.abort.signal);
        await this.#startSlot(slot);
        return;
      } catch (failure) {
        if (this.#isStopping()) return;
        error = failure;
        slot.lastError = messageOf(failure);
      }
    }
  }

  #freshWaits(): Generator<number, never> {
    return backoff(RESTART_FIRST_MS, RESTART_MAX_MS, () => this.#clock.random());
  }

  #isStopping(): boolean {
    return this.#stopping !== undefined;
  }

  async #stopAll(): Promise<void> {
    // The first turn lets the caller's #stopping be set before any slot looks at it.
    await Promise.resolve();
    for (const slot of [...this.#slots].reverse()) {
      slot.running = false;
      slot.abort.abort(new HiveletError('STOPPED'));
      if (slot.restarting !== undefined) await slot.restarting;
      await this.#stopModule(slot);
    }
  }

  async #stopModule({ module }: Slot): Promise<void> {
    const limit = new AbortController();
    const overdue = this.#clock.sleep(STOP_LIMIT_MS, limit.signal).then(
      () => this.#log.error('module.stop.overdue', { module: module.name, limitMs: STOP_LIMIT_MS }),
      () => undefined,
    );
    const stop = callStop(module).catch((error: unknown) => {
      this.#log.error('module.stop.failed', { module: module.name, error });
    });
    await Promise.race([stop, overdue]);
    limit.abort();
    await overdue;
  }
}

/** Rejects also where `stop` throws before it answers. */
async function callStop(module: Module): Promise<void> {
  await module.stop();
}

function healthOf({ running, module, lastError }: Slot): Health {
  if (!running) return { ok: false, detail: lastError ?? 'stopped' };
  try {
    return module.health();
  } catch (error) {
    return { ok: false, detail: messageOf(error) };
  }
}

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

  /** Starts all in order. When one fails to start, those before it are stopped and its error is thrown. */
  async start(modules: readonly Module[]): Promise<void> {
    for (const module of modules) {
      if (this.#stopping !== undefined) throw new HiveletError('STOPPED');
      const slot: Slot = {
        module,
        abort: new AbortController(),
        running: false,
        startedAt: 0,
        waits: backoff(RESTART_FIRST_MS, RESTART_MAX_MS, () => this.#clock.random()),
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
  }

  /** Stops all in reverse order; idempotent, every caller waits for the same stop. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  health(): { ok: boolean; modules: Record<string, Health> } {
    const modules = Object.fromEntries(
      this.#slots.map((slot): [string, Health] => [
        slot.module.name,
        slot.running ? slot.module.health() : { ok: false, detail: slot.lastError ?? 'stopped' },
      ]),
    );
    return { ok: Object.values(modules).every((health) => health.ok), modules };
  }

  async #startSlot(slot: Slot): Promise<void> {
    slot.abort = new AbortController();
    const { signal } = slot.abort;
    await slot.module.start({
      clock: this.#clock,
      log: this.#log.child({ module: slot.module.name }),
      signal,
      failed: (error) => {
        if (!signal.aborted) this.#restart(slot, error);
      },
    });
    slot.running = true;
    slot.startedAt = this.#clock.monotonic();
    this.#log.debug('module.started', { module: slot.module.name });
  }

  #restart(slot: Slot, error: unknown): void {
    if (this.#stopping !== undefined || slot.restarting !== undefined) return;
    slot.lastError = messageOf(error);
    slot.running = false;
    slot.restarting = this.#restartLoop(slot, error).finally(() => {
      slot.restarting = undefined;
    });
  }

  async #restartLoop(slot: Slot, cause: unknown): Promise<void> {
    let error = cause;
    if (this.#clock.monotonic() - slot.startedAt > SETTLED_MS) {
      slot.waits = backoff(RESTART_FIRST_MS, RESTART_MAX_MS, () => this.#clock.random());
    }
    const stopped = new AbortController();
    for (;;) {
      const waitMs = Math.round(slot.waits.next().value);
      this.#log.error('module.failed', { module: slot.module.name, error, restartInMs: waitMs });
      slot.abort.abort(new HiveletError('STOPPED'));
      await this.#stopModule(slot);
      if (this.#isStopping()) return;
      slot.abort = stopped;
      try {
        await this.#clock.sleep(waitMs, stopped.signal);
        if (this.#isStopping()) return;
        await this.#startSlot(slot);
        return;
      } catch (failure) {
        if (this.#isStopping()) return;
        error = failure;
        slot.lastError = messageOf(failure);
      }
    }
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

  async #stopModule(slot: Slot): Promise<void> {
    const limit = new AbortController();
    const overdue = this.#clock.sleep(STOP_LIMIT_MS, limit.signal).then(
      () => this.#log.error('module.stop.overdue', { module: slot.module.name, limitMs: STOP_LIMIT_MS }),
      () => undefined,
    );
    const stop = slot.module.stop().catch((error: unknown) => {
      this.#log.error('module.stop.failed', { module: slot.module.name, error });
    });
    await Promise.race([stop, overdue]);
    limit.abort();
    await overdue;
  }
}

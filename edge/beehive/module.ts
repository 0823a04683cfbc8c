/** Owns the life cycle contract of everything that a process of ours runs. */
import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';

export interface Health {
  ok: boolean;
  /** One sentence; shown by `/healthz` and the SIGUSR2 dump. */
  detail?: string;
}

export interface Context {
  clock: Clock;
  log: Logger;
  /** Aborts when the process stops or the module is restarted; whatever is awaited must settle then. */
  signal: AbortSignal;
  /** Tells the supervisor that a running module failed: it is stopped and started again with back-off. */
  failed(error: unknown): void;
}

export interface Module {
  readonly name: string;
  /** Resolves when ready to serve. */
  start(context: Context): Promise<void>;
  /** Idempotent; resolves when everything that the module awaited has settled. */
  stop(): Promise<void>;
  health(): Health;
}

/** Owns telling of webhooks that cannot be asked: at most once a minute for each, with the number of calls since. */
import type { Clock } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';

export interface WebhookFailure {
  webhook: string;
  configuration: string;
  reason: string;
  /** The request went on without it. */
  open: boolean;
}

const QUIET_MS = 60_000;
const MOST_KNOWN = 100;

export class FailureLog {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #told = new Map<string, { atMs: number; more: number }>();

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  note({ open, ...failure }: WebhookFailure): void {
    const key = `${failure.configuration}/${failure.webhook}`;
    const told = this.#told.get(key);
    const now = this.#clock.monotonic();
    if (told !== undefined && now - told.atMs < QUIET_MS) {
      told.more += 1;
      return;
    }
    if (told === undefined && this.#told.size >= MOST_KNOWN) this.#told.clear();
    this.#told.set(key, { atMs: now, more: 0 });
    this.#log.warn('webhook.failed', {
      ...failure,
      outcome: open ? 'the request went on without it' : 'the request was refused',
      calls: 1 + (told?.more ?? 0),
    });
  }
}

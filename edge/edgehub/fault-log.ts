/** Owns telling why there is no link: the same reason again and again is one line a minute, that the clock is wrong is told once. */
import type { Context } from '#beehive/module.ts';
import type { LostCause } from './link-faults.ts';

const AGAIN_MS = 60_000;

export class FaultLog {
  /** '' while there is none. */
  last = '';
  #loggedAtMs = -Infinity;

  tell({ clock, log }: Pick<Context, 'clock' | 'log'>, reason: string, facts: { server: string; cause?: LostCause }): void {
    const now = clock.monotonic();
    const { server, cause } = facts;
    if (reason === this.last && (cause === 'clock' || now - this.#loggedAtMs < AGAIN_MS)) return;
    this.last = reason;
    this.#loggedAtMs = now;
    log.warn('link.down', { reason, server });
  }

  clear(): void {
    this.last = '';
    this.#loggedAtMs = -Infinity;
  }
}

/** Owns counting what is dropped: the first of each reason is logged at once, then a count once a minute, so that no peer fills the log. */
import type { Clock } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';

const QUIET_MS = 60_000;
/** Reasons that are counted apart; they hold words of peers. */
const MAX_REASONS = 200;

export class DropLog {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #reasons = new Map<string, { loggedMs: number; unlogged: number }>();
  /** All since the start. */
  total = 0;

  constructor({ clock, log }: { clock: Clock; log: Logger }) {
    this.#clock = clock;
    this.#log = log;
  }

  /** `event` and `reason` make the kind; `fields` are those of the first of it. */
  count(event: string, reason: string, fields: Record<string, unknown> = {}): void {
    this.total += 1;
    const nowMs = this.#clock.monotonic();
    const key = `${event} ${reason}`;
    const known = this.#reasons.get(key);
    if (known !== undefined && nowMs - known.loggedMs < QUIET_MS) {
      known.unlogged += 1;
      return;
    }
    this.#log.warn(event, { reason: reason.slice(0, 300), ...fields, ...(known === undefined ? {} : { more: known.unlogged }) });
    if (known === undefined && this.#reasons.size >= MAX_REASONS) this.#reasons.clear();
    this.#reasons.set(key, { loggedMs: nowMs, unlogged: 0 });
  }
}

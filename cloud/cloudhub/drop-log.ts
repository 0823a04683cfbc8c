/** Owns counting what is dropped: the first of each kind is logged at once, then a count once a minute, so that no peer fills the log. */
import type { Clock } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';

const QUIET_MS = 60_000;
/** Kinds that are counted apart; they hold names of peers. */
const MAX_KINDS = 1000;
/** Lines in a minute, of all kinds together. */
const MAX_LINES = 200;

export class DropLog {
  readonly #clock: Clock;
  readonly #log: Logger;
  /** Oldest first. */
  readonly #kinds = new Map<string, { loggedMs: number; unlogged: number }>();
  #minute = { startMs: -Infinity, lines: 0, unlogged: 0 };
  /** All since the start. */
  total = 0;

  constructor({ clock, log }: { clock: Clock; log: Logger }) {
    this.#clock = clock;
    this.#log = log;
  }

  /** `event` and `kind` say what is counted together, so a kind holds nothing that a peer may make up; `fields` are those of the first of it. */
  count(event: string, kind: string, { reason = kind, ...fields }: { reason?: string } & Record<string, unknown> = {}): void {
    this.total += 1;
    const nowMs = this.#clock.monotonic();
    const key = `${event} ${kind}`;
    const known = this.#kinds.get(key);
    if (known !== undefined && nowMs - known.loggedMs < QUIET_MS) {
      known.unlogged += 1;
      return;
    }
    if (!this.#mayLog(nowMs)) return;
    this.#log.warn(event, { reason: reason.slice(0, 300), ...fields, ...(known === undefined ? {} : { more: known.unlogged }) });
    this.#kinds.delete(key);
    this.#kinds.set(key, { loggedMs: nowMs, unlogged: 0 });
    const [oldest] = this.#kinds.keys();
    if (this.#kinds.size > MAX_KINDS && oldest !== undefined) this.#kinds.delete(oldest);
  }

  #mayLog(nowMs: number): boolean {
    if (nowMs - this.#minute.startMs >= QUIET_MS) {
      if (this.#minute.unlogged > 0) this.#log.warn('drops.unlogged', { count: this.#minute.unlogged });
      this.#minute = { startMs: nowMs, lines: 0, unlogged: 0 };
    }
    const may = this.#minute.lines < MAX_LINES;
    if (may) this.#minute.lines += 1;
    else this.#minute.unlogged += 1;
    return may;
  }
}

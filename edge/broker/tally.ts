/** Owns counted warnings: an event that may happen a thousand times a second is logged at once, then once a minute with its count. */
import type { Clock } from '#beehive/clock.ts';
import type { LogFields, Logger } from '#beehive/log.ts';

const WINDOW_MS = 60_000;

export class Tally {
  readonly #clock: Clock;
  readonly #log: Logger;
  /** Events of the running minute: how often since the last line, and the latest example. */
  readonly #open = new Map<string, { count: number; fields: LogFields }>();
  readonly #totals = new Map<string, number>();

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  count(event: string, about: LogFields = {}): void {
    const fields = readable(about);
    this.#totals.set(event, this.total(event) + 1);
    const open = this.#open.get(event);
    if (open !== undefined) {
      open.count++;
      open.fields = fields;
      return;
    }
    this.#log.warn(event, { ...fields, count: 1 });
    this.#watch(event);
  }

  /** How often `event` was counted since the start. */
  total(event: string): number {
    return this.#totals.get(event) ?? 0;
  }

  #watch(event: string): void {
    const entry = { count: 0, fields: {} as LogFields };
    this.#open.set(event, entry);
    this.#clock.timer(WINDOW_MS, () => {
      this.#open.delete(event);
      if (entry.count === 0) return;
      this.#log.warn(event, { ...entry.fields, count: entry.count });
      this.#watch(event);
    });
  }
}

/** The name inside of a client with an account is `account NUL client id`. */
function readable(fields: LogFields): LogFields {
  const { client } = fields;
  return typeof client === 'string' ? { ...fields, client: client.replace('\0', '/') } : fields;
}

/** Owns the answers that go on: where their text goes, what ends them: the client, a stop, or rights that are no longer there. */
import type { ServerResponse } from 'node:http';
import type { Clock, Timer } from '#beehive/clock.ts';
import type { StreamAnswer } from './api-request.ts';

/** A watcher that does not read is cut off when this much waits for it; it lists again. */
const BACKLOG = 8 * 1024 * 1024;
/** How long somebody may go on to read who may not any more. */
const REVIEW_MS = 5000;

export class OpenStreams {
  readonly #clock: Pick<Clock, 'timer'>;
  /** The way to end each, and whether it may go on. */
  readonly #open = new Map<() => void, () => boolean>();
  #timer: Timer | undefined;

  constructor(clock: Pick<Clock, 'timer'>) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#open.size;
  }

  /** `allowed` is asked again and again. */
  start(response: ServerResponse, { contentType, start }: StreamAnswer, allowed: () => boolean): void {
    response.writeHead(200, { 'Content-Type': contentType, 'Cache-Control': 'no-cache, private' });
    response.flushHeaders();
    const end = (): void => void response.end();
    const stop = start({
      write: (text) => {
        if (response.writableEnded || response.destroyed) return;
        response.write(text);
        if (response.writableLength > BACKLOG) response.destroy();
      },
      end,
    });
    this.#open.set(end, allowed);
    this.#timer ??= this.#clock.timer(REVIEW_MS, () => this.#review());
    response.once('close', () => {
      this.#open.delete(end);
      stop();
    });
  }

  endAll(): void {
    this.#timer?.cancel();
    for (const end of [...this.#open.keys()]) end();
  }

  #review(): void {
    this.#timer = undefined;
    for (const [end, allowed] of [...this.#open]) if (!allowed()) end();
    if (this.#open.size > 0) this.#timer = this.#clock.timer(REVIEW_MS, () => this.#review());
  }
}

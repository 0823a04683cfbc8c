/** Owns the order of what is done with one peripheral: one thing at a time, what is urgent before what waits. */

interface Waiting {
  begin: () => void;
  urgent: boolean;
}

export class Lane {
  readonly #waiting: Waiting[] = [];
  #busy = false;

  /**
   * Runs `job` when its turn comes. An abort takes it out of the queue; a job that runs goes on until it settles by itself, so that the next
   * one does not meet its answer.
   */
  run<T>(job: () => Promise<T>, { signal, urgent = false }: { signal: AbortSignal; urgent?: boolean }): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error);
      const onAbort = (): void => {
        const at = this.#waiting.indexOf(entry);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal.reason as Error);
      };
      const entry: Waiting = {
        urgent,
        begin: () => {
          this.#busy = true;
          job()
            .then(resolve, reject)
            .finally(() => {
              signal.removeEventListener('abort', onAbort);
              this.#busy = false;
              this.#next();
            });
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#enter(entry);
      this.#next();
    });
  }

  #enter(entry: Waiting): void {
    const at = entry.urgent ? this.#waiting.findIndex(({ urgent }) => !urgent) : -1;
    if (at < 0) this.#waiting.push(entry);
    else this.#waiting.splice(at, 0, entry);
  }

  #next(): void {
    if (!this.#busy) this.#waiting.shift()?.begin();
  }
}

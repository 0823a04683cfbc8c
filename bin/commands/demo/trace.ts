/** Owns the trace of one desired value: each hop with its time after the request was sent. */

export interface Hop {
  /** Wall clock, unix ms: the only time that four processes of one machine share. */
  atMs: number;
  what: string;
}

export class Trace {
  readonly #startMs: number;
  readonly #hops = new Map<string, Hop>();

  constructor(startMs: number) {
    this.#startMs = startMs;
  }

  /** Only the first time of each hop counts; what happened before the request is not its doing. */
  mark(what: string, atMs: number): void {
    if (!this.#hops.has(what) && atMs >= this.#startMs - 1) this.#hops.set(what, { what, atMs });
  }

  has(what: string): boolean {
    return this.#hops.has(what);
  }

  /** Aligned lines in the order of time. */
  lines(): string[] {
    const hops = [...this.#hops.values()].sort((a, b) => a.atMs - b.atMs);
    const texts = hops.map(({ atMs }) => `+${Math.max(0, atMs - this.#startMs).toFixed(0)} ms`);
    const width = Math.max(...texts.map((text) => text.length));
    return hops.map(({ what }, index) => `  ${(texts[index] ?? '').padStart(width)}  ${what}`);
  }
}

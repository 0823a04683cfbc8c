/** Owns what is being read because it is wanted now and went by before: each thing once at a time, until it succeeds. */
import { backoff } from '#beehive/retry.ts';
import type { Context } from '#beehive/module.ts';
import type { KubeObject } from '../../store/kube-api.ts';
import type { Reflector } from '../../store/kubeconfig/reflector.ts';

const RETRY_MS = { first: 500, max: 30_000 };

export class Loads {
  readonly #context: Pick<Context, 'clock' | 'log' | 'signal'>;
  readonly #running = new Set<string>();

  constructor(context: Pick<Context, 'clock' | 'log' | 'signal'>) {
    this.#context = context;
  }

  get size(): number {
    return this.#running.size;
  }

  has(what: string): boolean {
    return this.#running.has(what);
  }

  /** `done` is called when the shelf has it; not after a stop. */
  begin(
    what: string,
    { shelf, read, done = () => undefined }: { shelf: Reflector; read: () => Promise<KubeObject[]>; done?: () => void },
  ): void {
    if (this.#running.has(what)) return;
    this.#running.add(what);
    void this.#run(what, () => shelf.load(read)).then(() => {
      this.#running.delete(what);
      if (!this.#context.signal.aborted) done();
    });
  }

  /** Never rejects. */
  async #run(what: string, load: () => Promise<void>): Promise<void> {
    const { clock, log, signal } = this.#context;
    for (const waitMs of backoff(RETRY_MS.first, RETRY_MS.max, () => clock.random())) {
      try {
        return await load();
      } catch (error) {
        if (signal.aborted) return;
        log.warn('downstream.load.failed', { what, error });
        await clock.sleep(waitMs, signal).catch(() => undefined);
      }
    }
  }
}

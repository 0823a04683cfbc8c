/** Owns which objects of one resource end in steps: each that is being deleted is worked on, and again whenever something it holds is gone. */
import type { Engine } from '../engine.ts';
import type { StoreEvent } from '../watch-window.ts';
import { WorkQueue } from './work-queue.ts';

export interface EndingsOptions {
  engine: Engine;
  /** Of the objects that end, e.g. `namespaces`. */
  resource: string;
  settleMs: number;
  /** The name of the object that held the one which is gone. */
  holderOf: (event: StoreEvent) => string;
  /** One step; `again` of the same name asks for the next. */
  work: (name: string) => Promise<void>;
  failed: (name: string, error: unknown) => void;
}

/** Objects that are deleted before others have their turn. */
export const PART = 500;
export const NO_OPTIONS = { policy: 'Background', uid: '', resourceVersion: '', dryRun: false };

export class Endings {
  readonly #options: EndingsOptions;
  readonly #ending = new Set<string>();
  readonly #queue: WorkQueue;
  #stop: (() => void) | undefined;

  constructor(options: EndingsOptions) {
    const { engine, settleMs, work, failed } = options;
    this.#options = options;
    this.#queue = new WorkQueue({ clock: engine.clock, settleMs, round: 1, work, failed });
  }

  start(): void {
    const { engine, resource } = this.#options;
    for (const stored of engine.store.list(resource)) if (stored.deleting) this.#follow(stored.name);
    this.#stop = engine.store.observe((event) => this.#observe(event));
  }

  /** Resolves when nothing of it writes any more. */
  async stop(): Promise<void> {
    this.#stop?.();
    await this.#queue.stop();
  }

  again(name: string): void {
    this.#queue.add(name);
  }

  #follow(name: string): void {
    this.#ending.add(name);
    this.#queue.add(name);
  }

  #observe(event: StoreEvent): void {
    const { resource, type, object } = event;
    if (resource === this.#options.resource) {
      if (type === 'DELETED') this.#ending.delete(object.name);
      else if (object.deleting) this.#follow(object.name);
    } else if (type === 'DELETED') {
      const holder = this.#options.holderOf(event);
      if (this.#ending.has(holder)) this.#queue.add(holder);
    }
  }
}

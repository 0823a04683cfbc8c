/** Owns the end of CustomResourceDefinitions whose objects are many or held: these go in parts, then the definition. */
import type { Engine } from '../engine.ts';
import { copyOf } from '../stored-object.ts';
import type { StoreEvent } from '../watch-window.ts';
import { CLEANUP, DEFINITIONS, resourceOf } from '../verbs/definitions.ts';
import { deleteStored } from '../verbs/delete.ts';
import { WorkQueue } from './work-queue.ts';

const SETTLE_MS = 200;
/** Objects that are deleted before others have their turn. */
const PART = 500;
const NO_OPTIONS = { policy: 'Background', uid: '', resourceVersion: '', dryRun: false };

export class DefinitionController {
  readonly #engine: Engine;
  /** Names of definitions that wait, by the resource of their objects: `plural.group` is both. */
  readonly #terminating = new Set<string>();
  readonly #queue: WorkQueue;
  #stop: (() => void) | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
    const { clock, log } = engine;
    this.#queue = new WorkQueue({
      clock,
      settleMs: SETTLE_MS,
      round: 1,
      work: (name) => this.#work(name),
      failed: (name, error) => log.warn('api.definition.failed', { name, error }),
    });
  }

  start(): void {
    const { store } = this.#engine;
    for (const stored of store.list(DEFINITIONS)) if (stored.deleting) this.#follow(stored.name);
    this.#stop = store.observe((event) => this.#observe(event));
  }

  /** Resolves when nothing of it writes any more. */
  async stop(): Promise<void> {
    this.#stop?.();
    await this.#queue.stop();
  }

  #follow(name: string): void {
    this.#terminating.add(name);
    this.#queue.add(name);
  }

  #observe({ resource, type, object }: StoreEvent): void {
    if (resource === DEFINITIONS) {
      if (type === 'DELETED') this.#terminating.delete(object.name);
      else if (object.deleting) this.#follow(object.name);
    } else if (type === 'DELETED' && this.#terminating.has(resource)) this.#queue.add(resource);
  }

  async #work(name: string): Promise<void> {
    const { store, registry } = this.#engine;
    const stored = store.get(DEFINITIONS, '', name);
    if (stored?.deleting !== true) return;
    const resource = resourceOf(copyOf(stored));
    const kind = registry.all().find((each) => each.resource === resource);
    const left = store.list(resource);
    const now = left.filter(({ deleting }) => !deleting).slice(0, PART);
    if (kind !== undefined) {
      await Promise.all(now.map((each) => deleteStored(this.#engine, { kind, stored: each, options: NO_OPTIONS })));
      if (now.length > 0) return this.#queue.add(name);
      if (left.length > 0) return;
    }
    await this.#finish(name);
  }

  async #finish(name: string): Promise<void> {
    const { store, log } = this.#engine;
    const stored = store.get(DEFINITIONS, '', name);
    if (stored === undefined) return;
    const object = copyOf(stored);
    const before = object.metadata.finalizers ?? [];
    const finalizers = before.filter((each) => each !== CLEANUP);
    if (finalizers.length === before.length && before.length > 0) return;
    if (finalizers.length > 0) object.metadata.finalizers = finalizers;
    else delete object.metadata.finalizers;
    await store.write({ resource: DEFINITIONS, object, remove: finalizers.length === 0 }).done;
    log.info('api.definition.emptied', { name });
  }
}

/** Owns the end of CustomResourceDefinitions whose objects are many or held: these go in parts, then the definition. */
import type { Engine } from '../engine.ts';
import { copyOf } from '../stored-object.ts';
import { CLEANUP, DEFINITIONS, resourceOf } from '../verbs/definitions.ts';
import { deleteStored } from '../verbs/delete.ts';
import { Endings, NO_OPTIONS, PART } from './endings.ts';

const SETTLE_MS = 200;

export class DefinitionController {
  readonly #engine: Engine;
  readonly #endings: Endings;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#endings = new Endings({
      engine,
      resource: DEFINITIONS,
      settleMs: SETTLE_MS,
      // A definition is named as the resource of its objects: `plural.group`.
      holderOf: ({ resource }) => resource,
      work: (name) => this.#work(name),
      failed: (name, error) => engine.log.warn('api.definition.failed', { name, error }),
    });
  }

  start(): void {
    this.#endings.start();
  }

  stop(): Promise<void> {
    return this.#endings.stop();
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
      if (now.length > 0) return this.#endings.again(name);
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

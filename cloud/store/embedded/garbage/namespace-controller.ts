/** Owns the end of namespaces: contents go in parts, then the finalizer `kubernetes`, then the namespace itself. */
import type { KubeObject } from '../../kube-api.ts';
import type { Engine } from '../engine.ts';
import { timeText } from '../engine.ts';
import { deepEqual, isRecord, listAt } from '../json-value.ts';
import type { Kind } from '../kinds/kind.ts';
import { copyOf } from '../stored-object.ts';
import type { StoredObject } from '../stored-object.ts';
import { deleteStored } from '../verbs/delete.ts';
import { NAMESPACE_FINALIZER, mayVanish, namespacedResources } from '../verbs/namespaces.ts';
import { Endings, NO_OPTIONS, PART } from './endings.ts';

/** As on a real cluster a namespace is seen Terminating before it is gone. */
const SETTLE_MS = 1000;

interface Content {
  kind: Kind;
  stored: StoredObject;
}

export class NamespaceController {
  readonly #engine: Engine;
  readonly #endings: Endings;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#endings = new Endings({
      engine,
      resource: 'namespaces',
      settleMs: SETTLE_MS,
      holderOf: ({ object }) => object.namespace,
      work: (name) => this.#work(name),
      failed: (name, error) => engine.log.warn('api.namespace.failed', { namespace: name, error }),
    });
  }

  start(): void {
    this.#endings.start();
  }

  stop(): Promise<void> {
    return this.#endings.stop();
  }

  async #work(name: string): Promise<void> {
    const { store, log } = this.#engine;
    const contents = this.#contents(name);
    const now = contents.filter(({ stored }) => !stored.deleting).slice(0, PART);
    await Promise.all(now.map(({ kind, stored }) => deleteStored(this.#engine, { kind, stored, options: NO_OPTIONS })));
    const stored = store.get('namespaces', '', name);
    if (stored?.deleting !== true) return;
    const left = this.#contents(name);
    if (left.some((content) => !content.stored.deleting)) return this.#endings.again(name);
    const object = copyOf(stored);
    if (left.length > 0) return this.#tell(object, left);
    const spec = isRecord(object['spec']) ? object['spec'] : {};
    const finalizers = listAt(spec, 'finalizers').filter((each) => each !== NAMESPACE_FINALIZER);
    object['spec'] = { ...spec, finalizers };
    if (finalizers.length === 0) delete (object['spec'] as Record<string, unknown>)['finalizers'];
    const remove = mayVanish(object);
    if (!remove && finalizers.length === listAt(spec, 'finalizers').length) return;
    await store.write({ resource: 'namespaces', object, remove }).done;
    log.info('api.namespace.emptied', { namespace: name });
  }

  #contents(name: string): Content[] {
    const { store } = this.#engine;
    return namespacedResources(this.#engine).flatMap((kind) => store.list(kind.resource, name).map((stored) => ({ kind, stored })));
  }

  /** The namespace says what it waits for. */
  async #tell(object: KubeObject, left: readonly Content[]): Promise<void> {
    const status = isRecord(object['status']) ? object['status'] : {};
    const conditions = waitingConditions(left);
    const before = listAt(status, 'conditions');
    const unchanged = conditions.every((condition) => before.some((each) => deepEqual(withoutTime(each), condition)));
    if (unchanged) return;
    const lastTransitionTime = timeText(this.#engine.clock.now());
    object['status'] = { ...status, conditions: conditions.map((condition) => ({ ...condition, lastTransitionTime })) };
    await this.#engine.store.write({ resource: 'namespaces', object }).done;
  }
}

function withoutTime(condition: unknown): unknown {
  if (!isRecord(condition)) return condition;
  const { lastTransitionTime, ...rest } = condition;
  void lastTransitionTime;
  return rest;
}

function waitingConditions(left: readonly Content[]): Record<string, string>[] {
  const resources = new Map<string, number>();
  const finalizers = new Map<string, number>();
  for (const { kind, stored } of left) {
    const name = `${kind.plural}.${kind.group}`;
    resources.set(name, (resources.get(name) ?? 0) + 1);
    for (const each of copyOf(stored).metadata.finalizers ?? []) finalizers.set(each, (finalizers.get(each) ?? 0) + 1);
  }
  const remaining = [...resources].map(([name, count]) => `${name} has ${count} resource instances`).join(', ');
  const holding = [...finalizers].map(([name, count]) => `${name} in ${count} resource instances`).join(', ');
  const conditions = [
    {
      type: 'NamespaceContentRemaining',
      status: 'True',
      reason: 'SomeResourcesRemain',
      message: `Some resources are remaining: ${remaining}`,
    },
  ];
  if (holding === '') return conditions;
  const message = `Some content in the namespace has finalizers remaining: ${holding}`;
  return [...conditions, { type: 'NamespaceFinalizersRemaining', status: 'True', reason: 'SomeFinalizersRemain', message }];
}

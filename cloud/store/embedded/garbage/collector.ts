/** Owns the garbage collection by owner references: what has lost its owners goes, and owners go as they were asked to. */
import type { KubeObject, OwnerReference } from '../../kube-api.ts';
import type { Engine } from '../engine.ts';
import type { Kind } from '../kinds/kind.ts';
import { copyOf } from '../stored-object.ts';
import type { StoredObject } from '../stored-object.ts';
import type { StoreEvent } from '../watch-window.ts';
import { deleteStored } from '../verbs/delete.ts';
import { OwnerIndex } from './owner-index.ts';
import { FOREGROUND, ORPHAN, verdictOn } from './verdict.ts';
import type { OwnerState } from './verdict.ts';
import { WorkQueue } from './work-queue.ts';

/** As with a real collector, a deletion and what follows from it are two things; this is the pause between them. */
const SETTLE_MS = 1000;
/** Objects of one round: what waits behind them is not held up for long. */
const ROUND = 200;
/** Events are many, live for an hour, and never own or are owned. */
const IGNORED = 'events';
const DEFINITIONS = 'customresourcedefinitions.apiextensions.k8s.io';

interface Subject {
  kind: Kind;
  stored: StoredObject;
}

export class GarbageCollector {
  readonly #engine: Engine;
  readonly #index = new OwnerIndex();
  /** Keys of owners that wait for their dependents, by uid. */
  readonly #waiting = new Map<string, string>();
  /** Keys of objects with an owner of a kind that is not served. */
  readonly #unresolved = new Set<string>();
  readonly #queue: WorkQueue;
  #kinds: { revision: number; byResource: Map<string, Kind>; byName: Map<string, Kind> } | undefined;
  #stop: (() => void) | undefined;
  #counts = { deleted: 0, released: 0, finished: 0 };

  constructor(engine: Engine) {
    this.#engine = engine;
    const { clock, log } = engine;
    this.#queue = new WorkQueue({
      clock,
      settleMs: SETTLE_MS,
      round: ROUND,
      work: (key) => this.#work(key),
      done: () => this.#report(),
      failed: (key, error) => log.warn('api.garbage.failed', { object: key, error }),
    });
  }

  /** Looks at every object once; from then on at those that change. */
  start(): void {
    const { store } = this.#engine;
    for (const { resource, object } of store.all()) {
      if (resource === IGNORED) continue;
      const key = keyOf(resource, object);
      this.#index.add(key, object.owners);
      if (object.owners !== undefined || object.deleting) this.#queue.add(key);
    }
    this.#stop = store.observe((event) => this.#observe(event));
  }

  /** Resolves when nothing of it writes any more. */
  async stop(): Promise<void> {
    this.#stop?.();
    await this.#queue.stop();
  }

  #observe({ resource, type, object, previous }: StoreEvent): void {
    if (resource === IGNORED) return;
    const key = keyOf(resource, object);
    const gone = type === 'DELETED';
    this.#index.remove(key, previous?.owners);
    if (!gone) this.#index.add(key, object.owners);
    if (gone) this.#unresolved.delete(key);
    for (const { uid } of previous?.owners ?? []) this.#wake(uid);
    if (gone) for (const dependent of this.#index.of(object.uid)) this.#queue.add(dependent);
    else if (object.deleting || (object.owners !== undefined && !sameOwners(object.owners, previous?.owners))) this.#queue.add(key);
    if (gone) this.#waiting.delete(object.uid);
    if (resource === DEFINITIONS) for (const unresolved of this.#unresolved) this.#queue.add(unresolved);
  }

  /** An owner that waits for its dependents looks again. */
  #wake(uid: string): void {
    const key = this.#waiting.get(uid);
    if (key !== undefined) this.#queue.add(key);
  }

  async #work(key: string): Promise<void> {
    const subject = this.#find(key);
    if (subject === undefined) return;
    const { stored } = subject;
    const finalizers = stored.deleting ? (copyOf(stored).metadata.finalizers ?? []) : [];
    if (finalizers.includes(ORPHAN)) return this.#orphan(key, subject);
    if (finalizers.includes(FOREGROUND)) await this.#awaitDependents(key, subject);
    else if (stored.owners !== undefined && !stored.deleting)
      await this.#judge(key, { subject, finalizers: copyOf(stored).metadata.finalizers ?? [] });
  }

  async #judge(key: string, { subject, finalizers }: { subject: Subject; finalizers: readonly string[] }): Promise<void> {
    const { kind, stored } = subject;
    const { log } = this.#engine;
    const dependents = this.#index.of(stored.uid);
    const verdict = verdictOn({ owners: stored.owners ?? [], finalizers, owns: dependents.size > 0 }, (owner) =>
      this.#stateOf(owner, stored),
    );
    this.#unresolved.delete(key);
    switch (verdict.action) {
      case 'keep':
        return;
      case 'ask-again':
        this.#unresolved.add(key);
        log.debug('api.garbage.owner_unknown', { object: key, owners: stored.owners });
        return;
      case 'release':
        await this.#release(subject, (owner) => !verdict.uids.includes(owner.uid));
        return;
      case 'delete': {
        // Owners in a circle would wait for each other.
        if (verdict.policy === 'Foreground' && this.#anyWaits(dependents)) await this.#unblock(subject);
        const current = this.#find(key);
        if (current?.stored.uid !== stored.uid) return;
        log.debug('api.garbage.deleting', { object: key, policy: verdict.policy });
        this.#counts.deleted += 1;
        await deleteStored(this.#engine, { kind, stored: current.stored, options: { ...NO_OPTIONS, policy: verdict.policy } });
      }
    }
  }

  #stateOf({ apiVersion, kind: name, name: objectName, uid }: OwnerReference, dependent: StoredObject): OwnerState {
    const kind = this.#known().byName.get(`${groupOf(apiVersion)}/${name}`);
    if (kind === undefined) return 'unknown';
    // What lives in no namespace cannot be owned by what lives in one.
    if (kind.namespaced && dependent.namespace === '') return 'unknown';
    const owner = this.#engine.store.get(kind.resource, kind.namespaced ? dependent.namespace : '', objectName);
    if (owner?.uid !== uid) return 'absent';
    return owner.deleting && (copyOf(owner).metadata.finalizers ?? []).includes(FOREGROUND) ? 'waiting' : 'there';
  }

  #anyWaits(keys: ReadonlySet<string>): boolean {
    for (const key of keys) {
      const stored = this.#find(key)?.stored;
      if (stored?.deleting === true && (copyOf(stored).metadata.finalizers ?? []).includes(FOREGROUND)) return true;
    }
    return false;
  }

  /** The owner goes when no dependent holds it any more; these find it waiting, and go first. */
  async #awaitDependents(key: string, { kind, stored }: Subject): Promise<void> {
    const dependents = [...this.#index.of(stored.uid)];
    const blocked = dependents.some((each) => blocks(this.#find(each)?.stored, stored.uid));
    if (!this.#waiting.has(stored.uid)) for (const dependent of dependents) this.#queue.add(dependent);
    if (blocked) {
      this.#waiting.set(stored.uid, key);
      return;
    }
    this.#waiting.delete(stored.uid);
    await this.#dropFinalizer({ kind, stored }, FOREGROUND);
  }

  /** The dependents stay, without the reference. */
  async #orphan(key: string, { stored }: Subject): Promise<void> {
    const dependents = [...this.#index.of(stored.uid)].flatMap((each) => this.#find(each) ?? []);
    const now = dependents.slice(0, ROUND);
    await Promise.all(now.map((dependent) => this.#release(dependent, ({ uid }) => uid !== stored.uid)));
    const current = this.#find(key);
    if (now.length < dependents.length) this.#queue.add(key);
    else if (current?.stored.uid === stored.uid) await this.#dropFinalizer(current, ORPHAN);
  }

  async #release({ kind, stored }: Subject, keep: (owner: OwnerReference) => boolean): Promise<void> {
    const object = copyOf(stored);
    const left = (object.metadata.ownerReferences ?? []).filter(keep);
    if (left.length > 0) object.metadata.ownerReferences = left;
    else delete object.metadata.ownerReferences;
    this.#counts.released += 1;
    await this.#put(kind, object);
  }

  async #unblock({ kind, stored }: Subject): Promise<void> {
    const object = copyOf(stored);
    for (const owner of object.metadata.ownerReferences ?? []) owner.blockOwnerDeletion = false;
    await this.#put(kind, object);
  }

  async #dropFinalizer({ kind, stored }: Subject, finalizer: string): Promise<void> {
    const object = copyOf(stored);
    const left = (object.metadata.finalizers ?? []).filter((each) => each !== finalizer);
    this.#counts.finished += 1;
    if (left.length > 0) {
      object.metadata.finalizers = left;
      return this.#put(kind, object);
    }
    delete object.metadata.finalizers;
    await this.#engine.store.write({ resource: kind.resource, object, remove: true, persistence: kind.persistence }).done;
  }

  async #put(kind: Kind, object: KubeObject): Promise<void> {
    await this.#engine.store.write({ resource: kind.resource, object, persistence: kind.persistence }).done;
  }

  /** Undefined when it is gone, or its kind is served no more. */
  #find(key: string): Subject | undefined {
    const [resource = '', namespace = '', name = ''] = key.split('/');
    const kind = this.#known().byResource.get(resource);
    const stored = this.#engine.store.get(resource, namespace, name);
    return kind === undefined || stored === undefined ? undefined : { kind, stored };
  }

  #known(): { byResource: Map<string, Kind>; byName: Map<string, Kind> } {
    const { registry } = this.#engine;
    if (this.#kinds?.revision === registry.revision) return this.#kinds;
    const byResource = new Map<string, Kind>();
    const byName = new Map<string, Kind>();
    for (const kind of registry.all()) {
      byResource.set(kind.resource, kind);
      byName.set(`${kind.group}/${kind.kind}`, kind);
    }
    this.#kinds = { revision: registry.revision, byResource, byName };
    return this.#kinds;
  }

  #report(): void {
    const { deleted, released, finished } = this.#counts;
    if (deleted + released + finished === 0) return;
    this.#engine.log.info('api.garbage.collected', { deleted, released, finished, left: this.#queue.length });
    this.#counts = { deleted: 0, released: 0, finished: 0 };
  }
}

const NO_OPTIONS = { uid: '', resourceVersion: '', dryRun: false };

function keyOf(resource: string, { namespace, name }: StoredObject): string {
  return `${resource}/${namespace}/${name}`;
}

function groupOf(apiVersion: string): string {
  return apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
}

function blocks(dependent: StoredObject | undefined, uid: string): boolean {
  return dependent?.owners?.some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true) === true;
}

function sameOwners(a: readonly OwnerReference[], b: readonly OwnerReference[] = []): boolean {
  return (
    a.length === b.length &&
    a.every(({ uid, blockOwnerDeletion }, at) => b[at]?.uid === uid && b[at]?.blockOwnerDeletion === blockOwnerDeletion)
  );
}

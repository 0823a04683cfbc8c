/** Owns all objects in memory, the one revision counter, and the order commit -> publish -> answer. */
import type { Clock, Timer } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';
import { messageOf } from '#beehive/errors.ts';
import type { KubeObject } from '../kube-api.ts';
import { internal } from './status.ts';
import type { ObjectStorage, RowChange } from './storage.ts';
import { keyIn, restoreObject, storeObject } from './stored-object.ts';
import type { StoredObject } from './stored-object.ts';
import { WatchWindow } from './watch-window.ts';
import type { StoreEvent, WindowBounds } from './watch-window.ts';

/**
 * When an object reaches the disk: `now` before the answer; `later` within five minutes or with the next stop (what its writer
 * would say again after a crash: reported values, events); `never` for leases.
 */
export type Persistence = 'now' | 'later' | 'never';

export interface StoreChange {
  resource: string;
  /** The new state (its revision is set here), or the last one of an object to delete. */
  object: KubeObject;
  remove?: boolean;
  persistence?: Persistence;
}

export interface ObjectStoreOptions {
  storage: ObjectStorage;
  clock: Clock;
  log: Logger;
  window?: WindowBounds;
}

interface Table {
  readonly objects: Map<string, StoredObject>;
  /** Keys in order; undefined after an object came or went. */
  keys: string[] | undefined;
}

interface Batch {
  rows: Map<string, RowChange>;
  events: StoreEvent[];
  undo: (() => void)[];
  done: Promise<void>;
  settle: (error?: Error) => void;
}

/** Revisions that a restart may skip; the counter on disk moves by so many at a time. */
const CEILING_STEP = 10_000;
const FLUSH_MS = 5 * 60_000;

export class ObjectStore {
  readonly #storage: ObjectStorage;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #tables = new Map<string, Table>();
  readonly #listeners = new Map<string, Set<(event: StoreEvent) => void>>();
  readonly #observers = new Set<(event: StoreEvent) => void>();
  readonly #unsaved = new Map<string, RowChange>();
  readonly window: WatchWindow;
  #batch: Batch | undefined;
  #revision: number;
  #published: number;
  #ceiling: number;
  #flushTimer: Timer | undefined;
  #commits = 0;

  constructor({ storage, clock, log, window }: ObjectStoreOptions) {
    this.#storage = storage;
    this.#clock = clock;
    this.#log = log;
    this.#ceiling = storage.ceiling;
    // A step beyond what any client has seen, so that a watch from before the restart is told to list again.
    this.#revision = this.#ceiling + 1;
    this.#published = this.#revision;
    this.window = new WatchWindow(this.#revision, window);
    this.#load();
  }

  /** The revision up to which all events were published. */
  get revision(): number {
    return this.#published;
  }

  get stats(): { revision: number; objects: number; commits: number; events: number } {
    let objects = 0;
    for (const table of this.#tables.values()) objects += table.objects.size;
    return { revision: this.#published, objects, commits: this.#commits, events: this.window.length };
  }

  /** Settles (never rejects) with the group of writes that is not committed yet. Reads wait until there is none. */
  get pending(): Promise<void> | undefined {
    return this.#batch?.done.catch(() => undefined);
  }

  get(resource: string, namespace: string, name: string): StoredObject | undefined {
    return this.#tables.get(resource)?.objects.get(keyIn(namespace, name));
  }

  /** In order of namespace, then name; of one namespace when given. */
  list(resource: string, namespace?: string): StoredObject[] {
    const table = this.#tables.get(resource);
    if (table === undefined) return [];
    table.keys ??= [...table.objects.keys()].sort();
    const found: StoredObject[] = [];
    for (const key of table.keys) {
      const object = table.objects.get(key);
      if (object !== undefined && (namespace === undefined || object.namespace === namespace)) found.push(object);
    }
    return found;
  }

  /** The list as it was at `revision`, by walking back; undefined when that is forgotten. */
  listAt(resource: string, revision: number, namespace?: string): StoredObject[] | undefined {
    const later = this.window.after(revision);
    if (later === undefined) return undefined;
    const past = new Map<string, StoredObject | undefined>();
    for (const event of later) {
      const key = keyIn(event.object.namespace, event.object.name);
      if (event.resource === resource && !past.has(key)) past.set(key, event.previous);
    }
    if (past.size === 0) return this.list(resource, namespace);
    const found = new Map(this.list(resource).map((object) => [keyIn(object.namespace, object.name), object]));
    for (const [key, object] of past) {
      if (object === undefined) found.delete(key);
      else found.set(key, object);
    }
    return [...found]
      .filter(([, object]) => namespace === undefined || object.namespace === namespace)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object);
  }

  /** Visible to the next write at once; `done` settles with the commit of the group that it joined. */
  write({ resource, object, remove = false, persistence = 'now' }: StoreChange): { stored: StoredObject; done: Promise<void> } {
    const batch = (this.#batch ??= this.#newBatch());
    const revision = (this.#revision += 1);
    const stored = storeObject(object, revision);
    const table = this.#table(resource);
    const key = keyIn(stored.namespace, stored.name);
    const previous = table.objects.get(key);
    const keysBefore = table.keys;
    if (remove) table.objects.delete(key);
    else table.objects.set(key, stored);
    if (remove || previous === undefined) table.keys = undefined;
    batch.undo.push(() => {
      if (previous === undefined) table.objects.delete(key);
      else table.objects.set(key, previous);
      table.keys = keysBefore;
    });
    const type = remove ? 'DELETED' : previous === undefined ? 'ADDED' : 'MODIFIED';
    batch.events.push({ revision, resource, type, object: stored, previous, atMs: this.#clock.monotonic() });
    this.#save(batch, {
      change: {
        resource,
        namespace: stored.namespace,
        name: stored.name,
        body: remove ? undefined : stored.text,
        managers: stored.managers,
      },
      persistence,
      previous,
    });
    return { stored, done: batch.done };
  }

  /** Called for each published event of the resource, in order. Returns the way to stop it. */
  subscribe(resource: string, listener: (event: StoreEvent) => void): () => void {
    const listeners = this.#listeners.get(resource) ?? new Set();
    this.#listeners.set(resource, listeners);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  /** Called for each published event of every resource, in order, before those that `subscribe` named. Returns the way to stop it. */
  observe(listener: (event: StoreEvent) => void): () => void {
    this.#observers.add(listener);
    return () => void this.#observers.delete(listener);
  }

  /** Every object, in no order. */
  *all(): Generator<{ resource: string; object: StoredObject }> {
    for (const [resource, { objects }] of this.#tables) for (const object of objects.values()) yield { resource, object };
  }

  /** Commits what waits; the storage itself stays open. */
  async close(): Promise<void> {
    while (this.pending !== undefined) await this.pending;
    this.#flushTimer?.cancel();
    this.#flush();
  }

  /** Puts the row where its persistence says. A new object is always written now, so that a later delete has its row. */
  #save(
    batch: Batch,
    { change, persistence, previous }: { change: RowChange; persistence: Persistence; previous: StoredObject | undefined },
  ): void {
    if (persistence === 'never') return;
    const key = `${change.resource}/${change.namespace}/${change.name}`;
    if (persistence === 'later' && previous !== undefined && change.body !== undefined && !batch.rows.has(key)) {
      const before = this.#unsaved.get(key);
      this.#unsaved.set(key, change);
      batch.undo.push(() => void (before === undefined ? this.#unsaved.delete(key) : this.#unsaved.set(key, before)));
      this.#flushTimer ??= this.#clock.timer(FLUSH_MS, () => this.#flush());
      return;
    }
    batch.rows.set(key, change);
    const unsaved = this.#unsaved.get(key);
    if (unsaved === undefined) return;
    this.#unsaved.delete(key);
    batch.undo.push(() => void this.#unsaved.set(key, unsaved));
  }

  #newBatch(): Batch {
    let settle: (error?: Error) => void = () => undefined;
    const done = new Promise<void>((resolve, reject) => {
      settle = (error) => (error === undefined ? resolve() : reject(error));
    });
    // Whoever wrote waits for it; without a waiter a failure is logged below and is no unhandled rejection.
    done.catch(() => undefined);
    setImmediate(() => this.#commit());
    return { rows: new Map(), events: [], undo: [], done, settle };
  }

  #commit(): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    this.#batch = undefined;
    const ceiling = this.#revision > this.#ceiling ? this.#revision + CEILING_STEP : undefined;
    try {
      if (batch.rows.size > 0 || ceiling !== undefined) {
        this.#storage.commit(batch.rows.values(), ceiling);
        this.#commits += 1;
        if (ceiling !== undefined) this.#ceiling = ceiling;
      }
    } catch (error) {
      for (const undo of batch.undo.reverse()) undo();
      this.#log.error('api.store.failed', { error, writes: batch.events.length });
      batch.settle(internal(messageOf(error)));
      return;
    }
    for (const event of batch.events) this.#publish(event);
    batch.settle();
  }

  #publish(event: StoreEvent): void {
    this.#published = event.revision;
    this.window.push(event);
    for (const listener of this.#observers) listener(event);
    for (const listener of this.#listeners.get(event.resource) ?? []) listener(event);
  }

  #flush(): void {
    this.#flushTimer = undefined;
    if (this.#unsaved.size === 0) return;
    try {
      this.#storage.commit(this.#unsaved.values());
      this.#commits += 1;
      this.#unsaved.clear();
    } catch (error) {
      this.#log.error('api.store.failed', { error, writes: this.#unsaved.size });
      this.#flushTimer = this.#clock.timer(FLUSH_MS, () => this.#flush());
    }
  }

  #table(resource: string): Table {
    let table = this.#tables.get(resource);
    if (table === undefined) this.#tables.set(resource, (table = { objects: new Map(), keys: undefined }));
    return table;
  }

  #load(): void {
    for (const row of this.#storage.load()) {
      try {
        const object = restoreObject(row);
        this.#table(row.resource).objects.set(keyIn(object.namespace, object.name), object);
      } catch (error) {
        this.#log.error('api.store.row_skipped', { resource: row.resource, namespace: row.namespace, name: row.name, error });
      }
    }
  }
}

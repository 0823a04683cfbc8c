/** Owns list and watch of one kind: a synced copy of its objects that survives cut links, time-outs and compaction. */
import type { Clock } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';
import { backoff } from '#beehive/retry.ts';
import { isKubeError, keyOf } from '../kube-api.ts';
import type { KubeApi, KubeList, KubeObject, ResourceType, WatchEvent } from '../kube-api.ts';

export interface ReflectorOptions {
  api: Pick<KubeApi, 'list' | 'watch'>;
  type: ResourceType;
  clock: Clock;
  log: Logger;
  /** Absent = all namespaces. */
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  /** Called for each object that is new (`previous` undefined) or changed; never for an object that is the same. */
  onUpsert?: (previous: KubeObject | undefined, current: KubeObject) => void;
  /**
   * Called once for each object that is gone, with its last known state. `seen`: the API told of its deletion; `missing`: it was not there any
   * more in a list, or `keep` no longer wants it, which says nothing about who did what.
   */
  onDelete?: (last: KubeObject, how: 'seen' | 'missing') => void;
  /** Objects per list request. */
  pageSize?: number;
  /**
   * What is held of an object; undefined = nothing, and the handlers hear nothing of it (or that it is gone, if it was held). Asked for
   * each event; what is wanted later is brought in by `load`. Default: the whole object.
   */
  keep?: (object: KubeObject) => KubeObject | undefined;
}

/** What happened while a `load` was reading. */
interface Meanwhile {
  /** Key -> version of its deletion. */
  deleted: Map<string, number>;
  /** A whole list was taken over: what it does not have was gone at its version. */
  listed: { version: number; keys: ReadonlySet<string> } | undefined;
}

/** A watch is renewed after 5 to 10 minutes, so that a link that died silently is noticed. */
const WATCH_SECONDS = { min: 300, spread: 300 };
/** A stream that ends sooner than this counts as a failure, so that a server that closes at once is not hammered. */
const SHORT_WATCH_MS = 1000;
const BACKOFF_MS = { first: 500, max: 30_000 };

export class Reflector {
  readonly #options: ReflectorOptions;
  readonly #objects = new Map<string, KubeObject>();
  readonly #abort = new AbortController();
  readonly #synced: Promise<void>;
  /** Objects that were loaded, by the version they came in: the watch may still tell older things of them. */
  readonly #loaded = new Map<string, number>();
  readonly #loads = new Set<Meanwhile>();
  #version = 0;
  #markSynced: () => void = () => undefined;
  #hasSynced = false;
  #running: Promise<void> | undefined;

  constructor(options: ReflectorOptions) {
    this.#options = options;
    this.#synced = new Promise((resolve) => (this.#markSynced = resolve));
  }

  /** The objects by `namespace/name` (`name` for cluster-scoped kinds), as the API gave them, but without managedFields: they would be most of the memory. Do not change them. */
  get objects(): ReadonlyMap<string, KubeObject> {
    return this.#objects;
  }

  /** True once a whole list was taken over; stays true when the link is cut later. */
  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Everything up to this version was taken over; 0 before the first list. */
  get version(): number {
    return this.#version;
  }

  /**
   * Takes over objects that `keep` did not want when they went by. What the watch told meanwhile wins, so nothing goes back. Rejects
   * as `read` does.
   */
  async load(read: () => Promise<readonly KubeObject[]>): Promise<void> {
    const meanwhile: Meanwhile = { deleted: new Map(), listed: undefined };
    this.#loads.add(meanwhile);
    try {
      for (const object of await read()) this.#take(object, meanwhile);
    } finally {
      this.#loads.delete(meanwhile);
    }
  }

  /** Lets go of an object; no handler hears of it. */
  drop(key: string): void {
    this.#objects.delete(key);
    this.#loaded.delete(key);
  }

  /** Returns at once; listing goes on in the background until `stop`. */
  start(): void {
    this.#running ??= this.#run(this.#abort.signal);
  }

  /** Resolves at the first complete list; rejects with the signal's reason when it aborts first. */
  synced(signal?: AbortSignal): Promise<void> {
    if (signal === undefined) return this.#synced;
    return new Promise((resolve, reject) => {
      const fail = (): void => reject(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
      if (signal.aborted) return fail();
      signal.addEventListener('abort', fail, { once: true });
      void this.#synced.then(() => {
        signal.removeEventListener('abort', fail);
        resolve();
      });
    });
  }

  /** Idempotent; no handler is called after it resolved. */
  async stop(): Promise<void> {
    this.#abort.abort(new Error('the reflector was stopped'));
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, log, type } = this.#options;
    const fresh = (): Generator<number, never> => backoff(BACKOFF_MS.first, BACKOFF_MS.max, () => clock.random());
    let waits = fresh();
    let version: string | undefined;
    while (!signal.aborted) {
      const startedMs = clock.monotonic();
      try {
        version ??= await this.#list(signal);
        await this.#watch(version, signal, (seen) => {
          version = seen;
          waits = fresh();
        });
        // The server ended the stream: its time-out after minutes, or a server that closes at once.
        if (clock.monotonic() - startedMs < SHORT_WATCH_MS) await clock.sleep(waits.next().value, signal).catch(() => undefined);
      } catch (error) {
        if (signal.aborted) return;
        const expired = isKubeError(error) && error.code === 410;
        // A refusal starts anew with a list: the server may be another one, or have lost its data. One that is busy or ill is still the same.
        if (isKubeError(error) && error.code !== 429 && error.code < 500) version = undefined;
        const waitMs = waits.next().value;
        log[expired ? 'info' : 'warn']('kube.watch.retry', { kind: type.plural, expired, waitMs: Math.round(waitMs), error });
        await clock.sleep(waitMs, signal).catch(() => undefined);
      }
    }
  }

  async #list(signal: AbortSignal): Promise<string> {
    const found = new Map<string, KubeObject | undefined>();
    let token: string | undefined;
    let version: string;
    do {
      const page = await this.#page(signal, token);
      // The pages before were of a state that is forgotten; this one is all there is.
      if (page.whole) found.clear();
      for (const object of page.items) found.set(keyOf(object.metadata), this.#kept(object));
      token = page.continue === '' ? undefined : page.continue;
      version = page.resourceVersion;
    } while (token !== undefined);
    if (signal.aborted) return version;
    this.#takeList(found, versionOf(version));
    this.#hasSynced = true;
    this.#markSynced();
    return version;
  }

  #takeList(found: ReadonlyMap<string, KubeObject | undefined>, version: number): void {
    this.#version = version;
    for (const load of this.#loads) load.listed = { version, keys: new Set(found.keys()) };
    for (const [key, last] of [...this.#objects]) {
      const loadedAt = this.#loaded.get(key);
      // What was loaded is wanted since the page was read, or newer than the list.
      const stays = loadedAt !== undefined && (found.has(key) || loadedAt > version);
      if (found.get(key) === undefined && !stays) this.#remove(key, last);
    }
    for (const [key, object] of found) if (object !== undefined) this.#upsert(key, object);
    for (const [key, loadedAt] of [...this.#loaded]) if (!(loadedAt > version)) this.#loaded.delete(key);
  }

  /** `whole`: the state that the token names was forgotten before all pages were read, so everything came at once. */
  async #page(signal: AbortSignal, token: string | undefined): Promise<KubeList & { whole: boolean }> {
    const { api, type, pageSize = 500 } = this.#options;
    if (token === undefined) return { ...(await api.list(type, { ...this.#scope(), limit: pageSize, signal })), whole: false };
    try {
      return { ...(await api.list(type, { ...this.#scope(), limit: pageSize, signal, continue: token })), whole: false };
    } catch (error) {
      if (!isKubeError(error) || error.code !== 410) throw error;
      return { ...(await api.list(type, { ...this.#scope(), signal })), whole: true };
    }
  }

  async #watch(from: string, signal: AbortSignal, seen: (version: string) => void): Promise<void> {
    const { api, type, clock } = this.#options;
    const timeoutSeconds = WATCH_SECONDS.min + Math.floor(clock.random() * WATCH_SECONDS.spread);
    for await (const event of api.watch(type, { ...this.#scope(), resourceVersion: from, timeoutSeconds, signal })) {
      if (signal.aborted) break;
      const version = this.#apply(event);
      if (version !== undefined) seen(version);
    }
  }

  /** Returns the version that the event brings us to. */
  #apply(event: WatchEvent): string | undefined {
    const seen = event.type === 'bookmark' ? event.resourceVersion : event.object.metadata.resourceVersion;
    if (event.type !== 'bookmark') this.#applyChange(event.type, event.object);
    this.#version = Math.max(this.#version, versionOf(seen));
    return seen;
  }

  #applyChange(type: 'added' | 'modified' | 'deleted', object: KubeObject): void {
    const key = keyOf(object.metadata);
    const version = versionOf(object.metadata.resourceVersion);
    const loadedAt = this.#loaded.get(key) ?? 0;
    if (loadedAt > version) return;
    this.#loaded.delete(key);
    if (type === 'deleted') for (const load of this.#loads) load.deleted.set(key, version);
    const kept = type === 'deleted' ? undefined : this.#kept(object);
    if (kept === undefined) this.#remove(key, object, type === 'deleted' ? 'seen' : 'missing');
    else this.#upsert(key, kept);
  }

  #take(object: KubeObject, { deleted, listed }: Meanwhile): void {
    const key = keyOf(object.metadata);
    const version = versionOf(object.metadata.resourceVersion);
    const held = this.#objects.get(key);
    const kept = this.#kept(object);
    if (kept === undefined || (deleted.get(key) ?? 0) > version) return;
    if (listed !== undefined && !listed.keys.has(key) && listed.version > version) return;
    if (held !== undefined && versionOf(held.metadata.resourceVersion) >= version) return;
    this.#loaded.set(key, version);
    this.#upsert(key, kept);
  }

  #kept(object: KubeObject): KubeObject | undefined {
    const { keep } = this.#options;
    const { managedFields, ...metadata } = object.metadata;
    const held = managedFields === undefined ? object : { ...object, metadata };
    return keep === undefined ? held : keep(held);
  }

  #upsert(key: string, current: KubeObject): void {
    const previous = this.#objects.get(key);
    if (previous !== undefined && previous.metadata.uid !== current.metadata.uid) {
      this.#remove(key, previous);
      return this.#upsert(key, current);
    }
    if (previous !== undefined && previous.metadata.resourceVersion === current.metadata.resourceVersion) return;
    this.#objects.set(key, current);
    this.#call(() => this.#options.onUpsert?.(previous, current));
  }

  #remove(key: string, last: KubeObject, how: 'seen' | 'missing' = 'missing'): void {
    if (!this.#objects.delete(key)) return;
    this.#call(() => this.#options.onDelete?.(last, how));
  }

  /** A handler that throws must not stop the watch of everything else. */
  #call(handler: () => void): void {
    try {
      handler();
    } catch (error) {
      this.#options.log.error('kube.watch.handler_failed', { kind: this.#options.type.plural, error });
    }
  }

  #scope(): { namespace?: string; labelSelector?: string; fieldSelector?: string } {
    const { namespace, labelSelector, fieldSelector } = this.#options;
    return {
      ...(namespace === undefined ? {} : { namespace }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    };
  }
}

/** 0 for what is no number: such versions are never compared as older. */
function versionOf(text: string | undefined): number {
  const version = Number(text);
  return Number.isSafeInteger(version) ? version : 0;
}

/** Owns watch: the stream of events of one kind, from a version of the window or from the present state on. */
import type { ApiRequest, StreamAnswer, StreamOut } from '../api-request.ts';
import type { Engine, Target } from '../engine.ts';
import type { Kind } from '../kinds/kind.ts';
import { groupVersionOf } from '../kinds/kind.ts';
import { formOf } from '../negotiation.ts';
import { expired, forbiddenField, invalid } from '../status.ts';
import { parseObject, storeObject, textIn } from '../stored-object.ts';
import type { StoredObject } from '../stored-object.ts';
import type { StoreEvent } from '../watch-window.ts';
import { filterOf } from './filter.ts';
import type { Filter } from './filter.ts';
import { readSeconds, readVersion } from './read.ts';
import { includeObjectOf, renderObject } from './render.ts';
import type { Rendering } from './render.ts';

const BOOKMARK_MS = 60_000;
/** Without a time-out of the client's the stream ends after 30 to 60 minutes. */
const DEFAULT_SECONDS = 1800;
/** A last bookmark comes so long before the end of a stream that lives longer than a few seconds. */
const LAST_BOOKMARK_MS = 2000;
const SHORT_STREAM_MS = 10_000;

export function watchObjects(engine: Engine, target: Target, request: ApiRequest): StreamAnswer {
  const { kind, namespace } = target;
  const { query } = request;
  if (query.get('sendInitialEvents') !== null || (query.get('resourceVersionMatch') ?? '') !== '') throw noWatchList(query);
  const filter = filterOf(kind, { namespace, query });
  const rendering = { kind, form: formOf(request.accept), includeObject: includeObjectOf(query), nowMs: 0 };
  const from = readVersion(query.get('resourceVersion') ?? '') ?? 0;
  const timeoutSeconds = readSeconds(query.get('timeoutSeconds') ?? '') || DEFAULT_SECONDS * (1 + engine.clock.random());
  const bookmarks = query.get('allowWatchBookmarks') === 'true' || query.get('allowWatchBookmarks') === '1';
  return {
    contentType: 'application/json',
    start: (out) => {
      const stream = new WatchStream(engine, out, { kind, filter, rendering });
      return whenSettled(engine, () => stream.run({ from, timeoutMs: timeoutSeconds * 1000, bookmarks }));
    },
  };
}

/** Runs `begin` as soon as nothing uncommitted is in the store; returns the way to stop it, before or after. */
function whenSettled(engine: Engine, begin: () => () => void): () => void {
  let stop: (() => void) | undefined;
  let over = false;
  const attempt = (): void => {
    const { pending } = engine.store;
    if (over) return;
    if (pending === undefined) stop = begin();
    else void pending.then(attempt);
  };
  attempt();
  return () => {
    over = true;
    stop?.();
  };
}

/** The streaming list came in 1.27 and is optional: clients fall back to list and watch. */
function noWatchList(query: URLSearchParams): Error {
  const field = 'resourceVersionMatch';
  const causes = [forbiddenField(field, 'resourceVersionMatch is forbidden for watch')];
  if (query.get('resourceVersion') === null) {
    causes.push(forbiddenField(field, 'resourceVersionMatch is forbidden unless resourceVersion is provided'));
  }
  return invalid({ group: 'meta.k8s.io', kind: 'ListOptions', name: '' }, causes);
}

interface Subject {
  kind: Kind;
  filter: Filter;
  rendering: Rendering;
}

/** The line of the event that is being published, by type and served version: its watchers share one text. */
const shared: { event: StoreEvent | undefined; lines: Map<string, string> } = { event: undefined, lines: new Map() };

function sharedLine(event: StoreEvent, type: string, apiVersion: string): string {
  if (shared.event !== event) {
    shared.event = event;
    shared.lines.clear();
  }
  const key = `${type} ${apiVersion}`;
  const line = shared.lines.get(key) ?? `{"type":"${type}","object":${textIn(event.object, apiVersion)}}\n`;
  shared.lines.set(key, line);
  return line;
}

class WatchStream {
  readonly #engine: Engine;
  readonly #out: StreamOut;
  readonly #subject: Subject;
  /** Columns go into the first event of a Table stream only. */
  #first = true;
  /** Events up to this revision were sent or do not concern this stream. */
  #seen = 0;

  constructor(engine: Engine, out: StreamOut, subject: Subject) {
    this.#engine = engine;
    this.#out = out;
    this.#subject = subject;
  }

  /** Returns what to call when the stream is over. Replay and attaching are one step: no gap, nothing twice. */
  run({ from, timeoutMs, bookmarks }: { from: number; timeoutMs: number; bookmarks: boolean }): () => void {
    const { store, clock } = this.#engine;
    const { resource } = this.#subject.kind;
    if (from === 0) {
      for (const stored of store.list(resource)) if (this.#subject.filter(stored)) this.#send('ADDED', stored);
      this.#seen = store.revision;
    } else {
      const past = store.window.after(from);
      if (past === undefined) {
        this.#tooOld(from);
        return () => undefined;
      }
      this.#seen = from;
      for (const event of past) if (event.resource === resource) this.#deliver(event);
    }
    const detach = store.subscribe(resource, (event) => this.#deliver(event));
    const end = clock.timer(timeoutMs, () => this.#out.end());
    const stopBookmarks = bookmarks ? this.#startBookmarks(timeoutMs) : () => undefined;
    return () => {
      detach();
      end.cancel();
      stopBookmarks();
    };
  }

  #deliver(event: StoreEvent): void {
    if (event.revision <= this.#seen) return;
    this.#seen = event.revision;
    const { filter, rendering } = this.#subject;
    const now = filter(event.object);
    const before = event.previous !== undefined && filter(event.previous);
    if (event.type === 'DELETED') {
      // The write that took the last finalizer may have changed more: what counts is whether the watcher knew the object.
      if (before) this.#sendShared('DELETED', event);
      return;
    }
    if (now && rendering.form === 'object') this.#sendShared(before ? 'MODIFIED' : 'ADDED', event);
    else if (now) this.#send(before ? 'MODIFIED' : 'ADDED', event.object);
    else if (before && event.previous !== undefined) this.#send('DELETED', this.#left(event.previous, event.revision));
  }

  /** Leaving a selector looks like a deletion: the last matching state under the new version. */
  #left(previous: StoredObject, revision: number): StoredObject {
    return storeObject(parseObject(previous, groupVersionOf(this.#subject.kind)), revision);
  }

  #send(type: string, stored: StoredObject): void {
    const rendering = { ...this.#subject.rendering, nowMs: this.#engine.clock.now() };
    this.#out.write(`{"type":"${type}","object":${renderObject(stored, rendering, this.#first)}}\n`);
    this.#first = false;
  }

  #sendShared(type: string, event: StoreEvent): void {
    const { kind, rendering } = this.#subject;
    if (rendering.form !== 'object') return this.#send(type, event.object);
    this.#out.write(sharedLine(event, type, groupVersionOf(kind)));
  }

  #tooOld(from: number): void {
    const { status } = expired(`too old resource version: ${from} (${this.#engine.store.window.floor})`);
    this.#out.write(`${JSON.stringify({ type: 'ERROR', object: status })}\n`);
    this.#out.end();
  }

  #startBookmarks(timeoutMs: number): () => void {
    const { clock } = this.#engine;
    let timer = clock.timer(BOOKMARK_MS, () => again());
    const again = (): void => {
      this.#bookmark();
      timer = clock.timer(BOOKMARK_MS, again);
    };
    const last = timeoutMs > SHORT_STREAM_MS ? clock.timer(timeoutMs - LAST_BOOKMARK_MS, () => this.#bookmark()) : undefined;
    return () => {
      timer.cancel();
      last?.cancel();
    };
  }

  #bookmark(): void {
    const { kind, rendering } = this.#subject;
    const metadata = { resourceVersion: String(this.#engine.store.revision), creationTimestamp: null };
    const forms = {
      object: { kind: kind.kind, apiVersion: groupVersionOf(kind), metadata },
      partial: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata },
      table: { kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata, columnDefinitions: null, rows: [] },
    };
    this.#out.write(`${JSON.stringify({ type: 'BOOKMARK', object: forms[rendering.form] })}\n`);
  }
}

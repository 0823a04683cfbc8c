/** Owns a Kubernetes API inside the test's memory: the verbs our controllers use, without schemas, with faults on demand. */
import { applyJsonPatch, JsonPatchError } from '#cloud/store/embedded/patch/json.ts';
import { applyMergePatch } from '#cloud/store/embedded/patch/merge.ts';
import { applyStrategicPatch } from '#cloud/store/embedded/patch/strategic.ts';
import { alreadyExists, conflict, invalid, invalidValue, notFound, unprocessable } from '#cloud/store/embedded/status.ts';
import {
  KubeError,
  apiVersionOf,
  keyOf,
  type DeleteOptions,
  type KubeApi,
  type KubeList,
  type KubeObject,
  type KubeObjectInput,
  type ListOptions,
  type ObjectName,
  type Patch,
  type ResourceType,
  type WatchEvent,
  type WatchOptions,
  type WriteOptions,
} from '#cloud/store/kube-api.ts';
import { MemoryEvents, chosenBy } from './memory-kube-events.ts';

export interface Call {
  verb: 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete';
  type: string;
  name: string;
  patch?: Patch & WriteOptions;
}

const FIRST_VERSION = 100;
/** Kinds whose status is written by the subresource only. */
const WITH_STATUS = new Set(['nodes', 'pods', 'namespaces', 'objectsyncs', 'clusterobjectsyncs']);
const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;

export class MemoryKubeApi implements KubeApi {
  readonly calls: Call[] = [];
  readonly #objects = new Map<string, KubeObject>();
  readonly #events = new MemoryEvents(FIRST_VERSION);
  /** What is left of lists that are read in pages, by token. */
  readonly #pages = new Map<string, KubeList>();
  #version = FIRST_VERSION;
  /** Runs before each call is done; may change the store, throw, or wait. */
  before: (call: Call) => void | Promise<void> = () => undefined;

  static failure(code: number, reason: string): KubeError {
    return new KubeError({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason, code, message: reason });
  }

  /** Writes without asking `before`: what somebody else did. */
  put(type: ResourceType, object: KubeObjectInput): KubeObject {
    const previous = this.#objects.get(this.#key(type, object.metadata as ObjectName));
    const uid = object.metadata.uid ?? previous?.metadata.uid ?? `uid-${object.metadata.name ?? ''}-${this.#version}`;
    return this.#store(type, { ...object, metadata: { creationTimestamp: '2026-01-01T00:00:00Z', ...object.metadata, uid } }, previous);
  }

  remove(type: ResourceType, name: ObjectName): void {
    const key = this.#key(type, name);
    const previous = this.#objects.get(key);
    if (previous === undefined) return;
    this.#objects.delete(key);
    const object = { ...previous, metadata: { ...previous.metadata, resourceVersion: String(++this.#version) } };
    this.#events.tell({ plural: type.plural, version: this.#version, type: 'deleted', object, previous });
  }

  peek(type: ResourceType, name: ObjectName): KubeObject | undefined {
    return this.#objects.get(this.#key(type, name));
  }

  patches(type: ResourceType): (Patch & WriteOptions)[] {
    return this.calls.flatMap((call) =>
      call.verb === 'patch' && call.type === type.plural && call.patch !== undefined ? [call.patch] : [],
    );
  }

  async get(type: ResourceType, name: ObjectName): Promise<KubeObject> {
    await this.#call({ verb: 'get', type: type.plural, name: name.name });
    return structuredClone(this.#must(type, name));
  }

  async list(type: ResourceType, options: ListOptions = {}): Promise<KubeList> {
    await this.#call({ verb: 'list', type: type.plural, name: '' });
    const { limit = Infinity, continue: token = '' } = options;
    const whole = this.#pages.get(token) ?? {
      resourceVersion: String(this.#version),
      items: this.#all(type).filter(chosenBy(type, options)),
    };
    this.#pages.delete(token);
    const page = { resourceVersion: whole.resourceVersion, items: structuredClone(whole.items.slice(0, limit)) };
    if (whole.items.length <= limit) return page;
    const next = `page-${this.calls.length}`;
    this.#pages.set(next, { ...whole, items: whole.items.slice(limit) });
    return { ...page, continue: next };
  }

  watch(type: ResourceType, options: WatchOptions = {}): AsyncGenerator<WatchEvent> {
    return this.#events.watch(type, options, () => this.#all(type));
  }

  async create(type: ResourceType, object: KubeObjectInput, { dryRun = false }: WriteOptions = {}): Promise<KubeObject> {
    await this.#call({ verb: 'create', type: type.plural, name: object.metadata.name ?? '' });
    const { name = `${object.metadata.generateName ?? ''}${this.#version.toString(36)}` } = object.metadata;
    if (!NAME.test(name))
      throw invalid({ ...type, name }, [invalidValue('metadata.name', name, 'a lowercase RFC 1123 subdomain is wanted')]);
    const made = { ...object, metadata: { ...object.metadata, name } };
    if (this.#objects.has(this.#key(type, made.metadata))) throw alreadyExists(type, name);
    return structuredClone(dryRun ? this.#complete(type, made) : this.put(type, made));
  }

  async update(type: ResourceType, object: KubeObjectInput, options: WriteOptions = {}): Promise<KubeObject> {
    await this.#call({ verb: 'update', type: type.plural, name: object.metadata.name ?? '' });
    const previous = this.#must(type, object.metadata as ObjectName);
    return this.#change(type, { previous, next: object, options });
  }

  async patch(type: ResourceType, name: ObjectName, change: Patch & WriteOptions): Promise<KubeObject> {
    await this.#call({ verb: 'patch', type: type.plural, name: name.name, patch: change });
    const previous = this.#must(type, name);
    const next = patched(structuredClone(previous), change) as KubeObject;
    return this.#change(type, { previous, next, options: change });
  }

  async delete(type: ResourceType, name: ObjectName, { preconditions = {} }: DeleteOptions = {}): Promise<void> {
    await this.#call({ verb: 'delete', type: type.plural, name: name.name });
    const object = this.#must(type, name);
    const { uid = object.metadata.uid, resourceVersion = object.metadata.resourceVersion } = preconditions;
    if (uid !== object.metadata.uid || resourceVersion !== object.metadata.resourceVersion) throw conflict(type, name.name, 'precondition');
    if ((object.metadata.finalizers ?? []).length === 0) return this.remove(type, name);
    this.#store(type, { ...object, metadata: { ...object.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }, object);
  }

  async #call(call: Call): Promise<void> {
    this.calls.push(call);
    await this.before(call);
  }

  #all(type: ResourceType): KubeObject[] {
    const prefix = `${type.plural}:`;
    return [...this.#objects].flatMap(([key, object]) => (key.startsWith(prefix) ? [object] : []));
  }

  #must(type: ResourceType, name: ObjectName): KubeObject {
    const object = this.#objects.get(this.#key(type, name));
    if (object === undefined) throw notFound(type, name.name);
    return object;
  }

  /** What the server owns stays; with a subresource the status alone is written, without it anything but that. */
  #change(type: ResourceType, change: { previous: KubeObject; next: KubeObjectInput; options: WriteOptions }): KubeObject {
    const { previous, next, options } = change;
    const { resourceVersion } = next.metadata;
    if (resourceVersion !== undefined && resourceVersion !== previous.metadata.resourceVersion)
      throw conflict(type, previous.metadata.name);
    const { uid, creationTimestamp, deletionTimestamp } = previous.metadata;
    const owned = { ...(uid === undefined ? {} : { uid }), ...(creationTimestamp === undefined ? {} : { creationTimestamp }) };
    const metadata = { ...next.metadata, ...owned, ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }) };
    const written =
      options.subresource === 'status'
        ? { ...previous, metadata: { ...previous.metadata, ...labelsOf(metadata) }, status: next['status'] }
        : { ...next, metadata, ...(WITH_STATUS.has(type.plural) ? { status: previous['status'] } : {}) };
    if (options.dryRun === true) return structuredClone(this.#complete(type, { ...written, metadata: previous.metadata }));
    if (deletionTimestamp !== undefined && (metadata.finalizers ?? []).length === 0) {
      this.remove(type, previous.metadata);
      return structuredClone(previous);
    }
    return structuredClone(this.#store(type, written, previous));
  }

  #complete(type: ResourceType, object: KubeObjectInput): KubeObject {
    const { apiVersion = apiVersionOf(type), kind = type.kind } = object;
    const plain = JSON.parse(JSON.stringify(object)) as KubeObjectInput;
    return { ...plain, apiVersion, kind, metadata: { name: '', ...plain.metadata } };
  }

  #store(type: ResourceType, object: KubeObjectInput, previous: KubeObject | undefined): KubeObject {
    const stored = this.#complete(type, object);
    if (previous !== undefined) {
      const { resourceVersion = '' } = previous.metadata;
      const same = { ...stored, metadata: { ...stored.metadata, resourceVersion } };
      if (sorted(same) === sorted(previous)) return previous;
    }
    stored.metadata.resourceVersion = String(++this.#version);
    this.#objects.set(this.#key(type, stored.metadata), stored);
    const event = { plural: type.plural, version: this.#version, object: stored };
    this.#events.tell(previous === undefined ? { ...event, type: 'added' } : { ...event, type: 'modified', previous });
    return stored;
  }

  #key(type: ResourceType, name: ObjectName): string {
    return `${type.plural}:${keyOf(name)}`;
  }
}

function patched(draft: unknown, change: Patch): unknown {
  try {
    if (change.type === 'json') return applyJsonPatch(draft, change.operations);
    return change.type === 'merge' ? applyMergePatch(draft, change.body) : applyStrategicPatch(draft, change.body);
  } catch (error) {
    if (error instanceof JsonPatchError) throw unprocessable();
    throw error;
  }
}

function labelsOf({ labels, annotations }: KubeObjectInput['metadata']): Pick<KubeObjectInput['metadata'], 'labels' | 'annotations'> {
  return { ...(labels === undefined ? {} : { labels }), ...(annotations === undefined ? {} : { annotations }) };
}

/** Equal for objects that differ in the order of their fields only. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    member !== null && typeof member === 'object' && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}

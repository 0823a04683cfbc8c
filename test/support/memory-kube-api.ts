/** Owns a Kubernetes API inside the test's memory: the verbs our controllers use, without schemas, with faults on demand. */
import { applyJsonPatch, JsonPatchError } from '#cloud/store/embedded/patch/json.ts';
import { applyMergePatch } from '#cloud/store/embedded/patch/merge.ts';
import {
  KubeError,
  apiVersionOf,
  keyOf,
  type KubeApi,
  type KubeList,
  type KubeObject,
  type KubeObjectInput,
  type ObjectName,
  type Patch,
  type ResourceType,
  type WatchEvent,
  type WatchOptions,
  type WriteOptions,
} from '#cloud/store/kube-api.ts';

export interface Call {
  verb: 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete';
  type: string;
  name: string;
  patch?: Patch & WriteOptions;
}

type Listener = (event: WatchEvent) => void;

export class MemoryKubeApi implements KubeApi {
  readonly calls: Call[] = [];
  readonly #objects = new Map<string, KubeObject>();
  readonly #listeners = new Map<string, Set<Listener>>();
  #version = 100;
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
    const object = this.#objects.get(key);
    if (object === undefined) return;
    this.#objects.delete(key);
    this.#tell(type, { type: 'deleted', object });
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

  async list(type: ResourceType): Promise<KubeList> {
    await this.#call({ verb: 'list', type: type.plural, name: '' });
    const prefix = `${type.plural}:`;
    const items = [...this.#objects].filter(([key]) => key.startsWith(prefix)).map(([, object]) => structuredClone(object));
    return { resourceVersion: String(this.#version), items };
  }

  async *watch(type: ResourceType, { signal }: WatchOptions = {}): AsyncGenerator<WatchEvent> {
    const queue: WatchEvent[] = [];
    let wake: () => void = () => undefined;
    const listener: Listener = (event) => {
      queue.push(event);
      wake();
    };
    const listeners = this.#listeners.get(type.plural) ?? new Set();
    this.#listeners.set(type.plural, listeners.add(listener));
    signal?.addEventListener('abort', () => wake(), { once: true });
    try {
      while (signal?.aborted !== true) {
        const event = queue.shift();
        if (event !== undefined) yield structuredClone(event);
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      listeners.delete(listener);
    }
  }

  async create(type: ResourceType, object: KubeObjectInput): Promise<KubeObject> {
    await this.#call({ verb: 'create', type: type.plural, name: object.metadata.name ?? '' });
    if (this.#objects.has(this.#key(type, object.metadata as ObjectName))) throw MemoryKubeApi.failure(409, 'AlreadyExists');
    return structuredClone(this.put(type, object));
  }

  async update(type: ResourceType, object: KubeObjectInput): Promise<KubeObject> {
    await this.#call({ verb: 'update', type: type.plural, name: object.metadata.name ?? '' });
    const previous = this.#must(type, object.metadata as ObjectName);
    const { resourceVersion } = object.metadata;
    if (resourceVersion !== undefined && resourceVersion !== previous.metadata.resourceVersion)
      throw MemoryKubeApi.failure(409, 'Conflict');
    return structuredClone(this.#store(type, object, previous));
  }

  async patch(type: ResourceType, name: ObjectName, change: Patch & WriteOptions): Promise<KubeObject> {
    await this.#call({ verb: 'patch', type: type.plural, name: name.name, patch: change });
    const previous = this.#must(type, name);
    const onto =
      change.type === 'json' ? undefined : (change.body['metadata'] as { resourceVersion?: string } | undefined)?.resourceVersion;
    if (onto !== undefined && onto !== previous.metadata.resourceVersion) throw MemoryKubeApi.failure(409, 'Conflict');
    const draft = structuredClone(previous);
    try {
      const next = change.type === 'json' ? applyJsonPatch(draft, change.operations) : applyMergePatch(draft, change.body);
      return structuredClone(this.#store(type, next as KubeObject, previous));
    } catch (error) {
      if (error instanceof JsonPatchError) throw MemoryKubeApi.failure(422, 'Invalid');
      throw error;
    }
  }

  async delete(type: ResourceType, name: ObjectName): Promise<void> {
    await this.#call({ verb: 'delete', type: type.plural, name: name.name });
    this.#must(type, name);
    this.remove(type, name);
  }

  async #call(call: Call): Promise<void> {
    this.calls.push(call);
    await this.before(call);
  }

  #must(type: ResourceType, name: ObjectName): KubeObject {
    const object = this.#objects.get(this.#key(type, name));
    if (object === undefined) throw MemoryKubeApi.failure(404, 'NotFound');
    return object;
  }

  #store(type: ResourceType, object: KubeObjectInput, previous: KubeObject | undefined): KubeObject {
    const { apiVersion = apiVersionOf(type), kind = type.kind } = object;
    const version = previous?.metadata.resourceVersion;
    const stored: KubeObject = {
      ...structuredClone(object),
      apiVersion,
      kind,
      metadata: { name: '', ...structuredClone(object.metadata) },
    };
    if (previous !== undefined) {
      const same = { ...stored, metadata: { ...stored.metadata, resourceVersion: version } };
      if (JSON.stringify(same) === JSON.stringify(previous)) return previous;
    }
    stored.metadata.resourceVersion = String(++this.#version);
    this.#objects.set(this.#key(type, stored.metadata), stored);
    this.#tell(type, { type: previous === undefined ? 'added' : 'modified', object: stored });
    return stored;
  }

  #tell(type: ResourceType, event: WatchEvent): void {
    for (const listener of this.#listeners.get(type.plural) ?? []) listener(event);
  }

  #key(type: ResourceType, name: ObjectName): string {
    return `${type.plural}:${keyOf(name)}`;
  }
}

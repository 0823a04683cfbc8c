/** Owns the downstream module: a copy of the objects that edge nodes are to have, and which node is to have which of them. */
import { HiveletError } from '#beehive/errors.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import { FOR_DEVICES } from '#device-models/secret-reference.ts';
import { isKubeError, keyOf, nodes, pods, services, type KubeApi, type KubeObject } from '../../store/kube-api.ts';
import { Reflector } from '../../store/kubeconfig/reflector.ts';
import { EDGE_LABEL, isEdgeNode } from '../node-registration.ts';
import { downKey, downTypes, parseDownKey, type DownName, type DownType } from './down-key.ts';
import { confirmUnwanted, listAll } from './live-check.ts';
import { Loads } from './loads.ts';
import { LocationCache, type Named } from './location-cache.ts';
import { nodeOf } from './references.ts';

/** What is known of one object for one node. */
export type Look =
  /** Nothing that could be acted on: no edge node, or not read yet. */
  | { state: 'unknown' }
  /** `version`: it is gone from the API since then at the latest; absent: it may be there, but no pod of the node uses it. */
  | { state: 'unwanted'; version?: string }
  | { state: 'wanted'; object: KubeObject };

export interface DownstreamOptions {
  api: KubeApi;
  /** What the node is to have of this object may be another now. */
  changed: (node: string, key: string) => void;
  /** A node came, after which `keys` says what it is to have, or is no edge node any more. */
  nodeChanged: (node: string, isEdge: boolean) => void;
}

interface Parts {
  context: Context;
  location: LocationCache;
  shelves: ReadonlyMap<DownType, Reflector>;
  loads: Loads;
  /** Kinds whose list has been asked for. */
  reading: Set<DownType>;
}

/** Nodes may connect after so long with a part of the kinds; the rest follows. */
const PATIENCE_MS = 5000;

export class Downstream implements Module {
  readonly name = 'downstream';
  readonly #options: DownstreamOptions;
  /** Of devices, by node and name; told before this starts too. */
  readonly #named = new Map<string, Named>();
  #parts: Parts | undefined;

  constructor(options: DownstreamOptions) {
    this.#options = options;
  }

  async start(context: Context): Promise<void> {
    const parts = this.#build(context);
    this.#parts = parts;
    for (const [id, named] of this.#named) parts.location.putNamed(id, named);
    const begin = (type: DownType): Promise<void> => {
      parts.reading.add(type);
      shelfOf(parts, type).start();
      return shelfOf(parts, type).synced(context.signal);
    };
    // Which pods count depends on the nodes, and which of the others on the pods.
    await begin('node');
    await begin('pod');
    const others = (['configmap', 'secret', 'service', 'endpoints'] as const).map((type) => begin(type).catch(() => undefined));
    // An API that does not serve one of these, or does not let us read it, must not keep the rest from the nodes.
    await Promise.race([Promise.all(others), context.clock.sleep(PATIENCE_MS, context.signal)]);
    const counts = [...parts.shelves].map(([type, shelf]) => `${type} ${shelf.objects.size}`);
    context.log.info('downstream.synced', { held: counts.join(', ') });
  }

  async stop(): Promise<void> {
    const parts = this.#parts;
    this.#parts = undefined;
    if (parts !== undefined) await Promise.all([...parts.shelves.values()].map((shelf) => shelf.stop()));
  }

  health(): Health {
    const unread = [...(this.#parts?.shelves ?? [])].find(([, shelf]) => !shelf.hasSynced);
    if (this.#parts === undefined) return { ok: false, detail: 'not started' };
    if (unread !== undefined) return { ok: true, detail: `the Kubernetes API has not listed every ${unread[0]} yet` };
    const held = [...this.#parts.shelves.values()].reduce((sum, shelf) => sum + shelf.objects.size, 0);
    return { ok: true, detail: `${held} objects are held for edge nodes` };
  }

  /** What is known of the API's objects is void. */
  startAnew(reason: string): void {
    this.#parts?.context.failed(new HiveletError('KUBE_API', reason));
  }

  /** A pod of the node uses it, whether it exists or not; or a device of it names it, and it is a Secret that is meant for devices. */
  uses(node: string, key: string): boolean {
    const name = parseDownKey(key);
    if (this.#parts === undefined || name === undefined || !this.#parts.location.uses(node, key)) return false;
    if (!this.#parts.location.namedOnly(node, key)) return true;
    return shelfOf(this.#parts, name.type).objects.get(keyOf(name))?.metadata.labels?.[FOR_DEVICES.label] === FOR_DEVICES.value;
  }

  /** The Secrets that a device of the node names; none: it names none any more. */
  names(node: string, device: string, secrets: readonly { namespace: string; name: string }[]): void {
    const id = `${node}/${device}`;
    if (secrets.length === 0 && !this.#named.has(id)) return;
    const named = secrets.length === 0 ? undefined : { node, keys: new Set(secrets.map((name) => downKey('secret', name))) };
    if (named === undefined) this.#named.delete(id);
    else this.#named.set(id, named);
    this.#parts?.location.putNamed(id, named);
  }

  /** The node that the pod is bound to; undefined when the pod is of no edge node, or not known. */
  nodeOf(pod: { namespace: string; name: string }): string | undefined {
    return this.#parts?.location.nodeOf(pod);
  }

  /** True for nodes with the label `node-role.kubernetes.io/edge`. */
  isEdge(node: string): boolean {
    return this.#parts !== undefined && shelfOf(this.#parts, 'node').objects.has(node);
  }

  /** Keys of what the node is to have, in the order in which it is to be told; of an unknown node nothing. */
  *keys(node: string): Generator<string> {
    if (this.#parts === undefined || !this.isEdge(node)) return;
    yield downKey('node', { name: node });
    yield* this.#parts.location.keys(node);
  }

  look(node: string, key: string): Look {
    const name = parseDownKey(key);
    if (this.#parts === undefined || name === undefined || !this.isEdge(node)) return { state: 'unknown' };
    const { location, loads } = this.#parts;
    const shelf = shelfOf(this.#parts, name.type);
    if (name.type === 'node') {
      const own = name.name === node ? shelf.objects.get(node) : undefined;
      return own === undefined ? { state: 'unwanted' } : { state: 'wanted', object: own };
    }
    if (!this.#isRead(this.#parts, name, node)) return { state: 'unknown' };
    const used = this.uses(node, key);
    if (!used && name.type !== 'pod') return { state: loads.has(key) ? 'unknown' : 'unwanted' };
    const object = used ? shelf.objects.get(keyOf(name)) : undefined;
    // A pod goes after what it uses.
    const waits = name.type === 'pod' && loads.size > 0 && [...location.usedBy(name)].some((each) => loads.has(each));
    if (object !== undefined) return waits ? { state: 'unknown' } : { state: 'wanted', object };
    return loads.has(key) ? { state: 'unknown' } : { state: 'unwanted', version: String(shelf.version) };
  }

  /** All is known by which the node could have use for it. */
  #isRead(parts: Parts, { namespace, type }: DownName, node: string): boolean {
    const { loads } = parts;
    if (!shelfOf(parts, type).hasSynced || loads.has(podsOf(node))) return false;
    if (type !== 'service' && type !== 'endpoints') return true;
    return shelfOf(parts, 'service').hasSynced && !loads.has(servicesOf(namespace));
  }

  /** True when everything that happened up to this version of the API is known here. */
  covers(version: string): boolean {
    return this.#parts !== undefined && [...this.#parts.shelves.values()].every((shelf) => shelf.version >= Number(version));
  }

  /** Of these keys those that the API itself, asked now, says the node is not to have. Rejects when the API does. */
  confirmUnwanted(node: string, keys: readonly string[], signal: AbortSignal): Promise<Set<string>> {
    return confirmUnwanted(this.#options.api, { node, keys, signal });
  }

  #build(context: Context): Parts {
    const location = new LocationCache({
      changed: (node, key) => this.#changed(node, key),
      wanted: (key) => this.#fetch(key),
      unwanted: (key) => this.#drop(key),
      namespace: (namespace, used) => this.#namespace(namespace, used),
    });
    const shelves = new Map([...downTypes.keys()].map((type) => [type, this.#shelf(context, type, location)]));
    return { context, location, shelves, loads: new Loads(context), reading: new Set() };
  }

  #shelf({ clock, log }: Context, type: DownType, location: LocationCache): Reflector {
    const resource = downTypes.get(type) ?? pods;
    const keep = (object: KubeObject): KubeObject | undefined => (this.#isKept(type, object, location) ? trimmed(object) : undefined);
    return new Reflector({
      api: this.#options.api,
      type: resource,
      clock,
      log,
      keep,
      ...(type === 'node' ? { labelSelector: EDGE_LABEL } : {}),
      ...(type === 'pod' ? { fieldSelector: 'spec.nodeName!=' } : {}),
      onUpsert: (previous, object) => this.#seen(type, previous, object),
      onDelete: (object) => this.#gone(type, object),
    });
  }

  #isKept(type: DownType, { metadata, ...rest }: KubeObject, location: LocationCache): boolean {
    const { namespace = '', name } = metadata;
    if (type === 'node') return isEdgeNode({ metadata, ...rest });
    if (type === 'pod') return this.isEdge(nodeOf({ metadata, ...rest }));
    if (type === 'service') return location.isUsed(namespace);
    return location.users(downKey(type, { namespace, name })).size > 0;
  }

  #seen(type: DownType, previous: KubeObject | undefined, object: KubeObject): void {
    if (this.#parts === undefined) return;
    const { location } = this.#parts;
    if (type === 'node') {
      if (previous === undefined) this.#nodeCame(object.metadata.name);
      return this.#options.changed(object.metadata.name, downKey('node', object.metadata));
    }
    if (type === 'pod') location.putPod(object);
    if (type === 'service') location.putService(object);
    this.#tell(type, object);
  }

  #gone(type: DownType, object: KubeObject): void {
    if (this.#parts === undefined) return;
    const { location } = this.#parts;
    if (type === 'node') return this.#nodeWent(object.metadata.name);
    if (type === 'service') location.removeService(object);
    if (type === 'pod') location.removePod(object);
    else this.#tell(type, object);
  }

  /** To all nodes that use it. */
  #tell(type: DownType, { metadata }: KubeObject): void {
    const key = downKey(type, metadata);
    for (const node of this.#parts?.location.users(key) ?? []) this.#changed(node, key);
  }

  #changed(node: string, key: string): void {
    this.#options.changed(node, key);
  }

  #nodeCame(node: string): void {
    const { api, nodeChanged } = this.#options;
    const { signal } = this.#parts?.context ?? {};
    // Pods that were bound before the node was known as one of the edge went by unseen.
    const read = (): Promise<KubeObject[]> => listAll(api, pods, { fieldSelector: `spec.nodeName=${node}`, ...(signal && { signal }) });
    this.#load('pod', podsOf(node), { read, done: () => nodeChanged(node, this.isEdge(node)) });
    nodeChanged(node, true);
  }

  #nodeWent(node: string): void {
    if (this.#parts === undefined) return;
    const shelf = shelfOf(this.#parts, 'pod');
    for (const [key, pod] of [...shelf.objects]) {
      if (nodeOf(pod) !== node) continue;
      shelf.drop(key);
      this.#parts.location.removePod(pod);
    }
    this.#options.nodeChanged(node, false);
  }

  #namespace(namespace: string, used: boolean): void {
    const { api } = this.#options;
    const { signal } = this.#parts?.context ?? {};
    const read = (): Promise<KubeObject[]> => listAll(api, services, { namespace, ...(signal && { signal }) });
    if (used) return this.#load('service', servicesOf(namespace), { read });
    if (this.#parts === undefined) return;
    const shelf = shelfOf(this.#parts, 'service');
    for (const key of [...shelf.objects.keys()]) if (key.startsWith(`${namespace}/`)) shelf.drop(key);
  }

  #fetch(key: string): void {
    const name = parseDownKey(key);
    if (this.#parts === undefined || name === undefined || name.type === 'pod') return;
    const { api } = this.#options;
    const { location, context } = this.#parts;
    const read = async (): Promise<KubeObject[]> => {
      try {
        return [await api.get(downTypes.get(name.type) ?? nodes, name, { signal: context.signal })];
      } catch (error) {
        if (isKubeError(error, 'NotFound')) return [];
        throw error;
      }
    };
    const done = (): void => {
      for (const node of location.users(key)) this.#changed(node, key);
      // They waited for it.
      for (const pod of location.podsUsing(key)) this.#changed(nodeOf(pod), downKey('pod', pod.metadata));
    };
    this.#load(name.type, key, { read, done });
  }

  #drop(key: string): void {
    const name = parseDownKey(key);
    // A pod leaves its shelf by an event, and services are held by namespace.
    if (this.#parts === undefined || name === undefined || name.type === 'pod' || name.type === 'service') return;
    shelfOf(this.#parts, name.type).drop(keyOf(name));
  }

  /** Before a kind is listed its list will bring it. */
  #load(type: DownType, what: string, { read, done }: { read: () => Promise<KubeObject[]>; done?: () => void }): void {
    if (this.#parts?.reading.has(type) !== true) return;
    this.#parts.loads.begin(what, { shelf: shelfOf(this.#parts, type), read, ...(done && { done }) });
  }
}

function podsOf(node: string): string {
  return `pods of ${node}`;
}

function servicesOf(namespace: string): string {
  return `services of ${namespace}`;
}

function shelfOf({ shelves }: Pick<Parts, 'shelves'>, type: DownType): Reflector {
  const shelf = shelves.get(type);
  if (shelf === undefined) throw new Error(`no shelf for ${type}`);
  return shelf;
}

/** What nobody at the edge reads is not held: who wrote which field, and the long status of a node. */
function trimmed({ status, ...object }: KubeObject): KubeObject {
  const { managedFields: _fields, ...metadata } = object.metadata as KubeObject['metadata'] & { managedFields?: unknown };
  return { ...object, ...(status === undefined || object.kind === 'Node' ? {} : { status }), metadata };
}

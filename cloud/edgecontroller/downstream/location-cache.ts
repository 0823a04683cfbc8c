/** Owns which node uses which object, learned from the pods that are bound to edge nodes and the services that select them. */
import { keyOf, type KubeObject } from '../../store/kube-api.ts';
import { downKey } from './down-key.ts';
import { nodeOf, referencesOf, selects } from './references.ts';

export interface LocationEvents {
  /** A node has begun or ceased to use it. */
  changed(node: string, key: string): void;
  /** Nobody used it before: it has to be fetched. */
  wanted(key: string): void;
  /** Nobody uses it any more. */
  unwanted(key: string): void;
  /** The first pod of an edge node in that namespace came, or the last one went. */
  namespace(namespace: string, used: boolean): void;
}

interface Located {
  pod: KubeObject;
  node: string;
  keys: ReadonlySet<string>;
}

/** What a device of a node names. */
export interface Named {
  node: string;
  keys: ReadonlySet<string>;
}

const NONE: ReadonlySet<string> = new Set();

/** Bounded by the pods of edge nodes and the services of their namespaces. */
export class LocationCache {
  readonly #events: LocationEvents;
  readonly #pods = new Map<string, Located>();
  /** Namespace -> keys of its pods. */
  readonly #namespaces = new Map<string, Set<string>>();
  /** Namespace -> services. */
  readonly #services = new Map<string, Map<string, KubeObject>>();
  /** Node -> key -> how many of its pods use it. */
  readonly #uses = new Map<string, Map<string, number>>();
  /** Node and device -> what it names. */
  readonly #named = new Map<string, Named>();
  /** Node and key -> how many of its devices name it. */
  readonly #namings = new Map<string, number>();
  /** Key -> nodes. */
  readonly #users = new Map<string, Set<string>>();

  constructor(events: LocationEvents) {
    this.#events = events;
  }

  /** Nodes whose pods use the object; for a pod its own node. */
  users(key: string): ReadonlySet<string> {
    return this.#users.get(key) ?? NONE;
  }

  /** Keys of everything that the node is to have, what its pods use before the pods. */
  *keys(node: string): Generator<string> {
    const keys = [...(this.#uses.get(node)?.keys() ?? [])];
    for (const key of keys) if (!isPod(key)) yield key;
    for (const key of keys) if (isPod(key)) yield key;
  }

  uses(node: string, key: string): boolean {
    return this.#uses.get(node)?.has(key) === true;
  }

  nodeOf(pod: { namespace: string; name: string }): string | undefined {
    return this.#pods.get(keyOf(pod))?.node;
  }

  /** Only devices of the node name it, no pod uses it. */
  namedOnly(node: string, key: string): boolean {
    return this.#uses.get(node)?.get(key) === this.#namings.get(`${node} ${key}`);
  }

  /** `id` is that of a device on its node. */
  putNamed(id: string, now: Named | undefined): void {
    const before = this.#named.get(id);
    if (now === undefined) this.#named.delete(id);
    else this.#named.set(id, now);
    for (const key of before?.keys ?? NONE) this.#countNaming(before?.node ?? '', key, -1);
    for (const key of now?.keys ?? NONE) this.#countNaming(now?.node ?? '', key, 1);
    this.#replace(before, now);
  }

  #countNaming(node: string, key: string, by: number): void {
    const place = `${node} ${key}`;
    const count = (this.#namings.get(place) ?? 0) + by;
    if (count > 0) this.#namings.set(place, count);
    else this.#namings.delete(place);
  }

  /** What this pod uses, itself too. */
  usedBy(pod: { namespace: string; name: string }): ReadonlySet<string> {
    return this.#pods.get(keyOf(pod))?.keys ?? NONE;
  }

  /** Pods that use it. */
  podsUsing(key: string): KubeObject[] {
    const [namespace = ''] = key.split('/');
    const pods = [...(this.#namespaces.get(namespace) ?? [])].map((id) => this.#pods.get(id));
    return pods.flatMap((located) => (located?.keys.has(key) === true ? [located.pod] : []));
  }

  isUsed(namespace: string): boolean {
    return this.#namespaces.has(namespace);
  }

  putPod(pod: KubeObject): void {
    const id = keyOf(pod.metadata);
    const { namespace = 'default' } = pod.metadata;
    const known = this.#namespaces.get(namespace);
    const before = this.#pods.get(id);
    const now = { pod, node: nodeOf(pod), keys: this.#keysOf(pod) };
    this.#pods.set(id, now);
    if (known === undefined) this.#namespaces.set(namespace, new Set([id]));
    else known.add(id);
    this.#replace(before, now);
    if (known === undefined) this.#events.namespace(namespace, true);
  }

  removePod(pod: KubeObject): void {
    const id = keyOf(pod.metadata);
    const { namespace = 'default' } = pod.metadata;
    const before = this.#pods.get(id);
    if (before === undefined) return;
    this.#pods.delete(id);
    const known = this.#namespaces.get(namespace);
    known?.delete(id);
    this.#replace(before, undefined);
    if (known?.size !== 0) return;
    this.#namespaces.delete(namespace);
    this.#services.delete(namespace);
    this.#events.namespace(namespace, false);
  }

  /** Only services of namespaces that are used are to be told. */
  putService(service: KubeObject): void {
    const { namespace = 'default', name } = service.metadata;
    const services = this.#services.get(namespace) ?? new Map<string, KubeObject>();
    this.#services.set(namespace, services.set(name, service));
    this.#lookAgain(namespace);
  }

  removeService({ metadata: { namespace = 'default', name } }: KubeObject): void {
    if (this.#services.get(namespace)?.delete(name) === true) this.#lookAgain(namespace);
  }

  #lookAgain(namespace: string): void {
    for (const id of this.#namespaces.get(namespace) ?? []) {
      const before = this.#pods.get(id);
      if (before === undefined) continue;
      const now = { ...before, keys: this.#keysOf(before.pod) };
      this.#pods.set(id, now);
      this.#replace(before, now);
    }
  }

  #keysOf(pod: KubeObject): ReadonlySet<string> {
    const { namespace = 'default', name } = pod.metadata;
    const keys = new Set(referencesOf(pod));
    for (const service of this.#services.get(namespace)?.values() ?? []) {
      if (!selects(service, pod)) continue;
      keys.add(downKey('service', { namespace, name: service.metadata.name }));
      keys.add(downKey('endpoints', { namespace, name: service.metadata.name }));
    }
    return keys.add(downKey('pod', { namespace, name }));
  }

  /** What is new is counted first, so that an object that both use is never let go. */
  #replace(before: Named | undefined, now: Named | undefined): void {
    const same = before?.node === now?.node;
    for (const key of now?.keys ?? NONE) if (!same || before?.keys.has(key) !== true) this.#count(now?.node ?? '', key);
    // The pod is the last one of its keys: it goes before what it used.
    for (const key of [...(before?.keys ?? NONE)].reverse()) {
      if (!same || now?.keys.has(key) !== true) this.#uncount(before?.node ?? '', key);
    }
  }

  #count(node: string, key: string): void {
    const uses = this.#uses.get(node) ?? new Map<string, number>();
    const count = uses.get(key) ?? 0;
    this.#uses.set(node, uses.set(key, count + 1));
    if (count > 0) return;
    const users = this.#users.get(key);
    if (users === undefined) this.#users.set(key, new Set([node]));
    else users.add(node);
    if (users === undefined) this.#events.wanted(key);
    this.#events.changed(node, key);
  }

  #uncount(node: string, key: string): void {
    const uses = this.#uses.get(node);
    const count = uses?.get(key) ?? 0;
    if (uses === undefined || count === 0) return;
    if (count > 1) return void uses.set(key, count - 1);
    uses.delete(key);
    if (uses.size === 0) this.#uses.delete(node);
    const users = this.#users.get(key);
    users?.delete(node);
    if (users?.size === 0) this.#users.delete(key);
    this.#events.changed(node, key);
    if (users?.size === 0) this.#events.unwanted(key);
  }
}

function isPod(key: string): boolean {
  return key.split('/')[1] === 'pod';
}

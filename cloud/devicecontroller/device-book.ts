/** Owns which Device is bound to which node under which name: all views, by key, uid and node, and who hears of a change. */
import { keyOf, type KubeObject } from '../store/kube-api.ts';
import { modelKeyOf, viewOf, type DeviceView } from './device-view.ts';

export interface DeviceBookOptions {
  /** The DeviceModel under `namespace/name`, undefined when missing. */
  model(key: string): KubeObject | undefined;
  /** Who is bound to `node` under `name`, or what is known of it, may have changed. */
  bindingChanged?(node: string, name: string): void;
  /** The status of the Device under this key may have to be written. */
  statusChanged?(key: string): void;
}

/** Where a deleted device was. */
export interface Grave {
  node: string;
  name: string;
}

/** Deleted devices are remembered so long that an edge that was away hears of it; beyond it keeps a tombstone of its own. */
const MAX_GRAVES = 10_000;

export class DeviceBook {
  readonly #options: DeviceBookOptions;
  readonly #views = new Map<string, DeviceView>();
  readonly #byUid = new Map<string, DeviceView>();
  /** node -> device name -> keys that want it. */
  readonly #slots = new Map<string, Map<string, Set<string>>>();
  /** DeviceModel key -> keys of its devices. */
  readonly #ofModel = new Map<string, Set<string>>();
  readonly #graves = new Map<string, Grave>();

  constructor(options: DeviceBookOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#views.size;
  }

  view(key: string): DeviceView | undefined {
    return this.#views.get(key);
  }

  byUid(uid: string): DeviceView | undefined {
    return this.#byUid.get(uid);
  }

  grave(uid: string): Grave | undefined {
    return this.#graves.get(uid);
  }

  views(): IterableIterator<DeviceView> {
    return this.#views.values();
  }

  /** All that want `name` on `node`. */
  *claimants(node: string, name: string): Generator<DeviceView> {
    for (const key of this.#slots.get(node)?.get(name) ?? []) {
      const view = this.#views.get(key);
      if (view !== undefined) yield view;
    }
  }

  /** The devices of the DeviceModel under this key. */
  *ofModel(modelKey: string): Generator<DeviceView> {
    for (const key of this.#ofModel.get(modelKey) ?? []) {
      const view = this.#views.get(key);
      if (view !== undefined) yield view;
    }
  }

  /** The Device that has `name` on `node`: the oldest one that wants it. */
  bound(node: string, name: string): DeviceView | undefined {
    let first: DeviceView | undefined;
    for (const view of this.claimants(node, name)) if (first === undefined || isOlder(view, first)) first = view;
    return first;
  }

  /** All that are bound to the node, one per name. */
  *boundTo(node: string): Generator<DeviceView> {
    for (const name of this.#slots.get(node)?.keys() ?? []) {
      const view = this.bound(node, name);
      if (view !== undefined) yield view;
    }
  }

  /** The Device that took the name from this one; undefined when it has it, or wants no node. */
  rivalOf(view: DeviceView): DeviceView | undefined {
    const winner = view.node === undefined ? undefined : this.bound(view.node, view.name);
    return winner?.key === view.key ? undefined : winner;
  }

  upsert(object: KubeObject): void {
    const key = keyOf(object.metadata);
    const previous = this.#views.get(key);
    if (previous !== undefined && previous.uid !== object.metadata.uid) this.#bury(previous);
    const sameModel = previous !== undefined && modelKeyOf(previous.object) === modelKeyOf(object);
    this.#put(object, sameModel ? previous.model : undefined);
  }

  /** Call it only for what is known to be deleted, not for what is merely out of sight. */
  remove(object: KubeObject): void {
    const view = this.#views.get(keyOf(object.metadata));
    if (view === undefined || view.uid !== object.metadata.uid) return;
    this.#bury(view);
  }

  /** The DeviceModel under this key was added, changed or deleted: its devices are read again. */
  modelChanged(modelKey: string): void {
    for (const key of [...(this.#ofModel.get(modelKey) ?? [])]) {
      const view = this.#views.get(key);
      if (view !== undefined) this.#put(view.object, view.model);
    }
  }

  #put(object: KubeObject, lastModel: KubeObject | undefined): void {
    const modelKey = modelKeyOf(object);
    const view = viewOf(object, modelKey === undefined ? undefined : this.#options.model(modelKey), lastModel);
    const previous = this.#views.get(view.key);
    this.#views.set(view.key, view);
    this.#byUid.set(view.uid, view);
    this.#graves.delete(view.uid);
    if (previous !== undefined && modelKeyOf(previous.object) !== modelKey) this.#unindex(previous);
    if (modelKey !== undefined) addTo(this.#ofModel, modelKey, view.key);
    if (previous?.node !== undefined && previous.node !== view.node) this.#leave(previous.node, view.name, view.key);
    if (view.node !== undefined) this.#join(view.node, view.name, view.key);
    else this.#options.statusChanged?.(view.key);
  }

  #bury(view: DeviceView): void {
    this.#views.delete(view.key);
    this.#byUid.delete(view.uid);
    this.#unindex(view);
    if (view.node === undefined) return;
    this.#graves.set(view.uid, { node: view.node, name: view.name });
    for (const uid of this.#graves.keys()) {
      if (this.#graves.size <= MAX_GRAVES) break;
      this.#graves.delete(uid);
    }
    this.#leave(view.node, view.name, view.key);
  }

  #unindex(view: DeviceView): void {
    const modelKey = modelKeyOf(view.object);
    const keys = modelKey === undefined ? undefined : this.#ofModel.get(modelKey);
    keys?.delete(view.key);
    if (modelKey !== undefined && keys?.size === 0) this.#ofModel.delete(modelKey);
  }

  #join(node: string, name: string, key: string): void {
    let names = this.#slots.get(node);
    if (names === undefined) this.#slots.set(node, (names = new Map<string, Set<string>>()));
    addTo(names, name, key);
    this.#announce(node, name);
  }

  #leave(node: string, name: string, key: string): void {
    const names = this.#slots.get(node);
    const keys = names?.get(name);
    keys?.delete(key);
    if (keys?.size === 0) names?.delete(name);
    if (names?.size === 0) this.#slots.delete(node);
    this.#announce(node, name);
  }

  /** Rivals hear of it too: one of them may have won or lost the name. */
  #announce(node: string, name: string): void {
    this.#options.bindingChanged?.(node, name);
    for (const key of this.#slots.get(node)?.get(name) ?? []) this.#options.statusChanged?.(key);
  }
}

function isOlder(left: DeviceView, right: DeviceView): boolean {
  const a = left.object.metadata.creationTimestamp ?? '';
  const b = right.object.metadata.creationTimestamp ?? '';
  return a === b ? left.uid < right.uid : a < b;
}

function addTo(index: Map<string, Set<string>>, at: string, key: string): void {
  const keys = index.get(at);
  if (keys === undefined) index.set(at, new Set([key]));
  else keys.add(key);
}

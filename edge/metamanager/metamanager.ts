/** Owns the metamanager module: objects from the cloud are stored, then acknowledged (reference/beehive-message.md section 8). */
import type { Bus } from '#beehive/bus.ts';
import { committed, type Committer } from '#beehive/commit.ts';
import { messageOf } from '#beehive/errors.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import type { WindowEntry } from '#wire/ack-window.ts';
import { isRecord, responseTo, type BeehiveMessage, type NewMessage } from '#wire/message.ts';
import { group, objectsHeld, operation, source } from '#wire/resources.ts';
import type { MetaTable } from '../store/meta-table.ts';
import type { ObjectVersionTable } from '../store/object-versions.ts';
import { judge } from './judge.ts';
import { StoredObjects } from './stored-objects.ts';

export const MODULE = source.meta;
const HUB = source.edgehub;
/** Sources whose updates a KubeEdge cloud expects to see acknowledged. */
const acknowledgedUpdates = new Set<string>([source.edgecontroller, 'dynamiccontroller']);

/** Objects whose commits are waited for before the next message is read. */
const AHEAD = 256;
/** Whatever else comes is not understood. */
const STORING: ReadonlySet<string> = new Set([operation.insert, operation.update, operation.response, operation.delete]);
/** Longest key; Kubernetes names and namespaces stay far below it. */
const MAX_KEY = 1024;

/** What is needed of the link. */
export interface MetaLink {
  /** Our cloud takes an acknowledgement for everything. */
  readonly peer: 'offline' | 'kubeedge' | 'hivelet';
  /** uid of the cluster behind our own cloud. */
  readonly clusterUid: string;
  /** The cloud listens to what the edge says it has. */
  readonly takesObjects: boolean;
  message(fields: NewMessage): BeehiveMessage;
  send(fields: NewMessage): void;
  offer(entry: WindowEntry): boolean;
}

export interface MetaManagerOptions {
  bus: Bus<BeehiveMessage>;
  meta: MetaTable;
  versions: ObjectVersionTable;
  committer: Committer;
  cloud: MetaLink;
}

export class MetaManager implements Module {
  readonly name = MODULE;
  /** For other modules. */
  readonly objects: StoredObjects;
  readonly #options: MetaManagerOptions;
  #loop: Promise<void> = Promise.resolve();
  #stored = 0;
  #waiting = 0;

  constructor(options: MetaManagerOptions) {
    this.#options = options;
    this.objects = new StoredObjects(options.meta);
  }

  start(context: Context): Promise<void> {
    this.#options.bus.addModule(MODULE);
    this.#options.bus.addModuleToGroup(MODULE, 'meta');
    this.#loop = this.#options.bus.consume(MODULE, (message) => this.#receive(message, context), context.signal);
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#options.bus.cleanup(MODULE);
    await this.#loop;
  }

  health(): Health {
    return { ok: true, detail: `${String(this.#stored)} objects stored since the start` };
  }

  async #receive(message: BeehiveMessage, context: Context): Promise<void> {
    const stored = this.#handle(message, context);
    this.#waiting++;
    void stored.then(() => this.#waiting--);
    // Commits settle in order: when the newest is through, all are.
    if (this.#waiting >= AHEAD) await stored;
  }

  /** Never rejects: a failure is the answer. */
  async #handle(message: BeehiveMessage, context: Context): Promise<void> {
    const { route } = message;
    if (route.source === 'edgehub') return this.#connection(message.content);
    const job = this.#job(message);
    if (job === undefined) {
      context.log.warn('meta.message.dropped', { operation: route.operation, resource: route.resource.slice(0, 200) });
      if (this.#isOurs) this.#answer(message, context, `nothing is known of ${route.operation} ${route.resource}`);
      return;
    }
    try {
      const changed = await committed(this.#options.committer, job);
      this.#stored++;
      if (this.#isAcknowledged(message)) this.#answer(message, context);
      if (changed) this.#changed(message);
    } catch (error) {
      context.log.error('meta.store.failed', { resource: route.resource, error });
      // An error is no acknowledgement: the cloud goes on re-sending.
      this.#answer(message, context, messageOf(error));
    }
  }

  get #isOurs(): boolean {
    return this.#options.cloud.peer === 'hivelet';
  }

  /** After each connect our cloud hears what is here: this database may be another than the one it remembers. */
  #connection(content: unknown): void {
    const { cloud, versions, meta } = this.#options;
    if (content !== 'cloud_connected') return;
    for (const { value } of meta.list('pod')) this.#ended(JSON.parse(value));
    if (!cloud.takesObjects) return;
    const stated = versions.list().map(({ key, cluster, uid, version }) => {
      // Versions of another cluster say nothing to this one.
      return [key, [uid, cluster === cloud.clusterUid ? String(version) : '']];
    });
    const known = { cluster_uid: cloud.clusterUid, objects: Object.fromEntries(stated) as Record<string, unknown> };
    const route = { source: source.meta, group: group.resource, operation: operation.update, resource: objectsHeld };
    cloud.offer({ key: objectsHeld, make: () => cloud.message({ ...route, content: known }) });
  }

  #changed({ route, content }: BeehiveMessage): void {
    const gone = route.operation === operation.delete;
    this.objects.tell({ key: route.resource, object: gone || !isRecord(content) ? undefined : content });
    if (!gone && typeOf(route.resource) === 'pod') this.#ended(content);
  }

  /** A pod on its way out is over at once where none is ever run: without this word the API keeps it for ever. */
  #ended(pod: unknown): void {
    const metadata = isRecord(pod) && isRecord(pod['metadata']) ? pod['metadata'] : {};
    const { namespace, name, uid, deletionTimestamp } = metadata;
    if (typeof deletionTimestamp !== 'string' || typeof name !== 'string' || typeof uid !== 'string') return;
    const { cloud } = this.#options;
    const resource = `${typeof namespace === 'string' ? namespace : 'default'}/pod/${name}`;
    const word = { source: source.edged, group: group.meta, operation: operation.delete, resource, content: uid };
    if (cloud.peer === 'kubeedge') cloud.send(word);
    else cloud.offer({ key: `ended/${resource}`, make: () => cloud.message(word) });
  }

  #answer(message: BeehiveMessage, context: Context, fault?: string): void {
    const answer = responseTo(message, context.clock.now(), fault === undefined ? {} : { operation: 'error', content: fault });
    this.#options.bus.send(HUB, answer).catch(() => context.log.debug('meta.answer.dropped', { resource: message.route.resource }));
  }

  /**
   * Runs inside the transaction; true when something was changed. `insert` of a key that exists replaces it: an old value must not survive
   * a missed delete (defect D2).
   */
  #job(message: BeehiveMessage): (() => boolean) | undefined {
    const { resource } = message.route;
    if (resource === '' || resource.length > MAX_KEY || !STORING.has(message.route.operation)) return undefined;
    const { meta, versions, cloud } = this.#options;
    const cluster = this.#isOurs ? cloud.clusterUid : '';
    // Not inside the transaction: what fails there fails for everybody.
    const value = JSON.stringify(message.content);
    return () => {
      const verdict = judge(versions.get(resource), message, cluster);
      if (verdict.do === 'nothing') return false;
      if (verdict.do === 'put') meta.put(resource, typeOf(resource), value);
      else meta.delete(resource);
      if (verdict.version === undefined) versions.forget(resource);
      else versions.put(resource, verdict.version);
      return true;
    };
  }

  #isAcknowledged({ route, header }: BeehiveMessage): boolean {
    if (header.parent_msg_id !== undefined) return route.operation === operation.response;
    if (this.#isOurs || route.operation !== operation.update) return true;
    return acknowledgedUpdates.has(route.source);
  }
}

/** The second-last segment of three, the last of two. */
function typeOf(resource: string): string {
  const parts = resource.split('/');
  return (parts.length >= 3 ? parts.at(-2) : parts.at(-1)) ?? '';
}

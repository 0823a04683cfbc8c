/** Owns the devicecontroller module: watches Devices, DeviceModels and Nodes, and joins the two directions to the nodes that are connected. */
import { isDeepStrictEqual } from 'node:util';
import type { Timer } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import { fieldsOf } from '#device-models/fields.ts';
import type { ReviewContext } from '#device-models/review.ts';
import { secretsNamedIn } from '#device-models/secret-reference.ts';
import { contentObject, responseTo, type BeehiveMessage } from '#wire/message.ts';
import { lastSeen, membershipDetail } from '#wire/resources.ts';
import {
  apiVersionOf,
  deviceModels,
  devices,
  keyOf,
  namespaces,
  nodes,
  type KubeApi,
  type KubeObject,
  type ResourceType,
} from '../store/kube-api.ts';
import { EventRecorder } from '../store/kubeconfig/event-recorder.ts';
import { Reflector } from '../store/kubeconfig/reflector.ts';
import { caughtUp } from './catch-up.ts';
import { installDefinitions } from './crds.ts';
import { DeviceBook } from './device-book.ts';
import type { DeviceView } from './device-view.ts';
import { ModelSummaries } from './model-summary.ts';
import { NodeSync, type NodeSession } from './node-sync.ts';
import { reviewContextOf } from './review-context.ts';
import { Reported, type Duties, type Refusal, type ReportingNode } from './reported.ts';

/** A connected node, as the hub hands it over. */
export type ConnectedNode = NodeSession & ReportingNode;

export interface DeviceControllerOptions {
  api: KubeApi;
  /** Folder with the definitions of Device and DeviceModel in YAML. */
  definitions: string;
  /** What was told to the connected nodes is forgotten: they must connect anew. */
  dropLinks: () => void;
  /** The API is that of another cluster now: whoever keeps copies of its objects must start anew. */
  clusterChanged: () => void;
  /** Which Secrets the device of this name on this node names; of its own namespace. */
  names?: (node: string, device: string, secrets: readonly { namespace: string; name: string }[]) => void;
  /** Which of several replicas writes what; absent: this one everything. */
  duties?: Duties;
}

interface Parts {
  context: Context;
  /** uid of Namespace kube-system: the identity of the cluster. */
  clusterUid: string;
  book: DeviceBook;
  reported: Reported;
  summaries: ModelSummaries;
  reflectors: { devices: Reflector; models: Reflector; nodes: Reflector };
}

interface DeviceEvent {
  object: KubeObject;
  /** What was known before; undefined = new, or gone. */
  previous?: KubeObject | undefined;
  gone: boolean;
}

const API_RETRY_MS = 1000;
/** How often the API is asked which cluster it is. */
const LOOK_MS = 5000;

export class DeviceController implements Module {
  readonly name = 'devicecontroller';
  readonly #options: DeviceControllerOptions;
  readonly #sessions = new Map<string, { session: ConnectedNode; sync: NodeSync }>();
  #parts: Parts | undefined;
  /** Events that wait until it is sure that the API is still that of the same cluster. */
  #held: DeviceEvent[] = [];
  #confirming = false;
  #timer: Timer | undefined;

  constructor(options: DeviceControllerOptions) {
    this.#options = options;
  }

  /** True once every list was read: nodes may connect. */
  get ready(): boolean {
    return this.#parts !== undefined && Object.values(this.#parts.reflectors).every((reflector) => reflector.hasSynced);
  }

  /** undefined until the module runs. */
  get clusterUid(): string | undefined {
    return this.#parts?.clusterUid;
  }

  /** For admission; undefined until everything was listed. */
  get reviewContext(): ReviewContext | undefined {
    if (this.#parts === undefined || !this.ready) return undefined;
    const { book, reflectors } = this.#parts;
    return reviewContextOf({
      book,
      model: (key) => reflectors.models.objects.get(key),
      node: (name) => reflectors.nodes.objects.get(name),
    });
  }

  async start(context: Context): Promise<void> {
    const clusterUid = await this.#readClusterUid(context);
    const versions = await installDefinitions(this.#options.api, this.#options.definitions, context);
    const parts = this.#build(context, { clusterUid, version: versions.get(devices.plural) ?? devices.version });
    this.#parts = parts;
    const all = Object.values(parts.reflectors);
    for (const reflector of all) reflector.start();
    await Promise.all(all.map((reflector) => reflector.synced(context.signal)));
    // Before that a device might have been read without its model, or held against a node that was not seen yet.
    for (const object of parts.reflectors.devices.objects.values()) parts.book.upsert(object);
    for (const object of parts.reflectors.models.objects.values()) parts.summaries.changed(object);
    context.log.info('devices.synced', { devices: parts.book.size, models: parts.reflectors.models.objects.size, cluster: clusterUid });
    this.#lookAgain(parts);
  }

  async stop(): Promise<void> {
    const parts = this.#parts;
    this.#parts = undefined;
    this.#held = [];
    this.#timer?.cancel();
    this.#options.dropLinks();
    this.#sessions.clear();
    if (parts !== undefined) await Promise.all(Object.values(parts.reflectors).map((reflector) => reflector.stop()));
  }

  health(): Health {
    return this.ready ? { ok: true } : { ok: false, detail: 'the Kubernetes API has not listed all devices yet' };
  }

  /** A node is connected; ends with `session.signal`. */
  connected(session: ConnectedNode): void {
    if (this.#parts === undefined) return;
    const { book, reported, clusterUid, context } = this.#parts;
    const { clock, log } = context;
    const sync = new NodeSync({ session, book, clusterUid, clock, log, observed: (view) => reported.observed(view) });
    this.#sessions.set(session.node, { session, sync });
    session.signal.addEventListener(
      'abort',
      () => {
        if (this.#sessions.get(session.node)?.session === session) this.#sessions.delete(session.node);
      },
      { once: true },
    );
  }

  /** The device of this id is bound to the node. */
  binds(node: string, id: string): boolean {
    return this.#parts?.book.bound(node, id) !== undefined;
  }

  /** See `Reported.dutyChanged`. */
  dutyChanged(node: string | undefined, afresh: boolean): void {
    this.#parts?.reported.dutyChanged(node, afresh);
  }

  /** Takes a message whose source is the edge's twin module. */
  receive(from: ConnectedNode, message: BeehiveMessage): Refusal {
    if (this.#parts === undefined) return { refused: 'the devicecontroller is starting' };
    const { resource } = message.route;
    if (resource === membershipDetail) return this.#answerDetail(from, message);
    if (resource === lastSeen) return this.#parts.reported.receiveLastSeen(from, message);
    return this.#parts.reported.receive(from, message);
  }

  #answerDetail(from: ConnectedNode, message: BeehiveMessage): Refusal {
    const sync = this.#sessions.get(from.node);
    if (sync?.session !== from || this.#parts === undefined) return { refused: 'the link was replaced' };
    const extension = fieldsOf(contentObject(message.content)?.['hivelet']);
    const sameCluster = extension?.['cluster_uid'] === this.#parts.clusterUid;
    const known = Object.entries(sameCluster ? (fieldsOf(extension['known']) ?? {}) : {});
    const hashes = known.filter((entry): entry is [string, string] => typeof entry[1] === 'string');
    const { context, reflectors } = this.#parts;
    if (from.peer === 'hivelet') from.send(responseTo(message, context.clock.now()));
    const told = sameCluster ? extension['version'] : undefined;
    void caughtUp({ clock: context.clock, signal: from.signal, told, seen: () => reflectors.devices.version }).then((goesOn) => {
      if (goesOn) sync.sync.answerDetail(new Map(hashes));
    });
    return undefined;
  }

  /** `version`: of Device, as clients prefer it. */
  #build(context: Context, { clusterUid, version }: { clusterUid: string; version: string }): Parts {
    const { clock, log, signal } = context;
    const events = new EventRecorder({ api: this.#options.api, clock, log, signal, component: this.name });
    const summaries = new ModelSummaries({ api: this.#options.api, clock, log, signal });
    const apiVersion = apiVersionOf({ ...devices, version });
    const book: DeviceBook = new DeviceBook({
      model: (key) => reflectors.models.objects.get(key),
      bindingChanged: (node, name) => {
        this.#options.names?.(node, name, secretsOf(book.bound(node, name)));
        this.#sessions.get(node)?.sync.changed(name);
      },
      statusChanged: (key) => reported.statusChanged(key),
    });
    const reported: Reported = new Reported({
      api: this.#options.api,
      clock,
      log,
      signal,
      book,
      object: (key) => reflectors.devices.objects.get(key),
      // `kubectl events --for` asks for those about the version that it prefers.
      events: { record: (about, event) => events.record({ ...about, apiVersion }, event) },
      nodeState: (node) => stateOf(reflectors.nodes.objects.get(node)),
      ...(this.#options.duties === undefined ? {} : { duties: this.#options.duties }),
    });
    const whenLive = (handle: (event: DeviceEvent) => void) => (event: DeviceEvent) => {
      if (this.ready) handle(event);
    };
    const reflectors: Parts['reflectors'] = {
      nodes: this.#reflect(
        context,
        nodes,
        whenLive(({ object }) => reported.nodeChanged(object.metadata.name)),
      ),
      models: this.#reflect(
        context,
        deviceModels,
        whenLive(({ object, previous, gone }) => {
          if (gone) summaries.gone(object);
          else summaries.changed(object);
          // Our own writes change nothing for the devices.
          if (gone || !isDeepStrictEqual(previous?.['spec'], object['spec'])) book.modelChanged(keyOf(object.metadata));
        }),
      ),
      devices: this.#reflect(
        context,
        devices,
        whenLive((event) => this.#deviceEvent(event)),
      ),
    };
    return { context, clusterUid, book, reported, summaries, reflectors };
  }

  #reflect(context: Context, type: ResourceType, changed: (event: DeviceEvent) => void): Reflector {
    return new Reflector({
      api: this.#options.api,
      type,
      clock: context.clock,
      log: context.log,
      onUpsert: (previous, current) => changed({ object: current, previous, gone: false }),
      onDelete: (last) => changed({ object: last, gone: true }),
    });
  }

  /** Deletions wait for a proof that the API was not replaced by another one, and what follows them waits in line. */
  #deviceEvent(event: DeviceEvent): void {
    if (!event.gone && this.#held.length === 0) return this.#apply(event);
    this.#held.push(event);
    if (!this.#confirming && this.#parts !== undefined) void this.#confirm(this.#parts);
  }

  #apply({ object, gone }: DeviceEvent): void {
    if (this.#parts === undefined) return;
    const { book, reported, context } = this.#parts;
    if (!gone) return book.upsert(object);
    context.log.info('device.deleted', { device: keyOf(object.metadata), uid: object.metadata.uid });
    book.remove(object);
    reported.forget(keyOf(object.metadata), object.metadata.uid ?? '');
  }

  /** Never rejects. */
  async #confirm({ context, clusterUid }: Parts): Promise<void> {
    this.#confirming = true;
    while (this.#held.length > 0 && !context.signal.aborted) {
      const count = this.#held.length;
      const uid = await this.#readClusterUid(context).catch(() => undefined);
      if (uid === undefined || context.signal.aborted) break;
      if (uid !== clusterUid) {
        this.#otherCluster(context);
        break;
      }
      for (const event of this.#held.splice(0, count)) this.#apply(event);
    }
    this.#confirming = false;
  }

  /** A watch goes on silently when another database stands behind its address, so the cluster is asked for its name now and then. */
  #lookAgain(parts: Parts): void {
    const { clock } = parts.context;
    this.#timer = clock.timer(LOOK_MS, () => void this.#look(parts));
  }

  /** Never rejects. */
  async #look(parts: Parts): Promise<void> {
    const uid = await this.#readClusterUid(parts.context).catch(() => parts.clusterUid);
    if (this.#parts !== parts || parts.context.signal.aborted) return;
    if (uid === parts.clusterUid) this.#lookAgain(parts);
    else this.#otherCluster(parts.context);
  }

  /** Everything starts anew before anything is taken from a node. */
  #otherCluster(context: Context): void {
    this.#options.clusterChanged();
    context.failed(new HiveletError('KUBE_API', 'the Kubernetes API is that of another cluster now; nothing was taken from the nodes'));
  }

  /** uid of Namespace kube-system; asks until the API answers. Rejects when stopped. */
  async #readClusterUid({ clock, log, signal }: Context): Promise<string> {
    for (;;) {
      try {
        const namespace = await this.#options.api.get(namespaces, { name: 'kube-system' }, { signal });
        if (namespace.metadata.uid !== undefined) return namespace.metadata.uid;
        log.warn('cluster.unnamed', { reason: 'Namespace kube-system has no uid' });
      } catch (error) {
        signal.throwIfAborted();
        log.warn('cluster.unknown', { error });
      }
      await clock.sleep(API_RETRY_MS, signal);
    }
  }
}

/** Those of other namespaces are not for it. */
function secretsOf(view: DeviceView | undefined): { namespace: string; name: string }[] {
  if (view === undefined) return [];
  const { protocolConfig, properties } = view.profile;
  const named = secretsNamedIn([protocolConfig, properties.map(({ visitor }) => visitor?.config)]);
  return named.filter(({ namespace }) => namespace === view.namespace);
}

function stateOf(node: KubeObject | undefined): 'ready' | 'lost' | 'missing' {
  if (node === undefined) return 'missing';
  const conditions = fieldsOf(node['status'])?.['conditions'];
  const ready = (Array.isArray(conditions) ? (conditions as unknown[]) : []).map(fieldsOf).find((entry) => entry?.['type'] === 'Ready');
  // A node that never said how it is has lost nothing yet.
  return ready === undefined || ready['status'] === 'True' ? 'ready' : 'lost';
}

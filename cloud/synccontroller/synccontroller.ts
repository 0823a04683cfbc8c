/** Owns the synccontroller module: every connected node is told what it misses, and what it acknowledged is kept as ObjectSyncs. */
import type { Timer } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import { fieldsOf } from '#device-models/fields.ts';
import { contentObject, responseTo, type BeehiveMessage } from '#wire/message.ts';
import type { KubeApi } from '../store/kube-api.ts';
import { NodeObjects, type ObjectSession, type ObjectSource } from './node-objects.ts';
import { Orphans } from './orphans.ts';
import { SyncRecords } from './sync-records.ts';

/** A connected node, as the hub hands it over. */
export type ConnectedNode = ObjectSession & { send(message: BeehiveMessage): void };

/** Why a message was not taken; the hub counts it and tells the node. */
export type Refusal = { refused: string } | undefined;

export interface SyncControllerOptions {
  api: KubeApi;
  source: ObjectSource;
  /** Only one of several replicas collects the ObjectSyncs of deleted nodes. Default: this one. */
  leads?: () => boolean;
  /** `modules.syncController.enable`: compare and collect. Objects go down and are recorded without it too. */
  compares: boolean;
  /** ObjectSyncs written per second. */
  writesPerSecond: number;
  /** uid of Namespace kube-system. */
  clusterUid: () => string | undefined;
  /** What was told to the connected nodes is forgotten: they must connect anew. */
  dropLinks: () => void;
}

interface Parts {
  context: Context;
  records: SyncRecords;
  orphans: Orphans;
  sessions: Map<string, { session: ConnectedNode; objects: NodeObjects }>;
}

/** KubeEdge compares every 5 s. */
const COMPARE_MS = 5000;
/** Nodes that are compared in one turn of the event loop. */
const AT_ONCE = 50;
const SWEEP_MS = 5 * 60_000;

export class SyncController implements Module {
  readonly name = 'synccontroller';
  readonly #options: SyncControllerOptions;
  #parts: Parts | undefined;
  #timer: Timer | undefined;
  /** When this replica, as the one that leads, collects again. */
  #sweepMs: number | undefined;

  constructor(options: SyncControllerOptions) {
    this.#options = options;
  }

  /** True while nodes may connect. */
  get ready(): boolean {
    return this.#parts !== undefined;
  }

  async start(context: Context): Promise<void> {
    const { api, source, writesPerSecond } = this.#options;
    const { clock, log, signal } = context;
    const sessions: Parts['sessions'] = new Map();
    const records: SyncRecords = new SyncRecords({
      api,
      clock,
      log,
      signal,
      perSecond: writesPerSecond,
      onSeen: (record) => sessions.get(record.node)?.objects.recorded(record),
      // Of a node that was deleted they are collected; that says nothing of what the node has.
      onGone: (record) => source.isEdge(record.node) && sessions.get(record.node)?.objects.unrecorded(record),
    });
    const orphans = new Orphans({ api, log, signal, records, isEdge: (node) => source.isEdge(node) });
    await records.start();
    this.#parts = { context, records, orphans, sessions };
    this.#sweepMs = undefined;
    if (this.#options.compares) this.#later();
  }

  async stop(): Promise<void> {
    const parts = this.#parts;
    this.#parts = undefined;
    this.#timer?.cancel();
    this.#options.dropLinks();
    await parts?.records.stop();
  }

  health(): Health {
    if (this.#parts === undefined) return { ok: false, detail: 'the Kubernetes API has not listed all ObjectSyncs yet' };
    const { sessions, records } = this.#parts;
    const waiting = [...sessions.values()].reduce((sum, { objects }) => sum + objects.waiting, 0);
    return { ok: true, detail: `${sessions.size} nodes, ${waiting} objects are on their way, ${records.waiting} records wait` };
  }

  /** What is known of the API's objects is void. */
  startAnew(reason: string): void {
    this.#parts?.context.failed(new HiveletError('KUBE_API', reason));
  }

  /** A node is connected; ends with `session.signal`. */
  connected(session: ConnectedNode): void {
    if (this.#parts === undefined) return;
    const { context, records, sessions } = this.#parts;
    const { clock, log } = context;
    const objects = new NodeObjects({ session, source: this.#options.source, records, clock, log });
    sessions.set(session.node, { session, objects });
    const ended = (): void => {
      if (sessions.get(session.node)?.session === session) sessions.delete(session.node);
    };
    session.signal.addEventListener('abort', ended, { once: true });
  }

  /** What the node is to have of this object may be another now. */
  changed(node: string, key: string): void {
    this.#parts?.sessions.get(node)?.objects.changed(key);
  }

  /** A node became one of the edge, or is none any more. */
  nodeChanged(node: string, isEdge: boolean): void {
    if (this.#parts === undefined) return;
    if (isEdge) this.#parts.sessions.get(node)?.objects.compare();
    else if (this.#leads()) void this.#parts.orphans.sweep([node]);
  }

  /** Takes what one of our edges says it has: `{cluster_uid, objects: {key: [uid, version]}}`. */
  receive(from: ConnectedNode, message: BeehiveMessage): Refusal {
    const known = this.#parts?.sessions.get(from.node);
    if (known?.session !== from) return { refused: 'the link was replaced' };
    const content = contentObject(message.content);
    const objects = fieldsOf(content?.['objects']);
    if (objects === undefined) return { refused: 'the content says nothing of objects' };
    const sameCluster = content?.['cluster_uid'] === this.#options.clusterUid();
    const stated = new Map<string, { uid: string; version: string }>();
    for (const [key, value] of Object.entries(objects)) {
      const [uid, version] = Array.isArray(value) ? (value as unknown[]) : [];
      if (typeof uid === 'string' && typeof version === 'string') stated.set(key, { uid, version: sameCluster ? version : '' });
    }
    from.send(responseTo(message, this.#parts?.context.clock.now() ?? 0));
    known.objects.announced(stated);
    return undefined;
  }

  #leads(): boolean {
    return this.#options.compares && (this.#options.leads?.() ?? true);
  }

  #later(): void {
    if (this.#parts === undefined) return;
    const { clock } = this.#parts.context;
    // Replicas that were started together do not stay in step.
    this.#timer = clock.timer(COMPARE_MS * (0.8 + 0.4 * clock.random()), () => {
      this.#collect();
      this.#compare([...(this.#parts?.sessions.values() ?? [])].map(({ objects }) => objects));
    });
  }

  /** A few nodes, then others have their turn. */
  #compare(rest: NodeObjects[]): void {
    if (this.#parts === undefined) return;
    for (const objects of rest.splice(0, AT_ONCE)) objects.compare();
    if (rest.length === 0) return this.#later();
    this.#timer = this.#parts.context.clock.timer(0, () => this.#compare(rest));
  }

  /** As soon as this replica leads, and now and then: a node may have been deleted while nobody looked. */
  #collect(): void {
    if (this.#parts === undefined) return;
    const nowMs = this.#parts.context.clock.monotonic();
    if (!this.#leads()) this.#sweepMs = undefined;
    else if (nowMs >= (this.#sweepMs ?? -Infinity)) {
      this.#sweepMs = nowMs + SWEEP_MS;
      void this.#parts.orphans.sweep();
    }
  }
}

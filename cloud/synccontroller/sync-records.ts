/** Owns the copy of all ObjectSyncs and ClusterObjectSyncs, by node, and the way to change them. */
import type { Clock } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';
import { clusterObjectSyncs, objectSyncs, type KubeApi, type KubeObject } from '../store/kube-api.ts';
import { Reflector } from '../store/kubeconfig/reflector.ts';
import { RecordWriter, idOf } from './record-writer.ts';
import { isOlder, readRecord, type Acknowledged, type SyncRecord } from './sync-record.ts';

export interface SyncRecordsOptions {
  api: KubeApi;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  perSecond: number;
  /** A record is new or was changed, by us or by somebody else. */
  onSeen: (record: SyncRecord) => void;
  onGone: (record: SyncRecord) => void;
}

const NONE: ReadonlyMap<string, SyncRecord> = new Map();

export class SyncRecords {
  readonly #options: SyncRecordsOptions;
  readonly #reflectors: readonly Reflector[];
  /** Node -> namespace/name -> record. */
  readonly #byNode = new Map<string, Map<string, SyncRecord>>();
  readonly #writer: RecordWriter;

  constructor(options: SyncRecordsOptions) {
    this.#options = options;
    const { api, clock, log } = options;
    this.#reflectors = [objectSyncs, clusterObjectSyncs].map(
      (type) =>
        new Reflector({
          api,
          type,
          clock,
          log,
          keep: trimmed,
          onUpsert: (_previous, object) => this.#seen(object),
          onDelete: (object) => this.#gone(object),
        }),
    );
    this.#writer = new RecordWriter({ ...options, seen: (record) => this.of(record.node).get(idOf(record)) });
  }

  get hasSynced(): boolean {
    return this.#reflectors.every((reflector) => reflector.hasSynced);
  }

  /** Records that are not written yet. */
  get waiting(): number {
    return this.#writer.waiting;
  }

  async start(): Promise<void> {
    for (const reflector of this.#reflectors) reflector.start();
    await Promise.all(this.#reflectors.map((reflector) => reflector.synced(this.#options.signal)));
  }

  async stop(): Promise<void> {
    this.#writer.stop();
    await Promise.all(this.#reflectors.map((reflector) => reflector.stop()));
  }

  /** By namespace/name. */
  of(node: string): ReadonlyMap<string, SyncRecord> {
    return this.#byNode.get(node) ?? NONE;
  }

  /** Nodes that have records. */
  nodes(): string[] {
    return [...this.#byNode.keys()];
  }

  /** The node has acknowledged this version. */
  put(record: Acknowledged): void {
    this.#writer.put(record);
  }

  /** The node has it no longer. */
  remove(record: Acknowledged): void {
    this.#writer.remove(record);
  }

  /** Writes it once more if it is not there: somebody deleted it, or the API lost it. */
  ensure(record: Acknowledged): void {
    const present = this.of(record.node).get(idOf(record));
    if ((present === undefined || isOlder(present.version, record.version)) && !this.#writer.isWaiting(record)) this.#writer.put(record);
  }

  #seen(object: KubeObject): void {
    const record = readRecord(object);
    if (record === undefined) return;
    const records = this.#byNode.get(record.node) ?? new Map<string, SyncRecord>();
    this.#byNode.set(record.node, records.set(idOf(record), record));
    this.#options.onSeen(record);
  }

  #gone(object: KubeObject): void {
    const record = readRecord(object);
    const records = record === undefined ? undefined : this.#byNode.get(record.node);
    if (record === undefined || records?.delete(idOf(record)) !== true) return;
    if (records.size === 0) this.#byNode.delete(record.node);
    this.#options.onGone(record);
  }
}

/** A thousand nodes have many records: only what is read is held. */
function trimmed({ apiVersion, kind, metadata, spec, status }: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion } = metadata;
  const own = { name, ...(namespace && { namespace }), ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) };
  return { apiVersion, kind, metadata: own, spec, status };
}

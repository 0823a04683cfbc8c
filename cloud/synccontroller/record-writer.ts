/** Owns the writing of ObjectSyncs: the newest word on each, at a bounded rate, never an older version over a newer one. */
import type { Clock, Timer } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';
import {
  clusterObjectSyncs,
  isKubeError,
  keyOf,
  objectSyncs,
  type KubeApi,
  type ObjectName,
  type ResourceType,
} from '../store/kube-api.ts';
import {
  isClusterScoped,
  isOlder,
  newRecord,
  readRecord,
  recordName,
  recordStatus,
  type Acknowledged,
  type SyncRecord,
} from './sync-record.ts';

export interface RecordWriterOptions {
  api: KubeApi;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  /** Records per second; a record costs one or two requests. */
  perSecond: number;
  /** As the watch last showed it. */
  seen: (record: Acknowledged) => SyncRecord | undefined;
}

interface Job {
  record: Acknowledged;
  remove: boolean;
  failures: number;
}

const AT_ONCE = 4;
/** After a failure nothing is written for so long. */
const PAUSE_MS = 1000;
/** What fails so often is left to the comparison. */
const TRIES = 5;
/** A record that somebody else writes at the same time is read again so often. */
const CONFLICTS = 3;
const SAVED_LATER = { persist: 'later' } as const;

export class RecordWriter {
  readonly #options: RecordWriterOptions;
  /** By namespace/name: one job a record. */
  readonly #jobs = new Map<string, Job>();
  readonly #running = new Set<string>();
  #nextMs = -Infinity;
  #timer: Timer | undefined;

  constructor(options: RecordWriterOptions) {
    this.#options = options;
  }

  /** Records that are not written yet. */
  get waiting(): number {
    return this.#jobs.size + this.#running.size;
  }

  isWaiting(record: Acknowledged): boolean {
    const id = idOf(record);
    return this.#jobs.has(id) || this.#running.has(id);
  }

  put(record: Acknowledged): void {
    this.#add({ record, remove: false, failures: 0 });
  }

  remove(record: Acknowledged): void {
    this.#add({ record, remove: true, failures: 0 });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#jobs.clear();
  }

  #add(job: Job): void {
    if (this.#options.signal.aborted) return;
    this.#jobs.set(idOf(job.record), job);
    this.#pump();
  }

  #pump(): void {
    const { clock, perSecond, signal } = this.#options;
    while (!signal.aborted && this.#running.size < AT_ONCE) {
      const next = this.#next();
      if (next === undefined) return;
      const [id, job] = next;
      const nowMs = clock.monotonic();
      if (nowMs < this.#nextMs) return this.#later(this.#nextMs - nowMs);
      this.#nextMs = Math.max(this.#nextMs, nowMs - 1000) + 1000 / perSecond;
      this.#jobs.delete(id);
      this.#running.add(id);
      void this.#run(job).finally(() => {
        this.#running.delete(id);
        this.#pump();
      });
    }
  }

  /** Two writes of one record never overtake each other. */
  #next(): [string, Job] | undefined {
    for (const entry of this.#jobs) if (!this.#running.has(entry[0])) return entry;
    return undefined;
  }

  #later(ms: number): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.timer(ms, () => this.#pump());
  }

  /** Never rejects. */
  async #run(job: Job): Promise<void> {
    const { clock, log, signal } = this.#options;
    const { record, remove } = job;
    try {
      await (remove ? this.#remove(record) : this.#put(record));
    } catch (error) {
      if (signal.aborted) return;
      const failures = job.failures + 1;
      const id = idOf(record);
      log.warn('objectsync.write.failed', { record: id, failures, error });
      // A newer word on the record goes first.
      if (failures < TRIES && !this.#jobs.has(id)) this.#jobs.set(id, { ...job, failures });
      this.#nextMs = Math.max(this.#nextMs, clock.monotonic() + PAUSE_MS);
    }
  }

  async #remove(record: Acknowledged): Promise<void> {
    const { api, signal } = this.#options;
    try {
      await api.delete(typeOf(record), nameOf(record), { signal });
    } catch (error) {
      if (!isKubeError(error, 'NotFound')) throw error;
    }
  }

  async #put(record: Acknowledged): Promise<void> {
    let present = this.#options.seen(record);
    for (let attempt = 0; attempt < CONFLICTS; attempt++) {
      present ??= await this.#create(record);
      if (present === undefined || !isOlder(present.version, record.version)) return;
      try {
        return await this.#raise(record, present.recordedAt);
      } catch (error) {
        if (!isKubeError(error, 'Conflict', 'NotFound')) throw error;
        present = await this.#read(record);
      }
    }
  }

  /** Fails with Conflict when the record is another than the one that was looked at. */
  async #raise(record: Acknowledged, resourceVersion: string): Promise<void> {
    const { api, signal } = this.#options;
    const body = { metadata: { resourceVersion }, status: recordStatus(record) };
    await api.patch(typeOf(record), nameOf(record), { type: 'merge', body, subresource: 'status', signal, ...SAVED_LATER });
  }

  /** The record as it is then, its status still empty; undefined when its namespace takes nothing any more. */
  async #create(record: Acknowledged): Promise<SyncRecord | undefined> {
    const { api, log, signal } = this.#options;
    try {
      const created = await api.create(typeOf(record), newRecord(record), { signal, ...SAVED_LATER });
      return readRecord(created);
    } catch (error) {
      if (isKubeError(error, 'AlreadyExists')) return this.#read(record);
      if (!isKubeError(error, 'Forbidden', 'NotFound')) throw error;
      log.debug('objectsync.not_taken', { record: idOf(record), error });
      return undefined;
    }
  }

  async #read(record: Acknowledged): Promise<SyncRecord | undefined> {
    const { api, signal } = this.#options;
    try {
      return readRecord(await api.get(typeOf(record), nameOf(record), { signal }));
    } catch (error) {
      if (isKubeError(error, 'NotFound')) return undefined;
      throw error;
    }
  }
}

export function idOf(record: Pick<Acknowledged, 'node' | 'uid' | 'namespace'>): string {
  return keyOf({ namespace: record.namespace, name: recordName(record) });
}

function typeOf(record: Acknowledged): ResourceType {
  return isClusterScoped(record) ? clusterObjectSyncs : objectSyncs;
}

function nameOf(record: Acknowledged): ObjectName {
  return isClusterScoped(record) ? { name: recordName(record) } : { namespace: record.namespace, name: recordName(record) };
}

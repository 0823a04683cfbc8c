/** Owns writing Device status: one write at a time per device, paced, retried on conflict, and receipts given when the API has it. */
import type { Clock, Timer } from '#beehive/clock.ts';
import { messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { backoff } from '#beehive/retry.ts';
import { devices, isKubeError, type JsonPatchOperation, type KubeApi, type KubeObject } from '../store/kube-api.ts';
import { lazyPaths } from './status-patch.ts';
import { WritePace } from './write-pace.ts';

/** What an edge waits for after a report. Exactly one of the two is called, once. */
export interface Receipt {
  /** The node that waits. */
  readonly node: string;
  /** The API has it, or something newer. */
  done(): void;
  refused(reason: string): void;
}

export interface StatusWriterOptions {
  api: KubeApi;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  /** The object as it was last seen; undefined when the Device is gone. */
  object(key: string): KubeObject | undefined;
  /** What is to be written now; empty = nothing. */
  plan(key: string, object: KubeObject): JsonPatchOperation[];
  /** Somebody waits for a desired value of this device, so its status is worth more writes. */
  brisk(key: string): boolean;
  /** A write of ours made one object of the other. */
  written?(before: KubeObject, after: KubeObject): void;
  /**
   * Asks the API whether it is still this replica that writes the device. Called before each write onto an object that was not written
   * by us last, so that nothing overtakes what another replica wrote. Absent: it is.
   */
  confirm?(key: string): Promise<boolean>;
}

interface Entry {
  readonly key: string;
  readonly pace: WritePace;
  receipts: Set<Receipt>;
  timer?: Timer | undefined;
  queued: boolean;
  writing: boolean;
  /** Touched while a write was running. */
  again: boolean;
  urgent: boolean;
  /** Newer than the watch, when it is there; not for long: an API that crashed may have lost it. */
  latest?: KubeObject | undefined;
  distrust?: Timer | undefined;
  /** Version of the object that we wrote last: as long as the object is that one, nobody else can have taken the device and written. */
  own?: string | undefined;
  /** Paths that the server does not keep (a CRD that prunes them): not written again. */
  futile: Set<string>;
  waits?: Generator<number, never> | undefined;
  /** Monotonic ms before which what nobody waits for is not written alone. */
  lazyUntil?: number | undefined;
}

/** Writes running at once; the client's qps and burst bound their rate. */
const MAX_RUNNING = 32;
const MAX_CONFLICTS = 5;
/** The watch has shown our own write by then, or never will. */
const TRUST_MS = 10_000;
const RETRY_MS = { first: 500, max: 30_000 };
/** A desired value is often reached within this time, and then one write tells both. */
const LAZY_MS = 1000;
/**
 * Receipts that one node waits for, at most: its window must not fill up with chatty devices whose writes are paced. Beyond it the
 * oldest is given early: its value is in memory, is written within ten seconds, and would be reported again on the next connect.
 */
const MAX_WAITING = 16;

export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #entries = new Map<string, Entry>();
  /** Due, in order; urgent ones first. */
  readonly #queue: Entry[] = [];
  /** By node, oldest first: what is held for it, and where. */
  readonly #waiting = new Map<string, Map<Receipt, Entry>>();
  #running = 0;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.#stop(), { once: true });
  }

  /** The status of this device may differ from what is wanted. */
  touch(key: string, { urgent = false, receipt }: { urgent?: boolean; receipt?: Receipt } = {}): void {
    if (this.#options.signal.aborted) return;
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = {
        key,
        pace: new WritePace(() => this.#options.clock.random()),
        receipts: new Set(),
        queued: false,
        writing: false,
        again: false,
        urgent: false,
        futile: new Set(),
      };
      this.#entries.set(key, entry);
    }
    if (receipt !== undefined) this.#hold(entry, receipt);
    entry.urgent ||= urgent;
    if (entry.writing) entry.again = true;
    // In line, what is to be written is decided when its turn comes.
    else if (!entry.queued || this.#options.object(key) === undefined) this.#schedule(entry);
    else if (urgent) this.#hurry(entry);
  }

  #schedule(entry: Entry): void {
    const { clock } = this.#options;
    const object = this.#newest(entry);
    if (object === undefined) return this.#forget(entry);
    const operations = this.#worthWriting(entry, object);
    if (operations.length === 0) return this.#rest(entry);
    // After a failure only its back-off counts.
    if (entry.waits !== undefined && entry.timer !== undefined) return;
    entry.timer?.cancel();
    entry.timer = undefined;
    const paceMs = entry.urgent ? 0 : entry.pace.nextMs(this.#options.brisk(entry.key)) - clock.monotonic();
    const waitMs = entry.waits?.next().value ?? Math.max(paceMs, this.#lazyMs(entry, operations));
    if (waitMs > 0) entry.timer = clock.timer(waitMs, () => this.#enqueue(entry));
    else this.#enqueue(entry);
  }

  /** How long to wait for company. */
  #lazyMs(entry: Entry, operations: readonly JsonPatchOperation[]): number {
    const isLazy = !entry.urgent && operations.every(({ op, path }) => op === 'test' || lazyPaths.has(path));
    if (!isLazy) return 0;
    const now = this.#options.clock.monotonic();
    entry.lazyUntil ??= now + LAZY_MS;
    return entry.lazyUntil - now;
  }

  /** The API says what is wanted. */
  #rest(entry: Entry): void {
    entry.timer?.cancel();
    entry.timer = undefined;
    entry.waits = undefined;
    entry.lazyUntil = undefined;
    entry.urgent = false;
    for (const receipt of taken(entry)) this.#give(receipt);
  }

  #enqueue(entry: Entry): void {
    entry.timer = undefined;
    if (!entry.queued) {
      entry.queued = true;
      if (entry.urgent) this.#queue.unshift(entry);
      else this.#queue.push(entry);
    }
    this.#pump();
  }

  /** To the front of the line, which may be thousands long. */
  #hurry(entry: Entry): void {
    this.#queue.splice(this.#queue.indexOf(entry), 1);
    this.#queue.unshift(entry);
  }

  #pump(): void {
    while (this.#running < MAX_RUNNING && !this.#options.signal.aborted) {
      const entry = this.#queue.shift();
      if (entry === undefined) return;
      this.#running += 1;
      entry.queued = false;
      entry.writing = true;
      entry.again = false;
      void this.#write(entry);
    }
  }

  async #write(entry: Entry): Promise<void> {
    const { clock, log, signal } = this.#options;
    const receipts = taken(entry);
    const urgent = entry.urgent;
    entry.urgent = false;
    entry.lazyUntil = undefined;
    try {
      await this.#bring(entry, urgent);
      entry.waits = undefined;
      for (const receipt of receipts) this.#give(receipt);
    } catch (error) {
      if (!signal.aborted) {
        entry.waits ??= backoff(RETRY_MS.first, RETRY_MS.max, () => clock.random());
        log.warn('device.status.failed', { device: entry.key, error });
        // A refusal will be repeated: the edge must not wait for it with a slot of its window.
        if (isKubeError(error, 'Invalid', 'Forbidden', 'BadRequest'))
          for (const receipt of receipts) this.#refuse(receipt, messageOf(error));
        else entry.receipts = new Set([...receipts.filter((receipt) => this.#waiting.get(receipt.node)?.has(receipt)), ...entry.receipts]);
        entry.again = true;
      }
    }
    entry.writing = false;
    this.#running -= 1;
    if (!signal.aborted && entry.again) this.#schedule(entry);
    this.#pump();
  }

  /** Resolves when the API says what is wanted. */
  async #bring(entry: Entry, urgent: boolean): Promise<void> {
    const { api, clock, log, signal } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      const object = this.#newest(entry);
      if (object === undefined) return;
      if (this.#worthWriting(entry, object).length === 0) return;
      const { name, namespace, resourceVersion } = object.metadata;
      if (resourceVersion !== entry.own && (await this.#options.confirm?.(entry.key)) === false) return;
      // Only now: while the question ran another one may have had the node, and what was known of it before that is void.
      const operations = this.#worthWriting(entry, object);
      if (operations.length === 0) return;
      if (attempt === 1) entry.pace.wrote(clock.monotonic(), urgent || this.#options.brisk(entry.key));
      try {
        // What the edge said it would say again: an embedded server need not sync the disk for it.
        const change = { type: 'json', operations: ontoVersion(resourceVersion, operations), persist: 'later', signal } as const;
        const written = await api.patch(devices, { namespace, name }, change);
        this.#remember(entry, written);
        this.#options.written?.(object, written);
        entry.own = written.metadata.resourceVersion;
        if (written.metadata.resourceVersion === resourceVersion) {
          for (const { op, path } of operations) if (op !== 'test') entry.futile.add(path);
        }
        log.debug('device.status.written', { device: entry.key, version: written.metadata.resourceVersion, attempt });
        return;
      } catch (error) {
        if (isKubeError(error, 'NotFound')) return;
        // Somebody wrote in between (409), or a test of the patch failed (422): look again.
        if (!isKubeError(error, 'Conflict', 'Invalid') || attempt >= MAX_CONFLICTS) throw error;
        const fresh = await this.#read({ namespace, name }, signal);
        if (fresh === undefined) return;
        this.#remember(entry, fresh);
      }
    }
  }

  async #read(name: { namespace: string | undefined; name: string }, signal: AbortSignal): Promise<KubeObject | undefined> {
    try {
      return await this.#options.api.get(devices, name, { signal });
    } catch (error) {
      if (isKubeError(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  #worthWriting(entry: Entry, object: KubeObject): JsonPatchOperation[] {
    const operations = this.#options.plan(entry.key, object);
    const useful = operations.some(({ op, path }) => op !== 'test' && (isReport(path) || !entry.futile.has(path)));
    return useful ? operations : [];
  }

  /** The watch may be behind our own writes, and those may be behind others' that the watch has seen. */
  #newest(entry: Entry): KubeObject | undefined {
    const seen = this.#options.object(entry.key);
    const { latest } = entry;
    const ahead =
      seen !== undefined &&
      latest !== undefined &&
      latest.metadata.uid === seen.metadata.uid &&
      Number(latest.metadata.resourceVersion) > Number(seen.metadata.resourceVersion);
    if (ahead) return latest;
    this.#distrust(entry);
    return seen;
  }

  #remember(entry: Entry, object: KubeObject): void {
    this.#distrust(entry);
    if (this.#options.signal.aborted) return;
    entry.latest = object;
    entry.distrust = this.#options.clock.timer(TRUST_MS, () => {
      this.#distrust(entry);
      if (!entry.writing) this.#schedule(entry);
    });
  }

  #distrust(entry: Entry): void {
    entry.distrust?.cancel();
    entry.distrust = undefined;
    entry.latest = undefined;
  }

  #forget(entry: Entry): void {
    this.#rest(entry);
    this.#distrust(entry);
    this.#entries.delete(entry.key);
  }

  #hold(entry: Entry, receipt: Receipt): void {
    const waiting = this.#waiting.get(receipt.node) ?? new Map<Receipt, Entry>();
    this.#waiting.set(receipt.node, waiting);
    waiting.set(receipt, entry);
    entry.receipts.add(receipt);
    const [oldest] = waiting;
    if (waiting.size <= MAX_WAITING || oldest === undefined) return;
    // A device whose turn is long in coming must not hold what was given already.
    oldest[1].receipts.delete(oldest[0]);
    this.#give(oldest[0]);
  }

  #give(receipt: Receipt): void {
    if (this.#release(receipt)) receipt.done();
  }

  #refuse(receipt: Receipt, reason: string): void {
    if (this.#release(receipt)) receipt.refused(reason);
  }

  /** False when it was given before. */
  #release(receipt: Receipt): boolean {
    const waiting = this.#waiting.get(receipt.node);
    const held = waiting?.delete(receipt) ?? false;
    if (waiting?.size === 0) this.#waiting.delete(receipt.node);
    return held;
  }

  #stop(): void {
    for (const entry of this.#entries.values()) {
      entry.timer?.cancel();
      entry.distrust?.cancel();
    }
    this.#entries.clear();
    this.#queue.length = 0;
    this.#waiting.clear();
  }
}

function taken(entry: Entry): Receipt[] {
  const receipts = [...entry.receipts];
  entry.receipts.clear();
  return receipts;
}

/** Only onto the object that was looked at. */
function ontoVersion(version: string | undefined, operations: readonly JsonPatchOperation[]): JsonPatchOperation[] {
  const path = '/metadata/resourceVersion';
  return [{ op: 'test', path, value: version }, ...operations.filter((operation) => operation.path !== path)];
}

/** Worth trying again: the server refused it for its index, or somebody took it away. */
function isReport(path: string): boolean {
  return path.startsWith('/status/twins') && !path.endsWith('/write');
}

/** Owns what one connected node has of the objects it is to have, and what it must be told next: in order, at least once, newest state only. */
import type { Clock } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';
import { backoff } from '#beehive/retry.ts';
import type { WindowEntry } from '#wire/ack-window.ts';
import { nextStep, stepMessage, type Held, type Look, type Peer, type Step } from './next-step.ts';
import { acknowledged, hashOf, isOlder, type Acknowledged, type SyncRecord } from './sync-record.ts';

/** What is needed of a connected node. */
export interface ObjectSession {
  readonly node: string;
  readonly peer: Peer;
  /** Aborts when the link ends. */
  readonly signal: AbortSignal;
  /** Queues a message for the node; false when it is not taken. */
  offer(entry: WindowEntry): boolean;
}

/** What nodes are to have. */
export interface ObjectSource {
  isEdge(node: string): boolean;
  /** In the order in which a node is to be told. */
  keys(node: string): Iterable<string>;
  look(node: string, key: string): Look;
  /** True when everything that happened up to this version of the API is known. */
  covers(version: string): boolean;
  /** Of these keys those that the API, asked now, says the node is not to have. */
  confirmUnwanted(node: string, keys: readonly string[], signal: AbortSignal): Promise<Set<string>>;
}

/** Where it is kept what nodes have acknowledged. */
export interface RecordStore {
  of(node: string): ReadonlyMap<string, SyncRecord>;
  put(record: Acknowledged): void;
  remove(record: Acknowledged): void;
  ensure(record: Acknowledged): void;
}

export interface NodeObjectsOptions {
  session: ObjectSession;
  source: ObjectSource;
  records: RecordStore;
  clock: Clock;
  log: Logger;
}

/** Sent so often, then left to the comparison (cloud-edge-transport.md 6.2). */
const TRIES = 5;
/** Between two rounds of tries of one object. */
const AGAIN_MS = { first: 5000, max: 60_000 };

export class NodeObjects {
  readonly #options: NodeObjectsOptions;
  /** What the node has, as far as it is known. */
  readonly #held = new Map<string, Held>();
  /** Sent and not settled; the value names the entry of the link's window that it is in. */
  readonly #pending = new Map<string, symbol>();
  /** Keys of which this link has told something: what the node says of itself may be older than that. */
  readonly #spoken = new Set<string>();
  /** Given up for now. */
  readonly #later = new Map<string, { dueMs: number; waits: Generator<number, never> }>();
  /** Not wanted according to a copy that may lag behind what another replica knew. */
  readonly #doubtful = new Set<string>();
  #confirming = false;
  /** KubeEdge peers: one object at a time, the others wait here. */
  readonly #queue = new Set<string>();
  #busy = false;

  constructor(options: NodeObjectsOptions) {
    this.#options = options;
    for (const record of options.records.of(options.session.node).values()) this.#inherit(record);
    this.compare();
  }

  /** Objects that are on their way. */
  get waiting(): number {
    return this.#pending.size + this.#queue.size;
  }

  /** What the node is to have of this object, or what is known of what it has, may be another now. */
  changed(key: string): void {
    if (this.#options.session.signal.aborted) return;
    this.#later.delete(key);
    if (this.#options.session.peer === 'kubeedge') this.#enqueue(key);
    else if (this.#step(key).kind !== 'nothing' || this.#pending.has(key)) this.#offer(key);
  }

  /** Everything once more: what was given up, what a lost event did not tell, records that are missing. */
  compare(): void {
    const { session, source, clock } = this.#options;
    if (session.signal.aborted || !source.isEdge(session.node)) return;
    const nowMs = clock.monotonic();
    const keys = new Set([...source.keys(session.node), ...this.#held.keys()]);
    for (const key of keys) {
      if (this.#pending.has(key) || (this.#later.get(key)?.dueMs ?? 0) > nowMs) continue;
      const held = this.#held.get(key);
      if (this.#step(key).kind !== 'nothing') this.#again(key);
      else if (held !== undefined) this.#ensure(key, held);
    }
    this.#tidy();
  }

  /** A replica that the node has left may write late what it was told before. */
  #tidy(): void {
    const { session, records } = this.#options;
    for (const record of [...records.of(session.node).values()]) {
      const held = this.#held.get(record.key);
      const stale = held === undefined || (held.uid !== record.uid && isOlder(record.version, held.version));
      if (stale && !this.#pending.has(record.key)) records.remove(record);
    }
  }

  #ensure(key: string, held: Held): void {
    const { session, source, records } = this.#options;
    const look = source.look(session.node, key);
    const same = look.state === 'wanted' && look.object.metadata.uid === held.uid && look.object.metadata.resourceVersion === held.version;
    // The node said that it has it, and nobody wrote that down.
    const record = held.record ?? (same ? acknowledged(session.node, key, look.object) : undefined);
    if (record !== undefined) records.ensure(record);
  }

  /** The node says what it has: its database may be another than the one that the records tell of. Versions of another cluster are ''. */
  announced(stated: ReadonlyMap<string, { uid: string; version: string }>): void {
    for (const key of [...this.#held.keys()]) if (!stated.has(key) && !this.#isSettled(key)) this.#held.delete(key);
    for (const [key, { uid, version }] of stated) {
      if (this.#isSettled(key)) continue;
      const held = this.#held.get(key);
      if (held?.uid !== uid || held.version !== version) this.#held.set(key, { uid, version, inherited: true });
    }
    this.compare();
  }

  /** A record was written, by us or by the replica that the node was connected to before. */
  recorded(record: SyncRecord): void {
    const held = this.#held.get(record.key);
    if (this.#isSettled(record.key) || (held !== undefined && !isOlder(held.version, record.version))) return;
    this.#inherit(record);
    this.changed(record.key);
  }

  /** A record is gone and not by our doing: the object is told anew. */
  unrecorded(record: SyncRecord): void {
    if (this.#held.get(record.key)?.uid !== record.uid || this.#pending.has(record.key)) return;
    this.#held.delete(record.key);
    this.changed(record.key);
  }

  /** Two records of one key: the object was deleted and made again; the newer one tells what the node has. */
  #inherit(record: SyncRecord): void {
    const held = this.#held.get(record.key);
    if (held !== undefined && isOlder(record.version, held.version)) return this.#options.records.remove(record);
    if (held?.record !== undefined && held.uid !== record.uid) this.#options.records.remove(held.record);
    const { uid, version, hash, recordedAt } = record;
    this.#held.set(record.key, { uid, version, hash, record, recordedAt, inherited: true });
  }

  #isSettled(key: string): boolean {
    return this.#pending.has(key) || this.#spoken.has(key);
  }

  /** A new round of tries, after longer and longer pauses. */
  #again(key: string): void {
    const later = this.#later.get(key);
    this.changed(key);
    if (later !== undefined) this.#later.set(key, { ...later, dueMs: -Infinity });
  }

  #step(key: string): Step {
    const { session, source } = this.#options;
    const held = this.#held.get(key);
    const step = nextStep({ held, look: source.look(session.node, key), peer: session.peer, key });
    if (step.kind !== 'delete' || held?.inherited !== true) return step;
    // It was told by somebody who may have known more than our copy does.
    if (held.recordedAt !== undefined && source.covers(held.recordedAt)) return step;
    this.#doubt(key);
    return { kind: 'nothing' };
  }

  #doubt(key: string): void {
    this.#doubtful.add(key);
    if (!this.#confirming) void this.#confirm();
  }

  /** Never rejects; what fails is asked again by the next comparison. */
  async #confirm(): Promise<void> {
    const { session, source, log } = this.#options;
    this.#confirming = true;
    await Promise.resolve();
    const keys = [...this.#doubtful];
    this.#doubtful.clear();
    const unwanted = await source.confirmUnwanted(session.node, keys, session.signal).catch((error: unknown) => {
      if (!session.signal.aborted) log.warn('objects.unconfirmed', { node: session.node, error });
      return new Set<string>();
    });
    this.#confirming = false;
    for (const key of unwanted) {
      const held = this.#held.get(key);
      if (held?.inherited !== true) continue;
      this.#held.set(key, { ...held, inherited: false });
      this.changed(key);
    }
  }

  #enqueue(key: string): void {
    this.#queue.add(key);
    this.#pump();
  }

  /** One at a time: the next one goes when this one was acknowledged or given up. */
  #pump(): void {
    for (const key of this.#queue) {
      if (this.#busy) return;
      this.#queue.delete(key);
      if (this.#step(key).kind !== 'nothing') this.#offer(key);
    }
  }

  #offer(key: string): void {
    const { session, clock, log } = this.#options;
    const entry = Symbol(key);
    let step: Step = { kind: 'nothing' };
    let refusals = 0;
    const giveUp = (): void => {
      this.#postpone(key);
      log.info('object.given_up', { node: session.node, object: key });
      this.#settled(key, entry);
    };
    this.#busy = true;
    const taken = session.offer({
      key: `object/${key}`,
      tries: TRIES,
      make: () => {
        step = this.#step(key);
        if (step.kind === 'nothing') {
          this.#settled(key, entry);
          return undefined;
        }
        // Only now: an entry that is replaced while it waits is never heard of again.
        this.#pending.set(key, entry);
        this.#spoken.add(key);
        return stepMessage(step, { key, now: clock.now() });
      },
      onAck: () => {
        this.#told(key, step);
        this.#settled(key, entry);
      },
      onError: () => {
        if (++refusals < TRIES) return 'retry';
        giveUp();
        return 'drop';
      },
      onGiveUp: giveUp,
    });
    if (taken) return;
    this.#postpone(key);
    this.#busy = false;
  }

  #settled(key: string, entry: symbol): void {
    if (this.#pending.get(key) === entry) this.#pending.delete(key);
    this.#busy = false;
    // It may have changed on the way.
    const more = this.#step(key).kind !== 'nothing' && !this.#later.has(key);
    if (this.#options.session.peer === 'hivelet') {
      if (more) this.#offer(key);
    } else {
      if (more) this.#queue.add(key);
      this.#pump();
    }
  }

  #postpone(key: string): void {
    const { clock } = this.#options;
    const waits = this.#later.get(key)?.waits ?? backoff(AGAIN_MS.first, AGAIN_MS.max, () => (1 + clock.random()) / 2);
    this.#later.set(key, { waits, dueMs: clock.monotonic() + waits.next().value });
  }

  #told(key: string, step: Step): void {
    const { session, records, log } = this.#options;
    this.#later.delete(key);
    log.debug('object.down', { node: session.node, object: key, step: step.kind });
    const before = this.#held.get(key);
    if (step.kind === 'delete') {
      this.#held.delete(key);
      if (before?.record !== undefined) records.remove(before.record);
    } else if (step.kind !== 'nothing') {
      const record = acknowledged(session.node, key, step.object);
      this.#held.set(key, { uid: record.uid, version: record.version, hash: hashOf(step.object), record, inherited: false });
      if (before?.record !== undefined && before.uid !== record.uid) records.remove(before.record);
      records.put(record);
    }
  }
}

/** Owns what one connected node was told of its devices, and what it must be told next: a snapshot first, then differences, newest state only. */
import type { Clock, Timer } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';
import type { WindowEntry } from '#wire/ack-window.ts';
import type { DeviceEntry, MembershipDetail } from '#wire/device-messages.ts';
import type { BeehiveMessage } from '#wire/message.ts';
import { membershipDetail } from '#wire/resources.ts';
import { deviceEntry, detailMessage, membershipMessage, type Dialect, type Peer } from './definitions.ts';
import { desiredMessage } from './desired.ts';
import type { DeviceBook } from './device-book.ts';
import type { DeviceView } from './device-view.ts';

/** What the controller needs of a connected node. */
export interface NodeSession {
  readonly node: string;
  readonly peer: Peer;
  /** Aborts when the link ends. */
  readonly signal: AbortSignal;
  /** Queues a message for the node; false when it is not taken. */
  offer(entry: WindowEntry): boolean;
}

/** What the edge was told of one device. */
export interface Told {
  uid: string;
  definition: string;
  desired: string;
  twins: readonly string[];
}

export type Step = 'nothing' | 'add' | 'desired' | 'remove';

/** Pure: what the edge must hear next of the device under one name. */
export function nextStep(told: Told | undefined, view: DeviceView | undefined, peer: Peer): Step {
  if (view === undefined) return told === undefined ? 'nothing' : 'remove';
  if (told === undefined) return 'add';
  if (peer === 'kubeedge') {
    // It would merge a new device into the old one of that name: the old one goes first. Of a definition it only takes the twins.
    if (told.uid !== view.uid) return 'remove';
    return told.desired === view.desired && told.twins.join('\n') === view.twins.join('\n') ? 'nothing' : 'desired';
  }
  // Without its model a definition says less than the edge already has.
  if (told.uid !== view.uid || (told.definition !== view.definition && !view.modelMissing)) return 'add';
  return told.desired === view.desired ? 'nothing' : 'desired';
}

export interface NodeSyncOptions {
  session: NodeSession;
  book: DeviceBook;
  clusterUid: string;
  clock: Clock;
  log: Logger;
  /** The edge confirmed that it has this state of the device. */
  observed?(view: DeviceView): void;
}

/** An edge that does not ask for its devices is told all of them after this long. */
const ASK_LIMIT_MS = 10_000;
/** A new device whose model is missing waits so long for it: both are often applied in one file. */
const MODEL_GRACE_MS = 1000;
/** Entries of one answer; the rest follows in single messages, so that no frame is too large. */
const DETAIL_BYTES = 4 * 1024 * 1024;

export class NodeSync {
  readonly #options: NodeSyncOptions;
  readonly #told = new Map<string, Told>();
  readonly #dirty = new Set<string>();
  readonly #waited = new Set<string>();
  readonly #timers = new Set<Timer>();
  #phase: 'waiting' | 'snapshot' | 'live' = 'waiting';

  constructor(options: NodeSyncOptions) {
    this.#options = options;
    this.#after(ASK_LIMIT_MS, () => this.#tellAll());
    options.session.signal.addEventListener('abort', () => this.#stop(), { once: true });
  }

  /** The edge asked `membership/detail`; `known` is device uid -> hash when it is one of ours and knows this cluster. */
  answerDetail(known: ReadonlyMap<string, string>): void {
    const { session } = this.#options;
    this.#phase = 'snapshot';
    let told = new Map<string, { view: DeviceView; told: Told }>();
    const done = (): void => {
      for (const name of [...this.#told.keys()]) if (!told.has(name)) this.#dirty.add(name);
      for (const state of told.values()) this.#confirm(state.view, state.told);
      this.#goLive();
    };
    session.offer({
      key: membershipDetail,
      unacked: session.peer === 'kubeedge',
      make: () => {
        const { message, state } = this.#detail(known);
        told = state;
        if (session.peer === 'kubeedge') done();
        return message;
      },
      onAck: done,
    });
  }

  /** The binding of `name` on this node, or what is known of the device, may have changed. */
  changed(name: string): void {
    const { session } = this.#options;
    if (session.signal.aborted || this.#phase === 'waiting') return;
    if (this.#phase === 'snapshot') return void this.#dirty.add(name);
    let next: (() => void) | undefined;
    const settle = (): void => {
      const sent = next;
      next = undefined;
      sent?.();
    };
    session.offer({
      key: `device/${name}`,
      unacked: session.peer === 'kubeedge',
      make: () => {
        const step = this.#step(name);
        next = step?.done;
        if (session.peer === 'kubeedge') settle();
        return step?.message;
      },
      onAck: settle,
    });
  }

  #step(name: string): { message: BeehiveMessage; done: () => void } | undefined {
    const { session, book } = this.#options;
    const view = book.bound(session.node, name);
    const told = this.#told.get(name);
    const step = nextStep(told, view, session.peer);
    if (step === 'nothing' || (step === 'add' && view !== undefined && this.#waitsForModel(view, told))) return undefined;
    this.#options.log.debug('device.down', { node: session.node, device: name, step, version: view?.resourceVersion });
    const dialect = this.#dialect();
    if (step === 'remove' || view === undefined) {
      const done = (): void => {
        this.#told.delete(name);
        if (view !== undefined) this.changed(name);
      };
      return { message: membershipMessage(dialect.now, { removed: [name] }), done };
    }
    const message =
      step === 'add'
        ? membershipMessage(dialect.now, { added: [deviceEntry(view, dialect)] })
        : desiredMessage(view, told?.twins ?? [], dialect);
    // After `desired` the edge still has the definition that it was told before.
    const definition = step === 'desired' ? (told?.definition ?? view.definition) : view.definition;
    return { message, done: () => this.#confirm(view, { ...toldOf(view), definition }) };
  }

  #confirm(view: DeviceView, told: Told): void {
    this.#told.set(view.name, told);
    this.#options.observed?.(view);
  }

  #waitsForModel(view: DeviceView, told: Told | undefined): boolean {
    if (!view.modelMissing || told !== undefined || this.#waited.has(view.uid)) return false;
    this.#waited.add(view.uid);
    this.#after(MODEL_GRACE_MS, () => this.changed(view.name));
    return true;
  }

  #detail(known: ReadonlyMap<string, string>): { message: BeehiveMessage; state: Map<string, { view: DeviceView; told: Told }> } {
    const { session, book, clusterUid } = this.#options;
    const dialect = this.#dialect();
    const state = new Map<string, { view: DeviceView; told: Told }>();
    const devices: DeviceEntry[] = [];
    const unchanged: string[] = [];
    let bytes = 0;
    for (const view of book.boundTo(session.node)) {
      const hash = known.get(view.uid);
      // A device that lost its model is no reason to take properties away from an edge that has it.
      if (hash === view.hash || (hash !== undefined && view.modelMissing)) {
        unchanged.push(view.name);
        state.set(view.name, { view, told: { ...toldOf(view), ...(hash === view.hash ? {} : { desired: '' }) } });
        if (hash !== view.hash) this.#dirty.add(view.name);
        continue;
      }
      const entry = deviceEntry(view, dialect);
      if (session.peer === 'hivelet') bytes += JSON.stringify(entry).length;
      if (bytes > DETAIL_BYTES) {
        unchanged.push(view.name);
        this.#dirty.add(view.name);
        continue;
      }
      devices.push(entry);
      state.set(view.name, { view, told: toldOf(view) });
    }
    const removed = removedNames({ known, book, node: session.node });
    const detail: Omit<MembershipDetail, 'event_id' | 'timestamp'> =
      session.peer === 'kubeedge' ? { devices } : { devices, hivelet: { cluster_uid: clusterUid, unchanged, removed } };
    this.#options.log.info('node.snapshot', {
      node: session.node,
      devices: devices.length,
      unchanged: unchanged.length,
      removed: removed.length,
    });
    return { message: detailMessage(dialect.now, detail), state };
  }

  #tellAll(): void {
    if (this.#phase !== 'waiting') return;
    this.#options.log.warn('node.detail.not_asked', { node: this.#options.session.node, waitedMs: ASK_LIMIT_MS });
    for (const view of this.#options.book.boundTo(this.#options.session.node)) this.#dirty.add(view.name);
    this.#goLive();
  }

  #goLive(): void {
    this.#phase = 'live';
    const names = [...this.#dirty];
    this.#dirty.clear();
    for (const name of names) this.changed(name);
  }

  #dialect(): Dialect {
    const { session, clusterUid, clock } = this.#options;
    return { peer: session.peer, clusterUid, now: clock.now() };
  }

  #after(ms: number, fire: () => void): void {
    const timer = this.#options.clock.timer(ms, () => {
      this.#timers.delete(timer);
      fire();
    });
    this.#timers.add(timer);
  }

  #stop(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }
}

function toldOf({ uid, definition, desired, twins }: DeviceView): Told {
  return { uid, definition, desired, twins };
}

/** Names that the edge knows by uid and that are positively gone from this node: deleted, or bound elsewhere. */
function removedNames({ known, book, node }: { known: ReadonlyMap<string, string>; book: DeviceBook; node: string }): string[] {
  const names = new Set<string>();
  for (const uid of known.keys()) {
    const name = book.byUid(uid)?.name ?? book.grave(uid)?.name;
    if (name !== undefined && book.bound(node, name) === undefined) names.add(name);
  }
  return [...names];
}

/** Owns what waits to be sent over one link: order per key, coalescing, a window of unacknowledged messages, re-sending. */
import type { Clock, Timer } from '#beehive/clock.ts';
import { backoff } from '#beehive/retry.ts';
import { ACK_TIMEOUT_MS, WINDOW } from './handshake.ts';
import type { BeehiveMessage } from './message.ts';
import { operation } from './resources.ts';

export interface WindowEntry {
  /** Entries of one key are sent in the order offered; while one is in flight the next one waits. */
  key: string;
  /** Called when its turn has come, so that it can tell the newest state; undefined = nothing to say any more, the entry is done. */
  make(): BeehiveMessage | undefined;
  /**
   * True for ordered streams: it is never replaced by a newer entry of its key, and several of its key may be in flight.
   * A state entry (the default) that still waits is replaced by a newer one; the callbacks of the replaced entry are never called.
   */
  keep?: boolean;
  /** True for peers that do not acknowledge: done as soon as it was sent. */
  unacked?: boolean;
  onAck?(answer: BeehiveMessage): void;
  /** The peer refused it. Default: sent again with back-off (1 s to 60 s); `drop` gives it up. */
  onError?(answer: BeehiveMessage): 'retry' | 'drop';
  /** How often it is sent at most while no answer comes; default: until one does. */
  tries?: number;
  /** It was sent `tries` times in vain, and is no longer offered. */
  onGiveUp?(): void;
}

export interface AckWindowOptions {
  clock: Clock;
  /** Hands one frame to the link; must not throw. */
  send(message: BeehiveMessage): void;
  /** Unacknowledged messages in flight. */
  window?: number;
  ackTimeoutMs?: number;
  /** Entries waiting or in flight; `offer` answers false beyond it. */
  limit?: number;
  /** Told of each message that is sent again because no answer came. */
  onResend?(message: BeehiveMessage): void;
}

interface Flight {
  entry: WindowEntry;
  message: BeehiveMessage;
  deadlineMs: number;
  /** How often it was sent. */
  sent: number;
}

/** Everything of one key. */
interface Lane {
  waiting: WindowEntry[];
  inFlight: number;
  /** Set while the lane pauses after an error. */
  pause?: Timer;
  waits?: Generator<number, never>;
}

const ERROR_BACKOFF_MS = { first: 1000, max: 60_000 };

export class AckWindow {
  readonly #clock: Clock;
  readonly #options: AckWindowOptions;
  readonly #window: number;
  readonly #ackTimeoutMs: number;
  readonly #limit: number;
  readonly #lanes = new Map<string, Lane>();
  /** Keys whose next entry may be sent, first come first served. */
  readonly #ready = new Set<string>();
  /** By message id, oldest deadline first: a message that is sent again moves to the end. */
  readonly #flights = new Map<string, Flight>();
  #size = 0;
  #timer: Timer | undefined;
  #pumping = false;
  #open = true;
  #paused = false;

  constructor(options: AckWindowOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#window = options.window ?? WINDOW;
    this.#ackTimeoutMs = options.ackTimeoutMs ?? ACK_TIMEOUT_MS;
    this.#limit = options.limit ?? 100_000;
  }

  /** Entries waiting or in flight. */
  get size(): number {
    return this.#size;
  }

  get inFlight(): number {
    return this.#flights.size;
  }

  /** False when it was not taken: closed, or the limit is reached. */
  offer(entry: WindowEntry): boolean {
    if (!this.#open) return false;
    const lane = this.#lane(entry.key);
    if (entry.keep !== true) this.#replaceWaiting(lane);
    if (this.#size >= this.#limit) {
      this.#settleLane(entry.key, lane);
      return false;
    }
    lane.waiting.push(entry);
    this.#size += 1;
    this.#settleLane(entry.key, lane);
    this.#pump();
    return true;
  }

  /** The link is new and this is all there is to say: forgets what waited or was in flight, queues `entries`, and sends. */
  replaceAll(entries: Iterable<WindowEntry>): void {
    this.#clear();
    this.#paused = true;
    for (const entry of entries) this.offer(entry);
    this.resume();
  }

  /** Takes an answer (operation `response` or `error` with a parent id). False when it belongs to nothing in flight. */
  settle(message: BeehiveMessage): boolean {
    const parent = message.header.parent_msg_id;
    const flight = parent === undefined ? undefined : this.#flights.get(parent);
    if (parent === undefined || flight === undefined) return false;
    const failed = message.route.operation === operation.error;
    if (!failed && message.route.operation !== operation.response) return false;
    const { entry } = flight;
    this.#land(parent, flight);
    if (!failed) {
      delete this.#lane(entry.key).waits;
      entry.onAck?.(message);
    } else if (entry.onError?.(message) !== 'drop') this.#retryLater(entry, this.#lane(entry.key));
    this.#settleLane(entry.key, this.#lane(entry.key));
    this.#pump();
    return true;
  }

  /** The link is down: nothing is sent and nothing times out; what was in flight waits again, before what waited already. */
  pause(): void {
    this.#paused = true;
    for (const [id, flight] of [...this.#flights].reverse()) {
      this.#land(id, flight);
      this.#requeue(flight.entry, this.#lane(flight.entry.key));
    }
    for (const [key, lane] of this.#lanes) this.#settleLane(key, lane);
    this.#arm();
  }

  resume(): void {
    if (!this.#open) return;
    this.#paused = false;
    this.#pump();
  }

  /** Idempotent; nothing is sent and no callback is called afterwards. */
  close(): void {
    this.#open = false;
    this.#clear();
  }

  #clear(): void {
    for (const lane of this.#lanes.values()) lane.pause?.cancel();
    this.#lanes.clear();
    this.#ready.clear();
    this.#flights.clear();
    this.#size = 0;
    this.#arm();
  }

  #lane(key: string): Lane {
    let lane = this.#lanes.get(key);
    if (lane === undefined) this.#lanes.set(key, (lane = { waiting: [], inFlight: 0 }));
    return lane;
  }

  #replaceWaiting(lane: Lane): void {
    const kept = lane.waiting.filter((waiting) => waiting.keep === true);
    this.#size -= lane.waiting.length - kept.length;
    lane.waiting = kept;
  }

  /** Puts the lane where it belongs after any change: ready, blocked, or gone. */
  #settleLane(key: string, lane: Lane): void {
    if (this.#lanes.get(key) !== lane) return;
    const next = lane.waiting[0];
    if (next === undefined && lane.inFlight === 0 && lane.pause === undefined) this.#lanes.delete(key);
    const free = lane.inFlight === 0 || next?.keep === true;
    if (next !== undefined && lane.pause === undefined && free) this.#ready.add(key);
    else this.#ready.delete(key);
  }

  #pump(): void {
    // A callback of an entry may offer another one: the loop that runs already takes it.
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#open && !this.#paused && this.#flights.size < this.#window) {
        const [key] = this.#ready;
        if (key === undefined) break;
        this.#sendNext(key, this.#lane(key));
      }
    } finally {
      this.#pumping = false;
    }
    this.#arm();
  }

  #sendNext(key: string, lane: Lane): void {
    const entry = lane.waiting.shift();
    // To the end, so that a long stream does not starve the other keys.
    this.#ready.delete(key);
    if (entry === undefined) return this.#settleLane(key, lane);
    this.#size -= 1;
    const message = entry.make();
    if (message !== undefined && entry.unacked !== true) {
      this.#size += 1;
      lane.inFlight += 1;
      this.#flights.set(message.header.msg_id, { entry, message, deadlineMs: this.#clock.monotonic() + this.#ackTimeoutMs, sent: 1 });
    }
    this.#settleLane(key, lane);
    if (message !== undefined) this.#options.send(message);
  }

  #land(id: string, flight: Flight): void {
    this.#flights.delete(id);
    this.#size -= 1;
    this.#lane(flight.entry.key).inFlight -= 1;
  }

  /** Back to the front of its lane, unless newer state waits there. */
  #requeue(entry: WindowEntry, lane: Lane): void {
    if (entry.keep !== true && lane.waiting.some((waiting) => waiting.keep !== true)) return;
    lane.waiting.unshift(entry);
    this.#size += 1;
  }

  #retryLater(entry: WindowEntry, lane: Lane): void {
    this.#requeue(entry, lane);
    lane.waits ??= backoff(ERROR_BACKOFF_MS.first, ERROR_BACKOFF_MS.max, () => this.#clock.random());
    lane.pause?.cancel();
    lane.pause = this.#clock.timer(lane.waits.next().value, () => {
      delete lane.pause;
      this.#settleLane(entry.key, lane);
      this.#pump();
    });
  }

  /** One timer for the oldest flight. */
  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const [oldest] = this.#flights.values();
    if (oldest === undefined) return;
    this.#timer = this.#clock.timer(Math.max(0, oldest.deadlineMs - this.#clock.monotonic()), () => this.#resendLate());
  }

  #resendLate(): void {
    const now = this.#clock.monotonic();
    const late = new Set<string>();
    const given: WindowEntry[] = [];
    for (const flight of this.#flights.values()) if (flight.deadlineMs <= now) late.add(flight.entry.key);
    // All of a late key, in order: in a stream nothing may overtake the one that was lost.
    for (const [id, flight] of [...this.#flights]) {
      if (!late.has(flight.entry.key)) continue;
      if (flight.sent >= (flight.entry.tries ?? Infinity)) {
        this.#land(id, flight);
        this.#settleLane(flight.entry.key, this.#lane(flight.entry.key));
        given.push(flight.entry);
        continue;
      }
      this.#flights.delete(id);
      this.#flights.set(id, { ...flight, deadlineMs: now + this.#ackTimeoutMs, sent: flight.sent + 1 });
      this.#options.onResend?.(flight.message);
      this.#options.send(flight.message);
    }
    this.#pump();
    for (const entry of given) entry.onGiveUp?.();
  }
}

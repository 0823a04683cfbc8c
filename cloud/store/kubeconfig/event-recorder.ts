/** Owns telling people what happened: core/v1 Events about objects, counted when they repeat, bounded per object, in total and in memory. */
import type { Clock } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';
import { backoff } from '#beehive/retry.ts';
import { events, isKubeError, type KubeApi, type KubeObject } from '../kube-api.ts';

export interface HappenedEvent {
  type: 'Normal' | 'Warning';
  /** One CamelCase word for programs. */
  reason: string;
  /** One sentence for people. */
  message: string;
}

/** The object that an event is about, as `involvedObject` names it. */
export interface Involved {
  apiVersion: string;
  kind: string;
  /** Absent for cluster-scoped kinds. */
  namespace?: string;
  name: string;
  uid?: string;
}

/** What controllers see of it. */
export interface EventSink {
  /** Never throws and never waits; events beyond the bounds are counted and left out. */
  record(about: Involved, event: HappenedEvent): void;
}

export interface EventRecorderOptions {
  api: KubeApi;
  clock: Clock;
  log: Logger;
  /** Ends it; what waits then is left out. */
  signal: AbortSignal;
  /** Shown as the source of the events, such as `devicecontroller`. */
  component: string;
}

interface Entry {
  readonly about: Involved;
  readonly event: HappenedEvent;
  count: number;
  firstMs: number;
  lastMs: number;
  /** Failed attempts in a row. */
  tries: number;
  /** Of the Event object, once it exists. */
  name?: string;
}

/** Events of one object in a row, and how long each takes to come back. */
const BURST = 25;
const REFILL_MS = 60_000;
/** All events together: so many in a row, then so many a second. */
const TOTAL_BURST = 25;
const TOTAL_PER_S = 5;
/** Events remembered, so that a repetition is counted in the same object; objects whose rate is watched; events that wait. */
const MAX_KNOWN = 2000;
const MAX_BUCKETS = 4000;
const MAX_WAITING = 500;
const MAX_MESSAGE = 1000;
/** With the pauses below about as long as people remember. */
const MAX_TRIES = 20;
const RETRY_MS = { first: 500, max: 30_000 };
/** How often it is said that events were left out. */
const TELL_MS = 60_000;

export class EventRecorder implements EventSink {
  readonly #options: EventRecorderOptions;
  /** By object and text, the least recently used first. */
  readonly #known = new Map<string, Entry>();
  readonly #waiting = new Set<Entry>();
  readonly #buckets = new Map<string, Bucket>();
  readonly #total: Bucket;
  #sending = false;
  #made = 0;
  #dropped = 0;
  #toldAtMs = -Infinity;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#total = new Bucket({ burst: TOTAL_BURST, refillMs: 1000 / TOTAL_PER_S }, options.clock.monotonic());
  }

  /** Events left out since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  record(about: Involved, event: HappenedEvent): void {
    const { clock, signal } = this.#options;
    if (signal.aborted) return;
    const entry = this.#entryOf(about, { ...event, message: event.message.slice(0, MAX_MESSAGE) });
    entry.count += 1;
    entry.lastMs = clock.now();
    if (this.#waiting.has(entry)) return;
    if (this.#waiting.size >= MAX_WAITING || !this.#bucketOf(about).take(clock.monotonic())) return this.#leaveOut();
    this.#waiting.add(entry);
    if (!this.#sending) void this.#send();
  }

  /** Never rejects. One request at a time: events are never worth more. */
  async #send(): Promise<void> {
    const { clock, log, signal } = this.#options;
    let pauses = this.#pauses();
    this.#sending = true;
    try {
      for (const entry of this.#waiting) {
        const waitMs = this.#total.waitMs(clock.monotonic());
        if (waitMs > 0) await clock.sleep(waitMs, signal);
        this.#total.take(clock.monotonic());
        this.#waiting.delete(entry);
        try {
          await this.#write(entry);
          entry.tries = 0;
          pauses = this.#pauses();
        } catch (error) {
          signal.throwIfAborted();
          log.debug('event.failed', { reason: entry.event.reason, object: entry.about.name, error });
          // Its namespace is gone or going, or the server does not want it: it will not want it later either.
          const final = isKubeError(error, 'NotFound', 'Forbidden', 'Invalid', 'BadRequest');
          if (final || ++entry.tries >= MAX_TRIES) this.#leaveOut();
          else {
            this.#waiting.add(entry);
            await clock.sleep(pauses.next().value, signal);
          }
        }
      }
    } catch {
      // Stopped while it waited.
      this.#waiting.clear();
    }
    this.#sending = false;
  }

  async #write(entry: Entry): Promise<void> {
    const { api, signal } = this.#options;
    const namespace = entry.about.namespace ?? 'default';
    const { count, lastMs } = entry;
    if (entry.name !== undefined) {
      const body = { count, lastTimestamp: timeText(lastMs) };
      try {
        await api.patch(events, { namespace, name: entry.name }, { type: 'merge', body, signal });
        return;
      } catch (error) {
        if (!isKubeError(error, 'NotFound')) throw error;
        // It has expired: this is a new one.
        delete entry.name;
        entry.count = 1;
        entry.firstMs = lastMs;
      }
    }
    const object = this.#objectOf(entry, namespace);
    await api.create(events, object, { signal });
    entry.name = object.metadata.name;
  }

  #objectOf({ about, event, count, firstMs, lastMs }: Entry, namespace: string): KubeObject {
    const { clock, component } = this.#options;
    // Unique like client-go's: the object's name and a number that grows.
    const unique = (
      BigInt(Math.trunc(clock.now())) * 1_000_000n +
      BigInt(this.#made++ % 1000) * 1000n +
      BigInt(Math.floor(clock.random() * 1000))
    ).toString(16);
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${about.name.slice(0, 230)}.${unique}`, namespace },
      involvedObject: { ...about },
      ...event,
      source: { component },
      reportingComponent: component,
      reportingInstance: '',
      firstTimestamp: timeText(firstMs),
      lastTimestamp: timeText(lastMs),
      eventTime: null,
      count,
    };
  }

  #entryOf(about: Involved, event: HappenedEvent): Entry {
    const key = [objectKey(about), event.type, event.reason, event.message].join('\n');
    const now = this.#options.clock.now();
    const entry = this.#known.get(key) ?? { about, event, count: 0, firstMs: now, lastMs: now, tries: 0 };
    remember(this.#known, { key, value: entry, limit: MAX_KNOWN });
    return entry;
  }

  #bucketOf(about: Involved): Bucket {
    const key = objectKey(about);
    const bucket = this.#buckets.get(key) ?? new Bucket({ burst: BURST, refillMs: REFILL_MS }, this.#options.clock.monotonic());
    remember(this.#buckets, { key, value: bucket, limit: MAX_BUCKETS });
    return bucket;
  }

  #leaveOut(): void {
    const { clock, log } = this.#options;
    this.#dropped += 1;
    if (clock.monotonic() - this.#toldAtMs < TELL_MS) return;
    this.#toldAtMs = clock.monotonic();
    log.info('events.left_out', { total: this.#dropped });
  }

  #pauses(): Generator<number, never> {
    return backoff(RETRY_MS.first, RETRY_MS.max, () => this.#options.clock.random());
  }
}

/** Tokens that come back one by one. */
class Bucket {
  readonly #burst: number;
  readonly #refillMs: number;
  #tokens: number;
  #filledAtMs: number;

  constructor({ burst, refillMs }: { burst: number; refillMs: number }, nowMs: number) {
    this.#burst = burst;
    this.#refillMs = refillMs;
    this.#tokens = burst;
    this.#filledAtMs = nowMs;
  }

  /** False when there is none. */
  take(nowMs: number): boolean {
    this.#fill(nowMs);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Until there is one. */
  waitMs(nowMs: number): number {
    this.#fill(nowMs);
    return Math.ceil(Math.max(0, 1 - this.#tokens) * this.#refillMs);
  }

  #fill(nowMs: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#filledAtMs) / this.#refillMs);
    this.#filledAtMs = nowMs;
  }
}

/** The name under which events of an object are found: with its uid, so that a namesake made later starts afresh. */
export function involvedIn(object: KubeObject): Involved {
  const { namespace, name, uid } = object.metadata;
  return {
    apiVersion: object.apiVersion,
    kind: object.kind,
    ...(namespace === undefined ? {} : { namespace }),
    name,
    ...(uid === undefined ? {} : { uid }),
  };
}

function objectKey({ kind, namespace = '', name, uid = '' }: Involved): string {
  return `${kind}/${namespace}/${name}/${uid}`;
}

/** Puts it last; beyond the limit the first one goes. */
function remember<T>(map: Map<string, T>, { key, value, limit }: { key: string; value: T; limit: number }): void {
  map.delete(key);
  map.set(key, value);
  const [first] = map.keys();
  if (map.size > limit && first !== undefined) map.delete(first);
}

function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

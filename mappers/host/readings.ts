/** Owns what becomes of a device's readings: values with their time go to the twin, points that fail make theirs stale or bad. */
import type { Clock } from '#beehive/clock.ts';
import { HiveletError, isHiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import type { Reading } from '../contract.ts';
import type { Binding, BoundPoint } from './binding.ts';
import { toText } from './convert.ts';
import type { Reporter } from './reporter.ts';

export interface ReadingsDeps {
  binding: Binding;
  reporter: Reporter;
  clock: Clock;
  log: Logger;
  /** A good value. */
  readonly shown: (name: string, text: string) => void;
  /** The point failed. */
  readonly unseen: (name: string, error: string) => void;
}

/** A point that nobody answers for keeps its value so many cycles before that is stale: one lost answer is no news. */
const CYCLES = 2;
/** Cycles are measured from timer to timer. */
const SLACK_MS = 50;

export class Readings {
  readonly #deps: ReadingsDeps;
  /** Points that failed when they were last read, in order: name -> error. */
  readonly failing: Map<string, string>;
  /** Monotonic ms of the last good reading. */
  readonly #goodAt = new Map<string, number>();
  /** What the device's own clock said of it, where it has one. */
  readonly #takenAt = new Map<string, number>();

  constructor(deps: ReadingsDeps) {
    this.#deps = deps;
    this.failing = new Map(deps.binding.faults);
    const properties = new Set(deps.reporter.properties);
    for (const [name, reason] of deps.binding.faults) if (properties.has(name)) deps.reporter.doubt(name, { word: 'bad', reason });
  }

  /** One answer of the device, or one push of it. Nothing is published yet. */
  take(readings: readonly Reading[]): void {
    const { clock, binding } = this.#deps;
    const [now, monotonic] = [clock.now(), clock.monotonic()];
    for (const reading of readings) {
      const bound = binding.points.get(reading.name);
      if (bound === undefined) continue;
      try {
        this.#good(reading, bound, now);
        this.#goodAt.set(reading.name, monotonic);
        if ('at' in reading && reading.at !== undefined) this.#takenAt.set(reading.name, reading.at);
      } catch (error) {
        if (!isHiveletError(error)) throw error;
        this.#failed(bound, error, monotonic);
      }
    }
  }

  /** Taken by the device before what it answered last: pushes overtake no answer, but answers overtake pushes. */
  isOlder(reading: Reading): boolean {
    return 'at' in reading && reading.at !== undefined && reading.at < (this.#takenAt.get(reading.name) ?? -Infinity);
  }

  /** The device does not answer any more. */
  gone(reason: string): void {
    this.#deps.reporter.allStale(reason);
    this.#deps.reporter.flush();
  }

  #good(reading: Reading, { property, scale }: BoundPoint, now: number): void {
    if ('error' in reading) throw new HiveletError(reading.answered ? 'POINT_REJECTED' : 'DEVICE_UNREACHABLE', reading.error);
    const { name, value, at = now, quality } = reading;
    const { reporter, shown } = this.#deps;
    const text = toText(property.type, value, scale);
    if (this.failing.size > 0) this.failing.delete(name);
    if (quality === undefined) reporter.show(name, text, at);
    else reporter.showDoubtful(name, { text, at, doubt: quality });
    shown(name, text);
  }

  #failed({ point: { name }, collectCycleMs }: BoundPoint, error: HiveletError, now: number): void {
    const { log, reporter, unseen } = this.#deps;
    const reason = messageOf(error);
    if (!this.failing.has(name)) log.warn('mapper.point.failed', { property: name, error });
    this.failing.set(name, reason);
    const age = now - (this.#goodAt.get(name) ?? -Infinity);
    if (error.code !== 'DEVICE_UNREACHABLE') reporter.doubt(name, { word: 'bad', reason });
    else if (age >= CYCLES * collectCycleMs - SLACK_MS) reporter.doubt(name, { word: 'stale', reason });
    unseen(name, reason);
  }
}

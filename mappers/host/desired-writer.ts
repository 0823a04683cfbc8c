/** Owns the writes of one device: runs the desired-value machine of each property against the device. */
import type { Clock, Timer } from '#beehive/clock.ts';
import { isHiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { backoff } from '#beehive/retry.ts';
import { sameValue } from '#device-models/values.ts';
import type { WriteOutcome, WriteResult } from '#wire/write-outcome.ts';
import type { PropertyValue } from '../contract.ts';
import { Background } from './abortable.ts';
import type { BoundPoint } from './binding.ts';
import { normalised, toDevice } from './convert.ts';
import { NO_DESIRED, sameVersion, stepDesired, type DesiredInput, type DesiredState, type Version } from './desired.ts';
import { FIRST_RETRY_MS, LAST_RETRY_MS } from './link.ts';
import type { KnownTwin } from './twin-messages.ts';

export interface DesiredWriterDeps {
  points: ReadonlyMap<string, BoundPoint>;
  clock: Clock;
  log: Logger;
  /** Why the device cannot be written now, in one sentence: writes wait until it can. */
  obstacle(): string | undefined;
  /** Writes, then reads the point back. */
  write(bound: BoundPoint, value: PropertyValue): Promise<void>;
  /** The refusals changed. */
  changed(): void;
  /** Something is known of a desired value; at most once per version and result. */
  outcome(name: string, outcome: WriteOutcome): void;
}

interface Wish {
  state: DesiredState;
  timer?: Timer;
  pauses?: Generator<number, never>;
  /** Monotonic ms: when this version came, and when the device took it. */
  gotAt: number;
  takenAt?: number | undefined;
  /** What was said of this version last. */
  told?: WriteResult | undefined;
}

/** A device that took a value but shows another one so long after is not just slow. */
const DIFFERS_AFTER_MS = 5000;
const MAX_REASON = 500;

export class DesiredWriter {
  readonly #deps: DesiredWriterDeps;
  readonly #wishes = new Map<string, Wish>();
  readonly #background = new Background();
  #stopped = false;

  constructor(deps: DesiredWriterDeps) {
    this.#deps = deps;
  }

  /** The twin's answer to our question: what is desired, and what of it was reached before. */
  known(twins: ReadonlyMap<string, KnownTwin>): void {
    for (const [name, bound] of this.#deps.points) {
      const { expected, actual } = twins.get(name) ?? {};
      if (expected === undefined || !isValue(bound, expected.text)) this.#step(name, { kind: 'withdrawn' });
      else {
        const settled = expected.settled || (actual !== undefined && this.#isSame(bound, actual, expected.text));
        this.#step(name, { kind: 'known', version: { text: expected.text, stamp: expected.stamp }, settled });
      }
    }
  }

  /** A delta: `expected` are all names with a desired value. */
  wanted(wanted: ReadonlyMap<string, Version>, expected: ReadonlySet<string>): void {
    for (const [name, bound] of this.#deps.points) {
      const version = wanted.get(name);
      if (version !== undefined && isValue(bound, version.text)) this.#step(name, { kind: 'wanted', version });
      else if (!expected.has(name)) this.#step(name, { kind: 'withdrawn' });
    }
  }

  /** The device showed a value. */
  shown(name: string, text: string): void {
    const bound = this.#deps.points.get(name);
    const state = this.#wishes.get(name)?.state;
    if (bound === undefined || state === undefined || state.phase === 'none') return;
    const same = this.#isSame(bound, text, state.version.text);
    this.#step(name, { kind: 'shown', same });
    const wish = this.#wishes.get(name);
    if (wish === undefined) return;
    const late = this.#deps.clock.monotonic() - (wish.takenAt ?? Infinity) >= DIFFERS_AFTER_MS;
    if (same && wish.state.phase === 'settled') this.#tell(name, 'reached', { observed: text });
    else if (!same && late && wish.state.phase === 'written') this.#tell(name, 'differs', { observed: text });
  }

  /** The point could not be read: what was written to it long enough ago will not be seen. */
  unseen(name: string, error: string): void {
    const wish = this.#wishes.get(name);
    if (wish?.state.phase !== 'written' || this.#deps.clock.monotonic() - (wish.takenAt ?? Infinity) < DIFFERS_AFTER_MS) return;
    this.#tell(name, 'differs', { reason: `it cannot be read back: ${error}` });
  }

  /** The device went away: what it held is in doubt. */
  away(): void {
    for (const [name, wish] of this.#wishes) {
      wish.timer?.cancel();
      this.#step(name, { kind: 'away' });
    }
  }

  /** It is back: writes that waited start. */
  back(): void {
    for (const name of this.#wishes.keys()) this.#start(name);
  }

  /** One sentence per desired value that is not written. */
  refusals(): string[] {
    const reasons: string[] = [];
    for (const { state } of this.#wishes.values()) if (state.phase === 'refused') reasons.push(state.reason);
    return reasons;
  }

  /** Resolves when no write is under way; those that are have to be aborted by the caller. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const wish of this.#wishes.values()) wish.timer?.cancel();
    await this.#background.settled();
  }

  #step(name: string, input: DesiredInput): void {
    const known = this.#wishes.get(name);
    // Most properties are never desired.
    if (known === undefined && input.kind === 'withdrawn') return;
    const wish = known ?? { state: NO_DESIRED, gotAt: 0 };
    const before = wish.state;
    const { state, effect } = stepDesired(before, input);
    wish.state = state;
    this.#wishes.set(name, wish);
    if (before.phase === 'none' || state.phase === 'none' || !sameVersion(before.version, state.version)) {
      this.#forgetPauses(wish);
      // What was reached in an earlier life is no news.
      Object.assign(wish, {
        gotAt: this.#deps.clock.monotonic(),
        takenAt: undefined,
        told: state.phase === 'settled' ? 'reached' : undefined,
      });
    }
    if (state.phase === 'written' && before.phase !== 'written') wish.takenAt = this.#deps.clock.monotonic();
    if (effect === 'write') this.#start(name);
    if (effect === 'retry') this.#pause(name, wish);
    if (effect === 'refusal' && state.phase === 'refused')
      this.#deps.log.warn('mapper.desired.refused', { property: name, desired: state.version.text, reason: state.reason });
    if (before.phase === 'refused' || state.phase === 'refused') this.#deps.changed();
  }

  #tell(name: string, result: WriteResult, { observed, reason }: { observed?: string; reason?: string }): void {
    const wish = this.#wishes.get(name);
    if (wish === undefined || wish.state.phase === 'none' || wish.told === result) return;
    wish.told = result;
    const { text, stamp } = wish.state.version;
    const wrote = result !== 'reached' || wish.takenAt !== undefined;
    this.#deps.outcome(name, {
      desired: text,
      stamp,
      result,
      ...(observed === undefined ? {} : { observed }),
      ...(wrote ? { ms: Math.round(this.#deps.clock.monotonic() - wish.gotAt) } : {}),
      ...(reason === undefined ? {} : { reason: reason.slice(0, MAX_REASON) }),
    });
  }

  #forgetPauses(wish: Wish): void {
    wish.timer?.cancel();
    delete wish.pauses;
  }

  #pause(name: string, wish: Wish): void {
    wish.pauses ??= backoff(FIRST_RETRY_MS, LAST_RETRY_MS, () => this.#deps.clock.random());
    wish.timer = this.#deps.clock.timer(wish.pauses.next().value, () => this.#step(name, { kind: 'retry' }));
  }

  #start(name: string): void {
    const bound = this.#deps.points.get(name);
    const wish = this.#wishes.get(name);
    if (this.#stopped || bound === undefined || wish?.state.phase !== 'pending') return;
    const obstacle = this.#deps.obstacle();
    if (obstacle !== undefined) {
      // Who set it waits for an answer; a write that failed before has told enough.
      if (wish.told === undefined) this.#tell(name, 'failed', { reason: obstacle });
      return;
    }
    this.#step(name, { kind: 'started' });
    this.#background.run(this.#write(name, bound, wish.state.version));
  }

  /** Never rejects: every outcome is an input of the machine. */
  async #write(name: string, bound: BoundPoint, { text }: Version): Promise<void> {
    const { log } = this.#deps;
    try {
      await this.#deps.write(bound, toDevice(bound.property, text, bound.scale));
      log.info('mapper.desired.written', { property: name, desired: text });
      this.#step(name, { kind: 'taken' });
    } catch (error) {
      if (this.#stopped) return;
      const reason = messageOf(error);
      const byDevice = isHiveletError(error, 'POINT_REJECTED');
      const refused = byDevice || isHiveletError(error, 'VALUE_INVALID');
      if (!refused) log.debug('mapper.desired.failed', { property: name, desired: text, error });
      this.#step(name, refused ? { kind: 'refused', reason, byDevice } : { kind: 'failed', reason });
      const facts = isHiveletError(error) ? error.facts : {};
      const phase = this.#wishes.get(name)?.state.phase;
      const news = { reason: typeof facts.why === 'string' ? facts.why : reason };
      if (refused && phase === 'refused') this.#tell(name, 'refused', news);
      if (!refused && phase === 'waiting') this.#tell(name, facts.timedOut === true ? 'timedOut' : 'failed', news);
    }
  }

  #isSame({ property: { type, tolerance } }: BoundPoint, shown: string, desired: string): boolean {
    return sameValue(type, shown, normalised(type, desired), tolerance);
  }
}

/** `''` is a value for strings only. */
function isValue({ property }: BoundPoint, text: string): boolean {
  return text !== '' || property.type === 'string';
}

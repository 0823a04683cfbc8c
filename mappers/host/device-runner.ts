/** Owns one device: reads it in its cycles, writes what is desired, reports values and state. */
import { setMaxListeners } from 'node:events';
import type { Clock, Timer } from '#beehive/clock.ts';
import { HiveletError, isHiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { backoff } from '#beehive/retry.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import type { Connection, Point, PropertyValue, PubSub, Reading } from '../contract.ts';
import { Alarm, Background } from './abortable.ts';
import type { Binding, BoundPoint } from './binding.ts';
import { DesiredWriter } from './desired-writer.ts';
import { afterAnswer, afterMiss, stateOf, UNTRIED, type DeviceState, type Liveness } from './device-state.ts';
import { FIRST_RETRY_MS, LAST_RETRY_MS, type Link } from './link.ts';
import { Pushes } from './pushes.ts';
import { Readings } from './readings.ts';
import { Reporter } from './reporter.ts';
import { createSchedule, type Schedule } from './schedule.ts';
import { TwinDialogue } from './twin-dialogue.ts';
import type { KnownTwin } from './twin-messages.ts';

export interface RunnerDeps {
  profile: DeviceProfile;
  binding: Binding;
  link: Link;
  mqtt: PubSub;
  clock: Clock;
  log: Logger;
  heartbeatMs: number;
}

/** After one unanswered attempt the next comes soon: it tells a lost frame from a dead device. */
const CONFIRM_MS = 1000;
const CONFIRM_SHARE = 0.25;

export class DeviceRunner {
  readonly #deps: RunnerDeps;
  readonly #stopping = new AbortController();
  readonly #reporter: Reporter;
  readonly #writer: DesiredWriter;
  readonly #twin: TwinDialogue;
  readonly #schedule: Schedule;
  readonly #readings: Readings;
  readonly #pushes: Pushes;
  /** Taken from the schedule but not read, because the device did not answer. */
  readonly #owed = new Set<string>();
  /** What is asked for when these names are due. */
  readonly #asked = new WeakMap<readonly string[], readonly Point[]>();
  /** Counts writes per property: a reading that began before a write ended is older than its read-back. */
  readonly #writes = new Map<string, number>();
  #allWrites = 0;
  #liveness: Liveness = UNTRIED;
  #cycleMs = Infinity;
  /** A push ended, or cannot be believed: what it told is polled at once. */
  #hurry = false;
  /** A reading is being looked at: what settles by it is told with its values. */
  #showing = false;
  #pauses: Generator<number, never>;
  readonly #background = new Background();
  readonly #alarm: Alarm;
  /** The connection of the last reading. */
  #met: Connection | undefined;
  #learntBefore = false;
  #verdict: Timer | undefined;

  constructor(deps: RunnerDeps) {
    this.#deps = deps;
    const { profile, binding, clock, mqtt, heartbeatMs, log } = deps;
    // Each write that waits listens to it, which is no leak.
    setMaxListeners(0, this.#stopping.signal);
    this.#reporter = new Reporter({ profile, mqtt, clock, heartbeatMs });
    this.#readings = new Readings({
      binding,
      reporter: this.#reporter,
      clock,
      log,
      shown: (name, text) => this.#liveness.reachable === false || this.#writer.shown(name, text),
      unseen: (name, error) => this.#writer.unseen(name, error),
    });
    this.#writer = new DesiredWriter({
      points: binding.points,
      clock,
      log,
      obstacle: () => this.#obstacle(),
      write: (bound, value) => this.#write(bound, value),
      changed: () => this.#showState(),
      outcome: (name, outcome) => {
        this.#reporter.outcome(name, outcome);
        if (!this.#showing) this.#reporter.flush();
      },
    });
    this.#pushes = new Pushes({
      link: binding.link,
      points: [...binding.points.values()].map(({ point }) => point),
      clock,
      log,
      signal: this.#stopping.signal,
      pushed: (readings) => this.#pushed(readings),
      lost: (names) => this.#readSoon(names),
    });
    this.#twin = new TwinDialogue({
      device: profile.name,
      mqtt,
      clock,
      signal: this.#stopping.signal,
      onAnswer: (twins, askedAt) => this.#learnt(twins, askedAt),
      onDelta: ({ wanted, expected }) => this.#writer.wanted(wanted, expected),
    });
    const cycles = [...binding.points.values()].map(({ point, collectCycleMs }) => ({ name: point.name, collectCycleMs }));
    this.#schedule = createSchedule(cycles, clock.monotonic());
    deps.link.retryWithin(cycles.reduce((least, { collectCycleMs }) => Math.min(least, collectCycleMs), Infinity));
    this.#pauses = this.#newPauses();
    this.#alarm = new Alarm(clock);
  }

  start(): void {
    this.#twin.start();
    this.#background.run(this.#poll());
    if (this.#deps.binding.points.size === 0) this.#showUseless();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new HiveletError('STOPPED', `${this.#deps.profile.name} is no longer served`));
    await this.#twin.stop();
    await this.#writer.stop();
    await this.#background.settled();
    this.#reporter.stop();
    this.#forgetVerdict();
  }

  get state(): DeviceState | undefined {
    return this.#reporter.currentState;
  }

  /** Ends with the runner only. */
  async #poll(): Promise<void> {
    const { clock } = this.#deps;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        const wait = this.#nextPollAt() - clock.monotonic();
        if (wait === Infinity) return;
        if (wait > 0) await this.#alarm.wait(wait, signal);
        await this.#collect();
      } catch (error) {
        if (!signal.aborted) this.#deps.log.error('mapper.poll.failed', { error });
        // Whatever it was, a loop without a pause would be worse.
        if (!signal.aborted) await clock.sleep(CONFIRM_MS, signal).catch(() => undefined);
      }
    }
  }

  #nextPollAt(): number {
    const { clock, link } = this.#deps;
    if (this.#hurry) return clock.monotonic();
    if (this.#liveness.misses === 0) return this.#schedule.nextAt();
    const soon = Math.min(this.#cycleMs * CONFIRM_SHARE, CONFIRM_MS);
    if (this.#liveness.reachable === true) return clock.monotonic() + soon;
    // On a shared line the link decides when it can afford a probe.
    const pause = link.shared || link.watched ? soon : Math.min(this.#pauses.next().value, Math.max(this.#cycleMs, FIRST_RETRY_MS));
    return Math.max(link.retryAt, clock.monotonic() + pause);
  }

  async #collect(): Promise<void> {
    const { clock } = this.#deps;
    const { names, cycleMs } = this.#schedule.take(clock.monotonic());
    this.#cycleMs = Number.isFinite(cycleMs) ? cycleMs : this.#cycleMs;
    this.#hurry = false;
    const polled = this.#pushes.polled(names);
    const due = this.#pointsOf(this.#owed.size === 0 ? polled : [...new Set([...this.#owed, ...polled])]);
    if (due.length > 0 || this.#isQuiet(names)) await this.#ask(due);
    if (polled !== names && this.#liveness.reachable === true) this.#repeat(names);
  }

  /** All that is due is pushed, but nothing was for a cycle: is the device still there? */
  #isQuiet(names: readonly string[]): boolean {
    return names.length > 0 && this.#deps.clock.monotonic() - this.#pushes.pushedAt >= this.#cycleMs;
  }

  /** Without points: whether it answers. */
  async #ask(due: readonly Point[]): Promise<void> {
    const { link } = this.#deps;
    const { signal } = this.#stopping;
    const job = async (connection: Connection): Promise<void> => this.#read(connection, due, { signal, urgent: false });
    try {
      await (this.#liveness.reachable === false ? link.probe(job, signal) : link.read(job, signal));
    } catch (error) {
      if (signal.aborted) throw error;
      for (const { name } of due) this.#owed.add(name);
      this.#missed(error);
    }
  }

  /** What is pushed and has not changed is reported in its time as well. */
  #repeat(names: readonly string[]): void {
    for (const name of names) if (this.#pushes.names.has(name)) this.#reporter.repeat(name);
    this.#reporter.flush();
  }

  /** One that is older than an answer says nothing, unless the device's clock was set back: the device is asked what holds. */
  #pushed(readings: readonly Reading[]): void {
    const older = readings.filter((reading) => this.#readings.isOlder(reading));
    this.#showed(older.length === 0 ? readings : readings.filter((reading) => !older.includes(reading)));
    if (older.length > 0) this.#readSoon(older.map(({ name }) => name));
  }

  #readSoon(names: Iterable<string>): void {
    for (const name of names) this.#owed.add(name);
    this.#hurry = true;
    this.#alarm.ring();
  }

  /** The same array for the same one: a plugin may keep what it made of it. */
  #pointsOf(names: readonly string[]): readonly Point[] {
    let points = this.#asked.get(names);
    if (points === undefined) {
      points = names.flatMap((name) => this.#deps.binding.points.get(name)?.point ?? []);
      this.#asked.set(names, points);
    }
    return points;
  }

  async #read(connection: Connection, points: readonly Point[], options: { signal: AbortSignal; urgent: boolean }): Promise<void> {
    const before = { all: this.#allWrites, each: new Map(this.#writes) };
    const readings = await connection.read(this.#deps.binding.link, points, options);
    if (this.#owed.size > 0) for (const { name } of points) this.#owed.delete(name);
    this.#meet(connection);
    const isFresh = ({ name }: Reading): boolean => this.#writes.get(name) === before.each.get(name);
    this.#showed(before.all === this.#allWrites ? readings : readings.filter(isFresh));
    if (connection.subscribe !== undefined) this.#background.run(this.#pushes.follow(connection));
  }

  /** On another connection a forgetful device may not have what was written to it. */
  #meet(connection: Connection): void {
    const isAnother = this.#met !== undefined && this.#met !== connection;
    this.#met = connection;
    if (isAnother && this.#deps.link.forgetful) this.#writer.away();
  }

  #showed(readings: readonly Reading[]): void {
    const wasAway = this.#liveness.reachable === false;
    this.#showing = true;
    this.#readings.take(readings);
    this.#showing = false;
    this.#liveness = afterAnswer(this.#deps.clock.monotonic());
    this.#forgetVerdict();
    this.#reporter.flush();
    this.#showState();
    if (wasAway) this.#cameBack();
  }

  #missed(error: unknown): void {
    const certain = isHiveletError(error) && (error.facts.refused === true || error.code === 'PROFILE_INVALID');
    this.#silent(messageOf(error), certain);
    if (this.#liveness.reachable !== true) return;
    // The second attempt may take its time-out; two silent cycles are enough.
    const overdue = (this.#liveness.answeredAt ?? 0) + 2 * this.#cycleMs - this.#deps.clock.monotonic();
    this.#verdict ??= this.#deps.clock.timer(overdue, () => this.#silent(messageOf(error), true));
  }

  #silent(reason: string, certain: boolean): void {
    const { clock, log } = this.#deps;
    const before = this.#liveness;
    this.#liveness = afterMiss(before, { at: clock.monotonic(), cycleMs: this.#cycleMs, reason, certain });
    if (before.reachable !== false && this.#liveness.reachable === false) {
      log.warn('mapper.device.offline', { reason });
      this.#forgetVerdict();
      this.#pauses = this.#newPauses();
      this.#writer.away();
      this.#readings.gone(reason);
      // Values that did not change meanwhile are not pushed again.
      for (const name of this.#pushes.names) this.#owed.add(name);
    }
    // The next attempt may now be due earlier than the cycle says.
    this.#alarm.ring();
    this.#showState();
  }

  #forgetVerdict(): void {
    this.#verdict?.cancel();
    this.#verdict = undefined;
  }

  /** While it was away somebody may have changed or withdrawn a value: the twin is asked before anything is asserted. */
  #cameBack(): void {
    this.#deps.log.info('mapper.device.online');
    this.#twin.ask();
  }

  async #write(bound: BoundPoint, value: PropertyValue): Promise<void> {
    const { signal } = this.#stopping;
    const { name } = bound.point;
    try {
      await this.#deps.link.urgent(async (connection) => {
        await connection.write(this.#deps.binding.link, { point: bound.point, value }, { signal, urgent: true });
        this.#writes.set(name, (this.#writes.get(name) ?? 0) + 1);
        this.#allWrites++;
      }, signal);
    } catch (error) {
      if (!signal.aborted && isHiveletError(error, 'DEVICE_UNREACHABLE')) this.#missed(error);
      throw error;
    }
    this.#background.run(this.#readBack(bound));
  }

  /** The twin learns at once what the device made of it. A failure is left to the next cycle. */
  async #readBack(bound: BoundPoint): Promise<void> {
    const { signal } = this.#stopping;
    try {
      await this.#deps.link.urgent((connection) => this.#read(connection, [bound.point], { signal, urgent: true }), signal);
    } catch (error) {
      if (!signal.aborted) this.#deps.log.debug('mapper.read-back.failed', { property: bound.point.name, error });
    }
  }

  #learnt(twins: ReadonlyMap<string, KnownTwin>, askedAt: number): void {
    for (const name of this.#reporter.properties) this.#reporter.correct(name, twins.get(name), askedAt);
    this.#reporter.flush();
    this.#writer.known(twins);
    // What was reached before we started was reached over another link.
    if (!this.#learntBefore && this.#deps.link.forgetful) this.#writer.away();
    this.#learntBefore = true;
    for (const name of this.#deps.binding.points.keys()) {
      const text = this.#reporter.text(name);
      if (text !== undefined) this.#writer.shown(name, text);
    }
    this.#writer.back();
  }

  #showState(): void {
    this.#reporter.state(stateOf({ liveness: this.#liveness, failing: this.#readings.failing, refusals: this.#writer.refusals() }));
  }

  #showUseless(): void {
    const [fault] = this.#readings.failing;
    const reason = fault === undefined ? 'no property has a visitor, so there is nothing to read' : `${fault[0]}: ${fault[1]}`;
    this.#reporter.state({ word: 'unknown', reason });
  }

  #obstacle(): string | undefined {
    const { reachable, lastMiss } = this.#liveness;
    return reachable === false
      ? `the device is offline${lastMiss === undefined ? '' : ` (${lastMiss})`}: it is written when it is back`
      : undefined;
  }

  #newPauses(): Generator<number, never> {
    return backoff(FIRST_RETRY_MS, LAST_RETRY_MS, () => this.#deps.clock.random());
  }
}

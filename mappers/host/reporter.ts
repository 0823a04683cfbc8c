/** Owns what a device tells the twin: changed and due values in one message per cycle, how good they are, time series, state. */
import type { Clock, Timer } from '#beehive/clock.ts';
import type { DeviceProfile, PropertyProfile } from '#device-models/device-profile.ts';
import { sameDoubt, type Doubt } from '#wire/quality.ts';
import { deviceTopic } from '#wire/topics.ts';
import type { WriteOutcome } from '#wire/write-outcome.ts';
import type { PubSub } from '../contract.ts';
import { isTopic } from './binding.ts';
import { sameState, type DeviceState } from './device-state.ts';
import { isNews, reportAfterMs } from './report-policy.ts';
import { dataUpdate, stateUpdate, twinUpdate, type KnownTwin, type ReportedValue } from './twin-messages.ts';

export interface ReporterDeps {
  profile: DeviceProfile;
  mqtt: PubSub;
  clock: Clock;
  /** An unchanged value is reported at least this often, and so is the state; ms. Infinity: never again. */
  heartbeatMs: number;
}

/** One property: what was read last, and what of it was told. Changed in place, because a device may have a hundred of them each second. */
interface Entry {
  readonly name: string;
  readonly property: PropertyProfile | undefined;
  /** Told again when what was told is so old. */
  readonly afterMs: number;
  readonly inSeries: boolean;
  /** The last good reading, and when it was taken: unix ms. */
  text: string | undefined;
  at: number;
  doubt: Doubt | undefined;
  told: { text: string | undefined; doubt: Doubt | undefined; /** Monotonic ms. */ at: number };
  /** In the next message: the value, or only how good it is. */
  due: 'value' | 'doubt' | undefined;
  write: WriteOutcome | undefined;
}

export class Reporter {
  readonly #deps: ReporterDeps;
  readonly #entries = new Map<string, Entry>();
  readonly #series: ReadonlySet<string>;
  /** In the order in which they came. */
  readonly #due = new Set<Entry>();
  #state: DeviceState | undefined;
  #beat: Timer | undefined;

  constructor(deps: ReporterDeps) {
    this.#deps = deps;
    this.#series = new Set(isTopic(deps.profile.data?.topic ?? '') ? deps.profile.data?.properties : []);
    for (const property of deps.profile.properties) this.#entries.set(property.name, this.#newEntry(property.name, property));
  }

  /** A good reading, taken at `at` (unix ms). It goes out with the next `flush` when it is news or due. */
  show(name: string, text: string, at: number): void {
    const entry = this.#taken(name, text, at);
    entry.doubt = undefined;
    if (entry.told.doubt !== undefined || this.#isDue(entry, text)) this.#take(entry, 'value');
  }

  /** A reading that the device itself doubts. */
  showDoubtful(name: string, { text, at, doubt }: { text: string; at: number; doubt: Doubt }): void {
    const entry = this.#taken(name, text, at);
    if (this.#isDue(entry, text)) this.#take(entry, 'value');
    this.#doubt(entry, doubt);
  }

  /** The last value is not good any more. Other words for the same are told with the heartbeat only. */
  doubt(name: string, doubt: Doubt): void {
    this.#doubt(this.#entry(name), doubt);
  }

  /** Nothing is known of any value: those that were good are stale. */
  allStale(reason: string): void {
    for (const { name, property, doubt } of this.#entries.values())
      if (property?.visitor !== undefined && doubt === undefined) this.doubt(name, { word: 'stale', reason });
  }

  /** No reading, but the last one still stands (the device would have pushed another): due values go out with the time at which they were read. */
  repeat(name: string): void {
    const entry = this.#entries.get(name);
    if (entry?.text !== undefined && entry.doubt === undefined && this.#isDue(entry, entry.text)) this.#take(entry, 'value');
  }

  /** What became of a desired value; goes out with the next `flush`. */
  outcome(name: string, outcome: WriteOutcome): void {
    const entry = this.#entry(name);
    entry.write = outcome;
    this.#due.add(entry);
  }

  /** Everything that is due, in one message. */
  flush(): void {
    if (this.#due.size === 0) return;
    const { clock, mqtt, profile } = this.#deps;
    const at = clock.monotonic();
    const values: ReportedValue[] = [];
    for (const entry of this.#due) {
      // What a desired value was reached with goes along, however small a change it is.
      if (entry.write?.observed !== undefined && entry.write.observed === entry.text && entry.doubt === undefined) entry.due = 'value';
      values.push(valueOf(entry));
      if (entry.due !== undefined) entry.told = { text: entry.due === 'value' ? entry.text : entry.told.text, doubt: entry.doubt, at };
      entry.due = undefined;
      entry.write = undefined;
    }
    this.#due.clear();
    mqtt.publish(deviceTopic.twinUpdate(profile.name), twinUpdate(values, clock.now()));
  }

  /**
   * The twin holds something else than we told it before we asked (`askedAt`, monotonic ms): tell it again, a value with its next reading, and
   * how good it is with the next `flush`.
   */
  correct(name: string, stored: KnownTwin | undefined, askedAt: number): void {
    const entry = this.#entry(name);
    const { told, doubt } = entry;
    if (told.at >= askedAt) return;
    if (told.text !== undefined && told.text !== stored?.actual) told.text = undefined;
    if (doubt !== undefined && told.doubt !== undefined && doubt.word !== stored?.doubt?.word) this.#take(entry, 'doubt');
  }

  get properties(): Iterable<string> {
    return this.#entries.keys();
  }

  /** The last good text. */
  text(name: string): string | undefined {
    return this.#entries.get(name)?.text;
  }

  /** Published when it changed, and as a slow heartbeat. */
  state(state: DeviceState | undefined): void {
    if (state === undefined || sameState(state, this.#state)) return;
    this.#state = state;
    this.#publishState();
  }

  get currentState(): DeviceState | undefined {
    return this.#state;
  }

  stop(): void {
    this.#beat?.cancel();
    this.#beat = undefined;
  }

  #taken(name: string, text: string, at: number): Entry {
    const entry = this.#entry(name);
    const { mqtt, profile, clock } = this.#deps;
    entry.text = text;
    entry.at = at;
    if (entry.inSeries && profile.data !== undefined)
      mqtt.publish(profile.data.topic, dataUpdate(name, { text, at, type: typeOf(entry) }, clock.now()));
    return entry;
  }

  #doubt(entry: Entry, doubt: Doubt): void {
    entry.doubt = doubt;
    const late = this.#deps.clock.monotonic() - entry.told.at >= entry.afterMs;
    if (entry.told.doubt?.word !== doubt.word || (late && !sameDoubt(entry.told.doubt, doubt))) this.#take(entry, 'doubt');
  }

  #entry(name: string): Entry {
    let entry = this.#entries.get(name);
    if (entry === undefined) this.#entries.set(name, (entry = this.#newEntry(name, undefined)));
    return entry;
  }

  #newEntry(name: string, property: PropertyProfile | undefined): Entry {
    return {
      name,
      property,
      afterMs: reportAfterMs(property, this.#deps.heartbeatMs),
      inSeries: this.#series.has(name),
      text: undefined,
      at: 0,
      doubt: undefined,
      told: { text: undefined, doubt: undefined, at: -Infinity },
      due: undefined,
      write: undefined,
    };
  }

  #isDue(entry: Entry, text: string): boolean {
    const { told, property, afterMs } = entry;
    if (told.text === undefined || property?.reportPolicy?.always === true) return true;
    if (told.text !== text && isNews(property, told.text, text)) return true;
    return this.#deps.clock.monotonic() - told.at >= afterMs;
  }

  #take(entry: Entry, due: 'value' | 'doubt'): void {
    entry.due = entry.due === 'value' ? 'value' : due;
    this.#due.add(entry);
  }

  #publishState(): void {
    const { mqtt, clock, profile, heartbeatMs } = this.#deps;
    this.#beat?.cancel();
    if (this.#state === undefined) return;
    mqtt.publish(deviceTopic.stateUpdate(profile.name), stateUpdate(this.#state, clock.now()));
    if (Number.isFinite(heartbeatMs)) this.#beat = clock.timer(heartbeatMs, () => this.#publishState());
  }
}

/** What of it goes out: the value when that is due, else only what is said of it. */
function valueOf(entry: Entry): ReportedValue {
  const { name, text, at, doubt, due, write } = entry;
  return { name, type: typeOf(entry), text: due === 'value' ? text : undefined, at, doubt: due === undefined ? undefined : doubt, write };
}

function typeOf({ property }: Entry): string {
  return property?.type ?? 'string';
}

/** Owns what a device tells the twin: changed and due values in one message per cycle, time series, state. */
import type { Clock, Timer } from '#beehive/clock.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { deviceTopic } from '#wire/topics.ts';
import type { WriteOutcome } from '#wire/write-outcome.ts';
import type { PubSub } from '../contract.ts';
import { isTopic } from './binding.ts';
import { sameState, type DeviceState } from './device-state.ts';
import { dataUpdate, stateUpdate, twinUpdate, type ReportedValue } from './twin-messages.ts';

export interface ReporterDeps {
  profile: DeviceProfile;
  mqtt: PubSub;
  clock: Clock;
  /** An unchanged value is reported at least this often, and so is the state; ms. Infinity: never again. */
  heartbeatMs: number;
}

interface Reported {
  text: string;
  /** Monotonic ms. */
  at: number;
}

/** Cycles are measured from timer to timer: this much too early counts as due. */
const SLACK_MS = 5;

export class Reporter {
  readonly #deps: ReporterDeps;
  readonly #reported = new Map<string, Reported>();
  readonly #cycles: ReadonlyMap<string, { reportCycleMs: number; type: string }>;
  readonly #series: ReadonlySet<string>;
  /** Told with the next values. */
  readonly #outcomes = new Map<string, WriteOutcome>();
  #state: DeviceState | undefined;
  #beat: Timer | undefined;

  constructor(deps: ReporterDeps) {
    this.#deps = deps;
    this.#cycles = new Map(deps.profile.properties.map(({ name, reportCycleMs, type }) => [name, { reportCycleMs, type }]));
    this.#series = new Set(isTopic(deps.profile.data?.topic ?? '') ? deps.profile.data?.properties : []);
  }

  /** What became of a desired value; goes out with the next `values`. */
  outcome(name: string, outcome: WriteOutcome): void {
    this.#outcomes.set(name, outcome);
  }

  /** The values of one reading: name -> text. Changed ones and those whose report cycle is over go out in one message, with outcomes. */
  values(texts: ReadonlyMap<string, string>): void {
    const at = this.#deps.clock.monotonic();
    const timestamp = this.#deps.clock.now();
    const due = new Map<string, ReportedValue>();
    for (const [name, text] of texts) {
      const type = this.#cycles.get(name)?.type ?? 'string';
      const write = this.#outcomes.get(name);
      if (write !== undefined || this.#isDue(name, text, at)) {
        due.set(name, { text, type, ...(write === undefined ? {} : { write }) });
        this.#reported.set(name, { text, at });
      }
      const data = this.#deps.profile.data;
      if (data !== undefined && this.#series.has(name)) this.#deps.mqtt.publish(data.topic, dataUpdate(name, { text, type }, timestamp));
    }
    for (const [name, write] of this.#outcomes)
      if (!due.has(name)) due.set(name, { type: this.#cycles.get(name)?.type ?? 'string', write });
    this.#outcomes.clear();
    if (due.size > 0) this.#deps.mqtt.publish(deviceTopic.twinUpdate(this.#deps.profile.name), twinUpdate(due, timestamp));
  }

  /** The twin holds something else than we told it before we asked (`askedAt`, monotonic ms): tell it again with the next reading. */
  correct(name: string, stored: string | undefined, askedAt: number): void {
    const last = this.#reported.get(name);
    if (last !== undefined && last.at < askedAt && last.text !== stored) this.#reported.delete(name);
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

  #isDue(name: string, text: string, at: number): boolean {
    const last = this.#reported.get(name);
    if (last === undefined || last.text !== text) return true;
    const cycle = this.#cycles.get(name)?.reportCycleMs ?? 0;
    const everyMs = cycle > 0 ? cycle : this.#deps.heartbeatMs;
    return at - last.at >= everyMs - SLACK_MS;
  }

  #publishState(): void {
    const { mqtt, clock, profile, heartbeatMs } = this.#deps;
    this.#beat?.cancel();
    if (this.#state === undefined) return;
    mqtt.publish(deviceTopic.stateUpdate(profile.name), stateUpdate(this.#state, clock.now()));
    if (Number.isFinite(heartbeatMs)) this.#beat = clock.timer(heartbeatMs, () => this.#publishState());
  }
}

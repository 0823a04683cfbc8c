/** Owns how far the desired values of one device are: which were seen reached, and which outcomes of writes were told. Once each. */
import { sameValue } from '#device-models/values.ts';
import { sameOutcome, type WriteOutcome } from '#wire/write-outcome.ts';
import type { HappenedEvent } from '../store/kubeconfig/event-recorder.ts';
import { reportedInApi, writesInApi } from './api-status.ts';
import { outcomeEvent, reachedEvent } from './device-events.ts';
import type { DeviceReport } from './device-report.ts';
import type { DeviceView } from './device-view.ts';

export interface Progress {
  /** Somebody waits for this: the API is to know at once. */
  urgent: boolean;
  events: HappenedEvent[];
}

/** What the API shows was told before, by whichever process. */
export class DesiredProgress {
  /** Desired text by property that was once seen reached. */
  readonly #reached = new Map<string, string>();
  readonly #told: Map<string, WriteOutcome>;
  /** Desired text by property for which an outcome hurried already. */
  readonly #hurried = new Map<string, string>();

  constructor({ object, profile }: DeviceView) {
    this.#told = writesInApi(object);
    const reported = reportedInApi(object);
    for (const { name, type, desired, tolerance } of profile.properties) {
      const value = reported.get(name);
      if (desired !== undefined && value !== undefined && sameValue(type, desired.value, value, tolerance))
        this.#reached.set(name, desired.value);
    }
  }

  /** `names` are the properties that a report has just spoken of. */
  take({ profile }: DeviceView, report: DeviceReport, names: readonly string[]): Progress {
    const progress: Progress = { urgent: false, events: [] };
    const spoken = new Set(names);
    for (const { name, type, desired, tolerance } of profile.properties) {
      if (!spoken.has(name)) continue;
      const value = report.twins.get(name)?.value;
      const write = report.writes.get(name);
      const isReached =
        desired !== undefined &&
        value !== undefined &&
        sameValue(type, desired.value, value, tolerance) &&
        this.#reached.get(name) !== desired.value;
      if (isReached) this.#reached.set(name, desired.value);
      const isNews = write !== undefined && !sameOutcome(write.outcome, this.#told.get(name));
      if (isNews) {
        this.#told.set(name, write.outcome);
        progress.events.push(outcomeEvent(name, write.outcome, write.override));
      } else if (isReached && !says(write?.outcome, desired.value)) {
        progress.events.push(reachedEvent(name, { desired: desired.value, observed: value }));
      }
      const hurries = isNews && write.outcome.desired === desired?.value && this.#hurried.get(name) !== desired.value;
      if (hurries) this.#hurried.set(name, desired.value);
      progress.urgent ||= isReached || hurries;
    }
    return progress;
  }
}

/** It was told already that this value was reached. */
function says(outcome: WriteOutcome | undefined, desired: string): boolean {
  return outcome?.desired === desired && outcome.result === 'reached';
}

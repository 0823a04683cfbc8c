/** Owns how far the desired values of one device are: which were seen reached, and which outcomes of writes were told. Once each. */
import type { PropertyProfile } from '#device-models/device-profile.ts';
import { sameValue } from '#device-models/values.ts';
import { sameOutcome, type WriteOutcome } from '#wire/write-outcome.ts';
import type { KubeObject } from '../store/kube-api.ts';
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

/** What the API shows was told before, by whichever process: a node may have been served by another one meanwhile. */
export class DesiredProgress {
  /** Desired text by property that was once seen reached. */
  readonly #reached = new Map<string, string>();
  readonly #told = new Map<string, WriteOutcome>();
  /** Desired text by property for which an outcome hurried already. */
  readonly #hurried = new Map<string, string>();

  /** `names` are the properties that a report has just spoken of. */
  take(view: DeviceView, report: DeviceReport, names: readonly string[]): Progress {
    const progress: Progress = { urgent: false, events: [] };
    const spoken = new Set(names);
    for (const property of view.profile.properties) {
      if (!spoken.has(property.name)) continue;
      const { name, desired } = property;
      const value = report.twins.get(name)?.value;
      const write = report.writes.get(name);
      const reached = value !== undefined && this.#isReachedNow(property, { value, object: view.object }) ? desired : undefined;
      const news = write !== undefined && this.#isNews(name, { outcome: write.outcome, object: view.object }) ? write : undefined;
      if (news !== undefined) progress.events.push(outcomeEvent(name, news.outcome, news.override));
      else if (reached !== undefined && !says(write?.outcome, reached.value))
        progress.events.push(reachedEvent(name, { desired: reached.value, observed: value ?? '' }));
      const hurries = news !== undefined && news.outcome.desired === desired?.value && this.#hurried.get(name) !== desired.value;
      if (hurries) this.#hurried.set(name, desired.value);
      progress.urgent ||= reached !== undefined || hurries;
    }
    return progress;
  }

  /** For the first time since this text is desired. */
  #isReachedNow({ name, type, desired, tolerance }: PropertyProfile, { value, object }: { value: string; object: KubeObject }): boolean {
    const reaches = (text: string | undefined): boolean =>
      desired !== undefined && text !== undefined && sameValue(type, desired.value, text, tolerance);
    if (desired === undefined || !reaches(value) || this.#reached.get(name) === desired.value) return false;
    this.#reached.set(name, desired.value);
    return !reaches(reportedInApi(object).get(name));
  }

  #isNews(name: string, { outcome, object }: { outcome: WriteOutcome; object: KubeObject }): boolean {
    if (sameOutcome(outcome, this.#told.get(name))) return false;
    this.#told.set(name, outcome);
    return !sameOutcome(outcome, writesInApi(object).get(name));
  }
}

/** It was told already that this value was reached. */
function says(outcome: WriteOutcome | undefined, desired: string): boolean {
  return outcome?.desired === desired && outcome.result === 'reached';
}

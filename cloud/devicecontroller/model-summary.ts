/** Owns `status.summary` of DeviceModels: what `kubectl get devicemodels` shows of them. Written when a model changes, never else. */
import type { Clock } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';
import { backoff } from '#beehive/retry.ts';
import { fieldsOf, listOf, nameOf } from '#device-models/fields.ts';
import { deviceModels, isKubeError, keyOf, type JsonPatchOperation, type KubeApi, type KubeObject } from '../store/kube-api.ts';

export interface ModelSummary {
  count: number;
  /** Names of the properties, as many as fit. */
  properties: string;
}

const MAX_LENGTH = 60;
const RETRY_MS = { first: 500, max: 30_000 };

export function modelSummaryOf(model: KubeObject): ModelSummary {
  const names = listOf(fieldsOf(model['spec'])?.['properties']).flatMap((entry) => nameOf(fieldsOf(entry)?.['name']) ?? []);
  let shown = names.length;
  const text = (): string => names.slice(0, shown).join(',') + (shown < names.length ? ` +${names.length - shown}` : '');
  while (shown > 1 && text().length > MAX_LENGTH) shown -= 1;
  return { count: names.length, properties: text().slice(0, MAX_LENGTH) };
}

export interface ModelSummariesOptions {
  api: KubeApi;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}

export class ModelSummaries {
  readonly #options: ModelSummariesOptions;
  readonly #waiting = new Map<string, KubeObject>();
  /** Versions that were written and came back without: a definition that prunes it. By uid. */
  readonly #pruned = new Map<string, string>();
  #writing = false;

  constructor(options: ModelSummariesOptions) {
    this.#options = options;
  }

  /** The model is as given. Never throws and never waits. */
  changed(model: KubeObject): void {
    const { uid = '', resourceVersion } = model.metadata;
    const key = keyOf(model.metadata);
    if (isShown(model) || this.#pruned.get(uid) === resourceVersion) return void this.#waiting.delete(key);
    this.#waiting.set(key, model);
    if (!this.#writing) void this.#write();
  }

  gone(model: KubeObject): void {
    this.#waiting.delete(keyOf(model.metadata));
    this.#pruned.delete(model.metadata.uid ?? '');
  }

  /** Never rejects. One at a time: nobody waits for it. */
  async #write(): Promise<void> {
    const { clock, log, signal } = this.#options;
    const newPauses = (): Generator<number, never> => backoff(RETRY_MS.first, RETRY_MS.max, () => clock.random());
    let pauses = newPauses();
    this.#writing = true;
    try {
      for (const [key, model] of this.#waiting) {
        try {
          await this.#patch(model);
          pauses = newPauses();
        } catch (error) {
          signal.throwIfAborted();
          log.debug('model.summary.failed', { model: key, error });
          if (!isKubeError(error, 'NotFound', 'Forbidden', 'Invalid', 'Conflict', 'BadRequest')) {
            await clock.sleep(pauses.next().value, signal);
            // It may have changed or gone meanwhile.
            const latest = this.#waiting.get(key);
            this.#waiting.delete(key);
            if (latest !== undefined) this.#waiting.set(key, latest);
            continue;
          }
        }
        // What the watch brought meanwhile is another object.
        if (this.#waiting.get(key) === model) this.#waiting.delete(key);
      }
    } catch {
      // Stopped while it waited.
      this.#waiting.clear();
    }
    this.#writing = false;
    if (this.#waiting.size > 0 && !signal.aborted) void this.#write();
  }

  async #patch(model: KubeObject): Promise<void> {
    const { api, signal } = this.#options;
    const { name, namespace, uid = '', resourceVersion } = model.metadata;
    const operations: JsonPatchOperation[] = [
      { op: 'test', path: '/metadata/resourceVersion', value: resourceVersion },
      ...(fieldsOf(model['status']) === undefined ? [{ op: 'add', path: '/status', value: {} } as const] : []),
      { op: 'add', path: '/status/summary', value: modelSummaryOf(model) },
    ];
    const written = await api.patch(deviceModels, { namespace, name }, { type: 'json', operations, persist: 'later', signal });
    if (!isShown(written)) this.#pruned.set(uid, written.metadata.resourceVersion ?? '');
  }
}

function isShown(model: KubeObject): boolean {
  const present = fieldsOf(fieldsOf(model['status'])?.['summary']);
  const { count, properties } = modelSummaryOf(model);
  return present?.['count'] === count && present['properties'] === properties;
}

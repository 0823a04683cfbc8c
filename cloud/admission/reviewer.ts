/** Owns answering an AdmissionReview from the controllers' caches, and asking the API itself where these may be a moment behind. */
import type { Fields } from '#device-models/fields.ts';
import { readNode } from '#device-models/node-selector.ts';
import { review, type ReviewContext, type ReviewedChange } from '#device-models/review.ts';
import { ProblemList, type Problem } from '#device-models/problem.ts';
import { modelKeyOf } from '#device-models/surroundings.ts';
import { deviceModels, nodes, type KubeApi, type KubeObject, type ObjectName, type ResourceType } from '../store/kube-api.ts';
import { answerReview, readReview } from './admission-review.ts';

export interface ReviewerOptions {
  api: Pick<KubeApi, 'get'>;
  /** Where the API is served from this process: the same without a request. */
  find?: ((type: ResourceType, name: ObjectName) => KubeObject | undefined) | undefined;
  /** Undefined while the caches are not filled: only what the object itself shows is told then. */
  context: () => ReviewContext | undefined;
  /** A signal that aborts after so many milliseconds. */
  within: (ms: number) => { signal: AbortSignal; done: () => void };
}

/** An API server waits 3 s for us. */
const LOOK_MS = 1000;

export class Reviewer {
  readonly #options: ReviewerOptions;

  constructor(options: ReviewerOptions) {
    this.#options = options;
  }

  /** The AdmissionReview with our answer. Rejects with one sentence where the body is none. */
  async answer(body: unknown): Promise<Record<string, unknown>> {
    const { uid, change } = readReview(body);
    return answerReview(uid, change === undefined ? [] : await this.#problems(change));
  }

  async #problems(change: ReviewedChange): Promise<Problem[]> {
    const context = this.#options.context();
    if (context === undefined) return review(change, NOTHING_KNOWN).filter(({ shownAs }) => shownAs === undefined);
    const problems = review(change, context);
    const seen = change.object === undefined ? undefined : await this.#lookAgain(change.object, problems, context);
    return seen === undefined ? problems : review(change, seen);
  }

  /** `kubectl apply -f model-and-device.yaml`: the model is there, but the watch has not told yet. Undefined when nothing was found. */
  async #lookAgain(object: Fields, problems: readonly Problem[], context: ReviewContext): Promise<ReviewContext | undefined> {
    const unseen = (shownAs: string): boolean => problems.some((problem) => problem.shownAs === shownAs);
    const key = modelKeyOf(object);
    const [model, node] = await Promise.all([
      unseen('ModelMissing') && key !== undefined ? this.#find(deviceModels, nameIn(key)) : undefined,
      unseen('NodeUnknown') ? this.#findNode(object) : undefined,
    ]);
    if (model === undefined && node === undefined) return undefined;
    return {
      ...context,
      model: (wanted) => (wanted === key ? model : undefined) ?? context.model(wanted),
      nodeKnown: (name) => name === node?.metadata.name || context.nodeKnown(name),
    };
  }

  async #findNode(object: Fields): Promise<KubeObject | undefined> {
    const named = readNode(object, new ProblemList());
    return named === undefined ? undefined : this.#find(nodes, { name: named });
  }

  async #find(type: ResourceType, name: ObjectName): Promise<KubeObject | undefined> {
    const { api, find, within } = this.#options;
    if (find !== undefined) return find(type, name);
    const { signal, done } = within(LOOK_MS);
    try {
      return await api.get(type, name, { signal });
    } catch {
      return undefined;
    } finally {
      done();
    }
  }
}

const NOTHING_KNOWN: ReviewContext = { model: () => undefined, nodeKnown: () => true, rival: () => undefined, users: () => [] };

function nameIn(key: string): ObjectName {
  const at = key.indexOf('/');
  return { namespace: key.slice(0, at), name: key.slice(at + 1) };
}

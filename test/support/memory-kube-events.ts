/** Owns what happened in a Kubernetes API of a test's memory: selectors, and watches that begin with what they missed. */
import { badRequest, expired } from '#cloud/store/embedded/status.ts';
import { parseLabelSelector } from '#cloud/store/embedded/label-selector.ts';
import { parseFieldSelector } from '#cloud/store/embedded/selectors.ts';
import type { KubeObject, ResourceType, WatchEvent, WatchOptions } from '#cloud/store/kube-api.ts';

export type Chosen = (object: KubeObject) => boolean;

interface Happened {
  plural: string;
  version: number;
  type: 'added' | 'modified' | 'deleted';
  object: KubeObject;
  previous?: KubeObject;
}

export interface Selection {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
}

/** Fields that are served besides `metadata.name` and `metadata.namespace`. */
const FIELDS = new Map([
  ['pods', new Set(['spec.nodeName', 'status.phase'])],
  ['nodes', new Set(['spec.unschedulable'])],
  ['events', new Set(['involvedObject.uid', 'involvedObject.name', 'involvedObject.kind', 'reason', 'type'])],
]);

/** Throws 400 as a server does. */
export function chosenBy(type: ResourceType, { namespace, labelSelector = '', fieldSelector = '' }: Selection): Chosen {
  const labels = parseLabelSelector(labelSelector);
  const fields = parseFieldSelector(fieldSelector);
  for (const { field } of fields) {
    if (!/^metadata\.(?:name|namespace)$/.test(field) && FIELDS.get(type.plural)?.has(field) !== true) {
      throw badRequest(`field label not supported: ${field}`);
    }
  }
  return (object) =>
    (namespace === undefined || object.metadata.namespace === namespace) &&
    (labels === undefined || labels(object.metadata.labels)) &&
    fields.every(({ field, value, equal }) => (textAt(object, field) === value) === equal);
}

function textAt(object: unknown, field: string): string {
  const value = field.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], object);
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

export class MemoryEvents {
  readonly #all: Happened[] = [];
  /** Watches that wait, by kind: they go on in the order of the writes. */
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #first: number;

  /** Versions below `first` are forgotten. */
  constructor(first: number) {
    this.#first = first;
  }

  tell(event: Happened): void {
    this.#all.push(event);
    for (const wake of this.#waiting.get(event.plural) ?? []) wake();
  }

  /** Ends when the signal aborts. */
  async *watch(type: ResourceType, options: WatchOptions, present: () => KubeObject[]): AsyncGenerator<WatchEvent> {
    const { signal, resourceVersion = '0' } = options;
    const chosen = chosenBy(type, options);
    const from = Number(resourceVersion);
    if (from > 0 && from < this.#first) throw expired(`too old resource version: ${resourceVersion} (${this.#first})`);
    let next = from === 0 ? this.#all.length : this.#all.findIndex(({ version }) => version > from);
    if (next < 0) next = this.#all.length;
    if (from === 0) for (const object of present().filter(chosen)) yield { type: 'added', object: structuredClone(object) };
    while (signal?.aborted !== true) {
      const happened = this.#all[next];
      if (happened === undefined) await this.#more(type.plural, signal);
      else next += 1;
      const event = happened?.plural === type.plural ? seenBy(chosen, happened) : undefined;
      if (event !== undefined) yield structuredClone(event);
    }
  }

  #more(plural: string, signal: AbortSignal | undefined): Promise<void> {
    const waiting = this.#waiting.get(plural) ?? new Set();
    this.#waiting.set(plural, waiting);
    return new Promise((resolve) => {
      const wake = (): void => {
        waiting.delete(wake);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      waiting.add(wake);
      signal?.addEventListener('abort', wake, { once: true });
    });
  }
}

/** Entering a selection is `added`, leaving it `deleted` with the last state that was in it and the version of now. */
function seenBy(chosen: Chosen, { type, object, previous }: Happened): WatchEvent | undefined {
  const is = type !== 'deleted' && chosen(object);
  const before = previous !== undefined && chosen(previous) ? previous : undefined;
  if (is) return { type: before === undefined ? 'added' : 'modified', object };
  if (before === undefined) return undefined;
  const { resourceVersion } = object.metadata;
  return {
    type: 'deleted',
    object: { ...before, metadata: { ...before.metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) } },
  };
}

/** Owns the status of pods on its way UP: only of pods that are bound to the node that speaks, the newest word of each, answered when the API has it. */
import type { Clock } from '#beehive/clock.ts';
import { messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { fieldsOf, listOf, textOf } from '#device-models/fields.ts';
import type { WindowEntry } from '#wire/ack-window.ts';
import { contentObject, createMessage, responseTo, type BeehiveMessage } from '#wire/message.ts';
import { group, operation, source } from '#wire/resources.ts';
import { isKubeError, pods, type KubeApi, type KubeObject } from '../store/kube-api.ts';
import { changedFields } from './node-object.ts';
import type { EdgeNode, Refusal } from './node-talk.ts';

type Fields = Record<string, unknown>;

/** What is needed of a connected node. */
export interface PodNode extends EdgeNode {
  offer(entry: WindowEntry): boolean;
}

/** `{UID, Name, Status}`, as edged says it. */
export interface PodWord {
  name: string;
  /** '' where it is not known. */
  uid: string;
  status: Fields;
}

export interface PodStatusesOptions {
  api: KubeApi;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  /** Asks the API whether it is still this replica that serves the node. */
  confirm: (node: string) => Promise<boolean>;
  /** The node is to have the object under this key (`<namespace>/pod/<name>`). */
  wanted: (node: string, key: string) => boolean;
}

/** One pod of one node: a newer word replaces one that waits. */
interface Lane {
  word: PodWord | undefined;
  waiters: ((fault?: string) => void)[];
}

const KIND = 'podstatus';
const MAX_PODS = 1000;
const MAX_CONFLICTS = 5;
/** Requests for one node at once. */
const MAX_RUNNING = 4;
const DELETE_TRIES = 5;

/** Reads `<namespace>/podstatus/<pod>` and the list `<namespace>/podstatus`; undefined when it is neither. Pure. */
export function readPodWords({ route, content }: BeehiveMessage): { namespace: string; words: PodWord[] } | undefined {
  const [namespace = '', kind, name, ...rest] = route.resource.split('/');
  if (kind !== KIND || namespace === '' || rest.length > 0 || route.operation !== operation.update) return undefined;
  const entries = name === undefined ? parsed(content) : [parsed(content)];
  if (!Array.isArray(entries) || entries.length > MAX_PODS) return undefined;
  const words = entries.flatMap((entry): PodWord[] => {
    const fields = fieldsOf(entry);
    const status = fieldsOf(fields?.['Status']) ?? fieldsOf(fields?.['status']);
    const said = textOf(fields?.['Name'] ?? fields?.['name']) ?? '';
    const pod = name ?? said;
    if (status === undefined || pod === '' || (name !== undefined && said !== '' && said !== name)) return [];
    return [{ name: pod, uid: textOf(fields?.['UID'] ?? fields?.['uid']) ?? '', status }];
  });
  return words.length === entries.length ? { namespace, words } : undefined;
}

/** The merge patch of the status; undefined when the API says it already. Conditions of others stay. Pure. */
export function podStatusPatch(pod: KubeObject, said: Fields): Fields | undefined {
  const present = fieldsOf(pod['status']) ?? {};
  const own = listOf(said['conditions']);
  const types = new Set(own.map((condition) => fieldsOf(condition)?.['type']));
  const foreign = listOf(present['conditions']).filter((condition) => !types.has(fieldsOf(condition)?.['type']));
  const changed = changedFields(present, { ...said, ...(own.length === 0 ? {} : { conditions: [...foreign, ...own] }) });
  return Object.keys(changed).length === 0 ? undefined : { status: changed };
}

export class PodStatuses {
  readonly #options: PodStatusesOptions;
  readonly #lanes = new Map<string, Lane>();

  constructor(options: PodStatusesOptions) {
    this.#options = options;
  }

  takes({ route }: BeehiveMessage): boolean {
    return route.resource.split('/')[1] === KIND;
  }

  receive(from: PodNode, message: BeehiveMessage): Refusal {
    const read = readPodWords(message);
    if (read === undefined) return { refused: `${message.route.resource} does not say the status of pods: {UID, Name, Status}` };
    void this.#takeAll(from, read).then((fault) => this.#answer(from, message, fault));
    return undefined;
  }

  /** Never rejects; the first fault. */
  async #takeAll(from: PodNode, { namespace, words }: { namespace: string; words: readonly PodWord[] }): Promise<string | undefined> {
    const waiting = words.values();
    let fault: string | undefined;
    const work = async (): Promise<void> => {
      for (const word of waiting) {
        const found = await new Promise<string | undefined>((resolve) => this.#queue(from, { namespace, word, resolve }));
        fault ??= found;
      }
    };
    await Promise.all(Array.from({ length: Math.min(MAX_RUNNING, words.length) }, work));
    return fault;
  }

  #queue(from: PodNode, { namespace, word, resolve }: { namespace: string; word: PodWord; resolve: (fault?: string) => void }): void {
    const key = `${from.node}/${namespace}/${word.name}`;
    const lane = this.#lanes.get(key);
    if (lane !== undefined) {
      lane.word = word;
      lane.waiters.push(resolve);
      return;
    }
    const fresh: Lane = { word, waiters: [resolve] };
    this.#lanes.set(key, fresh);
    void this.#run(from, { key, namespace, lane: fresh });
  }

  /** Never rejects. One write at a time for each pod. */
  async #run(from: PodNode, { key, namespace, lane }: { key: string; namespace: string; lane: Lane }): Promise<void> {
    for (let word = lane.word; word !== undefined; word = lane.word) {
      lane.word = undefined;
      const waiters = lane.waiters.splice(0);
      const fault = await this.#bring(from, namespace, word).catch((error: unknown) => {
        if (!this.#options.signal.aborted)
          this.#options.log.warn('pod.status.failed', { node: from.node, pod: `${namespace}/${word?.name ?? ''}`, error });
        return messageOf(error);
      });
      for (const waiter of waiters) waiter(fault);
    }
    this.#lanes.delete(key);
  }

  /** What is wrong with it, in a sentence. Rejects when the API does not take it. */
  async #bring(from: PodNode, namespace: string, { name, uid, status }: PodWord): Promise<string | undefined> {
    const { api, signal, confirm } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      const pod = await this.#get(namespace, name);
      if (pod === undefined || (uid !== '' && pod.metadata.uid !== uid)) return this.#tellGone(from, { namespace, name, uid });
      if (fieldsOf(pod['spec'])?.['nodeName'] !== from.node) return `pod ${namespace}/${name} is not bound to node ${from.node}`;
      const body = podStatusPatch(pod, status);
      if (body === undefined) return undefined;
      if (!(await confirm(from.node)) || from.signal.aborted) return 'another cloudcore serves this node now';
      const metadata = { uid: pod.metadata.uid, resourceVersion: pod.metadata.resourceVersion };
      try {
        await api.patch(pods, { namespace, name }, { type: 'merge', body: { ...body, metadata }, subresource: 'status', signal });
        return undefined;
      } catch (error) {
        if (isKubeError(error, 'NotFound')) continue;
        if (!isKubeError(error, 'Conflict') || attempt >= MAX_CONFLICTS) throw error;
      }
    }
  }

  /** The cloud does not know this pod: the edge is told to remove it. */
  #tellGone(from: PodNode, { namespace, name, uid }: { namespace: string; name: string; uid: string }): undefined {
    const { clock, wanted } = this.#options;
    const resource = `${namespace}/pod/${name}`;
    from.offer({
      key: `unknown ${resource}`,
      tries: DELETE_TRIES,
      make: () => {
        // One without uid would take a new pod of that name with it.
        if (wanted(from.node, resource) && uid === '') return undefined;
        const content = { kind: 'Pod', apiVersion: 'v1', metadata: { name, namespace, ...(uid === '' ? {} : { uid }) } };
        const route = { source: source.edgecontroller, group: group.resource, operation: operation.delete, resource };
        return createMessage(clock.now(), { ...route, content, resourceVersion: '0' });
      },
    });
    return undefined;
  }

  async #get(namespace: string, name: string): Promise<KubeObject | undefined> {
    const { api, signal } = this.#options;
    try {
      return await api.get(pods, { namespace, name }, { signal });
    } catch (error) {
      if (isKubeError(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  /** KubeEdge's edges wait for none. */
  #answer(from: PodNode, message: BeehiveMessage, fault: string | undefined): void {
    if (from.peer !== 'hivelet' || from.signal.aborted || this.#options.signal.aborted) return;
    const answer = fault === undefined ? {} : { operation: operation.error, content: fault };
    from.send(responseTo(message, this.#options.clock.now(), answer));
  }
}

/** Content may be JSON text; in Go's manner also base64 of it. */
function parsed(content: unknown): unknown {
  if (typeof content !== 'string') return content;
  const read = (text: string): unknown => contentObject(`{"it":${text}}`)?.['it'];
  return read(content) ?? read(Buffer.from(content, 'base64').toString('utf8'));
}

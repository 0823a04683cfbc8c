/** Owns what nodes ask and say of the objects that concern them: queries, and pods that are over. */
import type { Clock } from '#beehive/clock.ts';
import { messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import type { WindowEntry } from '#wire/ack-window.ts';
import { createMessage, responseTo, type BeehiveMessage } from '#wire/message.ts';
import { group, operation, source } from '#wire/resources.ts';
import { isKubeError, pods, type KubeApi, type KubeObject } from '../../store/kube-api.ts';
import { downTypes, parseDownKey, type DownName } from './down-key.ts';
import type { Look } from './downstream.ts';
import { nodeOf } from './references.ts';

/** What is needed of a connected node. */
export interface AskingNode {
  readonly node: string;
  readonly peer: 'hivelet' | 'kubeedge';
  /** Aborts when the link ends. */
  readonly signal: AbortSignal;
  send(message: BeehiveMessage): void;
  offer(entry: WindowEntry): boolean;
}

/** Why a message was not taken; the hub counts it and tells the node. */
export type Refusal = { refused: string } | undefined;

export interface ObjectTalkOptions {
  api: KubeApi;
  clock: Clock;
  log: Logger;
  source: { look(node: string, key: string): Look };
}

/** An answer is an object of KubeEdge's object queue: sent so often. */
const TRIES = 5;

export class ObjectTalk {
  readonly #options: ObjectTalkOptions;

  constructor(options: ObjectTalkOptions) {
    this.#options = options;
  }

  /** Takes queries and words of pods that are gone at the edge. That they are about what the node uses, the hub has checked. */
  receive(from: AskingNode, message: BeehiveMessage): Refusal {
    const { resource } = message.route;
    const name = parseDownKey(resource);
    if (name === undefined) return { refused: `${message.route.operation} of ${resource} is not served by this cloud` };
    if (message.route.operation === operation.delete) return this.#ended(from, message, name);
    const look = this.#options.source.look(from.node, resource);
    if (look.state === 'wanted') this.#answer(from, message, look.object);
    else void this.#ask(from, message, name);
    return undefined;
  }

  /** The copy may be behind: the API knows. Never rejects. */
  async #ask(from: AskingNode, message: BeehiveMessage, name: DownName): Promise<void> {
    const { api } = this.#options;
    try {
      this.#answer(from, message, await api.get(downTypes.get(name.type) ?? pods, name, { signal: from.signal }));
    } catch (error) {
      this.#fail(from, message, error);
    }
  }

  #answer(from: AskingNode, message: BeehiveMessage, object: KubeObject): void {
    const { resourceVersion = '' } = object.metadata;
    const answer = createMessage(this.#options.clock.now(), {
      source: source.edgecontroller,
      group: group.resource,
      operation: operation.response,
      resource: message.route.resource,
      content: object,
      parentId: message.header.msg_id,
      resourceVersion,
    });
    // Our own edge waits for the answer and asks again; KubeEdge's acknowledges it.
    if (from.peer === 'hivelet') from.send(answer);
    else from.offer({ key: `answer/${message.header.msg_id}`, make: () => answer, tries: TRIES });
  }

  #fail(from: AskingNode, message: BeehiveMessage, error: unknown): void {
    if (from.signal.aborted) return;
    const { clock, log } = this.#options;
    if (!isKubeError(error, 'NotFound')) log.warn('object.query.failed', { node: from.node, resource: message.route.resource, error });
    // v1.9.1 says nothing, and the edge waits for 60 s (defect C23).
    from.send(responseTo(message, clock.now(), { operation: operation.error, content: messageOf(error) }));
  }

  /** Content is the uid of the pod. Only a pod of that node that is on its way out is deleted. */
  #ended(from: AskingNode, message: BeehiveMessage, { namespace, name }: DownName): Refusal {
    const uid = typeof message.content === 'string' ? message.content.replaceAll('"', '') : '';
    if (uid === '') return { refused: 'the content is not the uid of a pod' };
    void this.#finish(from, { namespace, name, uid }).then(
      () => from.peer === 'hivelet' && from.send(responseTo(message, this.#options.clock.now())),
      (error: unknown) => this.#fail(from, message, error),
    );
    return undefined;
  }

  async #finish({ node, signal }: AskingNode, { namespace, name, uid }: { namespace: string; name: string; uid: string }): Promise<void> {
    const { api, log } = this.#options;
    try {
      const pod = await api.get(pods, { namespace, name }, { signal });
      if (pod.metadata.uid !== uid) return;
      if (nodeOf(pod) !== node || pod.metadata.deletionTimestamp === undefined) {
        return log.warn('pod.end.refused', { node, pod: `${namespace}/${name}` });
      }
      await api.delete(pods, { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid }, signal });
    } catch (error) {
      if (!isKubeError(error, 'NotFound')) throw error;
    }
  }
}

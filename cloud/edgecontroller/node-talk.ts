/** Owns what nodes say and ask of themselves: registration, status and queries are taken here, and answered when the API has it. */
import type { Clock } from '#beehive/clock.ts';
import { messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { contentObject, createMessage, type BeehiveMessage } from '#wire/message.ts';
import { group, nodeResource, operation, source } from '#wire/resources.ts';
import { isKubeError, nodes, type KubeApi } from '../store/kube-api.ts';
import type { NodeKeeper } from './node-keeper.ts';
import { readNodeWord } from './node-object.ts';

/** What the controller needs of a connected node. */
export interface EdgeNode {
  readonly node: string;
  readonly peer: 'hivelet' | 'kubeedge';
  /** Aborts when the link ends. */
  readonly signal: AbortSignal;
  send(message: BeehiveMessage): void;
}

/** Why a message was not taken; the hub counts it and tells the node. */
export type Refusal = { refused: string } | undefined;

export interface NodeTalkOptions {
  api: KubeApi;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  keeper: (node: string) => NodeKeeper | undefined;
}

interface Answer {
  namespace: string;
  content: unknown;
  failed?: boolean;
  resourceVersion?: string | undefined;
}

export class NodeTalk {
  readonly #options: NodeTalkOptions;

  constructor(options: NodeTalkOptions) {
    this.#options = options;
  }

  /** Takes `<namespace>/nodestatus/<node>` and `<namespace>/node/<node>`; that it is the node itself that speaks, the hub has checked. */
  receive(from: EdgeNode, message: BeehiveMessage): Refusal {
    const [namespace = '', kind] = message.route.resource.split('/');
    const verb = message.route.operation;
    if (verb === operation.query) return this.#query(from, message);
    const content = contentObject(message.content);
    const word = content === undefined ? undefined : readNodeWord(content, kind === 'node' ? operation.insert : verb);
    const keeper = this.#options.keeper(from.node);
    if (word === undefined || keeper === undefined) return { refused: 'the content is neither a Node nor a node status' };
    const answer = (outcome: { content: unknown; failed?: boolean }): void => this.#answer(from, message, { namespace, ...outcome });
    keeper.say(word, { done: () => answer({ content: 'OK' }), failed: (reason) => answer({ content: reason, failed: true }) });
    return undefined;
  }

  #query(from: EdgeNode, message: BeehiveMessage): Refusal {
    const { api, signal, log } = this.#options;
    const [namespace = ''] = message.route.resource.split('/');
    void api.get(nodes, { name: from.node }, { signal }).then(
      (node) => this.#answer(from, message, { namespace, content: node, resourceVersion: node.metadata.resourceVersion }),
      (error: unknown) => {
        if (!isKubeError(error, 'NotFound')) log.warn('node.query.failed', { node: from.node, error });
        // v1.9.1 says nothing, and the edge waits for 60 s (defect C23).
        this.#answer(from, message, { namespace, content: messageOf(error), failed: true });
      },
    );
    return undefined;
  }

  /** KubeEdge expects the resource `<namespace>/node/<node>` and, on failure too, the operation `response`; queries fail by `error`. */
  #answer(from: EdgeNode, message: BeehiveMessage, { namespace, content, failed = false, resourceVersion }: Answer): void {
    const { signal, clock } = this.#options;
    if (signal.aborted || from.signal.aborted) return;
    const asError = failed && (from.peer === 'hivelet' || message.route.operation === operation.query);
    from.send(
      createMessage(clock.now(), {
        source: source.edgecontroller,
        group: group.resource,
        operation: asError ? operation.error : operation.response,
        resource: nodeResource(namespace, from.node),
        content,
        parentId: message.header.msg_id,
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      }),
    );
  }
}

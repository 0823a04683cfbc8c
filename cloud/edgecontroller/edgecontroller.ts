/** Owns the edgecontroller module: registration, status and readiness of the nodes that edges run on. */
import type { Timer } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import { contentObject, createMessage, type BeehiveMessage } from '#wire/message.ts';
import { group, nodeResource, operation, source } from '#wire/resources.ts';
import { isKubeError, nodes, type KubeApi, type KubeObject } from '../store/kube-api.ts';
import { Reflector } from '../store/kubeconfig/reflector.ts';
import { NodeKeeper } from './node-keeper.ts';
import { NodeLeases, RENEW_MS } from './node-leases.ts';
import { isEdgeNode, readNodeWord } from './node-object.ts';

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

interface Parts {
  context: Context;
  startedMs: number;
  reflector: Reflector;
  keepers: Map<string, NodeKeeper>;
  leases: NodeLeases;
}

const TICK_MS = 1000;

export class EdgeController implements Module {
  readonly name = 'edgecontroller';
  readonly #api: KubeApi;
  readonly #renewLeases: boolean;
  #renewedMs = -Infinity;
  #parts: Parts | undefined;
  #timer: Timer | undefined;

  /** `renewLeases`: the API belongs to a cluster whose own controllers judge nodes by their Leases. */
  constructor({ api, renewLeases = false }: { api: KubeApi; renewLeases?: boolean }) {
    this.#api = api;
    this.#renewLeases = renewLeases;
  }

  async start(context: Context): Promise<void> {
    const { clock, log, signal } = context;
    const reflector = new Reflector({
      api: this.#api,
      type: nodes,
      clock,
      log,
      onUpsert: (_previous, node) => this.#seen(node),
      onDelete: (node) => this.#gone(node),
    });
    this.#parts = {
      context,
      startedMs: clock.monotonic(),
      reflector,
      keepers: new Map(),
      leases: new NodeLeases({ api: this.#api, clock, log, signal }),
    };
    reflector.start();
    await reflector.synced(signal);
    this.#tick();
  }

  async stop(): Promise<void> {
    const parts = this.#parts;
    this.#parts = undefined;
    this.#timer?.cancel();
    await parts?.reflector.stop();
  }

  health(): Health {
    if (this.#parts?.reflector.hasSynced !== true) return { ok: false, detail: 'the Kubernetes API has not listed all nodes yet' };
    const ready = [...this.#parts.keepers.values()].filter(({ readiness }) => readiness === 'ready').length;
    return { ok: true, detail: `${ready} of ${this.#parts.keepers.size} nodes are Ready` };
  }

  /** What is known of the API's objects is void. */
  startAnew(reason: string): void {
    this.#parts?.context.failed(new HiveletError('KUBE_API', reason));
  }

  /** Any frame of the node was received, a pong too. */
  heard(node: string): void {
    this.#keeper(node)?.heard();
  }

  /** Takes node registration, status and queries; answers when the API has it. */
  receive(from: EdgeNode, message: BeehiveMessage): Refusal {
    const [namespace = '', kind, name, ...rest] = message.route.resource.split('/');
    const verb = message.route.operation;
    if (rest.length > 0 || (kind !== 'nodestatus' && kind !== 'node')) {
      return { refused: `${verb} of ${message.route.resource} is not served by this cloud` };
    }
    if (name !== from.node) return { refused: `node ${from.node} may not speak for ${message.route.resource}` };
    if (verb === operation.query && kind === 'node') return this.#query(from, message);
    if (verb !== operation.insert && verb !== operation.update) return { refused: `${verb} of a node is not served by this cloud` };
    const content = contentObject(message.content);
    const word = content === undefined ? undefined : readNodeWord(content, kind === 'node' ? operation.insert : verb);
    const keeper = this.#keeper(from.node);
    if (word === undefined || keeper === undefined) return { refused: 'the content is neither a Node nor a node status' };
    const answer = (outcome: { content: unknown; failed?: boolean }): void => this.#answer(from, message, { namespace, ...outcome });
    keeper.say(word, { done: () => answer({ content: 'OK' }), failed: (reason) => answer({ content: reason, failed: true }) });
    return undefined;
  }

  #query(from: EdgeNode, message: BeehiveMessage): Refusal {
    if (this.#parts === undefined) return { refused: 'the edgecontroller is starting' };
    const { signal, log } = this.#parts.context;
    const [namespace = ''] = message.route.resource.split('/');
    void this.#api.get(nodes, { name: from.node }, { signal }).then(
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
  #answer(
    from: EdgeNode,
    message: BeehiveMessage,
    outcome: { namespace: string; content: unknown; failed?: boolean; resourceVersion?: string | undefined },
  ): void {
    if (this.#parts === undefined || from.signal.aborted) return;
    const { namespace, content, failed = false, resourceVersion } = outcome;
    const asError = failed && (from.peer === 'hivelet' || message.route.operation === operation.query);
    from.send(
      createMessage(this.#parts.context.clock.now(), {
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

  #keeper(name: string): NodeKeeper | undefined {
    if (this.#parts === undefined) return undefined;
    const { keepers, context, startedMs, reflector } = this.#parts;
    let keeper = keepers.get(name);
    if (keeper === undefined) {
      const { clock, log, signal } = context;
      keeper = new NodeKeeper({ name, api: this.#api, clock, log, signal, startedMs, seen: () => reflector.objects.get(name) });
      keepers.set(name, keeper);
    }
    return keeper;
  }

  #seen(node: KubeObject): void {
    const known = this.#parts?.keepers.get(node.metadata.name);
    if (known !== undefined) known.look();
    else if (isEdgeNode(node)) this.#keeper(node.metadata.name);
  }

  /** The keeper of a node that still speaks stays: it remembers what to register again. */
  #gone(node: KubeObject): void {
    const keepers = this.#parts?.keepers;
    if (keepers?.get(node.metadata.name)?.readiness !== 'ready') keepers?.delete(node.metadata.name);
  }

  #tick(): void {
    if (this.#parts === undefined) return;
    const { clock } = this.#parts.context;
    this.#timer = clock.timer(TICK_MS, () => this.#tick());
    for (const [name, keeper] of this.#parts.keepers) {
      if (keeper.readiness === 'lost' && !this.#parts.reflector.objects.has(name)) this.#parts.keepers.delete(name);
      else keeper.tick();
    }
    this.#renew(this.#parts);
  }

  #renew({ context, keepers, reflector, leases }: Parts): void {
    const nowMs = context.clock.monotonic();
    if (!this.#renewLeases || nowMs - this.#renewedMs < RENEW_MS) return;
    this.#renewedMs = nowMs;
    for (const [name, { readiness }] of keepers) {
      const node = reflector.objects.get(name);
      if (readiness === 'ready' && node !== undefined) leases.renew(node);
    }
  }
}

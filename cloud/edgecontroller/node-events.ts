/** Owns the Events of nodes: what `kubectl describe node` shows of registration and readiness, one by one, never in the way of anything. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '#beehive/clock.ts';
import { messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { events, type KubeApi, type KubeObject } from '../store/kube-api.ts';
import type { NodeHappening } from './node-keeper.ts';

const COMPONENT = 'edgecontroller';
/** Events that wait for the API at once; more are left out: after an outage many nodes change together. */
const MAX_RUNNING = 64;

const words: Record<NodeHappening, { type: 'Normal' | 'Warning'; reason: string; message: (node: string) => string }> = {
  registered: { type: 'Normal', reason: 'RegisteredNode', message: (node) => `node ${node} registered with its certificate` },
  ready: { type: 'Normal', reason: 'NodeReady', message: (node) => `node ${node} is connected and says that it is ready` },
  lost: { type: 'Warning', reason: 'NodeNotReady', message: (node) => `node ${node} was not heard by any cloudcore for 40 s` },
  refused: { type: 'Warning', reason: 'NodeNotReady', message: (node) => `node ${node} is connected and says that it is not ready` },
};

export class NodeEvents {
  readonly #options: { api: KubeApi; clock: Clock; log: Logger; signal: AbortSignal };
  #running = 0;

  constructor(options: { api: KubeApi; clock: Clock; log: Logger; signal: AbortSignal }) {
    this.#options = options;
  }

  /** Never throws; an Event that cannot be written is logged and gone. */
  tell(node: KubeObject, what: NodeHappening): void {
    const { api, signal, log } = this.#options;
    if (this.#running >= MAX_RUNNING || signal.aborted) return;
    this.#running += 1;
    void api
      .create(events, this.#event(node, what), { signal, persist: 'later' })
      .catch((error: unknown) => log.debug('node.event.failed', { node: node.metadata.name, reason: messageOf(error) }))
      .finally(() => (this.#running -= 1));
  }

  #event({ metadata }: KubeObject, what: NodeHappening) {
    const { name } = metadata;
    const { type, reason, message } = words[what];
    const time = `${new Date(this.#options.clock.now()).toISOString().slice(0, 19)}Z`;
    return {
      metadata: { namespace: 'default', name: `${name}.${randomBytes(8).toString('hex')}` },
      // As a kubelet and the node controller do: the uid is the name.
      involvedObject: { kind: 'Node', name, uid: name, apiVersion: 'v1' },
      type,
      reason,
      message: message(name),
      source: { component: COMPONENT },
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
      eventTime: null,
      reportingComponent: COMPONENT,
      reportingInstance: '',
    };
  }
}

/** Owns the heartbeats of Ready nodes on a real cluster: Leases, without which its node controller takes them for lost. */
import type { Clock } from '#beehive/clock.ts';
import { messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { isKubeError, leases, type KubeApi, type KubeObject } from '../store/kube-api.ts';

const NAMESPACE = 'kube-node-lease';
/** As kubelets do. */
export const RENEW_MS = 10_000;
const DURATION_SECONDS = 40;

export class NodeLeases {
  readonly #options: { api: KubeApi; clock: Clock; log: Logger; signal: AbortSignal };
  /** Renewals that run: a slow API must not pile them up. */
  readonly #running = new Set<string>();
  #fault = '';

  constructor(options: { api: KubeApi; clock: Clock; log: Logger; signal: AbortSignal }) {
    this.#options = options;
  }

  /** Never throws; a failure is logged when it is another one than the last. */
  renew(node: KubeObject): void {
    const { name } = node.metadata;
    if (this.#running.has(name)) return;
    this.#running.add(name);
    void this.#renew(node)
      .then(
        () => (this.#fault = ''),
        (error: unknown) => this.#failed(messageOf(error)),
      )
      .finally(() => this.#running.delete(name));
  }

  async #renew({ metadata }: KubeObject): Promise<void> {
    const { api, clock, signal } = this.#options;
    const { name, uid = '' } = metadata;
    // MicroTime: Kubernetes wants six digits.
    const spec = {
      holderIdentity: name,
      leaseDurationSeconds: DURATION_SECONDS,
      renewTime: new Date(clock.now()).toISOString().replace('Z', '000Z'),
    };
    try {
      await api.patch(leases, { namespace: NAMESPACE, name }, { type: 'merge', body: { spec }, signal });
    } catch (error) {
      if (!isKubeError(error, 'NotFound')) throw error;
      const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name, uid }];
      await api.create(leases, { metadata: { name, namespace: NAMESPACE, ownerReferences }, spec }, { signal });
    }
  }

  #failed(fault: string): void {
    if (fault !== this.#fault && !this.#options.signal.aborted) this.#options.log.warn('lease.failed', { reason: fault });
    this.#fault = fault;
  }
}

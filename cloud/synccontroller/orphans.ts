/** Owns the collection of ObjectSyncs whose node was deleted. */
import type { Logger } from '#beehive/log.ts';
import { isKubeError, nodes, type KubeApi } from '../store/kube-api.ts';
import type { SyncRecord } from './sync-record.ts';

export interface OrphansOptions {
  api: KubeApi;
  log: Logger;
  signal: AbortSignal;
  isEdge: (node: string) => boolean;
  records: {
    nodes(): string[];
    of(node: string): ReadonlyMap<string, SyncRecord>;
    remove(record: SyncRecord): void;
  };
}

export class Orphans {
  readonly #options: OrphansOptions;
  readonly #suspects = new Set<string>();
  #running = false;

  constructor(options: OrphansOptions) {
    this.#options = options;
  }

  /** Never rejects. Looks at all nodes that have records, or at some. */
  async sweep(nodeNames: readonly string[] = this.#options.records.nodes()): Promise<void> {
    for (const node of nodeNames) this.#suspects.add(node);
    if (this.#running) return;
    this.#running = true;
    for (const node of this.#suspects) {
      this.#suspects.delete(node);
      if (!this.#options.isEdge(node)) await this.#collect(node);
    }
    this.#running = false;
  }

  async #collect(node: string): Promise<void> {
    const { records, log, signal } = this.#options;
    if (signal.aborted || records.of(node).size === 0 || !(await this.#isGone(node))) return;
    const orphans = [...records.of(node).values()];
    log.info('objectsync.collected', { node, records: orphans.length });
    for (const record of orphans) records.remove(record);
  }

  /** Our copy of the nodes may be behind, and a node may have lost its label only: the API is asked. */
  async #isGone(node: string): Promise<boolean> {
    const { api, signal, log } = this.#options;
    try {
      await api.get(nodes, { name: node }, { signal });
      return false;
    } catch (error) {
      if (isKubeError(error, 'NotFound')) return true;
      if (!signal.aborted) log.warn('objectsync.node.unknown', { node, error });
      return false;
    }
  }
}

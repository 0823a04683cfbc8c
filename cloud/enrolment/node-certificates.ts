/** Owns which certificates of nodes are good right now: a synced copy of the lists, told to the hub when it changes; a deleted Node's is emptied. */
import { backoff } from '#beehive/retry.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import { secrets, type KubeApi, type KubeObject } from '../store/kube-api.ts';
import { Reflector } from '../store/kubeconfig/reflector.ts';
import { listNameOf, nodeNameIn, readList, type NodeLists } from './node-lists.ts';
import { NAMESPACE, selectorOf } from './secrets.ts';

export interface NodeCertificatesOptions {
  api: KubeApi;
  lists: NodeLists;
  /** What is good for this node may be something else now. */
  changed: (node: string) => void;
}

const RETRY_MS = { first: 200, max: 10_000 };

export class NodeCertificates implements Module {
  readonly name = 'certificates';
  readonly #options: NodeCertificatesOptions;
  /** Name of the list's Secret -> fingerprints that are good; none of one that cannot be read. */
  readonly #good = new Map<string, ReadonlySet<string>>();
  /** Deleted Nodes whose lists are being emptied: name and uid. */
  readonly #emptying = new Set<string>();
  #context: Context | undefined;
  #reflector: Reflector | undefined;

  constructor(options: NodeCertificatesOptions) {
    this.#options = options;
  }

  /** Nothing is known before. */
  get ready(): boolean {
    return this.#reflector?.hasSynced === true;
  }

  async start(context: Context): Promise<void> {
    const { clock, log, signal } = context;
    this.#context = context;
    this.#good.clear();
    this.#reflector = new Reflector({
      api: this.#options.api,
      type: secrets,
      namespace: NAMESPACE,
      labelSelector: selectorOf('node-certificates'),
      clock,
      log,
      onUpsert: (_previous, current) => this.#took(current, true),
      onDelete: (last) => this.#took(last, false),
    });
    this.#reflector.start();
    await this.#reflector.synced(signal);
  }

  async stop(): Promise<void> {
    await this.#reflector?.stop();
    this.#reflector = undefined;
  }

  health(): Health {
    return this.ready ? { ok: true, detail: `${this.#good.size} nodes have a list` } : { ok: false, detail: 'the lists are not read yet' };
  }

  /** One sentence why the certificate is not good; undefined when it is. A node without a list may use any that names it. */
  refusal(node: string, fingerprint: string): string | undefined {
    const good = this.#good.get(listNameOf(node));
    if (good === undefined || good.has(fingerprint)) return undefined;
    return `the certificate of ${node} was revoked or replaced: join again with a token (\`hivelet token create --node ${node}\`)`;
  }

  /** Somebody deleted the Node: its certificates end with it. Not to be called for one that is merely no longer there. */
  nodeDeleted(node: string, uid: string): void {
    const context = this.#context;
    const key = `${node} ${uid}`;
    if (context === undefined || this.#emptying.has(key)) return;
    this.#emptying.add(key);
    void this.#empty(node, uid, context).finally(() => this.#emptying.delete(key));
  }

  /** Never rejects. */
  async #empty(node: string, uid: string, { clock, log, signal }: Context): Promise<void> {
    const waits = backoff(RETRY_MS.first, RETRY_MS.max, () => clock.random());
    while (!signal.aborted) {
      try {
        await this.#options.lists.revoke(node, uid);
        log.info('node.revoked', { node, uid, reason: 'its Node was deleted' });
        return;
      } catch (error) {
        log.warn('node.revoke.failed', { node, error });
        await clock.sleep(waits.next().value, signal).catch(() => undefined);
      }
    }
  }

  #took(object: KubeObject, isThere: boolean): void {
    const list = readList(object);
    if (list === undefined) return;
    const { name } = object.metadata;
    const isUnreadable = 'unreadable' in list;
    if (!isThere) this.#good.delete(name);
    else this.#good.set(name, new Set(isUnreadable ? [] : list.certificates.map(({ fingerprint }) => fingerprint)));
    if (isUnreadable && isThere) {
      const effect = 'no certificate of that node is taken; mend it, or remove it with `hivelet node allow`';
      this.#context?.log.error('node.list.unreadable', { secret: `${NAMESPACE}/${name}`, reason: list.unreadable, effect });
    }
    this.#options.changed(isUnreadable ? nodeNameIn(name) : list.node);
  }
}

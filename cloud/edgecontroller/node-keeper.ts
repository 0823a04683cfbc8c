/** Owns one Node object: brings it to what the node says and to how lately it was heard, one write at a time, answers when it is done. */
import type { Clock } from '#beehive/clock.ts';
import { messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { backoff } from '#beehive/retry.ts';
import { isKubeError, nodes, type KubeApi, type KubeObject } from '../store/kube-api.ts';
import { metadataPatch, newNode, statusPatch, type NodeWord } from './node-object.ts';
import { readinessOf, type Readiness } from './readiness.ts';

/** Somebody waits for what the node said to be in the API. */
export interface Waiter {
  done(): void;
  failed(reason: string): void;
}

export interface NodeKeeperOptions {
  name: string;
  api: KubeApi;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  startedMs: number;
  /** The Node as the watch last saw it. */
  seen: () => KubeObject | undefined;
}

const RETRY_MS = { first: 500, max: 10_000 };

export class NodeKeeper {
  readonly #options: NodeKeeperOptions;
  #word: NodeWord = {};
  #heardMs: number | undefined;
  /** A registration came and is not written yet. */
  #registers = false;
  #waiters: Waiter[] = [];
  #running = false;
  #again = false;
  /** What was last written, so that a slow watch causes no second write. */
  #latest: KubeObject | undefined;
  /** Readiness that the API was last brought to. */
  #shown: Readiness = 'unsaid';

  constructor(options: NodeKeeperOptions) {
    this.#options = options;
  }

  /** A frame of the node was received. */
  heard(): void {
    this.#heardMs = this.#options.clock.monotonic();
  }

  /** The node said something of itself. */
  say(word: NodeWord, waiter: Waiter): void {
    this.#word = { ...this.#word, ...word };
    this.#registers ||= word.registration !== undefined;
    this.#waiters.push(waiter);
    this.wake();
  }

  get readiness(): Readiness {
    return readinessOf({ heardMs: this.#heardMs, startedMs: this.#options.startedMs, nowMs: this.#options.clock.monotonic() });
  }

  /** Once a second: writes when the readiness is another than the API shows. */
  tick(): void {
    if (this.readiness !== 'unsaid' && this.readiness !== this.#shown) this.wake();
  }

  /** The object was changed, by us or by somebody else: what the node said must stay. */
  look(): void {
    if (this.readiness !== 'unsaid' && this.#word.status !== undefined) this.wake();
  }

  /** The object may differ from what it is to say. */
  wake(): void {
    this.#again = true;
    if (!this.#running && !this.#options.signal.aborted) {
      this.#running = true;
      void this.#run();
    }
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { clock, log, signal, name } = this.#options;
    const waits = backoff(RETRY_MS.first, RETRY_MS.max, () => clock.random());
    while (this.#again && !signal.aborted) {
      this.#again = false;
      const waiters = this.#waiters.splice(0);
      try {
        await this.#bring();
        for (const waiter of waiters) waiter.done();
      } catch (error) {
        if (signal.aborted) break;
        log.warn('node.write.failed', { node: name, error });
        for (const waiter of waiters) waiter.failed(messageOf(error));
        this.#again = true;
        await clock.sleep(waits.next().value, signal).catch(() => undefined);
      }
    }
    this.#running = false;
  }

  async #bring(): Promise<void> {
    const { api, clock, log, signal, name } = this.#options;
    const { readiness } = this;
    const word = this.#word;
    let node = await this.#read(readiness);
    if (node === undefined) return;
    // Labels as with a kubelet: set by a registration, afterwards everybody's.
    const metadata = this.#registers ? metadataPatch(node, word) : undefined;
    if (metadata !== undefined) node = this.#latest = await api.patch(nodes, { name }, { type: 'merge', body: metadata, signal });
    this.#registers = false;
    const change = statusPatch(node, { word, readiness, now: clock.now() });
    if (change !== undefined) {
      // The node says it again within five minutes.
      const options = { subresource: 'status', persist: 'later', signal } as const;
      this.#latest = await api.patch(nodes, { name }, { type: 'merge', body: change, ...options });
    }
    if (readiness !== this.#shown) log.info('node.readiness', { node: name, readiness });
    this.#shown = readiness;
  }

  /** Creates the Node when the node is there and the object is not: deleted by somebody, or never registered. */
  async #read(readiness: Readiness): Promise<KubeObject | undefined> {
    const { api, seen, signal, name, log } = this.#options;
    const cached = seen();
    // Once the watch has shown our write it is the one to believe: an API that crashed may come back without it.
    if (cached !== undefined && this.#isNewer(cached)) this.#latest = undefined;
    if (cached !== undefined) return this.#latest ?? cached;
    try {
      return (this.#latest = await api.get(nodes, { name }, { signal }));
    } catch (error) {
      if (!isKubeError(error, 'NotFound')) throw error;
    }
    // A node that never said what it is must not come into being by its keepalives.
    if (readiness !== 'ready' || (this.#word.registration === undefined && this.#word.status === undefined)) return undefined;
    log.info('node.registered', { node: name });
    return (this.#latest = await api.create(nodes, newNode(name, this.#word), { signal }));
  }

  #isNewer(cached: KubeObject): boolean {
    const latest = this.#latest;
    return (
      latest === undefined ||
      latest.metadata.uid !== cached.metadata.uid ||
      Number(cached.metadata.resourceVersion) >= Number(latest.metadata.resourceVersion)
    );
  }
}

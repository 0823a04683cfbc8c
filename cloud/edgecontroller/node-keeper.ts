/** Owns one Node object: brings it to what the node says and to how lately it was heard, one write at a time, answers when it is done. */
import type { Clock } from '#beehive/clock.ts';
import { messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { backoff } from '#beehive/retry.ts';
import { isKubeError, nodes, type KubeApi, type KubeObject, type Patch, type WriteOptions } from '../store/kube-api.ts';
import type { NodeHappening } from './node-events.ts';
import { readyStatus, statusPatch, type NodeWord } from './node-object.ts';
import { newNode, registrationPatch } from './node-registration.ts';
import { readinessOf, type Readiness, type Signs } from './readiness.ts';

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
  /** The Node as the watch last saw it. */
  seen: () => KubeObject | undefined;
  /** What readiness is judged by; `heardMs` is the keeper's own. */
  signs: () => Omit<Signs, 'nowMs' | 'heardMs'>;
  /** Asks the API whether this replica may still say so: another one may have taken the node, or have heard it. */
  confirm: (readiness: Readiness) => Promise<boolean>;
  happened?: (what: NodeHappening) => void;
}

type Change = Pick<Patch & { type: 'merge' }, 'type' | 'body'> & Pick<WriteOptions, 'subresource' | 'persist'>;

const RETRY_MS = { first: 500, max: 10_000 };
const MAX_CONFLICTS = 5;

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
  /** How often the node went to another replica: what was decided before that is void. */
  #yields = 0;

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

  /** Another replica serves the node: what it said to us is history, and must not overtake what it says there. */
  yield(): void {
    this.#yields += 1;
    this.#word = {};
    this.#heardMs = undefined;
    this.#registers = false;
    this.#latest = undefined;
    this.#shown = 'unsaid';
    for (const waiter of this.#waiters.splice(0)) waiter.failed('another cloudcore serves this node now');
  }

  get signs(): Signs {
    return { ...this.#options.signs(), heardMs: this.#heardMs, nowMs: this.#options.clock.monotonic() };
  }

  get readiness(): Readiness {
    return readinessOf(this.signs);
  }

  /** Once a second: writes when the readiness is another than the API shows. */
  tick(): void {
    const { readiness } = this;
    if (readiness === 'unsaid') this.#shown = 'unsaid';
    else if (readiness !== this.#shown) this.wake();
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
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#bringOnce();
      } catch (error) {
        // Somebody wrote in between: look again, at the object itself.
        if (!isKubeError(error, 'Conflict', 'AlreadyExists') || attempt >= MAX_CONFLICTS) throw error;
        this.#latest = await this.#get();
      }
    }
  }

  async #bringOnce(): Promise<void> {
    const { clock, log, name, happened } = this.#options;
    const { readiness } = this;
    let node = await this.#read(readiness);
    if (node === undefined) return;
    // Until the first registration of a link the node's own labels are not known, later ones are everybody's.
    const metadata = this.#registers ? registrationPatch(node, this.#word.registration) : undefined;
    if (metadata !== undefined) {
      const written = await this.#patch(node, { type: 'merge', body: metadata }, readiness);
      if (written === undefined) return;
      node = written;
    }
    this.#registers = false;
    const before = readyStatus(node);
    const body = statusPatch(node, { word: this.#word, readiness, now: clock.now() });
    if (body !== undefined) {
      // The node says it again within five minutes.
      const written = await this.#patch(node, { type: 'merge', body, subresource: 'status', persist: 'later' }, readiness);
      if (written === undefined) return;
      const after = readyStatus(written);
      if (after !== before) happened?.(after === 'True' ? 'ready' : after === 'Unknown' ? 'lost' : 'refused');
    }
    if (readiness !== this.#shown) log.info('node.readiness', { node: name, readiness });
    this.#shown = readiness;
  }

  /** Only onto the object that was looked at, and only while it is for us to say; undefined when it is not. */
  async #patch(node: KubeObject, { body, ...change }: Change, readiness: Readiness): Promise<KubeObject | undefined> {
    const { api, signal, name, confirm } = this.#options;
    const yields = this.#yields;
    if (!(await confirm(readiness)) || yields !== this.#yields) return undefined;
    const metadata = { ...(body['metadata'] as object | undefined), resourceVersion: node.metadata.resourceVersion };
    return (this.#latest = await api.patch(nodes, { name }, { ...change, body: { ...body, metadata }, signal }));
  }

  /** Creates the Node when the node is there and the object is not: deleted by somebody, or never registered. Rejects when it is there after all. */
  async #read(readiness: Readiness): Promise<KubeObject | undefined> {
    const { api, seen, signal, name, log, happened, confirm } = this.#options;
    const cached = seen();
    // Once the watch has shown our write it is the one to believe: an API that crashed may come back without it.
    if (cached !== undefined && this.#isNewer(cached)) this.#latest = undefined;
    if (cached !== undefined) return this.#latest ?? cached;
    // A node that never said what it is must not come into being by its keepalives.
    const isKnown = this.#word.registration !== undefined || this.#word.status !== undefined;
    if (readiness !== 'ready' || !isKnown) return (this.#latest = await this.#get());
    if (!(await confirm(readiness))) return undefined;
    const made = await api.create(nodes, newNode(name, this.#word.registration), { signal });
    log.info('node.registered', { node: name });
    happened?.('registered');
    return (this.#latest = made);
  }

  async #get(): Promise<KubeObject | undefined> {
    const { api, signal, name } = this.#options;
    try {
      return await api.get(nodes, { name }, { signal });
    } catch (error) {
      if (isKubeError(error, 'NotFound')) return undefined;
      throw error;
    }
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

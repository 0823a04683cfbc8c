/** Owns which nodes this replica serves: one Lease per node, taken when its link opens, renewed while it is heard, given up when another takes it. */
import type { Clock } from '#beehive/clock.ts';
import { messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { isKubeError, leases, type KubeApi, type KubeObject } from '../store/kube-api.ts';
import { Reflector } from '../store/kubeconfig/reflector.ts';
import { claimedLease, holderOf, leaseName, newLease, renewal, renewTimeOf, LEASE_LABEL, LEASE_NAMESPACE } from './node-lease.ts';

export interface NodeClaimsOptions {
  /** On a client of its own: what waits for the bound on requests must not make nodes look silent. */
  api: KubeApi;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  /** Of this replica, another one at each start. */
  identity: string;
  /** Renewals a second, at most. */
  renewalsPerSecond: number;
  /** uid of the Node, which owns its Lease; undefined while there is none. */
  nodeUid: (node: string) => string | undefined;
  /** Another replica serves the node now. */
  lost: (node: string, holder: string) => void;
  /** Who serves the node, or whether anybody does, may have changed. */
  changed: (node: string) => void;
}

/** `mine`: nobody else took it. `taken`: another one did in this moment. */
export type ClaimOutcome = { outcome: 'mine'; before: 'mine' | 'nobody' | 'other' } | { outcome: 'taken'; holder: string };

/** As kubelets do; with more nodes than the bound on renewals allows they are rarer. */
export const RENEW_MS = 10_000;
/** Nodes renew a little apart from each other. */
const JITTER = 0.15;
/** Requests for claims that run at once: many nodes come back in the same moment. */
const MAX_CLAIMING = 16;
const ATTEMPTS = 4;
/** How often is looked whether a renewal that runs has ended. */
const RUNNING_MS = 20;

/** What was last seen of a Lease, by the monotonic clock of this process. */
interface Sight {
  holder: string;
  renewTime: string;
  seenMs: number;
  /** Seen in a list at the start, so its age is not known. */
  lease: KubeObject | undefined;
}

interface Held {
  dueMs: number;
  heardMs: number;
  /** A renewal runs. */
  renewing: boolean;
}

/** A Lease that is being read. Who asks meanwhile shares the next reading: its answer must be younger than the question. */
interface Question {
  answer: Promise<KubeObject | undefined>;
  next?: Promise<KubeObject | undefined>;
}

export class NodeClaims {
  readonly #options: NodeClaimsOptions;
  readonly #reflector: Reflector;
  readonly #sights = new Map<string, Sight>();
  readonly #held = new Map<string, Held>();
  readonly #questions = new Map<string, Question>();
  readonly #turns: (() => void)[] = [];
  #claiming = 0;
  #fault = '';

  constructor(options: NodeClaimsOptions) {
    const { api, clock, log } = options;
    this.#options = options;
    this.#reflector = new Reflector({
      api,
      type: leases,
      namespace: LEASE_NAMESPACE,
      labelSelector: LEASE_LABEL,
      clock,
      log,
      onUpsert: (_previous, lease) => this.#saw(lease),
      onDelete: ({ metadata }) => this.#gone(metadata.name),
    });
  }

  start(signal: AbortSignal): Promise<void> {
    this.#reflector.start();
    return this.#reflector.synced(signal);
  }

  stop(): Promise<void> {
    return this.#reflector.stop();
  }

  /** Nodes that this replica holds. */
  nodes(): Iterable<string> {
    return this.#held.keys();
  }

  holds(node: string): boolean {
    return this.#held.has(node);
  }

  /** When (monotonic ms) the Lease was last seen to change, by whomever; undefined when it was never seen. */
  seenMs(node: string): number | undefined {
    return this.#sights.get(node)?.seenMs;
  }

  /** A frame of the node came over a link of ours. */
  heard(node: string): void {
    const held = this.#held.get(node);
    if (held !== undefined) held.heardMs = this.#options.clock.monotonic();
  }

  /** Takes the node for this replica: it proved itself by dialling us. Rejects when the API does not answer. */
  async claim(node: string, signal: AbortSignal): Promise<ClaimOutcome> {
    await this.#turn();
    try {
      // A renewal that runs already may have reached the API before another replica took the node: it says nothing of now.
      while (this.#held.get(node)?.renewing === true) await this.#options.clock.sleep(RUNNING_MS, signal);
      if (this.holds(node) && (await this.#renew(node, signal))) return { outcome: 'mine', before: 'mine' };
      return await this.#take(node, signal);
    } finally {
      this.#claiming -= 1;
      this.#turns.shift()?.();
    }
  }

  /** Asks the API whether the node is still ours: what was decided before is void when it is not. */
  async confirm(node: string): Promise<boolean> {
    if (!this.holds(node)) return false;
    const lease = await this.#ask(node);
    // Gone (an API that lost its Leases): the next renewal makes it again, or finds that another one has.
    if (lease === undefined || holderOf(lease) === this.#options.identity) return this.holds(node);
    this.#saw(lease);
    return false;
  }

  /** Asks the API whether the Lease is as it was last seen: a watch that hangs must not make a node look silent. */
  async isUnchanged(node: string): Promise<boolean> {
    const before = this.#sights.get(node);
    const lease = await this.#ask(node);
    if (lease === undefined) return true;
    const same = before !== undefined && before.holder === holderOf(lease) && before.renewTime === renewTimeOf(lease);
    if (!same) this.#saw(lease);
    return same;
  }

  /** Once a second: renews what is due, the longest overdue first. */
  tick(): void {
    const { clock, renewalsPerSecond, signal, log } = this.#options;
    const nowMs = clock.monotonic();
    const everyMs = Math.max(RENEW_MS, (this.#held.size / renewalsPerSecond) * 1000);
    const due = [...this.#held]
      .filter(([, held]) => !held.renewing && held.dueMs <= nowMs && nowMs - held.heardMs < everyMs)
      .sort(([, left], [, right]) => left.dueMs - right.dueMs)
      .slice(0, Math.ceil(renewalsPerSecond));
    for (const [node, held] of due) {
      held.dueMs = nowMs + everyMs * (1 - JITTER * clock.random());
      void this.#renew(node, signal).then(
        () => (this.#fault = ''),
        (error: unknown) => {
          const fault = messageOf(error);
          if (fault !== this.#fault && !signal.aborted) log.warn('lease.failed', { node, reason: fault });
          this.#fault = fault;
        },
      );
    }
  }

  /** True when the Lease is ours and renewed; false when it is not ours any more. */
  async #renew(node: string, signal: AbortSignal): Promise<boolean> {
    const { api, clock, identity, nodeUid } = this.#options;
    const held = this.#held.get(node);
    if (held === undefined || held.renewing) return held !== undefined;
    held.renewing = true;
    try {
      const operations = renewal({ identity, now: clock.now(), uid: nodeUid(node), lease: this.#sights.get(node)?.lease });
      this.#saw(await api.patch(leases, leaseName(node), { type: 'json', operations, signal }));
      return true;
    } catch (error) {
      if (!isKubeError(error, 'NotFound', 'Invalid', 'Conflict')) throw error;
      return (await this.#recover(node, signal)) && this.holds(node);
    } finally {
      held.renewing = false;
    }
  }

  /** The Lease is not what it was: made anew when it is gone, given up when it is another's. */
  async #recover(node: string, signal: AbortSignal): Promise<boolean> {
    const lease = (await this.#read(node, signal)) ?? (await this.#create(node, signal)) ?? (await this.#read(node, signal));
    if (lease !== undefined) this.#saw(lease);
    return lease !== undefined && holderOf(lease) === this.#options.identity;
  }

  async #take(node: string, signal: AbortSignal): Promise<ClaimOutcome> {
    const { api, clock, identity, nodeUid } = this.#options;
    let rival: string | undefined;
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const lease = await this.#read(node, signal);
      const holder = lease === undefined ? '' : holderOf(lease);
      // Somebody was quicker: the node speaks to one of us only, and there is no telling to which.
      if (rival !== undefined && holder !== rival && holder !== identity) return { outcome: 'taken', holder };
      rival = holder;
      try {
        const taken =
          lease === undefined
            ? await this.#create(node, signal)
            : await api.update(leases, claimedLease(lease, { node, identity, now: clock.now(), uid: nodeUid(node) }), { signal });
        if (taken === undefined) continue;
        const nowMs = clock.monotonic();
        this.#held.set(node, { dueMs: nowMs + RENEW_MS * (1 - JITTER * clock.random()), heardMs: nowMs, renewing: false });
        this.#saw(taken);
        const before = holder === identity ? 'mine' : holder === '' ? 'nobody' : 'other';
        return { outcome: 'mine', before };
      } catch (error) {
        if (!isKubeError(error, 'Conflict', 'NotFound')) throw error;
      }
    }
    return { outcome: 'taken', holder: rival ?? '' };
  }

  /** undefined when it is there already. */
  async #create(node: string, signal: AbortSignal): Promise<KubeObject | undefined> {
    const { api, clock, identity, nodeUid } = this.#options;
    try {
      return await api.create(leases, newLease({ node, identity, now: clock.now(), uid: nodeUid(node) }), { signal });
    } catch (error) {
      if (isKubeError(error, 'AlreadyExists')) return undefined;
      throw error;
    }
  }

  #ask(node: string): Promise<KubeObject | undefined> {
    const asked = this.#questions.get(node);
    if (asked !== undefined) {
      const again = (): Promise<KubeObject | undefined> => this.#askNow(node);
      return (asked.next ??= asked.answer.then(again, again));
    }
    return this.#askNow(node);
  }

  #askNow(node: string): Promise<KubeObject | undefined> {
    const question: Question = { answer: this.#read(node, this.#options.signal) };
    this.#questions.set(node, question);
    const done = (): void => {
      if (this.#questions.get(node) === question && question.next === undefined) this.#questions.delete(node);
    };
    question.answer.then(done, done);
    return question.answer;
  }

  async #read(node: string, signal: AbortSignal): Promise<KubeObject | undefined> {
    try {
      return await this.#options.api.get(leases, leaseName(node), { signal });
    } catch (error) {
      if (isKubeError(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  #saw(lease: KubeObject): void {
    const { clock, identity, lost, changed, log } = this.#options;
    const node = lease.metadata.name;
    const before = this.#sights.get(node);
    // The watch may be behind what an answer has shown.
    if (before?.lease !== undefined && isOlder(lease, before.lease)) return;
    const sight = { holder: holderOf(lease), renewTime: renewTimeOf(lease), lease };
    const same = before?.holder === sight.holder && before.renewTime === sight.renewTime;
    this.#sights.set(node, { ...sight, seenMs: same ? before.seenMs : clock.monotonic() });
    if (sight.holder !== identity && this.#held.delete(node)) {
      log.info('node.moved', { node, to: sight.holder });
      lost(node, sight.holder);
    } else if (before?.holder !== sight.holder) changed(node);
  }

  /** It may come back at once: an API that kept its Leases in memory was started again. Who was seen lately counts as being there. */
  #gone(node: string): void {
    const sight = this.#sights.get(node);
    if (sight !== undefined) this.#sights.set(node, { ...sight, lease: undefined });
  }

  /** The node is silent and nobody knows it. */
  forget(node: string): void {
    this.#held.delete(node);
    if (this.#sights.get(node)?.lease === undefined) this.#sights.delete(node);
  }

  async #turn(): Promise<void> {
    if (this.#claiming >= MAX_CLAIMING) await new Promise<void>((resolve) => this.#turns.push(resolve));
    this.#claiming += 1;
  }
}

function isOlder(lease: KubeObject, than: KubeObject): boolean {
  return lease.metadata.uid === than.metadata.uid && Number(lease.metadata.resourceVersion) < Number(than.metadata.resourceVersion);
}

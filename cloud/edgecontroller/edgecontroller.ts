/** Owns the edgecontroller module: which nodes this replica serves, and their registration, status and readiness. */
import type { Timer } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import type { BeehiveMessage } from '#wire/message.ts';
import { nodes, type KubeApi, type KubeObject } from '../store/kube-api.ts';
import { EventRecorder, type EventSink } from '../store/kubeconfig/event-recorder.ts';
import { Reflector } from '../store/kubeconfig/reflector.ts';
import { NodeClaims } from './node-claims.ts';
import { involvedNode, nodeEvent } from './node-events.ts';
import { NodeKeeper } from './node-keeper.ts';
import { isEdgeNode } from './node-registration.ts';
import { NodeTalk, type Refusal } from './node-talk.ts';
import { PodStatuses, type PodNode } from './pod-status.ts';
import { dutyOf, SILENCE_MS, type Duty, type Readiness } from './readiness.ts';

export interface EdgeControllerOptions {
  api: KubeApi;
  /** The same API on a client without a bound of its own, for what must not wait behind other requests: Leases. */
  leaseApi: KubeApi;
  /** Renewals of Leases a second, at most. */
  renewalsPerSecond: number;
  /** Names this replica; another one at each start. */
  identity: string;
  /** This replica is the one that judges nodes which nobody serves. Absent: it always is. */
  leads?: () => boolean;
  /** Another replica serves the node: its link to us is dead, whether it knows or not. */
  moved: (node: string, to: string) => void;
  /** Somebody deleted the Node, and this was seen to happen: not merely that it is no longer there. */
  deleted?: (node: string, uid: string) => void;
  /** The node is to have the object under this key (`<namespace>/pod/<name>`). Absent: it is to have none. */
  wanted?: (node: string, key: string) => boolean;
  /** What this replica may write of the node's devices may have changed. `afresh`: what is known of them is older than the API. */
  dutyChanged: (node: string | undefined, afresh: boolean) => void;
}

interface Parts {
  context: Context;
  leadsSinceMs: number | undefined;
  reflector: Reflector;
  keepers: Map<string, NodeKeeper>;
  claims: NodeClaims;
  events: EventSink;
  talk: NodeTalk;
  pods: PodStatuses;
}

const TICK_MS = 1000;
/** A link waits so long for its node to be claimed. */
const ADMIT_MS = 15_000;

export class EdgeController implements Module {
  readonly name = 'edgecontroller';
  readonly #options: EdgeControllerOptions;
  #parts: Parts | undefined;
  #timer: Timer | undefined;
  /** What the devicecontroller was last told, of nodes with keepers. */
  readonly #duties = new Map<string, Duty>();

  constructor(options: EdgeControllerOptions) {
    this.#options = options;
  }

  async start(context: Context): Promise<void> {
    const { clock, log, signal } = context;
    const { api, wanted = () => false } = this.#options;
    const reflector = new Reflector({
      api,
      type: nodes,
      clock,
      log,
      onUpsert: (_previous, node) => this.#seen(node),
      onDelete: (node, how) => this.#gone(node, how),
    });
    this.#parts = {
      context,
      leadsSinceMs: undefined,
      reflector,
      keepers: new Map(),
      claims: this.#makeClaims(context, reflector),
      events: new EventRecorder({ api, clock, log, signal, component: this.name }),
      talk: new NodeTalk({ api, clock, log, signal, keeper: (node) => this.#keeper(node) }),
      pods: new PodStatuses({ api, clock, log, signal, confirm: (node) => this.confirm(node), wanted }),
    };
    reflector.start();
    await Promise.all([reflector.synced(context.signal), this.#parts.claims.start(context.signal)]);
    this.#tick();
  }

  async stop(): Promise<void> {
    const parts = this.#parts;
    this.#parts = undefined;
    this.#timer?.cancel();
    this.#duties.clear();
    // Nodes that are linked have to be claimed again.
    for (const node of parts?.claims.nodes() ?? []) this.#options.moved(node, 'a fresh start of this one');
    await Promise.all([parts?.reflector.stop(), parts?.claims.stop()]);
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

  /**
   * A node dialled this replica. True when it may be served: its Lease is ours. Never rejects; `signal` ends with the link.
   */
  async admit(node: string, signal: AbortSignal): Promise<boolean> {
    if (this.#parts === undefined) return false;
    const { claims, context } = this.#parts;
    const limit = new AbortController();
    const timer = context.clock.timer(ADMIT_MS, () => limit.abort(new Error('the Kubernetes API did not answer in time')));
    try {
      const claim = await claims.claim(node, AbortSignal.any([signal, limit.signal, context.signal]));
      if (claim.outcome === 'taken') {
        context.log.info('node.not_admitted', { node, reason: `${claim.holder} took it in the same moment` });
        return false;
      }
      this.heard(node);
      this.#tellDuty(node);
      return true;
    } catch (error) {
      if (!signal.aborted) context.log.warn('node.not_admitted', { node, reason: messageOf(error) });
      return false;
    } finally {
      timer.cancel();
    }
  }

  /** What this replica may write of the devices of a node; of those without a node, the one that leads. */
  duty(node: string | undefined): Duty {
    if (this.#parts === undefined) return 'nothing';
    if (node === undefined) return this.#leads() ? 'verdict' : 'nothing';
    const { claims, keepers, context, leadsSinceMs } = this.#parts;
    const signs = keepers.get(node)?.signs ?? {
      nowMs: context.clock.monotonic(),
      serves: claims.holds(node),
      heardMs: undefined,
      leadsSinceMs,
      renewedMs: claims.seenMs(node),
    };
    return dutyOf(signs);
  }

  /** Asks the API whether this replica may still write of the node's devices. Rejects when it does not answer. */
  async confirm(node: string | undefined): Promise<boolean> {
    const duty = this.duty(node);
    if (this.#parts === undefined || duty === 'nothing') return false;
    if (node === undefined) return true;
    const { claims } = this.#parts;
    if (claims.holds(node)) return claims.confirm(node);
    return (await claims.isUnchanged(node)) && this.duty(node) === duty;
  }

  /** Any frame of the node was received, a pong too. */
  heard(node: string): void {
    if (this.#parts?.claims.holds(node) !== true) return;
    this.#parts.claims.heard(node);
    this.#keeper(node)?.heard();
  }

  /** Takes what a node says and asks of itself, and says of its pods. */
  receive(from: PodNode, message: BeehiveMessage): Refusal {
    if (this.#parts === undefined) return { refused: 'the edgecontroller is starting' };
    const { talk, pods } = this.#parts;
    return (pods.takes(message) ? pods : talk).receive(from, message);
  }

  #makeClaims({ clock, log, signal }: Context, known: Reflector): NodeClaims {
    const { leaseApi: api, identity, renewalsPerSecond, moved } = this.#options;
    return new NodeClaims({
      api,
      clock,
      log,
      signal,
      identity,
      renewalsPerSecond,
      nodeUid: (node) => known.objects.get(node)?.metadata.uid,
      lost: (node, to) => {
        this.#parts?.keepers.get(node)?.yield();
        moved(node, to);
        this.#duties.set(node, this.duty(node));
        this.#options.dutyChanged(node, true);
      },
      changed: (node) => this.#tellDuty(node),
    });
  }

  #keeper(name: string): NodeKeeper | undefined {
    if (this.#parts === undefined) return undefined;
    const { keepers } = this.#parts;
    let keeper = keepers.get(name);
    if (keeper === undefined) keepers.set(name, (keeper = this.#makeKeeper(name, this.#parts)));
    return keeper;
  }

  #makeKeeper(name: string, parts: Parts): NodeKeeper {
    const { context, reflector, claims, events } = parts;
    const { clock, log, signal } = context;
    const mayJudge = (readiness: Readiness): Promise<boolean> => {
      if (readiness === 'ready' || claims.holds(name)) return claims.confirm(name);
      return claims.isUnchanged(name);
    };
    return new NodeKeeper({
      name,
      api: this.#options.api,
      clock,
      log,
      signal,
      seen: () => reflector.objects.get(name),
      signs: () => ({ serves: claims.holds(name), leadsSinceMs: parts.leadsSinceMs, renewedMs: claims.seenMs(name) }),
      confirm: mayJudge,
      happened: (what) => events.record(involvedNode(name), nodeEvent(name, what)),
    });
  }

  #seen(node: KubeObject): void {
    const known = this.#parts?.keepers.get(node.metadata.name);
    if (known !== undefined) known.look();
    else if (isEdgeNode(node)) this.#keeper(node.metadata.name);
  }

  /** The keeper of a node that still speaks stays: it remembers what to register again. */
  #gone(node: KubeObject, how: 'seen' | 'missing'): void {
    const { name, uid = '' } = node.metadata;
    if (how === 'seen' && isEdgeNode(node)) this.#options.deleted?.(name, uid);
    if (this.#parts?.keepers.get(name)?.readiness !== 'ready') this.#forget(name);
  }

  #forget(name: string): void {
    this.#parts?.keepers.delete(name);
    this.#parts?.claims.forget(name);
    this.#duties.delete(name);
  }

  #leads(): boolean {
    return this.#options.leads?.() ?? true;
  }

  #tick(): void {
    if (this.#parts === undefined) return;
    const { keepers, reflector, claims, context } = this.#parts;
    const { clock } = context;
    this.#timer = clock.timer(TICK_MS, () => this.#tick());
    this.#lookWhoLeads(this.#parts);
    for (const [name, keeper] of keepers) {
      const { heardMs = -Infinity, nowMs } = keeper.signs;
      if (nowMs - heardMs >= SILENCE_MS && !reflector.objects.has(name)) this.#forget(name);
      else {
        keeper.tick();
        this.#tellDuty(name);
      }
    }
    claims.tick();
  }

  #lookWhoLeads(parts: Parts): void {
    const leads = this.#leads();
    if (leads === (parts.leadsSinceMs !== undefined)) return;
    parts.leadsSinceMs = leads ? parts.context.clock.monotonic() : undefined;
    this.#options.dutyChanged(undefined, false);
  }

  #tellDuty(node: string): void {
    const duty = this.duty(node);
    if (this.#duties.get(node) === duty) return;
    this.#duties.set(node, duty);
    this.#options.dutyChanged(node, false);
  }
}

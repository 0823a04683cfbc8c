/** Owns what a server pushes: one subscription per publishing rate, shared by the devices of a session, with bounded queues everywhere. */
import type { ClientMonitoredItemGroup, ClientSubscription, DataValue, NodeId } from 'node-opcua-client';
import { abortable } from '#beehive/abortable.ts';
import type { Clock, Timer } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';
import type { Sampling } from '../contract.ts';
import type { ServerLink } from './server-link.ts';
import { within } from './within.ts';

/** One node to be watched. */
export interface Watched {
  readonly name: string;
  readonly node: NodeId;
  readonly sampling: Sampling;
}

export type OnChange = (name: string, value: DataValue) => void;

export interface SubscriptionsDeps {
  readonly link: ServerLink;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Slow points share a subscription with those that are not much slower. */
const RATES_MS: readonly number[] = [50, 100, 250, 500, 1000];
/** Without changes the server says at least that often that it is there. */
const KEEP_ALIVE_MS = 5000;
/** A subscription outlives a link that is away shorter. */
const LIFETIME_MS = 60_000;
const NOTIFICATIONS_A_MESSAGE = 1000;
const ITEMS_A_REQUEST = 500;
/** Values of one node that wait at the server for the next message, when it is sampled faster than messages are sent. */
const MOST_QUEUED = 10;
const CLOSE_MS = 1000;

export class Subscriptions {
  readonly #deps: SubscriptionsDeps;
  readonly #byRate = new Map<number, Promise<RateSubscription | undefined>>();

  constructor(deps: SubscriptionsDeps) {
    this.#deps = deps;
  }

  /** Names that are pushed from now on, and how to end that. What the server refuses is left out. Throws DEVICE_UNREACHABLE. */
  async watch(
    items: readonly Watched[],
    { onChange, signal }: { onChange: OnChange; signal: AbortSignal },
  ): Promise<{ names: ReadonlySet<string>; end: () => Promise<void> }> {
    const rateMs = rateOf(items.map(({ sampling }) => sampling.everyMs));
    const subscription = await abortable(this.#subscriptionOf(rateMs), signal);
    if (subscription === undefined) return { names: new Set(), end: () => Promise.resolve() };
    return subscription.watch(items, { onChange, signal });
  }

  stop(): void {
    for (const each of this.#byRate.values()) void each.then((subscription) => subscription?.stop());
  }

  /** Of all devices of the session: it does not end with the one that came first. */
  #subscriptionOf(rateMs: number): Promise<RateSubscription | undefined> {
    const known = this.#byRate.get(rateMs);
    if (known !== undefined) return known;
    const made = RateSubscription.create(this.#deps, rateMs).catch((error: unknown) => {
      this.#byRate.delete(rateMs);
      throw error;
    });
    this.#byRate.set(rateMs, made);
    return made;
  }
}

/** Half of the shortest collect cycle, so that sampling and sending together take no longer than one and a half. */
export function rateOf(cyclesMs: readonly number[]): number {
  const wanted = Math.min(...cyclesMs) / 2;
  return RATES_MS.findLast((rate) => rate <= wanted) ?? RATES_MS[0] ?? KEEP_ALIVE_MS;
}

class RateSubscription {
  readonly #deps: SubscriptionsDeps;
  readonly #subscription: ClientSubscription;
  readonly #rateMs: number;
  readonly #itemsARequest: number;
  readonly #unwatch: () => void;
  #silence: Timer | undefined;
  #isStopped = false;

  /** Undefined when the server has no subscriptions, or none left. */
  static async create(deps: SubscriptionsDeps, rateMs: number): Promise<RateSubscription | undefined> {
    const { link, log } = deps;
    // The client refuses a keep-alive that a session might not live to see.
    const keepAliveMs = Math.min(KEEP_ALIVE_MS, link.sessionTimeoutMs / 3);
    const keepAliveCount = Math.max(3, Math.ceil(keepAliveMs / rateMs));
    try {
      const subscription = await link.call(
        (session) =>
          session.createSubscription2({
            requestedPublishingInterval: rateMs,
            requestedMaxKeepAliveCount: keepAliveCount,
            requestedLifetimeCount: Math.max(3 * keepAliveCount, Math.ceil(LIFETIME_MS / rateMs)),
            maxNotificationsPerPublish: NOTIFICATIONS_A_MESSAGE,
            publishingEnabled: true,
            priority: 1,
          }),
        link.closing,
      );
      return new RateSubscription(deps, subscription, { rateMs, itemsARequest: await itemsARequest(link) });
    } catch (error) {
      if (!link.isUp) throw error;
      log.info('opcua.subscriptions.none', { url: link.url, error });
      return undefined;
    }
  }

  private constructor(
    deps: SubscriptionsDeps,
    subscription: ClientSubscription,
    { rateMs, itemsARequest }: { rateMs: number; itemsARequest: number },
  ) {
    this.#deps = deps;
    this.#subscription = subscription;
    this.#rateMs = rateMs;
    this.#itemsARequest = itemsARequest;
    const heard = (): void => this.#armSilence();
    subscription.on('keepalive', heard);
    subscription.on('received_notifications', heard);
    subscription.on('error', () => undefined);
    subscription.on('internal_error', (error) => deps.log.debug('opcua.subscription.error', { error }));
    subscription.on('terminated', () => this.#isStopped || deps.link.giveUp('the server ended the subscription'));
    this.#unwatch = deps.link.onRepaired(() => void this.#checkItems());
    heard();
  }

  async watch(
    items: readonly Watched[],
    { onChange, signal }: { onChange: OnChange; signal: AbortSignal },
  ): Promise<{ names: ReadonlySet<string>; end: () => Promise<void> }> {
    const names = new Set<string>();
    const groups: ClientMonitoredItemGroup[] = [];
    let refused: Watched[] = [];
    for (const batch of batchesOf(items, this.#itemsARequest)) {
      const { taken, group } = await this.#create(batch, { onChange, signal });
      if (group !== undefined) groups.push(group);
      for (const { name } of taken) names.add(name);
      refused.push(...batch.filter((item) => !taken.includes(item)));
    }
    // Not every node takes a deadband: texts have no distance.
    refused = refused.filter(({ sampling }) => serverDeadband(sampling) !== undefined);
    const plain = refused.map((item) => ({ ...item, sampling: { everyMs: item.sampling.everyMs } }));
    for (const batch of batchesOf(plain, this.#itemsARequest)) {
      const { taken, group } = await this.#create(batch, { onChange, signal });
      if (group !== undefined) groups.push(group);
      for (const { name } of taken) names.add(name);
    }
    return { names, end: () => this.#end(groups) };
  }

  stop(): void {
    this.#isStopped = true;
    this.#unwatch();
    this.#silence?.cancel();
    this.#subscription.removeAllListeners();
  }

  /** All of a batch have the same parameters. */
  async #create(
    batch: readonly Watched[],
    { onChange, signal }: { onChange: OnChange; signal: AbortSignal },
  ): Promise<{ taken: readonly Watched[]; group?: ClientMonitoredItemGroup }> {
    const { link } = this.#deps;
    const { opcua } = link;
    const sampling = batch[0]?.sampling;
    if (sampling === undefined) return { taken: [] };
    const deadband = serverDeadband(sampling);
    const parameters = {
      samplingInterval: sampling.everyMs,
      queueSize: Math.min(MOST_QUEUED, Math.max(1, Math.ceil(this.#rateMs / sampling.everyMs))),
      discardOldest: true,
      ...(deadband === undefined
        ? {}
        : {
            filter: new opcua.DataChangeFilter({
              trigger: opcua.DataChangeTrigger.StatusValue,
              deadbandType: opcua.DeadbandType.Absolute,
              deadbandValue: deadband,
            }),
          }),
    };
    const nodes = batch.map(({ node }) => ({ nodeId: node, attributeId: opcua.AttributeIds.Value }));
    const group = await link.call(() => this.#subscription.monitorItems(nodes, parameters, opcua.TimestampsToReturn.Both), signal);
    const taken = batch.filter((_item, index) => group.monitoredItems[index]?.statusCode.isGood() === true);
    group.on('changed', (_item, value, index) => {
      const name = batch[index]?.name;
      if (name !== undefined) onChange(name, value);
    });
    return { taken, group };
  }

  async #end(groups: readonly ClientMonitoredItemGroup[]): Promise<void> {
    for (const group of groups) {
      group.removeAllListeners();
      // Those that were refused are not there to be deleted.
      const there = group.monitoredItems.filter(({ statusCode }) => statusCode.isGood());
      group.monitoredItems = there;
      if (there.length === 0 || this.#isStopped || !this.#deps.link.isUp) continue;
      await within(group.terminate(), { signals: [this.#deps.link.closing], clock: this.#deps.clock, ms: CLOSE_MS }).catch(() => undefined);
    }
  }

  /** What was there before a restart of the server may be gone, or was not made anew: then everything is looked up again. */
  async #checkItems(): Promise<void> {
    this.#armSilence();
    const { link } = this.#deps;
    const items = Object.values(this.#subscription.monitoredItems);
    if (items.some(({ statusCode }) => statusCode.isBad())) return link.giveUp('the server no longer has a node that it pushed');
    const held = await this.#held();
    const wanted = Math.min(items.length, Object.keys(this.#subscription.monitoredItems).length);
    if (held !== undefined && held < wanted) link.giveUp('the subscription came back without its nodes');
  }

  /** How many nodes the subscription has by what the server says; undefined when it does not. */
  async #held(): Promise<number | undefined> {
    const { link } = this.#deps;
    try {
      const { serverHandles } = await link.call(() => this.#subscription.getMonitoredItems(), link.closing);
      return serverHandles.length;
    } catch {
      return undefined;
    }
  }

  #armSilence(): void {
    this.#silence?.cancel();
    if (this.#isStopped) return;
    const { maxKeepAliveCount, publishingInterval } = this.#subscription;
    const ms = 3 * Math.max(KEEP_ALIVE_MS, maxKeepAliveCount * publishingInterval);
    this.#silence = this.#deps.clock.timer(ms, () => {
      if (this.#deps.link.isUp) this.#deps.link.giveUp('the subscription fell silent');
      else this.#armSilence();
    });
  }
}

/**
 * Half of it: a server tells what is more than this away from what it told last, the host counts from what it reported last, and a change of
 * just the deadband is news. A percentage means the range of the node there and the value here, so that is left to the host.
 */
function serverDeadband({ deadband }: Sampling): number | undefined {
  return deadband?.kind === 'absolute' ? deadband.value / 2 : undefined;
}

/** What is refused as too much leaves its items behind in the client, so the server is asked first. */
async function itemsARequest(link: ServerLink): Promise<number> {
  const { VariableIds, AttributeIds, coerceNodeId } = link.opcua;
  const nodeId = coerceNodeId(VariableIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall);
  const limit = await link.call((session) => session.read({ nodeId, attributeId: AttributeIds.Value }), link.closing);
  const most: unknown = limit.value.value;
  return typeof most === 'number' && most > 0 ? Math.min(most, ITEMS_A_REQUEST) : ITEMS_A_REQUEST;
}

/** Equal parameters and few enough for one request. */
function batchesOf(items: readonly Watched[], most: number): Watched[][] {
  const bySampling = new Map<string, Watched[]>();
  for (const item of items) {
    const key = JSON.stringify(item.sampling);
    const same = bySampling.get(key);
    if (same === undefined) bySampling.set(key, [item]);
    else same.push(item);
  }
  return [...bySampling.values()].flatMap((same) =>
    Array.from({ length: Math.ceil(same.length / most) }, (_, index) => same.slice(index * most, (index + 1) * most)),
  );
}

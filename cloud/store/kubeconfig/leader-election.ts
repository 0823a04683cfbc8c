/** Owns who of several cloudcores leads: one Lease, taken and renewed by compare and swap, judged by this machine's monotonic clock only. */
import type { Clock, Timer } from '#beehive/clock.ts';
import { messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import { isKubeError, leases, namespaces, type KubeApi, type KubeObject } from '../kube-api.ts';

export interface LeaderElectionOptions {
  api: Pick<KubeApi, 'get' | 'create' | 'update'>;
  clock: Clock;
  log: Logger;
  /** One of its own for each start of a process: who comes back is somebody else. */
  identity: string;
  /** Of the Lease; made when missing. */
  namespace: string;
  /** Of the Lease. */
  name: string;
  /** A Lease that did not change for so long may be taken by another. Default 15 s. */
  leaseMs?: number;
  /** Between two renewals, and between two looks of who does not lead. Default 2 s. */
  renewMs?: number;
  /** Called at each change of `isLeader`; must not throw. */
  onChange?: (isLeader: boolean) => void;
}

const LEASE_MS = 15_000;
const RENEW_MS = 2_000;
/** Leadership ends this much of the Lease's time after the last renewal was sent: before any other may take it. */
const HELD_PART = 2 / 3;
/** An attempt is given up after this much of the Lease's time, so that there is time for another. */
const ATTEMPT_PART = 1 / 3;
/** A stop waits no longer than this for the Lease to be given back. */
const RELEASE_MS = 2_000;
/** Candidates look a little apart from each other. */
const JITTER = 0.2;

/** What was last seen of the Lease, and since when it is unchanged. */
interface Sight {
  lease: KubeObject;
  /** `spec` as text: who only labels the Lease does not renew it. */
  record: string;
  sinceMs: number;
}

interface LeaseSpec {
  holderIdentity?: string;
  leaseDurationSeconds?: number;
  acquireTime?: string;
  renewTime?: string;
  leaseTransitions?: number;
  [field: string]: unknown;
}

/**
 * The rules are those of client-go's leader election, so either may stand in for the other. Clocks of different machines need not agree;
 * their rates must, within the third of the Lease's time that lies between the leader's end and the next one's start.
 */
export class LeaderElection implements Module {
  readonly name = 'leaderelection';
  readonly #options: LeaderElectionOptions;
  readonly #leaseMs: number;
  readonly #renewMs: number;
  #abort: AbortController | undefined;
  #running: Promise<void> | undefined;
  #sight: Sight | undefined;
  #heldUntilMs = -Infinity;
  #told = false;
  #timer: Timer | undefined;
  #fault = '';

  constructor(options: LeaderElectionOptions) {
    const { leaseMs = LEASE_MS, renewMs = RENEW_MS } = options;
    if (!(renewMs * 2 <= leaseMs * HELD_PART)) throw new RangeError(`renewMs ${renewMs} leaves no second try within leaseMs ${leaseMs}`);
    this.#options = options;
    this.#leaseMs = leaseMs;
    this.#renewMs = renewMs;
  }

  /** Ask each time: a process that was stopped for a while has lost it before any of its timers fires. */
  get isLeader(): boolean {
    return this.#options.clock.monotonic() < this.#heldUntilMs;
  }

  /** The port that is handed to whoever does what only one may do. */
  readonly leads = (): boolean => this.isLeader;

  /** Resolves at once; the election goes on in the background, also while the API is away. */
  start(context: Pick<Context, 'signal'>): Promise<void> {
    this.#abort = new AbortController();
    this.#running = this.#run(AbortSignal.any([context.signal, this.#abort.signal]));
    return Promise.resolve();
  }

  /** Leads no more at once, then gives the Lease back, so that another need not wait. Idempotent. */
  async stop(): Promise<void> {
    const held = this.isLeader;
    this.#lose('stopped');
    this.#abort?.abort(new Error('the leader election was stopped'));
    await this.#running;
    this.#running = undefined;
    const lease = this.#sight?.lease;
    this.#sight = undefined;
    if (held && lease !== undefined) await this.#release(lease);
  }

  health(): Health {
    if (this.isLeader) return { ok: true, detail: 'this one leads' };
    if (this.#fault !== '') return { ok: true, detail: this.#fault };
    const holder = this.#sight === undefined ? undefined : specOf(this.#sight.lease).holderIdentity;
    return { ok: true, detail: holder === undefined ? 'nobody leads yet' : `${holder} leads` };
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await this.#attempt(signal);
      const waitMs = this.isLeader ? this.#renewMs : this.#renewMs * (1 + JITTER * clock.random());
      await clock.sleep(waitMs, signal).catch(() => undefined);
    }
  }

  /** Never throws. */
  async #attempt(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    // Others count from when they see the renewal, which is after it was sent.
    const sentMs = clock.monotonic();
    const limit = new AbortController();
    const timer = clock.timer(this.#leaseMs * ATTEMPT_PART, () => limit.abort(new Error('the API did not answer in time')));
    try {
      const held = await this.#takeOrRenew(AbortSignal.any([signal, limit.signal]));
      if (signal.aborted) return;
      this.#fault = '';
      if (held) this.#hold(sentMs + this.#leaseMs * HELD_PART);
      else this.#lose('another one holds the Lease');
    } catch (error) {
      // Somebody else wrote in the same moment; who that was is seen at the next look. What we hold, we hold until its time is over.
      if (!signal.aborted && !isKubeError(error, 'Conflict', 'AlreadyExists')) this.#failed(messageOf(error));
    } finally {
      timer.cancel();
    }
  }

  /** True when the Lease is ours now, false when it is another's. */
  async #takeOrRenew(signal: AbortSignal): Promise<boolean> {
    const { api } = this.#options;
    if (this.isLeader && this.#sight !== undefined) {
      try {
        await this.#write(this.#sight.lease, signal);
        return true;
      } catch (error) {
        if (!isKubeError(error, 'Conflict', 'NotFound')) throw error;
      }
    }
    let lease: KubeObject;
    try {
      lease = await api.get(leases, this.#name, { signal });
    } catch (error) {
      if (!isKubeError(error, 'NotFound')) throw error;
      // Who held it does not know yet that it is gone.
      if (this.#heldByOther()) return false;
      await this.#create(signal);
      return true;
    }
    this.#see(lease);
    if (this.#heldByOther()) return false;
    await this.#write(lease, signal);
    return true;
  }

  #see(lease: KubeObject): void {
    const record = JSON.stringify(lease['spec'] ?? null);
    const sinceMs = this.#sight?.record === record ? this.#sight.sinceMs : this.#options.clock.monotonic();
    this.#sight = { lease, record, sinceMs };
  }

  #heldByOther(): boolean {
    if (this.#sight === undefined) return false;
    const { holderIdentity = '', leaseDurationSeconds } = specOf(this.#sight.lease);
    if (holderIdentity === '' || holderIdentity === this.#options.identity) return false;
    const termMs = typeof leaseDurationSeconds === 'number' && leaseDurationSeconds > 0 ? leaseDurationSeconds * 1000 : this.#leaseMs;
    return this.#options.clock.monotonic() < this.#sight.sinceMs + termMs;
  }

  async #write(lease: KubeObject, signal: AbortSignal): Promise<void> {
    const { api, identity } = this.#options;
    const spec = specOf(lease);
    const same = spec.holderIdentity === identity;
    const next = {
      ...spec,
      ...this.#claim(),
      ...(same && spec.acquireTime !== undefined ? { acquireTime: spec.acquireTime } : {}),
      leaseTransitions: (spec.leaseTransitions ?? 0) + (same ? 0 : 1),
    };
    this.#see(await api.update(leases, { ...lease, spec: next }, { signal }));
  }

  async #create(signal: AbortSignal): Promise<void> {
    const { api, namespace, name } = this.#options;
    const wanted = { metadata: { namespace, name }, spec: { ...this.#claim(), leaseTransitions: 0 } };
    try {
      this.#see(await api.create(leases, wanted, { signal }));
    } catch (error) {
      if (!isKubeError(error, 'NotFound')) throw error;
      await ensureNamespace(api, namespace, signal);
      this.#see(await api.create(leases, wanted, { signal }));
    }
  }

  #claim(): LeaseSpec {
    const now = microTime(this.#options.clock);
    const leaseDurationSeconds = Math.ceil(this.#leaseMs / 1000);
    return { holderIdentity: this.#options.identity, leaseDurationSeconds, acquireTime: now, renewTime: now };
  }

  #hold(untilMs: number): void {
    const { clock, log, identity } = this.#options;
    this.#heldUntilMs = untilMs;
    // The answer came so late that it is worth nothing.
    if (!this.isLeader) return this.#lose('the renewal took too long');
    this.#timer?.cancel();
    this.#timer = clock.timer(untilMs - clock.monotonic(), () => this.#lose('it could not be renewed in time'));
    if (this.#told) return;
    log.info('leader.started', { identity });
    this.#tell(true);
  }

  #lose(reason: string): void {
    const { log, identity } = this.#options;
    this.#heldUntilMs = -Infinity;
    this.#timer?.cancel();
    if (!this.#told) return;
    log.info('leader.ended', { identity, reason });
    this.#tell(false);
  }

  #tell(isLeader: boolean): void {
    this.#told = isLeader;
    this.#options.onChange?.(isLeader);
  }

  async #release(lease: KubeObject): Promise<void> {
    const { api, clock, log, identity } = this.#options;
    const limit = new AbortController();
    const timer = clock.timer(RELEASE_MS, () => limit.abort(new Error('the API did not answer in time')));
    const { signal } = limit;
    try {
      await this.#giveBack(lease, signal).catch(async (error: unknown) => {
        if (!isKubeError(error, 'Conflict')) throw error;
        // A renewal that the stop cut off was done all the same.
        const now = await api.get(leases, this.#name, { signal });
        if (specOf(now).holderIdentity === identity) await this.#giveBack(now, signal);
      });
    } catch (error) {
      // Another waits for its time to pass, which is no harm.
      log.debug('leader.not_released', { reason: messageOf(error) });
    } finally {
      timer.cancel();
    }
  }

  async #giveBack(lease: KubeObject, signal: AbortSignal): Promise<void> {
    const { api, clock } = this.#options;
    const { holderIdentity: _, ...rest } = specOf(lease);
    await api.update(leases, { ...lease, spec: { ...rest, leaseDurationSeconds: 1, renewTime: microTime(clock) } }, { signal });
  }

  get #name(): { namespace: string; name: string } {
    const { namespace, name } = this.#options;
    return { namespace, name };
  }

  #failed(fault: string): void {
    if (fault !== this.#fault) this.#options.log.warn('leader.failed', { reason: fault });
    this.#fault = fault;
  }
}

/** Creates the namespace where it is missing. */
export async function ensureNamespace(api: Pick<KubeApi, 'create'>, name: string, signal: AbortSignal): Promise<void> {
  try {
    await api.create(namespaces, { metadata: { name } }, { signal });
  } catch (error) {
    if (!isKubeError(error, 'AlreadyExists')) throw error;
  }
}

function specOf(lease: KubeObject): LeaseSpec {
  return (lease['spec'] ?? {}) as LeaseSpec;
}

/** For people; it decides nothing. Kubernetes wants six digits. */
function microTime(clock: Clock): string {
  return new Date(clock.now()).toISOString().replace('Z', '000Z');
}

/** Owns the process of one plugin: started with the first device, stopped after the last, started again with back-off when it dies. */
import type { Clock, Timer } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { backoff } from '#beehive/retry.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import type { Secrets } from '../contract.ts';
import type { Life, Place } from './life.ts';
import { Session, type Hello, type MapperPort } from './session.ts';

export interface KeeperOptions {
  readonly hello: Hello;
  readonly place: Place;
  /** A port of its own for each life. */
  readonly port: () => MapperPort;
  readonly secrets: Secrets | undefined;
  /** Tells the state of a device in place of its process, as a mapper host does. */
  readonly faultOf: (profile: DeviceProfile) => Fault;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long a process without devices is kept, ms. */
  readonly lingerMs?: number;
  readonly pingMs?: number;
}

export interface Fault {
  tell(reason: string): void;
  stop(): void;
}

export interface KeeperStatus {
  /** idle: no device needs it. waiting: it is down, and started again soon. */
  readonly state: 'idle' | 'starting' | 'running' | 'waiting';
  /** The code of the plugin is in. */
  readonly loaded: boolean;
  readonly pid?: number;
  /** Since edgecore started. */
  readonly restarts: number;
  /** Wall clock, unix ms, of the last change of `state`. */
  readonly since: number;
  /** How it ended the last time, while it does not run; or why its plugin is not loaded. */
  readonly reason?: string;
}

interface Kept {
  /** Without what the twin tells its process anyway. */
  profile: DeviceProfile;
  text: string;
  /** What its process said last. */
  said?: { word: string; reason?: string };
  fault?: Fault;
}

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;
/** A process that lived this long is started again after the shortest wait. */
const STEADY_MS = 60_000;
const LINGER_MS = 5000;
const PATIENCE_MS = 15_000;
/** A process whose plugin misses something is made anew after this, each time twice as long: node never finds in one what it did not find there once. */
const FIRST_RENEWAL_MS = 15_000;
const LAST_RENEWAL_MS = 300_000;
/** How a life ended that was no failure. */
const RENEWED = 'it is made anew, to find what its plugin misses';

export class Keeper {
  readonly #options: KeeperOptions;
  readonly #devices = new Map<string, Kept>();
  #status: KeeperStatus;
  #session: Session | undefined;
  /** Why no process serves; told of devices that come meanwhile. */
  #down: string | undefined;
  /** Aborts when no device needs it, or all stops. */
  #unwanted = new AbortController();
  #linger: Timer | undefined;
  #renewal: Timer | undefined;
  #renewalMs = FIRST_RENEWAL_MS;
  /** Monotonic ms of the start of this life. */
  #bornAt = 0;
  #running: Promise<void> | undefined;
  #isStopping = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#status = { state: 'idle', loaded: false, restarts: 0, since: options.clock.now() };
  }

  get status(): KeeperStatus {
    return this.#status;
  }

  devices(): { profile: DeviceProfile; said: Kept['said'] }[] {
    return [...this.#devices.values()].map(({ profile, said }) => ({ profile, said }));
  }

  set(profile: DeviceProfile): void {
    if (this.#isStopping) return;
    const needed = withoutDesired(profile);
    const text = JSON.stringify(needed);
    const before = this.#devices.get(profile.name);
    if (before?.text === text) return;
    const kept: Kept = { ...before, profile: needed, text };
    this.#devices.set(profile.name, kept);
    this.#linger?.cancel();
    if (this.#session !== undefined) this.#hand(this.#session, kept);
    if (this.#down !== undefined) this.#tell(kept, this.#down);
    this.#running ??= this.#run();
  }

  removed(name: string): void {
    this.#devices.get(name)?.fault?.stop();
    if (!this.#devices.delete(name)) return;
    this.#session?.removed(name);
    if (this.#devices.size > 0 || this.#isStopping) return;
    const { clock, lingerMs = LINGER_MS } = this.#options;
    this.#linger?.cancel();
    this.#linger = clock.timer(lingerMs, () => this.#unwanted.abort(new HiveletError('STOPPED', 'no device needs it')));
  }

  /** Resolves when the process is gone. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#linger?.cancel();
    this.#unwanted.abort(new HiveletError('STOPPED', 'edgecore stops'));
    await this.#running;
    for (const { fault } of this.#devices.values()) fault?.stop();
    this.#devices.clear();
  }

  /** Until no device needs it; a device that came at the last moment begins anew. */
  async #run(): Promise<void> {
    const { clock, place, log } = this.#options;
    const { signal } = this.#unwanted;
    let waits = backoff(FIRST_RETRY_MS, LAST_RETRY_MS, () => clock.random());
    while (!signal.aborted) {
      this.#bornAt = clock.monotonic();
      const reason = await this.#live(signal);
      if (signal.aborted) break;
      if (reason === RENEWED) continue;
      if (clock.monotonic() - this.#bornAt >= STEADY_MS) waits = backoff(FIRST_RETRY_MS, LAST_RETRY_MS, () => clock.random());
      const waitMs = Math.round(waits.next().value);
      log.warn('mapper.process.ended', { reason, restartInMs: waitMs });
      this.#is({ state: 'waiting', loaded: false, reason, restarts: this.#status.restarts + 1 });
      this.#failAll(`the process of the mapper ${this.#options.hello.plugin} ended (${reason}) and is started again`);
      await clock.sleep(waitMs, signal).catch(() => undefined);
    }
    await place.release();
    this.#down = undefined;
    this.#is({ state: 'idle', loaded: false, restarts: this.#status.restarts });
    this.#running = undefined;
    if (this.#isStopping) return;
    this.#unwanted = new AbortController();
    if (this.#devices.size > 0) this.#running = this.#run();
  }

  /** One life; resolves with how it ended. Nothing of it is left then. */
  async #live(signal: AbortSignal): Promise<string> {
    const { place, clock } = this.#options;
    this.#is({ state: 'starting', loaded: false, restarts: this.#status.restarts, ...this.#lastReason() });
    const { absence } = place;
    const patience = absence === undefined ? undefined : clock.timer(PATIENCE_MS, () => this.#failAll(absence));
    let life: Life;
    try {
      life = await place.start(signal);
    } catch (error) {
      return messageOf(error);
    } finally {
      patience?.cancel();
    }
    return this.#serve(life, signal);
  }

  async #serve(life: Life, signal: AbortSignal): Promise<string> {
    let broke: (fault: string | undefined) => void = () => undefined;
    const broken = new Promise<string | undefined>((resolve) => (broke = resolve));
    const session = this.#open(life, broke);
    this.#session = session;
    for (const kept of this.#devices.values()) this.#hand(session, kept);
    const onAbort = (): void => broke(undefined);
    signal.addEventListener('abort', onAbort, { once: true });
    const fault = await Promise.race([broken, life.ended.then(() => undefined)]);
    signal.removeEventListener('abort', onAbort);
    this.#renewal?.cancel();
    this.#renewal = undefined;
    this.#session = undefined;
    session.close();
    await (fault === undefined || fault === RENEWED ? life.stop() : life.kill());
    return fault ?? (await life.ended);
  }

  #open(life: Life, broke: (fault: string | undefined) => void): Session {
    const { hello, port, secrets, clock, log, pingMs } = this.#options;
    return new Session({
      stream: life.stream,
      hello,
      port: port(),
      secrets,
      clock,
      log,
      ...(pingMs === undefined ? {} : { pingMs }),
      onGreeted: (pid) => {
        this.#down = undefined;
        this.#is({ state: 'running', loaded: false, restarts: this.#status.restarts, pid: life.pid ?? pid });
        log.info('mapper.process.running', { pid: life.pid ?? pid, devices: this.#devices.size });
      },
      onLoaded: (reason) => {
        const { reason: _, ...status } = this.#status;
        this.#status = { ...status, loaded: reason === undefined, ...(reason === undefined ? {} : { reason }) };
        this.#renewLater(reason, broke);
      },
      onState: (device, payload) => this.#heard(device, payload),
      onEnd: broke,
    });
  }

  /** Its devices keep the state that its plugin told, so nobody is told of the change. */
  #renewLater(missing: string | undefined, broke: (fault: string) => void): void {
    const { clock } = this.#options;
    if (missing === undefined) {
      this.#renewal?.cancel();
      this.#renewal = undefined;
    } else if (this.#renewal === undefined) {
      // It was all there before.
      if (clock.monotonic() - this.#bornAt >= STEADY_MS) this.#renewalMs = FIRST_RENEWAL_MS;
      this.#renewal = clock.timer(this.#renewalMs, () => broke(RENEWED));
      this.#renewalMs = Math.min(2 * this.#renewalMs, LAST_RENEWAL_MS);
    }
  }

  #hand(session: Session, kept: Kept): void {
    try {
      session.set(kept.profile);
    } catch (error) {
      this.#tell(kept, `the device cannot be given to its mapper: ${messageOf(error)}`);
    }
  }

  #heard(device: string, payload: Buffer): void {
    const kept = this.#devices.get(device);
    if (kept === undefined) return;
    kept.fault?.stop();
    delete kept.fault;
    const said = stateIn(payload);
    if (said !== undefined) kept.said = said;
  }

  #failAll(reason: string): void {
    this.#down = reason;
    for (const kept of this.#devices.values()) this.#tell(kept, reason);
  }

  #tell(kept: Kept, reason: string): void {
    kept.fault ??= this.#options.faultOf(kept.profile);
    kept.fault.tell(reason);
    kept.said = { word: 'unhealthy', reason };
  }

  #is(status: Omit<KeeperStatus, 'since'>): void {
    this.#status = { ...status, since: this.#options.clock.now() };
  }

  #lastReason(): { reason?: string } {
    return this.#status.reason === undefined ? {} : { reason: this.#status.reason };
  }
}

/** Desired values come from the twin: a new one is no news of the device. */
function withoutDesired(profile: DeviceProfile): DeviceProfile {
  const properties = profile.properties.map(({ desired: _, ...property }) => property);
  return { ...profile, properties };
}

function stateIn(payload: Buffer): Kept['said'] {
  try {
    const { state, reason } = JSON.parse(payload.toString('utf8')) as { state?: unknown; reason?: unknown };
    if (typeof state !== 'string') return undefined;
    return typeof reason === 'string' ? { word: state, reason } : { word: state };
  } catch {
    return undefined;
  }
}

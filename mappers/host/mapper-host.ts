/** Owns the module that serves devices through mapper plugins: one runner per device, bound to the twin by MQTT topics alone. */
import type { Timer } from '#beehive/clock.ts';
import { HiveletError, isHiveletError, messageOf } from '#beehive/errors.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import { backoff } from '#beehive/retry.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import type { MapperPlugin, PluginLoader, PubSub } from '../contract.ts';
import { bindDevice } from './binding.ts';
import { DeviceRunner } from './device-runner.ts';
import type { DeviceState } from './device-state.ts';
import { FIRST_RETRY_MS, LAST_RETRY_MS, LinkPool, type Link } from './link.ts';
import { Reporter } from './reporter.ts';

export type DefinitionChange = { kind: 'set'; profile: DeviceProfile } | { kind: 'removed'; name: string };

/** The devices of this node. */
export interface Definitions {
  list(): readonly DeviceProfile[];
  /** Returns what ends it. */
  onChange(listener: (change: DefinitionChange) => void): () => void;
}

export interface MapperHostOptions {
  definitions: Definitions;
  mqtt: PubSub;
  /** Protocol name in lower case -> its plugin, loaded when the first device of it is bound. */
  plugins: ReadonlyMap<string, PluginLoader>;
  /** Unchanged values and states are repeated after this, ms. */
  heartbeatMs?: number;
}

export interface ServedDevice {
  readonly name: string;
  readonly protocol: string;
  readonly state: DeviceState | undefined;
}

export interface MapperHost extends Module {
  devices(): ServedDevice[];
}

const HEARTBEAT_MS = 60_000;

export function createMapperHost(options: MapperHostOptions): MapperHost {
  return new Host(options);
}

interface Served {
  profile: DeviceProfile;
  /** The profile without what the twin tells us anyway: a change of it restarts the runner. */
  fingerprint: string;
  runner?: DeviceRunner;
  link?: Link;
  /** Tells the state of a device that cannot be served. */
  fault?: Reporter;
  /** Its plugin could not be loaded: what it lacks may be there later. */
  retry?: Timer;
  pauses?: Generator<number, never>;
}

class Host implements MapperHost {
  readonly name = 'mapper-host';
  readonly #options: MapperHostOptions;
  readonly #served = new Map<string, Served>();
  /** Binding and unbinding of one device follow each other. */
  readonly #work = new Map<string, Promise<void>>();
  #context: Context | undefined;
  #links: LinkPool | undefined;
  #unwatch: (() => void) | undefined;

  constructor(options: MapperHostOptions) {
    this.#options = options;
  }

  /** Resolves at once: devices are bound in the background, so that none of them holds up the edge. */
  async start(context: Context): Promise<void> {
    this.#context = context;
    this.#links = new LinkPool(context);
    this.#unwatch = this.#options.definitions.onChange((change) => {
      if (change.kind === 'set') this.#set(change.profile);
      else this.#remove(change.name);
    });
    for (const profile of this.#options.definitions.list()) this.#set(profile);
  }

  async stop(): Promise<void> {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#context = undefined;
    for (const name of [...this.#served.keys()]) this.#remove(name);
    await Promise.all(this.#work.values());
  }

  health(): Health {
    const count = new Map<string, number>();
    for (const { state } of this.devices()) count.set(state?.word ?? 'starting', (count.get(state?.word ?? 'starting') ?? 0) + 1);
    const words = [...count].map(([word, devices]) => `${devices} ${word}`);
    return { ok: true, detail: words.length === 0 ? 'no devices' : `devices: ${words.join(', ')}` };
  }

  devices(): ServedDevice[] {
    return [...this.#served.values()].map(({ profile, runner, fault }) => ({
      name: profile.name,
      protocol: profile.protocol,
      state: runner?.state ?? fault?.currentState,
    }));
  }

  #set(profile: DeviceProfile): void {
    const context = this.#context;
    if (context === undefined) return;
    const before = this.#served.get(profile.name);
    const served: Served = { profile, fingerprint: fingerprintOf(profile) };
    if (before?.fingerprint === served.fingerprint) {
      before.profile = profile;
      return;
    }
    this.#served.set(profile.name, served);
    this.#then(profile.name, async () => {
      await this.#unbind(before);
      // A later change may be waiting already: then this one is not worth a connection.
      if (this.#served.get(profile.name) === served) await this.#bind(served, context);
    });
  }

  #remove(name: string): void {
    const before = this.#served.get(name);
    this.#served.delete(name);
    this.#then(name, () => this.#unbind(before));
  }

  #then(name: string, job: () => Promise<void>): void {
    const log = this.#context?.log;
    const work = (this.#work.get(name) ?? Promise.resolve())
      .then(job)
      .catch((error: unknown) => log?.error('mapper.device.failed', { device: name, error }));
    this.#work.set(name, work);
    void work.then(() => {
      if (this.#work.get(name) === work) this.#work.delete(name);
    });
  }

  async #bind(served: Served, context: Context): Promise<void> {
    const { profile } = served;
    // A device without a protocol is served by somebody else's mapper.
    if (profile.protocol === '') return;
    let plugin: MapperPlugin;
    try {
      plugin = await this.#plugin(profile.protocol);
    } catch (error) {
      if (this.#served.get(profile.name) !== served) return;
      this.#unserved(served, error, context);
      if (this.#options.plugins.has(profile.protocol.toLowerCase())) this.#retryLater(served, context);
      return;
    }
    try {
      this.#serve(served, plugin, context);
    } catch (error) {
      this.#unserved(served, error, context);
    }
  }

  #serve(served: Served, plugin: MapperPlugin, { clock, log: hostLog }: Context): void {
    const { profile } = served;
    const { mqtt, heartbeatMs = HEARTBEAT_MS } = this.#options;
    const log = hostLog.child({ device: profile.name });
    const binding = bindDevice(profile, plugin);
    if (this.#served.get(profile.name) !== served || this.#links === undefined) return;
    served.fault?.stop();
    delete served.fault;
    served.link = this.#links.join(plugin, binding.link);
    served.runner = new DeviceRunner({ profile, binding, link: served.link, mqtt, clock, log, heartbeatMs });
    for (const [property, reason] of binding.faults) log.warn('mapper.visitor.invalid', { property, reason });
    served.runner.start();
    log.info('mapper.device.bound', { protocol: plugin.protocol, properties: binding.points.size });
  }

  /** Told once, however often it is tried again. */
  #unserved(served: Served, error: unknown, { clock, log }: Context): void {
    const { profile } = served;
    const reason = messageOf(error);
    if (served.fault?.currentState?.reason === reason) return;
    log.warn('mapper.device.unserved', { device: profile.name, error });
    served.fault ??= new Reporter({ profile, mqtt: this.#options.mqtt, clock, heartbeatMs: Infinity });
    served.fault.state({ word: 'unknown', reason });
    served.fault.allStale(reason);
    served.fault.flush();
  }

  #retryLater(served: Served, context: Context): void {
    const { clock } = context;
    served.pauses ??= backoff(FIRST_RETRY_MS, LAST_RETRY_MS, () => clock.random());
    served.retry = clock.timer(served.pauses.next().value, () => this.#then(served.profile.name, () => this.#bind(served, context)));
  }

  async #plugin(protocol: string): ReturnType<PluginLoader> {
    const load = this.#options.plugins.get(protocol.toLowerCase());
    if (load === undefined) {
      const known = [...this.#options.plugins.keys()].join(', ');
      throw new HiveletError(
        'PLUGIN_MISSING',
        `no mapper plugin serves the protocol ${protocol} here (there are ${known}); a mapper of its own may serve it over MQTT`,
      );
    }
    try {
      return await load();
    } catch (error) {
      if (isHiveletError(error)) throw error;
      throw new HiveletError('PLUGIN_MISSING', `the plugin of the protocol ${protocol} cannot be loaded: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  async #unbind(served: Served | undefined): Promise<void> {
    served?.retry?.cancel();
    served?.fault?.stop();
    await served?.runner?.stop();
    if (served?.link !== undefined) await this.#links?.leave(served.link);
  }
}

/** Desired values come from the twin: a new one must not restart the device. */
function fingerprintOf(profile: DeviceProfile): string {
  return JSON.stringify({ ...profile, properties: profile.properties.map((property) => ({ ...property, desired: undefined })) });
}

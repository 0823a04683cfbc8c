/** Owns all mappers of a node: those inside this process, those in processes of their own, and which device belongs to which. */
import { messageOf } from '#beehive/errors.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import type { PluginLoader } from './contract.ts';
import type { DeviceState, StateWord } from './host/device-state.ts';
import { createMapperHost, type DefinitionChange, type Definitions, type MapperHost, type ServedDevice } from './host/mapper-host.ts';
import { Reporter } from './host/reporter.ts';
import { createPluginTable, type PluginOptions, type PluginRow } from './index.ts';
import type { Keepers, KeepersOptions } from './isolation/keepers.ts';
import type { KeeperStatus } from './isolation/keeper.ts';
import type { MapperPort } from './isolation/session.ts';
import { LatePlugins } from './late-plugins.ts';
import { placedInVain, placesOf, type Place } from './placement.ts';

/** The broker's port: for the mappers inside by `publish`, for processes by `commit`. */
export type NodePort = MapperPort & { publish(topic: string, payload: string): void };

export interface MappersOptions {
  definitions: Definitions;
  /** A new one each time, all with the same name: filters of one do not touch those of another. */
  port: () => NodePort;
  plugins: PluginOptions;
  /** The setting modules.mapperHost.placement: protocol name -> inside, child or service. */
  placement: Readonly<Record<string, string>>;
  version: string;
  /** Where services of their own meet this process. */
  serviceFolder: string;
  env: NodeJS.ProcessEnv;
  /** Unchanged values and states are repeated after this, ms. */
  heartbeatMs?: number;
  /** Other than the one in mappers/index.ts, in tests. */
  table?: ReadonlyMap<string, PluginRow>;
  processes?: Pick<KeepersOptions, 'program' | 'lingerMs' | 'pingMs'>;
}

export interface PluginStatus {
  readonly name: string;
  /** What a Device writes. */
  readonly protocols: readonly string[];
  readonly placement: Place;
  /** idle: no device needs it. waiting: its process ended and is started again soon. */
  readonly state: KeeperStatus['state'];
  /** Its code is in. */
  readonly loaded: boolean;
  readonly devices: number;
  /** Of its own process. */
  readonly pid?: number;
  /** Of its process, since this one started. */
  readonly restarts: number;
  /** Of `state`: ISO 8601, for people. */
  readonly since?: string;
  /** Why it does not run, or is not loaded. */
  readonly reason?: string;
}

export interface Mappers extends Module {
  devices(): ServedDevice[];
  plugins(): PluginStatus[];
}

/** Throws CONFIG_INVALID when `placement` names what there is not. */
export function createMappers(options: MappersOptions): Mappers {
  return new NodeMappers(options);
}

type Outside = { plugin: string; where: 'child' | 'service' };
type Job = (keepers: Keepers) => void;

class NodeMappers implements Mappers {
  readonly name = 'mapper-host';
  readonly #options: MappersOptions;
  #table: ReadonlyMap<string, PluginRow>;
  #places: ReadonlyMap<string, Place>;
  readonly #inside: MapperHost;
  /** What the host inside may load: protocol -> loader. */
  readonly #loaders = new Map<string, PluginLoader>();
  /** Device -> its plugin where that has a process of its own, undefined where it is served inside. */
  readonly #homes = new Map<string, Outside | undefined>();
  /** Plugin inside -> whether its code is in, or why not. */
  readonly #loads = new Map<string, { fault?: string }>();
  #toInside: (change: DefinitionChange) => void = () => undefined;
  #context: Context | undefined;
  #late: LatePlugins | undefined;
  #unwatch: (() => void) | undefined;
  #keepers: Keepers | undefined;
  #loading: Promise<void> | undefined;
  #jobs: Job[] = [];

  constructor(options: MappersOptions) {
    this.#options = options;
    this.#table = options.table ?? createPluginTable(options.plugins);
    this.#places = placesOf(this.#table, options.placement);
    for (const [protocol, row] of this.#table) this.#loaders.set(protocol, this.#noted(row));
    const { heartbeatMs } = options;
    this.#inside = createMapperHost({
      definitions: {
        list: () => [],
        onChange: (listener) => {
          this.#toInside = listener;
          return () => (this.#toInside = () => undefined);
        },
      },
      mqtt: options.port(),
      plugins: this.#loaders,
      ...(heartbeatMs === undefined ? {} : { heartbeatMs }),
    });
  }

  async start(context: Context): Promise<void> {
    this.#context = context;
    this.#late = new LatePlugins(context.clock, () => this.#lookAgain());
    for (const protocol of placedInVain(this.#table, this.#options.placement))
      context.log.warn('mapper.placement.unused', { protocol, reason: 'no plugin serves it: it counts when one is installed' });
    await this.#inside.start(context);
    this.#unwatch = this.#options.definitions.onChange((change) => this.#route(change));
    for (const profile of this.#options.definitions.list()) this.#route({ kind: 'set', profile });
  }

  async stop(): Promise<void> {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#late?.stop();
    this.#context = undefined;
    await this.#loading;
    this.#loading = undefined;
    await Promise.all([this.#inside.stop(), this.#keepers?.stop()]);
    this.#keepers = undefined;
    this.#homes.clear();
  }

  /** A mapper that fails is told here, and is no reason to restart the edge. */
  health(): Health {
    const down = this.plugins().filter(({ state, reason }) => state === 'waiting' || reason !== undefined);
    const detail = [this.#inside.health().detail ?? '', ...down.map(({ name, reason = 'is down' }) => `${name}: ${reason}`)];
    return { ok: true, detail: detail.filter((text) => text !== '').join('; ') };
  }

  devices(): ServedDevice[] {
    const outside = this.#keepers?.devices() ?? [];
    return [
      ...this.#inside.devices(),
      ...outside.map(({ profile: { name, protocol }, said }) => ({ name, protocol, state: stateOf(said) })),
    ];
  }

  plugins(): PluginStatus[] {
    const names = new Map<string, string[]>();
    for (const [protocol, { plugin }] of this.#table) names.set(plugin, [...(names.get(plugin) ?? []), protocol]);
    const count = new Map<string, number>();
    for (const { protocol } of this.devices()) {
      const plugin = this.#table.get(protocol.toLowerCase())?.plugin ?? '';
      count.set(plugin, (count.get(plugin) ?? 0) + 1);
    }
    return [...names].map(([name, protocols]) => {
      const placement = this.#places.get(name) ?? 'inside';
      const devices = count.get(name) ?? 0;
      const { since, ...status } = placement === 'inside' ? this.#statusInside(name, devices) : this.#statusOutside(name);
      return { name, protocols, placement, devices, ...status, ...(since === undefined ? {} : { since: new Date(since).toISOString() }) };
    });
  }

  #statusInside(name: string, devices: number): Omit<KeeperStatus, 'since'> & { since?: number } {
    const load = this.#loads.get(name);
    const loaded = load !== undefined && load.fault === undefined;
    return {
      state: devices > 0 ? 'running' : 'idle',
      loaded,
      restarts: 0,
      ...(load?.fault === undefined ? {} : { reason: load.fault }),
    };
  }

  #statusOutside(name: string): Omit<KeeperStatus, 'since'> & { since?: number } {
    return this.#keepers?.status(name) ?? { state: 'idle', loaded: false, restarts: 0 };
  }

  #noted({ plugin, load }: PluginRow): PluginLoader {
    return async () => {
      try {
        const loaded = await load();
        this.#loads.set(plugin, {});
        return loaded;
      } catch (error) {
        this.#loads.set(plugin, { fault: messageOf(error) });
        throw error;
      }
    };
  }

  /** A device whose protocol changed leaves its old mapper before it comes to the new one. */
  #route(change: DefinitionChange): void {
    const name = change.kind === 'set' ? change.profile.name : change.name;
    const isKnown = this.#homes.has(name);
    const before = this.#homes.get(name);
    const home = change.kind === 'set' ? this.#homeOf(change.profile) : undefined;
    if (change.kind === 'set' && this.#isUnserved(change.profile)) this.#late?.wait(name);
    else this.#late?.forget(name);
    if (isKnown && (change.kind === 'removed' || before?.plugin !== home?.plugin)) this.#remove(name, before);
    if (change.kind === 'removed') return;
    this.#homes.set(name, home);
    if (home === undefined) return this.#toInside(change);
    return this.#outside((keepers) => keepers.set(home.plugin, home.where, change.profile));
  }

  #remove(name: string, home: Outside | undefined): void {
    this.#homes.delete(name);
    if (home === undefined) this.#toInside({ kind: 'removed', name });
    else this.#outside((keepers) => keepers.removed(home.plugin, name));
  }

  #homeOf({ protocol }: DeviceProfile): Outside | undefined {
    const plugin = this.#table.get(protocol.toLowerCase())?.plugin;
    const where = plugin === undefined ? undefined : this.#places.get(plugin);
    return plugin === undefined || where === undefined || where === 'inside' ? undefined : { plugin, where };
  }

  /** Not one without a protocol: that is for somebody else's mapper. */
  #isUnserved({ protocol }: DeviceProfile): boolean {
    return protocol !== '' && !this.#table.has(protocol.toLowerCase());
  }

  /** True when a plugin has come since. */
  #lookAgain(): boolean {
    if (this.#options.table !== undefined) return false;
    const come = [...createPluginTable(this.#options.plugins)].filter(([protocol]) => !this.#table.has(protocol));
    if (come.length === 0) return false;
    const unserved = this.#options.definitions.list().filter((profile) => this.#isUnserved(profile));
    this.#table = new Map([...this.#table, ...come]);
    this.#places = placesOf(this.#table, this.#options.placement);
    for (const [protocol, row] of come) this.#loaders.set(protocol, this.#noted(row));
    for (const profile of unserved.filter((each) => !this.#isUnserved(each))) {
      // Taken from who only said that nobody serves it.
      this.#route({ kind: 'removed', name: profile.name });
      this.#route({ kind: 'set', profile });
    }
    return true;
  }

  /** In order, also while the code is still on its way. */
  #outside(job: Job): void {
    if (this.#keepers !== undefined) return job(this.#keepers);
    this.#jobs.push(job);
    const context = this.#context;
    if (context !== undefined) this.#loading ??= this.#load(context).catch((error: unknown) => context.failed(error));
  }

  async #load(context: Context): Promise<void> {
    const { Keepers } = await import('./isolation/keepers.ts');
    const { plugins, port, version, serviceFolder, env, heartbeatMs, processes } = this.#options;
    const { secrets, ...options } = plugins;
    const jobs = this.#jobs.splice(0);
    // Stopped meanwhile: nothing is started any more.
    if (this.#context !== context) return;
    const keepers = new Keepers(
      {
        version,
        options,
        secrets,
        port,
        heartbeatMs,
        folder: serviceFolder,
        env,
        faultOf: (profile) => this.#faultOf(profile, context),
        ...processes,
      },
      context,
    );
    this.#keepers = keepers;
    for (const job of jobs) job(keepers);
  }

  /** What a mapper host would say, said in its place. */
  #faultOf(profile: DeviceProfile, { clock }: Context): { tell(reason: string): void; stop(): void } {
    const mqtt = this.#options.port();
    const reporter = new Reporter({ profile, mqtt, clock, heartbeatMs: Infinity });
    return {
      tell: (reason) => {
        reporter.state({ word: 'unhealthy', reason });
        reporter.allStale(reason);
        reporter.flush();
      },
      stop: () => {
        reporter.stop();
        mqtt.close();
      },
    };
  }
}

const WORDS: readonly StateWord[] = ['online', 'offline', 'unhealthy', 'unknown'];

function stateOf(said: { word: string; reason?: string } | undefined): DeviceState | undefined {
  const word = WORDS.find((each) => each === said?.word);
  return word === undefined ? undefined : { word, ...(said?.reason === undefined ? {} : { reason: said.reason }) };
}

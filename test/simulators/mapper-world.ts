/** Owns a running mapper host in a test: its definitions, its broker and its end. */
import type { Clock } from '#beehive/clock.ts';
import { createLogger, type LogLine } from '#beehive/log.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { HIVELET_VERSION } from '#edge/version.ts';
import type { PluginLoader } from '#mappers/contract.ts';
import { createMapperHost, type DefinitionChange, type Definitions, type MapperHost } from '#mappers/host/mapper-host.ts';
import { createMappers, type Mappers, type MappersOptions, type NodePort } from '#mappers/mappers.ts';
import { TwinBroker } from './twin-broker.ts';

/** How mappers that may have processes of their own are made in a test. */
export type ProcessOptions = Partial<Pick<MappersOptions, 'plugins' | 'table' | 'processes' | 'serviceFolder' | 'env'>> & {
  placement: Readonly<Record<string, string>>;
};

export interface WorldOptions {
  clock: Clock;
  plugins?: ReadonlyMap<string, PluginLoader>;
  profiles?: DeviceProfile[];
  /** Runs the mappers as edgecore does, with processes. `plugins` is not looked at. */
  processes?: ProcessOptions;
}

export class MapperWorld {
  readonly broker = new TwinBroker();
  readonly host: MapperHost;
  /** With `processes` only. */
  readonly mappers: Mappers | undefined;
  readonly log: LogLine[] = [];
  readonly #clock: Clock;
  readonly #profiles: DeviceProfile[];
  readonly #listeners = new Set<(change: DefinitionChange) => void>();
  readonly #stopping = new AbortController();

  constructor({ clock, plugins = new Map(), profiles = [], processes }: WorldOptions) {
    this.#clock = clock;
    this.#profiles = profiles;
    const definitions: Definitions = {
      list: () => this.#profiles,
      onChange: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
    };
    this.mappers = processes === undefined ? undefined : this.#mappers(definitions, processes);
    this.host = this.mappers ?? createMapperHost({ definitions, mqtt: this.broker, plugins });
  }

  async start(): Promise<void> {
    const log = createLogger({ clock: this.#clock, level: 'debug', write: (line) => this.log.push(line) });
    await this.host.start({
      clock: this.#clock,
      log,
      signal: this.#stopping.signal,
      failed: (error) => {
        throw error;
      },
    });
  }

  set(profile: DeviceProfile): void {
    for (const listener of this.#listeners) listener({ kind: 'set', profile });
  }

  remove(name: string): void {
    for (const listener of this.#listeners) listener({ kind: 'removed', name });
  }

  events(event: string): LogLine[] {
    return this.log.filter((line) => line.event === event);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.host.stop();
  }

  #mappers(definitions: Definitions, processes: ProcessOptions): Mappers {
    const port = (): NodePort => {
      const own = new Set<string>();
      return {
        publish: (topic, payload) => this.broker.publish(topic, payload),
        commit: (topic, payload) => this.broker.commit(topic, payload),
        subscribe: (filter, handler) => {
          own.add(filter);
          this.broker.subscribe(filter, handler);
        },
        unsubscribe: (filter) => {
          if (own.delete(filter)) this.broker.unsubscribe(filter);
        },
        close: () => {
          for (const filter of own) this.broker.unsubscribe(filter);
        },
      };
    };
    return createMappers({ definitions, port, plugins: {}, version: HIVELET_VERSION, serviceFolder: '', env: process.env, ...processes });
  }
}

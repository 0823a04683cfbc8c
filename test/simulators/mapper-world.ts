/** Owns a running mapper host in a test: its definitions, its broker and its end. */
import type { Clock } from '#beehive/clock.ts';
import { createLogger, type LogLine } from '#beehive/log.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import type { PluginLoader } from '#mappers/contract.ts';
import { createMapperHost, type DefinitionChange, type MapperHost } from '#mappers/host/mapper-host.ts';
import { TwinBroker } from './twin-broker.ts';

export class MapperWorld {
  readonly broker = new TwinBroker();
  readonly host: MapperHost;
  readonly log: LogLine[] = [];
  readonly #clock: Clock;
  readonly #profiles: DeviceProfile[];
  readonly #listeners = new Set<(change: DefinitionChange) => void>();
  readonly #stopping = new AbortController();

  constructor({ clock, plugins, profiles = [] }: { clock: Clock; plugins: ReadonlyMap<string, PluginLoader>; profiles?: DeviceProfile[] }) {
    this.#clock = clock;
    this.#profiles = profiles;
    this.host = createMapperHost({
      definitions: {
        list: () => this.#profiles,
        onChange: (listener) => {
          this.#listeners.add(listener);
          return () => this.#listeners.delete(listener);
        },
      },
      mqtt: this.broker,
      plugins,
    });
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
}

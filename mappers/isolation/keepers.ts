/** Owns the processes of all plugins that do not run inside edgecore; loaded with the first device that needs one. */
import type { Context } from '#beehive/module.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import type { Secrets } from '../contract.ts';
import { childPlace, type Program } from './child-process.ts';
import { Keeper, type Fault, type KeeperStatus } from './keeper.ts';
import { mapperProgram } from './program.ts';
import { servicePlace } from './service-place.ts';
import type { MapperPort } from './session.ts';

export interface KeepersOptions {
  readonly version: string;
  /** Those of the plugins: plain JSON. */
  readonly options: object;
  readonly secrets: Secrets | undefined;
  readonly port: () => MapperPort;
  readonly faultOf: (profile: DeviceProfile) => Fault;
  readonly heartbeatMs: number | undefined;
  /** Where services meet edgecore. */
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  /** Other than our own, in tests. */
  readonly program?: Program;
  readonly lingerMs?: number;
  readonly pingMs?: number;
}

export interface Kept {
  readonly profile: DeviceProfile;
  readonly said: { readonly word: string; readonly reason?: string } | undefined;
}

export class Keepers {
  readonly #options: KeepersOptions;
  readonly #context: Context;
  readonly #keepers = new Map<string, Keeper>();

  constructor(options: KeepersOptions, context: Context) {
    this.#options = options;
    this.#context = context;
  }

  set(plugin: string, where: 'child' | 'service', profile: DeviceProfile): void {
    let keeper = this.#keepers.get(plugin);
    if (keeper === undefined) {
      keeper = this.#create(plugin, where);
      this.#keepers.set(plugin, keeper);
    }
    keeper.set(profile);
  }

  removed(plugin: string, name: string): void {
    this.#keepers.get(plugin)?.removed(name);
  }

  status(plugin: string): KeeperStatus | undefined {
    return this.#keepers.get(plugin)?.status;
  }

  devices(): Kept[] {
    return [...this.#keepers.values()].flatMap((keeper) => keeper.devices());
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#keepers.values()].map((keeper) => keeper.stop()));
    this.#keepers.clear();
  }

  #create(plugin: string, where: 'child' | 'service'): Keeper {
    const { version, options, secrets, port, faultOf, heartbeatMs, lingerMs, pingMs } = this.#options;
    const { folder, env, program = mapperProgram() } = this.#options;
    const { clock } = this.#context;
    const log = this.#context.log.child({ mapper: plugin });
    return new Keeper({
      hello: { type: 'hello', version, plugin, options, ...(heartbeatMs === undefined ? {} : { heartbeatMs }) },
      place: where === 'child' ? childPlace({ plugin, program, env, clock, log }) : servicePlace({ plugin, folder, clock, log }),
      port,
      secrets,
      faultOf,
      clock,
      log,
      ...(lingerMs === undefined ? {} : { lingerMs }),
      ...(pingMs === undefined ? {} : { pingMs }),
    });
  }
}

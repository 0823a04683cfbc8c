/** Owns the division of a node's devices between our plugins and mappers of others; what is for those is loaded where there are some. */
import type { Context, Health, Module } from '#beehive/module.ts';
import type { ProfileLayout } from '#device-models/profile-json.ts';
import type { PubSub } from '../contract.ts';
import { isOneOf, part, type DeviceSource } from './served-by.ts';
import type { ThirdPartyMappers } from './third-party.ts';

export interface DivideOptions {
  definitions: DeviceSource;
  /** The settings modules.mapperHost.thirdParty. */
  protocols: readonly string[];
  profileFile: string;
  profileLayout: string;
  profileReaders: string;
  /** Publishes to the clients of every broker; absent when nobody is to be told. */
  announce: ((topic: string, payload: string) => void) | undefined;
  /** A port of its own. */
  port: () => PubSub & { close(): void };
}

export interface Divided {
  ours: DeviceSource;
  /** Keeps deviceProfile.json; absent when none is wanted. */
  theirs: Module | undefined;
}

export function divide(options: DivideOptions): Divided {
  const { definitions, protocols, profileFile } = options;
  const isTheirs = isOneOf(protocols);
  return {
    ours: protocols.length === 0 ? definitions : part(definitions, (profile) => !isTheirs(profile)),
    theirs: profileFile === '' ? undefined : new LateModule({ ...options, definitions: part(definitions, isTheirs) }),
  };
}

class LateModule implements Module {
  readonly name = 'third-party-mappers';
  readonly #options: DivideOptions;
  #module: ThirdPartyMappers | undefined;
  #port: ReturnType<DivideOptions['port']> | undefined;

  constructor(options: DivideOptions) {
    this.#options = options;
  }

  async start(context: Context): Promise<void> {
    const { definitions, profileFile, profileLayout, profileReaders, announce, port } = this.#options;
    const { ThirdPartyMappers } = await import('./third-party.ts');
    this.#port = port();
    this.#module = new ThirdPartyMappers({
      devices: definitions,
      mqtt: this.#port,
      file: profileFile,
      // The configuration knows no other words.
      layout: profileLayout as ProfileLayout,
      readers: profileReaders === 'group' ? 'group' : 'all',
      announce,
    });
    await this.#module.start(context);
  }

  async stop(): Promise<void> {
    await this.#module?.stop();
    this.#port?.close();
    this.#module = undefined;
    this.#port = undefined;
  }

  health(): Health {
    return this.#module?.health() ?? { ok: true };
  }
}

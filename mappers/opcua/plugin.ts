/** Owns the OPC UA plugin: which devices share a session, and how one is opened. The client itself is loaded by the first of them. */
import { HiveletError } from '#beehive/errors.ts';
import type { DiscoveryScope, FoundDevice, MapperPlugin, PluginContext, Secrets } from '../contract.ts';
import { readOpcuaAccess, type OpcuaAccess } from './access.ts';
import { engineMissing } from './engine.ts';
import { opcuaLinkKey, readOpcuaLink, type OpcuaLink } from './link.ts';

export interface OpcuaOptions {
  /** `<data-dir>/edge/pki/opcua`: the own certificate, made on first use, and the trust list. */
  readonly pkiDirectory?: string | undefined;
  /** What a Device names as password, key or certificate. */
  readonly secrets?: Secrets | undefined;
}

/** Who reads profiles only needs neither folder nor secrets. */
export function createOpcuaPlugin(options: OpcuaOptions = {}): MapperPlugin<OpcuaLink, OpcuaAccess> {
  return {
    protocol: 'opcua',
    link: readOpcuaLink,
    access: readOpcuaAccess,
    linkKey: opcuaLinkKey,
    async open(link, context) {
      context.signal.throwIfAborted();
      const { openServer } = await import('./open.ts');
      return openServer({ link, ...placesOf(options), context });
    },
    usable: () => {
      const missing = engineMissing();
      return Promise.resolve(missing === undefined ? { usable: true } : { usable: false, reason: missing });
    },
    async *discover(where: DiscoveryScope, context: PluginContext): AsyncGenerator<FoundDevice> {
      const { discoverServer } = await import('./discover.ts');
      yield* discoverServer(where, { ...placesOf(options), context });
    },
  };
}

function placesOf({ pkiDirectory, secrets }: OpcuaOptions): { pkiDirectory: string; secrets: Secrets } {
  if (pkiDirectory === undefined) throw new HiveletError('INTERNAL', 'the OPC UA plugin was given no folder for its certificates');
  return { pkiDirectory, secrets: secrets ?? { resolve: noSecrets } };
}

function noSecrets(_reference: string, path: string): Promise<never> {
  return Promise.reject(new HiveletError('PROFILE_INVALID', `${path}: names a secret, and none can be read here`, { facts: { path } }));
}

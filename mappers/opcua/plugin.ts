/** Owns the OPC UA plugin: which devices share a session, and how one is opened. The client itself is loaded by the first of them. */
import type { DiscoveryScope, FoundDevice, MapperPlugin, PluginContext, Secrets } from '../contract.ts';
import { readOpcuaAccess, type OpcuaAccess } from './access.ts';
import { engineMissing } from './engine.ts';
import { opcuaLinkKey, readOpcuaLink, type OpcuaLink } from './link.ts';

export interface OpcuaOptions {
  /** `<data-dir>/edge/pki/opcua`: the own certificate, made on first use, and the trust list. */
  readonly pkiDirectory: string;
  /** What a Device names as password, key or certificate. */
  readonly secrets: Secrets;
}

export function createOpcuaPlugin({ pkiDirectory, secrets }: OpcuaOptions): MapperPlugin<OpcuaLink, OpcuaAccess> {
  return {
    protocol: 'opcua',
    link: readOpcuaLink,
    access: readOpcuaAccess,
    linkKey: opcuaLinkKey,
    async open(link, context) {
      context.signal.throwIfAborted();
      const [{ dial }, { ServerLink }, { OpcuaConnection }] = await Promise.all([
        import('./dial.ts'),
        import('./server-link.ts'),
        import('./connection.ts'),
      ]);
      const { clock, log, signal } = context;
      const dialled = await dial({ link, pkiDirectory, secrets, context });
      const connection = new OpcuaConnection(new ServerLink({ dialled, url: link.url, timeoutMs: link.timeoutMs, clock, log }), {
        clock,
        log,
      });
      try {
        await connection.begin(signal);
        return connection;
      } catch (error) {
        await connection.close();
        throw error;
      }
    },
    usable: () => {
      const missing = engineMissing();
      return Promise.resolve(missing === undefined ? { usable: true } : { usable: false, reason: missing });
    },
    async *discover(where: DiscoveryScope, context: PluginContext): AsyncGenerator<FoundDevice> {
      const { discoverServer } = await import('./discover.ts');
      yield* discoverServer(where, { pkiDirectory, secrets, context });
    },
  };
}

/** Owns what the settings of an edge say to its mapper plugins, for the edge itself and for commands that use plugins without one. */
import { join } from 'node:path';
import type { Config } from '#beehive/config.ts';
import type { settings } from './config.ts';

/** All but the secrets, whose source differs: see `PluginOptions` of mappers/index.ts. */
export function mapperOptions(config: Config<typeof settings>, dataDir: string) {
  return {
    modbus: { allowedSerialPorts: config.get('modules.mapperHost.allowedSerialPorts') },
    iio: { sysfsRoot: config.get('modules.mapperHost.sysfsRoot') },
    opcua: { pkiDirectory: join(dataDir, 'edge', 'pki', 'opcua') },
    bluetooth: { hci: config.get('modules.mapperHost.bluetooth.hci') },
    externalFolder: join(dataDir, 'edge', 'plugins'),
  };
}

/** Where the secrets are that a Device may name as files. */
export function secretsFolder(dataDir: string): string {
  return join(dataDir, 'edge', 'secrets');
}

/** Owns what the settings of an edge say to its mapper plugins, for the edge itself and for commands that use plugins without one. */
import { join } from 'node:path';
import type { Config } from '#beehive/config.ts';
import type { settings } from './config.ts';

/** What the settings alone say; a running edge tells them, so that a command asks the plugins about the same. */
export function mapperSettings(config: Config<typeof settings>) {
  return {
    modbus: { allowedSerialPorts: config.get('modules.mapperHost.allowedSerialPorts') },
    iio: { sysfsRoot: config.get('modules.mapperHost.sysfsRoot') },
    bluetooth: { hci: config.get('modules.mapperHost.bluetooth.hci') },
  };
}

/** All but the secrets, whose source differs: see `PluginOptions` of mappers/index.ts. */
export function mapperOptions(config: Config<typeof settings>, dataDir: string) {
  return {
    ...mapperSettings(config),
    opcua: { pkiDirectory: join(dataDir, 'edge', 'pki', 'opcua') },
    externalFolder: join(dataDir, 'edge', 'plugins'),
  };
}

/** Where the secrets are that a Device may name as files. */
export function secretsFolder(dataDir: string): string {
  return join(dataDir, 'edge', 'secrets');
}

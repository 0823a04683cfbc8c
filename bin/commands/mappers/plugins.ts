/** Owns the mapper plugins as commands use them: in this process, with the settings that the edge has, and without an edge. */
import type { Config } from '#beehive/config.ts';
import { HiveletError, isHiveletError, messageOf } from '#beehive/errors.ts';
import { silentLogger } from '#beehive/log.ts';
import { defaultNodeName, type settings } from '../../../edge/config.ts';
import { mapperOptions, secretsFolder, type mapperSettings } from '../../../edge/mapper-options.ts';
import { createSecretReferences } from '../../../edge/secret-references.ts';
import type { MapperPlugin, PluginContext } from '../../../mappers/contract.ts';
import { createPluginTable, type PluginRow } from '../../../mappers/index.ts';
import type { Invocation } from '../command.ts';
import { edgeSettings } from '../edge-settings.ts';

export interface Mappers {
  readonly config: Config<typeof settings>;
  /** The node that an edge with this configuration is. */
  readonly node: string;
  /** By protocol name in lower case, aliases included. */
  readonly table: ReadonlyMap<string, PluginRow>;
  readonly context: PluginContext;
  /** Throws PLUGIN_MISSING. */
  plugin(protocol: string): Promise<MapperPlugin>;
}

/** `running`: what an edge that runs says of its settings, which are then asked about. Throws CONFIG_INVALID. */
export function openMappers(invocation: Invocation, running?: ReturnType<typeof mapperSettings>): Mappers {
  const { clock, dataDir, signal } = invocation;
  const config = edgeSettings(invocation);
  const table = createPluginTable({
    // Objects of the cloud are the edge's: without one only files can be named.
    secrets: createSecretReferences({ folder: secretsFolder(dataDir), secret: () => undefined }),
    ...mapperOptions(config, dataDir),
    ...running,
  });
  return {
    config,
    node: config.get('modules.edged.hostnameOverride') || defaultNodeName(),
    table,
    context: { clock, signal, log: silentLogger() },
    plugin: (protocol) => load(table, protocol),
  };
}

async function load(table: ReadonlyMap<string, PluginRow>, protocol: string): Promise<MapperPlugin> {
  const row = table.get(protocol.toLowerCase());
  if (row === undefined)
    throw new HiveletError('PLUGIN_MISSING', `no mapper plugin serves the protocol ${protocol}: there are ${[...table.keys()].join(', ')}`);
  try {
    return await row.load();
  } catch (error) {
    if (isHiveletError(error)) throw error;
    throw new HiveletError('PLUGIN_MISSING', `the plugin of the protocol ${protocol} cannot be loaded: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Owns plugins that are not part of Hivelet: folders below `<data-dir>/edge/plugins`, each with a `plugin.js`, named after their protocol. */
import { lstatSync, readdirSync, realpathSync, statSync, type Stats } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { catalogue, HiveletError, isHiveletError, messageOf, type ErrorCode } from '#beehive/errors.ts';
import type { Connection, MapperPlugin, PluginLoader, Secrets } from './contract.ts';

export interface ExternalPlugin {
  /** The name of its folder, which is the protocol that a Device writes. */
  readonly name: string;
  readonly load: PluginLoader;
}

const ENTRY = 'plugin.js';
const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;
/** A folder of plugins, not of anything. */
const MOST = 64;
/** Writable for the group or for all. */
const OTHERS_WRITE = 0o022;

/** What the function of a plugin is called with. */
export interface ExternalOptions {
  /** Of the devices that it serves. */
  readonly secrets?: Secrets | undefined;
}

/** What lies in the folder now; nothing is loaded, and a folder that is not there is one without plugins. */
export function findExternalPlugins(folder: string, options: ExternalOptions = {}): ExternalPlugin[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  const plugins = names.filter((name) => NAME.test(name)).sort();
  return plugins.slice(0, MOST).map((name) => ({ name, load: () => loadExternal({ folder, name }, options) }));
}

/** Throws PLUGIN_MISSING with the remedy: whoever can write a plugin is the edge, so nobody else may be able to. */
async function loadExternal({ folder, name }: { folder: string; name: string }, options: ExternalOptions): Promise<MapperPlugin> {
  const file = path.join(folder, name, ENTRY);
  for (const place of [folder, path.dirname(file), file]) checkOwner(place);
  const create = await createOf(file);
  let plugin: unknown;
  try {
    plugin = await create(options);
  } catch (error) {
    throw broken(file, `its function failed: ${messageOf(error)}`, error);
  }
  if (!isPlugin(plugin)) throw broken(file, 'its function returns no plugin: it needs protocol, link, access, linkKey and open');
  return adopted(plugin);
}

function checkOwner(place: string): void {
  let stats: Stats;
  try {
    stats = lstatSync(place);
  } catch (error) {
    throw new HiveletError('PLUGIN_MISSING', `${place} is not there: a plugin is a folder with a ${ENTRY}`, { cause: error });
  }
  if (stats.isSymbolicLink())
    throw new HiveletError('PLUGIN_MISSING', `${place} is a link to ${target(place)}: put the plugin itself there`);
  const mine = [0, process.getuid?.() ?? 0].includes(stats.uid);
  if (!mine || (stats.mode & OTHERS_WRITE) !== 0)
    throw new HiveletError(
      'PLUGIN_MISSING',
      `${place} can be changed by other users, so it is not loaded: chown it to root or to the user of the edge, and chmod go-w ${place}`,
    );
}

function target(place: string): string {
  try {
    return realpathSync(place);
  } catch {
    return 'nowhere';
  }
}

type Create = (options: ExternalOptions) => unknown;

async function createOf(file: string): Promise<Create> {
  let exported: unknown;
  try {
    // Under a name of its own for each version: what could not be loaded once is kept as such.
    const version = String(statSync(file).mtimeMs);
    exported = ((await import(`${pathToFileURL(file).href}?version=${version}`)) as { default?: unknown }).default;
  } catch (error) {
    throw broken(file, messageOf(error), error);
  }
  // A bundle in CommonJS has its default export one step further in.
  const create = typeof exported === 'object' && exported !== null && 'default' in exported ? exported.default : exported;
  if (typeof create !== 'function') throw broken(file, 'its default export is no function that returns a plugin');
  return create as Create;
}

function broken(file: string, why: string, cause?: unknown): HiveletError {
  return new HiveletError('PLUGIN_MISSING', `${file} cannot be used as a plugin: ${why}`, { cause });
}

function isPlugin(value: unknown): value is MapperPlugin {
  if (typeof value !== 'object' || value === null) return false;
  const { protocol, link, access, linkKey, open } = value as Record<string, unknown>;
  return typeof protocol === 'string' && [link, access, linkKey, open].every((member) => typeof member === 'function');
}

/** The same plugin, whose errors are ours: one that was built apart from us has a HiveletError of its own, or none at all. */
function adopted(plugin: MapperPlugin): MapperPlugin {
  const own: MapperPlugin = {
    protocol: plugin.protocol,
    link: translated(plugin.link.bind(plugin)),
    access: translated(plugin.access.bind(plugin)),
    linkKey: translated(plugin.linkKey.bind(plugin)),
    open: async (link, context) => adoptedConnection(await settled(plugin.open(link, context))),
    ...(plugin.defaultScale === undefined ? {} : { defaultScale: plugin.defaultScale }),
    ...(plugin.minimumCycleMs === undefined ? {} : { minimumCycleMs: plugin.minimumCycleMs }),
    ...(plugin.forgetful === undefined ? {} : { forgetful: plugin.forgetful }),
    ...(plugin.sharedMedium === undefined ? {} : { sharedMedium: plugin.sharedMedium.bind(plugin) }),
    ...(plugin.usable === undefined ? {} : { usable: plugin.usable.bind(plugin) }),
    ...(plugin.discover === undefined ? {} : { discover: plugin.discover.bind(plugin) }),
  };
  return own;
}

function adoptedConnection(connection: Connection): Connection {
  return {
    lost: connection.lost,
    read: (link, points, options) => settled(connection.read(link, points, options)),
    write: (link, write, options) => settled(connection.write(link, write, options)),
    close: () => connection.close(),
    ...(connection.subscribe === undefined ? {} : { subscribe: connection.subscribe.bind(connection) }),
  };
}

function translated<Arguments extends unknown[], T>(call: (...args: Arguments) => T): (...args: Arguments) => T {
  return (...args) => {
    try {
      return call(...args);
    } catch (error) {
      throw ours(error);
    }
  };
}

async function settled<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw ours(error);
  }
}

/** `code` of our catalogue and `facts`, whatever class it is of; the reason of a signal and everything else stay what they are. */
function ours(error: unknown): unknown {
  if (isHiveletError(error) || !(error instanceof Error)) return error;
  const { code, facts } = error as Error & { code?: unknown; facts?: unknown };
  if (typeof code !== 'string' || !Object.hasOwn(catalogue, code)) return error;
  return new HiveletError(code as ErrorCode, error.message, {
    facts: typeof facts === 'object' && facts !== null ? { ...facts } : {},
    cause: error,
  });
}

/** Owns the table of mapper plugins: protocol names, how their code is loaded on first use, and where each runs unless config says otherwise. */
import type { MapperPlugin, Placement, PluginLoader, Secrets } from './contract.ts';
import { findExternalPlugins } from './external-plugins.ts';

/** All but `secrets` is plain JSON, because it crosses to the process of a plugin. */
export interface PluginOptions {
  /** Passwords, keys and certificates that Devices name; for plugins that need some. */
  secrets?: Secrets;
  modbus?: {
    /** Globs of device files that a Device may name as its serial port; default /dev/tty*, /dev/serial/*, /dev/pts/*. */
    allowedSerialPorts?: readonly string[];
  };
  iio?: {
    /** Where sysfs is mounted; default /sys. */
    sysfsRoot?: string;
  };
  opcua?: {
    /** `<data-dir>/edge/pki/opcua`: the certificate that the board shows, and the trust list. Without it no device is served. */
    pkiDirectory?: string;
  };
  bluetooth?: {
    /** Empty: the machine's own adapter. Else the path, or host:port, of a controller that speaks H4. */
    hci?: string;
  };
  /** Plugins that are not part of Hivelet: `<data-dir>/edge/plugins`, see external-plugins.ts. None without it. */
  externalFolder?: string;
}

export interface PluginRow {
  /** Name of its folder; protocol names with the same one share a plugin and its process. */
  readonly plugin: string;
  readonly load: PluginLoader;
  readonly placement: Placement;
  /** It has files in the data directory, which a service of its own cannot see. */
  readonly hasFiles?: true;
}

/** Keys are protocol names in lower case, aliases included. Each plugin is loaded once, however many names it has. */
export function createPluginTable(options: PluginOptions = {}): ReadonlyMap<string, PluginRow> {
  const modbus: PluginRow = {
    plugin: 'modbus',
    placement: 'inside',
    load: once(async () => (await import('./modbus/plugin.ts')).createModbusPlugin(options.modbus)),
  };
  const iio: PluginRow = {
    plugin: 'iio',
    placement: 'inside',
    load: once(async () => (await import('./iio/plugin.ts')).createIioPlugin(options.iio)),
  };
  const bluetooth: PluginRow = {
    plugin: 'bluetooth',
    // noble is native, and blocks the thread while it connects.
    placement: 'child',
    load: once(async () => (await import('./bluetooth/plugin.ts')).createBluetoothPlugin(options.bluetooth)),
  };
  const opcua: PluginRow = {
    plugin: 'opcua',
    // The client of OPC UA takes 60 MB.
    placement: 'child',
    hasFiles: true,
    load: once(async () => (await import('./opcua/plugin.ts')).createOpcuaPlugin({ ...options.opcua, secrets: options.secrets })),
  };
  return new Map<string, PluginRow>([
    ...externalRows(options),
    ['modbus', modbus],
    ['modbus-tcp', modbus],
    ['modbus-rtu', modbus],
    ['iio', iio],
    ['opcua', opcua],
    ['opc-ua', opcua],
    ['bluetooth', bluetooth],
    ['ble', bluetooth],
  ]);
}

/** In a process of their own, because they are of others; a name that is ours stays ours. */
function externalRows({ externalFolder, secrets }: PluginOptions): [protocol: string, row: PluginRow][] {
  const found = externalFolder === undefined ? [] : findExternalPlugins(externalFolder, { secrets });
  return found.map(({ name, load }) => [name, { plugin: name, placement: 'child', hasFiles: true, load: once(load) }]);
}

/** The loaders alone, for who runs all plugins in its own process. */
export function createPlugins(options: PluginOptions = {}): ReadonlyMap<string, PluginLoader> {
  return new Map([...createPluginTable(options)].map(([protocol, { load }]) => [protocol, load]));
}

/** A failed load is tried again by the next device. */
function once(load: () => Promise<MapperPlugin>): PluginLoader {
  let loading: Promise<MapperPlugin> | undefined;
  return () =>
    (loading ??= load().catch((error: unknown) => {
      loading = undefined;
      throw error;
    }));
}

/** Owns the table of mapper plugins: protocol names and how their code is loaded, on first use. */
import type { MapperPlugin, PluginLoader } from './contract.ts';

export interface PluginOptions {
  modbus?: {
    /** Globs of device files that a Device may name as its serial port; default /dev/tty*, /dev/serial/*, /dev/pts/*. */
    allowedSerialPorts?: readonly string[];
  };
  iio?: {
    /** Where sysfs is mounted; default /sys. */
    sysfsRoot?: string;
  };
}

/** Keys are protocol names in lower case, aliases included. Each plugin is loaded once, however many names it has. */
export function createPlugins(options: PluginOptions = {}): ReadonlyMap<string, PluginLoader> {
  const modbus = once(async () => (await import('./modbus/plugin.ts')).createModbusPlugin(options.modbus));
  const iio = once(async () => (await import('./iio/plugin.ts')).createIioPlugin(options.iio));
  return new Map([
    ['modbus', modbus],
    ['modbus-tcp', modbus],
    ['modbus-rtu', modbus],
    ['iio', iio],
  ]);
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

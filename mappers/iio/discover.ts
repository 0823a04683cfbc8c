/** Owns looking for sensors in sysfs: each with its channels, their units, and what they read just now. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { HiveletError } from '#beehive/errors.ts';
import type { DiscoveryScope, FoundDevice, FoundProperty, PluginContext } from '../contract.ts';
import { DEFAULT_SCALE } from './scale.ts';
import { readChannel } from './sysfs.ts';

interface Quantity {
  readonly name: string;
  readonly unit: string;
  /** Factor to the unit (Documentation/ABI/testing/sysfs-bus-iio of the kernel). */
  readonly scale: number;
}

/** What the kernel calls it, and what a person does. Whatever is not here is shown as the kernel has it. */
const quantities: ReadonlyMap<string, Quantity> = new Map([
  ['temp', { name: 'temperature', unit: 'degree Celsius', scale: DEFAULT_SCALE }],
  ['humidityrelative', { name: 'humidity', unit: 'percent', scale: DEFAULT_SCALE }],
  ['voltage', { name: 'voltage', unit: 'volt', scale: DEFAULT_SCALE }],
  ['current', { name: 'current', unit: 'ampere', scale: DEFAULT_SCALE }],
  ['power', { name: 'power', unit: 'watt', scale: DEFAULT_SCALE }],
  ['pressure', { name: 'pressure', unit: 'kilopascal', scale: 1 }],
  ['illuminance', { name: 'illuminance', unit: 'lux', scale: 1 }],
  ['accel', { name: 'acceleration', unit: 'm/s^2', scale: 1 }],
  ['anglvel', { name: 'angular-velocity', unit: 'rad/s', scale: 1 }],
  ['magn', { name: 'magnetic-field', unit: 'gauss', scale: 1 }],
  ['distance', { name: 'distance', unit: 'metre', scale: 1 }],
  ['resistance', { name: 'resistance', unit: 'ohm', scale: 1 }],
]);

/** Only these are channels; scales, offsets and limits lie beside them. */
const CHANNEL = /^in_(.+)_(input|raw)$/;

/** `--root DIR` looks below another sysfs. Throws USAGE for other keys, DEVICE_UNREACHABLE without an IIO subsystem. */
export async function* discoverIio(sysfsRoot: string, scope: DiscoveryScope, context: PluginContext): AsyncGenerator<FoundDevice> {
  const stray = Object.keys(scope).find((key) => key !== 'root');
  if (stray !== undefined) throw new HiveletError('USAGE', `--${stray} is nothing that a look for IIO sensors knows: it has --root`);
  const devices = path.join(scope['root'] ?? sysfsRoot, 'bus/iio/devices');
  let entries: string[];
  try {
    entries = (await readdir(devices)).filter((entry) => entry.startsWith('iio:device')).sort();
  } catch (cause) {
    throw new HiveletError(
      'DEVICE_UNREACHABLE',
      `${devices} cannot be read: is the industrial I/O subsystem loaded? hivelet board tells how`,
      {
        cause,
      },
    );
  }
  const names = await Promise.all(entries.map((entry) => textIn(path.join(devices, entry, 'name'))));
  for (const [index, entry] of entries.entries()) {
    context.signal.throwIfAborted();
    context.log.info('discover.iio', { at: entry });
    const name = names[index] ?? '';
    // Two of a name are told apart by their directories.
    const unique = name !== '' && names.filter((each) => each === name).length === 1;
    const { properties, remarks } = await channelsOf(path.join(devices, entry), context);
    const protocol = { customizedProtocol: { protocolName: 'iio', configData: unique ? { name } : { path: entry } } };
    yield { name: name === '' ? entry : name, protocol, properties, remarks };
  }
}

async function channelsOf(directory: string, context: PluginContext): Promise<Pick<FoundDevice, 'properties' | 'remarks'>> {
  const properties: FoundProperty[] = [];
  const remarks: string[] = [];
  const files = (await readdir(directory)).sort();
  for (const file of files) {
    const [, channel = '', kind] = CHANNEL.exec(file) ?? [];
    // Of both forms the kernel's own value is the better one.
    if (kind === undefined || (kind === 'raw' && files.includes(`in_${channel}_input`))) continue;
    const [, base = channel, number = ''] = /^([a-z]+)(\d*)$/.exec(channel) ?? [];
    const known = quantities.get(base);
    const scale = known?.scale ?? 1;
    const reading = await readChannel(directory, [file], context);
    if ('error' in reading) remarks.push(`${file}: ${reading.error}`);
    properties.push({
      name: `${known?.name ?? base}${number === '' ? '' : `-${number}`}`,
      type: 'float',
      accessMode: 'ReadOnly',
      ...('error' in reading ? {} : { description: `was ${Number((Number(reading.value) * scale).toPrecision(7))}` }),
      ...(known === undefined ? {} : { unit: known.unit }),
      visitor: { channel: file, ...(scale === DEFAULT_SCALE ? {} : { scale }) },
    });
  }
  if (properties.length === 0) remarks.push('it has no channel that can be read');
  return { properties, remarks };
}

async function textIn(file: string): Promise<string> {
  return readFile(file, 'utf8').then(
    (text) => text.trim(),
    () => '',
  );
}

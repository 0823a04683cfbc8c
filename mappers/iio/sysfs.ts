/** Owns the kernel's IIO files: finding a sensor below the sysfs root, reading channels, riding out failed reads. */
import { readdir, readFile, realpath } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Usability } from '../contract.ts';
import type { IioLink } from './channel.ts';

/** The DHT11 driver fails a good part of its reads; the next one usually works. */
const ATTEMPTS = 5;
const FIRST_PAUSE_MS = 50;
const passing: readonly string[] = ['EIO', 'ETIMEDOUT', 'EAGAIN', 'EBUSY'];

/** The real directory of the sensor. Throws DEVICE_UNREACHABLE when there is none, PROFILE_INVALID when it lies outside of the root. */
export async function findSensor(root: string, { name, path: written }: IioLink): Promise<string> {
  const devices = path.join(root, 'bus/iio/devices');
  if (written !== undefined) return confined(root, path.resolve(devices, written));
  const sensors = await namedSensors(devices);
  // The overlay puts the pin behind the name: dht11@4.
  const exact = sensors.filter(({ names }) => names.includes(name ?? ''));
  const found = exact.length > 0 ? exact : sensors.filter(({ names }) => names.some((each) => each.startsWith(`${name ?? ''}@`)));
  const [first, second] = found;
  if (first === undefined) {
    const there = sensors.length === 0 ? 'no sensor at all' : `only ${sensors.flatMap(({ names }) => names).join(', ')}`;
    throw absent(`${devices} has no sensor with the name ${String(name)}, ${there}: is its overlay enabled? hivelet board tells how`);
  }
  if (second !== undefined)
    throw absent(`${found.length} sensors have the name ${String(name)}: give path, for instance ${path.basename(first.directory)}`);
  return confined(root, first.directory);
}

/** The kernel makes the folder with its first sensor. */
export async function sysfsUsable(root: string): Promise<Usability> {
  const devices = path.join(root, 'bus/iio/devices');
  const found = await readdir(devices).catch(() => undefined);
  if (found !== undefined && found.length > 0) return { usable: true };
  return { usable: false, reason: `${devices} has no sensor: enable one's overlay, \`hivelet board\` tells how` };
}

async function namedSensors(devices: string): Promise<{ directory: string; names: string[] }[]> {
  const sensors = (await entries(devices)).map(async (entry) => {
    const directory = path.join(devices, entry);
    const texts = await Promise.all(['name', 'label'].map((file) => textIn(path.join(directory, file))));
    return { directory, names: texts.filter((text) => text !== undefined && text !== '') as string[] };
  });
  return (await Promise.all(sensors)).filter(({ names }) => names.length > 0);
}

function absent(message: string, cause?: unknown): HiveletError {
  return new HiveletError('DEVICE_UNREACHABLE', message, { cause, facts: { refused: true } });
}

async function entries(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch (error) {
    throw absent(`${directory} cannot be read: is the industrial I/O subsystem loaded?`, error);
  }
}

async function textIn(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );
}

/** Whoever may edit a Device must not reach files elsewhere: links are followed before the comparison. */
async function confined(root: string, directory: string): Promise<string> {
  let real: string;
  try {
    real = await realpath(directory);
  } catch (error) {
    throw absent(`${directory} is not there`, error);
  }
  const inside = path.relative(await realpath(root), real);
  if (inside === '' || inside.startsWith('..') || path.isAbsolute(inside)) {
    throw new HiveletError('PROFILE_INVALID', `spec.protocol.path: ${directory} lies outside of ${root}`);
  }
  return real;
}

/** `text` is what the file says. */
interface Measured {
  value: bigint | number;
  text: string;
}

export type ChannelReading = Measured | { error: string; code: string };

/** A channel's value in the unit of the kernel (milli-degrees, milli-percent, ...): `_input` as it is, `_raw` with its offset and scale. */
export async function readChannel(
  directory: string,
  attributes: readonly string[],
  context: { clock: Clock; signal: AbortSignal },
): Promise<ChannelReading> {
  let failure: ChannelReading = { error: 'no such channel', code: 'ENOENT' };
  for (const attribute of attributes) {
    const reading = await readAttribute(path.join(directory, attribute), context);
    if ('error' in reading) {
      if (reading.code !== 'ENOENT') return reading;
      failure = { error: `${path.basename(directory)} has no ${attributes.join(' or ')}`, code: 'ENOENT' };
      continue;
    }
    return attribute.endsWith('_raw') ? processed(directory, attribute, reading) : reading;
  }
  return failure;
}

async function readAttribute(file: string, { clock, signal }: { clock: Clock; signal: AbortSignal }): Promise<ChannelReading> {
  for (let attempt = 1; ; attempt++) {
    try {
      return parsed(await readFile(file, 'utf8'), file);
    } catch (error) {
      const code = String((error as NodeJS.ErrnoException).code);
      if (!passing.includes(code)) return { error: messageOf(error), code };
      if (attempt === ATTEMPTS) return { error: `${path.basename(file)}: ${code} ${ATTEMPTS} times in a row`, code };
      await clock.sleep(FIRST_PAUSE_MS * attempt, signal);
    }
  }
}

function parsed(text: string, file: string): ChannelReading {
  const number = text.trim();
  if (/^[+-]?\d+$/.test(number)) return { value: BigInt(number), text };
  const value = number === '' ? NaN : Number(number);
  return Number.isFinite(value)
    ? { value, text }
    : { error: `${path.basename(file)} holds ${JSON.stringify(number.slice(0, 40))}, no number`, code: 'EINVAL' };
}

/** (raw + offset) × scale; both may belong to the channel (`in_voltage0_scale`) or to its kind (`in_voltage_scale`). */
async function processed(directory: string, attribute: string, { value: raw, text }: Measured): Promise<ChannelReading> {
  const stem = attribute.replace(/_raw$/, '');
  const kind = stem.replace(/\d+$/, '');
  const number = async (suffix: string, fallback: number): Promise<number> => {
    const texts = await Promise.all([stem, kind].map((each) => textIn(path.join(directory, `${each}_${suffix}`))));
    const value = Number(texts.find((text) => text !== undefined && text !== '') ?? fallback);
    return Number.isFinite(value) ? value : fallback;
  };
  const [offset, scale] = [await number('offset', 0), await number('scale', 1)];
  return { value: offset === 0 && scale === 1 ? raw : (Number(raw) + offset) * scale, text };
}

/** Owns reading each point of a device once, straight through its plugin: no edge, no schedule, no retry. */
import { HiveletError, isHiveletError, messageOf } from '#beehive/errors.ts';
import type { Clock } from '#beehive/clock.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import type { Connection, MapperPlugin, Reading } from '../../../mappers/contract.ts';
import { bindDevice, type Binding, type BoundPoint } from '../../../mappers/host/binding.ts';
import { toText } from '../../../mappers/host/convert.ts';
import type { Mappers } from './plugins.ts';

export interface ReadLine {
  readonly device: string;
  /** Absent: what concerns the device as a whole. */
  readonly property?: string;
  readonly value?: string;
  readonly unit?: string;
  /** Hexadecimal, as it came over the wire. */
  readonly raw?: string;
  /** Why the value is not fresh, or not there without having failed. */
  readonly note?: string;
  /** When the device took it, ms since 1970. */
  readonly at?: number;
  readonly ms?: number;
  readonly error?: string;
}

export interface ReadOptions {
  /** Only these; empty: all. */
  readonly properties: readonly string[];
  /** For opening the connection, and for each point. */
  readonly timeoutMs: number;
  /** Told before each point. */
  readonly progress: (text: string) => void;
}

/** Yields a line for each point as soon as it is read. Throws STOPPED when the signal of `mappers` aborts. */
export async function* readPoints(mappers: Mappers, profile: DeviceProfile, options: ReadOptions): AsyncGenerator<ReadLine> {
  const device = profile.name;
  const { clock, signal } = mappers.context;
  const wanted = ({ name }: { name: string }): boolean => options.properties.length === 0 || options.properties.includes(name);
  let plugin: MapperPlugin;
  let binding: Binding;
  try {
    if (profile.protocol === '') throw new HiveletError('PROFILE_INVALID', 'the Device names no protocol: fill in spec.protocol');
    plugin = await mappers.plugin(profile.protocol);
    binding = bindDevice(profile, plugin);
  } catch (error) {
    if (signal.aborted || !isHiveletError(error)) throw error;
    yield { device, error: messageOf(error) };
    return;
  }
  for (const [property, error] of binding.faults) if (wanted({ name: property })) yield { device, property, error };
  const points = [...binding.points.values()].filter(({ point }) => wanted(point));
  if (points.length === 0) {
    if (binding.faults.size === 0) yield { device, error: 'no property of it has a visitor, so nothing can be read' };
    return;
  }
  options.progress(`${device}: connecting`);
  const started = clock.monotonic();
  let connection: Connection;
  const over = new AbortController();
  try {
    connection = await within({ clock, signal, ms: options.timeoutMs }, (limit) =>
      plugin.open(binding.link, { ...mappers.context, signal: AbortSignal.any([limit, over.signal]) }),
    );
  } catch (error) {
    over.abort(new HiveletError('STOPPED'));
    if (signal.aborted) throw error;
    const ms = clock.monotonic() - started;
    for (const { point } of points) yield { device, property: point.name, ms, error: messageOf(error) };
    return;
  }
  try {
    for (const [index, bound] of points.entries()) {
      options.progress(`${device}: reading ${bound.point.name} (${index + 1} of ${points.length})`);
      yield await readPoint({ connection, binding, device, bound }, { clock, signal, ms: options.timeoutMs });
    }
  } finally {
    await connection.close();
    over.abort(new HiveletError('STOPPED'));
  }
}

interface Reader {
  connection: Connection;
  binding: Binding;
  device: string;
  bound: BoundPoint;
}

interface Limit {
  clock: Clock;
  signal: AbortSignal;
  ms: number;
}

async function readPoint(reader: Reader, limit: Limit): Promise<ReadLine> {
  const { device, bound } = reader;
  const { name: property, type } = bound.point;
  const { unit } = bound.property;
  const started = limit.clock.monotonic();
  const line = { device, property, ...(unit === undefined ? {} : { unit }) };
  const elapsed = (): number => Math.round((limit.clock.monotonic() - started) * 1000) / 1000;
  try {
    const reading = await within(limit, (signal) => oneReading(reader, limit.clock, signal));
    const ms = elapsed();
    if ('error' in reading) return { ...line, ms, error: reading.error };
    if ('silent' in reading)
      return { ...line, ms, note: `the device tells it by itself only, and did not within ${PUSH_PATIENCE_MS / 1000} s` };
    const seen = {
      ...line,
      ms,
      ...(reading.raw === undefined ? {} : { raw: Buffer.from(reading.raw).toString('hex') }),
      ...(reading.at === undefined ? {} : { at: reading.at }),
      ...(reading.quality === undefined ? {} : { note: `stale: ${reading.quality.reason}` }),
    };
    try {
      return { ...seen, value: toText(type, reading.value, bound.scale) };
    } catch (error) {
      return { ...seen, error: messageOf(error) };
    }
  } catch (error) {
    if (limit.signal.aborted) throw error;
    return { ...line, ms: elapsed(), error: messageOf(error) };
  }
}

/** How long a device has to tell what it tells by itself only. */
const PUSH_PATIENCE_MS = 3000;
/** Nothing was pushed: that is as good as read, for who changes seldom. */
type Silent = { readonly name: string; readonly silent: true };

/** A point that cannot be read but is pushed by the device gets some time to be pushed once. */
async function oneReading({ connection, binding, bound }: Reader, clock: Clock, signal: AbortSignal): Promise<Reading | Silent> {
  const { point } = bound;
  const { name } = point;
  const [reading] = await connection.read(binding.link, [point], { signal });
  if (reading !== undefined && (!('error' in reading) || !reading.answered)) return reading;
  const unread: Reading = reading ?? { name, error: 'it can neither be read nor does the device tell it', answered: true };
  if (connection.subscribe === undefined) return unread;
  const done = new AbortController();
  const stop = AbortSignal.any([signal, done.signal]);
  let settle: (outcome: Reading | Silent) => void = () => undefined;
  const pushed = new Promise<Reading | Silent>((resolve) => (settle = resolve));
  const timer = clock.timer(PUSH_PATIENCE_MS, () => settle(reading === undefined ? { name, silent: true } : unread));
  signal.addEventListener('abort', () => settle(unread), { once: true });
  try {
    const names = await connection.subscribe(binding.link, [point], (readings) => readings.slice(0, 1).forEach(settle), stop);
    return names.has(name) ? await pushed : unread;
  } catch (error) {
    if (signal.aborted) throw error;
    return unread;
  } finally {
    timer.cancel();
    done.abort(new HiveletError('STOPPED'));
  }
}

/** Settles at the latest when the time is up, with DEVICE_UNREACHABLE, or when the signal aborts. */
async function within<T>({ clock, signal, ms }: Limit, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const late = new AbortController();
  const timer = clock.timer(ms, () => late.abort(new HiveletError('DEVICE_UNREACHABLE', `no answer within ${ms} ms (--timeout)`)));
  try {
    return await act(AbortSignal.any([signal, late.signal]));
  } catch (error) {
    if (late.signal.aborted && !signal.aborted) throw late.signal.reason;
    throw error;
  } finally {
    timer.cancel();
  }
}

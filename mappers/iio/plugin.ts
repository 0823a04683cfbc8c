/** Owns the IIO plugin: DHT11 and kin, read through the kernel's files. */
import { readdir } from 'node:fs/promises';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import type { Connection, MapperPlugin, Point, Reading, RequestOptions } from '../contract.ts';
import { readIioChannel, readIioLink, type IioChannel, type IioLink } from './channel.ts';
import { DEFAULT_SCALE } from './scale.ts';
import { findSensor, readChannel, sysfsUsable } from './sysfs.ts';

export interface IioOptions {
  /** Where sysfs is mounted; default /sys. */
  sysfsRoot?: string;
}

/** DESIGN section 4, and what a DHT11 can do: reading it more often warms it up and fails more often. */
const INTERVAL_MS = 2000;
/** Cycles are timers: a reading this much too early is still the next one. */
const SLACK_MS = 50;

export function createIioPlugin({ sysfsRoot = '/sys' }: IioOptions = {}): MapperPlugin<IioLink, IioChannel> {
  return {
    protocol: 'iio',
    link: readIioLink,
    access: readIioChannel,
    defaultScale: DEFAULT_SCALE,
    minimumCycleMs: INTERVAL_MS,
    linkKey: ({ name, path }) => `iio:${path ?? name ?? ''}`,
    usable: () => sysfsUsable(sysfsRoot),
    async *discover(where, context) {
      const { discoverIio } = await import('./discover.ts');
      yield* discoverIio(sysfsRoot, where, context);
    },
    async open(link, { clock, signal }) {
      signal.throwIfAborted();
      return new Sensor(await findSensor(sysfsRoot, link), clock);
    },
  };
}

class Sensor implements Connection<IioLink, IioChannel> {
  /** Files are not lost by themselves: a sensor that went away is noticed by the next reading. */
  readonly lost = new Promise<void>(() => undefined);
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #last = new Map<string, { at: number; reading: Reading }>();

  constructor(directory: string, clock: Clock) {
    this.#directory = directory;
    this.#clock = clock;
  }

  async read(_link: IioLink, points: readonly Point<IioChannel>[], { signal }: RequestOptions): Promise<readonly Reading[]> {
    if (points.length === 0) await this.#answers(signal);
    const readings: Reading[] = [];
    const failures: string[] = [];
    for (const { name, access } of points) {
      const key = access.attributes.join();
      const last = this.#last.get(key);
      if (last !== undefined && this.#clock.monotonic() - last.at < INTERVAL_MS - SLACK_MS) {
        readings.push({ ...last.reading, name });
        continue;
      }
      const reading = await readChannel(this.#directory, access.attributes, { clock: this.#clock, signal });
      signal.throwIfAborted();
      if ('value' in reading) {
        const read = { name, value: reading.value, raw: Buffer.from(reading.text) };
        readings.push(read);
        this.#last.set(key, { at: this.#clock.monotonic(), reading: read });
      } else {
        failures.push(reading.error);
        readings.push({ name, error: reading.error, answered: reading.code !== 'EIO' && reading.code !== 'ETIMEDOUT' });
      }
    }
    // Nothing of it can be read: the sensor is off its pins, or its driver is gone.
    if (failures.length === points.length && points.length > 0) throw await this.#gone(failures[0] ?? '');
    return readings;
  }

  /** Any of its channels will do. */
  async #answers(signal: AbortSignal): Promise<void> {
    const files = await readdir(this.#directory).catch(() => []);
    const channel = files.find((file) => /^in_.+_(?:input|raw)$/.test(file)) ?? 'name';
    const reading = await readChannel(this.#directory, [channel], { clock: this.#clock, signal });
    if ('error' in reading && reading.code !== 'EINVAL') throw await this.#gone(reading.error);
  }

  async write(_link: IioLink, { point }: { point: Point<IioChannel> }): Promise<void> {
    throw new HiveletError('POINT_REJECTED', `${point.name} is a sensor's channel, which cannot be written`);
  }

  async close(): Promise<void> {
    this.#last.clear();
  }

  /** `lost` makes the host look the sensor up again: after a reload of its driver it has another number. */
  async #gone(why: string): Promise<HiveletError> {
    return new HiveletError('DEVICE_UNREACHABLE', `${this.#directory}: ${why}`, { facts: { lost: true, address: this.#directory } });
  }
}

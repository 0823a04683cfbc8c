/** Owns the DHT11 to play with: a sysfs tree whose values wander and whose reads fail now and then. `hivelet simulate dht11` runs it. */
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Clock } from '#beehive/clock.ts';

export interface Dht11Options {
  clock: Clock;
  /** What the mapper gets as its sysfs root. Below it bus/iio/devices/iio:deviceN is made, and removed again by `close`. */
  root: string;
  /** The N; default 0. */
  index?: number;
  /** Text of the `name` file; default dht11@0. */
  name?: string;
  /** At the start; degrees Celsius and percent. */
  temperature?: number;
  humidity?: number;
  /** How often the values move, ms. */
  stepMs?: number;
  /** Share of the steps after which reads fail for `failMs`, 0 to 1: a real DHT11 fails about every fifth read. */
  failShare?: number;
  failMs?: number;
}

export interface Dht11 {
  readonly directory: string;
  state(): { temperature: number; humidity: number };
  /** Sets both values at once. */
  set(values: { temperature?: number; humidity?: number }): Promise<void>;
  /** Reads answer EIO until it is called with false: as with the sensor off its pin. */
  fail(failing: boolean): Promise<void>;
  close(): Promise<void>;
}

const FILES = { temperature: 'in_temp_input', humidity: 'in_humidityrelative_input' } as const;
/** A file of plain text cannot fail to be read; the first page of a process's memory can: its read answers EIO, as a DHT11's does. */
const UNREADABLE = '/proc/self/mem';

/** Resolves when the files are there. Throws CONFIG_INVALID when they cannot be made. */
export async function startDht11(options: Dht11Options): Promise<Dht11> {
  const { clock, root, index = 0, name = 'dht11@0', stepMs = 1000, failShare = 0.1, failMs = 100 } = options;
  const directory = path.join(root, 'bus/iio/devices', `iio:device${index}`);
  const files = new SensorFiles(directory);
  let { temperature = 22, humidity = 45 } = options;
  const stopping = new AbortController();
  const show = (): Promise<void> => files.show({ temperature, humidity });
  try {
    await mkdir(directory, { recursive: true });
    await writeFile(path.join(directory, 'name'), `${name}\n`);
    await show();
  } catch (error) {
    throw new HiveletError('CONFIG_INVALID', `${directory} cannot be written: ${messageOf(error)}; choose another --root`, {
      cause: error,
    });
  }
  const wander = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await clock.sleep(stepMs, stopping.signal);
      temperature = moved(temperature, { by: clock.random() - 0.5, least: 0, most: 50 });
      humidity = moved(humidity, { by: clock.random() * 2 - 1, least: 20, most: 90 });
      await show();
      if (clock.random() >= failShare) continue;
      await files.fail('stumble', true);
      await clock.sleep(failMs, stopping.signal);
      await files.fail('stumble', false);
    }
  };
  const wandering = wander().catch((error: unknown) => {
    if (!stopping.signal.aborted) throw error;
  });
  return {
    directory,
    state: () => ({ temperature, humidity }),
    set: (values) => {
      ({ temperature = temperature, humidity = humidity } = values);
      return show();
    },
    fail: (failing) => files.fail('unplugged', failing),
    close: async () => {
      stopping.abort(new HiveletError('STOPPED'));
      await wandering;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A DHT11 knows whole degrees and percents only; in between it is what the next step starts from. */
function moved(value: number, { by, least, most }: { by: number; least: number; most: number }): number {
  return Math.min(most, Math.max(least, value + by));
}

class SensorFiles {
  readonly #directory: string;
  #texts = new Map<string, string>();
  readonly #failures = new Set<'stumble' | 'unplugged'>();
  /** One change of the files after the other. */
  #work: Promise<void> = Promise.resolve();

  constructor(directory: string) {
    this.#directory = directory;
  }

  show({ temperature, humidity }: { temperature: number; humidity: number }): Promise<void> {
    this.#texts.set(FILES.temperature, `${Math.round(temperature) * 1000}\n`);
    this.#texts.set(FILES.humidity, `${Math.round(humidity) * 1000}\n`);
    return this.#apply();
  }

  fail(why: 'stumble' | 'unplugged', failing: boolean): Promise<void> {
    if (failing) this.#failures.add(why);
    else this.#failures.delete(why);
    return this.#apply();
  }

  /** By rename, so that a reader sees the old file or the new one. */
  #apply(): Promise<void> {
    const work = this.#work.then(async () => {
      for (const [file, text] of this.#texts) {
        const made = path.join(this.#directory, `.${file}`);
        await rm(made, { force: true });
        await (this.#failures.size > 0 ? symlink(UNREADABLE, made) : writeFile(made, text));
        await rename(made, path.join(this.#directory, file));
      }
    });
    this.#work = work.catch(() => undefined);
    return work;
  }
}

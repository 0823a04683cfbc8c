/** Owns the DHT11 to play with: a sysfs tree whose values wander and whose reads fail now and then. `hivelet simulate dht11` runs it. */
import type { Clock } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import { SensorFiles } from './sensor-files.ts';

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

/** Resolves when the files are there. Throws CONFIG_INVALID when they cannot be made. */
export async function startDht11(options: Dht11Options): Promise<Dht11> {
  const { clock, root, index = 0, name = 'dht11@0', stepMs = 1000, failShare = 0.1, failMs = 100 } = options;
  const files = new SensorFiles({ root, index });
  let { temperature = 22, humidity = 45 } = options;
  const stopping = new AbortController();
  const show = (): Promise<void> =>
    files.show(
      new Map([
        [FILES.temperature, `${Math.round(temperature) * 1000}`],
        [FILES.humidity, `${Math.round(humidity) * 1000}`],
      ]),
    );
  await files.make(name);
  await show();
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
    directory: files.directory,
    state: () => ({ temperature, humidity }),
    set: (values) => {
      ({ temperature = temperature, humidity = humidity } = values);
      return show();
    },
    fail: (failing) => files.fail('unplugged', failing),
    close: async () => {
      stopping.abort(new HiveletError('STOPPED'));
      await wandering;
      await files.remove();
    },
  };
}

/** A DHT11 knows whole degrees and percents only; in between it is what the next step starts from. */
function moved(value: number, { by, least, most }: { by: number; least: number; most: number }): number {
  return Math.min(most, Math.max(least, value + by));
}

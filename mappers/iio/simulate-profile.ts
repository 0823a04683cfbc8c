/** Owns IIO sensors made from profiles: a directory of sysfs each, whose channels move within the bounds of the model. */
import type { Clock, Timer } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { DeviceProfile, PropertyProfile } from '#device-models/device-profile.ts';
import { field, numberOf } from '#device-models/fields.ts';
import { PlayedValues, type PlayedValue } from '#device-models/played-values.ts';
import { readIioChannel, readIioLink } from './channel.ts';
import { DEFAULT_SCALE } from './scale.ts';
import { SensorFiles } from './sensor-files.ts';

export interface ProfileSensorsOptions {
  clock: Clock;
  /** Their properties with an iio visitor are played, each device as a sensor of its own. */
  profiles: readonly DeviceProfile[];
  /** What the mapper gets as its sysfs root. */
  root: string;
  stepMs?: number;
  /** Told when files can no longer be written. */
  onFailure?: (error: unknown) => void;
}

export interface ProfileSensors {
  readonly directories: readonly string[];
  /** Reads answer EIO, as with the sensors off their pins, until it is called with false. */
  silence(on: boolean): Promise<void>;
  device(name: string): PlayedSensor;
  /** Takes the directories away. */
  close(): Promise<void>;
}

const STEP_MS = 1000;

/** Resolves when the files are there. Throws PROFILE_INVALID, and CONFIG_INVALID when they cannot be made. */
export async function startProfileSensors(options: ProfileSensorsOptions): Promise<ProfileSensors> {
  const { clock, profiles, root, stepMs = STEP_MS, onFailure = () => undefined } = options;
  const sensors = profiles.map((profile, index) => new PlayedSensor(profile, { root, index, random: () => clock.random() }));
  for (const sensor of sensors) await sensor.make();
  let timer: Timer | undefined;
  let closed = false;
  const step = (): void => {
    for (const sensor of sensors) sensor.values.step();
    Promise.all(sensors.map((sensor) => sensor.show()))
      .catch(onFailure)
      .finally(() => {
        if (!closed) timer = clock.timer(stepMs, step);
      });
  };
  timer = clock.timer(stepMs, step);
  return {
    directories: sensors.map(({ directory }) => directory),
    silence: async (on) => {
      for (const sensor of sensors) await sensor.silence(on);
    },
    device: (name) => {
      const found = sensors.find((sensor) => sensor.name === name);
      if (found === undefined) throw new HiveletError('NOT_FOUND', `${name} is none of the devices that are played`);
      return found;
    },
    close: async () => {
      closed = true;
      timer?.cancel();
      for (const sensor of sensors) await sensor.remove();
    },
  };
}

interface Channel {
  readonly property: PropertyProfile;
  readonly file: string;
  readonly scale: number;
}

export class PlayedSensor {
  readonly name: string;
  readonly values: PlayedValues;
  readonly #label: string;
  readonly #channels: readonly Channel[];
  readonly #files: SensorFiles;

  constructor(profile: DeviceProfile, { root, index, random }: { root: string; index: number; random: () => number }) {
    const link = readIioLink(profile.protocolConfig, `${profile.name}: spec.protocol`);
    // A path names the directory, a name what stands in it.
    const numbered = /(?:^|\/)iio:device(\d{1,4})$/.exec(link.path ?? '')?.[1];
    if (link.path !== undefined && numbered === undefined)
      throw new HiveletError('PROFILE_INVALID', `${profile.name}: spec.protocol.path: ${link.path} cannot be played: write iio:device0`);
    this.name = profile.name;
    this.#label = link.name ?? profile.name;
    this.#files = new SensorFiles({ root, index: numbered === undefined ? index : Number(numbered) });
    const visited = profile.properties.filter(({ visitor }) => visitor?.protocol.toLowerCase() === 'iio');
    this.values = new PlayedValues({ profile: { name: profile.name, properties: visited }, random });
    this.#channels = visited.map(channelOf);
  }

  get directory(): string {
    return this.#files.directory;
  }

  async make(): Promise<void> {
    await this.#files.make(this.#label);
    await this.show();
  }

  show(): Promise<void> {
    const texts = this.#channels.map(({ property, file, scale }): [string, string] => [
      file,
      kernelText(this.values.get(property.name), scale),
    ]);
    return this.#files.show(new Map(texts));
  }

  silence(on: boolean): Promise<void> {
    return this.#files.fail('silence', on);
  }

  /** Throws NOT_FOUND. */
  async refuse(property: string, on: boolean): Promise<void> {
    this.values.refuse(property, on);
    await this.#files.fail(`refuse ${property}`, on, this.#channels.find((channel) => channel.property.name === property)?.file);
  }

  async remove(): Promise<void> {
    await this.#files.remove().catch((error: unknown) => {
      throw new HiveletError('CONFIG_INVALID', `${this.directory} cannot be removed: ${messageOf(error)}`, { cause: error });
    });
  }
}

function channelOf(property: PropertyProfile): Channel {
  const config = property.visitor?.config ?? {};
  const [file = ''] = readIioChannel(config, `visitor of ${property.name}`, property).attributes;
  const scale = numberOf(field(config, 'scale'));
  return { property, file, scale: scale === undefined || scale === 0 ? DEFAULT_SCALE : scale };
}

/** The kernel counts in whole steps of the scale. */
function kernelText(value: PlayedValue, scale: number): string {
  if (typeof value === 'boolean') return value ? '1' : '0';
  return typeof value === 'number' ? String(Math.round(value / scale)) : value;
}

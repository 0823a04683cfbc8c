/** Owns the plant of sensors in sysfs: their files change, cannot be read, and are not there. */
import { SensorFiles } from '#mappers/iio/sensor-files.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { deviceObject, modelObject, type Plant, type PlantDevice, type PlantFault, type PlantOptions } from './plant.ts';

const MODEL = 'iio-plant';
const PROPERTY = 'temperature';
const FILE = 'in_temp_input';

class Sensor {
  readonly #files: SensorFiles;
  readonly #name: string;
  #text = '0';
  #gone = false;
  #failing = false;

  constructor(root: string, index: number) {
    this.#files = new SensorFiles({ root, index });
    this.#name = `sensor-${index}`;
  }

  get text(): string {
    return this.#text;
  }

  async appear(): Promise<void> {
    this.#gone = false;
    await this.#files.make(this.#name);
    await this.#files.fail('trouble', this.#failing);
    await this.#show();
  }

  async vanish(): Promise<void> {
    this.#gone = true;
    await this.#files.remove();
  }

  async change(text: string): Promise<void> {
    this.#text = text;
    if (!this.#gone) await this.#show();
  }

  fail(failing: boolean): Promise<void> {
    this.#failing = failing;
    return this.#gone ? Promise.resolve() : this.#files.fail('trouble', failing);
  }

  #show(): Promise<void> {
    return this.#files.show(new Map([[FILE, String(Number(this.#text) * 1000)]]));
  }
}

export async function startIioPlant({ node, devices, cycleMs }: PlantOptions): Promise<Plant> {
  const root = tempDir();
  const sensors = Array.from({ length: devices }, (_, index) => new Sensor(root, index));
  for (const sensor of sensors) await sensor.appear();
  const nameOf = (index: number): string => `iio-${index}`;
  return {
    protocol: 'iio',
    sets: [`modules.mapperHost.sysfsRoot=${root}`],
    model: modelObject(MODEL, PROPERTY, { float: { accessMode: 'ReadOnly' } }),
    objects: sensors.map((_, index) =>
      deviceObject({
        name: nameOf(index),
        model: MODEL,
        node,
        property: PROPERTY,
        cycleMs,
        protocol: { customizedProtocol: { protocolName: 'iio', configData: { name: `sensor-${index}` } } },
        visitor: { customizedProtocol: { protocolName: 'iio', configData: { channel: FILE } } },
      }),
    ),
    devices: sensors.map((sensor, index): PlantDevice => ({
      name: nameOf(index),
      property: PROPERTY,
      text: (n) => String(n % 100),
      held: () => sensor.text,
      change: (text) => sensor.change(text),
    })),
    faults: sensors.flatMap((sensor, index) => faultsOf(sensor, nameOf(index))),
    stop: async () => {
      for (const sensor of sensors) await sensor.vanish();
    },
  };
}

function faultsOf(sensor: Sensor, name: string): PlantFault[] {
  return [
    {
      name: `${name} cannot be read`,
      begin: async () => {
        await sensor.fail(true);
        return () => sensor.fail(false);
      },
    },
    {
      name: `${name} is unplugged`,
      begin: async () => {
        await sensor.vanish();
        return () => sensor.appear();
      },
    },
  ];
}

/** Owns `hivelet simulate dht11`: the files of a DHT11, or of IIO sensors made from a model. */
import path from 'node:path';
import { HiveletError } from '#beehive/errors.ts';
import { numberOf } from '#device-models/fields.ts';
import { startProfileSensors } from '../../../mappers/iio/simulate-profile.ts';
import { startDht11 } from '../../../mappers/iio/simulate.ts';
import type { Simulated, SimulatorContext, SimulatorKind } from './kind.ts';

export const dht11: SimulatorKind = {
  name: 'dht11',
  usage: 'dht11 [--root DIR] [--model FILE]...',
  about: [
    'dht11: the files that the kernel shows for a DHT11, for device-models/samples/dht11.yaml, or those of the IIO sensors of --model; start the',
    'edge with --set modules.mapperHost.sysfsRoot=DIR.',
  ],
  flags: {
    root: { type: 'string', value: 'DIR', help: 'dht11: the folder that stands for /sys (default <data-dir>/simulated-sys)' },
    name: { type: 'string', value: 'NAME', help: "dht11 without --model: what the sensor's name file says (default dht11@0)" },
  },
  protocols: ['iio'],
  start: (context) => {
    const root = path.resolve(context.flags.text('root') ?? path.join(context.dataDir, 'simulated-sys'));
    return context.profiles.length === 0 ? playDht11(root, context) : playProfiles(root, context);
  },
};

async function playDht11(root: string, { clock, flags }: SimulatorContext): Promise<Simulated> {
  const name = flags.text('name');
  const sensor = await startDht11({ clock, root, ...(name === undefined ? {} : { name }) });
  const names = ['temperature', 'humidity'] as const;
  const known = (property: string): (typeof names)[number] => {
    const found = names.find((each) => each === property);
    if (found === undefined) throw new HiveletError('NOT_FOUND', `the DHT11 has no property ${property}: it has ${names.join(', ')}`);
    return found;
  };
  return {
    facts: { root, directory: sensor.directory },
    devices: [
      {
        name: 'dht11',
        names,
        get: (property) => sensor.state()[known(property)],
        put: (property, text) => {
          const value = numberOf(text);
          if (value === undefined) throw new HiveletError('VALUE_INVALID', `${JSON.stringify(text)} is no number`);
          return sensor.set({ [known(property)]: value });
        },
        refuse: (property) => {
          throw new HiveletError('USAGE', `the DHT11 cannot refuse ${known(property)}: play it with --model for that`);
        },
      },
    ],
    silence: (on) => sensor.fail(on),
    close: () => sensor.close(),
  };
}

async function playProfiles(root: string, { clock, log, profiles }: SimulatorContext): Promise<Simulated> {
  const onFailure = (error: unknown): void => log.error('simulator.files.failed', { error });
  const sensors = await startProfileSensors({ clock, root, profiles, onFailure });
  return {
    facts: { root, directories: sensors.directories, devices: profiles.map(({ name }) => name) },
    devices: profiles.map(({ name }) => {
      const sensor = sensors.device(name);
      return {
        name,
        names: sensor.values.names,
        get: (property: string) => sensor.values.get(property),
        put: (property: string, text: string) => {
          sensor.values.put(property, text);
          return sensor.show();
        },
        refuse: (property: string, on: boolean) => sensor.refuse(property, on),
      };
    }),
    silence: (on) => sensors.silence(on),
    close: () => sensors.close(),
  };
}

/** Owns `hivelet simulate sensortag`: TI SensorTags, or Bluetooth devices made from a model, around a controller on a socket. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { HiveletError } from '#beehive/errors.ts';
import { numberOf } from '#device-models/fields.ts';
import { startProfileTags } from '../../../mappers/bluetooth/simulate-profile.ts';
import { startSensorTags, type SensorTags, type SensorTagsOptions, type ServedAir } from '../../../mappers/bluetooth/simulate.ts';
import { SensorTag, type VirtualPeripheral } from '../../../mappers/bluetooth/sim/index.js';
import type { Simulated, SimulatedDevice, SimulatorContext, SimulatorKind } from './kind.ts';

const WORDS = [
  'out [N]',
  'in [N]',
  'off [N]',
  'on [N]',
  'drop [N]',
  'fail N TIMES',
  'stall [N]',
  'resume [N]',
  'keys N BITS',
  'adapter on|off',
];

export const sensortag: SimulatorKind = {
  name: 'sensortag',
  usage: 'sensortag [--hci PATH|HOST:PORT] [--tags N] [--fast] [--model FILE]...',
  about: [
    'sensortag: CC2650 SensorTags a0:e6:f8:00:00:01 and up, for device-models/samples/sensortag.yaml, or the Bluetooth devices of --model, around a',
    'Bluetooth controller that is on a socket; start the edge with --set modules.mapperHost.bluetooth.hci=PATH. It also obeys, for tag N (default 1):',
    `  ${WORDS.join(', ')}`,
  ],
  flags: {
    hci: { type: 'string', value: 'PATH', help: 'sensortag: the socket of the controller (default <data-dir>/hci0), or host:port' },
    tags: { type: 'string', value: 'N', help: 'sensortag without --model: how many (default 1)' },
    fast: { type: 'boolean', help: 'sensortag: data moves as fast as it can, not once per connection interval as on the air' },
  },
  protocols: ['bluetooth'],
  async start(context) {
    const { flags, dataDir, clock, log } = context;
    const hci = flags.text('hci') ?? path.join(dataDir, 'hci0');
    if (!/^.+:\d+$/.test(hci)) mkdirSync(path.dirname(path.resolve(hci)), { recursive: true, mode: 0o700 });
    const onEvent: SensorTagsOptions['onEvent'] = (event) => log.info('simulator.tag', event);
    const where = { clock, hci, realtime: !flags.has('fast'), onEvent };
    return context.profiles.length === 0 ? playTags(context, where) : playProfiles(context, where);
  },
};

async function playTags({ flags }: SimulatorContext, where: SensorTagsOptions): Promise<Simulated> {
  const tags = numberOf(flags.text('tags') ?? '1') ?? NaN;
  const served = await startSensorTags({ ...where, tags });
  return simulated(served, {
    peripherals: served.tags,
    devices: served.tags.map((tag, index) => deviceOf(tag, tags === 1 ? 'sensortag' : `sensortag-${index + 1}`)),
  });
}

/** Property of the sample -> what it is called around the tag. */
const SEEN: ReadonlyMap<string, keyof SensorTag['environment']> = new Map([
  ['temperature', 'objectTemperature'],
  ['ambient-temperature', 'ambientTemperature'],
  ['humidity', 'humidity'],
  ['pressure', 'pressure'],
  ['light', 'light'],
]);
const SENSORS: ReadonlyMap<string, string> = new Map([
  ['temperature-enable', 'irTemperature'],
  ['humidity-enable', 'humidity'],
  ['pressure-enable', 'barometer'],
]);

function deviceOf(tag: SensorTag, name: string): SimulatedDevice {
  const names = [...SEEN.keys(), ...SENSORS.keys()];
  const unknown = (property: string): HiveletError =>
    new HiveletError('NOT_FOUND', `${name} has no property ${property}: it has ${names.join(', ')}`);
  return {
    name,
    names,
    get: (property) => {
      const sensor = SENSORS.get(property);
      if (sensor !== undefined) return tag.sensor(sensor).config === 0 ? 'OFF' : 'ON';
      const seen = SEEN.get(property);
      if (seen === undefined) throw unknown(property);
      return tag.environment[seen];
    },
    put: (property, text) => {
      const seen = SEEN.get(property);
      if (seen === undefined) throw unknown(property);
      const value = numberOf(text);
      if (value === undefined) throw new HiveletError('VALUE_INVALID', `${JSON.stringify(text)} is no number`);
      tag.setEnvironment({ [seen]: value });
    },
    refuse: (property) => {
      throw new HiveletError('USAGE', `a SensorTag cannot refuse ${property}: play it with --model for that`);
    },
  };
}

async function playProfiles({ profiles, log }: SimulatorContext, where: SensorTagsOptions): Promise<Simulated> {
  const served = await startProfileTags({ ...where, profiles, onWrite: (write) => log.info('simulator.written', { ...write }) });
  return simulated(served, {
    peripherals: served.devices.map(({ peripheral }) => peripheral),
    devices: served.devices.map((device) => ({
      name: device.name,
      names: device.values.names,
      get: (property: string) => device.values.get(property),
      put: (property: string, text: string) => {
        device.values.put(property, text);
        device.show();
      },
      refuse: (property: string, on: boolean) => device.values.refuse(property, on),
    })),
  });
}

function simulated(
  served: ServedAir | SensorTags,
  { peripherals, devices }: { peripherals: readonly VirtualPeripheral[]; devices: readonly SimulatedDevice[] },
): Simulated {
  return {
    facts: { hci: served.hci, tags: peripherals.map(({ address }) => address) },
    devices,
    words: WORDS,
    act: (words) => act(words, served, peripherals),
    silence: (on) => {
      for (const each of peripherals)
        if (on) each.stall();
        else each.resume();
    },
    close: () => served.close(),
  };
}

const FAULTS: ReadonlyMap<string, (tag: VirtualPeripheral, number: number) => void> = new Map<
  string,
  (tag: VirtualPeripheral, number: number) => void
>([
  ['out', (tag) => tag.setInRange(false)],
  ['in', (tag) => tag.setInRange(true)],
  ['off', (tag) => tag.powerOff()],
  ['on', (tag) => tag.powerOn()],
  ['drop', (tag) => tag.disconnect()],
  ['fail', (tag, times) => tag.failConnections(times)],
  ['stall', (tag) => tag.stall()],
  ['resume', (tag) => tag.resume()],
  ['keys', (tag, bits) => void (tag instanceof SensorTag && tag.pressKeys(bits))],
]);

/** True when the words were for it. Throws USAGE. */
function act([word = '', first, second]: readonly string[], { controller }: ServedAir, tags: readonly VirtualPeripheral[]): boolean {
  if (word === 'adapter') {
    if (first !== 'on' && first !== 'off') throw new HiveletError('USAGE', 'write adapter on or adapter off');
    if (first === 'on') controller.powerOn();
    else controller.powerOff();
    return true;
  }
  const fault = FAULTS.get(word);
  if (fault === undefined) return false;
  const tag = tags[Number(first ?? 1) - 1];
  if (tag === undefined) throw new HiveletError('USAGE', `there is no tag ${first ?? ''}: write 1 to ${tags.length}`);
  fault(tag, Number(second ?? 1));
  return true;
}

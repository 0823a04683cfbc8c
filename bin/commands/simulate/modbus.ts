/** Owns `hivelet simulate modbus`: the thermostat, or Modbus TCP devices made from a model. */
import { HiveletError } from '#beehive/errors.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { field, nameOf, numberOf } from '#device-models/fields.ts';
import { startProfileDevice } from '../../../mappers/modbus/simulate-profile.ts';
import { startThermostat } from '../../../mappers/modbus/simulate.ts';
import type { Flags } from '../command.ts';
import { playedDevice, type Simulated, type SimulatorContext, type SimulatorKind } from './kind.ts';

const USUAL_PORT = 1502;

export const modbus: SimulatorKind = {
  name: 'modbus',
  usage: 'modbus [--port PORT] [--model FILE]...',
  about: [
    'modbus: a thermostat on Modbus TCP that heats towards its setpoint, for device-models/samples/modbus-thermostat.yaml; with --model the',
    'registers of all Modbus devices of the files, each under its slave id.',
  ],
  flags: {
    host: { type: 'string', value: 'ADDRESS', help: 'modbus, opcua: where to listen (default 127.0.0.1)' },
    port: {
      type: 'string',
      value: 'PORT',
      help: 'modbus, opcua: TCP port (modbus: default 1502, or the port that the model names; 0: a free one)',
    },
  },
  protocols: ['modbus'],
  start: (context) => (context.profiles.length === 0 ? playThermostat(context) : playProfiles(context)),
};

async function playThermostat({ flags, clock, log }: SimulatorContext): Promise<Simulated> {
  const host = flags.text('host') ?? '127.0.0.1';
  const thermostat = await startThermostat({
    clock,
    host,
    port: portOf(flags, USUAL_PORT),
    onWrite: (write) => log.info('simulator.written', write),
  });
  const names = ['setpoint', 'temperature'] as const;
  const known = (name: string): (typeof names)[number] => {
    const found = names.find((each) => each === name);
    if (found === undefined) throw new HiveletError('NOT_FOUND', `thermostat has no property ${name}: it has ${names.join(', ')}`);
    return found;
  };
  return {
    facts: { host: thermostat.host, port: thermostat.port },
    devices: [
      {
        name: 'thermostat',
        names,
        get: (name) => thermostat.state()[known(name)],
        put: (name, text) => {
          const value = numberOf(text);
          if (known(name) !== 'setpoint' || value === undefined)
            throw new HiveletError('VALUE_INVALID', `${name} ${text}: at the thermostat a number can be set as setpoint only`);
          thermostat.turn(value);
        },
        refuse: (name) => {
          throw new HiveletError('USAGE', `the thermostat cannot refuse ${known(name)}: play it with --model for that`);
        },
      },
    ],
    silence: (on) => thermostat.silence(on),
    close: () => thermostat.close(),
  };
}

async function playProfiles({ flags, clock, log, profiles }: SimulatorContext): Promise<Simulated> {
  const device = await startProfileDevice({
    clock,
    profiles,
    host: flags.text('host') ?? '127.0.0.1',
    port: portOf(flags, portIn(profiles) ?? USUAL_PORT),
    onWrite: (write) => log.info('simulator.written', { ...write, value: String(write.value) }),
  });
  return {
    facts: { host: device.host, port: device.port, devices: profiles.map(({ name }) => name) },
    devices: profiles.map(({ name }) => playedDevice(name, device.device(name))),
    silence: (on) => device.silence(on),
    close: () => device.close(),
  };
}

/** The port of a device whose file says that it is on this machine: the file then needs no change. */
function portIn(profiles: readonly DeviceProfile[]): number | undefined {
  const here = profiles.find(({ protocolConfig }) => /^(?:127\.|localhost$|\[?::1\]?$)/.test(nameOf(field(protocolConfig, 'ip')) ?? ''));
  return numberOf(field(here?.protocolConfig, 'port'));
}

/** The port that is asked for. Throws USAGE. */
export function portOf(flags: Flags, usual: number): number {
  const port = Number(flags.text('port') ?? usual);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new HiveletError('USAGE', `--port ${flags.text('port') ?? ''} is no port: write 0 to 65535`);
}

/** Owns `hivelet simulate opcua`: the press, or an OPC UA server with all devices of a model. */
import path from 'node:path';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { field, nameOf } from '#device-models/fields.ts';
import { PRESS } from '../../../mappers/opcua/press.ts';
import { startProfileServer } from '../../../mappers/opcua/simulate.ts';
import { playedDevice, type Simulated, type SimulatorContext, type SimulatorKind } from './kind.ts';
import { portOf } from './modbus.ts';

const USUAL_PORT = 4840;

export const opcua: SimulatorKind = {
  name: 'opcua',
  usage: 'opcua [--port PORT] [--model FILE]...',
  about: [
    'opcua: a press on an OPC UA server, for device-models/samples/opcua-press.yaml; with --model all OPC UA devices of the files in one server.',
    'It takes clients without security and with Basic256Sha256; its certificate is made on first use.',
  ],
  flags: {},
  protocols: ['opcua'],
  async start({ flags, clock, log, dataDir, profiles }: SimulatorContext): Promise<Simulated> {
    const played = profiles.length === 0 ? [PRESS] : profiles;
    const server = await startProfileServer({
      clock,
      profiles: played,
      pkiDirectory: path.join(dataDir, 'simulated-opcua', 'pki'),
      host: flags.text('host') ?? '127.0.0.1',
      port: portOf(flags, portIn(played) ?? USUAL_PORT),
      onWrite: (write) => log.info('simulator.written', write),
    });
    return {
      facts: { url: server.url, host: server.host, port: server.port, devices: played.map(({ name }) => name) },
      devices: played.map(({ name }) => playedDevice(name, server.device(name))),
      silence: (on) => server.silence(on),
      close: () => server.close(),
    };
  },
};

/** The port of a device whose file says that it is on this machine: the file then needs no change. */
function portIn(profiles: readonly DeviceProfile[]): number | undefined {
  for (const { protocolConfig } of profiles) {
    const [, port] = /^opc\.tcp:\/\/(?:127\.[\d.]+|localhost|\[::1\]):(\d+)/i.exec(nameOf(field(protocolConfig, 'url')) ?? '') ?? [];
    if (port !== undefined) return Number(port);
  }
  return undefined;
}

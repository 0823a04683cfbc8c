/** Owns `hivelet simulate`: devices to play with, each a process of its own. */
import path from 'node:path';
import { createLogger, formatJson, formatText, type Logger } from '#beehive/log.ts';
import { HiveletError } from '#beehive/errors.ts';
import { startDht11 } from '../../mappers/iio/simulate.ts';
import { startThermostat } from '../../mappers/modbus/simulate.ts';
import { expectArgs, type Command, type Flags, type Invocation } from './command.ts';

export const command: Command = {
  usage: ['simulate modbus [--port PORT]', 'simulate dht11 [--root DIR]'],
  about: [
    'modbus: a thermostat on Modbus TCP that heats towards its setpoint, for device-models/samples/modbus-thermostat.yaml. dht11: the files that the',
    'kernel shows for a DHT11, for device-models/samples/dht11.yaml; start the edge with --set modules.mapperHost.sysfsRoot=DIR.',
  ],
  flags: {
    host: { type: 'string', value: 'ADDRESS', help: 'modbus: where to listen (default 127.0.0.1)' },
    port: { type: 'string', value: 'PORT', help: 'modbus: TCP port (default 1502; 0 takes a free one)' },
    root: { type: 'string', value: 'DIR', help: 'dht11: the folder that stands for /sys (default <data-dir>/simulated-sys)' },
    name: { type: 'string', value: 'NAME', help: "dht11: what the sensor's name file says (default dht11@0)" },
  },
  async run(invocation) {
    const { args, flags, signal } = invocation;
    expectArgs(args, { least: 1, most: 1, what: 'write modbus or dht11' });
    const log = loggerOf(invocation);
    const device = await start(args[0] ?? '', invocation, log);
    try {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      return 0;
    } finally {
      await device.close();
      log.info('simulator.stopped', { device: args[0], ...(flags.text('port') === undefined ? {} : { port: flags.text('port') }) });
    }
  },
};

async function start(kind: string, { flags, clock, dataDir }: Invocation, log: Logger): Promise<{ close(): Promise<void> }> {
  if (kind === 'modbus') {
    const host = flags.text('host') ?? '127.0.0.1';
    const onWrite = (write: { unit: number; table: string; address: number; values: readonly number[] }): void =>
      log.info('simulator.written', write);
    const thermostat = await startThermostat({ clock, host, port: portOf(flags), onWrite });
    log.info('simulator.ready', { device: 'modbus', host: thermostat.host, port: thermostat.port });
    return thermostat;
  }
  if (kind === 'dht11') {
    const root = path.resolve(flags.text('root') ?? path.join(dataDir, 'simulated-sys'));
    const name = flags.text('name');
    const sensor = await startDht11({ clock, root, ...(name === undefined ? {} : { name }) });
    log.info('simulator.ready', { device: 'dht11', root, directory: sensor.directory });
    return sensor;
  }
  throw new HiveletError('USAGE', `there is no simulator ${kind}: write modbus or dht11`);
}

function portOf(flags: Flags): number {
  const port = Number(flags.text('port') ?? 1502);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new HiveletError('USAGE', `--port ${flags.text('port') ?? ''} is no port: write 0 to 65535`);
}

function loggerOf({ io, clock }: Invocation): Logger {
  const format = io.terminal ? formatText : formatJson;
  return createLogger({ clock, write: (line) => io.out(format(line)) });
}

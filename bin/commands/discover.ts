/** Owns `hivelet discover`: what is on a bus, in a server, in the air or in sysfs, as YAML to apply. */
import { createLogger, type LogLine, type Logger } from '#beehive/log.ts';
import { HiveletError, isHiveletError } from '#beehive/errors.ts';
import { nearestName } from '#device-models/nearest-name.ts';
import { isNodeName } from '#wire/node-name.ts';
import type { DiscoveryScope } from '../../mappers/contract.ts';
import { expectArgs, type Command, type Flags, type FlagSpecs, type Invocation, type Io } from './command.ts';
import { FoundYaml } from './discover/found-yaml.ts';
import { openMappers } from './mappers/plugins.ts';

/** The word behind `hivelet discover`, and the protocol of the plugin that looks. */
const kinds: ReadonlyMap<string, string> = new Map([
  ['modbus', 'modbus'],
  ['opcua', 'opcua'],
  ['ble', 'bluetooth'],
  ['bluetooth', 'bluetooth'],
  ['iio', 'iio'],
]);

/** What says where to look: handed to the plugin, which knows its own and refuses the others. */
const where: FlagSpecs = {
  host: {
    type: 'string',
    value: 'ADDRESS',
    help: 'modbus: a host, or several: 192.168.1.10-20, 192.168.1.0/28, a,b (ranges: private networks only)',
  },
  port: { type: 'string', value: 'PORT', help: 'modbus: TCP port (default 502)' },
  'serial-port': { type: 'string', value: 'FILE', help: 'modbus: a serial line, for instance /dev/ttyUSB0' },
  baud: { type: 'string', value: 'BAUD', help: 'modbus: of that line (default 9600)' },
  parity: { type: 'string', value: 'PARITY', help: 'modbus: none, even or odd (default none)' },
  'data-bits': { type: 'string', value: 'N', help: 'modbus: 5 to 8 (default 8)' },
  'stop-bits': { type: 'string', value: 'N', help: 'modbus: 1 or 2 (default 1)' },
  units: { type: 'string', value: 'RANGE', help: 'modbus: unit ids to ask (default 1-247)' },
  registers: { type: 'string', value: 'KINDS', help: 'modbus: of holding,input,coil,discrete (default all)' },
  addresses: { type: 'string', value: 'RANGE', help: 'modbus: of each kind (default 0-99)' },
  rate: { type: 'string', value: 'N', help: 'modbus: at most so many requests a second (default 20)' },
  timeout: { type: 'string', value: 'MS', help: 'modbus, opcua: for one answer (modbus: default 300, on a line 150)' },
  url: { type: 'string', value: 'URL', help: 'opcua: the endpoint, for instance opc.tcp://192.168.1.4:4840' },
  nodes: { type: 'string', value: 'N', help: 'opcua: look at no more than these (default 2000)' },
  depth: { type: 'string', value: 'N', help: 'opcua: below the root no deeper than this (default 8)' },
  'security-mode': { type: 'string', value: 'MODE', help: 'opcua: None, Sign or SignAndEncrypt, as in a Device' },
  'security-policy': { type: 'string', value: 'POLICY', help: 'opcua: for instance Basic256Sha256, as in a Device' },
  'user-name': { type: 'string', value: 'NAME', help: 'opcua: who logs in' },
  password: { type: 'string', value: 'FILE', help: 'opcua: the file below <data-dir>/edge/secrets with the password, as in a Device' },
  certificate: { type: 'string', value: 'FILE', help: 'opcua: a certificate other than the own one, as in a Device' },
  'private-key': { type: 'string', value: 'FILE', help: 'opcua: its key' },
  'user-certificate': { type: 'string', value: 'FILE', help: 'opcua: a certificate in the place of user and password' },
  'user-private-key': { type: 'string', value: 'FILE', help: 'opcua: its key' },
  'remote-certificate': { type: 'string', value: 'FILE', help: 'opcua: the one certificate that the server may show, trusted by that' },
  'any-host-name': { type: 'string', value: 'true', help: 'opcua: the certificate of the server may be for another host name' },
  seconds: { type: 'string', value: 'N', help: 'ble: how long to listen (default 10)' },
  address: { type: 'string', value: 'ADDRESS', help: 'ble: this device only, for instance a0:e6:f8:00:00:01' },
  root: {
    type: 'string',
    value: 'ROOT',
    help: 'iio: where sysfs is (default /sys); opcua: the node to look below (default: the Objects folder)',
  },
};

export const command: Command = {
  usage: [
    'discover modbus --host ADDRESS [--port PORT] [--units RANGE] [--registers KINDS] [--addresses RANGE]',
    'discover modbus --serial-port FILE [--baud BAUD] [--parity PARITY] [...]',
    'discover opcua --url URL [--root NODE] [--nodes N] [--depth N] [--user-name NAME --password FILE] [...]',
    'discover ble [--seconds N] [--address ADDRESS]',
    'discover iio [--root DIR]',
  ],
  about: [
    'Looks for devices and prints a DeviceModel and a Device for each, ready for `hivelet validate` and `kubectl apply`; what was found until Ctrl-C',
    'is printed too. Nothing is written to a device. What a register means is in the manual of the device: rename the properties, remove what is of',
    'no use, and fill in scale and unit. A scan asks one question at a time, no faster than --rate; ask only devices of your own.',
  ],
  flags: {
    ...where,
    node: { type: 'string', value: 'NAME', help: 'the node of the Devices (default: the name that an edge on this machine has)' },
    namespace: { type: 'string', short: 'n', value: 'NAME', help: 'the namespace of all objects (default: default)' },
  },
  async run(invocation) {
    const { args, flags, io, signal } = invocation;
    expectArgs(args, { least: 1, most: 1, what: `write one of ${[...kinds.keys()].join(', ')}` });
    const [kind = ''] = args;
    const protocol = kinds.get(kind);
    if (protocol === undefined) {
      const near = nearestName(kind, [...kinds.keys()]);
      const remedy = near === undefined ? `: write one of ${[...kinds.keys()].join(', ')}` : `; did you mean ${near}?`;
      throw new HiveletError('USAGE', `nothing of the kind ${kind} can be discovered${remedy}`);
    }
    const mappers = openMappers(invocation);
    const plugin = await mappers.plugin(protocol);
    if (plugin.discover === undefined) throw new HiveletError('USAGE', `the plugin of ${protocol} cannot look for devices`);
    const names = { node: flags.text('node') ?? mappers.node, namespace: flags.text('namespace') ?? 'default' };
    expectNames(names);
    const yaml = new FoundYaml({ protocol: plugin.protocol, ...names });
    const context = { ...mappers.context, log: progressLog(invocation) };
    try {
      for await (const found of plugin.discover(scopeOf(flags), context)) io.out(yaml.add(found));
    } catch (error) {
      if (!signal.aborted && !isHiveletError(error, 'STOPPED')) throw error;
    }
    io.error(summary(yaml.devices, signal.aborted));
    return yaml.devices > 0 || signal.aborted ? 0 : 1;
  },
};

/** What `kubectl apply` would refuse after a long scan is refused before it. Throws USAGE. */
function expectNames({ node, namespace }: { node: string; namespace: string }): void {
  if (!isNodeName(node)) throw new HiveletError('USAGE', `--node ${node} is no node name: use lower-case letters, digits, "-" and "."`);
  if (namespace.length > 63 || !/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(namespace))
    throw new HiveletError('USAGE', `--namespace ${namespace} is no name of a namespace: use lower-case letters, digits and "-"`);
}

function scopeOf(flags: Flags): DiscoveryScope {
  const given = Object.keys(where).flatMap((name): [string, string][] => {
    const value = flags.text(name);
    return value === undefined ? [] : [[name, value]];
  });
  return Object.fromEntries(given);
}

function summary(devices: number, stopped: boolean): string {
  const count = devices === 0 ? 'no device' : devices === 1 ? '1 device' : `${devices} devices`;
  return `${count} found${stopped ? ' until it was stopped' : ''}`;
}

/** What a plugin does is shown on the line that is written over; what it warns of stays. */
function progressLog({ io, clock }: Invocation): Logger {
  return createLogger({
    clock,
    write: (line) => (line.level === 'warn' || line.level === 'error' ? io.error(textOf(line)) : show(line, io)),
  });
}

function show(line: LogLine, io: Io): void {
  io.progress?.(textOf(line));
}

function textOf({ event, fields }: LogLine): string {
  const facts = Object.entries(fields).map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return [event.replace(/^discover\./, 'looking for '), facts.join(', ')].filter((part) => part !== '').join(': ');
}

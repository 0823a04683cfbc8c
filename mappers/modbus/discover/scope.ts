/** Owns what a scan for Modbus devices was told: where to ask, which units and registers, how gently. Pure. */
import { HiveletError, isHiveletError } from '#beehive/errors.ts';
import type { DiscoveryScope } from '../../contract.ts';
import type { Space } from '../frames.ts';
import { readLink, type SerialLine } from '../link.ts';
import { hostsOf } from './hosts.ts';

export interface Scan {
  readonly where: { readonly hosts: readonly string[]; readonly port: number } | { readonly line: SerialLine };
  /** In the order in which they are asked. */
  readonly units: readonly number[];
  readonly spaces: readonly Space[];
  readonly first: number;
  /** How many addresses of each table. */
  readonly count: number;
  readonly timeoutMs: number;
  /** Between the starts of two requests. */
  readonly pauseMs: number;
}

/** The keys, as they are flags of `hivelet discover modbus`. */
const KEYS = [
  'host',
  'port',
  'serial-port',
  'baud',
  'data-bits',
  'parity',
  'stop-bits',
  'units',
  'registers',
  'addresses',
  'timeout',
  'rate',
];
const USUAL = { port: 502, units: '1-247', addresses: '0-99', tcpTimeoutMs: 300, rtuTimeoutMs: 150, rate: 20 } as const;
const LONGEST_TIMEOUT_MS = 10_000;
const HIGHEST_RATE = 1000;
/** Of one table: what ten answers carry. */
const MOST_ADDRESSES = 2000;

const kinds: ReadonlyMap<string, Space> = new Map([
  ['holding', 'holding'],
  ['input', 'input'],
  ['coil', 'coil'],
  ['coils', 'coil'],
  ['discrete', 'discrete'],
]);

/** Fields of a Device that the command line calls otherwise. */
const flags: ReadonlyMap<string, string> = new Map([
  ['serialPort', 'serial-port'],
  ['baudRate', 'baud'],
  ['dataBits', 'data-bits'],
  ['stopBits', 'stop-bits'],
]);

/** Throws USAGE with the flag. */
export function readScan(scope: DiscoveryScope, allowedSerialPorts: readonly string[]): Scan {
  const stray = Object.keys(scope).find((key) => !KEYS.includes(key));
  if (stray !== undefined)
    throw new HiveletError('USAGE', `--${stray} is nothing that a scan for Modbus devices knows: it has --${KEYS.join(', --')}`);
  const { host, 'serial-port': serial } = scope;
  if ((host === undefined) === (serial === undefined))
    throw new HiveletError('USAGE', 'write either --host ADDRESS for Modbus TCP or --serial-port FILE for a serial line');
  const addresses = rangeOf('addresses', scope['addresses'] ?? USUAL.addresses, { least: 0, most: 0xffff });
  if (addresses.length > MOST_ADDRESSES)
    throw new HiveletError('USAGE', `--addresses: ${addresses.length} addresses of each table are too many, at most ${MOST_ADDRESSES}`);
  const rate = numberOf('rate', scope['rate'] ?? String(USUAL.rate), { least: 1, most: HIGHEST_RATE });
  const usualTimeout = host === undefined ? USUAL.rtuTimeoutMs : USUAL.tcpTimeoutMs;
  return {
    where: host === undefined ? { line: lineOf(scope, allowedSerialPorts) } : { hosts: hostsOf(host), port: portOf(scope) },
    units: rangeOf('units', scope['units'] ?? USUAL.units, { least: 0, most: 255 }),
    spaces: spacesOf(scope['registers']),
    first: addresses[0] ?? 0,
    count: addresses.length,
    timeoutMs: numberOf('timeout', scope['timeout'] ?? String(usualTimeout), { least: 10, most: LONGEST_TIMEOUT_MS }),
    pauseMs: 1000 / rate,
  };
}

function portOf(scope: DiscoveryScope): number {
  return numberOf('port', scope['port'] ?? String(USUAL.port), { least: 1, most: 65_535 });
}

function lineOf(scope: DiscoveryScope, allowedSerialPorts: readonly string[]): SerialLine {
  const { 'serial-port': serialPort, baud: baudRate, 'data-bits': dataBits, parity, 'stop-bits': stopBits } = scope;
  try {
    const link = readLink({ serialPort, baudRate, dataBits, parity, stopBits }, '-', { allowedSerialPorts });
    if (link.kind === 'rtu') return link.line;
  } catch (error) {
    if (!isHiveletError(error, 'PROFILE_INVALID')) throw error;
    // A Device calls it baudRate.
    const fault = error.message.replace(/^-\.(\w+)/, (_, field: string) => `--${flags.get(field) ?? field}`);
    throw new HiveletError('USAGE', fault, { cause: error });
  }
  throw new HiveletError('USAGE', '--serial-port: write the serial port, for instance /dev/ttyUSB0');
}

function spacesOf(written = 'holding,input,coil,discrete'): Space[] {
  return [
    ...new Set(
      written.split(',').map((word) => {
        const space = kinds.get(word.trim().toLowerCase());
        if (space === undefined)
          throw new HiveletError('USAGE', `--registers ${word}: write holding, input, coil or discrete, several with commas`);
        return space;
      }),
    ),
  ];
}

interface Bounds {
  least: number;
  most: number;
}

function numberOf(flag: string, text: string, { least, most }: Bounds): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new HiveletError('USAGE', `--${flag} ${text}: write a whole number from ${least} to ${most}`);
}

/** `5`, `1-20`, `1,3,10-12`; for addresses one range. */
function rangeOf(flag: string, text: string, bounds: Bounds): number[] {
  const parts = flag === 'addresses' ? [text] : text.split(',');
  const numbers = parts.flatMap((part) => {
    const [, from = '', to = from] = /^\s*(\d+)(?:\s*-\s*(\d+))?\s*$/.exec(part) ?? [];
    const [first, last] = [numberOf(flag, from === '' ? part : from, bounds), numberOf(flag, to === '' ? part : to, bounds)];
    if (last < first) throw new HiveletError('USAGE', `--${flag} ${part}: the range ends before it begins`);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
  return [...new Set(numbers)];
}

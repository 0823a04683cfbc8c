/** Owns how a device's protocol block becomes a Modbus link: TCP or serial line, unit id, time-out. */
import path from 'node:path';
import { HiveletError } from '#beehive/errors.ts';
import { field, fieldsAt, nameOf, numberOf, textOf, type Fields } from '#device-models/fields.ts';

export interface TcpLink {
  readonly kind: 'tcp';
  readonly host: string;
  readonly port: number;
  readonly unit: number;
  readonly timeoutMs: number;
}

export interface SerialLine {
  readonly path: string;
  readonly baudRate: number;
  readonly dataBits: 5 | 6 | 7 | 8;
  readonly parity: 'none' | 'even' | 'odd';
  readonly stopBits: 1 | 2;
  /** The driver's direction is switched by RTS. */
  readonly rs485: boolean;
}

export interface RtuLink {
  readonly kind: 'rtu';
  readonly line: SerialLine;
  readonly unit: number;
  readonly timeoutMs: number;
}

export type ModbusLink = TcpLink | RtuLink;

export interface LinkOptions {
  /** Globs of device files that a Device may name; `*` stands for any text, also across folders. */
  allowedSerialPorts: readonly string[];
}

/** Whoever may edit a Device must not be able to open any file of the board (DESIGN section 4). */
export const DEFAULT_SERIAL_PORTS: readonly string[] = ['/dev/tty*', '/dev/serial/*', '/dev/pts/*'];

const DEFAULT_PORT = 502;
const DEFAULT_TCP_TIMEOUT_MS = 1000;
/** Beside the time that the bytes take on the line. */
const DEFAULT_RTU_TIMEOUT_MS = 300;
const LONGEST_TIMEOUT_MS = 60_000;
/** Where the generations and their mappers put the settings, nearest first. */
const NESTED = ['configData', 'modbus', 'rtu', 'com', 'tcp', 'common', 'customizedValues'] as const;

/** Reads the block of any generation. Throws PROFILE_INVALID with the field. */
export function readLink(input: Fields, at: string, options: LinkOptions): ModbusLink {
  const blocks = blocksOf(input);
  const find = (...names: string[]): Found | undefined => findIn(blocks, names, at);
  const serial = find('serialPort', 'serialName');
  const host = find('ip', 'host', 'address');
  const mode = nameOf(find('communicateMode', 'mode')?.value)?.toUpperCase();
  const unit = wholeNumber(find('slaveID', 'unitID', 'unit'), { fallback: 1, least: 0, most: 255 });
  // A serial port wins over an address, as in the Go mappers; v1beta1 may say which one is meant.
  if (nameOf(serial?.value) !== undefined && mode !== 'TCP')
    return { kind: 'rtu', line: readLine(find, at, options), unit, timeoutMs: timeout(find, DEFAULT_RTU_TIMEOUT_MS) };
  const name = nameOf(host?.value);
  if (name === undefined) {
    const wanted =
      mode === 'RTU'
        ? 'serialName: write the serial port, for instance /dev/ttyUSB0'
        : 'ip: write the address, or serialPort for a serial line';
    throw new HiveletError('PROFILE_INVALID', `${at}: neither serialPort nor ip is there; add ${wanted}`);
  }
  if (/[\s/]/.test(name)) throw fault(host, 'is no address: write an IP address or a host name');
  const port = wholeNumber(find('port'), { fallback: DEFAULT_PORT, least: 1, most: 65_535 });
  return { kind: 'tcp', host: name, port, unit, timeoutMs: timeout(find, DEFAULT_TCP_TIMEOUT_MS) };
}

type Find = (...names: string[]) => Found | undefined;

interface Found {
  path: string;
  value: unknown;
}

interface Block {
  path: string;
  fields: Fields;
}

/** The block and what is nested in it; deeper than a Device can be written, it ends. */
function blocksOf(fields: Fields, at = '', depth = 0): Block[] {
  if (depth > 3) return [];
  const nested = NESTED.flatMap((name) => {
    const inner = fieldsAt(fields, name);
    return inner === undefined ? [] : blocksOf(inner, `${at}.${name}`, depth + 1);
  });
  return [{ path: at, fields }, ...nested];
}

function findIn(blocks: readonly Block[], names: readonly string[], at: string): Found | undefined {
  for (const block of blocks) {
    for (const name of names) {
      const value = field(block.fields, name);
      if (value !== undefined && value !== null && value !== '') return { path: `${at}${block.path}.${name}`, value };
    }
  }
  return undefined;
}

function fault(found: Found | undefined, what: string): HiveletError {
  return new HiveletError('PROFILE_INVALID', `${found?.path ?? ''}: ${JSON.stringify(found?.value)} ${what}`, {
    facts: { path: found?.path },
  });
}

function wholeNumber(found: Found | undefined, { fallback, least, most }: { fallback: number; least: number; most: number }): number {
  if (found === undefined) return fallback;
  const number = numberOf(found.value);
  if (number === undefined || !Number.isInteger(number) || number < least || number > most) {
    throw fault(found, `is not possible: write a whole number from ${least} to ${most}`);
  }
  return number;
}

/** `timeout` in ms; 0 means the default, as it does where the key is absent. */
function timeout(find: Find, fallback: number): number {
  const found = find('timeout', 'timeoutMs');
  const ms = found === undefined ? 0 : numberOf(found.value);
  if (ms === undefined || ms < 0 || ms > LONGEST_TIMEOUT_MS)
    throw fault(found, `is no time-out: write milliseconds, at most ${LONGEST_TIMEOUT_MS}`);
  return ms === 0 ? fallback : ms;
}

function readLine(find: Find, at: string, options: LinkOptions): SerialLine {
  const serial = find('serialPort', 'serialName') ?? { path: at, value: undefined };
  const file = textOf(serial.value)?.trim() ?? '';
  if (!isAllowed(file, options.allowedSerialPorts)) {
    throw fault(serial, `is no serial port that a device may use: write one of ${options.allowedSerialPorts.join(', ')}`);
  }
  return {
    path: file,
    baudRate: wholeNumber(find('baudRate'), { fallback: 9600, least: 50, most: 4_000_000 }),
    dataBits: wholeNumber(find('dataBits'), { fallback: 8, least: 5, most: 8 }) as SerialLine['dataBits'],
    parity: readParity(find('parity')),
    stopBits: wholeNumber(find('stopBits'), { fallback: 1, least: 1, most: 2 }) as SerialLine['stopBits'],
    rs485: nameOf(find('serialType')?.value)?.toUpperCase().replace('-', '') === 'RS485',
  };
}

/** `even`, `odd`, else none, as the Go mappers read it; also by first letter. */
function readParity(found: Found | undefined): SerialLine['parity'] {
  const letter = nameOf(found?.value)?.[0]?.toLowerCase();
  return letter === 'e' ? 'even' : letter === 'o' ? 'odd' : 'none';
}

function isAllowed(file: string, globs: readonly string[]): boolean {
  // `/dev/tty/../mem` matches /dev/tty* as a text.
  if (!path.isAbsolute(file) || path.normalize(file) !== file || file.includes('\0')) return false;
  return globs.some((glob) => new RegExp(`^${glob.split('*').map(escaped).join('.*')}$`).test(file));
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Devices with the same text share a socket or a line. */
export function linkKeyOf(link: ModbusLink): string {
  return link.kind === 'tcp' ? `modbus://${link.host.toLowerCase()}:${link.port}` : `modbus:${link.line.path}`;
}

export function describeLine({ path: file, baudRate, dataBits, parity, stopBits }: SerialLine): string {
  return `${file} ${baudRate} ${dataBits}${parity[0]?.toUpperCase() ?? 'N'}${stopBits}`;
}

/** Owns the Modbus plugin: which devices share a line, and how a line is opened. */
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { MapperPlugin, Usability } from '../contract.ts';
import { readAccess, type ModbusAccess } from './access.ts';
import { ModbusConnection } from './connection.ts';
import { DEFAULT_SERIAL_PORTS, describeLine, linkKeyOf, readLink, type ModbusLink } from './link.ts';

export interface ModbusOptions {
  /** Globs of device files that a Device may name; default /dev/tty*, /dev/serial/*, /dev/pts/*. */
  allowedSerialPorts?: readonly string[];
}

const CONNECT_TIMEOUT_MS = 3000;

export function createModbusPlugin({ allowedSerialPorts = DEFAULT_SERIAL_PORTS }: ModbusOptions = {}): MapperPlugin<
  ModbusLink,
  ModbusAccess
> {
  return {
    protocol: 'modbus',
    link: (input, path) => readLink(input, path, { allowedSerialPorts }),
    access: readAccess,
    linkKey: linkKeyOf,
    sharedMedium: (link) => link.kind === 'rtu',
    usable: serialUsable,
    async *discover(where, context) {
      const { discoverModbus } = await import('./discover/discover.ts');
      yield* discoverModbus(where, context, allowedSerialPorts);
    },
    async open(link, { clock, log, signal }) {
      if (link.kind === 'tcp') {
        const { openTcp } = await import('./tcp.ts');
        const { host, port, timeoutMs } = link;
        const connectTimeoutMs = Math.min(CONNECT_TIMEOUT_MS, Math.max(timeoutMs, 500));
        return new ModbusConnection(await openTcp({ host, port, connectTimeoutMs, clock, signal }), () => undefined);
      }
      // Serial lines bring a native library: boards that have none of them do without it.
      const { openRtu } = await import('./rtu.ts');
      return new ModbusConnection(await openRtu({ line: link.line, clock, log, signal }), (wanted) => checkLine(link, wanted));
    },
  };
}

/** TCP needs nothing; a serial line needs the native part of its package. */
async function serialUsable(): Promise<Usability> {
  try {
    await import('serialport');
    return { usable: true };
  } catch (error) {
    return {
      usable: false,
      reason: `Modbus TCP works, serial lines do not: ${messageOf(error)}; install the package serialport for this board`,
    };
  }
}

function checkLine(opened: ModbusLink, wanted: ModbusLink): void {
  if (opened.kind !== 'rtu' || wanted.kind !== 'rtu') return;
  const [is, should] = [describeLine(opened.line), describeLine(wanted.line)];
  if (is !== should)
    throw new HiveletError(
      'PROFILE_INVALID',
      `the line runs as ${is} for another device; this one says ${should}: give both the same settings`,
    );
}

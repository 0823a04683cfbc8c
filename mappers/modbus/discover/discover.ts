/** Owns the scan for Modbus devices: which units answer, and what of their tables is there; one request at a time, and not too many. */
import { isHiveletError } from '#beehive/errors.ts';
import type { DiscoveryScope, FoundDevice, PluginContext } from '../../contract.ts';
import { readRequest } from '../frames.ts';
import type { Transport } from '../transport.ts';
import { foundDevice, type SeenUnit } from './found.ts';
import { identityRequest, readIdentity } from './identity.ts';
import { readScan, type Scan } from './scope.ts';
import { scanTable, type Ask } from './tables.ts';

/** A single device at the end of a TCP connection often answers whatever the unit id is; so many that do are one. */
const IMPROBABLE_UNITS = [247, 246, 123] as const;
const GATEWAY_EXCEPTIONS = [10, 11];
const CONNECT_TIMEOUT_MS = 2000;

/** Throws USAGE, and DEVICE_UNREACHABLE when the only host, or the line, cannot be opened. */
export async function* discoverModbus(
  scope: DiscoveryScope,
  context: PluginContext,
  allowedSerialPorts: readonly string[],
): AsyncGenerator<FoundDevice> {
  const scan = readScan(scope, allowedSerialPorts);
  if ('line' in scan.where) {
    const { line } = scan.where;
    const { openRtu } = await import('../rtu.ts');
    yield* scanTransport({ scan, context, where: { line }, name: line.path, open: () => openRtu({ line, ...context }) });
    return;
  }
  const { hosts, port } = scan.where;
  const { openTcp } = await import('../tcp.ts');
  for (const host of hosts) {
    const connectTimeoutMs = hosts.length > 1 ? scan.timeoutMs : Math.max(scan.timeoutMs, CONNECT_TIMEOUT_MS);
    const open = (): Promise<Transport> => openTcp({ host, port, connectTimeoutMs, ...context });
    try {
      yield* scanTransport({ scan, context, where: { host, port }, name: `${host}:${port}`, open });
    } catch (error) {
      if (hosts.length === 1 || !isHiveletError(error, 'DEVICE_UNREACHABLE')) throw error;
      context.log.debug('discover.modbus', { host, reason: error.message });
    }
  }
}

interface Round {
  scan: Scan;
  context: PluginContext;
  where: SeenUnit['where'];
  name: string;
  open: () => Promise<Transport>;
}

async function* scanTransport({ scan, context, where, name, open }: Round): AsyncGenerator<FoundDevice> {
  context.log.info('discover.modbus', { at: name, doing: 'connecting' });
  const asker = new Asker({ scan, context, open });
  try {
    await asker.connect();
    const alike = 'host' in where && scan.units.length > IMPROBABLE_UNITS.length && (await asker.answersToAll());
    const units = alike ? scan.units.slice(0, 1) : scan.units;
    for (const [index, unit] of units.entries()) {
      context.log.info('discover.modbus', { at: name, unit, done: `${index} of ${units.length} units` });
      if (!alike && !(await asker.isThere(unit))) continue;
      const remarks = alike ? [`it answers to every unit id; ${unit} is taken`] : [];
      yield await scanUnit({ asker, scan, context, where, unit, remarks });
    }
  } finally {
    await asker.close();
  }
}

interface UnitRound {
  asker: Asker;
  scan: Scan;
  context: PluginContext;
  where: SeenUnit['where'];
  unit: number;
  remarks: string[];
}

async function scanUnit({ asker, scan, context, where, unit, remarks }: UnitRound): Promise<FoundDevice> {
  // On a line the length of that answer cannot be known beforehand, so it is not asked for there.
  const identity = 'host' in where ? await asker.identity(unit) : {};
  const places: SeenUnit['places'][number][] = [];
  for (const space of scan.spaces) {
    context.log.info('discover.modbus', { unit, registers: space });
    const seen = await scanTable(asker.asking(unit), { space, first: scan.first, count: scan.count });
    places.push(...seen.places);
    if (seen.remark !== undefined) remarks.push(seen.remark);
  }
  return foundDevice({ where, unit, identity, places, remarks });
}

/** One connection, one request at a time, never faster than the scan's rate; opened again when the device closes it. */
class Asker {
  readonly #scan: Scan;
  readonly #context: PluginContext;
  readonly #open: () => Promise<Transport>;
  #transport: Transport | undefined;
  #nextAt = -Infinity;

  constructor({ scan, context, open }: Pick<Round, 'scan' | 'context' | 'open'>) {
    this.#scan = scan;
    this.#context = context;
    this.#open = open;
  }

  async connect(): Promise<Transport> {
    if (this.#transport !== undefined) return this.#transport;
    const transport = await this.#open();
    this.#transport = transport;
    void transport.lost.then(() => {
      if (this.#transport === transport) this.#transport = undefined;
    });
    return transport;
  }

  asking(unit: number): Ask {
    return (pdu) => this.#ask(unit, pdu);
  }

  /** Whether anything answers; a gateway that speaks for a unit which is not there does not count. */
  async isThere(unit: number): Promise<boolean> {
    const [space = 'holding'] = this.#scan.spaces;
    try {
      const [code = 0, exception = 0] = await this.#ask(unit, readRequest({ space, address: this.#scan.first, count: 1 }));
      return code < 0x80 || !GATEWAY_EXCEPTIONS.includes(exception);
    } catch (error) {
      if (!isHiveletError(error, 'DEVICE_UNREACHABLE')) throw error;
      return false;
    }
  }

  async answersToAll(): Promise<boolean> {
    for (const unit of IMPROBABLE_UNITS) if (!(await this.isThere(unit))) return false;
    return true;
  }

  async identity(unit: number): Promise<ReturnType<typeof readIdentity>> {
    try {
      return readIdentity(await this.#ask(unit, identityRequest));
    } catch (error) {
      if (!isHiveletError(error, 'DEVICE_UNREACHABLE')) throw error;
      return {};
    }
  }

  async close(): Promise<void> {
    const transport = this.#transport;
    this.#transport = undefined;
    await transport?.close();
  }

  async #ask(unit: number, pdu: Uint8Array): Promise<Uint8Array> {
    const { clock, signal } = this.#context;
    for (let wait = this.#nextAt - clock.monotonic(); wait > 0; wait = this.#nextAt - clock.monotonic())
      await clock.sleep(Math.ceil(wait), signal);
    signal.throwIfAborted();
    this.#nextAt = clock.monotonic() + this.#scan.pauseMs;
    try {
      return await this.#exchange(unit, pdu);
    } catch (error) {
      // What was closed since the last request says nothing about this unit.
      if (!isHiveletError(error) || error.facts['lost'] !== true) throw error;
      await this.close();
      return this.#exchange(unit, pdu);
    }
  }

  async #exchange(unit: number, pdu: Uint8Array): Promise<Uint8Array> {
    const transport = await this.connect();
    return transport.request({ unit, pdu, timeoutMs: this.#scan.timeoutMs, signal: this.#context.signal, urgent: false });
  }
}

/** Owns a Modbus TCP server: answers masters from the tables of its units. For simulators and tests, not for the edge. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { HiveletError } from '#beehive/errors.ts';
import { isBits, MOST_BITS, MOST_REGISTERS, type Space } from './frames.ts';

/** One unit: four tables of 65,536 places, of which only the defined ones exist. */
export class ModbusUnit {
  readonly #tables: Readonly<Record<Space, Map<number, number>>> = {
    coil: new Map(),
    discrete: new Map(),
    input: new Map(),
    holding: new Map(),
  };
  /** Called after a master wrote; for simulators that react. */
  onWrite: ((space: Space, address: number, values: readonly number[]) => void) | undefined;

  /** Defines places, or sets those that exist. Registers take 0 to 65535, bits 0 or 1. */
  set(space: Space, address: number, ...values: number[]): this {
    values.forEach((value, index) => this.#tables[space].set(address + index, isBits(space) ? (value === 0 ? 0 : 1) : value & 0xffff));
    return this;
  }

  get(space: Space, address: number): number | undefined {
    return this.#tables[space].get(address);
  }

  has(space: Space, address: number, count: number): boolean {
    for (let index = 0; index < count; index++) if (!this.#tables[space].has(address + index)) return false;
    return true;
  }

  /** The answer's PDU. */
  answer(pdu: Buffer): Buffer {
    const code = pdu[0] ?? 0;
    if (pdu.length < 5) return exception(code, 3);
    const read = readSpaces[code];
    if (read !== undefined) return this.#read(code, read, pdu);
    if (code === 5 || code === 6) return this.#writeOne(code === 5 ? 'coil' : 'holding', pdu);
    if (code === 15 || code === 16) return this.#writeMany(code === 15 ? 'coil' : 'holding', pdu);
    return exception(code, 1);
  }

  #read(code: number, space: Space, pdu: Buffer): Buffer {
    const [address, count] = [pdu.readUInt16BE(1), pdu.readUInt16BE(3)];
    if (count < 1 || count > (isBits(space) ? MOST_BITS : MOST_REGISTERS)) return exception(code, 3);
    if (!this.has(space, address, count)) return exception(code, 2);
    const bytes = isBits(space) ? Math.ceil(count / 8) : count * 2;
    const answer = Buffer.alloc(2 + bytes);
    answer.set([code, bytes]);
    for (let index = 0; index < count; index++) {
      const value = this.get(space, address + index) ?? 0;
      if (isBits(space)) answer[2 + (index >> 3)] = (answer[2 + (index >> 3)] ?? 0) | (value << (index & 7));
      else answer.writeUInt16BE(value, 2 + index * 2);
    }
    return answer;
  }

  #writeOne(space: Space, pdu: Buffer): Buffer {
    const [address, value] = [pdu.readUInt16BE(1), pdu.readUInt16BE(3)];
    if (space === 'coil' && value !== 0 && value !== 0xff00) return exception(5, 3);
    if (!this.has(space, address, 1)) return exception(pdu[0] ?? 0, 2);
    this.#written(space, address, [space === 'coil' ? Number(value !== 0) : value]);
    return pdu.subarray(0, 5);
  }

  #writeMany(space: Space, pdu: Buffer): Buffer {
    const code = pdu[0] ?? 0;
    const [address, count, bytes] = [pdu.readUInt16BE(1), pdu.readUInt16BE(3), pdu[5] ?? 0];
    if (count < 1 || bytes !== (space === 'coil' ? Math.ceil(count / 8) : count * 2) || pdu.length < 6 + bytes) return exception(code, 3);
    if (!this.has(space, address, count)) return exception(code, 2);
    const values = Array.from({ length: count }, (_, index) =>
      space === 'coil' ? ((pdu[6 + (index >> 3)] ?? 0) >> (index & 7)) & 1 : pdu.readUInt16BE(6 + index * 2),
    );
    this.#written(space, address, values);
    return pdu.subarray(0, 5);
  }

  #written(space: Space, address: number, values: readonly number[]): void {
    this.set(space, address, ...values);
    this.onWrite?.(space, address, values);
  }
}

const readSpaces: Readonly<Record<number, Space>> = { 1: 'coil', 2: 'discrete', 3: 'holding', 4: 'input' };

function exception(code: number, reason: number): Buffer {
  return Buffer.from([code | 0x80, reason]);
}

export interface ModbusServerOptions {
  host?: string;
  /** 0 takes a free one. */
  port?: number;
  /** Undefined: this unit does not answer, as on a serial line behind a gateway. */
  unit: (id: number) => ModbusUnit | undefined;
}

export interface ModbusServer {
  readonly host: string;
  readonly port: number;
  /** Ends all connections. */
  close(): Promise<void>;
  /** Ends the connections, not the server: as when a device restarts. */
  disconnect(): void;
}

const MBAP_BYTES = 7;
/** A master that sends faster than it reads is cut off. */
const BUFFER_LIMIT = 64 * 1024;

/** Resolves when it listens. Throws PORT_IN_USE. */
export async function startModbusServer({ host = '127.0.0.1', port = 0, unit }: ModbusServerOptions): Promise<ModbusServer> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    serve(socket, unit);
  });
  await listen(server, host, port);
  const disconnect = (): void => sockets.forEach((socket) => socket.destroy());
  return {
    host,
    port: (server.address() as AddressInfo).port,
    disconnect,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        disconnect();
      }),
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new HiveletError('PORT_IN_USE', `${host}:${port} is taken already: choose another port`, { cause: error })
          : new HiveletError('CONFIG_INVALID', `${host}:${port} cannot be listened on: ${error.message}`, { cause: error }),
      ),
    );
    server.listen(port, host, resolve);
  });
}

function serve(socket: Socket, unit: ModbusServerOptions['unit']): void {
  let received: Buffer = Buffer.alloc(0);
  socket.on('data', (bytes) => {
    received = Buffer.concat([received, bytes]);
    while (received.length >= MBAP_BYTES && received.length >= 6 + received.readUInt16BE(4)) {
      const length = received.readUInt16BE(4);
      if (length < 2) return socket.destroy();
      const request = received.subarray(0, 6 + length);
      received = received.subarray(6 + length);
      const answer = unit(request[6] ?? 0)?.answer(request.subarray(MBAP_BYTES));
      if (answer === undefined) continue;
      const head = Buffer.from(request.subarray(0, MBAP_BYTES));
      head.writeUInt16BE(answer.length + 1, 4);
      socket.write(Buffer.concat([head, answer]));
    }
    if (received.length > BUFFER_LIMIT || socket.writableLength > BUFFER_LIMIT) socket.destroy();
  });
}

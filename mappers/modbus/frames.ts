/** Owns the Modbus PDU: requests, answers and exceptions as bytes (Modbus Application Protocol V1.1b3). */
import { HiveletError } from '#beehive/errors.ts';

/** The four tables of a device. Coils and discrete inputs hold bits, the others 16-bit registers. */
export type Space = 'coil' | 'discrete' | 'input' | 'holding';

export interface Range {
  readonly space: Space;
  /** Zero based, as on the wire: no 40001-style numbers. */
  readonly address: number;
  /** Bits or registers. */
  readonly count: number;
}

const READ: Readonly<Record<Space, number>> = { coil: 1, discrete: 2, holding: 3, input: 4 };
const WRITE_COIL = 5;
const WRITE_REGISTER = 6;
const WRITE_COILS = 15;
const WRITE_REGISTERS = 16;
const EXCEPTION_BIT = 0x80;
/** What fits into one answer. */
export const MOST_REGISTERS = 125;
export const MOST_BITS = 2000;

export function isBits(space: Space): boolean {
  return space === 'coil' || space === 'discrete';
}

export function readRequest({ space, address, count }: Range): Buffer {
  const pdu = Buffer.alloc(5);
  pdu.writeUInt8(READ[space], 0);
  pdu.writeUInt16BE(address, 1);
  pdu.writeUInt16BE(count, 3);
  return pdu;
}

/**
 * `data` is wire order: packed bits (first bit = lowest of byte 0) or big-endian registers. A single one goes as function 05 or 06, several,
 * or one with `asMany`, as 15 or 16.
 */
export function writeRequest({ space, address, count }: Range, data: Uint8Array, { asMany = false } = {}): Buffer {
  const single = count === 1 && !asMany;
  if (isBits(space)) {
    if (single) return writeSingle(WRITE_COIL, address, ((data[0] ?? 0) & 1) === 1 ? 0xff00 : 0);
    return writeMany(WRITE_COILS, { address, count }, data);
  }
  if (single) return writeSingle(WRITE_REGISTER, address, Buffer.from(data).readUInt16BE(0));
  return writeMany(WRITE_REGISTERS, { address, count }, data);
}

function writeSingle(code: number, address: number, value: number): Buffer {
  const pdu = Buffer.alloc(5);
  pdu.writeUInt8(code, 0);
  pdu.writeUInt16BE(address, 1);
  pdu.writeUInt16BE(value, 3);
  return pdu;
}

function writeMany(code: number, { address, count }: { address: number; count: number }, data: Uint8Array): Buffer {
  const pdu = Buffer.alloc(6 + data.length);
  pdu.writeUInt8(code, 0);
  pdu.writeUInt16BE(address, 1);
  pdu.writeUInt16BE(count, 3);
  pdu.writeUInt8(data.length, 5);
  pdu.set(data, 6);
  return pdu;
}

/** Bytes of a good answer to `request`: what a serial line, which has no length field, waits for. */
export function answerLength(request: Uint8Array): number {
  const code = request[0] ?? 0;
  if (code >= WRITE_COIL) return 5;
  const count = ((request[3] ?? 0) << 8) | (request[4] ?? 0);
  return 2 + (code <= 2 ? Math.ceil(count / 8) : count * 2);
}

export const EXCEPTION_LENGTH = 2;

export function isException(request: Uint8Array, code: number): boolean {
  return code === ((request[0] ?? 0) | EXCEPTION_BIT);
}

/** The data of an answer. Throws ModbusException, or DEVICE_UNREACHABLE when the bytes are no answer to `request`. */
export function readAnswer(request: Uint8Array, answer: Uint8Array): Uint8Array {
  const code = answer[0] ?? 0;
  if (isException(request, code)) throw new ModbusException(answer[1] ?? 0);
  const expected = answerLength(request);
  if (code !== request[0] || answer.length !== expected) throw garbled(`function ${code}, ${answer.length} bytes`);
  if (code >= WRITE_COIL) {
    if (!sameHead(request, answer)) throw garbled('the echo of a write differs from the request');
    return new Uint8Array(0);
  }
  if (answer[1] !== expected - 2) throw garbled(`a byte count of ${String(answer[1])}`);
  return answer.subarray(2);
}

function garbled(what: string): HiveletError {
  return new HiveletError('DEVICE_UNREACHABLE', `the device sent no valid answer (${what}): check the unit id and the wiring`);
}

/** Address and value (05, 06) or address and count (15, 16) come back. */
function sameHead(request: Uint8Array, answer: Uint8Array): boolean {
  return [1, 2, 3, 4].every((index) => request[index] === answer[index]);
}

const exceptionNames: ReadonlyMap<number, string> = new Map([
  [1, 'ILLEGAL FUNCTION'],
  [2, 'ILLEGAL DATA ADDRESS'],
  [3, 'ILLEGAL DATA VALUE'],
  [4, 'SERVER DEVICE FAILURE'],
  [5, 'ACKNOWLEDGE'],
  [6, 'SERVER DEVICE BUSY'],
  [7, 'NEGATIVE ACKNOWLEDGE'],
  [8, 'MEMORY PARITY ERROR'],
  [10, 'GATEWAY PATH UNAVAILABLE'],
  [11, 'GATEWAY TARGET DEVICE FAILED TO RESPOND'],
]);

/** The device answered, and refused. Never leaves this folder: the connection turns it into a reading or a HiveletError. */
export class ModbusException extends Error {
  readonly exception: number;

  constructor(exception: number) {
    super(exceptionNames.get(exception) ?? `EXCEPTION ${exception}`);
    this.name = 'ModbusException';
    this.exception = exception;
  }

  /** A gateway speaks for a device that did not. */
  get fromGateway(): boolean {
    return this.exception === 10 || this.exception === 11;
  }

  /** The same request may succeed later. */
  get passing(): boolean {
    return [4, 5, 6, 8].includes(this.exception);
  }
}

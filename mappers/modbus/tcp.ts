/** Owns Modbus TCP: one socket, MBAP frames, answers matched by transaction id. */
import { connect, type Socket } from 'node:net';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import { fairTimeout, Turnstile, type Transport, type WireRequest } from './transport.ts';

export interface TcpOptions {
  host: string;
  port: number;
  connectTimeoutMs: number;
  clock: Clock;
  signal: AbortSignal;
}

const MBAP_BYTES = 7;
/** 253 bytes of PDU and the unit id. */
const LARGEST_LENGTH = 254;
const KEEPALIVE_MS = 30_000;
/** A device that was switched off leaves a socket that looks alive: after so many unanswered requests in a row it is replaced. */
const UNANSWERED_LIMIT = 2;

/** Resolves when connected; rejects with DEVICE_UNREACHABLE. */
export async function openTcp(options: TcpOptions): Promise<Transport> {
  const { host, port, connectTimeoutMs, clock, signal } = options;
  signal.throwIfAborted();
  const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MS });
  try {
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => settle(() => reject(signal.reason as Error));
      const onTimeout = (): void => settle(() => reject(unreachable(`did not accept a connection within ${connectTimeoutMs} ms`)));
      const settle = (then: () => void): void => {
        cancel();
        signal.removeEventListener('abort', onAbort);
        then();
      };
      const cancel = fairTimeout(clock, connectTimeoutMs, onTimeout);
      signal.addEventListener('abort', onAbort, { once: true });
      socket.once('connect', () => settle(resolve));
      socket.once('error', (error) => settle(() => reject(unreachable(messageOf(error), error))));
    });
  } catch (error) {
    socket.on('error', () => undefined);
    socket.destroy();
    throw error;
  }
  return new TcpTransport(socket, options);

  function unreachable(what: string, cause?: unknown): HiveletError {
    return new HiveletError('DEVICE_UNREACHABLE', `${host}:${port}: ${what}`, {
      cause,
      facts: { address: `${host}:${port}`, refused: true },
    });
  }
}

interface Pending {
  transaction: number;
  resolve: (pdu: Uint8Array) => void;
  reject: (error: Error) => void;
}

class TcpTransport implements Transport {
  readonly lost: Promise<void>;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #address: string;
  readonly #turnstile = new Turnstile();
  #pending: Pending | undefined;
  #transaction = 0;
  #unanswered = 0;
  #received: Buffer = Buffer.alloc(0);
  #end: Error | undefined;

  constructor(socket: Socket, { host, port, clock }: TcpOptions) {
    this.#socket = socket;
    this.#clock = clock;
    this.#address = `${host}:${port}`;
    this.lost = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('data', (bytes) => this.#receive(bytes));
    socket.on('error', (error) => this.#ended(messageOf(error)));
    socket.on('end', () => this.#ended('closed the connection'));
    socket.on('close', () => this.#ended('the connection was closed'));
  }

  request(request: WireRequest): Promise<Uint8Array> {
    return this.#turnstile.run(() => this.#exchange(request), request);
  }

  async close(): Promise<void> {
    this.#ended('the connection was closed');
    await this.lost;
  }

  #exchange({ unit, pdu, timeoutMs, signal }: WireRequest): Promise<Uint8Array> {
    return new Promise<Uint8Array>((resolve, reject) => {
      if (this.#end !== undefined) return reject(this.#end);
      if (signal.aborted) return reject(signal.reason as Error);
      const transaction = (this.#transaction = (this.#transaction + 1) % 0x10000);
      const settle = (then: () => void): void => {
        cancel();
        signal.removeEventListener('abort', onAbort);
        this.#pending = undefined;
        then();
      };
      const onAbort = (): void => settle(() => reject(signal.reason as Error));
      const cancel = fairTimeout(this.#clock, timeoutMs, () => settle(() => reject(this.#timedOut(unit, timeoutMs))));
      signal.addEventListener('abort', onAbort, { once: true });
      this.#pending = { transaction, resolve: (answer) => settle(() => resolve(answer)), reject: (error) => settle(() => reject(error)) };
      this.#socket.write(frame(transaction, unit, pdu));
    });
  }

  #timedOut(unit: number, timeoutMs: number): HiveletError {
    if (++this.#unanswered >= UNANSWERED_LIMIT) this.#ended('does not answer');
    return this.#unreachable(`unit ${unit} did not answer within ${timeoutMs} ms`, { timedOut: true });
  }

  #unreachable(what: string, facts: Record<string, unknown> = {}): HiveletError {
    return new HiveletError('DEVICE_UNREACHABLE', `${this.#address}: ${what}`, { facts: { address: this.#address, ...facts } });
  }

  #receive(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    while (this.#received.length >= MBAP_BYTES) {
      const length = this.#received.readUInt16BE(4);
      // Not Modbus, or out of step: there is no way back into step on this socket.
      if (this.#received.readUInt16BE(2) !== 0 || length < 3 || length > LARGEST_LENGTH)
        return this.#ended('sent bytes that are not Modbus TCP');
      if (this.#received.length < 6 + length) return;
      const message = this.#received.subarray(0, 6 + length);
      this.#received = this.#received.subarray(6 + length);
      this.#answered(message);
    }
  }

  /** A late answer to an earlier request has another transaction id and is dropped. The unit is not compared: many devices answer as 0 or 255. */
  #answered(message: Buffer): void {
    this.#unanswered = 0;
    if (this.#pending?.transaction === message.readUInt16BE(0)) this.#pending.resolve(Uint8Array.prototype.slice.call(message, MBAP_BYTES));
  }

  #ended(what: string): void {
    if (this.#end !== undefined) return;
    this.#end = this.#unreachable(what, { lost: true });
    this.#socket.destroy();
    this.#turnstile.close(this.#end);
    this.#pending?.reject(this.#end);
    this.#received = Buffer.alloc(0);
  }
}

function frame(transaction: number, unit: number, pdu: Uint8Array): Buffer {
  const bytes = Buffer.alloc(MBAP_BYTES + pdu.length);
  bytes.writeUInt16BE(transaction, 0);
  bytes.writeUInt16BE(pdu.length + 1, 4);
  bytes.writeUInt8(unit, 6);
  bytes.set(pdu, MBAP_BYTES);
  return bytes;
}

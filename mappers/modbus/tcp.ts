/** Owns Modbus TCP: one socket, answers matched by transaction id. The MBAP frames are modbus-serial's. */
import { connect, type Socket } from 'node:net';
import TcpPort from 'modbus-serial/ports/tcpport.js';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import { reasonOf } from '#beehive/system-error.ts';
import { fairTimeout, Turnstile, type Transport, type WireRequest } from './transport.ts';

export interface TcpOptions {
  host: string;
  port: number;
  connectTimeoutMs: number;
  clock: Clock;
  signal: AbortSignal;
}

/** modbus-serial speaks of frames as on a serial line: unit, PDU and two bytes of checksum, also where there is none. */
const CHECKSUM_BYTES = 2;
/** 253 bytes of PDU, the unit id and that checksum. A longer frame is not Modbus. */
const LARGEST_FRAME = 256;
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
      socket.once('error', (error) => settle(() => reject(unreachable(reasonOf(error), error))));
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
  readonly #port: TcpPort;
  #unanswered = 0;
  #end: Error | undefined;

  constructor(socket: Socket, { host, port, clock }: TcpOptions) {
    this.#socket = socket;
    this.#clock = clock;
    this.#address = `${host}:${port}`;
    this.lost = new Promise((resolve) => socket.once('close', () => resolve()));
    this.#port = new TcpPort({ socket });
    this.#port.on('data', (frame) => this.#answered(frame));
    socket.on('error', (error) => this.#ended(reasonOf(error)));
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
      const transaction = this.#port._transactionIdWrite;
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
      const frame = Buffer.alloc(1 + pdu.length + CHECKSUM_BYTES);
      frame[0] = unit;
      frame.set(pdu, 1);
      this.#port.write(frame);
    });
  }

  #timedOut(unit: number, timeoutMs: number): HiveletError {
    if (++this.#unanswered >= UNANSWERED_LIMIT) this.#ended('does not answer');
    return this.#unreachable(`unit ${unit} did not answer within ${timeoutMs} ms`, { timedOut: true });
  }

  #unreachable(what: string, facts: Record<string, unknown> = {}): HiveletError {
    return new HiveletError('DEVICE_UNREACHABLE', `${this.#address}: ${what}`, { facts: { address: this.#address, ...facts } });
  }

  /** A late answer to an earlier request has another transaction id and is dropped. The unit is not compared: many devices answer as 0 or 255. */
  #answered(frame: Buffer): void {
    // Out of step, and there is no way back into step on this socket.
    if (frame.length > LARGEST_FRAME || frame.length < 2 + CHECKSUM_BYTES) return this.#ended('sent bytes that are not Modbus TCP');
    this.#unanswered = 0;
    if (this.#pending?.transaction === this.#port._transactionIdRead) this.#pending.resolve(frame.subarray(1, -CHECKSUM_BYTES));
  }

  #ended(what: string): void {
    if (this.#end !== undefined) return;
    this.#end = this.#unreachable(what, { lost: true });
    this.#socket.destroy();
    this.#turnstile.close(this.#end);
    this.#pending?.reject(this.#end);
  }
}

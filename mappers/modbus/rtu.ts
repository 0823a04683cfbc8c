/** Owns Modbus RTU: a serial line shared by its units, frames closed by a CRC and told apart by silence. */
import { realpath } from 'node:fs/promises';
import crc16 from 'modbus-serial/utils/crc16.js';
import type { SerialPort } from 'serialport';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { answerLength, EXCEPTION_LENGTH, isException } from './frames.ts';
import type { SerialLine } from './link.ts';
import { fairTimeout, Turnstile, type Transport, type WireRequest } from './transport.ts';

export interface RtuOptions {
  line: SerialLine;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}

const CRC_BYTES = 2;
/** Frames are told apart by 3.5 characters of silence, above 19200 baud by 1.75 ms (Modbus over Serial Line V1.02, 2.5.1.1). */
const SILENT_CHARACTERS = 3.5;
const LEAST_SILENCE_MS = 1.75;
const LARGEST_FRAME = 256;

/** Resolves when the port is open; rejects with DEVICE_UNREACHABLE. Nothing native is loaded before the first call. */
export async function openRtu(options: RtuOptions): Promise<Transport> {
  const { line, signal } = options;
  signal.throwIfAborted();
  await checkDevice(line.path);
  const { SerialPort } = await import('serialport');
  const { path, baudRate, dataBits, parity, stopBits } = line;
  const port = new SerialPort({ path, baudRate, dataBits, parity, stopBits, autoOpen: false });
  await new Promise<void>((resolve, reject) => port.open((error) => (error === null ? resolve() : reject(unusable(path, error)))));
  const transport = new RtuTransport(port, options);
  if (signal.aborted) {
    await transport.close();
    signal.throwIfAborted();
  }
  return transport;
}

/** A link such as /dev/serial/by-id/… must end at a device. */
async function checkDevice(path: string): Promise<void> {
  let target: string;
  try {
    target = await realpath(path);
  } catch (error) {
    throw unusable(path, error);
  }
  if (!target.startsWith('/dev/')) throw new HiveletError('PROFILE_INVALID', `${path} leads to ${target}, which is no serial port`);
}

/** What the system says of a port that cannot be opened, and what a person can do. */
const remedies: readonly [says: RegExp, sentence: string][] = [
  [/no such file/i, 'there is no such serial port: plug the adapter in, or write the name that it has now'],
  [/permission denied/i, 'it may not be opened by this user: add the user to the group of the device file, often dialout'],
  [/cannot lock/i, 'another program has it open: stop that one'],
];

function unusable(path: string, error: unknown): HiveletError {
  const said = messageOf(error);
  const what = remedies.find(([says]) => says.test(said))?.[1] ?? said;
  return new HiveletError('DEVICE_UNREACHABLE', `${path}: ${what}`, { cause: error, facts: { address: path, refused: true } });
}

interface Pending {
  unit: number;
  pdu: Uint8Array;
  resolve: (answer: Uint8Array) => void;
  reject: (error: Error) => void;
}

class RtuTransport implements Transport {
  readonly lost: Promise<void>;
  readonly #port: SerialPort;
  readonly #line: SerialLine;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #turnstile = new Turnstile();
  readonly #characterMs: number;
  /** Units that let a request pass, and until when (monotonic) their late answer could be taken for that to another request. */
  readonly #late = new Map<number, number>();
  #pending: Pending | undefined;
  #received: Buffer = Buffer.alloc(0);
  #activeAt = -Infinity;
  #end: Error | undefined;
  #rtsWorks = true;

  constructor(port: SerialPort, { line, clock, log }: RtuOptions) {
    this.#port = port;
    this.#line = line;
    this.#clock = clock;
    this.#log = log;
    this.#characterMs = ((1 + line.dataBits + (line.parity === 'none' ? 0 : 1) + line.stopBits) * 1000) / line.baudRate;
    this.lost = new Promise((resolve) => port.once('close', () => resolve()));
    port.on('data', (bytes: Buffer) => this.#receive(bytes));
    port.on('error', (error) => this.#ended(messageOf(error)));
    port.on('close', () => this.#ended('the port was closed'));
  }

  request(request: WireRequest): Promise<Uint8Array> {
    return this.#turnstile.run(async () => {
      try {
        return await this.#exchange(request);
      } catch (error) {
        // Noise on the line costs one frame; the device is there.
        if (!(error instanceof HiveletError) || error.facts.garbled !== true) throw error;
        return this.#exchange(request);
      }
    }, request);
  }

  async close(): Promise<void> {
    this.#ended('the port was closed');
    await this.lost;
  }

  async #exchange(request: WireRequest): Promise<Uint8Array> {
    await this.#silence(request);
    request.signal.throwIfAborted();
    if (this.#end !== undefined) throw this.#end;
    this.#received = Buffer.alloc(0);
    const frame = withCrc(Buffer.from([request.unit, ...request.pdu]));
    const travelMs = (frame.length + answerLength(request.pdu) + 1 + CRC_BYTES) * this.#characterMs;
    const answer = this.#answerTo(request, travelMs);
    // Rejections are seen by whoever awaits the answer below.
    answer.catch(() => undefined);
    await this.#send(frame);
    return answer;
  }

  #answerTo({ unit, pdu, timeoutMs, signal }: WireRequest, travelMs: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const settle = (then: () => void): void => {
        cancel();
        signal.removeEventListener('abort', onAbort);
        this.#pending = undefined;
        this.#activeAt = this.#clock.monotonic();
        then();
      };
      const onAbort = (): void => {
        // Nobody waits for it any more, but the answer still comes.
        this.#late.set(unit, this.#clock.monotonic() + timeoutMs + travelMs);
        settle(() => reject(signal.reason as Error));
      };
      const cancel = fairTimeout(this.#clock, timeoutMs + travelMs, () => settle(() => reject(this.#timedOut(unit, timeoutMs))));
      signal.addEventListener('abort', onAbort, { once: true });
      this.#pending = { unit, pdu, resolve: (bytes) => settle(() => resolve(bytes)), reject: (error) => settle(() => reject(error)) };
    });
  }

  #timedOut(unit: number, timeoutMs: number): HiveletError {
    this.#late.set(unit, this.#clock.monotonic() + timeoutMs);
    const noise = this.#received.length;
    if (noise > 0)
      return this.#unreachable(`unit ${unit} sent ${noise} bytes that are no answer: check baud rate, parity and wiring`, {
        garbled: true,
      });
    return this.#unreachable(`unit ${unit} did not answer within ${timeoutMs} ms`, { timedOut: true });
  }

  /** A frame has no number, so a unit that was late gets time to finish before it is asked again; other units do not wait for that. */
  async #silence({ unit, signal }: WireRequest): Promise<void> {
    const quietMs = Math.max(LEAST_SILENCE_MS, SILENT_CHARACTERS * this.#characterMs);
    const until = Math.max(this.#activeAt + quietMs, this.#late.get(unit) ?? -Infinity);
    this.#late.delete(unit);
    // Timers count whole milliseconds and may be a little early.
    for (let wait = until - this.#clock.monotonic(); wait > 0; wait = until - this.#clock.monotonic()) {
      await this.#clock.sleep(Math.ceil(wait), signal);
    }
  }

  async #send(frame: Buffer): Promise<void> {
    if (this.#line.rs485) await this.#direction(true);
    this.#port.write(frame);
    if (!this.#line.rs485) return;
    await new Promise<void>((resolve) => this.#port.drain(() => resolve()));
    await this.#direction(false);
  }

  /** Adapters and kernels that switch by themselves may not know RTS; they do not need it either. */
  async #direction(sending: boolean): Promise<void> {
    if (!this.#rtsWorks) return;
    await new Promise<void>((resolve) =>
      this.#port.set({ rts: sending }, (error) => {
        if (error !== null && error !== undefined) {
          this.#rtsWorks = false;
          this.#log.warn('modbus.rts.unsupported', { path: this.#line.path, error });
        }
        resolve();
      }),
    );
  }

  #receive(bytes: Buffer): void {
    this.#activeAt = this.#clock.monotonic();
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#received = Buffer.concat([this.#received, bytes]).subarray(-2 * LARGEST_FRAME);
    const answer = findAnswer(this.#received, pending);
    if (answer !== undefined) pending.resolve(answer);
  }

  #unreachable(what: string, facts: Record<string, unknown> = {}): HiveletError {
    return new HiveletError('DEVICE_UNREACHABLE', `${this.#line.path}: ${what}`, { facts: { address: this.#line.path, ...facts } });
  }

  #ended(what: string): void {
    if (this.#end !== undefined) return;
    this.#end = this.#unreachable(what, { lost: true });
    this.#turnstile.close(this.#end);
    this.#pending?.reject(this.#end);
    if (this.#port.isOpen) this.#port.close();
  }
}

/** The PDU of the first whole frame that answers the request; noise before it is skipped. */
export function findAnswer(bytes: Uint8Array, { unit, pdu }: { unit: number; pdu: Uint8Array }): Uint8Array | undefined {
  for (let start = 0; start + 1 + EXCEPTION_LENGTH + CRC_BYTES <= bytes.length; start++) {
    if (bytes[start] !== unit) continue;
    const code = bytes[start + 1] ?? 0;
    const length = isException(pdu, code) ? EXCEPTION_LENGTH : code === pdu[0] ? answerLength(pdu) : undefined;
    if (length === undefined || start + 1 + length + CRC_BYTES > bytes.length) continue;
    const end = start + 1 + length;
    if (crc16(bytes.subarray(start, end)) === ((bytes[end] ?? 0) | ((bytes[end + 1] ?? 0) << 8))) return bytes.slice(start + 1, end);
  }
  return undefined;
}

export function withCrc(frame: Uint8Array): Buffer {
  const crc = crc16(frame);
  return Buffer.from([...frame, crc & 0xff, crc >> 8]);
}

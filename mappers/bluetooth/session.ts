/** Owns one connected peripheral: its characteristics, and requests to it one after the other, each with an end. */
import { setMaxListeners } from 'node:events';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import type { RequestOptions } from '../contract.ts';
import { attErrorText, isBlocking, type AttError } from './att-errors.ts';
import { Lane } from './lane.ts';
import type { NobleCharacteristic, NoblePeripheral, NobleService } from './noble.ts';
import { race } from './race.ts';
import type { Radio } from './radio.ts';
import { uuidFromNoble, uuidText } from './uuid.ts';

export interface SessionOptions {
  radio: Radio;
  peripheral: NoblePeripheral;
  clock: Clock;
  /** For one answer. */
  timeoutMs: number;
  /** Requests that block the link, with the reason: kept for the next sessions. */
  barred: Map<string, string>;
}

export interface Characteristic {
  readonly uuid: string;
  readonly service: string;
  readonly can: { readonly read: boolean; readonly write: boolean; readonly writeBlind: boolean; readonly notify: boolean };
  readonly noble: NobleCharacteristic;
}

interface Exchange<T> {
  /** What is done, as it reads after "did not answer". */
  what: string;
  /** Opcodes of the requests that noble sends for it. */
  opcodes: readonly number[];
  begin: (settle: { resolve: (value: T) => void; reject: (error: Error) => void }) => () => void;
  /** True when a refusal is the end of it; false when noble tells its end all the same. */
  ends?: (error: AttError) => boolean;
}

/** Requests of the attribute protocol. */
const OPCODE = { readByType: 0x08, read: 0x0a, write: 0x12, prepareWrite: 0x16, executeWrite: 0x18 } as const;
const DISCONNECT_MS = 1000;
/** Header of a write request, and of a notification. */
const HEADER = 3;
const SMALLEST_MTU = 23;
/** More is no device but a fault. */
const MOST_SERVICES = 200;
const DEVICE_NAME = uuidFromNoble('2a00');

export class Session {
  readonly address: string;
  readonly #options: SessionOptions;
  readonly #ended = new AbortController();
  readonly #lane = new Lane();
  #closing: Promise<void> | undefined;
  #characteristics: readonly Characteristic[] = [];
  readonly #subscriptions = new Map<Characteristic, Promise<void>>();
  /** What was written or notified last, for characteristics that cannot be read. */
  readonly #shown = new Map<Characteristic, Uint8Array>();
  #refused: (error: AttError) => void = () => undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    const { peripheral, radio } = options;
    this.address = peripheral.address.toLowerCase();
    setMaxListeners(0, this.#ended.signal);
    peripheral.once('disconnect', this.#onDisconnect);
    radio.ended.addEventListener('abort', this.#onRadioEnd, { once: true });
    radio.onRefusal(peripheral, (error) => this.#refused(error));
  }

  /** Aborts when the link is gone, with a DEVICE_UNREACHABLE that says why. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  get characteristics(): readonly Characteristic[] {
    return this.#characteristics;
  }

  /** Bytes that one packet carries. */
  get payload(): number {
    return Math.max(this.#options.peripheral.mtu ?? SMALLEST_MTU, SMALLEST_MTU) - HEADER;
  }

  find(uuid: string, service?: string): Characteristic | undefined {
    return this.#characteristics.find((each) => each.uuid === uuid && (service === undefined || each.service === service));
  }

  /** Learns services and characteristics; to be called once, before anything else. */
  async discover(): Promise<void> {
    const { peripheral } = this.#options;
    const services = await this.#exchange<readonly NobleService[]>({
      what: 'the question for its services',
      opcodes: [],
      begin: ({ resolve }) => listen(peripheral, 'servicesDiscover', resolve, () => peripheral.discoverServices([])),
    });
    const found: Characteristic[] = [];
    for (const service of services.slice(0, MOST_SERVICES)) {
      const characteristics = await this.#exchange<readonly NobleCharacteristic[]>({
        what: 'the question for its characteristics',
        opcodes: [],
        begin: ({ resolve }) => listen(service, 'characteristicsDiscover', resolve, () => service.discoverCharacteristics([])),
      });
      found.push(...characteristics.map((noble) => described(noble, uuidFromNoble(service.uuid))));
    }
    this.#characteristics = found;
  }

  /** Throws POINT_REJECTED when the device refuses, DEVICE_UNREACHABLE when it does not answer. */
  read({ noble, uuid }: Characteristic, options: RequestOptions): Promise<Buffer> {
    return this.#request(options, {
      what: `a read of ${uuidText(uuid)}`,
      opcodes: [OPCODE.read],
      begin: ({ resolve }) =>
        listen(
          noble,
          'read',
          (data: Buffer, isNotification: boolean) => isNotification || resolve(data),
          () => noble.read(),
        ),
    });
  }

  /** As `read`; without an answer only where the device takes no other write. */
  async write(characteristic: Characteristic, bytes: Uint8Array, options: RequestOptions): Promise<void> {
    await this.#write(characteristic, bytes, options);
    this.#shown.set(characteristic, bytes);
  }

  #write({ noble, uuid, can }: Characteristic, bytes: Uint8Array, options: RequestOptions): Promise<void> {
    const blind = !can.write;
    const long = !blind && bytes.length > this.payload;
    let refusal: AttError | undefined;
    const what = `a write of ${uuidText(uuid)}`;
    return this.#request(options, {
      what,
      opcodes: [OPCODE.write, OPCODE.prepareWrite, OPCODE.executeWrite],
      // noble sends all parts of a long value, whatever becomes of the first.
      ends: (error) => {
        refusal = error;
        return !long || error.request === OPCODE.executeWrite;
      },
      begin: ({ resolve, reject }) =>
        listen(
          noble,
          'write',
          () => (refusal === undefined ? resolve(undefined) : reject(rejected(what, attErrorText(refusal.code)))),
          () => noble.write(Buffer.from(bytes), blind),
        ),
    });
  }

  /** The bytes that are known of a characteristic without asking for them. */
  shown(characteristic: Characteristic): Uint8Array | undefined {
    return this.#shown.get(characteristic);
  }

  /** As `read`. Resolves with what ends it, when the device has taken the subscription; a characteristic is subscribed to once. */
  async subscribe(characteristic: Characteristic, listener: (bytes: Uint8Array) => void, options: RequestOptions): Promise<() => void> {
    const { noble } = characteristic;
    const onData = (data: Buffer, isNotification: boolean): void => {
      if (!isNotification) return;
      this.#shown.set(characteristic, data);
      listener(data);
    };
    noble.on('data', onData);
    try {
      const standing = this.#subscriptions.get(characteristic) ?? this.#notify(characteristic, options);
      this.#subscriptions.set(characteristic, standing);
      await standing;
    } catch (error) {
      this.#subscriptions.delete(characteristic);
      noble.removeListener('data', onData);
      throw error;
    }
    return () => noble.removeListener('data', onData);
  }

  #notify({ noble, uuid }: Characteristic, options: RequestOptions): Promise<void> {
    return this.#request(options, {
      what: `a subscription to ${uuidText(uuid)}`,
      opcodes: [OPCODE.readByType, OPCODE.write],
      begin: ({ resolve }) =>
        listen(
          noble,
          'notify',
          () => resolve(undefined),
          () => noble.notify(true),
        ),
    });
  }

  /** Throws DEVICE_UNREACHABLE when it does not answer. */
  async ping(options: RequestOptions): Promise<void> {
    const readable = this.find(DEVICE_NAME) ?? this.#characteristics.find(({ can }) => can.read);
    if (readable === undefined) return this.ended.throwIfAborted();
    await this.read(readable, options).catch((error: unknown) => {
      // A refusal is an answer.
      if (!(error instanceof HiveletError) || error.code !== 'POINT_REJECTED' || this.ended.aborted) throw error;
    });
  }

  /** Ends the link; resolves when the peripheral is gone, or soon after. Idempotent. */
  close(reason: string): Promise<void> {
    return (this.#closing ??= this.#close(reason));
  }

  async #close(reason: string): Promise<void> {
    const { peripheral, radio, clock } = this.#options;
    if (this.ended.aborted) return;
    this.#end(reason);
    if (radio.ended.aborted || peripheral.state === 'disconnected') return;
    await race<void>({
      clock,
      ms: DISCONNECT_MS,
      late: () => new HiveletError('BUS_TIMEOUT', 'the adapter does not say that it disconnected'),
      signals: [radio.ended],
      begin: ({ resolve }) =>
        listen(
          peripheral,
          'disconnect',
          () => resolve(),
          () => peripheral.disconnect(),
        ),
    }).catch(() => undefined);
  }

  readonly #onDisconnect = (reason: unknown): void => this.#end(`the link to ${this.address} was lost (${disconnectText(reason)})`);

  readonly #onRadioEnd = (): void => this.#end((this.#options.radio.ended.reason as Error).message);

  #end(reason: string): void {
    const { peripheral, radio } = this.#options;
    if (this.ended.aborted) return;
    peripheral.removeListener('disconnect', this.#onDisconnect);
    radio.ended.removeEventListener('abort', this.#onRadioEnd);
    radio.onRefusal(peripheral, undefined);
    this.#ended.abort(new HiveletError('DEVICE_UNREACHABLE', reason, { facts: { refused: true } }));
  }

  #request<T>({ signal, urgent = false }: RequestOptions, exchange: Exchange<T>): Promise<T> {
    const bar = this.#options.barred.get(exchange.what);
    if (bar !== undefined) return Promise.reject(rejected(exchange.what, bar));
    return this.#lane.run(() => this.#exchange(exchange), { signal, urgent });
  }

  async #exchange<T>({ what, opcodes, begin, ends = () => true }: Exchange<T>): Promise<T> {
    const { clock, timeoutMs } = this.#options;
    let blocked: AttError | undefined;
    try {
      return await race<T>({
        clock,
        ms: timeoutMs,
        signals: [this.ended],
        late: () => (blocked === undefined ? this.#silent(what) : this.#blocked(what, blocked)),
        begin: (settle) => {
          this.#refused = (error) => {
            if (!opcodes.includes(error.request)) return;
            if (isBlocking(error.code)) blocked = error;
            else if (ends(error)) settle.reject(rejected(what, attErrorText(error.code)));
          };
          return begin(settle);
        },
      });
    } finally {
      this.#refused = () => undefined;
    }
  }

  /** After a request without an answer noble sends no other, and neither may we: the link is of no more use. */
  #silent(what: string): HiveletError {
    const reason = `${this.address} did not answer ${what} within ${this.#options.timeoutMs} ms`;
    void this.close(reason);
    return new HiveletError('DEVICE_UNREACHABLE', reason, { facts: { timedOut: true } });
  }

  /** noble waits for a pairing that does not come about. */
  #blocked(what: string, error: AttError): HiveletError {
    const why = attErrorText(error.code);
    this.#options.barred.set(what, why);
    void this.close(`${this.address} refuses ${what}, which blocks the link: ${why}`);
    return rejected(what, why);
  }
}

function described(noble: NobleCharacteristic, service: string): Characteristic {
  const has = (name: string): boolean => noble.properties.includes(name);
  return {
    uuid: uuidFromNoble(noble.uuid),
    service,
    can: {
      read: has('read'),
      write: has('write'),
      writeBlind: has('writeWithoutResponse'),
      notify: has('notify') || has('indicate'),
    },
    noble,
  };
}

/** Listens before it asks; the result ends the listening. */
function listen<A extends unknown[]>(
  emitter: NodeJS.EventEmitter,
  ...[event, listener, ask]: [event: string, listener: (...args: A) => void, ask: () => void]
): () => void {
  const heard = listener as (...args: unknown[]) => void;
  emitter.on(event, heard);
  try {
    ask();
  } catch (error) {
    emitter.removeListener(event, heard);
    throw error;
  }
  return () => emitter.removeListener(event, heard);
}

function rejected(what: string, why: string): HiveletError {
  return new HiveletError('POINT_REJECTED', `the device refuses ${what}: ${why}`, { facts: { why: `the device refuses it: ${why}` } });
}

/** HCI reasons that a person meets. */
const REASONS: ReadonlyMap<number, string> = new Map([
  [0x08, 'out of range or without power'],
  [0x13, 'the device ended it'],
  [0x15, 'the device switches itself off'],
  [0x16, 'this machine ended it'],
  [0x3e, 'it was never established'],
]);

function disconnectText(reason: unknown): string {
  if (typeof reason !== 'number') return 'no reason is known';
  const hex = `0x${reason.toString(16).padStart(2, '0')}`;
  const text = REASONS.get(reason);
  return text === undefined ? `reason ${hex}` : `${text}, ${hex}`;
}

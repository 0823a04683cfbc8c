/** Owns one wanted device: who wants it, its session while there is one, and why there is none. */
import type { Clock } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import { backoff } from '#beehive/retry.ts';
import { linkKeyOf, type BluetoothLink } from './link.ts';
import type { NoblePeripheral } from './noble.ts';
import { race } from './race.ts';
import type { Session } from './session.ts';
import { localNameOf } from './uuid.ts';

interface Waiter {
  resolve: (session: Session) => void;
  reject: (error: Error) => void;
}

/** At first a device that is there answers within a few advertising intervals; later it is worth a longer wait. */
const FIRST_WAIT_MS = 5000;
const LATER_WAIT_MS = 20_000;
const FIRST_PAUSE_MS = 250;
const LAST_PAUSE_MS = 8000;
/** The device is looked for whether somebody waits or not: asking again costs nothing. */
const RETRY_MS = 500;

export class Tag {
  readonly timeoutMs: number;
  /** As `Session` has it. */
  readonly barred = new Map<string, string>();
  /** Characteristic -> the text that was written to it last, by property. */
  readonly written = new Map<string, string>();
  /** A link to it is being made. */
  connecting = false;
  /** Monotonic ms before which no link is tried again. */
  notBefore = -Infinity;
  readonly #link: BluetoothLink;
  readonly #clock: Clock;
  /** '' while nobody of its name was taken. */
  #address: string;
  readonly #wishes = new Map<AbortSignal, () => void>();
  readonly #waiters = new Set<Waiter>();
  #pauses: Generator<number, never>;
  #session: Session | undefined;
  /** A lost link that nobody was told of. */
  #loss: HiveletError | undefined;
  #failure: HiveletError | undefined;
  #waited = false;
  /** A link to it stood: from then on no other device of its name is taken, so that its values never are another one's. */
  #isSure = false;

  constructor(link: BluetoothLink, clock: Clock) {
    this.#link = link;
    this.#address = link.address;
    this.timeoutMs = link.timeoutMs;
    this.#clock = clock;
    this.#pauses = this.#newPauses();
  }

  get key(): string {
    return linkKeyOf(this.#link);
  }

  /** '' while it is not known. */
  get address(): string {
    return this.#address;
  }

  /** As noble calls it. */
  get id(): string {
    return this.#address.replaceAll(':', '');
  }

  /** Whether what is heard may be it, which `take` then says that it is. */
  isMeant({ address, advertisement: { localName } }: Pick<NoblePeripheral, 'address' | 'advertisement'>): boolean {
    if (this.#address !== '') return address.toLowerCase() === this.#address;
    return localName !== undefined && localNameOf(localName) === this.#link.localName;
  }

  take(address: string): void {
    this.#address = address.toLowerCase();
  }

  get session(): Session | undefined {
    return this.#session;
  }

  get wanted(): boolean {
    return this.#wishes.size > 0;
  }

  /** It is wanted until `signal` aborts or `unwant` is called; `over` is told when nobody wants it any more. */
  want(signal: AbortSignal, over: () => void): void {
    if (this.#wishes.has(signal)) return;
    const end = (): void => {
      signal.removeEventListener('abort', end);
      if (this.#wishes.delete(signal) && !this.wanted) over();
    };
    this.#wishes.set(signal, end);
    signal.addEventListener('abort', end, { once: true });
  }

  unwant(signal: AbortSignal): void {
    this.#wishes.get(signal)?.();
  }

  /** A session that stands, now or soon. A link that was lost is told once, at once: the device is away. Throws DEVICE_UNREACHABLE. */
  wait(signal: AbortSignal, fault: HiveletError | undefined): Promise<Session> {
    const loss = this.#loss;
    this.#loss = undefined;
    if (this.#session !== undefined) return Promise.resolve(this.#session);
    const known = loss ?? fault;
    if (known !== undefined) return Promise.reject(retried(known));
    const ms = this.#waited ? LATER_WAIT_MS : FIRST_WAIT_MS;
    this.#waited = true;
    return race<Session>({
      clock: this.#clock,
      ms,
      late: () => retried(this.#failure ?? this.#unheard()),
      signals: [signal],
      begin: (waiter) => {
        this.#waiters.add(waiter);
        return () => this.#waiters.delete(waiter);
      },
    });
  }

  /** A link stands. */
  up(session: Session): void {
    this.#session = session;
    this.#isSure = true;
    this.#failure = undefined;
    this.#loss = undefined;
    this.#pauses = this.#newPauses();
    for (const { resolve } of this.#waiters) resolve(session);
    session.ended.addEventListener(
      'abort',
      () => {
        if (this.#session !== session) return;
        this.#session = undefined;
        this.#loss = session.ended.reason as HiveletError;
      },
      { once: true },
    );
  }

  /** A link could not be made; the next attempt comes later. */
  failed(error: HiveletError): void {
    this.#failure = error;
    this.#doubt();
    this.notBefore = this.#clock.monotonic() + this.#pauses.next().value;
  }

  /** It is not in the air, whatever kept a link from being made before. */
  unheard(): void {
    this.#failure = undefined;
    this.#doubt();
  }

  #doubt(): void {
    if (!this.#isSure) this.#address = this.#link.address;
  }

  /** Nobody can reach it now: those who wait are told. */
  refuse(error: HiveletError): void {
    for (const { reject } of this.#waiters) reject(retried(error));
  }

  #unheard(): HiveletError {
    return new HiveletError(
      'DEVICE_UNREACHABLE',
      `${this.#address || `a device that calls itself ${this.key}`} is not heard: switch it on and bring it nearer (\`hivelet discover ble\` shows what is heard)`,
      { facts: { refused: true } },
    );
  }

  #newPauses(): Generator<number, never> {
    return backoff(FIRST_PAUSE_MS, LAST_PAUSE_MS, () => this.#clock.random());
  }
}

function retried({ code, message, facts, cause }: HiveletError): HiveletError {
  return new HiveletError(code, message, { facts: { ...facts, retryMs: RETRY_MS }, cause });
}

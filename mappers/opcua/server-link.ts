/** Owns a session as long as it lives: bounded calls, what is lost and what comes back by itself, and a close that leaves nothing. */
import { EventEmitter } from 'node:events';
import type { ClientSession } from 'node-opcua-client';
import type { Clock, Timer } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { hangUp, type Dialled } from './dial.ts';
import type { Opcua } from './engine.ts';
import { callFailure, isAway, statusOf } from './status.ts';
import { within } from './within.ts';

export interface ServerLinkDeps {
  readonly dialled: Dialled;
  readonly url: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Requests that may wait for the server at once; the host sends one read at a time, and writes. */
const MOST_PENDING = 64;
/** How soon a certificate that is trusted no longer, or has expired, ends the connection. */
const RECHECK_MS = 15_000;
/** The client's own time-out comes first, with a better reason. */
const GRACE_MS = 500;
/** How long a connection may be under repair without so much as another attempt to dial. */
const REPAIR_MS = 15_000;
/** A server that is gone is not asked for its leave for longer. */
const FAREWELL_MS = 1000;

export class ServerLink {
  readonly opcua: Opcua;
  readonly url: string;
  /** Settles when it is not to be had back but by a new one. */
  readonly lost: Promise<void>;
  readonly #deps: ServerLinkDeps;
  readonly #session: ClientSession;
  readonly #closing = new AbortController();
  readonly #events = new EventEmitter();
  #lose: () => void = () => undefined;
  #pending = 0;
  #isUp = true;
  #repair: Timer | undefined;
  #recheck: Timer | undefined;
  #closed: Promise<void> | undefined;

  constructor(deps: ServerLinkDeps) {
    this.#deps = deps;
    this.opcua = deps.dialled.opcua;
    this.url = deps.url;
    this.#session = deps.dialled.session;
    this.lost = new Promise((resolve) => (this.#lose = resolve));
    this.#watch();
    this.#armRecheck();
  }

  /** A value as it is on the wire. */
  get bytesOf(): Dialled['bytesOf'] {
    return this.#deps.dialled.bytesOf;
  }

  /** Aborts when the connection is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  get isUp(): boolean {
    return this.#isUp && !this.closing.aborted;
  }

  /** What the server granted, ms. */
  get sessionTimeoutMs(): number {
    return this.#session.timeout;
  }

  /** Calls `listener` after each repair, until the function that it returns is called. */
  onRepaired(listener: () => void): () => void {
    this.#events.on('repaired', listener);
    return () => void this.#events.off('repaired', listener);
  }

  /** One request. Throws DEVICE_UNREACHABLE, DEVICE_BUSY when too much waits, or the signal's reason. */
  async call<T>(job: (session: ClientSession) => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    this.closing.throwIfAborted();
    if (!this.#isUp)
      throw new HiveletError('DEVICE_UNREACHABLE', `${this.url}: the connection is lost and being made again`, {
        facts: { timedOut: true },
      });
    if (this.#pending >= MOST_PENDING)
      throw new HiveletError('DEVICE_BUSY', `${this.url}: ${MOST_PENDING} requests wait for the server already`);
    this.#pending++;
    const { clock, timeoutMs } = this.#deps;
    const running = job(this.#session).finally(() => this.#pending--);
    try {
      return await within(running, { signals: [signal, this.closing], clock, ms: timeoutMs + GRACE_MS });
    } catch (error) {
      if (signal.aborted || this.closing.aborted) throw error;
      throw this.#judged(error);
    }
  }

  /** The host opens a new one. */
  giveUp(why: string): void {
    this.#deps.log.info('opcua.link.given-up', { url: this.url, why });
    this.#lose();
  }

  /** Idempotent. What is under way fails at once. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#closing.abort(new HiveletError('DEVICE_UNREACHABLE', `${this.url}: the connection is closed`));
    this.#repair?.cancel();
    this.#recheck?.cancel();
    this.#events.removeAllListeners();
    const { client } = this.#deps.dialled;
    if (this.#isUp) await this.#farewell(this.#session.close(true));
    await this.#farewell(hangUp(client));
    client.removeAllListeners();
  }

  async #farewell(saying: Promise<void>): Promise<void> {
    await within(saying, { signals: [], clock: this.#deps.clock, ms: FAREWELL_MS }).catch(() => undefined);
  }

  /** A server that forgot the session while the channel stands needs a new one. */
  #judged(error: unknown): HiveletError {
    const status = statusOf(error);
    if (this.#isUp && status !== undefined && FORGOTTEN.has(status)) this.giveUp(status);
    const failure = callFailure(this.url, error);
    if (status !== undefined && !isAway(status))
      return new HiveletError('POINT_REJECTED', failure.message, { facts: { status }, cause: error });
    return failure;
  }

  #watch(): void {
    const { client, session } = this.#deps.dialled;
    client.on('connection_lost', () => this.#down());
    // Another attempt to dial: the server is not there, which is no reason to begin anew.
    client.on('backoff', () => this.#isUp || this.#armRepair());
    client.on('connection_reestablished', () => this.#up());
    client.on('close', () => this.closing.aborted || this.giveUp('the client closed the connection'));
    session.on('session_closed', () => this.closing.aborted || this.giveUp('the server closed the session'));
  }

  #down(): void {
    if (!this.#isUp || this.closing.aborted) return;
    this.#isUp = false;
    this.#deps.log.info('opcua.link.lost', { url: this.url });
    this.#armRepair();
  }

  #up(): void {
    this.#repair?.cancel();
    this.#repair = undefined;
    if (this.#isUp || this.closing.aborted) return;
    this.#isUp = true;
    this.#deps.log.info('opcua.link.restored', { url: this.url });
    this.#events.emit('repaired');
  }

  #armRecheck(): void {
    const { recheck } = this.#deps.dialled;
    if (recheck === undefined || this.closing.aborted) return;
    this.#recheck = this.#deps.clock.timer(RECHECK_MS, () => {
      recheck().then(
        () => this.#armRecheck(),
        (error: unknown) => this.giveUp(messageOf(error)),
      );
    });
  }

  #armRepair(): void {
    this.#repair?.cancel();
    if (this.closing.aborted) return;
    const ms = REPAIR_MS + 2 * this.#deps.timeoutMs;
    this.#repair = this.#deps.clock.timer(ms, () => this.giveUp('the session could not be restored'));
  }
}

const FORGOTTEN: ReadonlySet<string> = new Set([
  'BadSessionIdInvalid',
  'BadSessionClosed',
  'BadSessionNotActivated',
  'BadSecureChannelIdInvalid',
]);

/** Owns who comes in: passwords, client certificates, connections of one account, and the names under which clients are known inside. */
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { Clock } from '#beehive/clock.ts';
import type { ConnectPacket } from 'aedes';
import type { AccountBook } from './account-file.ts';
import type { Account } from './accounts.ts';
import type { BrokerLimits } from './limits.ts';
import type { Visitor } from './listener.ts';
import { PasswordCheck } from './password-check.ts';
import { everything, nothing, rightsOf, type Rights } from './rights.ts';
import type { Tally } from './tally.ts';

/** A wrong password is answered after this and up to half as much again, whatever it took to find out. */
const WRONG_DELAY_MS = 1_000;
const IDENTIFIER_REJECTED = 2;
const UNAVAILABLE = 3;
const WRONG_PASSWORD = 4;
const NOT_AUTHORIZED = 5;
/** No client can send it [MQTT-1.5.3-2]: names inside cannot be forged. */
const SEPARATOR = '\0';

/** A client that is in. */
export interface Admitted {
  /** Undefined: anonymous, it may do everything. */
  readonly account: Account | undefined;
  readonly rights: Rights;
  /** Each account has client ids of its own: nobody takes over another's session. */
  readonly clientId: string;
}

export class Refusal extends Error {
  /** Of the CONNACK, MQTT 3.1.1 section 3.2.2.3. */
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export interface GatekeeperDeps {
  clock: Clock;
  tally: Tally;
  limits: BrokerLimits;
  book: AccountBook;
  check?: PasswordCheck;
}

/** The account that a name inside belongs to; undefined for anonymous clients. */
export function accountOf(clientId: string): string | undefined {
  const end = clientId.indexOf(SEPARATOR);
  return end === -1 ? undefined : clientId.slice(0, end);
}

export class Gatekeeper {
  readonly #deps: GatekeeperDeps;
  readonly #check: PasswordCheck;
  readonly #stop = new AbortController();
  /** Connections of each account: client ids, counted. */
  readonly #inside = new Map<string, Map<string, number>>();

  constructor(deps: GatekeeperDeps) {
    this.#deps = deps;
    this.#check = deps.check ?? new PasswordCheck(deps.clock);
    setMaxListeners(0, this.#stop.signal); // as many as clients wait for their refusal
  }

  /** Throws Refusal. `here` tells whether the connection is still open. */
  async admit(visitor: Visitor, packet: ConnectPacket, here: () => boolean): Promise<Admitted> {
    const startedMs = this.#deps.clock.monotonic();
    try {
      if (packet.clientId.includes(SEPARATOR)) throw new Refusal(IDENTIFIER_REJECTED, 'the client id holds a NUL character');
      const nameless = packet.clientId === '' && packet.clean !== true;
      if (nameless) throw new Refusal(IDENTIFIER_REJECTED, 'a session that is kept needs a client id'); // [MQTT-3.1.3-8]
      const account = await this.#identify(visitor, packet, here);
      return account === undefined ? { account, rights: everything, clientId: packet.clientId } : this.#place(account, packet.clientId);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (here()) this.#tell(error, visitor, packet);
      if (error.code === WRONG_PASSWORD) await this.#delay(startedMs);
      throw error;
    }
  }

  left({ account, clientId }: Admitted): void {
    const clients = account === undefined ? undefined : this.#inside.get(account.name);
    if (account === undefined || clients === undefined) return;
    const count = (clients.get(clientId) ?? 0) - 1;
    if (count > 0) clients.set(clientId, count);
    else clients.delete(clientId);
    if (clients.size === 0) this.#inside.delete(account.name);
  }

  /** What may be done in the name of a client that may have left: rules of now, not of when it came. */
  rightsNow(clientId: string): Rights {
    const name = accountOf(clientId);
    if (name === undefined) return everything;
    const account = this.#deps.book.get(name);
    return account === undefined ? nothing : rightsOf(account, clientId.slice(name.length + 1));
  }

  forgetPasswords(): void {
    this.#check.forget();
  }

  close(): void {
    this.#stop.abort(new Error('the broker is closed'));
    this.#check.close();
  }

  async #identify(visitor: Visitor, packet: ConnectPacket, here: () => boolean): Promise<Account | undefined> {
    const { book } = this.#deps;
    const { certificate, anonymous, remote } = visitor;
    const { username } = packet;
    if (certificate?.fault !== undefined) throw new Refusal(NOT_AUTHORIZED, `its client certificate is not valid: ${certificate.fault}`);
    const named = username !== undefined && username !== '';
    if (named || certificate !== undefined) book.refresh();
    const shown = certificate === undefined ? undefined : book.get(certificate.name);
    if (certificate !== undefined && (!named || username === certificate.name)) {
      if (shown?.certificate === true) return shown;
      if (!named) throw new Refusal(NOT_AUTHORIZED, 'no account is opened by its client certificate');
    }
    if (!named) {
      if (anonymous) return undefined;
      throw new Refusal(NOT_AUTHORIZED, 'it has no account');
    }
    const account = book.get(username);
    if (account === undefined) {
      if (anonymous) return undefined; // some programs always send a name
      throw new Refusal(WRONG_PASSWORD, 'there is no such account');
    }
    if (account.password === undefined) throw new Refusal(WRONG_PASSWORD, 'no password opens this account');
    const password = Buffer.from(packet.password ?? '');
    const attempt = { account: account.name, hash: account.password, password, address: hostOf(remote), wanted: here };
    if (!(await this.#check.right(attempt))) throw new Refusal(WRONG_PASSWORD, 'the password is wrong');
    // It may have changed while this one waited for its turn.
    const now = book.get(account.name);
    if (now?.password !== account.password) throw new Refusal(WRONG_PASSWORD, 'the account has changed meanwhile');
    return now;
  }

  #place(account: Account, id: string): Admitted {
    const clientId = `${account.name}${SEPARATOR}${id === '' ? randomUUID() : id}`;
    const clients = this.#inside.get(account.name) ?? new Map<string, number>();
    const most = this.#deps.limits.connectionsPerAccount;
    // One that comes back takes the place of the connection that it has lost.
    if (!clients.has(clientId) && clients.size >= most)
      throw new Refusal(UNAVAILABLE, `the account has ${String(most)} connections already`);
    this.#inside.set(account.name, clients.set(clientId, (clients.get(clientId) ?? 0) + 1));
    return { account, rights: rightsOf(account, id), clientId };
  }

  #tell({ code, message }: Refusal, { remote }: Visitor, { username, clientId }: ConnectPacket): void {
    const event = code === UNAVAILABLE ? 'mqtt.account.full' : 'mqtt.login.refused';
    this.#deps.tally.count(event, { remote, account: username?.slice(0, 253), client: clientId.slice(0, 200), reason: message });
  }

  async #delay(startedMs: number): Promise<void> {
    const { clock } = this.#deps;
    const ms = WRONG_DELAY_MS * (1 + clock.random() / 2) - (clock.monotonic() - startedMs);
    if (ms > 0) await clock.sleep(ms, this.#stop.signal).catch(() => undefined);
  }
}

function hostOf(remote: string): string {
  const end = remote.lastIndexOf(':');
  return end === -1 ? remote : remote.slice(0, end);
}

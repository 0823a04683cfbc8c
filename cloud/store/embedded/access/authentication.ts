/** Owns who a request is from: client certificates, bearer tokens, or nobody in particular. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Clock } from '#beehive/clock.ts';
import type { User } from '../api-request.ts';
import type { AccountTokens } from './account-tokens.ts';
import { ANONYMOUS, AUTHENTICATED, certifiedGroups } from './user.ts';

export interface TokenUser {
  token: string;
  user: string;
  groups: readonly string[];
}

/** What the certificate of a connection says. */
interface Certified {
  user: User | undefined;
  /** Unix ms. */
  endsMs: number;
}

const NOBODY: Certified = { user: undefined, endsMs: 0 };

export interface AuthenticationOptions {
  tokens: readonly TokenUser[];
  accounts: AccountTokens;
  clock: Pick<Clock, 'now'>;
}

export class Authentication {
  readonly #tokens: { digest: Buffer; user: User }[];
  readonly #accounts: AccountTokens;
  readonly #clock: Pick<Clock, 'now'>;
  /** Undefined where a connection showed no certificate. */
  readonly #certified = new WeakMap<Socket, Certified | undefined>();

  constructor({ tokens, accounts, clock }: AuthenticationOptions) {
    this.#accounts = accounts;
    this.#clock = clock;
    this.#tokens = tokens.map(({ token, user, groups }) => ({
      digest: digestOf(token),
      user: { name: user, groups: [...groups, AUTHENTICATED] },
    }));
  }

  /**
   * Undefined = credentials that are not valid (401); none at all is the anonymous user. A certificate wins over a token, and one that is not
   * valid needs a token that is.
   */
  userOf(authorization: string | undefined, socket: Socket): User | undefined {
    const certified = this.#certificate(socket);
    if (certified?.user !== undefined && this.#clock.now() < certified.endsMs) return certified.user;
    const token = tokenOf(authorization);
    if (token === undefined) return certified === undefined ? ANONYMOUS : undefined;
    return this.#tokenUser(token);
  }

  /** Compares with every fixed token, each in constant time. */
  #tokenUser(token: string): User | undefined {
    const digest = digestOf(token);
    let found: User | undefined;
    for (const known of this.#tokens) if (timingSafeEqual(known.digest, digest)) found = known.user;
    return found ?? this.#accounts.userOf(token);
  }

  #certificate(socket: Socket): Certified | undefined {
    if (!this.#certified.has(socket)) this.#certified.set(socket, certifiedOf(socket));
    return this.#certified.get(socket);
  }
}

/** Other schemes are no credentials here, as on a real server. */
function tokenOf(authorization: string | undefined): string | undefined {
  return /^\s*bearer\s+(\S+)/i.exec(authorization ?? '')?.[1];
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** As in Kubernetes: the common name is the user, the organisations are the groups. */
function certifiedOf(socket: Socket): Certified | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const { subject, valid_to: end } = socket.getPeerCertificate();
  if (subject === undefined) return undefined;
  const organisations: unknown = subject.O;
  const names: unknown[] = Array.isArray(organisations) ? organisations : organisations === undefined ? [] : [organisations];
  if (!socket.authorized || typeof subject.CN !== 'string' || subject.CN === '') return NOBODY;
  const groups = names.filter((name) => typeof name === 'string');
  return { user: { name: subject.CN, groups: certifiedGroups(groups) }, endsMs: Date.parse(end) || 0 };
}

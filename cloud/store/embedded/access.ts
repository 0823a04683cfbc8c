/** Owns who a request is from and whether it may: bearer tokens, client certificates, anonymous health checks. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { User } from './api-request.ts';
import { forbidden } from './status.ts';

export interface TokenUser {
  token: string;
  user: string;
  groups: readonly string[];
}

/** Members of this group may do everything; there are no other rights here. */
export const ADMIN_GROUP = 'system:masters';
export const ANONYMOUS: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

const OPEN_PATHS = new Set(['healthz', 'readyz', 'livez', 'version']);

export class Access {
  readonly #tokens: { digest: Buffer; user: User }[];

  constructor(tokens: readonly TokenUser[]) {
    this.#tokens = tokens.map(({ token, user, groups }) => ({
      digest: digestOf(token),
      user: { name: user, groups: [...groups, AUTHENTICATED] },
    }));
  }

  /** Undefined = credentials that are not valid (401); none at all is the anonymous user. */
  userOf(authorization: string | undefined, socket: Socket): User | undefined {
    const certified = certificateUser(socket);
    if (certified !== undefined) return certified;
    if (authorization === undefined) return ANONYMOUS;
    const token = /^bearer\s+(\S+)\s*$/i.exec(authorization)?.[1];
    return token === undefined ? undefined : this.#tokenUser(token);
  }

  /** Compares with every token, each in constant time. */
  #tokenUser(token: string): User | undefined {
    const digest = digestOf(token);
    let found: User | undefined;
    for (const known of this.#tokens) if (timingSafeEqual(known.digest, digest)) found = known.user;
    return found;
  }
}

/** Everybody who showed credentials. */
export const AUTHENTICATED = 'system:authenticated';

/** `kubectl --as`: who may do everything may also try what another may. Throws 403 for everybody else. */
export function actingAs(user: User, headers: IncomingHttpHeaders): User {
  const name = textOf(headers['impersonate-user']);
  if (name === '') return user;
  if (!mayDoEverything(user)) {
    throw forbidden({ group: '', plural: 'users', user: user.name, verb: 'impersonate', name });
  }
  const groups = textOf(headers['impersonate-group'])
    .split(',')
    .map((group) => group.trim())
    .filter((group) => group !== '');
  return { name, groups: [...groups, name === ANONYMOUS.name ? 'system:unauthenticated' : AUTHENTICATED] };
}

function textOf(header: string | string[] | undefined): string {
  return Array.isArray(header) ? header.join(',') : (header ?? '');
}

export function mayDoEverything(user: User): boolean {
  return user.groups.includes(ADMIN_GROUP);
}

/** Health and version are for everybody. */
export function isOpen(segments: readonly string[]): boolean {
  return segments.length <= 2 && OPEN_PATHS.has(segments[0] ?? '');
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** As in Kubernetes: the common name is the user, the organisations are the groups. */
function certificateUser(socket: Socket): User | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const { subject } = socket.getPeerCertificate();
  if (subject === undefined || typeof subject.CN !== 'string') return undefined;
  const organisations: unknown = subject.O;
  const groups = Array.isArray(organisations) ? organisations.map(String) : typeof organisations === 'string' ? [organisations] : [];
  return { name: subject.CN, groups: [...groups, AUTHENTICATED] };
}

/** Owns the names of users and groups that mean something to the server itself. */
import type { User } from '../api-request.ts';

/** Members may do everything, whatever roles say. */
export const ADMIN_GROUP = 'system:masters';
/** Everybody who showed credentials. */
export const AUTHENTICATED = 'system:authenticated';
/** Boards. Their certificates are for the link: what everybody with credentials may ask of the API, they may not. */
const NODES = 'system:nodes';
/** Everybody else. */
export const UNAUTHENTICATED = 'system:unauthenticated';
export const ANONYMOUS: User = { name: 'system:anonymous', groups: [UNAUTHENTICATED] };

const ACCOUNT_PREFIX = 'system:serviceaccount:';

/** The user that a ServiceAccount is. */
export function accountUserName({ namespace, name }: { namespace: string; name: string }): string {
  return `${ACCOUNT_PREFIX}${namespace}:${name}`;
}

export function accountGroups(namespace: string): string[] {
  return ['system:serviceaccounts', `system:serviceaccounts:${namespace}`];
}

/** Undefined for a user that is no ServiceAccount. */
export function accountOf(userName: string): { namespace: string; name: string } | undefined {
  if (!userName.startsWith(ACCOUNT_PREFIX)) return undefined;
  const [namespace = '', name = '', ...more] = userName.slice(ACCOUNT_PREFIX.length).split(':');
  return namespace === '' || name === '' || more.length > 0 ? undefined : { namespace, name };
}

export function mayDoEverything({ groups }: User): boolean {
  return groups.includes(ADMIN_GROUP);
}

export function isAnonymous({ name, groups }: User): boolean {
  return name === ANONYMOUS.name || groups.includes(UNAUTHENTICATED);
}

/** What somebody is in who showed a certificate of these organisations. */
export function certifiedGroups(organisations: readonly string[]): string[] {
  return organisations.includes(NODES) ? [...organisations] : [...organisations, AUTHENTICATED];
}

/** As Kubernetes writes a user down. */
export function userInfoOf({ name, uid, groups, extra }: User): Record<string, unknown> {
  return { username: name, ...(uid === undefined ? {} : { uid }), groups: [...groups], ...(extra === undefined ? {} : { extra }) };
}

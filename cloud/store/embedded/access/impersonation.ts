/** Owns acting as somebody else (`kubectl --as`): what the headers ask for, and the right to it. */
import type { IncomingMessage } from 'node:http';
import type { User } from '../api-request.ts';
import { refuse } from '../status.ts';
import type { ResourceAttempt } from './attempt.ts';
import type { Rbac } from './rbac.ts';
import { accountGroups, accountOf, ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED } from './user.ts';

const EXTRA_PREFIX = 'impersonate-extra-';
const AUTHENTICATION = 'authentication.k8s.io';

/** Needs the verb `impersonate` on the user, and on each group, uid and extra that is asked for. Throws 403, and 500 for headers without a user. */
export function actingAs(rbac: Rbac, user: User, incoming: Pick<IncomingMessage, 'headers' | 'headersDistinct'>): User {
  const { headers } = incoming;
  if (!Object.keys(headers).some((header) => header.startsWith('impersonate-'))) return user;
  const { headersDistinct } = incoming;
  const name = headersDistinct['impersonate-user']?.[0] ?? '';
  const groups = (headersDistinct['impersonate-group'] ?? []).filter((group) => group !== '');
  const uid = headersDistinct['impersonate-uid']?.[0] ?? '';
  const extra = extraOf(headers, headersDistinct);
  const entries = Object.entries(extra);
  if (name === '') {
    if (groups.length === 0 && uid === '' && entries.length === 0) return user;
    const message = 'Internal error occurred: groups, uid or extra are impersonated without a user: send Impersonate-User too';
    throw refuse(500, 'InternalError', { message });
  }
  const account = accountOf(name);
  rbac.demand(user, account === undefined ? attempt('users', name) : { ...attempt('serviceaccounts', account.name), ...account });
  for (const group of groups) rbac.demand(user, attempt('groups', group));
  if (uid !== '') rbac.demand(user, { ...attempt('uids', uid), group: AUTHENTICATION });
  for (const [key, values] of entries) {
    for (const value of values) rbac.demand(user, { ...attempt('userextras', value), group: AUTHENTICATION, subresource: key });
  }
  return {
    name,
    groups: groupsAs(name, groups.length === 0 && account !== undefined ? accountGroups(account.namespace) : groups),
    ...(uid === '' ? {} : { uid }),
    ...(entries.length === 0 ? {} : { extra }),
  };
}

function attempt(resource: string, name: string): ResourceAttempt {
  return { verb: 'impersonate', group: '', resource, subresource: '', namespace: '', name };
}

function groupsAs(name: string, groups: readonly string[]): string[] {
  const implied = name === ANONYMOUS.name ? UNAUTHENTICATED : AUTHENTICATED;
  return groups.includes(implied) || groups.includes(UNAUTHENTICATED) ? [...groups] : [...groups, implied];
}

function extraOf(headers: IncomingMessage['headers'], distinct: IncomingMessage['headersDistinct']): Record<string, readonly string[]> {
  const names = Object.keys(headers).filter((header) => header.startsWith(EXTRA_PREFIX) && header.length > EXTRA_PREFIX.length);
  return Object.fromEntries(names.map((header) => [unescaped(header.slice(EXTRA_PREFIX.length)), distinct[header] ?? []]));
}

/** Keys may be percent-encoded: header names have few signs. */
function unescaped(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

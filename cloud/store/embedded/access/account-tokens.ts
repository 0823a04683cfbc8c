/** Owns tokens of ServiceAccounts: what they claim, and whether what they are bound to is still there. */
import { createHash, randomUUID } from 'node:crypto';
import type { Clock } from '#beehive/clock.ts';
import type { User } from '../api-request.ts';
import { dig, listAt, own, textAt } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';
import type { ObjectStore } from '../object-store.ts';
import type { StoredObject } from '../stored-object.ts';
import { TokenKey } from './jwt.ts';
import { accountGroups, accountUserName, AUTHENTICATED } from './user.ts';

/** Who issues, and for whom where a request names no audience: this API. */
export const ISSUER = 'https://kubernetes.default.svc.cluster.local';
export const ACCOUNTS = 'serviceaccounts';

/** What a token can be bound to besides its account. */
export const BOUND_KINDS: ReadonlyMap<string, { resource: string; namespaced: boolean }> = new Map([
  ['Pod', { resource: 'pods', namespaced: true }],
  ['Secret', { resource: 'secrets', namespaced: true }],
  ['Node', { resource: 'nodes', namespaced: false }],
]);

export interface TokenWish {
  account: StoredObject;
  audiences: readonly string[];
  /** Undefined = until the account, or what it is bound to, goes. */
  lifeSeconds: number | undefined;
  bound?: { kind: string; name: string; uid: string };
}

/** Verified claims, kept because a signature takes a tenth of a millisecond. */
interface Known {
  account: { namespace: string; name: string; uid: string };
  bound: { resource: string; namespace: string; name: string; uid: string }[];
  endsMs: number;
  user: User;
}

const MOST_KNOWN = 1000;

export class AccountTokens {
  readonly #key: TokenKey;
  readonly #store: ObjectStore;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #known = new Map<string, Known>();

  constructor({ key, store, clock }: { key: string | undefined; store: ObjectStore; clock: Pick<Clock, 'now'> }) {
    this.#key = new TokenKey(key);
    this.#store = store;
    this.#clock = clock;
  }

  /** `endsMs` is unix ms. */
  issue({ account, audiences, lifeSeconds, bound }: TokenWish): { token: string; endsMs: number } {
    const now = Math.floor(this.#clock.now() / 1000);
    const end = lifeSeconds === undefined ? undefined : now + lifeSeconds;
    const { namespace, name, uid } = account;
    const token = this.#key.sign({
      aud: audiences,
      ...(end === undefined ? {} : { exp: end }),
      iat: now,
      iss: ISSUER,
      jti: randomUUID(),
      'kubernetes.io': {
        namespace,
        ...(bound === undefined ? {} : { [bound.kind.toLowerCase()]: { name: bound.name, uid: bound.uid } }),
        serviceaccount: { name, uid },
      },
      nbf: now,
      sub: accountUserName(account),
    });
    return { token, endsMs: (end ?? 0) * 1000 };
  }

  /** Undefined for a token that is not ours, not for this API, past its end, or whose account or other object is gone or was made anew. */
  userOf(token: string): User | undefined {
    const digest = createHash('sha256').update(token).digest('base64');
    const known = this.#known.get(digest) ?? this.#read(token, digest);
    if (known === undefined || known.endsMs <= this.#clock.now()) return undefined;
    const { account, bound, user } = known;
    if (!this.#isThere({ resource: ACCOUNTS, ...account })) return undefined;
    return bound.every((object) => this.#isThere(object)) ? user : undefined;
  }

  #isThere({ resource, namespace, name, uid }: Known['bound'][number]): boolean {
    const stored = this.#store.get(resource, namespace, name);
    return stored !== undefined && stored.uid === uid;
  }

  #read(token: string, digest: string): Known | undefined {
    const claims = this.#key.claimsOf(token);
    const known = claims === undefined ? undefined : knownOf(claims);
    if (known === undefined) return undefined;
    if (this.#known.size >= MOST_KNOWN) this.#known.delete(this.#known.keys().next().value ?? '');
    this.#known.set(digest, known);
    return known;
  }
}

function knownOf(claims: JsonRecord): Known | undefined {
  const place = own(claims, 'kubernetes.io');
  const namespace = textAt(place, 'namespace');
  const account = { namespace, name: textAt(place, 'serviceaccount', 'name'), uid: textAt(place, 'serviceaccount', 'uid') };
  if (account.uid === '' || own(claims, 'iss') !== ISSUER || !listAt(claims, 'aud').includes(ISSUER)) return undefined;
  const bound = [...BOUND_KINDS].flatMap(([kind, { resource, namespaced }]) => {
    const object = dig(place, kind.toLowerCase());
    if (object === undefined) return [];
    return [{ kind, resource, namespace: namespaced ? namespace : '', name: textAt(object, 'name'), uid: textAt(object, 'uid') }];
  });
  const end = own(claims, 'exp');
  const id = textAt(claims, 'jti');
  return {
    account,
    bound,
    endsMs: typeof end === 'number' ? end * 1000 : Infinity,
    user: {
      name: accountUserName(account),
      uid: account.uid,
      groups: [...accountGroups(namespace), AUTHENTICATED],
      extra: { 'authentication.kubernetes.io/credential-id': [`JTI=${id}`], ...boundExtra(bound) },
    },
  };
}

function boundExtra(bound: readonly { kind: string; name: string; uid: string }[]): Record<string, string[]> {
  return Object.fromEntries(
    bound
      .filter(({ kind }) => kind !== 'Secret')
      .flatMap(({ kind, name, uid }) => {
        const prefix = `authentication.kubernetes.io/${kind.toLowerCase()}`;
        return [
          [`${prefix}-name`, [name]],
          [`${prefix}-uid`, [uid]],
        ];
      }),
  );
}

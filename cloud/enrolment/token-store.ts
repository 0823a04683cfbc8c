/** Owns the join tokens as Secrets: hashed, with an end, bound and counted where wanted; uses are counted by compare and swap over all replicas. */
import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import { retryOnConflict, secrets, type KubeApi, type KubeObject } from '../store/kube-api.ts';
import { hashOf, idOf, isTokenId, tokenText } from './join-token.ts';
import { NAMESPACE, listIn, orNone, secretOf, selectorOf, textIn } from './secrets.ts';

export interface TokenRecord {
  id: string;
  hash: string;
  expiresMs: number;
  /** The only node that may join with it. */
  node: string | undefined;
  /** How many keys may be certified with it; undefined = as many as come. */
  uses: number | undefined;
  /** Whom it was used for; kept only where uses are counted. */
  used: TokenUse[];
}

export interface TokenUse {
  node: string;
  /** SHA-256 of the public key, hex: the same request again is no second use. */
  key: string;
}

export interface TokenWishes {
  /** SHA-256 of the DER form of the authority's certificate, hex. */
  authority: string;
  ttlMs: number;
  node?: string | undefined;
  uses?: number | undefined;
}

export const MOST_USES = 1000;
const PREFIX = 'hivelet-token-';
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';

export class TokenStore {
  readonly #api: KubeApi;
  readonly #clock: Clock;

  constructor({ api, clock }: { api: KubeApi; clock: Clock }) {
    this.#api = api;
    this.#clock = clock;
  }

  /** The text is nowhere else than in the answer. */
  async create({ authority, ttlMs, node, uses }: TokenWishes): Promise<{ text: string; record: TokenRecord }> {
    const id = Array.from({ length: 12 }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
    const expiresMs = Math.floor((this.#clock.now() + ttlMs) / 1000) * 1000;
    const text = tokenText({ authority, id, expiresMs, node, secret: randomBytes(32) });
    const record = { id, hash: hashOf(text.slice(text.indexOf('.') + 1)), expiresMs, node, uses, used: [] };
    await this.#api.create(secrets, written(record));
    return { text, record };
  }

  /** Those that ended are removed on the way. */
  async list(): Promise<TokenRecord[]> {
    const { items } = await this.#api.list(secrets, { namespace: NAMESPACE, labelSelector: selectorOf('join-token') });
    const records = items.flatMap((item) => readRecord(item) ?? []);
    const [ended, live] = [records.filter((record) => this.#hasEnded(record)), records.filter((record) => !this.#hasEnded(record))];
    for (const { id } of ended) await this.revoke(id);
    return live.sort((a, b) => a.expiresMs - b.expiresMs);
  }

  /** False when there is none of that id. */
  async revoke(id: string): Promise<boolean> {
    if (!isTokenId(id)) return false;
    return (await orNone(this.#api.delete(secrets, { namespace: NAMESPACE, name: PREFIX + id }).then(() => true))) ?? false;
  }

  /** The record of a bearer token, or one sentence that says what is wrong with it. */
  async find(bearer: string): Promise<TokenRecord | string> {
    const id = idOf(bearer);
    const record = id === undefined ? undefined : await this.#read(id);
    if (record === undefined || !isSame(record.hash, hashOf(bearer))) return 'this cloud has not issued it, or it was revoked';
    if (this.#hasEnded(record))
      return `it ended on ${new Date(record.expiresMs).toISOString()}; make another one with \`hivelet token create\``;
    return record;
  }

  /** Counts a use; one sentence when there is none left. The same use again counts once. */
  async use({ id }: TokenRecord, use: TokenUse): Promise<string | undefined> {
    const attempt = async (): Promise<string | undefined> => {
      const object = await orNone(this.#api.get(secrets, { namespace: NAMESPACE, name: PREFIX + id }));
      const record = object === undefined ? undefined : readRecord(object);
      if (object === undefined || record === undefined) return 'it was revoked';
      const { uses, used } = record;
      if (uses === undefined || used.some(({ node, key }) => node === use.node && key === use.key)) return undefined;
      if (used.length >= uses) return `it was made for ${uses} and is used up; make another one with \`hivelet token create\``;
      const next = written({ ...record, used: [...used, use] });
      await this.#api.update(secrets, { ...next, metadata: { ...next.metadata, ...versionOf(object) } });
      return undefined;
    };
    return retryOnConflict(attempt, { clock: this.#clock });
  }

  async #read(id: string): Promise<TokenRecord | undefined> {
    const object = await orNone(this.#api.get(secrets, { namespace: NAMESPACE, name: PREFIX + id }));
    return object === undefined ? undefined : readRecord(object);
  }

  #hasEnded({ expiresMs }: TokenRecord): boolean {
    return this.#clock.now() >= expiresMs;
  }
}

/** A number with a unit: `90s`, `30m`, `24h`, `7d`. Throws USAGE. */
export function parseLife(text: string): number {
  const match = /^(\d{1,6})(s|m|h|d)$/.exec(text);
  const unitMs = new Map([
    ['s', 1000],
    ['m', 60_000],
    ['h', 3_600_000],
    ['d', 86_400_000],
  ]).get(match?.[2] ?? '');
  const ms = Number(match?.[1]) * (unitMs ?? NaN);
  if (ms > 0 && ms <= 365 * 86_400_000) return ms;
  throw new HiveletError('USAGE', `--ttl ${text}: write how long the token lives, for instance 30m, 24h or 7d, at most 365d`);
}

function written({ id, hash, expiresMs, node, uses, used }: TokenRecord) {
  return secretOf('join-token', PREFIX + id, {
    hash,
    expires: new Date(expiresMs).toISOString(),
    ...(node === undefined ? {} : { node }),
    ...(uses === undefined ? {} : { uses: String(uses), used: JSON.stringify(used) }),
  });
}

/** Undefined for what somebody else put there. */
function readRecord(object: KubeObject): TokenRecord | undefined {
  const id = object.metadata.name.slice(PREFIX.length);
  const [hash, expiresMs, uses] = [textIn(object, 'hash'), Date.parse(textIn(object, 'expires')), textIn(object, 'uses')];
  if (!object.metadata.name.startsWith(PREFIX) || !isTokenId(id) || !/^[0-9a-f]{64}$/.test(hash) || Number.isNaN(expiresMs))
    return undefined;
  // A count that cannot be read allows nothing.
  const count = uses === '' ? undefined : /^\d{1,4}$/.test(uses) ? Number(uses) : 0;
  const used = listIn(object, 'used').map(({ node, key }) => ({ node: String(node), key: String(key) }));
  return { id, hash, expiresMs, node: textIn(object, 'node') || undefined, uses: count, used };
}

function versionOf({ metadata: { resourceVersion } }: KubeObject): { resourceVersion?: string } {
  return resourceVersion === undefined ? {} : { resourceVersion };
}

function isSame(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

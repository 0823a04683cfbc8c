/**
 * Owns the form of a join token, KubeEdge's: `<sha256 of the CA's DER, hex>.<JWT>`. The signature of the JWT is 32 random bytes: who issued it has
 * its hash (`token-store.ts`), so no key exists that could sign others. Pure.
 */
import { createHash } from 'node:crypto';

export interface TokenParts {
  /** SHA-256 of the DER form of the authority's certificate, lower-case hex. */
  authority: string;
  /** What goes behind `Authorization: Bearer`. */
  bearer: string;
}

export interface NewToken {
  /** SHA-256 of the DER form of the authority's certificate, hex. */
  authority: string;
  id: string;
  expiresMs: number;
  /** The only node that may join with it. */
  node?: string | undefined;
  /** 32 random bytes. */
  secret: Buffer;
}

const MAX_LENGTH = 2048;
const ID = /^[a-z0-9]{12}$/;
const PART = /^[A-Za-z0-9_-]+$/;

export function isTokenId(text: unknown): text is string {
  return typeof text === 'string' && ID.test(text);
}

export function tokenText({ authority, id, expiresMs, node, secret }: NewToken): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { exp: Math.floor(expiresMs / 1000), jti: id, ...(node === undefined ? {} : { sub: `system:node:${node}` }) };
  return [authority, part({ alg: 'HS256', typ: 'JWT' }), part(claims), secret.toString('base64url')].join('.');
}

/** Undefined for what is no join token. */
export function splitToken(text: string): TokenParts | undefined {
  const match = text.length > MAX_LENGTH ? null : /^([0-9a-fA-F]{64})\.([^.]+\.[^.]+\.[^.]+)$/.exec(text.trim());
  const [, authority = '', bearer = ''] = match ?? [];
  return match !== null && bearer.split('.').every((part) => PART.test(part)) ? { authority: authority.toLowerCase(), bearer } : undefined;
}

/** The id that a bearer token names; undefined for what cannot be one of ours. Nothing is proven by it. */
export function idOf(bearer: string): string | undefined {
  const parts = bearer.length > MAX_LENGTH ? [] : bearer.split('.');
  if (parts.length !== 3 || !parts.every((part) => PART.test(part))) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(parts[1] ?? '', 'base64url').toString('utf8'));
    const id = claims !== null && typeof claims === 'object' ? (claims as { jti?: unknown }).jti : undefined;
    return isTokenId(id) ? id : undefined;
  } catch {
    return undefined;
  }
}

/** How a bearer token is kept. Its 256 random bits need no slow hash. */
export function hashOf(bearer: string): string {
  return createHash('sha256').update(bearer).digest('hex');
}

/** Owns what the two sides say of certificates over the link (see resources.ts for who says it when). Pure. */
import { contentObject } from './message.ts';

/** Down. */
export interface AuthoritiesNotice {
  /** PEM, one behind the other: exactly these are to be trusted. */
  authorities: string;
  /** The edge is to ask for another certificate, at any time within `spreadMs`. */
  renew: boolean;
  spreadMs: number;
}

/** What the edge answers: SHA-256 of the DER form of each authority that it trusts now, lower-case hex. */
export interface TrustAnswer {
  trusts: string[];
}

/** At most so many are ever trusted together. */
const MOST_AUTHORITIES = 8;
const HASH = /^[0-9a-f]{64}$/;

/** Undefined for what is none. */
export function readNotice(content: unknown): AuthoritiesNotice | undefined {
  const { authorities, renew, spreadMs } = contentObject(content) ?? {};
  if (typeof authorities !== 'string' || !authorities.includes('BEGIN CERTIFICATE')) return undefined;
  const isNumber = typeof spreadMs === 'number' && spreadMs >= 0 && Number.isFinite(spreadMs);
  return { authorities, renew: renew === true, spreadMs: isNumber ? spreadMs : 0 };
}

/** Undefined for what is none. */
export function readTrustAnswer(content: unknown): string[] | undefined {
  const trusts: unknown = contentObject(content)?.['trusts'];
  if (!Array.isArray(trusts)) return undefined;
  return readHashes(trusts.filter((each) => typeof each === 'string'));
}

/** Header `hivelet-trusts`; undefined when it is absent. */
export function readTrustHeader(text: string): string[] | undefined {
  return text === '' ? undefined : readHashes(text.split(','));
}

function readHashes(texts: readonly string[]): string[] {
  return texts
    .map((text) => text.trim())
    .filter((text) => HASH.test(text))
    .slice(0, MOST_AUTHORITIES);
}

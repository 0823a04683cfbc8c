/** Owns signed tokens (JWT, ES256 only) of one key: making them, and reading the claims of those that it signed. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import { isRecord } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';

const ALGORITHM = 'ES256';
/** Longer ones are not looked at. */
const LONGEST = 8192;
const FORM = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{86})$/;

export class TokenKey {
  readonly #private: KeyObject;
  readonly #public: KeyObject;
  readonly #header: string;

  /** PEM of an EC P-256 key; without one a key is made that ends with the process. Throws CERTIFICATES_UNUSABLE. */
  constructor(pem: string | undefined) {
    this.#private = pem === undefined ? generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey : readKey(pem);
    this.#public = createPublicKey(this.#private);
    const kid = createHash('sha256')
      .update(this.#public.export({ type: 'spki', format: 'der' }))
      .digest('base64url');
    this.#header = encode({ alg: ALGORITHM, kid });
  }

  sign(claims: JsonRecord): string {
    const signed = `${this.#header}.${encode(claims)}`;
    const signature = sign('sha256', Buffer.from(signed), { key: this.#private, dsaEncoding: 'ieee-p1363' });
    return `${signed}.${signature.toString('base64url')}`;
  }

  /** Undefined for whatever this key did not sign. The header has to be ours to the letter: it chooses nothing. */
  claimsOf(token: string): JsonRecord | undefined {
    const [, header, payload = '', signature = ''] = token.length > LONGEST ? [] : (FORM.exec(token) ?? []);
    if (header !== this.#header) return undefined;
    const bytes = Buffer.from(signature, 'base64url');
    // One way to write a token: the last letter has bits that mean nothing.
    if (bytes.toString('base64url') !== signature) return undefined;
    const signed = Buffer.from(`${header}.${payload}`);
    const valid = verify('sha256', signed, { key: this.#public, dsaEncoding: 'ieee-p1363' }, bytes);
    if (!valid) return undefined;
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    return isRecord(claims) ? claims : undefined;
  }
}

function readKey(pem: string): KeyObject {
  const where = 'the key that tokens of service accounts are signed with (cloud/accounts.key)';
  const remedy = 'put the right one back, or remove it: a new one is made, and all those tokens end';
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw new HiveletError('CERTIFICATES_UNUSABLE', `${where} cannot be read: ${messageOf(cause)}; ${remedy}`, { cause });
  }
  if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key;
  throw new HiveletError('CERTIFICATES_UNUSABLE', `${where} is no EC P-256 key; ${remedy}`);
}

function encode(value: JsonRecord): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

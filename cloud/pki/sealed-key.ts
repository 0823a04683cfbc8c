/**
 * Owns how the key of a new authority travels to the other cloudcores: sealed with the key of the one before, which all of them have. Who reads
 * the Secret that carries it can do nothing with it.
 */
import { createCipheriv, createDecipheriv, createPrivateKey, hkdfSync, randomBytes } from 'node:crypto';
import { unusable } from './inspection.ts';

const [SALT_BYTES, IV_BYTES, TAG_BYTES] = [16, 12, 16];

/** `key` and `by` are PEM; `name` is what both sides call the new authority. Base64. */
export function sealKey(key: string, { by, name }: { by: string; name: string }): string {
  const [salt, iv] = [randomBytes(SALT_BYTES), randomBytes(IV_BYTES)];
  const cipher = createCipheriv('aes-256-gcm', secretOf(by, { salt, name }), iv);
  const sealed = Buffer.concat([cipher.update(key, 'utf8'), cipher.final()]);
  return Buffer.concat([salt, iv, cipher.getAuthTag(), sealed]).toString('base64');
}

/** Throws CERTIFICATES_UNUSABLE for what was not sealed with `by` under this name. */
export function openKey(sealed: string, { by, name }: { by: string; name: string }): string {
  const bytes = Buffer.from(sealed, 'base64');
  const [salt, iv] = [bytes.subarray(0, SALT_BYTES), bytes.subarray(SALT_BYTES, SALT_BYTES + IV_BYTES)];
  const rest = bytes.subarray(SALT_BYTES + IV_BYTES);
  try {
    const decipher = createDecipheriv('aes-256-gcm', secretOf(by, { salt, name }), iv, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(rest.subarray(0, TAG_BYTES));
    return Buffer.concat([decipher.update(rest.subarray(TAG_BYTES)), decipher.final()]).toString('utf8');
  } catch (cause) {
    throw unusable('the key of the new authority cannot be opened with the key of the one that this cloud has', cause);
  }
}

function secretOf(by: string, { salt, name }: { salt: Buffer; name: string }): Buffer {
  const der = createPrivateKey(by).export({ type: 'pkcs8', format: 'der' });
  return Buffer.from(hkdfSync('sha256', der, salt, `hivelet authority ${name}`, 32));
}

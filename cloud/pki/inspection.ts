/** Owns the question whether a certificate on disk can still be used, answered with what Node has built in. */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { HiveletError, messageOf } from '#beehive/errors.ts';

/** How long a leaf is issued for. It is issued again when a third of this is left, by whatever starts the cloud or runs `hivelet init`. */
export const LEAF_LIFE_MS = 365 * 24 * 60 * 60 * 1000;

/** What a leaf must be. */
export interface Wanted {
  /** Any of these may have signed it; it is issued again when it ends sooner than a third of a life before the first of them. */
  authorities: readonly [X509Certificate, ...X509Certificate[]];
  /** Unix ms. */
  now: number;
  /** Addresses a server must be valid for. */
  addresses?: readonly string[];
  /** Common name a client must have. */
  commonName?: string;
}

/** Parses PEM; `file` is named when it is none. */
export function parseCertificate(pem: string, file: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw unusable(`${file} is not a PEM certificate (${messageOf(error)}); put the right file back or remove it`, error);
  }
}

/** Whether `key` (PEM) is the private key of the certificate; false also when it is none. */
export function keyFits(certificate: X509Certificate, key: string): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

/** Why the leaf has to be issued again, in a few words, or undefined when it is good for a third of `LEAF_LIFE_MS` or as long as its authority. */
export function whyRenew(leaf: { certificate: string; key: string }, wanted: Wanted): string | undefined {
  let certificate;
  try {
    certificate = new X509Certificate(leaf.certificate);
  } catch {
    return 'it could not be read';
  }
  if (!keyFits(certificate, leaf.key)) return 'its key was another one';
  if (issuerOf(certificate, wanted.authorities) === undefined) return 'another authority signed it';
  const missing = wanted.addresses?.filter((address) => !addressesOf(certificate).includes(canonical(address))) ?? [];
  if (missing.length > 0) return `it was not valid for ${missing.join(', ')}`;
  if (wanted.commonName !== undefined && commonNameOf(certificate) !== wanted.commonName) return `it was not for ${wanted.commonName}`;
  if (Date.parse(certificate.validFrom) > 0) return 'a board whose clock starts in 1970 would refuse it';
  // validFrom says nothing about when it was issued, so its age is told by what is left.
  const end = Date.parse(certificate.validTo);
  const renewable = end < Date.parse(wanted.authorities[0].validTo);
  return renewable && end - wanted.now < LEAF_LIFE_MS / 3 ? 'less than a third of its life was left' : undefined;
}

/** Which of them signed it, whatever the time is. */
export function issuerOf(certificate: X509Certificate, authorities: readonly X509Certificate[]): X509Certificate | undefined {
  return authorities.find((authority) => certificate.checkIssued(authority) && certificate.verify(authority.publicKey));
}

/** DNS names and IP addresses that a certificate is valid for, in one spelling. */
export function addressesOf(certificate: X509Certificate): string[] {
  const entries = certificate.subjectAltName?.split(', ') ?? [];
  return entries.flatMap((entry) => {
    const value = /^(?:DNS|IP Address):(.+)$/.exec(entry)?.[1];
    return value === undefined ? [] : [canonical(value)];
  });
}

/** Lower case; IPv6 in its shortest form: `0:0:0:0:0:0:0:1` and `::1` are one address. */
export function canonical(address: string): string {
  if (!address.includes(':')) return address.toLowerCase();
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

export function unusable(message: string, cause?: unknown): HiveletError {
  return new HiveletError('CERTIFICATES_UNUSABLE', message, { cause });
}

function commonNameOf(certificate: X509Certificate): string | undefined {
  return /^CN=(.+)$/m.exec(certificate.subject)?.[1];
}

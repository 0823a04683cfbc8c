/** Owns signing what boards ask for: with the key of an authority, read when it is needed, whose certificate is one that the cloud trusts. */
import { X509Certificate, createHash } from 'node:crypto';
import type { Clock } from '#beehive/clock.ts';
import { keyFits, parseCertificate, unusable } from './inspection.ts';

export interface SignedNode {
  /** DER. */
  certificate: Buffer;
  /** As `fingerprintOf` gives it. */
  fingerprint: string;
  /** SHA-256 of the public key (SPKI, DER), hex. */
  key: string;
  /** Unix ms. */
  endsMs: number;
}

/** What is signed with, PEM; `name` is where the key is, for people. */
export interface SigningAuthority {
  certificate: string;
  key: string;
  name: string;
}

export class NodeSigner {
  readonly #options: { clock: Pick<Clock, 'now'> };

  constructor(options: { clock: Pick<Clock, 'now'> }) {
    this.#options = options;
  }

  /** `request` is PKCS#10 in DER. Throws VALUE_INVALID for the request, CERTIFICATES_UNUSABLE for the key of the authority. */
  async sign(authority: SigningAuthority, { node, request }: { node: string; request: Buffer }): Promise<SignedNode> {
    const { certificate, key, name } = authority;
    if (!keyFits(parseCertificate(certificate, 'the authority'), key)) {
      throw unusable(`this cloud cannot sign: ${name} is not the key of its authority`);
    }
    // The library that makes certificates is 10 MB of memory: a cloud that no board joins does without it.
    const { signNode } = await import('./certificates.ts');
    const der = await signNode({ certificate, key }, { node, now: this.#options.clock.now(), request });
    const signed = new X509Certificate(der);
    return { certificate: der, fingerprint: fingerprintOf(signed), key: keyHashOf(signed), endsMs: Date.parse(signed.validTo) };
  }
}

/** SHA-256 of the DER form, lower-case hex without colons. */
export function fingerprintOf({ fingerprint256 }: { fingerprint256: string }): string {
  return fingerprint256.replaceAll(':', '').toLowerCase();
}

/** How an authority is named in join tokens. `pem` may be followed by others. */
export function authorityHash(pem: string): string {
  return fingerprintOf(new X509Certificate(pem));
}

function keyHashOf(certificate: X509Certificate): string {
  return createHash('sha256')
    .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

/** Owns signing what boards ask for: with the authority's key, read when it is needed, whose certificate is the one that boards are told. */
import { X509Certificate, createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Clock } from '#beehive/clock.ts';
import { messageOf } from '#beehive/errors.ts';
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

export class NodeSigner {
  readonly #options: { authority: string; keyFile: string; clock: Pick<Clock, 'now'> };

  /** `authority` is PEM. */
  constructor(options: { authority: string; keyFile: string; clock: Pick<Clock, 'now'> }) {
    this.#options = options;
  }

  /** `request` is PKCS#10 in DER. Throws VALUE_INVALID for the request, CERTIFICATES_UNUSABLE for the key of the authority. */
  async sign(node: string, request: Buffer): Promise<SignedNode> {
    const { authority, clock } = this.#options;
    const key = await this.#key();
    // The library that makes certificates is 10 MB of memory: a cloud that no board joins does without it.
    const { signNode } = await import('./certificates.ts');
    const der = await signNode({ certificate: authority, key }, { node, now: clock.now(), request });
    const signed = new X509Certificate(der);
    return { certificate: der, fingerprint: fingerprintOf(signed), key: keyHashOf(signed), endsMs: Date.parse(signed.validTo) };
  }

  async #key(): Promise<string> {
    const { authority, keyFile } = this.#options;
    let key: string;
    try {
      key = await readFile(keyFile, 'utf8');
    } catch (cause) {
      throw unusable(`this cloud cannot sign: ${messageOf(cause)} (modules.cloudHub.tlsCAKeyFile)`, cause);
    }
    if (!keyFits(parseCertificate(authority, 'the authority'), key)) {
      throw unusable(`this cloud cannot sign: ${keyFile} (modules.cloudHub.tlsCAKeyFile) is not the key of its authority`);
    }
    return key;
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

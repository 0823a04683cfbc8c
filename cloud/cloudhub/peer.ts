/** Owns what the client certificate of a connection says, and whether our authority signed it. */
import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

export type Peer =
  | { kind: 'none' }
  | { kind: 'invalid'; reason: string }
  | {
      /** `expired`: good but for its end, which has passed. That the connection has its key is proved in either case. */
      kind: 'valid' | 'expired';
      /** '' when it has none, or several. */
      commonName: string;
      /** SHA-256 of the DER form, lower-case hex without colons. */
      fingerprint: string;
      certificate: X509Certificate;
    };

/** PEM texts in `authorities` may have signed a certificate that ended; without them such a one is invalid. */
export function peerOf(socket: Socket, authorities = ''): Peer {
  if (!(socket instanceof TLSSocket)) return { kind: 'none' };
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return { kind: 'none' };
  const isExpired = !socket.authorized && hasOnlyEnded(socket, { certificate, authorities });
  if (!socket.authorized && !isExpired) return { kind: 'invalid', reason: String(socket.authorizationError) };
  const names: unknown = socket.getPeerCertificate().subject?.CN;
  const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
  return { kind: isExpired ? 'expired' : 'valid', commonName: typeof names === 'string' ? names : '', fingerprint, certificate };
}

const CLIENT_USE = '1.3.6.1.5.5.7.3.2';

/** The chain is checked again without regard to time: TLS has told the first fault only. */
function hasOnlyEnded(socket: TLSSocket, { certificate, authorities }: { certificate: X509Certificate; authorities: string }): boolean {
  if (String(socket.authorizationError) !== 'CERT_HAS_EXPIRED' || certificate.ca || !certificate.keyUsage.includes(CLIENT_USE))
    return false;
  const issuers = (authorities.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(
    (pem) => new X509Certificate(pem),
  );
  return issuers.some((issuer) => certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey));
}

/** Owns what the client certificate of a connection says, and whether our authority signed it. */
import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

export type Peer =
  | { kind: 'none' }
  | { kind: 'invalid'; reason: string }
  | {
      kind: 'valid';
      /** '' when it has none, or several. */
      commonName: string;
      /** SHA-256 of the DER form, lower-case hex without colons. */
      fingerprint: string;
      certificate: X509Certificate;
    };

export function peerOf(socket: Socket): Peer {
  if (!(socket instanceof TLSSocket)) return { kind: 'none' };
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return { kind: 'none' };
  if (!socket.authorized) return { kind: 'invalid', reason: String(socket.authorizationError) };
  const names: unknown = socket.getPeerCertificate().subject?.CN;
  const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
  return { kind: 'valid', commonName: typeof names === 'string' ? names : '', fingerprint, certificate };
}

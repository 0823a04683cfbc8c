/** Owns whether a server's certificate is accepted, and the sentence that says why not. */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { HiveletError } from '#beehive/errors.ts';
import { hostsOf, nameOfCertificate, thumbprintOf } from './trust-list.ts';

export interface ServerCheck {
  /** For messages. */
  readonly url: string;
  readonly host: string;
  readonly anyHostName: boolean;
  /** Wall clock, ms since 1970: validity is a matter of dates. */
  readonly nowMs: number;
  /** DER of the one certificate that the Device allows. */
  readonly only?: Buffer;
}

/** What the trust list says of a chain, in the words of OPC UA (`Good`, `BadCertificateUntrusted`, ...). */
export type TrustOpinion = (chain: Buffer) => Promise<string>;

/**
 * `chain` is DER, the server's own certificate first. Throws DEVICE_UNREACHABLE, marked as refused, with what is wrong and what to do.
 * Resolves with true when it is to be noted as waiting for a decision, which then was the reason.
 */
export async function checkServerCertificate(chain: Buffer, check: ServerCheck, opinion: TrustOpinion): Promise<void> {
  const certificate = parsed(chain, check);
  const shown = `the server's certificate ${JSON.stringify(nameOfCertificate(certificate))} (thumbprint ${thumbprintOf(certificate.raw)})`;
  const refuse = (what: string, facts: Record<string, unknown> = {}): HiveletError =>
    refused(check.url, `${shown} ${what}`, { thumbprint: thumbprintOf(certificate.raw), ...facts });
  const [from, to] = [new Date(certificate.validFrom), new Date(certificate.validTo)];
  if (check.nowMs > to.getTime()) throw refuse(`expired at ${to.toISOString()}: renew it on the server, or set the clock of this board`);
  if (check.nowMs < from.getTime())
    throw refuse(
      `is not valid before ${from.toISOString()}: set the clock of this board, which says ${new Date(check.nowMs).toISOString()}`,
    );
  if (check.only !== undefined && !check.only.equals(certificate.raw))
    throw refuse('is not the one in remoteCertificate: put the server’s present certificate there'.replace('’', "'"));
  if (!check.anyHostName && !isFor(certificate, check.host)) {
    const hosts = hostsOf(certificate);
    const names = hosts.length === 0 ? 'no host name' : hosts.slice(0, 5).join(', ');
    throw refuse(`names ${names} and not ${check.host}: write such a name in url, or set customizedValues.anyHostName: true`);
  }
  if (check.only !== undefined) return;
  const status = await opinion(chain);
  if (status === 'Good') return;
  if (status === 'BadCertificateUntrusted' || status === 'BadCertificateChainIncomplete')
    throw refuse(`is not trusted: compare it with the one on the server, then run hivelet opcua trust ${thumbprintOf(certificate.raw)}`, {
      waiting: certificate.raw,
    });
  throw refuse(`is refused (${status}): look at its issuer and its revocation list in the PKI folder`);
}

function parsed(chain: Buffer, { url }: ServerCheck): X509Certificate {
  try {
    return new X509Certificate(chain);
  } catch (cause) {
    throw refused(url, 'the server shows no certificate that can be read: give it one, or use securityMode None', { cause });
  }
}

function isFor(certificate: X509Certificate, host: string): boolean {
  if (isIP(host) !== 0) return certificate.checkIP(host) !== undefined;
  return certificate.checkHost(host, { subject: 'never', partialWildcards: false }) !== undefined;
}

function refused(url: string, what: string, facts: Record<string, unknown>): HiveletError {
  return new HiveletError('DEVICE_UNREACHABLE', `${url}: ${what}`, { facts: { refused: true, standing: true, ...facts } });
}

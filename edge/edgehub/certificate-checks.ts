/** Owns what a board takes from its cloud of certificates and authorities, and what it does not. Pure. */
import { type X509Certificate, createPrivateKey } from 'node:crypto';
import { HiveletError } from '#beehive/errors.ts';
import { certificatesIn } from './credential-files.ts';

/** What would lock the board out is refused: the cloud that speaks must be one that it trusts afterwards. Throws VALUE_INVALID. */
export function checkAuthorities(pem: string, cloud: X509Certificate | undefined): void {
  let authorities: X509Certificate[];
  try {
    authorities = certificatesIn(pem);
  } catch (cause) {
    throw new HiveletError('VALUE_INVALID', 'an authority in the message cannot be read', { cause });
  }
  const isOwn = (authority: X509Certificate): boolean =>
    cloud !== undefined && cloud.checkIssued(authority) && cloud.verify(authority.publicKey);
  if (!authorities.every(({ ca }) => ca) || !authorities.some(isOwn)) {
    throw new HiveletError('VALUE_INVALID', 'none of these authorities signed the certificate that this cloud shows: nothing was changed');
  }
}

/** Throws LINK_CLOSED. */
export function checkCertificate(certificate: X509Certificate, { key, node, ca }: { key: string; node: string; ca: string }): void {
  const isKnown = certificatesIn(ca).some((authority) => certificate.checkIssued(authority) && certificate.verify(authority.publicKey));
  const isOurs = certificate.checkPrivateKey(createPrivateKey(key)) && certificate.subject.split('\n').includes(`CN=system:node:${node}`);
  if (isKnown && isOurs) return;
  throw new HiveletError(
    'LINK_CLOSED',
    `the cloud answered with a certificate that is not for ${node}, or of an authority that it does not trust`,
  );
}

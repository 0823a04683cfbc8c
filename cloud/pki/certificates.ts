/** Owns the making of certificates: our authority, and what it signs for servers and nodes. Loaded only when one has to be made. */
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { KeyObject, createPrivateKey, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import { LEAF_LIFE_MS } from './inspection.ts';

/** A certificate and its private key (PKCS#8), both PEM. */
export interface Credential {
  certificate: string;
  key: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** The authority is what every board has stored: it outlives the boards. */
const AUTHORITY_LIFE_MS = 10 * 365 * DAY_MS;
/**
 * All certificates are valid from 1970 on: a board without a clock of its own boots there, and has to reach its cloud (and, offline, its own
 * parts) before it knows the time. In an authority of our own that signs nothing for others, notBefore protects nothing.
 */
const NOT_BEFORE = new Date(0);

const EC = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const;

x509.cryptoProvider.set(webcrypto);

/** A self-signed authority named `CN=hivelet`, valid from 1970 until ten years after `now` (unix ms). It may sign leaves only. */
export async function createAuthority(now: number): Promise<Credential> {
  const keys = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: ['hivelet'] }],
    notBefore: NOT_BEFORE,
    notAfter: new Date(now + AUTHORITY_LIFE_MS),
    signingAlgorithm: SIGNATURE,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return pem(certificate, keys.privateKey);
}

/** For a server reached under `addresses` (DNS names and IP addresses). Valid from 1970 until a year after `now`, never longer than the authority. */
export async function issueServer(
  authority: Credential,
  options: { commonName: string; addresses: readonly string[]; now: number },
): Promise<Credential> {
  const names = options.addresses.map((address) => ({ type: isIP(address) === 0 ? ('dns' as const) : ('ip' as const), value: address }));
  return issueLeaf(authority, {
    subject: [{ CN: [options.commonName] }],
    now: options.now,
    extensions: [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]), new x509.SubjectAlternativeNameExtension(names)],
  });
}

/** For a node as a client, named as Kubernetes names nodes: `O=system:nodes, CN=system:node:<node>`. Valid as `issueServer` says. */
export async function issueNode(authority: Credential, options: { node: string; now: number }): Promise<Credential> {
  return issueLeaf(authority, {
    subject: [{ O: ['system:nodes'] }, { CN: [`system:node:${options.node}`] }],
    now: options.now,
    extensions: [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])],
  });
}

interface Leaf {
  subject: x509.JsonName;
  now: number;
  extensions: x509.Extension[];
}

async function issueLeaf(authority: Credential, { subject, now, extensions }: Leaf): Promise<Credential> {
  const issuer = new x509.X509Certificate(authority.certificate);
  const keys = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject,
    issuer: issuer.subjectName,
    notBefore: NOT_BEFORE,
    notAfter: new Date(Math.min(now + LEAF_LIFE_MS, issuer.notAfter.getTime())),
    signingAlgorithm: SIGNATURE,
    publicKey: keys.publicKey,
    signingKey: await signingKey(authority.key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      ...extensions,
    ],
  });
  return pem(certificate, keys.privateKey);
}

function signingKey(key: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(key).export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', der, EC, false, ['sign']);
}

function pem(certificate: x509.X509Certificate, key: webcrypto.CryptoKey): Credential {
  return {
    certificate: `${certificate.toString('pem').trimEnd()}\n`,
    key: KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** 127 random bits, positive and never zero (RFC 5280 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

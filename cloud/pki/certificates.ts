/** Owns the making of certificates: our authority, and what it signs for servers and nodes. Loaded only when one has to be made. */
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { KeyObject, createPrivateKey, createPublicKey, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import { HiveletError } from '#beehive/errors.ts';
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

/** A self-signed authority named `CN=hivelet`, valid from 1970 until ten years after `now` (unix ms) unless told otherwise. It may sign leaves only. */
export async function createAuthority(now: number, { commonName = 'hivelet', endsMs = now + AUTHORITY_LIFE_MS } = {}): Promise<Credential> {
  const keys = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [commonName] }],
    notBefore: NOT_BEFORE,
    notAfter: new Date(endsMs),
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

/** For a server reached under `addresses` (DNS names and IP addresses). Valid from 1970 until a year after `now`, or `endsMs`, never longer than the authority. */
export async function issueServer(
  authority: Credential,
  options: { commonName: string; addresses: readonly string[]; now: number; endsMs?: number },
): Promise<Credential> {
  const names = options.addresses.map((address) => ({ type: isIP(address) === 0 ? ('dns' as const) : ('ip' as const), value: address }));
  return issueLeaf(authority, {
    subject: [{ CN: [options.commonName] }],
    endsMs: options.endsMs ?? options.now + LEAF_LIFE_MS,
    extensions: [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]), new x509.SubjectAlternativeNameExtension(names)],
  });
}

/** For a node as a client, named as Kubernetes names nodes: `O=system:nodes, CN=system:node:<node>`. Valid as `issueServer` says. */
export async function issueNode(authority: Credential, options: { node: string; now: number }): Promise<Credential> {
  return issueUser(authority, { ...asUser(options.node), now: options.now });
}

/** For a user of the embedded API, as Kubernetes names them: the common name is the user, the organisations are the groups. Valid as `issueServer` says. */
export async function issueUser(
  authority: Credential,
  options: { user: string; groups: readonly string[]; now: number },
): Promise<Credential> {
  return issueLeaf(authority, clientLeaf(options));
}

/**
 * For the key of a request (PKCS#10, DER), and as a client of that name whatever else the request says. Returns DER. Valid as `issueServer` says.
 * Throws VALUE_INVALID with one sentence about the request.
 */
export async function signNode(authority: Credential, options: { node: string; now: number; request: Buffer }): Promise<Buffer> {
  const publicKey = await requestedKey(options.request);
  const certificate = await signLeaf(authority, { ...clientLeaf({ ...asUser(options.node), now: options.now }), publicKey });
  return Buffer.from(certificate.rawData);
}

/** A new key on this machine, and the request for it (PKCS#10, DER) that names the node. The key is PKCS#8, PEM. */
export async function createRequest(node: string, key?: string): Promise<{ key: string; request: Buffer }> {
  const keys = key === undefined ? await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']) : await importPair(key);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: clientSubject(asUser(node)),
    keys,
    signingAlgorithm: SIGNATURE,
  });
  return {
    key: KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString(),
    request: Buffer.from(request.rawData),
  };
}

async function importPair(key: string): Promise<webcrypto.CryptoKeyPair> {
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const pkcs8 = createPrivateKey(key).export({ type: 'pkcs8', format: 'der' });
  const [publicKey, privateKey] = await Promise.all([
    webcrypto.subtle.importKey('spki', spki, EC, true, ['verify']),
    webcrypto.subtle.importKey('pkcs8', pkcs8, EC, true, ['sign']),
  ]);
  return { publicKey, privateKey };
}

async function requestedKey(request: Buffer): Promise<x509.PublicKey> {
  let parsed: x509.Pkcs10CertificateRequest;
  let proven: boolean;
  let key: KeyObject;
  try {
    parsed = new x509.Pkcs10CertificateRequest(request);
    key = createPublicKey({ key: Buffer.from(parsed.publicKey.rawData), type: 'spki', format: 'der' });
    proven = await parsed.verify();
  } catch (cause) {
    throw new HiveletError('VALUE_INVALID', 'the body is no certificate request (PKCS#10, DER)', { cause });
  }
  if (!proven) throw new HiveletError('VALUE_INVALID', 'the signature of the certificate request is not that of its key');
  const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = key;
  const curves = ['prime256v1', 'secp384r1', 'secp521r1'];
  const { modulusLength: bits = 0, namedCurve = '' } = details;
  if ((type === 'ec' && curves.includes(namedCurve)) || (type === 'rsa' && bits >= 2048 && bits <= 8192)) return parsed.publicKey;
  throw new HiveletError(
    'VALUE_INVALID',
    'the key of the certificate request is none that we certify: use EC P-256, or RSA of at least 2048 bits',
  );
}

interface Leaf {
  subject: x509.JsonName;
  endsMs: number;
  extensions: x509.Extension[];
}

function clientSubject({ user, groups }: { user: string; groups: readonly string[] }): x509.JsonName {
  return [...groups.map((group) => ({ O: [group] })), { CN: [user] }];
}

/** Nodes are users too, of a name and a group that Kubernetes fixes. */
function asUser(node: string): { user: string; groups: string[] } {
  return { user: `system:node:${node}`, groups: ['system:nodes'] };
}

function clientLeaf({ now, ...who }: { user: string; groups: readonly string[]; now: number }): Leaf {
  const endsMs = now + LEAF_LIFE_MS;
  return { subject: clientSubject(who), endsMs, extensions: [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])] };
}

async function issueLeaf(authority: Credential, leaf: Leaf): Promise<Credential> {
  const keys = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
  return pem(await signLeaf(authority, { ...leaf, publicKey: keys.publicKey }), keys.privateKey);
}

type SignedLeaf = Leaf & { publicKey: webcrypto.CryptoKey | x509.PublicKey };

async function signLeaf(authority: Credential, { subject, endsMs, extensions, publicKey }: SignedLeaf): Promise<x509.X509Certificate> {
  const issuer = new x509.X509Certificate(authority.certificate);
  return x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject,
    issuer: issuer.subjectName,
    notBefore: NOT_BEFORE,
    notAfter: new Date(Math.min(endsMs, issuer.notAfter.getTime())),
    signingAlgorithm: SIGNATURE,
    publicKey,
    signingKey: await signingKey(authority.key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      ...extensions,
    ],
  });
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

/**
 * Owns the certificate of a board's MQTT broker: made on the board, by an authority of the board's own. The authority of the cloud signs none: who has
 * taken a board over could show such a certificate to other boards as the cloud's.
 */
import { hostname, networkInterfaces } from 'node:os';
import path from 'node:path';
import type { Clock } from '#beehive/clock.ts';
import type { Credential } from '../../../cloud/pki/certificates.ts';
import { PUBLIC_MODE, SECRET_MODE, readIfThere, writeWhole } from '../../../cloud/pki/files.ts';
import type { CredentialFiles, Outcome } from '../../../cloud/pki/init.ts';
import { addressesOf, canonical, keyFits, parseCertificate, unusable, whyRenew } from '../../../cloud/pki/inspection.ts';

export interface BrokerFiles {
  /** What devices trust. */
  authority: CredentialFiles;
  /** What the broker shows. */
  server: CredentialFiles;
}

export interface BrokerCertificateOptions {
  dataDir: string;
  node: string;
  clock: Pick<Clock, 'now'>;
  /** DNS names and IP addresses beside those of the board itself and those that it had. */
  addresses?: readonly string[];
  /** Another authority, key and certificate: devices need the new authority then. */
  renew?: boolean;
}

export interface BrokerCertificate {
  files: BrokerFiles;
  outcomes: Outcome[];
  addresses: string[];
}

/** Devices store the authority: it outlives them, and a board without a clock makes the same one. */
const ENDS_MS = Date.UTC(2060, 0, 1);
/** Longest common name in a certificate. */
const MAX_NAME = 64;

export function brokerFiles(dataDir: string): BrokerFiles {
  const pair = (name: string): CredentialFiles => ({
    certificate: path.join(dataDir, 'edge', 'pki', `${name}.crt`),
    key: path.join(dataDir, 'edge', 'pki', `${name}.key`),
  });
  return { authority: pair('mqtt-ca'), server: pair('mqtt') };
}

/** Run again it keeps what is good. Undefined where the certificate is not one of ours: it is left alone. Throws CERTIFICATES_UNUSABLE. */
export async function ensureBrokerCertificate(options: BrokerCertificateOptions): Promise<BrokerCertificate | undefined> {
  const { dataDir, node, clock, renew = false } = options;
  const files = brokerFiles(dataDir);
  const [authority, server] = await Promise.all([readPair(files.authority), readPair(files.server)]);
  if (authority.certificate === '' && server.certificate + server.key !== '') return undefined;
  const outcomes: Outcome[] = [];
  const signer = authority.certificate === '' || renew ? await makeAuthority(files.authority, node) : authority;
  outcomes.push(outcomeOf(files.authority, authority, signer === authority ? undefined : 'as asked'));
  const parsed = parseCertificate(signer.certificate, files.authority.certificate);
  if (!keyFits(parsed, signer.key))
    throw unusable(
      `${files.authority.key} is not the key of ${files.authority.certificate}: put it back, or run \`hivelet mqtt certificate --renew\``,
    );
  const before = renew || server.certificate === '' ? [] : addressesOf(parseCertificate(server.certificate, files.server.certificate));
  const addresses = [...new Set([...ownAddresses(node), ...(options.addresses ?? []), ...before].map(canonical))];
  const reason = whyRenew(server, { authorities: [parsed], now: clock.now(), addresses });
  if (reason !== undefined) {
    const { issueServer } = await import('../../../cloud/pki/certificates.ts');
    await writePair(
      files.server,
      await issueServer(signer, { commonName: commonName(node), addresses, now: clock.now(), endsMs: ENDS_MS }),
    );
  }
  outcomes.push(outcomeOf(files.server, server, reason));
  return { files, outcomes, addresses };
}

async function makeAuthority(files: CredentialFiles, node: string): Promise<Credential> {
  const { createAuthority } = await import('../../../cloud/pki/certificates.ts');
  const made = await createAuthority(0, { commonName: commonName(`hivelet mqtt ${node}`), endsMs: ENDS_MS });
  await writePair(files, made);
  return made;
}

function commonName(text: string): string {
  return text.slice(0, MAX_NAME);
}

/** By what devices on the network may know the board. */
function ownAddresses(node: string): string[] {
  const host = hostname();
  const names = [node, host, ...(host.includes('.') ? [] : [`${host}.local`]), 'localhost'];
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outside = addresses.filter(({ internal, address }) => !internal && !address.startsWith('fe80:'));
  return [...names.filter((name) => /^[A-Za-z0-9.-]{1,253}$/.test(name)), '127.0.0.1', '::1', ...outside.map(({ address }) => address)];
}

async function readPair({ certificate, key }: CredentialFiles): Promise<Credential> {
  const [first, second] = await Promise.all([readIfThere(certificate), readIfThere(key)]);
  return { certificate: first ?? '', key: second ?? '' };
}

async function writePair(files: CredentialFiles, { certificate, key }: Credential): Promise<void> {
  await writeWhole(files.key, key, SECRET_MODE);
  await writeWhole(files.certificate, certificate, PUBLIC_MODE);
}

function outcomeOf({ certificate: file }: CredentialFiles, before: Credential, reason: string | undefined): Outcome {
  if (before.certificate === '') return { file, action: 'created' };
  return reason === undefined ? { file, action: 'kept' } : { file, action: 'renewed', reason };
}

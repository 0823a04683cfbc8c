/** Owns `hivelet init`: the authority, the cloud's certificates, the admin's token, and the certificate of a node on the same machine. */
import { X509Certificate, generateKeyPairSync, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import path from 'node:path';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import { isNodeName } from '#wire/node-name.ts';
import { authorityFiles, bundleOf, readAuthorities, splitPem } from './authorities.ts';
import type { Credential } from './certificates.ts';
import { PUBLIC_MODE, SECRET_MODE, readIfThere, writeWhole } from './files.ts';
import { addressesOf, canonical, keyFits, parseCertificate, unusable, whyRenew, type Wanted } from './inspection.ts';

export interface CredentialFiles {
  certificate: string;
  key: string;
}

/** Absolute or relative as the data directory is. */
export interface CloudFiles {
  authority: CredentialFiles;
  hub: CredentialFiles;
  api: CredentialFiles;
  adminToken: string;
  /** What the embedded API signs tokens of ServiceAccounts with. */
  accountKey: string;
}

export interface NodeFiles extends CredentialFiles {
  authority: string;
}

/** What became of one file: `renewed` says why. */
export interface Outcome {
  file: string;
  action: 'created' | 'kept' | 'renewed';
  reason?: string;
}

export interface InitOptions {
  dataDir: string;
  /** DNS names and IP addresses under which boards and kubectl reach this machine; those of the machine itself are always added. */
  advertise: readonly string[];
  clock: Pick<Clock, 'now'>;
  /** Issues a certificate for this node too. */
  nodeName?: string;
  /** Certificates of servers and of the node are issued anew, whether they are due or not. */
  forceRenew?: boolean;
}

export interface InitReport {
  files: CloudFiles;
  node?: NodeFiles;
  outcomes: Outcome[];
}

const OWN_ADDRESSES = ['localhost', '127.0.0.1', '::1'];
/** A machine whose clock is older than this program would make certificates that have ended for everybody else. */
const EARLIEST_MS = Date.UTC(2025, 0, 1);

export function cloudFiles(dataDir: string): CloudFiles {
  const pki = (name: string): CredentialFiles => pair(path.join(dataDir, 'pki'), name);
  return {
    authority: pki('ca'),
    hub: pki('hub'),
    api: pki('api'),
    adminToken: path.join(dataDir, 'cloud', 'admin-token'),
    accountKey: path.join(dataDir, 'cloud', 'accounts.key'),
  };
}

export function nodeFiles(dataDir: string): NodeFiles {
  const folder = path.join(dataDir, 'edge', 'pki');
  return { authority: path.join(folder, 'ca.crt'), ...pair(folder, 'node') };
}

/**
 * Makes what is missing and renews what is due; run again, it changes nothing. A server certificate keeps the addresses that it had.
 * The authority is never replaced: all boards know it. Throws CERTIFICATES_UNUSABLE, or USAGE for an address that is none.
 */
export async function initCloud(options: InitOptions): Promise<InitReport> {
  const now = options.clock.now();
  const files = cloudFiles(options.dataDir);
  if (options.nodeName !== undefined) checkedNode(options.nodeName);
  const addresses = [...new Set([...options.advertise.map(checkedAddress), ...OWN_ADDRESSES])];
  const outcomes: Outcome[] = [];
  // A change of authorities that a power cut has ended half-way is finished first.
  await readAuthorities(authorityFiles(options.dataDir));
  const authority = await ensureAuthority(files.authority, { now, outcomes });
  for (const [commonName, place] of [
    ['hivelet-hub', files.hub],
    ['hivelet-api', files.api],
  ] as const) {
    const kept = await addressesAt(place.certificate);
    const all = [...new Set([...addresses, ...kept])];
    await ensureLeaf(place, {
      wanted: { authorities: [authority.parsed], now, addresses },
      outcomes,
      force: options.forceRenew === true,
      issue: async () => (await maker()).issueServer(authority, { commonName, addresses: all, now }),
    });
  }
  outcomes.push(await ensureSecret(files.adminToken, () => `${randomBytes(32).toString('base64url')}\n`));
  if (options.nodeName === undefined) return { files, outcomes };
  const node = await issueNodeCertificate({ ...options, node: options.nodeName });
  return { files, outcomes: [...outcomes, ...node.outcomes], node: node.files };
}

/**
 * The certificate with which a node of this machine joins, below `<data-dir>/edge/pki`; kept while it is good for that node. Needs the authority
 * that `initCloud` made in the same data directory.
 */
export async function issueNodeCertificate(options: {
  dataDir: string;
  node: string;
  clock: Pick<Clock, 'now'>;
  forceRenew?: boolean;
}): Promise<{ files: NodeFiles; outcomes: Outcome[] }> {
  const now = options.clock.now();
  const node = checkedNode(options.node);
  const outcomes: Outcome[] = [];
  const bundle = await readBundle(options.dataDir);
  const authority = await readAuthority(cloudFiles(options.dataDir).authority, now);
  if (authority === undefined) throw unusable(`there is no authority in ${options.dataDir}/pki; run \`hivelet init\` first`);
  const files = nodeFiles(options.dataDir);
  const known = await readIfThere(files.authority);
  const isKnown = known !== undefined && [...splitPem(known)].sort().join() === splitPem(bundle).sort().join();
  if (!isKnown) await writeWhole(files.authority, bundle, PUBLIC_MODE);
  outcomes.push({ file: files.authority, action: known === undefined ? 'created' : isKnown ? 'kept' : 'renewed' });
  const others = splitPem(bundle).map((pem) => new X509Certificate(pem));
  await ensureLeaf(files, {
    wanted: { authorities: [authority.parsed, ...others], now, commonName: `system:node:${node}` },
    outcomes,
    force: options.forceRenew === true,
    issue: async () => (await maker()).issueNode(authority, { node, now }),
  });
  return { files, outcomes };
}

/** All authorities that are trusted, PEM; '' when there is none. */
export async function readBundle(dataDir: string): Promise<string> {
  const authorities = await readAuthorities(authorityFiles(dataDir));
  return authorities === undefined ? '' : bundleOf(authorities);
}

/** What a kubeconfig for the embedded API needs; `authority` may be several, one behind the other. Throws when `hivelet init` has not run. */
export async function readAdminAccess(dataDir: string): Promise<{ authority: string; token: string }> {
  const [authority, token] = [await readBundle(dataDir), await readIfThere(cloudFiles(dataDir).adminToken)];
  if (authority === '' || token === undefined) throw unusable(`there are no certificates in ${dataDir}; run \`hivelet init\` first`);
  return { authority, token: token.trim() };
}

/** PEM of the key with which the embedded API signs tokens of ServiceAccounts; made on first use, where that API is served and nowhere else. */
export async function ensureAccountKey(dataDir: string): Promise<string> {
  const { accountKey } = cloudFiles(dataDir);
  await ensureSecret(accountKey, newKey);
  return (await readIfThere(accountKey)) ?? '';
}

interface Authority extends Credential {
  parsed: X509Certificate;
}

/** The library that makes certificates is 10 MB of memory: a start that finds everything in place does without it. */
function maker(): Promise<typeof import('./certificates.ts')> {
  return import('./certificates.ts');
}

async function ensureAuthority(files: CredentialFiles, context: { now: number; outcomes: Outcome[] }): Promise<Authority> {
  const present = await readAuthority(files, context.now);
  const record = (action: Outcome['action']): number =>
    context.outcomes.push({ file: files.certificate, action }, { file: files.key, action });
  if (present !== undefined) {
    record('kept');
    return present;
  }
  checkClock(context.now);
  const made = await (await maker()).createAuthority(context.now);
  await writeCredential(files, made);
  record('created');
  return { ...made, parsed: parseCertificate(made.certificate, files.certificate) };
}

/** Undefined when neither file is there. One without the other is a fault that only a person can mend. */
async function readAuthority(files: CredentialFiles, now: number): Promise<Authority | undefined> {
  const [certificate, key] = await Promise.all([readIfThere(files.certificate), readIfThere(files.key)]);
  if (certificate === undefined && key === undefined) return undefined;
  if (certificate === undefined || key === undefined) {
    const [there, gone] = certificate === undefined ? [files.key, files.certificate] : [files.certificate, files.key];
    throw unusable(`${there} is there but ${gone} is not; put it back, or remove both and join all boards again`);
  }
  const parsed = parseCertificate(certificate, files.certificate);
  const remedy = 'put the right one back, or remove both and join all boards again';
  if (!keyFits(parsed, key)) throw unusable(`${files.key} is not the key of ${files.certificate}; ${remedy}`);
  if (parsed.publicKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw unusable(`${files.certificate} has no EC P-256 key, the only kind we sign with; ${remedy}`);
  }
  if (Date.parse(parsed.validTo) <= now) {
    throw unusable(`${files.certificate} ended on ${parsed.validTo}; remove ${path.dirname(files.certificate)} and join all boards again`);
  }
  return { certificate, key, parsed };
}

interface LeafTask {
  wanted: Wanted;
  outcomes: Outcome[];
  force: boolean;
  issue: () => Promise<Credential>;
}

async function ensureLeaf(files: CredentialFiles, { wanted, outcomes, issue, force }: LeafTask): Promise<void> {
  const [certificate, key] = await Promise.all([readIfThere(files.certificate), readIfThere(files.key)]);
  const fresh = certificate === undefined && key === undefined;
  const due = whyRenew({ certificate: certificate ?? '', key: key ?? '' }, wanted);
  const reason = due ?? (force ? 'as asked' : undefined);
  if (reason !== undefined) {
    checkClock(wanted.now);
    await writeCredential(files, await issue());
  }
  const outcome = fresh
    ? { action: 'created' as const }
    : reason === undefined
      ? { action: 'kept' as const }
      : { action: 'renewed' as const, reason };
  outcomes.push({ file: files.certificate, ...outcome }, { file: files.key, ...outcome });
}

/** The key first: a certificate without its key would look complete to whoever only looks for it. */
async function writeCredential(files: CredentialFiles, credential: Credential): Promise<void> {
  await writeWhole(files.key, credential.key, SECRET_MODE);
  await writeWhole(files.certificate, credential.certificate, PUBLIC_MODE);
}

/** Never replaced. */
async function ensureSecret(file: string, make: () => string): Promise<Outcome> {
  const present = await readIfThere(file);
  if (present !== undefined && present.trim() !== '') return { file, action: 'kept' };
  await writeWhole(file, make(), SECRET_MODE);
  return { file, action: 'created' };
}

function newKey(): string {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

async function addressesAt(file: string): Promise<string[]> {
  const text = await readIfThere(file);
  if (text === undefined) return [];
  try {
    return addressesOf(new X509Certificate(text));
  } catch {
    return [];
  }
}

/** Only where something is made: a machine that starts in 1970 with everything in place goes on. */
function checkClock(now: number): void {
  if (now >= EARLIEST_MS) return;
  throw unusable(`the clock of this machine says ${new Date(now).toISOString().slice(0, 10)}; set it before making certificates`);
}

/** In its one form. Throws USAGE for what is neither an IP address nor a DNS name. */
export function checkedAddress(address: string): string {
  if (isIP(address) !== 0) return canonical(address);
  if (/^(?:\*\.)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/i.test(address) && address.length <= 253)
    return canonical(address);
  throw new HiveletError(
    'USAGE',
    `"${address}" is neither a DNS name nor an IP address; advertise what boards dial, without port or scheme`,
  );
}

function checkedNode(node: string): string {
  if (isNodeName(node)) return node;
  throw new HiveletError('USAGE', `"${node}" is no node name; use lower-case letters, digits, "-" and "."`);
}

function pair(folder: string, name: string): CredentialFiles {
  return { certificate: path.join(folder, `${name}.crt`), key: path.join(folder, `${name}.key`) };
}

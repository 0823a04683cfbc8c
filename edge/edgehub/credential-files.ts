/**
 * Owns the files of this board's certificate: read as a pair that fits, replaced in one step. A new pair is first written whole into one file beside
 * them, which counts until both have taken its content: a power cut leaves the old pair or the new one, never half of each.
 */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, join, basename } from 'node:path';
import { HiveletError, messageOf } from '#beehive/errors.ts';

/** Paths. */
export interface CredentialFiles {
  caFile: string;
  certFile: string;
  keyFile: string;
}

/** PEM texts; `ca` may be several. */
export interface Credentials {
  ca: string;
  cert: string;
  key: string;
}

const [SECRET_MODE, PUBLIC_MODE] = [0o600, 0o644];
const JOIN = '`hivelet join`';

/** Throws LINK_CLOSED with the file that is missing or unusable, the setting that names it and the remedy. */
export function readCredentials(files: CredentialFiles): Credentials {
  const credentials = readFiles(files);
  checkUsable(files, credentials);
  return credentials;
}

function readFiles(files: CredentialFiles): Credentials {
  const ca = required(files.caFile, 'tlsCaFile');
  const pending = readPair(files);
  if (pending !== undefined) {
    // Where it cannot be put in place, it is still the one to use.
    attempt(() => settle(files, pending));
    return { ca, ...pending };
  }
  return { ca, cert: required(files.certFile, 'tlsCertFile'), key: required(files.keyFile, 'tlsPrivateKeyFile') };
}

/** Throws LINK_CLOSED with one sentence. */
export function installPair(files: CredentialFiles, pair: { cert: string; key: string }): void {
  writable(files.certFile, 'tlsCertFile', () => writeWhole(pairFile(files), pair.key + pair.cert, SECRET_MODE));
  attempt(() => settle(files, pair));
  rmSync(askingKeyFile(files), { force: true });
}

/** Throws LINK_CLOSED with one sentence. */
export function installAuthorities(files: CredentialFiles, ca: string): void {
  writable(files.caFile, 'tlsCaFile', () => writeWhole(files.caFile, ca, PUBLIC_MODE));
}

/**
 * The key for which a certificate is asked, kept until it has come: asking again is the same question then. Where it cannot be written nothing is
 * asked. Throws LINK_CLOSED with one sentence.
 */
export async function askingKey(files: CredentialFiles, make: () => Promise<string>): Promise<string> {
  const file = askingKeyFile(files);
  const present = readIfThere(file);
  if (present !== undefined && isKey(present)) return present;
  const made = await make();
  writable(files.keyFile, 'tlsPrivateKeyFile', () => writeWhole(file, made, SECRET_MODE));
  return made;
}

/** SHA-256 of the DER form of each certificate in a PEM text, lower-case hex; empty for what is none. */
export function authorityHashes(pem: string): string[] {
  try {
    return certificatesIn(pem).map(({ fingerprint256 }) => fingerprint256.replaceAll(':', '').toLowerCase());
  } catch {
    return [];
  }
}

/** Throws for what cannot be read. */
export function certificatesIn(pem: string): X509Certificate[] {
  const texts = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return texts.map((text) => new X509Certificate(text));
}

function settle(files: CredentialFiles, { cert, key }: { cert: string; key: string }): void {
  writeWhole(files.keyFile, key, SECRET_MODE);
  writeWhole(files.certFile, cert, PUBLIC_MODE);
  rmSync(pairFile(files), { force: true });
}

/** Undefined when there is none, or none that is whole. */
function readPair(files: CredentialFiles): { cert: string; key: string } | undefined {
  const text = readIfThere(pairFile(files));
  const at = text?.indexOf('-----BEGIN CERTIFICATE-----') ?? -1;
  if (text === undefined || at < 0) return undefined;
  const pair = { key: text.slice(0, at), cert: text.slice(at) };
  try {
    return new X509Certificate(pair.cert).checkPrivateKey(createPrivateKey(pair.key)) ? pair : undefined;
  } catch {
    return undefined;
  }
}

/** What a renewal that was interrupted may have left. */
export function leftovers(files: CredentialFiles): string[] {
  return [pairFile(files), askingKeyFile(files)];
}

function pairFile({ certFile }: CredentialFiles): string {
  return `${certFile}.next`;
}

function askingKeyFile({ keyFile }: CredentialFiles): string {
  return `${keyFile}.asking`;
}

function isKey(text: string): boolean {
  try {
    return createPrivateKey(text).asymmetricKeyType === 'ec';
  } catch {
    return false;
  }
}

function required(path: string, setting: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const [what, remedy] = isMissing
      ? ['it is not there', `run ${JOIN}, or set modules.edgeHub.enable to false to work without a cloud`]
      : [messageOf(cause), 'let the edge read it'];
    throw new HiveletError('LINK_CLOSED', `cannot read ${path} (modules.edgeHub.${setting}): ${what}; ${remedy}`, { cause });
  }
}

/** What TLS would say of a damaged file is "no start line". */
function checkUsable(files: CredentialFiles, { ca, cert, key }: Credentials): void {
  parsed(() => certificatesIn(ca)[0] ?? new X509Certificate(''), `${files.caFile} (modules.edgeHub.tlsCaFile) holds no certificate`);
  const certificate = parsed(() => new X509Certificate(cert), `${files.certFile} (modules.edgeHub.tlsCertFile) holds no certificate`);
  const place = `${files.keyFile} (modules.edgeHub.tlsPrivateKeyFile)`;
  const own = parsed(() => createPrivateKey(key), `${place} holds no private key`);
  if (!certificate.checkPrivateKey(own)) throw damaged(`${place} is not the key of ${files.certFile}`);
}

function parsed<T>(parse: () => T, otherwise: string): T {
  try {
    return parse();
  } catch (cause) {
    throw damaged(otherwise, cause);
  }
}

function damaged(what: string, cause?: unknown): HiveletError {
  return new HiveletError('LINK_CLOSED', `${what}; put it back, or \`hivelet reset\` and ${JOIN}`, { cause });
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function writable(path: string, setting: string, write: () => void): void {
  try {
    write();
  } catch (cause) {
    const remedy = `let the edge write to ${dirname(path)}, or name files there that it may write`;
    throw new HiveletError('LINK_CLOSED', `cannot replace ${path} (modules.edgeHub.${setting}): ${messageOf(cause)}; ${remedy}`, { cause });
  }
}

function attempt(work: () => void): void {
  try {
    work();
  } catch {
    // The next reading tries again.
  }
}

/** Beside, synced, renamed, folder synced. */
function writeWhole(file: string, text: string, mode: number): void {
  const beside = join(dirname(file), `.${basename(file)}.new`);
  rmSync(beside, { force: true });
  const handle = openSync(beside, 'wx', mode);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(beside, file);
  const folder = openSync(dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

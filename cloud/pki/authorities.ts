/**
 * Owns the authorities on disk while one takes over from another: `ca` is behind the servers and is what boards are told first, `ca-next` is its
 * successor, `ca-old` its predecessor that is still trusted. Each step is whole after a power cut, or is finished at the next look.
 */
import { X509Certificate } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Credential } from './certificates.ts';
import { PUBLIC_MODE, SECRET_MODE, readIfThere, syncFolder, writeWhole } from './files.ts';
import { keyFits } from './inspection.ts';

export interface AuthorityFiles {
  certificate: string;
  key: string;
  nextCertificate: string;
  nextKey: string;
  oldCertificate: string;
}

export interface Authorities {
  /** PEM. */
  primary: string;
  next: Credential | undefined;
  /** PEM. */
  old: string | undefined;
}

export function authorityFiles(dataDir: string): AuthorityFiles {
  const at = (name: string): string => path.join(dataDir, 'pki', name);
  return {
    certificate: at('ca.crt'),
    key: at('ca.key'),
    nextCertificate: at('ca-next.crt'),
    nextKey: at('ca-next.key'),
    oldCertificate: at('ca-old.crt'),
  };
}

/** Undefined where there is none. Finishes a step that a power cut has ended half-way. */
export async function readAuthorities(files: AuthorityFiles): Promise<Authorities | undefined> {
  const [key, nextCertificate] = [await readIfThere(files.key), await readIfThere(files.nextCertificate)];
  const nextKey = await readIfThere(files.nextKey);
  // The key of the successor is in place, its certificate is not yet: see `moveToNext`.
  const isHalfMoved = key !== undefined && nextCertificate !== undefined && nextKey === undefined && fits(nextCertificate, key);
  if (isHalfMoved) await rename(files.nextCertificate, files.certificate);
  const primary = await readIfThere(files.certificate);
  if (primary === undefined) return undefined;
  const hasNext = !isHalfMoved && nextCertificate !== undefined && nextKey !== undefined && fits(nextCertificate, nextKey);
  return {
    primary,
    next: hasNext ? { certificate: nextCertificate, key: nextKey } : undefined,
    old: await readIfThere(files.oldCertificate),
  };
}

/** Certificates that are trusted, the one behind the servers first. PEM, one behind the other. */
export function bundleOf({ primary, next, old }: Authorities): string {
  return joinPem([primary, next?.certificate, old]);
}

/** Each once, in this order; what is undefined is left out. */
export function joinPem(texts: readonly (string | undefined)[]): string {
  const certificates = texts.filter((text) => text !== undefined).flatMap((text) => splitPem(text));
  return [...new Set(certificates)].map((text) => `${text}\n`).join('');
}

/** The certificates in a PEM text, each by itself. */
export function splitPem(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

export async function writeNext(files: AuthorityFiles, next: Credential): Promise<void> {
  await writeWhole(files.nextKey, next.key, SECRET_MODE);
  await writeWhole(files.nextCertificate, next.certificate, PUBLIC_MODE);
}

/** The successor takes the place of the authority, whose key is gone then: nothing more is to be signed with it. */
export async function moveToNext(files: AuthorityFiles, { primary }: Pick<Authorities, 'primary'>): Promise<void> {
  await writeWhole(files.oldCertificate, primary, PUBLIC_MODE);
  await rename(files.nextKey, files.key);
  await rename(files.nextCertificate, files.certificate);
  await syncFolder(path.dirname(files.key));
}

/** The predecessor is remembered as one that is still trusted. */
export async function keepOld(files: AuthorityFiles, old: string): Promise<void> {
  await writeWhole(files.oldCertificate, old, PUBLIC_MODE);
}

export async function dropOld(files: AuthorityFiles): Promise<void> {
  await rm(files.oldCertificate, { force: true });
  await rm(files.nextKey, { force: true });
  await rm(files.nextCertificate, { force: true });
}

function fits(certificate: string, key: string): boolean {
  try {
    return keyFits(new X509Certificate(certificate), key);
  } catch {
    return false;
  }
}

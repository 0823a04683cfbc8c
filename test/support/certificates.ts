/** Owns certificates for tests of TLS, made by openssl: an authority, and what it signs. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { havePeer, peerPath } from './peers.ts';
import { tempDir } from './temp-dir.ts';

export interface Pair {
  certFile: string;
  keyFile: string;
  cert: string;
  key: string;
}

export interface TestAuthority extends Pair {
  /** `days` may be negative: it has ended. */
  issue(commonName: string, options?: { days?: number; server?: boolean }): Pair;
}

const nothing: Pair = { certFile: '', keyFile: '', cert: '', key: '' };

function openssl(...args: string[]): void {
  execFileSync(peerPath('openssl'), args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

function newKey(directory: string, name: string): string {
  const keyFile = join(directory, `${name}.key`);
  openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', keyFile);
  return keyFile;
}

function pair(certFile: string, keyFile: string): Pair {
  return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
}

/** Without openssl an empty one: the tests that use it are skipped (`needing(test, 'openssl')`). */
export function createTestAuthority(name = 'test authority'): TestAuthority {
  if (!havePeer('openssl')) return { ...nothing, issue: () => nothing };
  const directory = tempDir();
  const keyFile = newKey(directory, 'ca');
  const certFile = join(directory, 'ca.crt');
  openssl('req', '-x509', '-new', '-key', keyFile, '-subj', `/CN=${name}`, '-days', '30', '-out', certFile);
  let serial = 1;
  const issue = (commonName: string, { days = 30, server = false }: { days?: number; server?: boolean } = {}): Pair => {
    const id = `c${String(++serial)}`;
    const key = newKey(directory, id);
    const [csr, crt, ext] = ['csr', 'crt', 'ext'].map((end) => join(directory, `${id}.${end}`)) as [string, string, string];
    openssl('req', '-new', '-key', key, '-subj', commonName === '' ? '/O=nameless' : `/CN=${commonName}`, '-out', csr);
    const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1\n';
    writeFileSync(ext, server ? `${names}extendedKeyUsage=serverAuth\n` : 'extendedKeyUsage=clientAuth\n');
    const signing = ['x509', '-req', '-in', csr, '-CA', certFile, '-CAkey', keyFile, '-set_serial', String(serial), '-extfile', ext];
    openssl(...signing, '-days', String(days), '-out', crt);
    return pair(crt, key);
  };
  return { ...pair(certFile, keyFile), issue };
}

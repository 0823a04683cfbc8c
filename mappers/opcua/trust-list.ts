/** Owns the trust list: which servers' certificates are trusted, which were seen and are not, as files of the PKI folder. */
import { createHash, X509Certificate } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { HiveletError, messageOf } from '#beehive/errors.ts';

export type TrustWord = 'trusted' | 'waiting';

export interface ListedCertificate {
  /** SHA-1 of the certificate, upper case: the name that OPC UA tools show. */
  readonly thumbprint: string;
  readonly trust: TrustWord;
  /** Of the subject, or all of it. */
  readonly name: string;
  readonly hosts: readonly string[];
  /** ISO 8601. */
  readonly validTo: string;
  readonly file: string;
}

/** Whoever answers on the network could otherwise fill the card with certificates. */
const MOST_WAITING = 50;
const LARGEST_FILE = 64 * 1024;
const SHORTEST_PREFIX = 6;

export class TrustList {
  readonly #folders: Readonly<Record<TrustWord, string>>;

  /** `directory` is `<data-dir>/edge/pki/opcua`; the names below it are those of the OPC UA specification. */
  constructor(directory: string) {
    this.#folders = { trusted: path.join(directory, 'trusted', 'certs'), waiting: path.join(directory, 'rejected') };
  }

  /** Trusted ones first. Files that are no certificates are left out. */
  async list(): Promise<readonly ListedCertificate[]> {
    return [...(await this.#listed('trusted')), ...(await this.#listed('waiting'))];
  }

  /** Whether the first certificate of a DER chain is itself in the list. */
  async isTrusted(chain: Buffer): Promise<boolean> {
    const wanted = new X509Certificate(chain).raw;
    for (const { file } of await filesOf(this.#folders.trusted))
      if ((await readCertificate(file))?.raw.equals(wanted) === true) return true;
    return false;
  }

  /** Notes a certificate that a server showed and that nobody decided on; the oldest give way. */
  async wait(der: Buffer): Promise<void> {
    const folder = await this.#made('waiting');
    const files = await filesOf(folder);
    for (const { file } of files.sort((a, b) => a.changedMs - b.changedMs).slice(0, Math.max(0, files.length - MOST_WAITING + 1)))
      await rm(file, { force: true });
    await write(path.join(folder, `${thumbprintOf(der)}.der`), der);
  }

  /** Trusts a listed certificate, by its thumbprint or the beginning of it. Throws NOT_FOUND. */
  async trust(thumbprint: string): Promise<ListedCertificate> {
    return this.#move(thumbprint, 'trusted');
  }

  /** Trusts no longer, or not at all. Throws NOT_FOUND. */
  async reject(thumbprint: string): Promise<ListedCertificate> {
    return this.#move(thumbprint, 'waiting');
  }

  /** Trusts the certificate in a file, PEM or DER, before the server was ever met. Throws NOT_FOUND. */
  async trustFile(file: string): Promise<ListedCertificate> {
    const found = await readCertificate(file);
    if (found === undefined)
      throw new HiveletError(
        'NOT_FOUND',
        `${file} holds no certificate: name a PEM or DER file, or the thumbprint that hivelet opcua trust lists`,
      );
    const target = path.join(await this.#made('trusted'), `${thumbprintOf(found.raw)}.der`);
    await write(target, found.raw);
    return listed(found, 'trusted', target);
  }

  async #move(thumbprint: string, to: TrustWord): Promise<ListedCertificate> {
    const wanted = thumbprint.replace(/[\s:]/g, '').toUpperCase();
    const all = await this.list();
    const matching = all.filter((each) => each.thumbprint.startsWith(wanted));
    const [found] = matching;
    const different = new Set(matching.map((each) => each.thumbprint)).size;
    if (found === undefined || wanted.length < SHORTEST_PREFIX || different > 1) {
      const why =
        wanted.length < SHORTEST_PREFIX
          ? `is too short: write at least ${SHORTEST_PREFIX} digits`
          : different > 1
            ? 'is the beginning of several: write more digits'
            : 'is not listed: run hivelet opcua trust to see what is';
      throw new HiveletError('NOT_FOUND', `the thumbprint ${thumbprint} ${why}`);
    }
    const target = path.join(await this.#made(to), `${found.thumbprint}.der`);
    const certificate = await readCertificate(found.file);
    if (certificate !== undefined) await write(target, certificate.raw);
    for (const { file } of matching) if (file !== target) await rm(file, { force: true });
    return { ...found, trust: to, file: target };
  }

  async #listed(trust: TrustWord): Promise<ListedCertificate[]> {
    const read = (await filesOf(this.#folders[trust])).map(async ({ file }) => {
      const certificate = await readCertificate(file);
      return certificate === undefined ? [] : [listed(certificate, trust, file)];
    });
    return (await Promise.all(read)).flat().sort((a, b) => a.name.localeCompare(b.name));
  }

  async #made(trust: TrustWord): Promise<string> {
    const folder = this.#folders[trust];
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw new HiveletError('CERTIFICATES_UNUSABLE', `${folder} cannot be made: ${messageOf(cause)}`, { cause });
    }
    return folder;
  }
}

/** SHA-1 of a DER certificate, upper case. It names certificates; what is trusted is compared as a whole. */
export function thumbprintOf(der: Uint8Array): string {
  return createHash('sha1').update(der).digest('hex').toUpperCase();
}

/** Undefined when there is none in the file. */
export async function readCertificate(file: string): Promise<X509Certificate | undefined> {
  try {
    if ((await stat(file)).size > LARGEST_FILE) return undefined;
    return new X509Certificate(await readFile(file));
  } catch {
    return undefined;
  }
}

/** Host names and addresses that a certificate is made for. */
export function hostsOf(certificate: X509Certificate): string[] {
  const names = certificate.subjectAltName?.match(/(?:DNS|IP Address):[^,]+/g) ?? [];
  return names.map((name) => name.replace(/^[^:]*:/, '').replace(/^"|"$/g, ''));
}

export function nameOfCertificate({ subject }: X509Certificate): string {
  return /^CN=(.+)$/m.exec(subject)?.[1] ?? subject.replaceAll('\n', ', ');
}

function listed(certificate: X509Certificate, trust: TrustWord, file: string): ListedCertificate {
  return {
    thumbprint: thumbprintOf(certificate.raw),
    trust,
    name: nameOfCertificate(certificate),
    hosts: hostsOf(certificate),
    validTo: new Date(certificate.validTo).toISOString(),
    file,
  };
}

async function filesOf(folder: string): Promise<{ file: string; changedMs: number }[]> {
  const names = await readdir(folder).catch(() => []);
  const files = names.map(async (name) => {
    const file = path.join(folder, name);
    const found = await stat(file).catch(() => undefined);
    return found?.isFile() === true ? [{ file, changedMs: found.mtimeMs }] : [];
  });
  return (await Promise.all(files)).flat();
}

/** Whole or not at all: the mapper may read it at this moment. */
async function write(file: string, der: Buffer): Promise<void> {
  const made = `${file}.new`;
  try {
    await writeFile(made, der, { mode: 0o600 });
    await rename(made, file);
  } catch (cause) {
    throw new HiveletError('CERTIFICATES_UNUSABLE', `${file} cannot be written: ${messageOf(cause)}`, { cause });
  }
}

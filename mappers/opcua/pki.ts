/** Owns the PKI folder: the board's own certificate, made on first use, and what the trust list says of others. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { HiveletError, isHiveletError, messageOf } from '#beehive/errors.ts';
import type { Engine } from './engine.ts';
import { ownFiles } from './own-files.ts';
import { checkServerCertificate, type ServerCheck } from './server-certificate.ts';
import { TrustList } from './trust-list.ts';

/** A certificate with its key, in memory. */
export interface KeyPair {
  /** DER, the own certificate first. */
  readonly chain: readonly Buffer[];
  readonly privateKeyPem: string;
  /** What the certificate says that it is for; a client must give the same name of itself. */
  readonly applicationUri: string;
}

/** A board without a clock boots in 1970: the certificate must not depend on when it was made. */
const VALID_FROM = new Date('2020-01-01T00:00:00Z');
const VALID_DAYS = 365 * 40;
const KEY_BITS = 2048;

/** One at a time per folder: two devices may come up at once on a new board. */
const making = new Map<string, Promise<KeyPair>>();

export class Pki {
  readonly #directory: string;
  readonly #engine: Engine;

  constructor(directory: string, engine: Engine) {
    this.#directory = directory;
    this.#engine = engine;
  }

  /** Throws CERTIFICATES_UNUSABLE. */
  own(): Promise<KeyPair> {
    const running = making.get(this.#directory);
    if (running !== undefined) return running;
    const made = this.#own().finally(() => making.delete(this.#directory));
    making.set(this.#directory, made);
    return made;
  }

  /** Throws as `checkServerCertificate` does; what waits for a decision is in the trust list then. */
  async check(chain: Buffer, check: ServerCheck): Promise<void> {
    try {
      await checkServerCertificate(chain, check, (shown) => this.#opinion(shown));
    } catch (error) {
      const waiting = isHiveletError(error) ? error.facts['waiting'] : undefined;
      if (Buffer.isBuffer(waiting)) await new TrustList(this.#directory).wait(waiting);
      throw error;
    }
  }

  async #own(): Promise<KeyPair> {
    const [certificateFile, keyFile] = ownFiles(this.#directory);
    try {
      const there = await Promise.all([readFile(certificateFile), readFile(keyFile)]).catch(() => undefined);
      if (there === undefined) await this.#make(certificateFile);
      const [certificate, key] = there ?? (await Promise.all([readFile(certificateFile), readFile(keyFile)]));
      return keyPairOf(certificate, key);
    } catch (cause) {
      throw new HiveletError(
        'CERTIFICATES_UNUSABLE',
        `the own certificate in ${this.#directory} cannot be used: ${messageOf(cause)}; remove the folder own to have it made anew`,
        { cause },
      );
    }
  }

  async #make(certificateFile: string): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await this.#managed(async (manager) => {
      const host = hostname();
      await manager.createSelfSignedCertificate({
        applicationUri: `urn:${host}:hivelet`,
        dns: [host],
        outputFile: certificateFile,
        subject: `/CN=Hivelet on ${host}`.slice(0, 64),
        startDate: VALID_FROM,
        validity: VALID_DAYS,
      });
    });
    await Promise.all([chmod(this.#directory, 0o700), ...ownFiles(this.#directory).map((file) => chmod(file, 0o600))]);
  }

  /** Read anew each time: somebody may have decided meanwhile. A list of revoked certificates counts where there is one. */
  async #opinion(chain: Buffer): Promise<string> {
    const status: string = await this.#managed((manager) =>
      manager.verifyCertificate(chain, {
        acceptCertificateWithValidIssuerChain: true,
        acceptOutdatedCertificate: true,
        ignoreMissingRevocationList: true,
      }),
    );
    // Who trusts this very certificate needs not know who issued it.
    const isPinned = status === 'BadCertificateChainIncomplete' && (await new TrustList(this.#directory).isTrusted(chain));
    return isPinned ? 'Good' : status;
  }

  async #managed<T>(job: (manager: InstanceType<Engine['certificates']['OPCUACertificateManager']>) => Promise<T>): Promise<T> {
    const { OPCUACertificateManager } = this.#engine.certificates;
    const manager = new OPCUACertificateManager({ rootFolder: this.#directory, keySize: KEY_BITS, disableFileWatchers: true });
    try {
      await manager.initialize();
      return await job(manager);
    } finally {
      await manager.dispose();
    }
  }
}

/** PEM or DER. Throws what Node throws when they do not go together or are none. */
export function keyPairOf(certificate: Buffer, key: Buffer): KeyPair {
  const chain = chainOf(certificate);
  const own = new X509Certificate(chain[0] ?? certificate);
  const privateKey = key.includes('-----BEGIN') ? createPrivateKey(key) : derKey(key);
  if (!own.checkPrivateKey(privateKey)) throw new Error('the private key does not belong to the certificate');
  const applicationUri = /URI:([^,]+)/.exec(own.subjectAltName ?? '')?.[1] ?? '';
  return { chain, privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), applicationUri };
}

/** DER of each certificate in a PEM or DER file. */
export function chainOf(certificate: Buffer): Buffer[] {
  const blocks = certificate.toString('latin1').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  return (blocks ?? [certificate]).map((each) => new X509Certificate(each).raw);
}

function derKey(key: Buffer): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
  } catch {
    return createPrivateKey({ key, format: 'der', type: 'pkcs1' });
  }
}

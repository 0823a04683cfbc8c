/**
 * Owns which authorities and server certificates this cloudcore works with: read from its files, renewed before they end, moved along when one
 * authority takes over from another. Whoever serves is told when they change; nothing has to be started again.
 */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import {
  authorityFiles,
  bundleOf,
  dropOld,
  joinPem,
  keepOld,
  moveToNext,
  readAuthorities,
  writeNext,
  type Authorities,
} from './authorities.ts';
import { cloudFiles, initCloud } from './init.ts';
import { keyFits, unusable } from './inspection.ts';
import { authorityHash, type SigningAuthority } from './node-signer.ts';
import { openKey } from './sealed-key.ts';

/** PEM texts; `ca` may be several, the one behind the servers first. */
export interface ServerTls {
  ca: string;
  cert: string;
  key: string;
}

/** Where a change of authorities is. PEM texts; `sealed` as `sealKey` made it. */
export interface AuthorityStep {
  phase: 'overlap' | 'moved' | 'dropped';
  old: string;
  next: string;
  sealed: string;
}

/** Files that the configuration names; '' = our own. */
export type NamedFiles = Record<'tlsCAFile' | 'tlsCAKeyFile' | 'tlsCertFile' | 'tlsPrivateKeyFile', string>;

export interface AuthoritySiteOptions {
  dataDir: string;
  named: NamedFiles;
  advertise: readonly string[];
  clock: Clock;
  log: Logger;
}

export class AuthoritySite {
  readonly #options: AuthoritySiteOptions;
  readonly #listeners: ((tls: ServerTls) => void | Promise<void>)[] = [];
  #tls: ServerTls | undefined;
  #trusted: { bundle: string; signer: string } | undefined;
  #step: AuthorityStep | undefined;

  constructor(options: AuthoritySiteOptions) {
    this.#options = options;
  }

  /** Told of each change after the first reading. */
  onChange(listener: (tls: ServerTls) => void | Promise<void>): void {
    this.#listeners.push(listener);
  }

  /** What servers use right now. Throws CONFIG_INVALID for a file that cannot be read. */
  async tls(): Promise<ServerTls> {
    return (this.#tls ??= await this.#read());
  }

  /** Reads the files again; who serves is told when they say something else. A pair that is being written is left for the next time. */
  async look(): Promise<void> {
    const [before, now] = [this.#tls, await this.#read()];
    if (before !== undefined && before.ca === now.ca && before.cert === now.cert && before.key === now.key) return;
    if (!keyFits(new X509Certificate(now.cert), now.key)) return;
    this.#tls = now;
    this.#trusted = undefined;
    for (const listener of this.#listeners) await listener(now);
  }

  /** Issues what is due of our own server certificates. */
  async renew(): Promise<void> {
    const { dataDir, advertise, clock, log } = this.#options;
    const { outcomes } = await initCloud({ dataDir, advertise, clock });
    for (const { file, action, reason } of outcomes) if (action !== 'kept') log.info('pki.file', { file, action, reason });
    await this.look();
  }

  /** PEM: trusted authorities, and the one with which renewals are signed here ('' = its key is not here). */
  async trusted(): Promise<{ bundle: string; signer: string }> {
    if (this.#trusted !== undefined) return this.#trusted;
    const { ca: bundle } = await this.tls();
    const signer = await this.signer('renew').catch(() => undefined);
    return (this.#trusted = { bundle, signer: signer?.certificate ?? '' });
  }

  /** Who signs: boards that join know the authority behind the servers only; those that renew get the successor's. */
  async signer(purpose: 'join' | 'renew'): Promise<SigningAuthority> {
    const { named, dataDir } = this.#options;
    const authorities = await this.#authorities();
    if (purpose === 'renew' && authorities.next !== undefined) {
      return { ...authorities.next, name: authorityFiles(dataDir).nextKey };
    }
    const file = named.tlsCAKeyFile || authorityFiles(dataDir).key;
    const key = await readFile(file, 'utf8').catch((cause: unknown) => {
      throw unusable(`this cloud cannot sign: ${messageOf(cause)} (modules.cloudHub.tlsCAKeyFile)`, cause);
    });
    return { certificate: authorities.primary, key, name: `${file} (modules.cloudHub.tlsCAKeyFile)` };
  }

  /** Goes along with a change of authorities. Throws with one sentence why it cannot. */
  async follow(step: AuthorityStep | undefined): Promise<void> {
    this.#step = step;
    if (step !== undefined) await this.#followTo(step);
    await this.renew();
  }

  async #followTo(step: AuthorityStep): Promise<void> {
    const { named, dataDir } = this.#options;
    const taken = Object.entries(named).find(([, file]) => file !== '');
    const authorities = await this.#authorities();
    const [here, old, next] = [authorities.primary, step.old, step.next].map(authorityHash) as [string, string, string];
    if (taken !== undefined) {
      if (step.phase === 'dropped' || here === next) return;
      throw unusable(
        `modules.cloudHub.${taken[0]} names ${taken[1]}, so this cloudcore cannot move to the new authority by itself: put its files there`,
      );
    }
    const files = authorityFiles(dataDir);
    if (here !== old && here !== next) {
      throw unusable(
        `the authority in ${dataDir}/pki is neither the old nor the new one of \`hivelet ca rotate\`: copy pki/ca.crt and pki/ca.key from the cloud where that ran`,
      );
    }
    if (here === next) return step.phase === 'dropped' ? dropOld(files) : keepOld(files, step.old);
    const hasNext = authorities.next !== undefined && authorityHash(authorities.next.certificate) === next;
    if (step.phase === 'dropped' && hasNext) {
      // By force: the servers had not moved.
      await moveToNext(files, authorities);
      return dropOld(files);
    }
    if (step.phase === 'dropped') {
      throw unusable(
        `the authority in ${dataDir}/pki was replaced and dropped: copy pki/ca.crt and pki/ca.key from the cloud where \`hivelet ca rotate\` ran`,
      );
    }
    if (!hasNext) {
      const by = await readFile(files.key, 'utf8');
      await writeNext(files, { certificate: step.next, key: openKey(step.sealed, { by, name: next }) });
    }
    if (step.phase === 'moved') await moveToNext(files, authorities);
  }

  async #authorities(): Promise<Authorities> {
    const { named, dataDir } = this.#options;
    if (named.tlsCAFile !== '') return { primary: await this.#text('tlsCAFile', ''), next: undefined, old: undefined };
    const authorities = await readAuthorities(authorityFiles(dataDir));
    if (authorities === undefined) throw unusable(`there is no authority in ${dataDir}/pki; run \`hivelet init\` first`);
    return authorities;
  }

  async #read(): Promise<ServerTls> {
    const { hub } = cloudFiles(this.#options.dataDir);
    const [cert, key] = await Promise.all([this.#text('tlsCertFile', hub.certificate), this.#text('tlsPrivateKeyFile', hub.key)]);
    const authorities = await this.#authorities();
    // A cloudcore with files of its own choice still trusts what the others issue.
    const shared = this.#step === undefined || this.#step.phase === 'dropped' ? [] : [this.#step.next, this.#step.old];
    return { ca: joinPem([bundleOf(authorities), ...shared]), cert, key };
  }

  async #text(key: keyof NamedFiles, own: string): Promise<string> {
    const file = this.#options.named[key] || own;
    try {
      return await readFile(file, 'utf8');
    } catch (cause) {
      throw unreadable(file, key, cause);
    }
  }
}

function unreadable(file: string, key: string, cause: unknown): HiveletError {
  return new HiveletError('CONFIG_INVALID', `cannot read ${file} (modules.cloudHub.${key}): ${messageOf(cause)}`, { cause });
}

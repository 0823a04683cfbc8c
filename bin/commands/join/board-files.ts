/** Owns what a join leaves on the board: certificates and `edgecore.yaml`, each written whole and in an order that is never half a join; and undoing it. */
import { X509Certificate } from 'node:crypto';
import { chmodSync } from 'node:fs';
import { mkdir, rename, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { isMap, parseDocument } from 'yaml';
import { HiveletError } from '#beehive/errors.ts';
import { PUBLIC_MODE, SECRET_MODE, readIfThere, writeWhole } from '../../../cloud/pki/files.ts';
import { nodeFiles, type NodeFiles } from '../../../cloud/pki/init.ts';
import { installPair, leftovers, type CredentialFiles } from '../../../edge/edgehub/credential-files.ts';

export interface BoardFiles extends NodeFiles {
  /** A key for which a certificate was asked and not yet received. */
  pendingKey: string;
  config: string;
  /** The configuration before the join; an empty one stands for none. */
  configBefore: string;
}

/** PEM texts. */
export interface Joined {
  authority: string;
  certificate: string;
  key: string;
}

export interface JoinSettings {
  /** `host:port` of the link. */
  server: string;
  node: string;
  /** URL of the certificate port, where it is not the usual one of that host. */
  door?: string;
}

export function boardFiles(dataDir: string): BoardFiles {
  const edge = path.join(dataDir, 'edge');
  return {
    ...nodeFiles(dataDir),
    pendingKey: path.join(edge, 'pki', 'joining.key'),
    config: path.join(edge, 'edgecore.yaml'),
    configBefore: path.join(edge, 'edgecore.yaml.before-join'),
  };
}

/** The node and the authority of a join that was finished; undefined when there was none. */
export async function joinedAs(files: BoardFiles): Promise<(Joined & { node: string }) | undefined> {
  const [authority, certificate, key] = await Promise.all([files.authority, files.certificate, files.key].map(readIfThere));
  if (authority === undefined || certificate === undefined || key === undefined) return undefined;
  try {
    const parsed = new X509Certificate(certificate);
    const node = /^CN=system:node:(.+)$/m.exec(parsed.subject)?.[1] ?? '';
    return { authority, certificate, key, node };
  } catch {
    // A certificate that nobody can read is none.
    return undefined;
  }
}

/** The certificate comes last: it is what makes a board one that has joined. */
export async function writeJoin(files: BoardFiles, joined: Joined, settings: JoinSettings): Promise<void> {
  const present = await readIfThere(files.config);
  const config = configWith(present, settings, files.config);
  if ((await readIfThere(files.configBefore)) === undefined) await writeWhole(files.configBefore, present ?? '', SECRET_MODE);
  await writeWhole(files.config, config, SECRET_MODE);
  await writeWhole(files.authority, joined.authority, PUBLIC_MODE);
  // In one step, also where the board had another pair before.
  installPair(edgeFiles(files), { cert: joined.certificate, key: joined.key });
  await rm(files.pendingKey, { force: true });
}

/** Keeps the key for a second try: the cloud may have answered what never arrived. */
export async function pendingKey(files: BoardFiles, make: () => Promise<string>): Promise<string> {
  const present = await readIfThere(files.pendingKey);
  if (present !== undefined) return present;
  const made = await make();
  await mkdir(path.dirname(files.pendingKey), { recursive: true, mode: 0o700 });
  chmodSync(path.dirname(files.pendingKey), 0o700);
  await writeWhole(files.pendingKey, made, SECRET_MODE);
  return made;
}

/** The certificate goes first. Answers what was there. */
export async function undoJoin(files: BoardFiles): Promise<string[]> {
  const gone: string[] = [];
  for (const file of [files.certificate, files.key, files.pendingKey, files.authority, ...leftovers(edgeFiles(files))]) {
    if ((await readIfThere(file)) === undefined) continue;
    await rm(file);
    gone.push(file);
  }
  const before = await readIfThere(files.configBefore);
  if (before === undefined) return gone;
  if (before === '') await rm(files.config, { force: true });
  else await rename(files.configBefore, files.config);
  await rm(files.configBefore, { force: true });
  return [...gone, files.config];
}

/** Whatever else the file says stays, comments too. Throws CONFIG_INVALID. */
export function configWith(present: string | undefined, { server, node, door }: JoinSettings, file: string): string {
  const start =
    '# Written by `hivelet join`; `hivelet edge --defaultconfig` prints all settings.\napiVersion: edgecore.config.hivelet.dev/v1alpha1\nkind: EdgeCore\n';
  const document = parseDocument(present === undefined || present.trim() === '' ? start : present);
  if (document.errors.length > 0 || !isMap(document.contents) || document.get('kind') !== 'EdgeCore') {
    throw new HiveletError('CONFIG_INVALID', `${file} is no configuration of kind EdgeCore: mend it or move it away, then join again`);
  }
  document.setIn(['modules', 'edgeHub', 'enable'], true);
  document.setIn(['modules', 'edgeHub', 'websocket', 'server'], server);
  document.setIn(['modules', 'edged', 'hostnameOverride'], node);
  if (door !== undefined) document.setIn(['modules', 'edgeHub', 'httpServer'], door);
  return document.toString();
}

function edgeFiles({ authority, certificate, key }: BoardFiles): CredentialFiles {
  return { caFile: authority, certFile: certificate, keyFile: key };
}

/** After a refusal nothing is left, not even folders that were made for it. */
export async function undoPending(files: BoardFiles): Promise<void> {
  await rm(files.pendingKey, { force: true });
  for (const folder of [path.dirname(files.pendingKey), path.dirname(files.config)]) await rmdir(folder).catch(() => undefined);
}

/** Owns how a device's protocol block becomes an OPC UA link: endpoint, security, identity, time-out. */
import { createHash } from 'node:crypto';
import { HiveletError } from '#beehive/errors.ts';
import { field, fieldsAt, flagOf, nameOf, numberOf, type Fields } from '#device-models/fields.ts';

export type SecurityPolicyName =
  'None' | 'Basic128Rsa15' | 'Basic256' | 'Basic256Sha256' | 'Aes128_Sha256_RsaOaep' | 'Aes256_Sha256_RsaPss';
export type SecurityModeName = 'None' | 'Sign' | 'SignAndEncrypt';

/** What the Device names as a secret: never its content. `path` is the field, for errors. */
export interface Reference {
  readonly reference: string;
  readonly path: string;
}

export interface KeyPairReference {
  readonly certificate: Reference;
  readonly privateKey: Reference;
}

export type Identity =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'password'; readonly userName: string; readonly password?: Reference }
  | ({ readonly kind: 'certificate' } & KeyPairReference);

export interface OpcuaLink {
  /** As written: `opc.tcp://host:port/path`. */
  readonly url: string;
  readonly host: string;
  readonly policy: SecurityPolicyName;
  readonly mode: SecurityModeName;
  readonly identity: Identity;
  /** Absent: the board's own certificate. */
  readonly application?: KeyPairReference;
  /** The server must show exactly this certificate; it needs no entry in the trust list. */
  readonly remoteCertificate?: Reference;
  /** The server's certificate may name other hosts than the url does. */
  readonly anyHostName: boolean;
  readonly timeoutMs: number;
}

const DEFAULT_TIMEOUT_MS = 5000;
const LONGEST_TIMEOUT_MS = 60_000;
/** KubeEdge does not say in what unit `timeout` is: up to a minute it can only be meant in seconds. */
const MOST_SECONDS = 60;
/** Where the generations put the settings, nearest first. */
const NESTED = ['configData', 'opcua', 'common', 'customizedValues'] as const;

const policies: ReadonlyMap<string, SecurityPolicyName> = new Map(
  (['None', 'Basic128Rsa15', 'Basic256', 'Basic256Sha256', 'Aes128_Sha256_RsaOaep', 'Aes256_Sha256_RsaPss'] as const).map((name) => [
    folded(name),
    name,
  ]),
);
const modes: ReadonlyMap<string, SecurityModeName> = new Map(
  (['None', 'Sign', 'SignAndEncrypt'] as const).map((name) => [folded(name), name]),
);

/** Reads the block of any generation. Throws PROFILE_INVALID with the field. */
export function readOpcuaLink(input: Fields, at: string): OpcuaLink {
  const find = finder(input, at);
  const { url, host } = readUrl(find, at);
  const application = keyPair(find, { certificate: 'certificate', privateKey: 'privateKey' });
  const remoteCertificate = referenceAt(find('remoteCertificate'));
  return {
    url,
    host,
    ...readSecurity(find),
    identity: readIdentity(find),
    ...(application === undefined ? {} : { application }),
    ...(remoteCertificate === undefined ? {} : { remoteCertificate }),
    anyHostName: flagOf(find('anyHostName')?.value) ?? false,
    timeoutMs: readTimeout(find('timeout')),
  };
}

/** Devices with the same text share a session: same server, security and identity. It holds no secret, nor what was written as one. */
export function opcuaLinkKey(link: OpcuaLink): string {
  const { url, host, timeoutMs, ...rest } = link;
  const parts = createHash('sha256')
    .update(JSON.stringify([url, host, timeoutMs, rest]))
    .digest('hex');
  const user = link.identity.kind === 'password' ? ` as ${link.identity.userName}` : '';
  return `${url}${user} #${parts.slice(0, 8)}`;
}

interface Found {
  path: string;
  value: unknown;
}

type Find = (name: string) => Found | undefined;

function finder(input: Fields, at: string): Find {
  const blocks = blocksOf(input, at);
  return (name) => {
    for (const { path, fields } of blocks) {
      const value = field(fields, name);
      if (value !== undefined && value !== null && value !== '') return { path: `${path}.${name}`, value };
    }
    return undefined;
  };
}

/** The block and what is nested in it; deeper than a Device can be written, it ends. */
function blocksOf(fields: Fields, path: string, depth = 0): { path: string; fields: Fields }[] {
  if (depth > 3) return [];
  const nested = NESTED.flatMap((name) => {
    const inner = fieldsAt(fields, name);
    return inner === undefined ? [] : blocksOf(inner, `${path}.${name}`, depth + 1);
  });
  return [{ path, fields }, ...nested];
}

function readUrl(find: Find, at: string): { url: string; host: string } {
  const found = find('url');
  if (found === undefined)
    throw new HiveletError('PROFILE_INVALID', `${at}.url: is missing; add the server's endpoint, for instance opc.tcp://192.0.2.4:4840`, {
      facts: { path: `${at}.url` },
    });
  const written = nameOf(found.value) ?? '';
  // A password in the url would end in logs.
  const [, host] = /^opc\.tcp:\/\/(\[[0-9a-f:.]+\]|[^\s/:@[\]]+)(?::\d{1,5})?(?:\/[^\s]*)?$/i.exec(written) ?? [];
  if (host === undefined) throw fault(found, 'is no endpoint: write opc.tcp://HOST:PORT, and the path if the server has one');
  return { url: written, host: host.replace(/^\[|\]$/g, '') };
}

/** One of both given alone means the usual other one; neither means an unsecured channel, as in KubeEdge. */
function readSecurity(find: Find): { policy: SecurityPolicyName; mode: SecurityModeName } {
  const policy = wordOf(find('securityPolicy'), policies);
  const mode = wordOf(find('securityMode'), modes);
  if (policy === undefined && mode === undefined) return { policy: 'None', mode: 'None' };
  const full = {
    policy: policy ?? (mode === 'None' ? 'None' : 'Basic256Sha256'),
    mode: mode ?? (policy === 'None' ? 'None' : 'SignAndEncrypt'),
  } as const;
  if ((full.policy === 'None') !== (full.mode === 'None'))
    throw fault(find('securityMode'), `does not go with securityPolicy ${full.policy}: either both are None or neither`);
  return full;
}

/** `Aes128Sha256RsaOaep`, `aes128_sha256_rsaoaep` and the policy's URI are the same. */
function wordOf<Word>(found: Found | undefined, words: ReadonlyMap<string, Word>): Word | undefined {
  if (found === undefined) return undefined;
  const word = words.get(folded((nameOf(found.value) ?? '').replace(/^.*#/, '')));
  if (word === undefined) throw fault(found, `is not known: write one of ${[...words.values()].join(', ')}`);
  return word;
}

function readIdentity(find: Find): Identity {
  const user = find('userName');
  const pair = keyPair(find, { certificate: 'userCertificate', privateKey: 'userPrivateKey' });
  if (pair !== undefined && user !== undefined) throw fault(user, 'stands beside userCertificate: a session has one identity, keep one');
  if (pair !== undefined) return { kind: 'certificate', ...pair };
  const userName = nameOf(user?.value);
  if (userName === undefined) return { kind: 'anonymous' };
  const password = referenceAt(find('password'));
  return { kind: 'password', userName, ...(password === undefined ? {} : { password }) };
}

function keyPair(find: Find, names: { certificate: string; privateKey: string }): KeyPairReference | undefined {
  const certificate = referenceAt(find(names.certificate));
  const privateKey = referenceAt(find(names.privateKey));
  if (certificate === undefined && privateKey === undefined) return undefined;
  if (certificate !== undefined && privateKey !== undefined) return { certificate, privateKey };
  const [there, missing] = certificate === undefined ? [privateKey, names.certificate] : [certificate, names.privateKey];
  throw new HiveletError('PROFILE_INVALID', `${there?.path ?? ''}: stands alone; add ${missing}`, { facts: { path: there?.path } });
}

function referenceAt(found: Found | undefined): Reference | undefined {
  const reference = nameOf(found?.value);
  return found === undefined || reference === undefined ? undefined : { reference, path: found.path };
}

function readTimeout(found: Found | undefined): number {
  const number = found === undefined ? 0 : numberOf(found.value);
  const ms = number === undefined || number > MOST_SECONDS ? number : number * 1000;
  if (ms === undefined || ms < 0 || ms > LONGEST_TIMEOUT_MS)
    throw fault(found, `is no time-out: write seconds up to ${MOST_SECONDS}, or milliseconds up to ${LONGEST_TIMEOUT_MS}`);
  return ms === 0 ? DEFAULT_TIMEOUT_MS : Math.max(ms, 100);
}

function folded(word: string): string {
  return word.replace(/[_\s-]/g, '').toLowerCase();
}

function fault(found: Found | undefined, what: string): HiveletError {
  return new HiveletError('PROFILE_INVALID', `${found?.path ?? ''}: ${JSON.stringify(found?.value)} ${what}`, {
    facts: { path: found?.path },
  });
}

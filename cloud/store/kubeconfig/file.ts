/** Owns kubeconfig files: reads the current context of one, writes one for the embedded API server. */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import { FileText } from './file-text.ts';

/** All that a client needs to reach one cluster. PEM texts, not paths. What comes from a file is read anew when that file changed. */
export interface KubeAccess {
  /** `https://host:port`, a path before the API's own behind it, without a trailing slash. */
  readonly server: string;
  readonly ca?: string | undefined;
  readonly token?: () => string;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Name to check in the server's certificate, where it differs from the host. */
  readonly serverName?: string;
  readonly insecureSkipTlsVerify?: boolean;
  /** Namespace of the context, `default` when it names none. */
  readonly namespace: string;
}

/** A mapping of the file, and its name in what a person reads. */
interface Section {
  readonly file: string;
  readonly where: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What would send requests elsewhere, or as somebody else, when it were ignored. */
const REFUSED: readonly [part: 'cluster' | 'user', field: string, remedy: string][] = [
  ['cluster', 'proxy-url', 'a proxy is not supported; name an address of the API server that can be reached directly'],
  ['user', 'exec', 'programs that make credentials are not run; use a token, a tokenFile or a client certificate'],
  ['user', 'auth-provider', 'authentication plugins are not supported; use a token, a tokenFile or a client certificate'],
  ['user', 'username', 'Kubernetes knows no passwords since 1.19; use a token, a tokenFile or a client certificate'],
  ['user', 'as', 'impersonation is not supported; use the credentials of that user'],
];

/** Reads the current context. Throws `HiveletError` CONFIG_INVALID with the file and the field. */
export function readKubeconfig(file: string): KubeAccess {
  const root = { file, where: 'the file', fields: asRecord(parseFile(file), file, 'the file') };
  const { 'current-context': current } = root.fields;
  if (textOf(current) === undefined) throw invalid(file, 'current-context is missing: name one of contexts');
  const context = entryOf(root, { list: 'contexts', part: 'context', name: current });
  const cluster = entryOf(root, { list: 'clusters', part: 'cluster', name: context.fields['cluster'] });
  const user =
    textOf(context.fields['user']) === undefined
      ? { file, where: 'user', fields: {} }
      : entryOf(root, { list: 'users', part: 'user', name: context.fields['user'] });
  const parts = { cluster, user };
  for (const [part, field, remedy] of REFUSED) {
    if (parts[part].fields[field] !== undefined) throw invalid(file, `${parts[part].where}.${field}: ${remedy}`);
  }
  const server = serverOf(cluster);
  const insecureSkipTlsVerify = cluster.fields['insecure-skip-tls-verify'] === true;
  const ca = pemOf(cluster, 'certificate-authority');
  if (insecureSkipTlsVerify && ca !== undefined) {
    throw invalid(file, `${cluster.where} has both insecure-skip-tls-verify and a certificate-authority: leave out one of them`);
  }
  const serverName = textOf(cluster.fields['tls-server-name']);
  return accessOf({
    server,
    namespace: textOf(context.fields['namespace']) ?? 'default',
    ca,
    ...certificateOf(user),
    token: tokenOf(user),
    ...(serverName === undefined ? {} : { serverName }),
    ...(insecureSkipTlsVerify ? { insecureSkipTlsVerify } : {}),
  });
}

/** Access from inside a pod: service account files and `KUBERNETES_SERVICE_*`. Throws CONFIG_INVALID. */
export function readInClusterAccess(
  env: Readonly<Record<string, string | undefined>>,
  folder = '/var/run/secrets/kubernetes.io/serviceaccount',
): KubeAccess {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  if (host === undefined || port === undefined) {
    throw new HiveletError('CONFIG_INVALID', 'not inside a cluster: KUBERNETES_SERVICE_HOST is not set; name a kubeconfig file');
  }
  const token = new FileText(join(folder, 'token'));
  const ca = new FileText(join(folder, 'ca.crt'));
  return accessOf({
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca: () => ca.text,
    token: () => token.text.trim(),
    namespace: new FileText(join(folder, 'namespace')).text.trim(),
  });
}

type Source = () => string;
type Sources = Omit<KubeAccess, 'ca' | 'cert' | 'key' | 'token'> & Partial<Record<'ca' | 'cert' | 'key' | 'token', Source | undefined>>;

function accessOf({ ca, cert, key, token, ...rest }: Sources): KubeAccess {
  return {
    ...rest,
    ...(token === undefined ? {} : { token }),
    get ca() {
      return ca?.();
    },
    get cert() {
      return cert?.();
    },
    get key() {
      return key?.();
    },
  };
}

export interface NewKubeconfig {
  server: string;
  /** PEM. */
  ca: string;
  token: string;
  user?: string;
  cluster?: string;
}

/** Writes the file in one step, readable by its owner only (0600), its folder made when missing. */
export function writeKubeconfig(file: string, { server, ca, token, user = 'admin', cluster = 'hivelet' }: NewKubeconfig): void {
  const content = stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: cluster, cluster: { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') } }],
    users: [{ name: user, user: { token } }],
    contexts: [{ name: cluster, context: { cluster, user } }],
    'current-context': cluster,
  });
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${randomBytes(4).toString('hex')}`;
  writeFileSync(draft, content, { mode: 0o600 });
  chmodSync(draft, 0o600);
  renameSync(draft, file);
}

function parseFile(file: string): unknown {
  const { text } = new FileText(file);
  try {
    return parse(text);
  } catch (cause) {
    throw new HiveletError('CONFIG_INVALID', `${file} is not YAML: ${messageOf(cause)}`, { cause });
  }
}

function entryOf({ file, fields }: Section, { list, part, name }: { list: string; part: string; name: unknown }): Section {
  const value = fields[list];
  const entries: unknown[] = Array.isArray(value) ? value : [];
  const found = entries.filter(isRecord).find((entry) => entry['name'] === name);
  if (found === undefined) throw invalid(file, `${list} has no entry named ${JSON.stringify(name ?? null)}`);
  const where = `${list}[${String(name)}].${part}`;
  return { file, where, fields: asRecord(found[part] ?? {}, file, where) };
}

function serverOf({ file, where, fields }: Section): string {
  const server = textOf(fields['server']);
  if (server === undefined) throw invalid(file, `${where}.server is missing`);
  // kubectl takes a bare address for plain HTTP.
  const address = server.includes('://') ? server : `http://${server}`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol) || url.search !== '' || url.username !== '') {
    throw invalid(file, `${where}.server is ${JSON.stringify(server)}: write it as https://host:port`);
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

/** A file wins over a text, as in other clients: it is what gets renewed. */
function tokenOf(user: Section): Source | undefined {
  const path = textOf(user.fields['tokenFile']);
  if (path !== undefined) {
    const file = fileOf(user, 'tokenFile', path);
    if (file.text.trim() === '') throw invalid(user.file, `${user.where}.tokenFile: ${path} is empty`);
    return () => file.text.trim();
  }
  const token = textOf(user.fields['token']);
  return token === undefined ? undefined : () => token;
}

function certificateOf(user: Section): { cert: Source | undefined; key: Source | undefined } {
  const cert = pemOf(user, 'client-certificate');
  const key = pemOf(user, 'client-key');
  if ((cert === undefined) !== (key === undefined)) {
    const [has, lacks] = key === undefined ? ['client-certificate', 'client-key'] : ['client-key', 'client-certificate'];
    throw invalid(user.file, `${user.where} has a ${has} but no ${lacks}`);
  }
  return { cert, key };
}

/** Text within the file wins over a path. */
function pemOf(holder: Section, field: string): Source | undefined {
  const data = textOf(holder.fields[`${field}-data`]);
  if (data !== undefined) {
    const text = Buffer.from(data, 'base64').toString('utf8');
    if (!text.includes('-----BEGIN ')) throw invalid(holder.file, `${holder.where}.${field}-data is not PEM in base64`);
    return inline(holder.file, field, text);
  }
  const path = textOf(holder.fields[field]);
  if (path === undefined) return undefined;
  const file = fileOf(holder, field, path);
  if (!file.text.includes('-----BEGIN ')) throw invalid(holder.file, `${holder.where}.${field}: ${path} is not PEM`);
  return () => file.text;
}

/** A kubeconfig of ours is written anew when its authority changes. What cannot be read any more counts as it was. */
function inline(file: string, field: string, text: string): Source {
  const whole = new FileText(file);
  let [seen, pem] = [whole.text, text];
  return () => {
    if (whole.text === seen) return pem;
    seen = whole.text;
    try {
      const { ca, cert, key } = readKubeconfig(file);
      pem =
        new Map([
          ['certificate-authority', ca],
          ['client-certificate', cert],
          ['client-key', key],
        ]).get(field) ?? pem;
    } catch {
      // Somebody is writing it by hand.
    }
    return pem;
  };
}

/** Paths in a kubeconfig are relative to the file. */
function fileOf(holder: Section, field: string, path: string): FileText {
  try {
    return new FileText(isAbsolute(path) ? path : join(dirname(holder.file), path));
  } catch (cause) {
    throw new HiveletError('CONFIG_INVALID', `kubeconfig ${holder.file}: ${holder.where}.${field}: ${messageOf(cause)}`, { cause });
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function asRecord(value: unknown, file: string, what: string): Record<string, unknown> {
  if (!isRecord(value)) throw invalid(file, `${what} is not a mapping`);
  return value;
}

function invalid(file: string, what: string): HiveletError {
  return new HiveletError('CONFIG_INVALID', `kubeconfig ${file}: ${what}`);
}

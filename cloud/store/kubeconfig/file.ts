/** Owns kubeconfig files: reads the current context of one, writes one for the embedded API server. */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { HiveletError, messageOf } from '#beehive/errors.ts';

/** All that a client needs to reach one cluster. PEM texts, not paths. */
export interface KubeAccess {
  /** `https://host:port`, without a trailing slash. */
  server: string;
  ca?: string;
  /** Read per request: a mounted service account token changes while the process runs. */
  token?: () => string;
  cert?: string;
  key?: string;
  /** Name to check in the server's certificate, where it differs from the host. */
  serverName?: string;
  insecureSkipTlsVerify?: boolean;
  /** Namespace of the context, `default` when it names none. */
  namespace: string;
}

interface Named {
  name?: unknown;
  [section: string]: unknown;
}

/** Reads the current context. Throws `HiveletError` CONFIG_INVALID with the file and the field. */
export function readKubeconfig(file: string): KubeAccess {
  const config = asRecord(parseFile(file), file, 'the file');
  const contextName = config['current-context'];
  const context = section(config, { list: 'contexts', part: 'context', name: contextName, file });
  const cluster = section(config, { list: 'clusters', part: 'cluster', name: context['cluster'], file });
  const user = section(config, { list: 'users', part: 'user', name: context['user'], file });
  const server = textOf(cluster['server']);
  if (server === undefined) throw invalid(file, 'clusters[].cluster.server is missing');
  if (user['exec'] !== undefined || user['auth-provider'] !== undefined) {
    throw invalid(file, 'users[].user asks for an exec plugin, which is not supported: use a token or a client certificate');
  }
  const material = (holder: Record<string, unknown>, field: string): string | undefined => pem(holder, field, file);
  const token = tokenOf(user, file);
  const ca = material(cluster, 'certificate-authority');
  const cert = material(user, 'client-certificate');
  const key = material(user, 'client-key');
  const serverName = textOf(cluster['tls-server-name']);
  return {
    server: server.replace(/\/+$/, ''),
    namespace: textOf(context['namespace']) ?? 'default',
    ...(ca === undefined ? {} : { ca }),
    ...(token === undefined ? {} : { token }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(serverName === undefined ? {} : { serverName }),
    ...(cluster['insecure-skip-tls-verify'] === true ? { insecureSkipTlsVerify: true } : {}),
  };
}

/** Access from inside a pod: service account files and `KUBERNETES_SERVICE_*`. */
export function readInClusterAccess(
  env: Readonly<Record<string, string | undefined>>,
  folder = '/var/run/secrets/kubernetes.io/serviceaccount',
): KubeAccess {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  if (host === undefined || port === undefined) {
    throw new HiveletError('CONFIG_INVALID', 'not inside a cluster: KUBERNETES_SERVICE_HOST is not set; name a kubeconfig file');
  }
  const tokenFile = join(folder, 'token');
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca: readText(join(folder, 'ca.crt')),
    token: () => readText(tokenFile).trim(),
    namespace: readText(join(folder, 'namespace')).trim(),
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
  const text = readText(file);
  try {
    return parse(text);
  } catch (cause) {
    throw new HiveletError('CONFIG_INVALID', `${file} is not YAML: ${messageOf(cause)}`, { cause });
  }
}

function section(
  config: Record<string, unknown>,
  want: { list: string; part: string; name: unknown; file: string },
): Record<string, unknown> {
  const list = config[want.list];
  const entries: Named[] = Array.isArray(list) ? (list as Named[]) : [];
  const found = entries.find((entry) => entry?.name === want.name);
  if (found === undefined) throw invalid(want.file, `${want.list} has no entry named ${JSON.stringify(want.name ?? null)}`);
  return asRecord(found[want.part] ?? {}, want.file, `${want.list}[].${want.part}`);
}

function tokenOf(user: Record<string, unknown>, file: string): (() => string) | undefined {
  const token = textOf(user['token']);
  if (token !== undefined) return () => token;
  const path = textOf(user['tokenFile']);
  if (path === undefined) return undefined;
  const absolute = beside(file, path);
  return () => readText(absolute).trim();
}

function pem(holder: Record<string, unknown>, field: string, file: string): string | undefined {
  const data = textOf(holder[`${field}-data`]);
  if (data !== undefined) return Buffer.from(data, 'base64').toString('utf8');
  const path = textOf(holder[field]);
  return path === undefined ? undefined : readText(beside(file, path));
}

/** Paths in a kubeconfig are relative to the file. */
function beside(file: string, path: string): string {
  return isAbsolute(path) ? path : join(dirname(file), path);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new HiveletError('CONFIG_INVALID', `cannot read ${file}: ${messageOf(cause)}`, { cause });
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function asRecord(value: unknown, file: string, what: string): Record<string, unknown> {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw invalid(file, `${what} is not a mapping`);
  return value as Record<string, unknown>;
}

function invalid(file: string, what: string): HiveletError {
  return new HiveletError('CONFIG_INVALID', `kubeconfig ${file}: ${what}`);
}

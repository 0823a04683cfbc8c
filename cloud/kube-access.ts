/** Owns which Kubernetes API cloudcore works on: a cluster's, the embedded one in this process, or that of a running `hivelet api`. */
import { X509Certificate, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#beehive/clock.ts';
import type { Config } from '#beehive/config.ts';
import { HiveletError, isHiveletError } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { parseListen, type settings } from './config.ts';
import { keyFits } from './pki/inspection.ts';
import { cloudFiles, ensureAccountKey, readAdminAccess, readBundle } from './pki/init.ts';
import { readFile } from 'node:fs/promises';
import type { AuditOptions } from './store/embedded/audit/audit-log.ts';
import { openApiServer, type ApiServer } from './store/embedded/server.ts';
import { ADMIN_GROUP } from './store/embedded/access/user.ts';
import { KubeClient } from './store/kubeconfig/client.ts';
import { readInClusterAccess, readKubeconfig, writeKubeconfig, type KubeAccess } from './store/kubeconfig/file.ts';

export interface ApiOptions {
  config: Config<typeof settings>;
  dataDir: string;
  clock: Clock;
  log: Logger;
}

export interface ChosenApi {
  access: KubeAccess;
  /** Set when the API is served from this process. */
  server?: ApiServer;
  /** Takes over what the files of certificate and authorities say now, in the server and in the kubeconfig. */
  refresh?: () => Promise<void>;
}

export function kubeconfigFile(dataDir: string): string {
  return join(dataDir, 'kubeconfig');
}

/** Needs the certificates of `initCloud`. Throws CONFIG_INVALID, STORE_LOCKED, PORT_IN_USE with what to do. */
export async function chooseApi(options: ApiOptions): Promise<ChosenApi> {
  const { config, dataDir, log } = options;
  const given = config.get('kubeAPIConfig.kubeConfig');
  if (given !== '') {
    log.info('api.cluster', { kubeConfig: given });
    return { access: readKubeconfig(given) };
  }
  if (!config.get('modules.apiServer.enable')) return foundAccess(dataDir, log);
  try {
    return await serveApi(options);
  } catch (error) {
    const running = isHiveletError(error, 'STORE_LOCKED') ? await runningApi(options) : undefined;
    if (running === undefined) throw error;
    log.info('api.shared', { server: running.server, reason: 'its database is open in a running `hivelet api`, so that one is used' });
    return { access: running };
  }
}

/** Opens the embedded API and writes its kubeconfig. */
export async function serveApi({ config, dataDir, clock, log }: ApiOptions): Promise<Required<ChosenApi>> {
  const listen = parseListen(config.get('modules.apiServer.listen'), 'modules.apiServer.listen');
  const { token } = await readAdminAccess(dataDir);
  let tls = await readApiTls(dataDir);
  const accountKey = await ensureAccountKey(dataDir);
  // So that the audit log tells cloudcore from people.
  const own = randomBytes(32).toString('base64url');
  const server = await openApiServer({
    dataDir: config.get('modules.apiServer.database') || join(dataDir, 'cloud'),
    listen,
    tls,
    tokens: [
      { token, user: 'admin', groups: [ADMIN_GROUP] },
      { token: own, user: 'system:hivelet:cloudcore', groups: [ADMIN_GROUP] },
    ],
    accountKey,
    ...(config.get('modules.apiServer.audit.enable') ? { audit: auditOf(config, dataDir) } : {}),
    clock,
    log: log.child({ module: 'apiServer' }),
  });
  // A wildcard address is nothing to dial, and the certificate names this machine itself.
  const dialled = ['0.0.0.0', '::'].includes(listen.host) ? '127.0.0.1' : listen.host;
  const address = `https://${dialled.includes(':') ? `[${dialled}]` : dialled}:${server.port}`;
  const file = kubeconfigFile(dataDir);
  writeKubeconfig(file, { server: address, ca: tls.ca, token });
  const refresh = async (): Promise<void> => {
    const now = await readApiTls(dataDir);
    if (now.ca === tls.ca && now.cert === tls.cert && now.key === tls.key) return;
    // A pair that is being written fits the next time.
    if (!keyFits(new X509Certificate(now.cert), now.key)) return;
    // Who reads the file from now on trusts what is shown next; who has read it before follows the file.
    if (now.ca !== tls.ca) writeKubeconfig(file, { server: address, ca: now.ca, token });
    server.useTls(now);
    tls = now;
  };
  const { server: url, namespace } = readKubeconfig(file);
  const access: KubeAccess = {
    server: url,
    namespace,
    token: () => own,
    get ca() {
      return tls.ca;
    },
  };
  return { access, server, refresh };
}

async function readApiTls(dataDir: string): Promise<{ ca: string; cert: string; key: string }> {
  const { api } = cloudFiles(dataDir);
  const [cert, key] = await Promise.all([readFile(api.certificate, 'utf8'), readFile(api.key, 'utf8')]);
  return { ca: await readBundle(dataDir), cert, key };
}

function auditOf(config: ApiOptions['config'], dataDir: string): AuditOptions {
  return {
    file: join(dataDir, 'cloud', 'audit.log'),
    maxBytes: config.get('modules.apiServer.audit.maxSizeMiB') * 1024 * 1024,
    maxFiles: config.get('modules.apiServer.audit.maxFiles'),
    controllers: config.get('modules.apiServer.audit.controllers'),
  };
}

/** No kubeconfig named, no embedded API wanted: that of `hivelet api` beside us, else the cluster that we run in. */
function foundAccess(dataDir: string, log: Logger): ChosenApi {
  const own = kubeconfigFile(dataDir);
  if (existsSync(own)) {
    log.info('api.cluster', { kubeConfig: own });
    return { access: readKubeconfig(own) };
  }
  if (process.env['KUBERNETES_SERVICE_HOST'] !== undefined) return { access: readInClusterAccess(process.env) };
  throw new HiveletError(
    'CONFIG_INVALID',
    `modules.apiServer.enable is false and there is no ${own}: set kubeAPIConfig.kubeConfig, or start \`hivelet api\``,
  );
}

async function runningApi({ dataDir, clock }: ApiOptions): Promise<KubeAccess | undefined> {
  const file = kubeconfigFile(dataDir);
  if (!existsSync(file)) return undefined;
  const access = readKubeconfig(file);
  const client = new KubeClient({ access, clock, timeoutMs: 3000 });
  try {
    await client.raw('/version');
    return access;
  } catch {
    return undefined;
  } finally {
    client.close();
  }
}

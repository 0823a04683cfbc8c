/** Owns embedded Kubernetes API servers of tests: certificates, a free port, raw requests, and our own client. */
import { readFileSync } from 'node:fs';
import { request as httpsRequest, Agent } from 'node:https';
import path from 'node:path';
import { parse } from 'yaml';
import { systemClock, type Clock } from '#beehive/clock.ts';
import { silentLogger, type Logger } from '#beehive/log.ts';
import { createAuthority, issueServer, issueUser, type Credential } from '#cloud/pki/certificates.ts';
import { openApiServer, type ApiServer, type ApiServerOptions } from '#cloud/store/embedded/server.ts';
import { customResourceDefinitions, type KubeApi, type KubeObject, type KubeObjectInput } from '#cloud/store/kube-api.ts';
import { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { tempDir } from './temp-dir.ts';

export const ADMIN_TOKEN = 'admin-token-of-the-tests';

export interface TestApiServer {
  readonly server: ApiServer;
  readonly url: string;
  /** PEM of the authority that signed the server's certificate. */
  readonly ca: string;
  /** The server's own certificate and key. */
  readonly credential: Credential;
  readonly dataDir: string;
  readonly client: KubeClient;
  raw(options: RawRequest): Promise<RawAnswer>;
  close(): Promise<void>;
}

export interface RawRequest {
  method?: string;
  path: string;
  accept?: string;
  contentType?: string;
  /** Sent as it is when a text or bytes, else as JSON. */
  body?: unknown;
  /** Default the admin's; null sends none. */
  token?: string | null;
  headers?: Record<string, string>;
  /** Of the client, instead of a token. */
  certificate?: Credential;
  /** Ends a stream: called with the text so far, true = enough. */
  enough?: (text: string) => boolean;
}

export interface RawAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

interface Credentials {
  ca: string;
  authority: Credential;
  server: Credential;
}

let credentials: Promise<Credentials> | undefined;

async function makeCredentials(): Promise<Credentials> {
  const now = Date.now();
  const authority = await createAuthority(now);
  const server = await issueServer(authority, { commonName: 'api', addresses: ['127.0.0.1', 'localhost'], now });
  return { ca: authority.certificate, authority, server };
}

/** A client certificate of the authority that these servers trust, or of `authority`. */
export async function userCertificate(user: string, groups: readonly string[] = [], authority?: Credential): Promise<Credential> {
  return issueUser(authority ?? (await (credentials ??= makeCredentials())).authority, { user, groups, now: Date.now() });
}

/** Give `dataDir` to open an existing database again. The caller closes it. */
export async function startApiServer(
  options: Partial<Pick<ApiServerOptions, 'dataDir' | 'tokens' | 'window' | 'accountKey' | 'audit'>> & { clock?: Clock; log?: Logger } = {},
): Promise<TestApiServer> {
  const { ca, server: credential } = await (credentials ??= makeCredentials());
  const { dataDir = tempDir(), clock = systemClock, log = silentLogger(), tokens = [], window, accountKey, audit } = options;
  const server = await openApiServer({
    dataDir,
    listen: { host: '127.0.0.1', port: 0 },
    tls: { cert: credential.certificate, key: credential.key, ca },
    tokens: [{ token: ADMIN_TOKEN, user: 'admin', groups: ['system:masters'] }, ...tokens],
    clock,
    log,
    ...(window === undefined ? {} : { window }),
    ...(accountKey === undefined ? {} : { accountKey }),
    ...(audit === undefined ? {} : { audit }),
  });
  const url = `https://127.0.0.1:${server.port}`;
  const client = new KubeClient({ access: { server: url, ca, token: () => ADMIN_TOKEN, namespace: 'default' }, clock: systemClock });
  const agent = new Agent({ ca, keepAlive: true });
  return {
    server,
    url,
    ca,
    credential,
    dataDir,
    client,
    raw: (wanted) => rawRequest(wanted, { port: server.port, agent }),
    close: async () => {
      client.close();
      agent.destroy();
      await server.close();
    },
  };
}

/** The definitions of Device and DeviceModel, as cloudcore installs them. */
export function hiveletDefinitions(): KubeObject[] {
  const folder = path.join(import.meta.dirname, '../../device-models/crds');
  return ['devices.yaml', 'devicemodels.yaml'].map((file) => parse(readFileSync(path.join(folder, file), 'utf8')) as KubeObject);
}

export async function installDefinitions(api: KubeApi, definitions: readonly KubeObjectInput[] = hiveletDefinitions()): Promise<void> {
  for (const definition of definitions) await api.create(customResourceDefinitions, definition);
}

function rawRequest(wanted: RawRequest, { port, agent }: { port: number; agent: Agent }): Promise<RawAnswer> {
  const { method = 'GET', accept, contentType, body, certificate, token = certificate === undefined ? ADMIN_TOKEN : null, enough } = wanted;
  const content = body === undefined ? undefined : typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const headers: Record<string, string> = { ...wanted.headers };
  if (accept !== undefined) headers.Accept = accept;
  if (contentType !== undefined) headers['Content-Type'] = contentType;
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  if (content !== undefined) headers['Content-Length'] = String(Buffer.byteLength(content));
  return new Promise((resolve, reject) => {
    const path = encodeURI(wanted.path).replaceAll('%25', '%');
    // A connection is one user's: no two share one.
    const own =
      certificate === undefined ? {} : { agent: false as const, ca: agent.options.ca, cert: certificate.certificate, key: certificate.key };
    const request = httpsRequest({ host: '127.0.0.1', port, agent, method, path, headers, ...own });
    let failed: Error | undefined;
    request.on('error', (error) => {
      failed = error;
      reject(error);
    });
    request.on('response', (response) => {
      let text = '';
      const done = (): void => resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (enough?.(text) !== true) return;
        done();
        request.destroy();
      });
      response.on('end', done);
      response.on('error', () => (failed === undefined ? done() : undefined));
    });
    request.end(content);
  });
}

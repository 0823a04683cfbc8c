/** Owns the embedded Kubernetes API server: the HTTPS front, start and stop. */
import type { Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '#beehive/clock.ts';
import { messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { KubeError, apiVersionOf } from '../kube-api.ts';
import type { KubeObject, ObjectName, ResourceType } from '../kube-api.ts';
import { AccountTokens } from './access/account-tokens.ts';
import { RoleAggregation } from './access/aggregation.ts';
import { attemptOf } from './access/attempt.ts';
import type { Attempt } from './access/attempt.ts';
import { Authentication } from './access/authentication.ts';
import type { TokenUser } from './access/authentication.ts';
import { ensureRoles } from './access/built-in-roles.ts';
import { actingAs } from './access/impersonation.ts';
import { Rbac } from './access/rbac.ts';
import type { PlainAnswer, User } from './api-request.ts';
import { AuditLog } from './audit/audit-log.ts';
import type { Audited, AuditOptions } from './audit/audit-log.ts';
import { readBody, sendBody, sendPieces } from './http-body.ts';
import { Housekeeping, ensureNamespaces } from './housekeeping.ts';
import { headOf, withBody } from './http-request.ts';
import { KindRegistry } from './kinds/registry.ts';
import { createListener, listenFailure, printable } from './listener.ts';
import { ObjectStore } from './object-store.ts';
import { OpenStreams } from './open-streams.ts';
import { OpenApi } from './openapi.ts';
import { answer } from './routes.ts';
import type { Routes } from './routes.ts';
import { internal, unauthorized } from './status.ts';
import { ObjectStorage } from './storage.ts';
import { parseObject } from './stored-object.ts';
import type { WindowBounds } from './watch-window.ts';
import { AdmissionDenied } from './webhooks/admission-review.ts';
import { Webhooks } from './webhooks/webhooks.ts';

export interface ApiServerOptions {
  /** Folder of the database `kubernetes.db`. */
  dataDir: string;
  /** Port 0 takes a free one. */
  listen: { host: string; port: number };
  /** PEM texts; `ca`, when given, is what client certificates are checked with. */
  tls: { cert: string; key: string; ca?: string };
  tokens: readonly TokenUser[];
  /** PEM of an EC P-256 key: what tokens of ServiceAccounts are signed with. Without one they end with the process. */
  accountKey?: string;
  /** Absent: nothing is recorded. */
  audit?: AuditOptions;
  clock: Clock;
  log: Logger;
  /** Path of better_sqlite3.node where the program is one bundled file. */
  nativeBinding?: string;
  /** Past events kept in memory for watches. */
  window?: WindowBounds;
}

export interface ApiServer {
  readonly port: number;
  /** uid of the namespace kube-system: the identity of this cluster. */
  readonly clusterUid: string;
  /** For webhooks inside this process. */
  readonly webhooks: Pick<Webhooks, 'serve'>;
  readonly stats: { revision: number; objects: number; commits: number; events: number; watches: number };
  /** For who is inside this process: a copy of what is there now, committed or about to be. */
  find(type: ResourceType, name: ObjectName): KubeObject | undefined;
  /** PEM texts, for connections from now on. */
  useTls(tls: ApiServerOptions['tls']): void;
  /** Idempotent. Ends streams, answers what runs, commits, closes the database. */
  close(): Promise<void>;
}

/** The version of Kubernetes that clients are told. */
const VERSION = { major: '1', minor: '32', gitVersion: 'v1.32.0', platform: `${process.platform}/${process.arch}` };

/** Resolves when it serves. Throws `HiveletError` STORE_LOCKED, STORE_UNREADABLE, PORT_IN_USE, CONFIG_INVALID. */
export async function openApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { clock, log, nativeBinding, window } = options;
  const storage = new ObjectStorage({
    file: join(options.dataDir, 'kubernetes.db'),
    ...(nativeBinding === undefined ? {} : { nativeBinding }),
  });
  try {
    const store = new ObjectStore({ storage, clock, log, ...(window === undefined ? {} : { window }) });
    const server = new EmbeddedServer(options, store, storage);
    await server.open();
    return server;
  } catch (error) {
    storage.close();
    throw error;
  }
}

class EmbeddedServer implements ApiServer {
  readonly #options: ApiServerOptions;
  readonly #store: ObjectStore;
  readonly #storage: ObjectStorage;
  readonly #authentication: Authentication;
  readonly #aggregation: RoleAggregation;
  readonly #audit: AuditLog | undefined;
  readonly #routes: Routes;
  readonly #housekeeping: Housekeeping;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #streams: OpenStreams;
  #closing: Promise<void> | undefined;
  readonly webhooks: Webhooks;
  clusterUid = '';

  constructor(options: ApiServerOptions, store: ObjectStore, storage: ObjectStorage) {
    const { clock, log, tls, tokens, accountKey } = options;
    this.#options = options;
    this.#streams = new OpenStreams(options.clock);
    this.#store = store;
    this.#storage = storage;
    const registry = new KindRegistry();
    followDefinitions(store, registry, log);
    this.webhooks = new Webhooks({ store, registry, clock, log });
    const accounts = new AccountTokens({ key: accountKey, store, clock });
    this.#authentication = new Authentication({ tokens, accounts, clock });
    this.#aggregation = new RoleAggregation({ store, log });
    this.#audit = options.audit === undefined ? undefined : new AuditLog(options.audit, { clock, log });
    const engine = { store, registry, webhooks: this.webhooks, rbac: new Rbac(store, log), accounts, clock, log };
    this.#housekeeping = new Housekeeping(engine);
    this.#routes = {
      engine,
      openApi: new OpenApi(registry),
      address: `${options.listen.host}:${options.listen.port}`,
      version: VERSION,
      notReady: () => (this.#closing === undefined ? undefined : 'the server is stopping'),
    };
    this.#server = createListener(tls);
    this.#server.on('request', (request, response) => void this.#serve(request, response));
    this.#server.on('secureConnection', (socket: Socket) => this.#track(socket));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  get stats(): ApiServer['stats'] {
    return { ...this.#store.stats, watches: this.#streams.size };
  }

  async open(): Promise<void> {
    const { listen, log } = this.#options;
    this.clusterUid = await ensureNamespaces(this.#routes.engine);
    await ensureRoles(this.#routes.engine);
    await this.#aggregation.start();
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause: NodeJS.ErrnoException) => reject(listenFailure(listen, cause)));
      this.#server.listen(listen.port, listen.host, resolve);
    });
    this.#server.on('error', (error) => log.error('api.server.failed', { error }));
    this.#housekeeping.start();
    log.info('api.listening', { host: listen.host, port: this.port, revision: this.#store.revision });
  }

  find(type: ResourceType, { namespace = '', name }: ObjectName): KubeObject | undefined {
    const stored = this.#store.get(type.group === '' ? type.plural : `${type.plural}.${type.group}`, namespace, name);
    return stored === undefined ? undefined : parseObject(stored, apiVersionOf(type));
  }

  useTls(tls: ApiServerOptions['tls']): void {
    this.#server.setSecureContext({ ...tls, minVersion: 'TLSv1.3' });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#streams.endAll();
    this.#server.closeIdleConnections();
    const grace = this.#options.clock.timer(1000, () => {
      for (const socket of this.#sockets) socket.destroy();
    });
    await closed;
    grace.cancel();
    await Promise.all([this.#housekeeping.stop(), this.#aggregation.stop()]);
    this.webhooks.close();
    await this.#store.close();
    await this.#audit?.close();
    this.#storage.close();
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined);
    let audited: Audited | undefined;
    try {
      const known = this.#knownUser(incoming);
      const head = headOf(incoming, known);
      const attempt = attemptOf(head);
      if (this.#audit !== undefined && head.method !== 'GET') audited = auditedOf(incoming, { head, attempt });
      const { rbac } = this.#routes.engine;
      const user = actingAs(rbac, known, incoming);
      rbac.demand(user, attempt);
      const answered = await answer(this.#routes, withBody({ ...head, user }, await readBody(incoming)));
      if ('start' in answered) return this.#streams.start(response, answered, () => this.#mayGoOn(incoming, attempt));
      if (audited !== undefined) this.#audit?.answered(audited, answered);
      audited = undefined;
      await this.#send(response, answered);
    } catch (error) {
      this.#refuse(response, error, { incoming, audited });
    }
  }

  /** Throws 401. */
  #knownUser({ headers, socket }: IncomingMessage): User {
    const known = this.#authentication.userOf(headers.authorization, socket);
    if (known === undefined) throw unauthorized();
    return known;
  }

  #mayGoOn(incoming: IncomingMessage, attempt: Attempt): boolean {
    const { rbac } = this.#routes.engine;
    try {
      return rbac.decide(actingAs(rbac, this.#knownUser(incoming), incoming), attempt).allowed;
    } catch {
      return false;
    }
  }

  async #send(response: ServerResponse, answered: PlainAnswer): Promise<void> {
    this.#endWhenStopping(response);
    const { status, contentType, headers = {}, warnings = [], body, bytes, pieces } = answered;
    warn(response, warnings);
    response.writeHead(status, {
      'Content-Type': contentType,
      'Cache-Control': 'no-cache, private',
      ...(pieces === undefined ? { 'Content-Length': bytes?.length ?? Buffer.byteLength(body) } : {}),
      ...headers,
    });
    if (pieces !== undefined) await sendPieces(response, pieces);
    else if (bytes === undefined) await sendBody(response, body);
    else response.end(bytes);
  }

  /** The last answer of a connection, so that the stop need not wait for it. */
  #endWhenStopping(response: ServerResponse): void {
    if (this.#closing !== undefined) response.shouldKeepAlive = false;
  }

  #refuse(
    response: ServerResponse,
    error: unknown,
    { incoming, audited }: { incoming: IncomingMessage; audited: Audited | undefined },
  ): void {
    const { log } = this.#options;
    if (incoming.destroyed && !incoming.complete) return;
    if (!(error instanceof KubeError)) log.error('api.request.failed', { method: incoming.method, path: incoming.url, error });
    const { status } = error instanceof KubeError ? error : internal(messageOf(error));
    if (audited !== undefined) this.#audit?.refused(audited, status);
    if (response.headersSent) {
      response.destroy();
      return;
    }
    this.#endWhenStopping(response);
    if (error instanceof AdmissionDenied) warn(response, error.warnings);
    const body = JSON.stringify(status);
    const headers: Record<string, string | number> = {
      'Content-Type': 'application/json',
      'Cache-Control': 'no-cache, private',
      'Content-Length': Buffer.byteLength(body),
    };
    if (status.code === 403) headers['X-Content-Type-Options'] = 'nosniff';
    // The rest of a body that is too large is not read.
    if (status.code === 413) headers['Connection'] = 'close';
    response.writeHead(status.code ?? 500, headers);
    response.end(body);
  }
}

/** Serves a kind from the moment its definition is committed. */
function followDefinitions(store: ObjectStore, registry: KindRegistry, log: Logger): void {
  const resource = 'customresourcedefinitions.apiextensions.k8s.io';
  const apiVersion = 'apiextensions.k8s.io/v1';
  for (const stored of store.list(resource)) {
    try {
      registry.install(parseObject(stored, apiVersion));
    } catch (error) {
      log.error('api.definition.skipped', { name: stored.name, error });
    }
  }
  store.subscribe(resource, (event) => {
    if (event.type === 'DELETED') registry.remove(event.object.name);
    else registry.install(parseObject(event.object, apiVersion));
  });
}

function auditedOf({ headers, socket }: IncomingMessage, what: Pick<Audited, 'head' | 'attempt'>): Audited {
  return { ...what, as: String(headers['impersonate-user'] ?? ''), source: socket.remoteAddress ?? '' };
}

function warn(response: ServerResponse, warnings: readonly string[]): void {
  for (const warning of warnings.slice(0, 20)) response.appendHeader('Warning', `299 - ${JSON.stringify(printable(warning))}`);
}

/**
 * Owns the HTTPS listener of cloudcore (port 10002): the CA certificate, certificates for boards, what a board may ask of itself, health, and the
 * uploads of nodes for whoever has the admin's token.
 */
import { createHash, timingSafeEqual, X509Certificate } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { isUtf8 } from 'node:buffer';
import type { Context, Health, Module } from '#beehive/module.ts';
import { answerEnrolment, type Enrol } from './edge-certificate.ts';
import { listenOn } from './listen.ts';
import { peerOf } from './peer.ts';
import type { StoredUpload, UploadStore } from './upload-store.ts';

export interface HttpsServiceOptions {
  /** Port 0 takes a free one. */
  listen: { host: string; port: number };
  /** PEM texts; `ca` may be several, the first is the one that boards are told. */
  tls: { ca: string; cert: string; key: string };
  /** The oldest that is taken; default TLSv1.3. */
  oldestTls?: 'TLSv1.2' | 'TLSv1.3';
  /** Bearer token of the admin. */
  adminToken: string;
  uploads: UploadStore;
  health: () => { ok: boolean };
  /** Absent: no certificates are issued here. */
  enrol?: Enrol;
  /** What a board is told of its Node; `refused` is one sentence. Absent: nothing. */
  nodeState?: (node: string, fingerprint: string) => Promise<{ refused: string } | { ready: string; message: string }>;
}

/** Uploads read at once. */
const PAGE = 50;
/** A follower that does not read is cut off. */
const MAX_BUFFERED = 8 * 1024 * 1024;
/** Who connects may be anybody. */
const MAX_CONNECTIONS = 1000;
const HANDSHAKE_MS = 10_000;
const REQUEST_MS = 20_000;
/** How often slow requests are looked for. */
const LOOK_MS = 5000;

export class HttpsService implements Module {
  readonly name = 'https';
  readonly #options: HttpsServiceOptions;
  readonly #streams = new Set<ServerResponse>();
  #server: Server | undefined;
  #tls: HttpsServiceOptions['tls'];

  constructor(options: HttpsServiceOptions) {
    this.#options = options;
    this.#tls = options.tls;
  }

  get port(): number {
    return (this.#server?.address() as AddressInfo | null | undefined)?.port ?? 0;
  }

  async start(context: Context): Promise<void> {
    const { listen } = this.#options;
    const tls = this.#tls;
    // A client certificate may be shown (boards do), and is looked at where it counts.
    const tlsOptions = {
      ...tls,
      minVersion: this.#options.oldestTls ?? 'TLSv1.3',
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_MS,
    };
    const limits = { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, connectionsCheckingInterval: LOOK_MS };
    const server = createServer({ ...tlsOptions, ...limits }, (request, response) => {
      response.on('error', () => undefined);
      this.#serve(request, response);
    });
    server.maxConnections = MAX_CONNECTIONS;
    await listenOn(server, { ...listen, setting: 'modules.cloudHub.https.port' });
    server.on('error', (error) => context.failed(error));
    this.#server = server;
    context.log.info('https.listening', { host: listen.host, port: this.port });
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    for (const stream of this.#streams) stream.end();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  }

  health(): Health {
    return { ok: this.#server !== undefined };
  }

  /** For connections from now on. */
  useTls(tls: HttpsServiceOptions['tls']): void {
    this.#tls = tls;
    this.#server?.setSecureContext({ ...tls, minVersion: this.#options.oldestTls ?? 'TLSv1.3' });
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const url = urlOf(request);
    const { enrol } = this.#options;
    if (request.method === 'GET' && url?.pathname === '/edge.crt' && enrol !== undefined)
      return answerEnrolment({ request, response, enrol, authorities: this.#tls.ca });
    request.resume();
    if (url === undefined) return answer(response, 400, 'the address of the request cannot be read\n');
    if (request.method !== 'GET') return answer(response, 405, 'only GET is served here\n');
    switch (url.pathname) {
      case '/ca.crt':
        response.writeHead(200, { 'Content-Type': 'application/octet-stream' });
        return void response.end(new X509Certificate(this.#tls.ca).raw);
      case '/healthz': {
        const health = this.#options.health();
        response.writeHead(health.ok ? 200 : 503, { 'Content-Type': 'application/json' });
        return void response.end(`${JSON.stringify(health)}\n`);
      }
      case '/hivelet/node':
        return void this.#nodeState(request, response).catch(() => answer(response, 503, 'the Kubernetes API does not answer now\n'));
      case '/hivelet/uploads':
        return this.#mayRead(request)
          ? void this.#uploads(url, response).catch(() => response.destroy())
          : answer(response, 401, 'the bearer token of the admin is missing or wrong\n');
      default:
        return answer(response, 404, `there is no ${url.pathname} here\n`);
    }
  }

  async #nodeState(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const peer = peerOf(request.socket);
    const node = peer.kind === 'valid' ? /^system:node:(.+)$/.exec(peer.commonName)?.[1] : undefined;
    if (peer.kind !== 'valid' || node === undefined) return answer(response, 401, 'this needs the client certificate of a node\n');
    const state = await this.#options.nodeState?.(node, peer.fingerprint);
    if (state === undefined) return answer(response, 404, 'nothing is told of nodes here\n');
    if ('refused' in state) return answer(response, 403, `${state.refused}\n`);
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.end(`${JSON.stringify({ node, ...state })}\n`);
  }

  #mayRead(request: IncomingMessage): boolean {
    const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
    return timingSafeEqual(digest(request.headers.authorization ?? ''), digest(`Bearer ${this.#options.adminToken}`));
  }

  /** NDJSON, oldest first; `follow=1` goes on with new ones, `after`, `node` and `last` choose. */
  async #uploads(url: URL, response: ServerResponse): Promise<void> {
    const { uploads } = this.#options;
    const node = url.searchParams.get('node') ?? undefined;
    const last = numberIn(url, 'last');
    let afterSeq = Math.max(numberIn(url, 'after') ?? 0, last === undefined ? 0 : uploads.startOfLast(last, node));
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson', 'Cache-Control': 'no-cache' });
    response.flushHeaders();
    while (!response.destroyed) {
      const page = uploads.list({ afterSeq, limit: PAGE, ...(node === undefined ? {} : { node }) });
      for (const upload of page) response.write(`${JSON.stringify(shownUpload(upload))}\n`);
      afterSeq = page.at(-1)?.seq ?? afterSeq;
      if (page.length < PAGE) break;
      if (response.writableNeedDrain) await drained(response);
    }
    // In the turn of the last list: nothing can come between.
    if (url.searchParams.get('follow') === '1') this.#follow(response, node);
    else response.end();
  }

  #follow(response: ServerResponse, node: string | undefined): void {
    if (response.destroyed) return;
    const stop = this.#options.uploads.follow((upload) => {
      if (node !== undefined && upload.node !== node) return;
      response.write(`${JSON.stringify(shownUpload(upload))}\n`);
      if (response.writableLength > MAX_BUFFERED) response.destroy();
    });
    this.#streams.add(response);
    response.once('close', () => {
      stop();
      this.#streams.delete(response);
    });
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.once('drain', done);
    response.once('close', done);
  });
}

/** Payloads that are no UTF-8 text are shown as base64. */
function shownUpload({ seq, node, topic, payload, receivedMs }: StoredUpload): Record<string, unknown> {
  const body = isUtf8(payload) ? { payload: payload.toString('utf8') } : { payload_base64: payload.toString('base64') };
  return { seq, time: new Date(receivedMs).toISOString(), node, topic, ...body };
}

function numberIn(url: URL, name: string): number | undefined {
  const text = url.searchParams.get(name);
  return text === null || !/^\d{1,15}$/.test(text) ? undefined : Number(text);
}

/** Undefined for what nobody can read. */
function urlOf({ url = '/' }: IncomingMessage): URL | undefined {
  return URL.canParse(url, 'https://cloudcore') ? new URL(url, 'https://cloudcore') : undefined;
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(text);
}

/** Owns the admission module: its HTTPS listener for AdmissionReviews, and the configuration that sends them here. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Timer } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import type { ReviewContext } from '#device-models/review.ts';
import { isKubeError, type KubeApi, type KubeObjectInput } from '../store/kube-api.ts';
import { configurationFor, installConfiguration, type Reach } from './configuration.ts';
import { Reviewer, type ReviewerOptions } from './reviewer.ts';

/** Answers without a socket, as the API server in this process calls it. */
type LocalHandler = (review: Readonly<Record<string, unknown>>) => Promise<unknown>;

export interface AdmissionOptions {
  api: KubeApi;
  /** Port 0 takes a free one. */
  listen: { host: string; port: number };
  /** PEM texts; `ca` is what API servers check the certificate with. */
  tls: { ca: string; cert: string; key: string };
  context: () => ReviewContext | undefined;
  /** DNS name or IP address by which the API server finds us. */
  name: string;
  /** The Service by which a cluster reaches us; absent: by name and port of the listener. */
  service?: { namespace: string; name: string };
  /** Whether this cloudcore writes the configuration. */
  leads?: () => boolean;
  /** Where the API is served from this process: calls to the URL need no socket. */
  serveLocally?: (url: string, handler: LocalHandler) => () => void;
  find?: ReviewerOptions['find'];
}

const PATH = '/validate';
/** Object and old object of the largest size that an API takes, and what is around them. */
const BODY_LIMIT = 8 * 1024 * 1024;
const LOOK_MS = 500;
/** How often the configuration is compared with what it should say. */
const COMPARE_MS = 60_000;
const MOST_CONNECTIONS = 256;

interface Running {
  context: Context;
  server: Server;
  reviewer: Reviewer;
  wanted: KubeObjectInput;
  endLocal: () => void;
}

export class Admission implements Module {
  readonly name = 'admission';
  readonly #options: AdmissionOptions;
  #running: Running | undefined;
  #timer: Timer | undefined;
  /** Monotonic ms of the last comparison that succeeded while we lead. */
  #comparedAt: number | undefined;
  #fault: string | undefined;
  #tls: AdmissionOptions['tls'];

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#tls = options.tls;
  }

  get port(): number {
    return (this.#running?.server.address() as AddressInfo | null | undefined)?.port ?? 0;
  }

  async start(context: Context): Promise<void> {
    const { listen, api, find } = this.#options;
    const tls = this.#tls;
    const { clock, log } = context;
    const reviewer = new Reviewer({ api, find, context: this.#options.context, within: (ms) => within(clock, ms) });
    const server = createServer({ cert: tls.cert, key: tls.key, minVersion: 'TLSv1.2' }, (request, response) => {
      response.on('error', () => undefined);
      void this.#serve(request, response);
    });
    server.maxConnections = MOST_CONNECTIONS;
    server.keepAliveTimeout = 120_000;
    server.requestTimeout = 10_000;
    await listenOn(server, listen);
    server.on('error', (error) => context.failed(error));
    const { port } = server.address() as AddressInfo;
    const reach = this.#reach(port);
    const url = 'url' in reach ? reach.url : undefined;
    const endLocal = url === undefined ? undefined : this.#options.serveLocally?.(url, (body) => reviewer.answer(body));
    const wanted = configurationFor(reach, tls.ca);
    this.#running = { context, server, reviewer, wanted, endLocal: endLocal ?? (() => undefined) };
    log.info('admission.listening', { host: listen.host, port, ...reach });
    await this.#look();
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    this.#timer?.cancel();
    this.#comparedAt = undefined;
    if (running === undefined) return;
    running.endLocal();
    const closed = new Promise<void>((resolve) => running.server.close(() => resolve()));
    running.server.closeAllConnections();
    await closed;
  }

  /** For connections from now on; the configuration follows at the next look. */
  useTls(tls: AdmissionOptions['tls']): void {
    this.#tls = tls;
    const running = this.#running;
    if (running === undefined) return;
    running.server.setSecureContext({ cert: tls.cert, key: tls.key, minVersion: 'TLSv1.2' });
    running.wanted = configurationFor(this.#reach(this.port), tls.ca);
    this.#comparedAt = undefined;
  }

  health(): Health {
    if (this.#running === undefined) return { ok: false, detail: 'admission is not listening' };
    // Devices work without it: this is told, but no reason to call cloudcore unhealthy.
    return { ok: true, ...(this.#fault === undefined ? {} : { detail: this.#fault }) };
  }

  #reach(port: number): Reach {
    const { service, name } = this.#options;
    if (service !== undefined) return { service: { ...service, path: PATH } };
    return { url: `https://${name.includes(':') ? `[${name}]` : name}:${port}${PATH}` };
  }

  /** Never rejects. Goes on looking: this cloudcore may become the one that leads, and somebody may delete the configuration. */
  async #look(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    const { clock, signal } = running.context;
    const leads = this.#options.leads?.() ?? true;
    if (!leads) this.#comparedAt = undefined;
    else if (this.#comparedAt === undefined || clock.monotonic() - this.#comparedAt >= COMPARE_MS) await this.#compare(running);
    if (this.#running === running && !signal.aborted) this.#timer = clock.timer(LOOK_MS, () => void this.#look());
  }

  async #compare({ context, wanted }: Running): Promise<void> {
    const { clock, log, signal } = context;
    try {
      const outcome = await installConfiguration(this.#options.api, wanted, signal);
      if (outcome !== 'kept') log.info(`admission.${outcome}`, { configuration: wanted.metadata.name });
      this.#fault = undefined;
      this.#comparedAt = clock.monotonic();
    } catch (error) {
      if (signal.aborted) return;
      // Rights that are missing now will be missing in two seconds.
      if (isKubeError(error, 'Forbidden', 'Unauthorized', 'NotFound', 'MethodNotAllowed', 'Invalid')) this.#comparedAt = clock.monotonic();
      const fault = `the ValidatingWebhookConfiguration cannot be written: ${messageOf(error)}`;
      if (fault !== this.#fault)
        log.warn('admission.not_installed', {
          reason: fault,
          effect: 'devices are not checked before they are stored; their conditions say the same',
        });
      this.#fault = fault;
    }
  }

  /** Never rejects. */
  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const running = this.#running;
      if (running === undefined) return sendText(response, 503, 'admission is stopping\n');
      if (new URL(request.url ?? '/', 'https://cloudcore').pathname !== PATH) return sendText(response, 404, 'there is nothing here\n');
      if (request.method !== 'POST') return sendText(response, 405, 'only POST is served here\n');
      const body = await readBody(request);
      if (body === undefined) return sendText(response, 413, `the body is longer than ${BODY_LIMIT} bytes\n`);
      const answered = await this.#answer(running.reviewer, body);
      if (typeof answered === 'string') sendText(response, 400, `${answered}\n`);
      else send(response, 200, { body: JSON.stringify(answered), type: 'application/json' });
    } catch (error) {
      this.#running?.context.log.warn('admission.failed', { error });
      if (response.headersSent) response.destroy();
      else sendText(response, 500, `${messageOf(error)}\n`);
    }
  }

  /** A text says why it is no question. */
  async #answer(reviewer: Reviewer, body: string): Promise<Record<string, unknown> | string> {
    let parsed: unknown;
    try {
      parsed = JSON.parse(body);
    } catch (error) {
      return `the body is no JSON: ${messageOf(error)}`;
    }
    try {
      return await reviewer.answer(parsed);
    } catch (error) {
      return messageOf(error);
    }
  }
}

function within(clock: Context['clock'], ms: number): { signal: AbortSignal; done: () => void } {
  const abort = new AbortController();
  const timer = clock.timer(ms, () => abort.abort(new HiveletError('STOPPED')));
  return { signal: abort.signal, done: () => timer.cancel() };
}

/** Undefined when it is too long; the rest of it is not kept. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_LIMIT) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function sendText(response: ServerResponse, status: number, body: string): void {
  send(response, status, { body, type: 'text/plain; charset=utf-8' });
}

function send(response: ServerResponse, status: number, { body, type }: { body: string; type: string }): void {
  const headers = { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) };
  // What was not read must not be taken for the next request.
  response.writeHead(status, status === 413 ? { ...headers, Connection: 'close' } : headers);
  response.end(body);
}

async function listenOn(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const taken = cause.code === 'EADDRINUSE';
      const message = taken
        ? `port ${port} of ${host} is already taken: choose another one with modules.admission.port`
        : `cannot listen on ${host}:${port} (modules.admission): ${cause.message}`;
      reject(new HiveletError(taken ? 'PORT_IN_USE' : 'CONFIG_INVALID', message, { cause }));
    });
    server.listen(port, host, resolve);
  });
  server.removeAllListeners('error');
}

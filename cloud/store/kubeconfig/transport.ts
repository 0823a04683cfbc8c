/** Owns the HTTPS connections to one API server: one request, its time-out, and the whole or streamed answer. */
import { setMaxListeners } from 'node:events';
import type { AgentOptions, IncomingHttpHeaders, IncomingMessage, RequestOptions as NodeRequestOptions } from 'node:http';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { KubeAccess } from './file.ts';

export interface Call {
  method: string;
  /** Path and query. */
  path: string;
  body?: string;
  contentType?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** Until the answer is complete (or, for a stream, until its headers), ms. */
  timeoutMs: number;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** The connection failed. `unsent` = the server cannot have acted on the request. */
export class TransportError extends Error {
  readonly unsent: boolean;
  constructor(message: string, options: { unsent: boolean; cause: unknown }) {
    super(message, { cause: options.cause });
    this.name = 'TransportError';
    this.unsent = options.unsent;
  }
}

/** Requests share few connections, which stay open; a watch has one to itself. */
interface Agents {
  requests: Agent | HttpAgent;
  streams: Agent | HttpAgent;
}

const MOST_CONNECTIONS = 16;
/** Of the TCP connection, so that middle boxes do not forget a quiet watch. */
const KEEP_ALIVE_MS = 30_000;

const UNSENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

export class Transport {
  readonly #access: KubeAccess;
  readonly #clock: Clock;
  readonly #userAgent: string;
  readonly #secure: boolean;
  readonly #base: NodeRequestOptions;
  /** Of a server behind a path of a gateway. */
  readonly #prefix: string;
  #agents: Agents | undefined;
  /** Of what `#agents` were made. */
  #material = '';

  constructor({ access, clock, userAgent }: { access: KubeAccess; clock: Clock; userAgent: string }) {
    this.#access = access;
    this.#clock = clock;
    this.#userAgent = userAgent;
    const url = new URL(access.server);
    this.#secure = url.protocol === 'https:';
    this.#prefix = url.pathname.replace(/\/+$/, '');
    this.#base = {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? (this.#secure ? 443 : 80) : Number(url.port),
    };
  }

  /** The whole answer as text, whatever its status. */
  async call(call: Call): Promise<Answer> {
    const { response, settle } = await this.#open(call, 'requests');
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
      return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString('utf8') };
    } catch (cause) {
      throw call.signal?.aborted === true ? abortReason(call.signal) : failed(this.#access.server, cause, false);
    } finally {
      settle();
    }
  }

  /** The answer as a stream of text lines; `status` other than 200 comes as one `Answer`. */
  async stream(call: Call & { stallMs: number }): Promise<{ lines: AsyncIterable<string> } | { refused: Answer }> {
    const { response, settle, done } = await this.#open(call, 'streams');
    const status = response.statusCode ?? 0;
    done();
    if (status !== 200) {
      const chunks: Buffer[] = [];
      for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
      settle();
      return { refused: { status, headers: response.headers, body: Buffer.concat(chunks).toString('utf8') } };
    }
    return { lines: this.#lines(response, call, settle) };
  }

  close(): void {
    this.#agents?.requests.destroy();
    this.#agents?.streams.destroy();
  }

  /** Made anew when certificates were renewed; what runs on the old ones ends in peace. */
  #current(): Agents {
    const { ca, cert, key } = this.#access;
    const material = this.#secure ? [ca, cert, key].join('\n') : '';
    if (this.#agents !== undefined && material === this.#material) return this.#agents;
    const context = this.#secure ? this.#contextOf({ ca, cert, key }) : undefined;
    // Half of a pair is new: the other half comes in a moment.
    if (this.#agents !== undefined && this.#secure && context === undefined) return this.#agents;
    if (this.#agents !== undefined) retire(this.#agents.requests);
    this.#material = material;
    this.#agents = {
      requests: this.#agentWith(context, {
        keepAlive: true,
        keepAliveMsecs: KEEP_ALIVE_MS,
        maxSockets: MOST_CONNECTIONS,
        maxFreeSockets: MOST_CONNECTIONS,
        scheduling: 'lifo',
      }),
      streams: this.#agentWith(context, { keepAlive: false }),
    };
    return this.#agents;
  }

  /** Undefined when the texts do not fit together and there are older ones that did. */
  #contextOf(texts: { ca: string | undefined; cert: string | undefined; key: string | undefined }): SecureContext | undefined {
    try {
      return createSecureContext(texts);
    } catch (cause) {
      if (this.#agents !== undefined) return undefined;
      const what = `the certificates for ${this.#access.server} cannot be used (certificate-authority, client-certificate, client-key)`;
      throw new HiveletError('CONFIG_INVALID', `${what}: ${messageOf(cause)}`, { cause });
    }
  }

  #agentWith(secureContext: SecureContext | undefined, options: AgentOptions): Agent | HttpAgent {
    if (secureContext === undefined) return new HttpAgent(options);
    const { serverName, insecureSkipTlsVerify } = this.#access;
    return new Agent({ ...options, secureContext, servername: serverName, rejectUnauthorized: insecureSkipTlsVerify !== true });
  }

  async *#lines(response: IncomingMessage, call: Call & { stallMs: number }, settle: () => void): AsyncGenerator<string> {
    response.setEncoding('utf8');
    let parts: string[] = [];
    const watchdog = this.#watchdog(response, call.stallMs);
    try {
      for await (const chunk of response as AsyncIterable<string>) {
        watchdog.fed();
        const pieces = chunk.split('\n');
        const last = pieces.pop() ?? '';
        for (const piece of pieces) {
          const line = parts.length === 0 ? piece : parts.join('') + piece;
          parts = [];
          if (line !== '') yield line;
        }
        if (last !== '') parts.push(last);
      }
    } catch (cause) {
      throw call.signal?.aborted === true ? abortReason(call.signal) : failed(this.#access.server, cause, false);
    } finally {
      watchdog.end();
      settle();
      response.destroy();
    }
  }

  /** A link that died without a word is noticed by its silence. The time during which the reader is busy with what came counts too. */
  #watchdog(response: IncomingMessage, stallMs: number): { fed(): void; end(): void } {
    const bark = (): void => void response.destroy(new Error(`nothing came for ${stallMs / 1000} s`));
    let timer = this.#clock.timer(stallMs, bark);
    const end = (): void => timer.cancel();
    const fed = (): void => {
      end();
      timer = this.#clock.timer(stallMs, bark);
    };
    return { fed, end };
  }

  /** Resolves at the answer's headers. `settle` releases the abort listener; `done` stops the time-out. */
  #open(call: Call, use: keyof Agents): Promise<{ response: IncomingMessage; settle: () => void; done: () => void }> {
    return new Promise((resolve, reject) => {
      if (call.signal?.aborted === true) return reject(abortReason(call.signal));
      // One signal may stop hundreds of calls; that is no leak.
      if (call.signal !== undefined) setMaxListeners(0, call.signal);
      const send = this.#secure ? httpsRequest : httpRequest;
      const agent = this.#current()[use];
      const outgoing = send({ ...this.#base, agent, method: call.method, path: this.#prefix + call.path, headers: this.#headers(call) });
      if (use === 'streams') outgoing.setSocketKeepAlive(true, KEEP_ALIVE_MS);
      const onAbort = (): void => void outgoing.destroy(call.signal === undefined ? undefined : abortReason(call.signal));
      const timer = this.#clock.timer(call.timeoutMs, () => outgoing.destroy(new Error(`no answer within ${call.timeoutMs} ms`)));
      const settle = (): void => {
        timer.cancel();
        call.signal?.removeEventListener('abort', onAbort);
      };
      call.signal?.addEventListener('abort', onAbort, { once: true });
      outgoing.on('error', (cause: NodeJS.ErrnoException) => {
        settle();
        if (call.signal?.aborted === true) return reject(abortReason(call.signal));
        // A kept-alive connection that the server closed in the same moment: the request was most likely never read. A server that was
        // killed may have acted on it all the same, so that only reads are sent again.
        const stale = outgoing.reusedSocket && (cause.code === 'EPIPE' || (cause.code === 'ECONNRESET' && call.method === 'GET'));
        reject(failed(this.#access.server, cause, stale || UNSENT.has(cause.code ?? '')));
      });
      outgoing.on('response', (response) => {
        // An abort after the headers must end the body too, with the caller's reason.
        response.on('error', () => undefined);
        resolve({ response, settle, done: () => timer.cancel() });
      });
      outgoing.end(call.body);
    });
  }

  #headers(call: Call): Record<string, string> {
    // Never in the clear, as kubectl does.
    const token = this.#secure ? this.#access.token?.() : undefined;
    return {
      Accept: 'application/json',
      'User-Agent': this.#userAgent,
      ...call.headers,
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      ...(call.body === undefined
        ? {}
        : { 'Content-Type': call.contentType ?? 'application/json', 'Content-Length': String(Buffer.byteLength(call.body)) }),
    };
  }
}

/** Its idle connections end now, the others when their answer is there. */
function retire(agent: Agent | HttpAgent): void {
  agent.maxFreeSockets = 0;
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
}

export function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason));
}

/** What to look at, by the code of the failure. */
const REMEDIES = new Map([
  ...[
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
  ].map((code) => [code, 'certificate-authority of the kubeconfig is not the one that signed its certificate'] as const),
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'name one of these in tls-server-name of the kubeconfig, or another server'],
  ['EPROTO', 'does it speak plain HTTP? then write http:// in server of the kubeconfig'],
]);

function failed(server: string, cause: unknown, unsent: boolean): TransportError {
  const remedy = REMEDIES.get((cause as NodeJS.ErrnoException | undefined)?.code ?? '');
  return new TransportError(`no answer from ${server}: ${messageOf(cause)}${remedy === undefined ? '' : ` (${remedy})`}`, {
    unsent,
    cause,
  });
}

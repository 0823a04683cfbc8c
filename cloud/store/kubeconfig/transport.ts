/** Owns the HTTPS connections to one API server: one request, its time-out, and the whole or streamed answer. */
import { setMaxListeners } from 'node:events';
import type { AgentOptions, IncomingHttpHeaders, IncomingMessage, RequestOptions as NodeRequestOptions } from 'node:http';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { Clock } from '#beehive/clock.ts';
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

const MOST_CONNECTIONS = 16;

const UNSENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

export class Transport {
  readonly #access: KubeAccess;
  readonly #clock: Clock;
  readonly #userAgent: string;
  /** Requests share few connections, which stay open; a watch has one to itself. */
  readonly #requests: Agent | HttpAgent;
  readonly #streams: Agent | HttpAgent;
  readonly #secure: boolean;
  readonly #base: NodeRequestOptions;

  constructor({ access, clock, userAgent }: { access: KubeAccess; clock: Clock; userAgent: string }) {
    this.#access = access;
    this.#clock = clock;
    this.#userAgent = userAgent;
    const url = new URL(access.server);
    this.#secure = url.protocol === 'https:';
    this.#requests = this.#agentWith({
      keepAlive: true,
      maxSockets: MOST_CONNECTIONS,
      maxFreeSockets: MOST_CONNECTIONS,
      scheduling: 'lifo',
    });
    this.#streams = this.#agentWith({ keepAlive: false });
    this.#base = {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? (this.#secure ? 443 : 80) : Number(url.port),
    };
  }

  /** The whole answer as text, whatever its status. */
  async call(call: Call): Promise<Answer> {
    const { response, settle } = await this.#open(call, this.#requests);
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
  async stream(call: Call): Promise<{ lines: AsyncIterable<string> } | { refused: Answer }> {
    const { response, settle, done } = await this.#open(call, this.#streams);
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

  #agentWith(options: AgentOptions): Agent | HttpAgent {
    if (!this.#secure) return new HttpAgent(options);
    const { ca, cert, key, serverName, insecureSkipTlsVerify } = this.#access;
    const tls = { ca, cert, key, servername: serverName, rejectUnauthorized: insecureSkipTlsVerify !== true };
    return new Agent({ ...options, ...tls });
  }

  close(): void {
    this.#requests.destroy();
    this.#streams.destroy();
  }

  async *#lines(response: IncomingMessage, call: Call, settle: () => void): AsyncGenerator<string> {
    response.setEncoding('utf8');
    let parts: string[] = [];
    try {
      for await (const chunk of response as AsyncIterable<string>) {
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
      settle();
      response.destroy();
    }
  }

  /** Resolves at the answer's headers. `settle` releases the abort listener; `done` stops the time-out. */
  #open(call: Call, agent: Agent | HttpAgent): Promise<{ response: IncomingMessage; settle: () => void; done: () => void }> {
    return new Promise((resolve, reject) => {
      if (call.signal?.aborted === true) return reject(abortReason(call.signal));
      // One signal may stop hundreds of calls; that is no leak.
      if (call.signal !== undefined) setMaxListeners(0, call.signal);
      const send = this.#secure ? httpsRequest : httpRequest;
      const outgoing = send({ ...this.#base, agent, method: call.method, path: call.path, headers: this.#headers(call) });
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
        // A kept-alive connection that the server closed in the same moment: the request was never read.
        const stale = outgoing.reusedSocket && (cause.code === 'ECONNRESET' || cause.code === 'EPIPE');
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
    const token = this.#access.token?.();
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

export function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason));
}

function failed(server: string, cause: unknown, unsent: boolean): TransportError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new TransportError(`no answer from ${server}: ${text}`, { unsent, cause });
}

/** Owns the HTTPS connections to one webhook: kept open, bounded in number, each call with a time-out. */
import { Agent, request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { Clock } from '#beehive/clock.ts';
import { messageOf } from '#beehive/errors.ts';

export interface Endpoint {
  /** With `?timeout=`; what messages name. */
  url: string;
  /** Where to connect, when that is not the host of the URL (a Service has no name here). */
  connect?: { host: string; port: number };
}

export interface Call extends Endpoint {
  body: string;
  timeoutMs: number;
}

const MOST_CONNECTIONS = 16;
/** Requests that wait for a connection or an answer; more of them fail at once. */
const MOST_CALLS = 256;
const MOST_ANSWER = 1024 * 1024;

export class WebhookClient {
  readonly #agent: Agent;
  readonly #ca: string | undefined;
  readonly #clock: Clock;
  #running = 0;
  #retired = false;

  constructor({ ca, clock }: { ca: string | undefined; clock: Clock }) {
    this.#ca = ca;
    this.#clock = clock;
    this.#agent = new Agent({ keepAlive: true, maxSockets: MOST_CONNECTIONS, maxFreeSockets: 4, timeout: 60_000 });
  }

  /** The body of the answer. Rejects with one sentence in the words of Kubernetes. */
  async post(call: Call): Promise<string> {
    if (this.#running >= MOST_CALLS) throw new Error(`Post "${call.url}": ${MOST_CALLS} calls are waiting already`);
    this.#running += 1;
    try {
      const response = await this.#send(call);
      return response;
    } finally {
      this.#running -= 1;
      this.#closeWhenDone();
    }
  }

  /** Its configuration is gone: connections close with the last call. */
  retire(): void {
    this.#retired = true;
    this.#closeWhenDone();
  }

  #closeWhenDone(): void {
    if (this.#retired && this.#running === 0) this.#agent.destroy();
  }

  #send({ url, connect, body, timeoutMs }: Call): Promise<string> {
    const { hostname, port, pathname, search } = new URL(url);
    const host = hostname.replace(/^\[|\]$/g, '');
    const at = connect ?? { host, port: Number(port || 443) };
    const headers = { 'Content-Type': 'application/json', Accept: 'application/json', 'Content-Length': String(Buffer.byteLength(body)) };
    return new Promise((resolve, reject) => {
      const outgoing = httpsRequest({
        ...at,
        agent: this.#agent,
        method: 'POST',
        path: pathname + search,
        headers: { ...headers, Host: port === '' ? hostname : `${hostname}:${port}` },
        ...(this.#ca === undefined ? {} : { ca: this.#ca }),
        servername: /^[\d.]+$|:/.test(host) ? '' : host,
        // The name of a Service is in its certificate, not the address that it has at the moment.
        ...(connect === undefined ? {} : { servername: host }),
      });
      const timer = this.#clock.timer(timeoutMs, () => outgoing.destroy(new Error('context deadline exceeded')));
      const fail = (error: unknown): void => {
        timer.cancel();
        reject(new Error(`Post "${url}": ${inWords(error, at)}`));
      };
      outgoing.on('error', fail);
      outgoing.on('response', (response) => {
        readAnswer(response).then((text) => {
          timer.cancel();
          const fault = statusFault(response.statusCode ?? 0, text);
          if (fault === undefined) resolve(text);
          else reject(new Error(fault));
        }, fail);
      });
      outgoing.end(body);
    });
  }
}

async function readAnswer(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_ANSWER) throw new Error(`the answer is longer than ${MOST_ANSWER} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function statusFault(status: number, text: string): string | undefined {
  if (status >= 200 && status < 300) return undefined;
  if (status === 404) return 'the server could not find the requested resource';
  if (status >= 500)
    return `an error on the server (${JSON.stringify(text.trim().slice(0, 200))}) has prevented the request from succeeding`;
  return `the server rejected our request for an unknown reason (status ${status})`;
}

/** Go's words for what Node's socket says. */
function inWords(error: unknown, { host, port }: { host: string; port: number }): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  const dial = `dial tcp ${host.includes(':') ? `[${host}]` : host}:${port}`;
  if (code === 'ECONNREFUSED') return `${dial}: connect: connection refused`;
  if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH') return `${dial}: connect: no route to host`;
  if (code === 'ENOTFOUND') return `dial tcp: lookup ${host}: no such host`;
  if (code === 'ECONNRESET') return 'EOF';
  return messageOf(error);
}

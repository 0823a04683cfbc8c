/** Owns a server that answers as a real API server once did: each request gets the recorded answer to the same one, in recorded order. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { systemClock } from '#beehive/clock.ts';
import { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { loadRecorded, type RecordedResponse, type Step } from '../support/recorded-api/steps.ts';
import type { Engine } from './kube-api-contract.ts';

/** The answer to what was never asked of the real server; a step of the contract that gets it fails. */
const NOT_RECORDED = 501;
/** The steps were recorded in it. */
const NAMESPACE = 'golden';

type RequestedStep = Step & Required<Pick<Step, 'request'>>;
type During = NonNullable<RequestedStep['request']['during']>[number];
interface RecordedEvent {
  type: string;
  object: { metadata?: { name?: string } };
}

interface Asked {
  method: string;
  url: URL;
  contentType: string;
  body: unknown;
}

/** A watch that is open, and the writes that were made while the real one was. */
interface OpenWatch {
  events: RecordedEvent[];
  during: During[];
  response: ServerResponse;
}

/** `sources`: files of steps, or one step of a file as `file/step`, in the order in which they may be asked for. */
export async function openRecorded(sources: readonly string[]): Promise<Engine> {
  const recorded = new Recorded(sources.flatMap(stepsOf));
  const server = createServer((request, response) => void recorded.serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const api = new KubeClient({ access: { server: address, namespace: NAMESPACE }, clock: systemClock });
  return {
    api,
    namespace: NAMESPACE,
    close: async () => {
      api.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function stepsOf(source: string): Step[] {
  const [file = '', id] = source.split('/');
  const steps = loadRecorded(`${file}.json`) as Step[];
  return id === undefined ? steps : steps.filter((step) => step.id === id);
}

class Recorded {
  readonly #steps: RequestedStep[];
  /** Reads may be answered from here on again, writes from behind the last one. */
  #cursor = 0;
  #watch: OpenWatch | undefined;
  /** Writes that came before the watch during which they were recorded. */
  readonly #early: [Asked, ServerResponse][] = [];

  constructor(steps: readonly Step[]) {
    this.#steps = steps.filter((step): step is RequestedStep => step.request !== undefined);
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString('utf8');
    const url = new URL(request.url ?? '', 'http://recorded');
    const asked = {
      method: request.method ?? '',
      url,
      contentType: request.headers['content-type'] ?? '',
      body: text === '' ? undefined : plain(JSON.parse(text), url),
    };
    if (this.#write(asked, response)) return;
    const index = this.#steps.findIndex((step, at) => at >= this.#cursor && sameRequest(step.request, asked));
    const step = this.#steps[index];
    if (step === undefined) return this.#belongsToLaterWatch(asked) ? void this.#early.push([asked, response]) : refuse(asked, response);
    this.#cursor = asked.method === 'GET' ? index : index + 1;
    if (url.searchParams.has('watch') && step.response.status === 200) return this.#open(step, response);
    const { body, events } = step.response;
    return answer(response, step.response.status, bodyOf(step.response, Array.isArray(events) ? events[0] : body));
  }

  /** A write while a watch was open: only its effect was recorded, as the events. */
  #write(asked: Asked, response: ServerResponse): boolean {
    const watch = this.#watch;
    const next = watch?.during[0];
    if (watch === undefined || next === undefined || !sameRequest(next, asked)) return false;
    watch.during.shift();
    const name = asked.url.pathname.split('/').slice(6)[0] ?? (asked.body as { metadata: { name: string } }).metadata.name;
    const event = watch.events[0];
    const changes = asked.method !== 'PATCH' || !isDeepStrictEqual(asked.body, {});
    if (changes && event?.object.metadata?.name === name) {
      watch.events.shift();
      watch.response.write(`${JSON.stringify(event)}\n`);
    }
    const object = event?.object ?? (asked.body as object);
    answer(response, 200, asked.method === 'DELETE' ? { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' } : object);
    return true;
  }

  #open({ request, response: { events } }: RequestedStep, response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.flushHeaders();
    const during = [...(request.during ?? [])];
    const left = Array.isArray(events) && typeof events[0] === 'object' ? (events as RecordedEvent[]).slice() : [];
    const written = new Set(during.map(nameOf));
    // What happened before the first write was there when the watch began.
    while (left[0] !== undefined && !written.has(left[0].object.metadata?.name)) response.write(`${JSON.stringify(left.shift())}\n`);
    if (during.length === 0) return void response.end();
    this.#watch = { events: left, during, response };
    for (const [asked, waiting] of this.#early.splice(0)) if (!this.#write(asked, waiting)) refuse(asked, waiting);
    return undefined;
  }

  #belongsToLaterWatch(asked: Asked): boolean {
    return this.#steps.some((step, at) => at >= this.#cursor && step.request.during?.some((write) => sameRequest(write, asked)) === true);
  }
}

function nameOf({ path, body }: During): string | undefined {
  return path.split('/').slice(6)[0] ?? (body as { metadata?: { name?: string } } | undefined)?.metadata?.name;
}

function sameRequest(recorded: RequestedStep['request'] | During, asked: Asked): boolean {
  const url = new URL(recorded.path, 'http://recorded');
  if (recorded.method !== asked.method || url.pathname !== asked.url.pathname || !sameQuery(url, asked.url)) return false;
  // Tables and other forms are nothing that this client asks for.
  if ('accept' in recorded && recorded.accept !== undefined && recorded.accept !== 'application/json') return false;
  if (asked.method === 'PATCH' && recorded.contentType !== asked.contentType) return false;
  const body = recorded.body ?? undefined;
  return asked.method === 'GET' || like(asked.method === 'DELETE' ? (body ?? {}) : body, asked.body);
}

/** Bookmarks are always asked for, and no hindrance. */
function sameQuery(recorded: URL, asked: URL): boolean {
  const of = ({ searchParams }: URL): string[] =>
    [...searchParams]
      .filter(([key]) => key !== 'allowWatchBookmarks')
      .map(([key, value]) => `${key}=${key === 'watch' ? 'true' : value}`)
      .sort();
  const [theirs, ours] = [of(recorded), of(asked)];
  return theirs.length === ours.length && theirs.every((pair, at) => samePair(pair, ours[at] ?? ''));
}

function samePair(recorded: string, asked: string): boolean {
  return recorded === asked || (recorded.endsWith('}') && asked.startsWith(recorded.slice(0, recorded.indexOf('${'))));
}

/** `${x}` in a recorded text stands for a value of that day. */
function like(recorded: unknown, asked: unknown): boolean {
  if (typeof recorded === 'string' && /^\$\{\w+\}$/.test(recorded)) return typeof asked === 'string';
  if (Array.isArray(recorded) && Array.isArray(asked)) {
    return recorded.length === asked.length && recorded.every((item, index) => like(item, asked[index]));
  }
  if (isRecord(recorded) && isRecord(asked)) {
    const keys = new Set([...Object.keys(recorded), ...Object.keys(asked)]);
    return [...keys].every((key) => like(recorded[key], asked[key]));
  }
  return isDeepStrictEqual(recorded, asked);
}

/** Without what our client adds to say the same: the namespace of the path, the kind of a DeleteOptions. */
function plain(body: unknown, { pathname }: URL): unknown {
  if (!isRecord(body)) return body;
  if (body['kind'] === 'DeleteOptions') {
    const { kind, apiVersion, ...options } = body;
    void [kind, apiVersion];
    return options;
  }
  const { metadata } = body;
  if (!isRecord(metadata) || !pathname.includes(`/namespaces/${String(metadata['namespace'])}/`)) return body;
  const { namespace, ...rest } = metadata;
  void namespace;
  return { ...body, metadata: rest };
}

/** Of some lists only the names were kept. */
function bodyOf({ status }: RecordedResponse, body: unknown): unknown {
  if (status !== 200 || !Array.isArray(body)) return body;
  const items = body.map((name) => ({ metadata: { name: String(name) } }));
  return { metadata: { resourceVersion: '<list-rv>' }, items };
}

function refuse({ method, url, body }: Asked, response: ServerResponse): void {
  const message = `not recorded: ${method} ${url.pathname}${url.search} ${JSON.stringify(body) ?? ''}`;
  const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason: 'NotRecorded', message, code: NOT_RECORDED };
  answer(response, NOT_RECORDED, status);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(body));
}

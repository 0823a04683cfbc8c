/** Owns the Kubernetes client: the port `KubeApi` over HTTPS, with retries and a bound on the request rate. */
import type { Clock } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import { backoff } from '#beehive/retry.ts';
import { KubeError, PERSIST_HEADER, apiVersionOf } from '../kube-api.ts';
import type {
  DeleteOptions,
  GetOptions,
  KubeApi,
  KubeList,
  KubeObject,
  KubeObjectInput,
  ListOptions,
  ObjectName,
  Patch,
  RequestOptions,
  ResourceType,
  StatusBody,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from '../kube-api.ts';
import type { KubeAccess } from './file.ts';
import { RateLimit } from './rate-limit.ts';
import { Transport, TransportError } from './transport.ts';
import type { Answer, Call } from './transport.ts';

export interface KubeClientOptions {
  access: KubeAccess;
  clock: Clock;
  /** Requests per second over all calls but watches; 0 or absent = no bound (`kubeAPIConfig.qps`). */
  qps?: number;
  /** Requests that may go at once before `qps` counts (`kubeAPIConfig.burst`). */
  burst?: number;
  userAgent?: string;
  /** Time for one attempt. Default 30 s. */
  timeoutMs?: number;
  /** A watch on which nothing came for so long, not even a bookmark, is given up. Default 3 min: servers send one about once a minute. */
  stallMs?: number;
}

const PATCH_TYPES = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

const ATTEMPTS = 5;
const RETRY_MS = { first: 100, max: 5_000 };
const STALL_MS = 180_000;
/** A server that asks for more patience than this is asked again all the same. */
const MOST_PATIENCE_MS = 60_000;
/** The server said that it did not act: any method may be sent again. */
const NOT_DONE = new Set([429, 503]);
/** Reads may be sent again after these too. */
const UNSURE = new Set([500, 502, 504]);

export class KubeClient implements KubeApi {
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #limit: RateLimit;
  readonly #timeoutMs: number;
  readonly #stallMs: number;

  constructor(options: KubeClientOptions) {
    const { access, clock, qps = 0, burst = qps, userAgent = 'hivelet', timeoutMs = 30_000, stallMs = STALL_MS } = options;
    this.#transport = new Transport({ access, clock, userAgent });
    this.#clock = clock;
    this.#limit = new RateLimit({ qps, burst, clock });
    this.#timeoutMs = timeoutMs;
    this.#stallMs = stallMs;
  }

  /** Ends idle and running connections; calls in flight reject. */
  close(): void {
    this.#transport.close();
  }

  async get(type: ResourceType, name: ObjectName, { subresource, signal }: GetOptions = {}): Promise<KubeObject> {
    const call = { method: 'GET', path: pathOf(type, name, subresource), ...(signal === undefined ? {} : { signal }) };
    return (await this.#json(call)) as KubeObject;
  }

  async list(type: ResourceType, options: ListOptions = {}): Promise<KubeList> {
    const { signal, namespace } = options;
    const query = listQuery(options);
    const call = { method: 'GET', path: pathOf(type, { namespace }) + query, ...(signal === undefined ? {} : { signal }) };
    const body = (await this.#json(call)) as { metadata?: { resourceVersion?: string; continue?: string }; items?: KubeObject[] | null };
    const apiVersion = apiVersionOf(type);
    // Built-in kinds leave kind and apiVersion out of the items of a list.
    const items = (body.items ?? []).map((item) => (item.kind === undefined ? { ...item, apiVersion, kind: type.kind } : item));
    const token = body.metadata?.continue;
    return {
      resourceVersion: body.metadata?.resourceVersion ?? '',
      items,
      ...(token === undefined || token === '' ? {} : { continue: token }),
    };
  }

  async *watch(type: ResourceType, options: WatchOptions = {}): AsyncGenerator<WatchEvent> {
    const { namespace, signal } = options;
    const path = pathOf(type, { namespace }) + listQuery(options, { watch: 'true', allowWatchBookmarks: 'true' });
    const opened = await this.#transport.stream({
      method: 'GET',
      path,
      timeoutMs: this.#timeoutMs,
      stallMs: this.#stallMs,
      ...(signal === undefined ? {} : { signal }),
    });
    if ('refused' in opened) throw refusal(opened.refused);
    for await (const line of opened.lines) {
      const event = parse(line, path) as { type: string; object: unknown };
      if (event.type === 'ERROR') throw new KubeError(event.object as StatusBody);
      const object = event.object as KubeObject;
      const change = EVENT_TYPES.get(event.type);
      if (change !== undefined) yield { type: change, object };
      else if (event.type === 'BOOKMARK') yield { type: 'bookmark', resourceVersion: object.metadata.resourceVersion ?? '' };
    }
  }

  async create(type: ResourceType, object: KubeObjectInput, options: WriteOptions = {}): Promise<KubeObject> {
    const path = pathOf(type, { namespace: object.metadata.namespace }) + writeQuery(options);
    return (await this.#json({ method: 'POST', path, body: bodyOf(type, object), ...forCall(options) })) as KubeObject;
  }

  async update(type: ResourceType, object: KubeObjectInput, options: WriteOptions = {}): Promise<KubeObject> {
    const { name = '', namespace } = object.metadata;
    const path = pathOf(type, { namespace, name }, options.subresource) + writeQuery(options);
    return (await this.#json({ method: 'PUT', path, body: bodyOf(type, object), ...forCall(options) })) as KubeObject;
  }

  async patch(type: ResourceType, name: ObjectName, change: Patch & WriteOptions): Promise<KubeObject> {
    const force = change.type === 'apply' && change.force === true;
    const path = pathOf(type, name, change.subresource) + writeQuery(change, force);
    const named = change.type === 'apply' ? { apiVersion: apiVersionOf(type), kind: type.kind } : {};
    const body = JSON.stringify(change.type === 'json' ? change.operations : { ...named, ...change.body });
    return (await this.#json({ method: 'PATCH', path, body, contentType: PATCH_TYPES[change.type], ...forCall(change) })) as KubeObject;
  }

  async delete(type: ResourceType, name: ObjectName, options: DeleteOptions = {}): Promise<void> {
    const { signal, ...wanted } = options;
    const body = JSON.stringify({ kind: 'DeleteOptions', apiVersion: 'v1', ...wanted });
    await this.#json({ method: 'DELETE', path: pathOf(type, name), body, ...(signal === undefined ? {} : { signal }) });
  }

  /** GET of any path, parsed: `/version`, discovery. */
  raw(path: string, options: RequestOptions = {}): Promise<unknown> {
    return this.#json({ method: 'GET', path, ...options });
  }

  async #json(call: Omit<Call, 'timeoutMs'>): Promise<unknown> {
    const answer = await this.#retrying({ ...call, timeoutMs: this.#timeoutMs });
    if (answer.status >= 200 && answer.status < 300) return parse(answer.body, call.path);
    throw refusal(answer);
  }

  async #retrying(call: Call): Promise<Answer> {
    const waits = backoff(RETRY_MS.first, RETRY_MS.max, () => this.#clock.random());
    for (let attempt = 1; ; attempt += 1) {
      await this.#limit.take(call.signal);
      let waitMs = waits.next().value;
      try {
        const answer = await this.#transport.call(call);
        const again = NOT_DONE.has(answer.status) || (call.method === 'GET' && UNSURE.has(answer.status));
        if (!again || attempt >= ATTEMPTS) return answer;
        waitMs = Math.max(waitMs, Math.min(patienceMs(answer), MOST_PATIENCE_MS));
      } catch (error) {
        if (!(error instanceof TransportError) || call.signal?.aborted === true) throw error;
        if (attempt >= ATTEMPTS || !(error.unsent || call.method === 'GET')) {
          throw new HiveletError('KUBE_API', error.message, { cause: error });
        }
      }
      await this.#clock.sleep(waitMs, call.signal);
    }
  }
}

const EVENT_TYPES = new Map<string, 'added' | 'modified' | 'deleted'>([
  ['ADDED', 'added'],
  ['MODIFIED', 'modified'],
  ['DELETED', 'deleted'],
]);

function pathOf(type: ResourceType, { namespace, name }: Partial<ObjectName>, subresource?: string): string {
  const root = type.group === '' ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`;
  const scope = type.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  const item = name === undefined ? '' : `/${encodeURIComponent(name)}`;
  return `${root}${scope}/${type.plural}${item}${subresource === undefined ? '' : `/${subresource}`}`;
}

function listQuery(options: ListOptions & WatchOptions, extra: Record<string, string> = {}): string {
  const { labelSelector, fieldSelector, resourceVersion, limit, timeoutSeconds } = options;
  return queryOf({ ...extra, labelSelector, fieldSelector, resourceVersion, limit, timeoutSeconds, continue: options.continue });
}

function writeQuery({ dryRun, fieldManager }: WriteOptions, force = false): string {
  return queryOf({ dryRun: dryRun === true ? 'All' : undefined, fieldManager, force: force ? 'true' : undefined });
}

function queryOf(values: Record<string, string | number | undefined>): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) if (value !== undefined && value !== '') query.set(key, String(value));
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}

function bodyOf(type: ResourceType, object: KubeObjectInput): string {
  return JSON.stringify({ apiVersion: apiVersionOf(type), kind: type.kind, ...object });
}

/** The parts of the options that are not in the path. */
function forCall({ signal, persist }: WriteOptions): Pick<Call, 'signal' | 'headers'> {
  return {
    ...(signal === undefined ? {} : { signal }),
    ...(persist === 'later' ? { headers: { [PERSIST_HEADER]: 'later' } } : {}),
  };
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HiveletError('KUBE_API', `the API server answered ${path} with something that is not JSON`, { cause });
  }
}

/** How long the server wants to be left alone: `Retry-After` in seconds, or what its Status says. */
function patienceMs({ headers, body }: Answer): number {
  const header = Number(headers['retry-after'] ?? Number.NaN);
  if (header >= 0) return header * 1000;
  const seconds = /"retryAfterSeconds":\s*(\d{1,6})/.exec(body)?.[1];
  return Number(seconds ?? 0) * 1000;
}

/** The server's `Status`, or one made from the HTTP status when a proxy answered. */
function refusal({ status, body }: Answer): KubeError {
  try {
    const parsed = JSON.parse(body) as StatusBody;
    if (parsed.kind === 'Status') return new KubeError({ ...parsed, code: parsed.code ?? status });
  } catch {
    // Not JSON: a plain text 404 of an unknown group, or a proxy's page.
  }
  const reason = status === 404 ? 'NotFound' : status === 401 ? 'Unauthorized' : status === 403 ? 'Forbidden' : '';
  const message = body.trim().slice(0, 200) || `HTTP status ${status}`;
  return new KubeError({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code: status });
}

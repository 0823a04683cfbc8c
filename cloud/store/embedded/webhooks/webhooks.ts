/** Owns the dispatch of ValidatingWebhookConfigurations: who is asked about a change, all at once, and what comes of it. */
import type { Clock } from '#beehive/clock.ts';
import { messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { listAt, textAt } from '../json-value.ts';
import type { Kind } from '../kinds/kind.ts';
import type { KindRegistry } from '../kinds/registry.ts';
import type { ObjectStore } from '../object-store.ts';
import { internal } from '../status.ts';
import { parseObject } from '../stored-object.ts';
import { denialOf, reviewOf, verdictOf } from './admission-review.ts';
import type { Admission, AdmissionDenied, Review, Verdict } from './admission-review.ts';
import { WebhookClient } from './client.ts';
import type { Endpoint } from './client.ts';
import { FailureLog } from './failure-log.ts';
import { versionFor, webhooksOf } from './webhook.ts';
import type { Asked, ServiceAddress, Webhook } from './webhook.ts';

/** Answers an AdmissionReview without a socket. It must not change what it is given. */
export type LocalHandler = (review: Readonly<Record<string, unknown>>) => Promise<unknown>;

export interface WebhooksOptions {
  store: ObjectStore;
  registry: KindRegistry;
  clock: Clock;
  log: Logger;
}

interface Candidate {
  webhook: Webhook;
  /** The version in which it wants to see the object. */
  seen: Kind;
}

const CONFIGURATIONS = 'validatingwebhookconfigurations.admissionregistration.k8s.io';
const API_VERSION = 'admissionregistration.k8s.io/v1';
const NOBODY: readonly Candidate[] = [];

export class Webhooks {
  readonly #options: WebhooksOptions;
  readonly #configurations = new Map<string, readonly Webhook[]>();
  readonly #handlers = new Map<string, LocalHandler>();
  readonly #clients = new Map<string, WebhookClient>();
  readonly #failures: FailureLog;
  /** By kind, version, scope, subresource and operation: all that the rules look at. */
  #candidates = new Map<string, readonly Candidate[]>();
  #kindsAt = -1;

  constructor(options: WebhooksOptions) {
    const { store, clock, log } = options;
    this.#options = options;
    this.#failures = new FailureLog(clock, log);
    for (const stored of store.list(CONFIGURATIONS)) this.#read(stored.name, stored);
    store.subscribe(CONFIGURATIONS, ({ type, object }) => this.#read(object.name, type === 'DELETED' ? undefined : object));
  }

  /** Calls to this URL (as it stands in a configuration) go to `handler`, not through a socket. Returns the way to end that. */
  serve(url: string, handler: LocalHandler): () => void {
    this.#handlers.set(url, handler);
    return () => {
      if (this.#handlers.get(url) === handler) this.#handlers.delete(url);
    };
  }

  /**
   * Undefined when nobody is to be asked, which costs nothing. Else resolves with the warnings of those who were, and rejects with the
   * refusal of the first one (in the order of the configurations) or with 500 where one failed that must not.
   */
  admit(admission: Admission): Promise<string[]> | undefined {
    if (this.#configurations.size === 0) return undefined;
    const candidates = this.#candidatesOf(admission);
    if (candidates.length === 0) return undefined;
    const asked = candidates.filter(({ webhook }) => this.#selects(webhook, admission));
    return asked.length === 0 ? undefined : this.#ask(asked, admission);
  }

  close(): void {
    for (const client of this.#clients.values()) client.retire();
    this.#clients.clear();
  }

  #read(name: string, stored: Parameters<typeof parseObject>[0] | undefined): void {
    this.#candidates.clear();
    if (stored === undefined) this.#configurations.delete(name);
    else this.#configurations.set(name, webhooksOf(parseObject(stored, API_VERSION)));
    const known = new Set([...this.#configurations.values()].flat().map(clientKey));
    for (const [key, client] of this.#clients) {
      if (known.has(key)) continue;
      this.#clients.delete(key);
      client.retire();
    }
  }

  #candidatesOf(asked: Asked): readonly Candidate[] {
    const { registry } = this.#options;
    if (this.#kindsAt !== registry.revision) {
      this.#candidates.clear();
      this.#kindsAt = registry.revision;
    }
    const { kind, subresource = '', namespace, operation } = asked;
    const key = `${kind.resource} ${kind.version} ${subresource} ${operation} ${namespace === undefined ? '' : 'namespaced'}`;
    let found = this.#candidates.get(key);
    if (found === undefined) this.#candidates.set(key, (found = this.#match(asked)));
    return found;
  }

  #match(asked: Asked): readonly Candidate[] {
    // What could otherwise make itself unchangeable.
    if (asked.kind.group === 'admissionregistration.k8s.io') return NOBODY;
    const versions = this.#options.registry.all();
    return [...this.#configurations.values()].flat().flatMap((webhook) => {
      const seen = versionFor(webhook, asked, versions);
      return seen === undefined ? [] : [{ webhook, seen }];
    });
  }

  #selects({ namespaces, objects }: Webhook, { kind, namespace, object, previous }: Admission): boolean {
    if (objects !== undefined && ![object, previous].some((each) => each !== undefined && objects(each.metadata.labels))) return false;
    if (namespaces === undefined) return true;
    if (kind.resource === 'namespaces') return namespaces((object ?? previous)?.metadata.labels);
    return namespace === undefined || namespaces(this.#options.store.get('namespaces', '', namespace)?.labels);
  }

  async #ask(candidates: readonly Candidate[], admission: Admission): Promise<string[]> {
    const outcomes = await Promise.all(candidates.map((candidate) => this.#askOne(candidate, admission)));
    const warnings = outcomes.flatMap((outcome) => outcome.verdict?.warnings ?? []);
    for (const { verdict, webhook, failure } of outcomes) {
      if (failure !== undefined) throw internal(failure);
      if (verdict?.denied !== undefined) throw this.#denial(webhook, { ...verdict, warnings });
    }
    return warnings;
  }

  #denial({ name, configuration }: Webhook, verdict: Verdict): AdmissionDenied {
    const denial = denialOf(name, verdict);
    this.#options.log.debug('webhook.denied', { webhook: name, configuration, reason: denial.message });
    return denial;
  }

  /** Never rejects: `failure` is what the client is told when the webhook cannot be asked and must be. */
  async #askOne({ webhook, seen }: Candidate, admission: Admission): Promise<{ webhook: Webhook; verdict?: Verdict; failure?: string }> {
    const { name, configuration, ignoreFailure } = webhook;
    try {
      if (admission.dryRun && !webhook.dryRun) throw new Error('it has side effects, so that it cannot be asked in a dry run');
      const review = reviewOf(admission, seen);
      return { webhook, verdict: verdictOf(await this.#send(webhook, review), review) };
    } catch (error) {
      const failure = `failed calling webhook ${JSON.stringify(name)}: ${messageOf(error)}`;
      this.#failures.note({ webhook: name, configuration, reason: failure, open: ignoreFailure });
      return ignoreFailure ? { webhook } : { webhook, failure };
    }
  }

  async #send(webhook: Webhook, { body }: Review): Promise<unknown> {
    const { target, timeoutMs } = webhook;
    const local = typeof target === 'string' ? this.#handlers.get(target) : undefined;
    try {
      if (local !== undefined) return await this.#within(timeoutMs, local(body));
      const endpoint = this.#endpoint(target, timeoutMs);
      return JSON.parse(await this.#client(webhook).post({ ...endpoint, body: JSON.stringify(body), timeoutMs })) as unknown;
    } catch (error) {
      throw new Error(`failed to call webhook: ${messageOf(error)}`, { cause: error });
    }
  }

  #within<T>(timeoutMs: number, answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.#options.clock.timer(timeoutMs, () => reject(new Error('context deadline exceeded')));
      answer.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  #client(webhook: Webhook): WebhookClient {
    const key = clientKey(webhook);
    let client = this.#clients.get(key);
    if (client === undefined) this.#clients.set(key, (client = new WebhookClient({ ca: webhook.ca, clock: this.#options.clock })));
    return client;
  }

  #endpoint(target: string | ServiceAddress, timeoutMs: number): Endpoint {
    const timeout = `timeout=${timeoutMs / 1000}s`;
    if (typeof target === 'string') return { url: `${target}${target.includes('?') ? '&' : '?'}${timeout}` };
    const { namespace, name, port, path } = target;
    return { url: `https://${name}.${namespace}.svc:${port}${path}?${timeout}`, connect: this.#resolve(target) };
  }

  /** An address behind the Service; there is no cluster network here, so that its Endpoints are dialled, else its own address. */
  #resolve({ namespace, name, port }: ServiceAddress): { host: string; port: number } {
    const { store } = this.#options;
    const read = (resource: string): unknown => {
      const stored = store.get(resource, namespace, name);
      return stored === undefined ? undefined : parseObject(stored, 'v1');
    };
    const service = read('services');
    if (service === undefined) throw new Error(`service ${JSON.stringify(name)} not found`);
    for (const subset of listAt(read('endpoints'), 'subsets')) {
      const host = textAt(listAt(subset, 'addresses')[0], 'ip');
      const [first] = listAt(subset, 'ports');
      const to = (first as { port?: unknown } | undefined)?.port;
      if (host !== '') return { host, port: typeof to === 'number' ? to : port };
    }
    const host = [textAt(service, 'spec', 'clusterIP'), textAt(service, 'spec', 'externalName')].find(
      (each) => each !== '' && each !== 'None',
    );
    if (host === undefined) throw new Error(`no endpoints available for service ${JSON.stringify(name)}`);
    return { host, port };
  }
}

function clientKey({ target, ca = '' }: Webhook): string {
  return `${typeof target === 'string' ? target : `${target.namespace}/${target.name}:${target.port}`} ${ca}`;
}

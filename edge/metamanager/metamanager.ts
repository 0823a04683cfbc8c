/** Owns the metamanager module: objects from the cloud are stored, then acknowledged (reference/beehive-message.md section 8). */
import type { Bus } from '#beehive/bus.ts';
import { committed, type Committer } from '#beehive/commit.ts';
import { messageOf } from '#beehive/errors.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import { responseTo, type BeehiveMessage } from '#wire/message.ts';
import { operation, source } from '#wire/resources.ts';
import type { MetaTable } from '../store/meta-table.ts';

export const MODULE = source.meta;
const HUB = source.edgehub;
/** Sources whose updates a KubeEdge cloud expects to see acknowledged. */
const acknowledgedUpdates = new Set<string>([source.edgecontroller, 'dynamiccontroller']);

/** Objects whose commits are waited for before the next message is read. */
const AHEAD = 256;
/** Longest key; Kubernetes names and namespaces stay far below it. */
const MAX_KEY = 1024;

export interface MetaManagerOptions {
  bus: Bus<BeehiveMessage>;
  meta: MetaTable;
  committer: Committer;
  /** Our cloud takes an acknowledgement for everything. */
  peerIsOurs(): boolean;
}

export class MetaManager implements Module {
  readonly name = MODULE;
  readonly #options: MetaManagerOptions;
  #loop: Promise<void> = Promise.resolve();
  #stored = 0;
  #waiting = 0;

  constructor(options: MetaManagerOptions) {
    this.#options = options;
  }

  start(context: Context): Promise<void> {
    this.#options.bus.addModule(MODULE);
    this.#options.bus.addModuleToGroup(MODULE, 'meta');
    this.#loop = this.#options.bus.consume(MODULE, (message) => this.#receive(message, context), context.signal);
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#options.bus.cleanup(MODULE);
    await this.#loop;
  }

  health(): Health {
    return { ok: true, detail: `${String(this.#stored)} objects stored since the start` };
  }

  async #receive(message: BeehiveMessage, context: Context): Promise<void> {
    const stored = this.#handle(message, context);
    this.#waiting++;
    void stored.then(() => this.#waiting--);
    // Commits settle in order: when the newest is through, all are.
    if (this.#waiting >= AHEAD) await stored;
  }

  /** Never rejects: a failure is the answer. */
  async #handle(message: BeehiveMessage, context: Context): Promise<void> {
    const { route, content } = message;
    if (route.source === 'edgehub') return;
    const job = this.#job(route.resource, route.operation, content);
    if (job === undefined) {
      context.log.warn('meta.message.dropped', { operation: route.operation, resource: route.resource.slice(0, 200) });
      if (this.#options.peerIsOurs()) this.#answer(message, context, `nothing is known of ${route.operation} ${route.resource}`);
      return;
    }
    try {
      await committed(this.#options.committer, job);
      this.#stored++;
      if (this.#isAcknowledged(message)) this.#answer(message, context);
    } catch (error) {
      context.log.error('meta.store.failed', { resource: route.resource, error });
      // An error is no acknowledgement: the cloud goes on re-sending.
      this.#answer(message, context, messageOf(error));
    }
  }

  #answer(message: BeehiveMessage, context: Context, fault?: string): void {
    const answer = responseTo(message, context.clock.now(), fault === undefined ? {} : { operation: 'error', content: fault });
    this.#options.bus.send(HUB, answer).catch(() => context.log.debug('meta.answer.dropped', { resource: message.route.resource }));
  }

  /** `insert` of a key that exists replaces it: an old value must not survive a missed delete (defect D2). */
  #job(resource: string, verb: string, content: unknown): (() => void) | undefined {
    const { meta } = this.#options;
    if (resource === '' || resource.length > MAX_KEY) return undefined;
    const put = (value: string) => (): void => meta.put(resource, typeOf(resource), value);
    switch (verb) {
      case operation.insert:
      case operation.update:
      case operation.response:
        // Not inside the transaction: what fails there fails for everybody.
        return put(JSON.stringify(content));
      case operation.delete:
        return () => meta.delete(resource);
      default:
        return undefined;
    }
  }

  #isAcknowledged({ route, header }: BeehiveMessage): boolean {
    if (header.parent_msg_id !== undefined) return route.operation === operation.response;
    if (this.#options.peerIsOurs() || route.operation !== operation.update) return true;
    return acknowledgedUpdates.has(route.source);
  }
}

/** The second-last segment of three, the last of two. */
function typeOf(resource: string): string {
  const parts = resource.split('/');
  return (parts.length >= 3 ? parts.at(-2) : parts.at(-1)) ?? '';
}

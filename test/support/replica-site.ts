/** Owns several edgecontrollers on one API in the test's memory, on virtual time: replicas that nodes dial. */
import * as assert from 'uvu/assert';
import { createLogger } from '#beehive/log.ts';
import { EdgeController, type EdgeControllerOptions } from '#cloud/edgecontroller/edgecontroller.ts';
import { events, leases, nodes, type KubeApi, type KubeObject, type ResourceType } from '#cloud/store/kube-api.ts';
import type { BeehiveMessage } from '#wire/message.ts';
import { FakeClock } from './fake-clock.ts';
import { MemoryKubeApi } from './memory-kube-api.ts';

export const leaseOf = (node: string) => ({ namespace: 'kube-node-lease', name: node });

export interface Replica {
  readonly controller: EdgeController;
  readonly moved: string[];
  readonly duties: string[];
  readonly log: string[];
  leads: boolean;
  /** A link of the node opens. */
  dial(node: string): Promise<boolean>;
  stop(): Promise<void>;
}

/** Its watches stay silent after their first list: as a connection that hangs. */
export function deaf(api: KubeApi): KubeApi {
  const never = (signal: AbortSignal | undefined): AsyncIterable<never> => ({
    [Symbol.asyncIterator]: () => ({
      next: () =>
        new Promise((resolve) => signal?.addEventListener('abort', () => resolve({ done: true, value: undefined }), { once: true })),
    }),
  });
  return {
    get: (...args) => api.get(...args),
    list: (...args) => api.list(...args),
    watch: (_type, options) => never(options?.signal),
    create: (...args) => api.create(...args),
    update: (...args) => api.update(...args),
    patch: (...args) => api.patch(...args),
    delete: (...args) => api.delete(...args),
  };
}

export class Site {
  readonly clock = new FakeClock();
  readonly api = new MemoryKubeApi();
  readonly #replicas: Replica[] = [];

  async replica(identity: string, options: Partial<EdgeControllerOptions> & { leads?: never; leading?: boolean } = {}): Promise<Replica> {
    const { leading = false, ...more } = options;
    const abort = new AbortController();
    const [moved, duties, log]: [string[], string[], string[]] = [[], [], []];
    const controller = new EdgeController({
      api: this.api,
      leaseApi: this.api,
      renewalsPerSecond: 50,
      identity,
      moved: (node, to) => void moved.push(`${node} to ${to}`),
      dutyChanged: (node, afresh) => void duties.push(`${node ?? 'all'}: ${controller.duty(node)}${afresh ? ', afresh' : ''}`),
      ...more,
      leads: () => replica.leads,
    });
    const replica: Replica = {
      controller,
      moved,
      duties,
      log,
      leads: leading,
      dial: async (node) => {
        const admitted = controller.admit(node, abort.signal);
        await this.clock.settle();
        return admitted;
      },
      stop: async () => {
        abort.abort(new Error('stopped'));
        await controller.stop();
      },
    };
    this.#replicas.push(replica);
    const logger = createLogger({ clock: this.clock, level: 'debug', write: ({ event }) => void log.push(event) });
    await controller.start({ clock: this.clock, log: logger, signal: abort.signal, failed: () => undefined });
    return replica;
  }

  register(replica: Replica, node: string, capacity = '4'): BeehiveMessage[] {
    return this.say(replica, node, { operation: 'insert', content: { metadata: { name: node }, status: { capacity: { cpu: capacity } } } });
  }

  say(replica: Replica, node: string, fields: { operation: string; content: unknown }): BeehiveMessage[] {
    const answers: BeehiveMessage[] = [];
    const resource = `default/nodestatus/${node}`;
    replica.controller.receive(
      { node, peer: 'hivelet', signal: new AbortController().signal, send: (answer) => void answers.push(answer), offer: () => true },
      {
        header: { msg_id: 'm', timestamp: 1 },
        route: { source: 'edged', group: 'meta', resource, operation: fields.operation },
        content: fields.content,
      },
    );
    return answers;
  }

  /** Time goes by; the named nodes send something every second. */
  async pass(ms: number, heard: [Replica, string][] = []): Promise<void> {
    for (let at = 0; at < ms; at += 1000) {
      for (const [replica, node] of heard) replica.controller.heard(node);
      await this.clock.advance(1000);
    }
  }

  /** Calls `seen` for each state from now on, until the returned function is called. */
  follow(type: ResourceType, seen: (object: KubeObject) => void): () => Promise<void> {
    const stop = new AbortController();
    const run = async (): Promise<void> => {
      for await (const event of this.api.watch(type, { signal: stop.signal })) if (event.type !== 'bookmark') seen(event.object);
    };
    const running = run();
    return () => {
      stop.abort();
      return running;
    };
  }

  holder(node: string): unknown {
    return (this.api.peek(leases, leaseOf(node))?.spec as { holderIdentity?: string } | undefined)?.holderIdentity;
  }

  ready(node: string): string | undefined {
    const status = this.api.peek(nodes, { name: node })?.status as { conditions?: { type: string; status: string }[] } | undefined;
    return status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  }

  async reasons(): Promise<unknown[]> {
    return (await this.api.list(events)).items.map(({ reason }) => reason);
  }

  async stop(): Promise<void> {
    for (const replica of this.#replicas) await replica.stop();
    assert.is(this.clock.pending, 0);
  }
}

export async function withSite(run: (site: Site) => Promise<void>): Promise<void> {
  const site = new Site();
  try {
    await run(site);
  } finally {
    await site.stop();
  }
}

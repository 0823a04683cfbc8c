/** Several cloudcores on one API: who serves a node, who judges it, and what a replica that was left behind may still write. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createLogger } from '#beehive/log.ts';
import { EdgeController, type EdgeControllerOptions } from '#cloud/edgecontroller/edgecontroller.ts';
import { events, leases, nodes, type KubeApi } from '#cloud/store/kube-api.ts';
import type { BeehiveMessage } from '#wire/message.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { MemoryKubeApi } from '#test/support/memory-kube-api.ts';

const lease = (node: string) => ({ namespace: 'kube-node-lease', name: node });

interface Replica {
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
function deaf(api: KubeApi): KubeApi {
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

class Site {
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

  holder(node: string): unknown {
    return (this.api.peek(leases, lease(node))?.spec as { holderIdentity?: string } | undefined)?.holderIdentity;
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

async function withSite(run: (site: Site) => Promise<void>): Promise<void> {
  const site = new Site();
  try {
    await run(site);
  } finally {
    await site.stop();
  }
}

test('a node that dials another replica is taken by it, and the first one lets go of it', () =>
  withSite(async (site) => {
    const [a, b] = [await site.replica('a', { leading: true }), await site.replica('b')];
    assert.ok(await a.dial('pi'));
    assert.equal([site.holder('pi'), a.controller.duty('pi'), b.controller.duty('pi')], ['a', 'all', 'nothing']);
    assert.ok(await b.dial('pi'));
    await site.clock.settle();
    assert.equal([site.holder('pi'), a.controller.duty('pi'), b.controller.duty('pi')], ['b', 'nothing', 'all']);
    assert.equal([a.moved, b.moved], [['pi to b'], []]);
    assert.equal(a.duties.slice(-1), ['pi: nothing, afresh'], 'what it knew of the devices is older than the API');
    assert.is((site.api.peek(leases, lease('pi'))?.spec as { leaseTransitions: number }).leaseTransitions, 1);
  }));

test('a node that moves is Ready all the time, whoever leads', () =>
  withSite(async (site) => {
    const [a, b] = [await site.replica('a', { leading: true }), await site.replica('b')];
    await a.dial('pi');
    site.register(a, 'pi');
    await site.pass(30_000, [[a, 'pi']]);
    await b.dial('pi');
    site.register(b, 'pi');
    for (let half = 0; half < 200; half++) {
      await site.pass(1000, [[b, 'pi']]);
      assert.is(site.ready('pi'), 'True');
    }
    assert.equal(await site.reasons(), ['RegisteredNode', 'NodeReady']);
  }));

test('a node that nobody hears is NotReady 40 s after the last renewal, by the word of the one that leads', () =>
  withSite(async (site) => {
    const [a, b] = [await site.replica('a', { leading: true }), await site.replica('b')];
    await b.dial('pi');
    site.register(b, 'pi');
    await site.pass(60_000, [[b, 'pi']]);
    const renewed = site.api.patches(leases).length;
    await site.pass(38_000);
    assert.is(site.ready('pi'), 'True');
    await site.pass(13_000);
    assert.is(site.ready('pi'), 'Unknown');
    assert.ok(site.api.patches(leases).length - renewed <= 1);
    assert.equal(await site.reasons(), ['RegisteredNode', 'NodeReady', 'NodeNotReady']);
    assert.equal([a.controller.duty('pi'), b.controller.duty('pi')], ['verdict', 'nothing']);
    await site.pass(5000, [[b, 'pi']]);
    assert.is(site.ready('pi'), 'True', 'it was only silent');
    assert.equal([a.controller.duty('pi'), b.controller.duty('pi')], ['nothing', 'all']);
  }));

test('who does not lead judges nobody, and who begins to lead waits for 40 s', () =>
  withSite(async (site) => {
    site.api.put(nodes, {
      metadata: { name: 'pi', labels: { 'node-role.kubernetes.io/edge': '' } },
      status: { conditions: [{ type: 'Ready', status: 'True' }] },
    });
    const a = await site.replica('a');
    await site.pass(300_000);
    assert.is(site.ready('pi'), 'True');
    a.leads = true;
    await site.pass(39_000);
    assert.is(site.ready('pi'), 'True');
    await site.pass(3000);
    assert.is(site.ready('pi'), 'Unknown');
  }));

test('a leader whose watch hangs looks at the Lease itself before it calls a node silent', () =>
  withSite(async (site) => {
    const a = await site.replica('a', { leading: true, leaseApi: deaf(site.api) });
    const b = await site.replica('b');
    await b.dial('pi');
    site.register(b, 'pi');
    for (let at = 0; at < 200; at++) {
      await site.pass(1000, [[b, 'pi']]);
      assert.is(site.ready('pi'), 'True');
    }
    assert.is(a.controller.health().ok, true);
    await site.pass(90_000);
    assert.is(site.ready('pi'), 'Unknown', 'it is silent in truth now');
  }));

test('a replica that has not heard of the move writes nothing over what the new one wrote', () =>
  withSite(async (site) => {
    const a = await site.replica('a', { leading: true, leaseApi: deaf(site.api) });
    const b = await site.replica('b');
    await a.dial('pi');
    site.register(a, 'pi', '4');
    await site.clock.settle();
    await b.dial('pi');
    site.register(b, 'pi', '8');
    await site.clock.settle();
    const capacity = (): unknown => (site.api.peek(nodes, { name: 'pi' })?.status as { capacity: unknown }).capacity;
    assert.equal(capacity(), { cpu: '8' });
    site.say(a, 'pi', { operation: 'update', content: { Status: { capacity: { cpu: '4' } } } });
    await site.pass(3000, [[a, 'pi']]);
    assert.equal(capacity(), { cpu: '8' });
    assert.equal([a.moved, a.controller.duty('pi')], [['pi to b'], 'nothing'], 'it has found out');
    assert.is(await a.controller.confirm('pi'), false);
  }));

test('of two replicas that take a node in the same moment one has it, and the other one knows', () =>
  withSite(async (site) => {
    const [a, b] = [await site.replica('a'), await site.replica('b')];
    const admitted = await Promise.all([a.dial('pi'), b.dial('pi')]);
    await site.clock.settle();
    const holder = site.holder('pi');
    assert.ok(holder === 'a' || holder === 'b');
    assert.equal(
      [a, b].map((replica) => replica.controller.duty('pi')),
      [holder === 'a' ? 'all' : 'nothing', holder === 'b' ? 'all' : 'nothing'],
    );
    for (const [index, replica] of [a, b].entries()) {
      const keeps = holder === (index === 0 ? 'a' : 'b');
      assert.ok(keeps ? admitted[index] : admitted[index] === false || replica.moved.length === 1);
    }
  }));

test('an API that lost its Leases gets them back, and nobody is called silent for it', () =>
  withSite(async (site) => {
    const [, b] = [await site.replica('a', { leading: true }), await site.replica('b')];
    await b.dial('pi');
    site.register(b, 'pi');
    await site.pass(60_000, [[b, 'pi']]);
    site.api.remove(leases, lease('pi'));
    for (let at = 0; at < 120; at++) {
      await site.pass(1000, [[b, 'pi']]);
      assert.is(site.ready('pi'), 'True');
    }
    assert.is(site.holder('pi'), 'b');
    const { uid } = site.api.peek(nodes, { name: 'pi' })!.metadata;
    assert.is(site.api.peek(leases, lease('pi'))?.metadata.ownerReferences?.[0]?.uid, uid, 'the Node owns it');
  }));

test('renewals of a thousand nodes stay within their bound, spread over time, and each node is renewed in time', () =>
  withSite(async (site) => {
    const a = await site.replica('a', { leading: true });
    const names = Array.from({ length: 1000 }, (_, index) => `n${index}`);
    await Promise.all(names.map((name) => a.dial(name)));
    const heard = names.map((name): [Replica, string] => [a, name]);
    await site.pass(30_000, heard);
    const counts: number[] = [];
    const last = new Map<string, number>();
    let longestMs = 0;
    for (let second = 0; second < 60; second++) {
      const from = site.api.calls.length;
      await site.pass(1000, heard);
      const renewed = site.api.calls.slice(from).filter(({ type, verb }) => type === 'leases' && verb === 'patch');
      counts.push(renewed.length);
      for (const { name } of renewed) {
        longestMs = Math.max(longestMs, second * 1000 - (last.get(name) ?? 0));
        last.set(name, second * 1000);
      }
    }
    assert.ok(Math.max(...counts) <= 50, `${Math.max(...counts)} renewals in one second`);
    assert.is(last.size, 1000);
    assert.ok(longestMs <= 22_000, `${longestMs} ms between two renewals`);
  }));

test('a cluster that refuses Leases is told of once, and its nodes are not admitted', () =>
  withSite(async (site) => {
    site.api.before = ({ type, verb }) => {
      if (type === 'leases' && verb !== 'list' && verb !== 'watch') throw MemoryKubeApi.failure(403, 'Forbidden');
    };
    const a = await site.replica('a', { leading: true });
    assert.not(await a.dial('pi'));
    assert.is(a.log.filter((event) => event === 'node.not_admitted').length, 1);
  }));

test.run();

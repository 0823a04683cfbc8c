/** Several cloudcores on one API: who serves a node, who judges it, and what a replica that was left behind may still write. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { leases, nodes } from '#cloud/store/kube-api.ts';
import { MemoryKubeApi } from '#test/support/memory-kube-api.ts';
import { deaf, leaseOf, withSite, type Replica } from '#test/support/replica-site.ts';

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
    assert.is((site.api.peek(leases, leaseOf('pi'))?.spec as { leaseTransitions: number }).leaseTransitions, 1);
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
    assert.equal(admitted, [holder === 'a', holder === 'b'], 'the other one is told at once, and the node dials again');
    assert.equal([...a.moved, ...b.moved], []);
    assert.equal(
      [a, b].map((replica) => replica.controller.duty('pi')),
      [holder === 'a' ? 'all' : 'nothing', holder === 'b' ? 'all' : 'nothing'],
    );
  }));

test('a renewal whose answer was on its way when the node moved does not vouch for it when it comes back', () =>
  withSite(async (site) => {
    const listening = deaf(site.api);
    let answer = (): void => undefined;
    let isHeld = false;
    const patch: typeof listening.patch = async (...asked) => {
      const done = await site.api.patch(...asked);
      // As in a process that hangs: the API has done it, nobody has read that yet.
      if (isHeld) await new Promise<void>((resolve) => (answer = resolve));
      return done;
    };
    const slow = new Proxy(listening, { get: (target, name): unknown => (name === 'patch' ? patch : Reflect.get(target, name)) });
    const [a, b] = [await site.replica('a', { leading: true, leaseApi: slow }), await site.replica('b')];
    await a.dial('pi');
    isHeld = true;
    await site.pass(12_000, [[a, 'pi']]);
    isHeld = false;
    await b.dial('pi');
    await site.clock.settle();
    assert.equal([site.holder('pi'), a.moved], ['b', []], 'a has not heard of it');
    const admitted = a.dial('pi');
    await site.clock.settle();
    answer();
    await site.pass(1000);
    assert.is(await admitted, true);
    assert.is(site.holder('pi'), 'a', 'whom it serves it holds');
    assert.ok(a.duties.includes('pi: nothing, afresh'), 'what it knew of the devices is older than the API');
  }));

test('a node that moves between the question and the write is not overtaken', () =>
  withSite(async (site) => {
    const [a, b] = [await site.replica('a', { leading: true }), await site.replica('b')];
    await a.dial('pi');
    site.register(a, 'pi', '4');
    await site.clock.settle();
    const told: unknown[] = [];
    const watching = site.follow(
      nodes,
      ({ status }) => void told.push((status as { capacity?: { cpu: string } } | undefined)?.capacity?.cpu),
    );
    let moves = async (): Promise<void> => {
      moves = () => Promise.resolve();
      await b.dial('pi');
      site.register(b, 'pi', '8');
      await site.clock.settle();
    };
    site.api.before = ({ verb, type }) => (verb === 'patch' && type === 'nodes' ? moves() : undefined);
    site.say(a, 'pi', { operation: 'update', content: { Status: { capacity: { cpu: '5' } } } });
    await site.pass(5000, [[b, 'pi']]);
    await watching();
    assert.equal([...new Set(told)], ['4', '8'], 'a watch begins with what is there');
  }));

test('a node that comes back is not said to be what it was before it left', () =>
  withSite(async (site) => {
    const [a, b] = [await site.replica('a', { leading: true }), await site.replica('b')];
    await a.dial('pi');
    site.register(a, 'pi', '4');
    await site.clock.settle();
    await b.dial('pi');
    site.register(b, 'pi', '8');
    await site.clock.settle();
    await a.dial('pi');
    const node = site.api.peek(nodes, { name: 'pi' })!;
    site.api.put(nodes, { ...node, metadata: { ...node.metadata, labels: { ...node.metadata.labels, room: 'hall' } } });
    await site.pass(2000, [[a, 'pi']]);
    assert.equal((site.api.peek(nodes, { name: 'pi' })?.status as { capacity: unknown }).capacity, { cpu: '8' });
  }));

test('an API that lost its Leases gets them back, and nobody is called silent for it', () =>
  withSite(async (site) => {
    const [, b] = [await site.replica('a', { leading: true }), await site.replica('b')];
    await b.dial('pi');
    site.register(b, 'pi');
    await site.pass(60_000, [[b, 'pi']]);
    site.api.remove(leases, leaseOf('pi'));
    for (let at = 0; at < 120; at++) {
      await site.pass(1000, [[b, 'pi']]);
      assert.is(site.ready('pi'), 'True');
    }
    assert.is(site.holder('pi'), 'b');
    const { uid } = site.api.peek(nodes, { name: 'pi' })!.metadata;
    assert.is(site.api.peek(leases, leaseOf('pi'))?.metadata.ownerReferences?.[0]?.uid, uid, 'the Node owns it');
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

/** Who leads among several cloudcores: never two, soon another, whatever clocks, processes and the API do. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import { leases, namespaces } from '#cloud/store/kube-api.ts';
import { LeaderElection } from '#cloud/store/kubeconfig/leader-election.ts';
import { CONTEXT, NAME, candidates as rig } from '#test/support/candidates.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { MemoryKubeApi } from '#test/support/memory-kube-api.ts';

test('of two candidates one leads, and stays it as long as it renews', async () => {
  const { candidate, pass, spec, stop } = rig();
  const [a, b] = [candidate('a'), candidate('b')];
  await a.election.start(CONTEXT);
  await b.election.start(CONTEXT);
  await pass(120_000);
  assert.equal([a.changes, b.changes], [[true], []]);
  assert.is(spec().holderIdentity, 'a');
  assert.is(spec().leaseTransitions, 0);
  assert.match(spec().renewTime, /^2026-01-01T00:0[12]:\d\d\.\d{6}Z$/);
  await stop();
});

test('who stops gives the Lease back, and another leads at its next look', async () => {
  const { candidate, pass, spec, stop } = rig();
  const [a, b, c] = [candidate('a'), candidate('b'), candidate('c')];
  for (const { election } of [a, b, c]) await election.start(CONTEXT);
  await pass(5000);
  await a.election.stop();
  assert.equal([a.changes, spec().holderIdentity], [[true, false], undefined]);
  await pass(2500);
  assert.is(b.changes.length + c.changes.length, 1);
  assert.ok(['b', 'c'].includes(spec().holderIdentity ?? ''));
  assert.is(spec().leaseTransitions, 1);
  await stop();
});

test('a renewal that a stop cuts off does not keep the Lease from being given back', async () => {
  const { time, api, candidate, pass, spec, stop } = rig();
  const a = candidate('a');
  await a.election.start(CONTEXT);
  await pass(1000);
  // The server has done it when the answer is cut off.
  const update = api.update.bind(api);
  let cut = true;
  api.update = async (type, object) => {
    const done = await update(type, object);
    if (cut) {
      cut = false;
      await new Promise(() => undefined);
    }
    return done;
  };
  await pass(1500);
  assert.is(cut, false);
  const stopped = a.election.stop();
  await time.settle();
  await stopped;
  assert.is(spec().holderIdentity, undefined);
  await stop();
});

test('the Lease of one that vanished is taken after its time, not before', async () => {
  const { candidate, pass, spec, stop } = rig();
  const [a, b] = [candidate('a'), candidate('b')];
  await a.election.start(CONTEXT);
  await b.election.start(CONTEXT);
  await pass(5000);
  a.link.before = () => new Promise(() => undefined);
  a.machine.pause();
  await pass(12_000);
  assert.is(spec().holderIdentity, 'a');
  assert.is(b.election.isLeader, false);
  await pass(7000);
  assert.is(b.election.isLeader, true);
  assert.is(spec().leaseTransitions, 1);
  a.link.before = () => undefined;
  a.machine.resume();
  await stop();
});

test('a leader that was paused does not lead in the moment in which it goes on', async () => {
  const { candidate, pass, stop } = rig();
  const [a, b] = [candidate('a'), candidate('b')];
  await a.election.start(CONTEXT);
  await b.election.start(CONTEXT);
  await pass(5000);
  a.machine.pause();
  await pass(60_000);
  assert.is(b.election.isLeader, true);
  // Before any timer of it has fired.
  assert.is(a.election.isLeader, false);
  a.machine.resume();
  await pass(20_000);
  assert.equal([a.changes, b.changes], [[true, false], [true]]);
  await stop();
});

test('a renewal whose answer comes after a pause is worth nothing', async () => {
  const { candidate, pass, stop } = rig();
  const [a, b] = [candidate('a'), candidate('b')];
  await a.election.start(CONTEXT);
  await b.election.start(CONTEXT);
  await pass(5000);
  let answer: () => void = () => undefined;
  // The request is out when the process stops.
  a.link.before = () => new Promise<void>((resolve) => (answer = resolve));
  await pass(2000);
  a.machine.pause();
  a.link.before = () => undefined;
  await pass(9000);
  answer();
  await pass(9000);
  a.machine.resume();
  await pass(30_000);
  assert.is(Number(a.election.isLeader) + Number(b.election.isLeader), 1);
  await stop();
});

test('while the API is away nobody leads for longer than its renewal holds, and soon after one does again', async () => {
  const { candidate, pass, stop } = rig();
  const [a, b] = [candidate('a'), candidate('b')];
  await a.election.start(CONTEXT);
  await b.election.start(CONTEXT);
  await pass(5000);
  for (const { link } of [a, b]) {
    link.before = () => {
      throw new Error('connect ECONNREFUSED');
    };
  }
  await pass(8000);
  assert.is(a.election.isLeader, true, 'a short absence costs nothing');
  await pass(3000);
  assert.is(a.election.isLeader, false);
  assert.match(a.election.health().detail ?? '', /ECONNREFUSED/);
  assert.is(a.election.health().ok, true);
  await pass(100_000);
  assert.equal(a.changes, [true, false]);
  for (const { link } of [a, b]) link.before = () => undefined;
  await pass(5000);
  assert.is(Number(a.election.isLeader) + Number(b.election.isLeader), 1);
  await stop();
});

test('an API that does not answer is asked again before the lead is lost', async () => {
  const { candidate, pass, stop } = rig();
  const a = candidate('a');
  await a.election.start(CONTEXT);
  await pass(4000);
  let silent = 1;
  a.link.before = () => (silent-- > 0 ? new Promise(() => undefined) : undefined);
  const seen = a.changes.length;
  await pass(4000);
  assert.is(a.changes.length, seen);
  a.link.before = () => undefined;
  await stop();
});

test('wall clocks that are years apart change nothing', async () => {
  const { candidate, pass, stop, spec } = rig();
  const a = candidate('a', -50 * 365 * 86_400_000);
  const b = candidate('b', 50 * 365 * 86_400_000);
  await a.election.start(CONTEXT);
  await pass(100);
  await b.election.start(CONTEXT);
  await pass(60_000);
  assert.equal([a.changes, b.changes, spec().holderIdentity], [[true], [], 'a']);
  await stop();
});

test('a Lease that was deleted is not taken while its last holder may still believe in it', async () => {
  const { api, candidate, pass, stop } = rig();
  const [a, b] = [candidate('a'), candidate('b')];
  await a.election.start(CONTEXT);
  await b.election.start(CONTEXT);
  await pass(5000);
  a.machine.pause();
  api.remove(leases, NAME);
  await pass(9000);
  assert.is(b.election.isLeader, false);
  await pass(10_000);
  assert.is(b.election.isLeader, true);
  a.machine.resume();
  await pass(5000);
  await stop();
});

test('a label on the Lease renews it for nobody', async () => {
  const { api, candidate, pass, stop } = rig();
  const [a, b] = [candidate('a'), candidate('b')];
  await a.election.start(CONTEXT);
  await b.election.start(CONTEXT);
  await pass(5000);
  a.machine.pause();
  for (let round = 0; round < 10; round++) {
    const lease = api.peek(leases, NAME);
    if (lease !== undefined) api.put(leases, { ...lease, metadata: { ...lease.metadata, labels: { round: String(round) } } });
    await pass(2000);
  }
  assert.is(b.election.isLeader, true);
  a.machine.resume();
  await stop();
});

test('a missing namespace is made', async () => {
  const { api, candidate, pass, stop, spec } = rig();
  const missing = MemoryKubeApi.failure(404, 'NotFound');
  api.before = ({ verb, type }) => {
    if (verb === 'create' && type === 'leases' && api.peek(namespaces, { name: 'kubeedge' }) === undefined) throw missing;
  };
  const a = candidate('a');
  await a.election.start(CONTEXT);
  await pass(100);
  assert.is(a.election.isLeader, true);
  assert.is(spec().holderIdentity, 'a');
  await stop();
});

test('who is started again after a stop stands again', async () => {
  const { candidate, pass, stop } = rig();
  const a = candidate('a');
  await a.election.start(CONTEXT);
  await pass(100);
  await a.election.stop();
  await a.election.stop();
  await a.election.start(CONTEXT);
  await pass(100);
  assert.equal(a.changes, [true, false, true]);
  assert.is(a.election.health().detail, 'this one leads');
  await stop();
});

test('no two of three lead, whatever pauses and cuts come in a hundred minutes', async () => {
  const { time, candidate, pass, stop } = rig();
  const three = [candidate('a', 5e9), candidate('b'), candidate('c', -5e9)];
  for (const { election } of three) await election.start(CONTEXT);
  let led = 0;
  for (let round = 0; round < 300; round++) {
    for (const { machine, link } of three) {
      machine.resume();
      const chance = time.random();
      link.before = () => undefined;
      if (chance < 0.2) machine.pause();
      else if (chance < 0.4) {
        link.before = () => {
          throw new Error('cut');
        };
      } else if (chance < 0.6) link.before = () => time.sleep(time.random() * 8000);
    }
    await pass(20_000);
    if (three.some(({ election }) => election.isLeader)) led += 1;
  }
  assert.ok(led > 150, `somebody led at ${led} of 300 looks`);
  for (const { machine, link } of three) {
    machine.resume();
    link.before = () => undefined;
  }
  await time.advance(20_000);
  await stop();
});

test('times that leave no second try are refused', () => {
  const make = () =>
    new LeaderElection({
      api: new MemoryKubeApi(),
      clock: new FakeClock(),
      log: silentLogger(),
      identity: 'a',
      ...NAME,
      leaseMs: 3000,
      renewMs: 2000,
    });
  assert.throws(make, /leaves no second try/);
});

test.run();

/** Heartbeats of nodes on a real cluster. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createLogger } from '#beehive/log.ts';
import { EdgeController } from '#cloud/edgecontroller/edgecontroller.ts';
import { leases, nodes } from '#cloud/store/kube-api.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { MemoryKubeApi } from '#test/support/memory-kube-api.ts';

const LEASE = { namespace: 'kube-node-lease', name: 'pi' };

async function rig(renewLeases: boolean) {
  const clock = new FakeClock();
  const api = new MemoryKubeApi();
  const abort = new AbortController();
  const events: string[] = [];
  const controller = new EdgeController({ api, renewLeases });
  api.put(nodes, { metadata: { name: 'pi', labels: { 'node-role.kubernetes.io/edge': '' } } });
  await controller.start({
    clock,
    log: createLogger({ clock, write: ({ event }) => void events.push(event) }),
    signal: abort.signal,
    failed: () => undefined,
  });
  const spec = () => api.peek(leases, LEASE)?.spec as { renewTime: string; holderIdentity: string } | undefined;
  const stop = async (): Promise<void> => {
    abort.abort(new Error('stopped'));
    await controller.stop();
  };
  return { clock, api, controller, events, spec, stop };
}

test('a node that is heard has its Lease renewed every ten seconds, a silent one has not', async () => {
  const { clock, controller, api, spec, stop } = await rig(true);
  await clock.advance(5000);
  assert.is(spec(), undefined, 'nothing is known of it yet');
  for (let second = 0; second < 30; second++) {
    controller.heard('pi');
    await clock.advance(1000);
  }
  assert.is(spec()?.holderIdentity, 'pi');
  assert.is(api.peek(leases, LEASE)?.metadata.ownerReferences?.[0]?.uid, api.peek(nodes, { name: 'pi' })?.metadata.uid);
  assert.match(spec()?.renewTime ?? '', /^2026-01-01T00:00:3\d\.\d{6}Z$/);
  await clock.advance(120_000);
  assert.match(spec()?.renewTime ?? '', /^2026-01-01T00:01:/, 'the last one within the 40 s of silence');
  await stop();
  assert.is(clock.pending, 0);
});

test('our own API keeps no Leases', async () => {
  const { clock, controller, spec, stop } = await rig(false);
  controller.heard('pi');
  await clock.advance(20_000);
  assert.is(spec(), undefined);
  await stop();
});

test('a cluster that refuses is told of once', async () => {
  const { clock, api, controller, events, stop } = await rig(true);
  api.before = ({ type }) => {
    if (type === 'leases') throw MemoryKubeApi.failure(403, 'Forbidden');
  };
  for (let second = 0; second < 60; second++) {
    controller.heard('pi');
    await clock.advance(1000);
  }
  assert.is(events.filter((event) => event === 'lease.failed').length, 1);
  await stop();
});

test.run();

/** The embedded API server as a process of its own: restarts, a second owner, absence, and a thousand devices. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { isHiveletError } from '#beehive/errors.ts';
import { silentLogger } from '#beehive/log.ts';
import { configmaps, devices, events, isKubeError, leases, nodes, type WatchEvent } from '#cloud/store/kube-api.ts';
import { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { Reflector } from '#cloud/store/kubeconfig/reflector.ts';
import { ADMIN_TOKEN, hiveletDefinitions, installDefinitions, startApiServer } from '../support/api-server.ts';
import { until, within } from '../support/until.ts';

const thermostat = {
  metadata: { name: 'thermostat', namespace: 'default' },
  spec: { deviceModelRef: { name: 'thermostat-model' }, nodeName: 'pi', custom: { kept: true } },
  status: { twins: [{ propertyName: 'setpoint', desired: { value: '20' } }] },
};

async function refused(promise: Promise<unknown>, ...reasons: string[]): Promise<string> {
  try {
    await promise;
  } catch (error) {
    assert.ok(isKubeError(error, ...reasons), String(error));
    return error instanceof Error ? error.message : '';
  }
  return assert.unreachable(`expected ${reasons.join(' or ')}`) as never;
}

/** Collects until `count` events came, then stops the watch. */
async function collect(watch: AsyncIterable<WatchEvent>, count: number): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of watch) {
    if (event.type === 'bookmark') continue;
    seen.push(`${event.type} ${event.object.metadata.name}`);
    if (seen.length === count) break;
  }
  return seen;
}

test('a reflector follows the server through a restart', async () => {
  const first = await startApiServer();
  await first.client.create(configmaps, { metadata: { name: 'before', namespace: 'default' } });
  await first.client.create(configmaps, { metadata: { name: 'gone', namespace: 'default' } });
  let current = first;
  const forward: Pick<KubeClient, 'list' | 'watch'> = {
    list: (type, options) => current.client.list(type, options),
    watch: (type, options) => current.client.watch(type, options),
  };
  const seen: string[] = [];
  const clock = { ...systemClock, random: () => 0.1 };
  const reflector = new Reflector({
    api: forward,
    type: configmaps,
    clock,
    log: silentLogger(),
    onUpsert: (_previous, { metadata }) => seen.push(metadata.name),
    onDelete: ({ metadata }) => seen.push(`x${metadata.name}`),
  });
  reflector.start();
  await within(reflector.synced(), { what: 'the first list' });
  await first.close();
  current = await startApiServer({ dataDir: first.dataDir });
  await current.client.delete(configmaps, { namespace: 'default', name: 'gone' });
  await current.client.create(configmaps, { metadata: { name: 'after', namespace: 'default' } });
  await until(() => seen.includes('after') && seen.includes('xgone'), { what: 'the changes after the restart', deadlineMs: 20_000 });
  assert.equal([...seen].sort(), ['after', 'before', 'gone', 'xgone']);
  await reflector.stop();
  await current.close();
});

test('the cluster keeps its identity, its kinds and its objects over a restart; leases and old versions go', async () => {
  const first = await startApiServer();
  await installDefinitions(first.client);
  await first.client.create(devices, thermostat);
  await first.client.create(events, {
    metadata: { name: 'e', namespace: 'default' },
    involvedObject: { namespace: 'default' },
    reason: 'X',
  });
  await first.client.update(leases, { metadata: { name: 'pi', namespace: 'kube-node-lease' } });
  const { resourceVersion } = await first.client.list(devices);
  const { clusterUid } = first.server;
  await first.close();
  const second = await startApiServer({ dataDir: first.dataDir });
  assert.is(second.server.clusterUid, clusterUid);
  assert.equal((await second.client.get(devices, { namespace: 'default', name: 'thermostat' })).spec, thermostat.spec);
  assert.equal((await second.client.list(leases)).items, []);
  assert.is((await second.client.list(events)).items.length, 1);
  await refused(collect(second.client.watch(devices, { resourceVersion }), 1), 'Expired');
  const exact = await second.raw({ path: `/api/v1/nodes?resourceVersion=${resourceVersion}&resourceVersionMatch=Exact` });
  assert.is(exact.status, 410);
  assert.ok(Number((await second.client.list(devices)).resourceVersion) > Number(resourceVersion));
  await second.close();
});

test('a second server on the same data says whose it is', async () => {
  const first = await startApiServer();
  await startApiServer({ dataDir: first.dataDir }).then(
    () => assert.unreachable(),
    (error: unknown) => assert.ok(isHiveletError(error, 'STORE_LOCKED') && error.message.includes(`process ${process.pid}`)),
  );
  await first.close();
});

test('a server that is down is one sentence, and a request can be given up', async () => {
  const down = await startApiServer();
  await down.close();
  const client = new KubeClient({
    access: { server: down.url, ca: down.ca, token: () => ADMIN_TOKEN, namespace: 'default' },
    clock: systemClock,
  });
  const abort = new AbortController();
  const asking = client.get(nodes, { name: 'pi' }, { signal: abort.signal });
  abort.abort(new Error('enough'));
  await asking.then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 'enough'),
  );
  // Our timers keep no process alive, the deadline does.
  await within(client.list(nodes), { what: 'the refusal', deadlineMs: 20_000 }).then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, /no answer from https:.*ECONNREFUSED/),
  );
  client.close();
});

test('a list of 1,000 devices takes a moment, as objects and as a table', async () => {
  const big = await startApiServer();
  await installDefinitions(big.client, hiveletDefinitions());
  const made = Array.from({ length: 1000 }, (_each, index) =>
    big.client.create(devices, { ...thermostat, metadata: { name: `d${index}`, namespace: 'default' } }),
  );
  await Promise.all(made);
  for (const accept of ['application/json', 'application/json;as=Table;v=v1;g=meta.k8s.io']) {
    const startedMs = performance.now();
    const { text } = await big.raw({ path: '/apis/devices.kubeedge.io/v1beta1/devices', accept });
    const tookMs = performance.now() - startedMs;
    const list = JSON.parse(text) as { items?: unknown[]; rows?: unknown[] };
    assert.is((list.items ?? list.rows)?.length, 1000);
    assert.ok(tookMs < 500, `${tookMs} ms`);
  }
  await big.close();
});

test.run();

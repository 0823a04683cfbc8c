/** Which API the cloud works on, and what happens when that API goes away or becomes another one. */
import { readFile } from 'node:fs/promises';
import { once } from 'node:events';
import { get } from 'node:https';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { loadConfig } from '#beehive/config-file.ts';
import { HiveletError } from '#beehive/errors.ts';
import { silentLogger } from '#beehive/log.ts';
import { startCloud } from '#cloud/cloudcore.ts';
import { cloudSchema } from '#cloud/config.ts';
import { serveApi } from '#cloud/kube-access.ts';
import { cloudFiles, initCloud } from '#cloud/pki/init.ts';
import { deviceModels, devices } from '#cloud/store/kube-api.ts';
import type { MembershipDetail, MembershipUpdate } from '#wire/device-messages.ts';
import { startTestCloud, type TestCloud } from '#test/support/cloud.ts';
import { thermostat, thermostatModel } from '#test/support/device-objects.ts';
import type { FakeEdge } from '#test/support/fake-edge.ts';
import { freePort } from '#test/support/ports.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

/** A bare `hivelet api`: its own process in life, its own server here. */
async function bareApi(dataDir: string, port: number, database?: string) {
  await initCloud({ dataDir, advertise: [], clock: systemClock });
  const sets = [
    `modules.apiServer.listen=127.0.0.1:${port}`,
    ...(database === undefined ? [] : [`modules.apiServer.database=${database}`]),
  ];
  const config = loadConfig(cloudSchema, { sets });
  const { server } = await serveApi({ config, dataDir, clock: systemClock, log: silentLogger() });
  return server;
}

async function fill(cloud: TestCloud): Promise<void> {
  for (const [type, object] of [
    [deviceModels, thermostatModel()],
    [devices, thermostat()],
  ] as const) {
    const { name, namespace = 'default' } = object.metadata;
    await cloud.api.create(type, { ...object, metadata: { name, namespace } });
  }
}

async function detail(edge: FakeEdge, clusterUid: string): Promise<MembershipDetail> {
  const content = JSON.stringify({ hivelet: { cluster_uid: clusterUid, known: {} } });
  edge.send({ source: 'twin', group: 'resource', operation: 'get', resource: 'membership/detail', content });
  const answer = await edge.frame(
    'the list of devices',
    ({ route }) => route.resource === 'membership/detail' && route.operation === 'update',
  );
  return answer.content as MembershipDetail;
}

const removals = (edge: FakeEdge): unknown[] =>
  edge.frames.flatMap(({ route, content }) =>
    route.resource === 'membership' ? ((content as MembershipUpdate).removed_devices ?? []) : [],
  );

test('a running `hivelet api` that owns the database is used, and that is said', async () => {
  const dataDir = tempDir();
  const api = await bareApi(dataDir, 0);
  const cloud = await startTestCloud({ dataDir });
  assert.is(cloud.cloud.api, `https://127.0.0.1:${api.port}`);
  assert.is(cloud.log.filter(({ event }) => event === 'api.shared').length, 1);
  await fill(cloud);
  assert.is((await detail(await cloud.edge('pi'), '')).devices.length, 1);
  await cloud.close();
  await api.close();
});

test('a database that is locked by something that does not answer is told as that', async () => {
  const dataDir = tempDir();
  const api = await bareApi(dataDir, 0);
  await import('node:fs/promises').then(({ rm }) => rm(path.join(dataDir, 'kubeconfig')));
  try {
    await startTestCloud({ dataDir });
    assert.unreachable();
  } catch (error) {
    assert.is((error as HiveletError).code, 'STORE_LOCKED');
  }
  await api.close();
});

test('the API goes away and comes back: nodes stay linked, and what changed meanwhile reaches them', async () => {
  const dataDir = tempDir();
  const port = await freePort();
  const first = await bareApi(dataDir, port);
  const cloud = await startTestCloud({ dataDir, sets: [`kubeAPIConfig.kubeConfig=${dataDir}/kubeconfig`] });
  await fill(cloud);
  const edge = await cloud.edge('pi');
  await detail(edge, '');
  await first.close();
  const again = await bareApi(dataDir, port);
  const body = { status: { twins: [{ propertyName: 'setpoint', desired: { value: '42' } }] } };
  await until(() => cloud.api.patch(devices, { namespace: 'default', name: 'thermo' }, { type: 'merge', body }), {
    what: 'the API to answer',
  });
  await edge.frame('the new desired value', ({ content }) => JSON.stringify(content).includes('"42"'));
  assert.is(edge.socket.readyState, edge.socket.OPEN);
  await cloud.close();
  await again.close();
});

for (const [what, prepare] of [
  ['an empty database', async () => undefined],
  ['another cluster with a device of the same name', fill],
] as const) {
  test(`the API becomes ${what}: links are dropped, nothing is removed, the next link is told the new cluster`, async () => {
    const dataDir = tempDir();
    const port = await freePort();
    const first = await bareApi(dataDir, port);
    const cloud = await startTestCloud({ dataDir, sets: [`kubeAPIConfig.kubeConfig=${dataDir}/kubeconfig`] });
    await fill(cloud);
    const edge = await cloud.edge('pi');
    await detail(edge, '');
    const before = edge.greeting['hivelet-cluster'];
    await first.close();
    const other = await bareApi(dataDir, port, tempDir());
    assert.is(await edge.closed(), 1012);
    assert.equal(removals(edge), []);
    const next = await until(() => cloud.edge('pi'), { what: 'the cloud to take links again', deadlineMs: 20_000 });
    assert.is(next.greeting['hivelet-cluster'], other.clusterUid);
    assert.is.not(next.greeting['hivelet-cluster'], before);
    await prepare(cloud);
    const told = await detail(next, String(before));
    assert.equal(told.hivelet?.removed, []);
    assert.is(told.devices.length, what === 'an empty database' ? 0 : 1);
    await cloud.close();
    await other.close();
  });
}

test('while no API answers the cloud waits, says so on /healthz, and a stop ends the wait', async () => {
  const dataDir = tempDir();
  const port = await freePort();
  const gone = await bareApi(dataDir, port);
  await gone.close();
  const httpsPort = await freePort();
  const config = loadConfig(cloudSchema, {
    sets: [
      `kubeAPIConfig.kubeConfig=${dataDir}/kubeconfig`,
      'modules.cloudHub.websocket.address=127.0.0.1',
      'modules.cloudHub.websocket.port=0',
      'modules.cloudHub.https.address=127.0.0.1',
      `modules.cloudHub.https.port=${httpsPort}`,
    ],
  });
  const abort = new AbortController();
  const started = startCloud({ config, dataDir, clock: systemClock, log: silentLogger(), signal: abort.signal, version: 'test' });
  const failed = started.then(
    () => 'started',
    (error: unknown) => (error as HiveletError).code,
  );
  const ca = await readFile(cloudFiles(dataDir).authority.certificate);
  const status = await until(
    async () => {
      const [response] = (await once(get({ host: '127.0.0.1', port: httpsPort, path: '/healthz', ca, agent: false }), 'response')) as [
        { statusCode: number; resume(): void },
      ];
      response.resume();
      return response.statusCode;
    },
    { what: '/healthz' },
  );
  assert.is(status, 503);
  abort.abort(new HiveletError('STOPPED'));
  assert.is(await failed, 'STOPPED');
});

test('settings that cannot work are refused before anything is opened', async () => {
  try {
    await startTestCloud({ sets: ['modules.edgeController.enable=false'] });
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, /^modules\.edgeController\.enable is false, but the hub needs it/);
  }
});

test.run();

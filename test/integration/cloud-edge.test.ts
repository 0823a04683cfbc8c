/** The whole way with a real edge: desired down, reported up, and both sides agreeing again after everything changed while they were apart. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock, type Clock } from '#beehive/clock.ts';
import { loadConfig } from '#beehive/config-file.ts';
import { silentLogger } from '#beehive/log.ts';
import { cloudSchema } from '#cloud/config.ts';
import { serveApi } from '#cloud/kube-access.ts';
import { initCloud } from '#cloud/pki/init.ts';
import { deviceModels, devices, nodes, type KubeApi, type KubeObject } from '#cloud/store/kube-api.ts';
import { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { readKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { startTestCloud } from '#test/support/cloud.ts';
import { thermostat, thermostatModel } from '#test/support/device-objects.ts';
import { ask, startTestEdge, watchMqtt, type MqttWatcher, type TestEdge } from '#test/support/edge.ts';
import { freePort } from '#test/support/ports.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const since1970: Clock = { ...systemClock, now: () => Math.round(systemClock.monotonic()) };
const topic = (device: string, action: string): string => `$hw/events/device/${device}/${action}`;

interface Status {
  conditions?: { type: string; message: string }[];
  twins?: { propertyName: string; desired?: { value: string }; reported?: { value: string } }[];
}

async function fill(api: KubeApi, ...names: string[]): Promise<void> {
  for (const [type, object] of [
    [deviceModels, thermostatModel()] as const,
    ...names.map((name) => [devices, thermostat({ name })] as const),
  ]) {
    const { name, namespace = 'default' } = object.metadata;
    await api.create(type, { ...object, metadata: { name, namespace } });
  }
}

const statusOf = async (api: KubeApi, name: string): Promise<Status> =>
  (await api.get(devices, { namespace: 'default', name })).status as Status;

function twinIn(status: Status, property: string) {
  return status.twins?.find(({ propertyName }) => propertyName === property);
}

function setDesired(api: KubeApi, name: string, value: string): Promise<KubeObject> {
  const operations = [
    { op: 'test', path: '/status/twins/0/propertyName', value: 'setpoint' },
    { op: 'replace', path: '/status/twins/0/desired/value', value },
  ] as const;
  return api.patch(devices, { namespace: 'default', name }, { type: 'json', operations });
}

async function joined(edge: TestEdge, ...names: string[]): Promise<MqttWatcher> {
  const mqtt = await watchMqtt(edge.port, ['$hw/events/#']);
  for (const name of names) {
    await until(
      async () => {
        const { twin } = (await ask(mqtt, topic(name, 'twin/get'), {})) as { twin?: { setpoint?: { expected?: unknown } } };
        return twin?.setpoint?.expected;
      },
      { what: `device ${name} at the edge` },
    );
  }
  return mqtt;
}

async function expectedAt(mqtt: MqttWatcher, name: string): Promise<string | undefined> {
  const { twin } = (await ask(mqtt, topic(name, 'twin/get'), {})) as { twin?: { setpoint?: { expected?: { value: string } } } };
  return twin?.setpoint?.expected?.value;
}

test('a patch in the API is a delta on MQTT, and the answer of the mapper is the reported value in the API', async () => {
  const cloud = await startTestCloud();
  await fill(cloud.api, 'thermo');
  await cloud.certificate('pi');
  await initCloud({ dataDir: cloud.dataDir, advertise: [], clock: systemClock, nodeName: 'pi' });
  const edge = await startTestEdge({ dataDir: cloud.dataDir, node: 'pi', hub: `127.0.0.1:${cloud.cloud.hubPort}` });
  const mqtt = await joined(edge, 'thermo');
  await setDesired(cloud.api, 'thermo', '23');
  const delta = await mqtt.message(
    'the delta',
    ({ topic: at, payload }) => at === topic('thermo', 'twin/update/delta') && payload.includes('"23"'),
  );
  assert.equal((JSON.parse(delta.payload) as { delta: unknown }).delta, { setpoint: '23' });
  mqtt.publish(topic('thermo', 'twin/update'), JSON.stringify({ event_id: 'm', twin: { setpoint: { actual: { value: '23' } } } }));
  await until(async () => twinIn(await statusOf(cloud.api, 'thermo'), 'setpoint')?.reported?.value === '23', {
    what: 'the report in the API',
  });
  await until(
    async () =>
      ((await cloud.api.get(nodes, { name: 'pi' })).status as { nodeInfo?: { kubeletVersion?: string } }).nodeInfo?.kubeletVersion,
    { what: 'the version of the node' },
  );
  await cloud.api.delete(devices, { namespace: 'default', name: 'thermo' });
  await mqtt.message(
    'the end of the device',
    ({ topic: at, payload }) => at.endsWith('membership/updated') && payload.includes('"removed_devices":[{'),
  );
  await mqtt.close();
  await edge.edge.stop();
  await cloud.close();
});

test('after everything changed while cloud and edge were apart, and the board thinks it is 1970, both agree within 5 s and stay so', async () => {
  const dataDir = tempDir();
  const port = await freePort();
  const hubPort = await freePort();
  await initCloud({ dataDir, advertise: [], clock: systemClock, nodeName: 'pi' });
  const config = loadConfig(cloudSchema, { sets: [`modules.apiServer.listen=127.0.0.1:${port}`] });
  const { server } = await serveApi({ config, dataDir, clock: systemClock, log: silentLogger() });
  const api = new KubeClient({ access: readKubeconfig(`${dataDir}/kubeconfig`), clock: systemClock });
  const sets = [`kubeAPIConfig.kubeConfig=${dataDir}/kubeconfig`, `modules.cloudHub.websocket.port=${hubPort}`];
  const hub = `127.0.0.1:${hubPort}`;

  const before = await startTestCloud({ dataDir, sets });
  await fill(api, 'from-cloud', 'from-app', 'from-device');
  const first = await startTestEdge({ dataDir, node: 'pi', hub });
  const mqtt = await joined(first, 'from-cloud', 'from-app', 'from-device');
  mqtt.publish(topic('from-device', 'twin/update'), JSON.stringify({ event_id: 'a', twin: { temperature: { actual: { value: '19' } } } }));
  await until(async () => twinIn(await statusOf(api, 'from-device'), 'temperature')?.reported?.value === '19', {
    what: 'the first report',
  });
  await before.close();

  await setDesired(api, 'from-cloud', '30');
  await ask(mqtt, topic('from-app', 'twin/update'), { twin: { setpoint: { expected: { value: '77' } } } });
  await ask(mqtt, topic('from-device', 'twin/update'), { twin: { temperature: { actual: { value: '25' } } } });
  await mqtt.close();
  await first.edge.stop();
  const second = await startTestEdge({ dataDir, node: 'pi', hub, clock: since1970 });
  const later = await joined(second, 'from-cloud', 'from-app');
  assert.is(await expectedAt(later, 'from-app'), '77', 'an override outlives a restart');

  const startedAt = performance.now();
  const after = await startTestCloud({ dataDir, sets });
  const overrideOf = async (name: string): Promise<string | undefined> =>
    (await statusOf(api, name)).conditions?.find(({ type }) => type === 'LocalOverride')?.message;
  await until(async () => twinIn(await statusOf(api, 'from-device'), 'temperature')?.reported?.value === '25', {
    what: 'the value of the device',
  });
  await until(async () => (await expectedAt(later, 'from-cloud')) === '30', { what: 'the desired value at the edge' });
  await until(() => overrideOf('from-app'), { what: 'the override in the API' });
  assert.ok(performance.now() - startedAt < 5000 + 3000, 'the start of the cloud included');
  assert.is(await overrideOf('from-app'), 'setpoint is held at 77 (the API wants 21)');
  assert.is(await overrideOf('from-cloud'), undefined);
  assert.is(twinIn(await statusOf(api, 'from-app'), 'setpoint')?.desired?.value, '21', 'the cloud never writes desired');

  const settled = async (): Promise<string[]> => (await api.list(devices)).items.map(({ metadata }) => metadata.resourceVersion ?? '');
  let versions = await settled();
  let since = performance.now();
  await until(
    async () => {
      const now = await settled();
      if (now.join() !== versions.join()) since = performance.now();
      versions = now;
      return performance.now() - since > 2000;
    },
    { what: 'two seconds without a change', everyMs: 200 },
  );
  assert.is(await expectedAt(later, 'from-app'), '77');
  await later.close();
  await second.edge.stop();
  await after.close();
  api.close();
  await server.close();
});

test('labels and taints of the configuration are on the Node; one that is taken out of it goes, one of a user stays', async () => {
  const cloud = await startTestCloud();
  await cloud.certificate('pi');
  const hub = `127.0.0.1:${cloud.cloud.hubPort}`;
  const start = (...sets: string[]): Promise<TestEdge> => startTestEdge({ dataDir: cloud.dataDir, node: 'pi', hub, sets });
  const node = async (fits: (taints: readonly unknown[]) => boolean): Promise<KubeObject> =>
    until(
      async () => {
        const found = await cloud.api.get(nodes, { name: 'pi' }).catch(() => undefined);
        return found !== undefined && fits(taintsOf(found)) ? found : undefined;
      },
      { what: 'the Node' },
    );
  const taintsOf = (object: KubeObject): unknown[] => (object['spec'] as { taints?: unknown[] } | undefined)?.taints ?? [];
  const first = await start('modules.edged.labels.site=hall-2', 'modules.edged.taints=edge=yes:NoSchedule,slow:PreferNoSchedule');
  const made = await node((taints) => taints.length === 2);
  assert.is(made.metadata.labels?.['site'], 'hall-2');
  assert.equal(taintsOf(made), [
    { key: 'edge', value: 'yes', effect: 'NoSchedule' },
    { key: 'slow', effect: 'PreferNoSchedule' },
  ]);
  await first.edge.stop();
  const users = { key: 'mine', effect: 'NoExecute' };
  await cloud.api.patch(nodes, { name: 'pi' }, { type: 'merge', body: { spec: { taints: [...taintsOf(made), users] } } });
  const second = await start('modules.edged.taints=slow:PreferNoSchedule');
  const after = await node((taints) => !JSON.stringify(taints).includes('"edge"'));
  assert.equal(taintsOf(after), [{ key: 'slow', effect: 'PreferNoSchedule' }, users]);
  await second.edge.stop();
  await cloud.close();
});

test.run();

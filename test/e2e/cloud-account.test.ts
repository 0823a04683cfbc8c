/** cloudcore in a process of its own, with nothing but the service account and the roles of conf/kubernetes, on a running `hivelet api`. */
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAllDocuments } from 'yaml';
import { systemClock } from '#beehive/clock.ts';
import { readDefinitions } from '#device-models/definitions.ts';
import { initCloud } from '#cloud/pki/init.ts';
import { deviceModels, devices, namespaces, nodes, type KubeObject } from '#cloud/store/kube-api.ts';
import { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { readKubeconfig, writeKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { FLEET_PROPERTY, createFleet, deviceName, fleetDevice, fleetModel, nodeName, type Fleet } from '#test/simulators/fleet.ts';
import { installDefinitions } from '#test/support/api-server.ts';
import { freePorts } from '#test/support/ports.ts';
import { spawnProcess, type TestProcess } from '#test/support/processes.ts';
import { launcher } from '#test/support/programs.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const root = path.join(import.meta.dirname, '../..');

function start(program: string, dataDir: string, sets: readonly string[]): TestProcess {
  const args = [program, '--data-dir', dataDir, '--log-format', 'json', ...sets.flatMap((set) => ['--set', set])];
  return spawnProcess({ command: launcher, args });
}

/** What an administrator does: definitions, namespace, roles. Answers a kubeconfig with a token of the account. */
async function prepare(admin: KubeClient, { dataDir, server }: { dataDir: string; server: string }): Promise<string> {
  await installDefinitions(
    admin,
    readDefinitions(path.join(root, 'device-models/crds')).map(({ object }) => object),
  );
  await admin.create(namespaces, { metadata: { name: 'kubeedge' } });
  for (const document of parseAllDocuments(readFileSync(path.join(root, 'conf/kubernetes/rbac.yaml'), 'utf8'))) {
    const object = document.toJS() as KubeObject;
    const [group = '', version = ''] = object.apiVersion.includes('/') ? object.apiVersion.split('/') : ['', object.apiVersion];
    const namespaced = object.metadata.namespace !== undefined;
    await admin.create({ group, version, plural: `${object.kind.toLowerCase()}s`, kind: object.kind, namespaced }, object);
  }
  const requests = { group: '', version: 'v1', plural: 'serviceaccounts/cloudcore/token', kind: 'TokenRequest', namespaced: true };
  const wish = { apiVersion: 'authentication.k8s.io/v1', metadata: { namespace: 'kubeedge' }, spec: { expirationSeconds: 3600 } };
  const { status } = await admin.create(requests, wish);
  const file = path.join(tempDir(), 'cloudcore.kubeconfig');
  const ca = readFileSync(path.join(dataDir, 'pki/ca.crt'), 'utf8');
  writeKubeconfig(file, { server, ca, token: (status as { token: string }).token });
  return file;
}

interface World {
  admin: KubeClient;
  apiDir: string;
  cloud: TestProcess;
  fleet: Fleet;
  close(): Promise<void>;
}

async function startWorld(): Promise<World> {
  const [apiPort = 0, hub = 0, https = 0] = await freePorts(3);
  const [apiDir, cloudDir] = [tempDir(), tempDir()];
  await initCloud({ dataDir: apiDir, advertise: [], clock: systemClock });
  const api = start('api', apiDir, [`modules.apiServer.listen=127.0.0.1:${String(apiPort)}`]);
  await api.line('api.ready', { deadlineMs: 30_000 });
  const admin = new KubeClient({ access: readKubeconfig(path.join(apiDir, 'kubeconfig')), clock: systemClock });
  const kubeconfig = await prepare(admin, { dataDir: apiDir, server: `https://127.0.0.1:${String(apiPort)}` });
  mkdirSync(path.join(cloudDir, 'pki'), { recursive: true });
  for (const file of ['ca.crt', 'ca.key']) copyFileSync(path.join(apiDir, 'pki', file), path.join(cloudDir, 'pki', file));
  const sets = [`kubeAPIConfig.kubeConfig=${kubeconfig}`, `modules.cloudHub.websocket.port=${String(hub)}`];
  const cloud = start('cloud', cloudDir, [...sets, `modules.cloudHub.https.port=${String(https)}`]);
  await cloud.line('cloudcore.ready', { deadlineMs: 30_000 });
  const fleet: Fleet = await createFleet({
    dataDir: apiDir,
    nodes: 1,
    ports: [hub],
    desired: ({ device, property, value }) => void fleet.nodes[0]?.report(device, property, value),
  });
  const close = async (): Promise<void> => {
    fleet.stop();
    admin.close();
    await cloud.stop();
    await api.stop();
  };
  return { admin, apiDir, cloud, fleet, close };
}

interface Twin {
  propertyName: string;
  reported?: { value?: string };
}

test('a device goes round with the rights of conf/kubernetes, and nothing is refused', async () => {
  const { admin, apiDir, cloud, fleet, close } = await startWorld();
  try {
    await admin.create(deviceModels, fleetModel());
    await admin.create(devices, fleetDevice(0, 0));
    fleet.nodes[0]?.connect();
    const where = { namespace: 'default', name: deviceName(0, 0) };
    const ready = async (): Promise<boolean> => {
      const { conditions = [] } = (await admin.get(nodes, { name: nodeName(0) }))['status'] as { conditions?: Record<string, string>[] };
      return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
    };
    await until(ready, { what: 'the node to be Ready', deadlineMs: 20_000 });
    const desired = { propertyName: FLEET_PROPERTY, desired: { value: '23', metadata: { type: 'int' } } };
    await admin.patch(devices, where, { type: 'merge', body: { status: { twins: [desired] } } });
    const reported = async (): Promise<boolean> => {
      const { twins = [] } = ((await admin.get(devices, where))['status'] ?? {}) as { twins?: Twin[] };
      return twins.some((twin) => twin.propertyName === FLEET_PROPERTY && twin.reported?.value === '23');
    };
    await until(reported, { what: 'the value to come back', deadlineMs: 20_000 });
    await cloud.stop();
    assert.is(/Forbidden|is forbidden|\b403\b/.test(cloud.output), false, cloud.output);
  } finally {
    await close();
  }
  const audit = path.join(apiDir, 'cloud', 'audit.log');
  assert.ok(existsSync(audit));
  const lines = readFileSync(audit, 'utf8').trim().split('\n');
  const entries = lines.map((line) => JSON.parse(line) as { user: string; verb: string; resource: string; code: number });
  assert.ok(entries.some(({ user, resource }) => user === 'admin' && resource === 'devices'));
  assert.ok(
    entries.some(
      ({ user, verb, resource }) => user === 'system:serviceaccount:kubeedge:cloudcore' && verb === 'create' && resource === 'nodes',
    ),
  );
  assert.equal(
    entries.filter(({ code }) => code === 403),
    [],
  );
});

test.run();

/** `hivelet cloud --kubeconfig`: two processes on one API that allows no more than the roles of conf/kubernetes. */
import { cpSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { readDefinitions } from '#device-models/definitions.ts';
import { initCloud, issueNodeCertificate } from '#cloud/pki/init.ts';
import { deviceModels, devices, leases, namespaces, nodes, type KubeObject } from '#cloud/store/kube-api.ts';
import { installDefinitions } from '../support/api-server.ts';
import { connectFakeEdge } from '../support/fake-edge.ts';
import { startLimitedApi, type LimitedApi } from '../support/limited-api.ts';
import { spawnProcess, type TestProcess } from '../support/processes.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';

const root = path.join(import.meta.dirname, '../..');
const ports = ['modules.cloudHub.websocket.port=0', 'modules.cloudHub.https.port=0'].flatMap((set) => ['--set', set]);
const loopback = ['modules.cloudHub.websocket.address=127.0.0.1', 'modules.cloudHub.https.address=127.0.0.1'].flatMap((set) => [
  '--set',
  set,
]);
const inCluster = ['modules.admission.address=127.0.0.1', 'modules.admission.service=kubeedge/cloudcore-webhook'].flatMap((set) => [
  '--set',
  set,
]);

function cloud(kubeconfig: string, dataDir: string): TestProcess {
  const args = ['--kubeconfig', kubeconfig, '--data-dir', dataDir, ...ports, ...loopback, ...inCluster, '--log-format', 'json'];
  return spawnProcess({ command: process.execPath, args: ['--import', 'tsx', path.join(root, 'cloud/main.ts'), ...args], cwd: root });
}

async function ready(running: TestProcess): Promise<{ hubPort: number; api: string }> {
  return JSON.parse(await running.line('cloudcore.ready', { deadlineMs: 30_000 })) as { hubPort: number; api: string };
}

/** What step 3 of conf/kubernetes/README.md does for each replica. */
function replicaOf(original: string): string {
  const copy = tempDir();
  cpSync(path.join(original, 'pki'), path.join(copy, 'pki'), { recursive: true });
  mkdirSync(path.join(copy, 'cloud'), { recursive: true });
  cpSync(path.join(original, 'cloud', 'admin-token'), path.join(copy, 'cloud', 'admin-token'));
  return copy;
}

const holderOf = (lease: KubeObject): string | undefined => (lease['spec'] as { holderIdentity?: string }).holderIdentity;

/** What was opened is closed whatever comes of it: who is left open keeps the test alive. */
const test = suite<{ limited: LimitedApi; started: TestProcess[] }>();
test.before.each(async (world) => {
  Object.assign(world, { limited: await startLimitedApi(), started: [] });
});
test.after.each(async ({ limited, started }) => {
  await Promise.all(started.map((running) => running.stop()));
  await limited.close();
});

test('without definitions, and without the right to install them, it ends and says what to do', async ({ limited, started }) => {
  const running = cloud(limited.kubeconfig, tempDir());
  started.push(running);
  assert.is((await running.exited).code, 1);
  assert.match(running.output, 'is missing, and may not be created from here: run `hivelet crds | kubectl apply -f -` as an administrator');
});

test('two replicas with the rights of the manifests serve boards; when the leader ends, the other leads', async ({ limited, started }) => {
  const { client } = limited.admin;
  await installDefinitions(
    client,
    readDefinitions(path.join(root, 'device-models/crds')).map(({ object }) => object),
  );
  await client.create(namespaces, { metadata: { name: 'kubeedge' } });
  const original = tempDir();
  await initCloud({ dataDir: original, advertise: [], clock: systemClock });
  const { files } = await issueNodeCertificate({ dataDir: original, node: 'pi', clock: systemClock });
  const replicas = [cloud(limited.kubeconfig, replicaOf(original)), cloud(limited.kubeconfig, replicaOf(original))] as const;
  started.push(...replicas);
  const places = await Promise.all(replicas.map(ready));
  const lease = () => client.get(leases, { namespace: 'kubeedge', name: 'cloudcore' });
  const first = await until(async () => holderOf(await lease()), { what: 'a leader' });
  assert.equal(replicas.filter(({ output }) => output.includes('leader.started')).length, 1);

  await client.create(deviceModels, {
    metadata: { name: 'lamp', namespace: 'default' },
    spec: { properties: [{ name: 'on', type: { boolean: { accessMode: 'ReadWrite' } } }] },
  });
  await client.create(devices, {
    metadata: { name: 'lamp-1', namespace: 'default' },
    spec: {
      deviceModelRef: { name: 'lamp' },
      nodeSelector: { nodeSelectorTerms: [{ matchExpressions: [{ key: '', operator: 'In', values: ['pi'] }] }] },
    },
  });
  await client.create(nodes, { metadata: { name: 'pi', labels: { 'node-role.kubernetes.io/edge': '' } } });
  for (const { hubPort } of places) {
    const edge = await connectFakeEdge({ port: hubPort, node: 'pi', files: { ...files, authority: path.join(original, 'pki/ca.crt') } });
    await until(
      async () => {
        const { conditions = [] } = ((await client.get(nodes, { name: 'pi' }))['status'] ?? {}) as {
          conditions?: { type: string; status: string }[];
        };
        return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
      },
      { what: 'the node to be Ready', deadlineMs: 20_000 },
    );
    edge.close();
  }

  const [leader, other] = replicas[0].output.includes('leader.started') ? replicas : ([replicas[1], replicas[0]] as const);
  assert.equal(await leader.stop(), { code: 0, signal: null });
  await other.line('leader.started', { deadlineMs: 20_000 });
  assert.is.not(holderOf(await lease()), first);
  assert.is((await other.stop()).code, 0);
  assert.is(holderOf(await lease()), undefined, 'given back');
  assert.equal([...limited.refused], []);
});

test.run();

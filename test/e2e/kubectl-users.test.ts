/** Users of the embedded API with the user's own kubectl: accounts, tokens, roles, what each may do, and a program with a device's rights. */
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { devices } from '#cloud/store/kube-api.ts';
import { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { readKubeconfig, writeKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { ADMIN_TOKEN, installDefinitions, startApiServer, userCertificate, type TestApiServer } from '../support/api-server.ts';
import { createKubectl, type Kubectl } from '../support/kubectl.ts';
import { needing } from '../support/peers.ts';
import { tempDir } from '../support/temp-dir.ts';

const kubectlTest = needing(test, 'kubectl');
const ROLE = ['create', 'role', 'reader', '--verb=get,list', '--resource=configmaps', '-n', 'hall'];
let api: TestApiServer;
let kubectl: Kubectl;

test.before(async () => {
  api = await startApiServer({ tokens: [{ token: 'low', user: 'low', groups: ['people'] }] });
  await installDefinitions(api.client);
  kubectl = createKubectl(kubeconfig('admin', ADMIN_TOKEN));
  await kubectl.run('create', 'namespace', 'hall');
  await kubectl.run('create', 'configmap', 'a', '-n', 'hall');
});
test.after(() => api.close());

function kubeconfig(name: string, token: string): string {
  const file = path.join(tempDir(), name);
  writeKubeconfig(file, { server: api.url, ca: api.ca, token });
  return file;
}

async function accountWith(name: string, ...binding: string[]): Promise<string> {
  await kubectl.run('create', 'serviceaccount', name);
  if (binding.length > 0) await kubectl.run('create', 'rolebinding', name, ...binding, `--serviceaccount=default:${name}`);
  return (await kubectl.run('create', 'token', name, '--duration=30m')).trim();
}

const answer = async (who: Kubectl, ...question: string[]): Promise<string> => {
  const { code, stdout } = await who.attempt(['auth', 'can-i', ...question]);
  assert.is(code, stdout.startsWith('yes') ? 0 : 1);
  return stdout.trim();
};

kubectlTest('roles and bindings that kubectl makes hold at once', async () => {
  const low = createKubectl(kubeconfig('low', 'low'));
  assert.match(
    await low.refused(['get', 'configmaps', '-n', 'hall']),
    'Error from server (Forbidden): configmaps is forbidden: User "low" cannot list resource "configmaps" in API group "" in the namespace "hall"',
  );
  await kubectl.run(...ROLE);
  await kubectl.run('create', 'rolebinding', 'readers', '--role=reader', '--group=people', '-n', 'hall');
  assert.match(await low.run('get', 'configmaps', '-n', 'hall'), /^a +0 +/m);
  assert.match(await low.refused(['delete', 'configmap', 'a', '-n', 'hall']), 'cannot delete resource "configmaps"');
  assert.match(await low.refused(['get', 'configmaps', '-A']), 'at the cluster scope');
  await kubectl.run('delete', 'rolebinding', 'readers', '-n', 'hall');
  assert.match(await low.refused(['get', 'configmaps', '-n', 'hall']), 'Forbidden');
  await kubectl.run('create', 'clusterrole', 'maps', '--verb=*', '--resource=configmaps');
  await kubectl.run('create', 'clusterrolebinding', 'maps', '--clusterrole=maps', '--user=low');
  assert.match(await low.run('get', 'configmaps', '-A'), /^hall +a +0 +/m);
  await kubectl.run('delete', 'clusterrolebinding/maps', 'clusterrole/maps');
});

kubectlTest('auth can-i, --list, --as and whoami say what is', async () => {
  const operator = createKubectl(kubeconfig('operator', await accountWith('operator', '--clusterrole=device-operator')));
  assert.is(await answer(operator, 'patch', 'devices'), 'yes');
  assert.is(await answer(operator, 'patch', 'devices', '-n', 'hall'), 'no');
  assert.is(await answer(operator, 'delete', 'devices.devices.kubeedge.io/x'), 'no');
  assert.is(await answer(operator, 'get', '/version'), 'yes');
  const list = await operator.run('auth', 'can-i', '--list');
  assert.match(list, /^devices\.devices\.kubeedge\.io +\[\] +\[\] +\[get list watch patch\]$/m);
  assert.match(list, /^ +\[\/healthz\] +\[\] +\[get\]$/m);
  const name = 'system:serviceaccount:default:operator';
  assert.is(await answer(kubectl, 'patch', 'devices', '--as', name), 'yes');
  assert.is(await answer(kubectl, 'get', 'secrets', '--as', name), 'no');
  assert.is(await answer(kubectl, 'get', 'secrets', '--as=ann', '--as-group=system:masters'), 'yes');
  assert.match(await kubectl.refused(['get', 'secrets', '--as', name]), `User "${name}" cannot list resource "secrets"`);
  assert.match(await operator.refused(['get', 'devices', '--as=admin']), 'cannot impersonate resource "users"');
  assert.match(await operator.run('auth', 'whoami'), new RegExp(`^Username +${name}$`, 'm'));
});

kubectlTest('a token of kubectl create token ends with its account', async () => {
  const token = await accountWith('passing');
  const passing = createKubectl(kubeconfig('passing', token));
  await passing.run('api-resources');
  const long = await kubectl.run(
    'create',
    'token',
    'passing',
    '--duration=8760h',
    '--audience=https://kubernetes.default.svc.cluster.local',
  );
  assert.is.not(long.trim(), token);
  assert.match(await kubectl.refused(['create', 'token', 'passing', '--duration=5m']), 'may not specify a duration less than 10 minutes');
  assert.match(await kubectl.refused(['create', 'token', 'absent']), 'serviceaccounts "absent" not found');
  await kubectl.run('delete', 'serviceaccount', 'passing');
  for (const each of [token, long.trim()]) {
    assert.match(await createKubectl(kubeconfig('late', each)).refused(['get', 'nodes']), /Unauthorized|must be logged in/);
  }
});

kubectlTest('somebody with the role admin manages a namespace, and makes nobody more than that', async () => {
  const token = await accountWith('chief');
  await kubectl.run('create', 'rolebinding', 'chief', '--clusterrole=admin', '--serviceaccount=default:chief', '-n', 'hall');
  const chief = createKubectl(kubeconfig('chief', token));
  await chief.run('create', 'serviceaccount', 'helper', '-n', 'hall');
  await chief.run('create', 'rolebinding', 'helper', '--clusterrole=edit', '--serviceaccount=hall:helper', '-n', 'hall');
  await chief.run('create', 'role', 'few', '--verb=get', '--resource=pods', '-n', 'hall');
  const binding = ['create', 'rolebinding', 'more', '--clusterrole=cluster-admin', '--user=ann', '-n', 'hall'];
  assert.match(await chief.refused(binding), 'is attempting to grant RBAC permissions not currently held');
  const role = ['create', 'role', 'more', '--verb=*', '--resource=leases.coordination.k8s.io', '-n', 'hall'];
  assert.match(await chief.refused(role), 'is attempting to grant RBAC permissions not currently held');
  assert.match(await chief.refused(['create', 'rolebinding', 'helper', '--clusterrole=view', '--user=ann']), 'is forbidden');
});

kubectlTest('the built-in roles are shown and described as on a cluster', async () => {
  const shown = await kubectl.run('get', 'clusterroles', '-o', 'name');
  for (const name of ['cluster-admin', 'admin', 'edit', 'view', 'device-operator'])
    assert.match(shown, `clusterrole.rbac.authorization.k8s.io/${name}\n`);
  assert.match(await kubectl.run('describe', 'clusterrole', 'view'), /^ +devices\.devices\.kubeedge\.io +\[\] +\[\] +\[get list watch\]$/m);
  assert.is(
    (await kubectl.run('auth', 'reconcile', '--dry-run=client', '-f', kubectl.file('r.json', roleFile))).includes('reconciled'),
    true,
  );
});

const roleFile = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: 'maps' },
  rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }],
};

kubectlTest('a client certificate is a user', async () => {
  const { certificate, key } = await userCertificate('anna', ['people']);
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'h', cluster: { server: api.url, 'certificate-authority-data': base64(api.ca) } }],
    users: [{ name: 'anna', user: { 'client-certificate-data': base64(certificate), 'client-key-data': base64(key) } }],
    contexts: [{ name: 'h', context: { cluster: 'h', user: 'anna' } }],
    'current-context': 'h',
  };
  const anna = createKubectl(kubectl.file('anna', config));
  const who = await anna.run('auth', 'whoami');
  assert.match(who, /^Username +anna$/m);
  assert.match(who, /^Groups +\[people system:authenticated\]$/m);
});

/**
 * What the controller of KubeEdge's DHT11 and counter examples does from its pod: reads the device, and patches its status by merge patch on
 * the main path.
 */
test('a device controller with the role device-operator reads a device, follows it and sets a desired value', async () => {
  const name = 'dht11';
  await api.client.create(devices, { metadata: { name, namespace: 'default' }, spec: { deviceModelRef: { name: 'dht11-model' } } });
  const accounts = '/api/v1/namespaces/default/serviceaccounts';
  const post = async (where: string, body: unknown): Promise<string> =>
    (await api.raw({ method: 'POST', path: where, contentType: 'application/json', body })).text;
  await post(accounts, { metadata: { name: 'dht11-controller' } });
  const subjects = [{ kind: 'ServiceAccount', name: 'dht11-controller', namespace: 'default' }];
  const roleRef = { kind: 'ClusterRole', name: 'device-operator' };
  await post('/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings', { metadata: { name: 'dht11' }, roleRef, subjects });
  const { status } = JSON.parse(await post(`${accounts}/dht11-controller/token`, { spec: {} })) as { status: { token: string } };
  const client = new KubeClient({ access: readKubeconfig(kubeconfig('controller', status.token)), clock: systemClock });
  const where = { name, namespace: 'default' };
  assert.is((await client.get(devices, where)).metadata.name, name);
  const twins = [{ propertyName: 'temperature-enable', desired: { value: '1', metadata: { type: 'string' } } }];
  const patched = await client.patch(devices, where, { type: 'merge', body: { status: { twins } } });
  assert.equal(patched['status'], { twins });
  assert.is((await client.list(devices, { namespace: 'default' })).items.length, 1);
  const refused = await client.delete(devices, where).then(
    () => '',
    (error: Error) => error.message,
  );
  assert.match(refused, 'cannot delete resource "devices"');
  client.close();
});

test.run();

/** What people do with objects of any kind, each command by its exit code and its effect: the user's own kubectl on `hivelet api`. */
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createKubectl, type Kubectl } from '../support/kubectl.ts';
import { needing } from '../support/peers.ts';
import type { TestProcess } from '../support/processes.ts';
import { createSite } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';

const kubectlTest = needing(test, 'kubectl');
let api: TestProcess;
let kubectl: Kubectl;

test.before(async () => {
  const site = await createSite(tempDir());
  api = await site.api();
  kubectl = createKubectl(path.join(site.dataDir, 'kubeconfig'));
});
test.after(async () => void (await api.stop()));

const gone = async (...what: string[]): Promise<void> => {
  assert.match(await kubectl.refused(['get', ...what]), /\(NotFound\).* not found/);
};

kubectlTest('version and cluster-info reach the server', async () => {
  assert.match(await kubectl.run('version'), /^Server Version: v1\.32\.\d+/m);
  assert.match(await kubectl.run('cluster-info'), /control plane.* is running at .*https:\/\/127\.0\.0\.1:\d+/);
});

kubectlTest('a bare server knows the kinds of Kubernetes and none of ours', async () => {
  const resources = await kubectl.run('api-resources', '--no-headers');
  for (const [plural, short, version, kind] of [
    ['configmaps', 'cm', 'v1', 'ConfigMap'],
    ['endpoints', 'ep', 'v1', 'Endpoints'],
    ['events', 'ev', 'v1', 'Event'],
    ['namespaces', 'ns', 'v1', 'Namespace'],
    ['nodes', 'no', 'v1', 'Node'],
    ['pods', 'po', 'v1', 'Pod'],
    ['serviceaccounts', 'sa', 'v1', 'ServiceAccount'],
    ['services', 'svc', 'v1', 'Service'],
    ['customresourcedefinitions', 'crd,crds', 'apiextensions.k8s.io/v1', 'CustomResourceDefinition'],
    ['daemonsets', 'ds', 'apps/v1', 'DaemonSet'],
    ['deployments', 'deploy', 'apps/v1', 'Deployment'],
    ['replicasets', 'rs', 'apps/v1', 'ReplicaSet'],
  ] as const) {
    assert.match(resources, new RegExp(`^${plural} +${short} +${version.replaceAll('.', '\\.')} +(true|false) +${kind}$`, 'm'));
  }
  assert.match(resources, /^secrets +v1 +true +Secret$/m);
  assert.match(resources, /^leases +coordination\.k8s\.io\/v1 +true +Lease$/m);
  assert.not.match(resources, /kubeedge/);
  assert.match(await kubectl.run('api-versions'), /^apiextensions\.k8s\.io\/v1\n(.*\n)*apps\/v1\n/m);
});

kubectlTest('create makes what it is told, once', async () => {
  assert.match(await kubectl.run('create', 'namespace', 'hall-3'), 'namespace/hall-3 created');
  await kubectl.run('create', 'configmap', 'settings', '-n', 'hall-3', '--from-literal=mode=eco', '--from-literal=limit=5');
  assert.is(await kubectl.path('{.data}', 'configmap', 'settings', '-n', 'hall-3'), '{"limit":"5","mode":"eco"}');
  await kubectl.run('create', 'secret', 'generic', 'mqtt', '-n', 'hall-3', '--from-literal=password=s3cret');
  assert.is(await kubectl.path('{.type} {.data.password}', 'secret', 'mqtt', '-n', 'hall-3'), 'Opaque czNjcmV0');
  await kubectl.run('create', 'serviceaccount', 'mapper', '-n', 'hall-3');
  await kubectl.run('create', 'deployment', 'web', '-n', 'hall-3', '--image=registry.example/web:1', '--replicas=2');
  assert.is(
    await kubectl.path('{.spec.replicas} {.spec.template.spec.containers[0].image}', 'deploy/web', '-n', 'hall-3'),
    '2 registry.example/web:1',
  );
  await kubectl.run('create', 'service', 'clusterip', 'web', '-n', 'hall-3', '--tcp=80:8080');
  assert.is(await kubectl.path('{.spec.ports[0].port} {.spec.ports[0].targetPort}', 'svc', 'web', '-n', 'hall-3'), '80 8080');
  const again = await kubectl.refused(['create', 'configmap', 'settings', '-n', 'hall-3', '--from-literal=mode=off']);
  assert.match(again, /^error: failed to create configmap: configmaps "settings" already exists$/m);
  assert.match(await kubectl.refused(['create', 'configmap', 'x', '-n', 'nowhere']), 'namespaces "nowhere" not found');
});

kubectlTest('get prints tables, wide tables, documents and paths, whole and in chunks', async () => {
  assert.match(await kubectl.run('get', 'configmaps', '-n', 'hall-3'), /^NAME +DATA +AGE\n(.*\n)?settings +2 +\d+s/m);
  assert.match(
    await kubectl.run('get', 'deployments', '-n', 'hall-3', '-o', 'wide'),
    /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE +CONTAINERS +IMAGES +SELECTOR\nweb +0\/2 +0 +0 +\d+s +web +registry\.example\/web:1 +app=web$/m,
  );
  assert.match(
    await kubectl.run('get', 'services', '-n', 'hall-3'),
    /^NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE\nweb +ClusterIP +\S+ +<none> +80\/TCP +\d+s$/m,
  );
  assert.match(await kubectl.run('get', 'secrets', '-n', 'hall-3'), /^NAME +TYPE +DATA +AGE\nmqtt +Opaque +1 +\d+s$/m);
  assert.match(
    await kubectl.run('get', 'cm', 'settings', '-n', 'hall-3', '-o', 'yaml'),
    /^data:\n {2}limit: "5"\n {2}mode: eco\nkind: ConfigMap$/m,
  );
  const all = await kubectl.run('get', 'all', '-n', 'hall-3', '-o', 'name');
  assert.match(all, 'service/web');
  assert.match(all, 'deployment.apps/web');
  for (let index = 0; index < 5; index++) await kubectl.run('create', 'configmap', `chunk-${String(index)}`, '-n', 'hall-3');
  const names = await kubectl.run('get', 'cm', '-n', 'hall-3', '--chunk-size=2', '-o', 'name');
  assert.equal(
    names.split('\n').filter((name) => name.includes('chunk')),
    [0, 1, 2, 3, 4].map((index) => `configmap/chunk-${String(index)}`),
  );
  assert.match(await kubectl.refused(['get', 'gizmos']), `the server doesn't have a resource type "gizmos"`);
});

kubectlTest('get -w tells each change once, as it happens', async () => {
  const watch = kubectl.spawn('get', 'cm', '-n', 'hall-3', '-w', '--output-watch-events', '--field-selector=metadata.name=watched');
  await kubectl.run('create', 'configmap', 'watched', '-n', 'hall-3');
  await watch.line(/^(EVENT.*\n)?ADDED +watched +0/m);
  await kubectl.run('patch', 'cm', 'watched', '-n', 'hall-3', '-p', '{"data":{"a":"1"}}');
  await watch.line(/^MODIFIED +watched +1/m);
  await kubectl.run('delete', 'cm', 'watched', '-n', 'hall-3');
  await watch.line(/^DELETED +watched +1/m);
  await watch.stop();
  assert.is(watch.stdout.match(/watched/g)?.length, 3);
});

kubectlTest('apply creates, changes, leaves alone, and takes away what was dropped from the file', async () => {
  const file = (data: Record<string, string>): string =>
    kubectl.file('applied.json', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied', namespace: 'hall-3' }, data });
  assert.match(await kubectl.run('apply', '-f', file({ a: '1', b: '2' })), 'configmap/applied created');
  assert.match(await kubectl.run('apply', '-f', file({ a: '1', b: '2' })), 'configmap/applied unchanged');
  assert.match(await kubectl.run('apply', '-f', file({ a: '9' })), 'configmap/applied configured');
  assert.is(await kubectl.path('{.data}', 'cm', 'applied', '-n', 'hall-3'), '{"a":"9"}');
  assert.match(await kubectl.run('apply', 'view-last-applied', 'cm/applied', '-n', 'hall-3'), /^data:\n {2}a: "9"$/m);
  const strict = kubectl.file('strict.json', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'strict' }, date: { a: '1' } });
  assert.match(await kubectl.refused(['apply', '-f', strict]), /unknown field "date"/);
  await gone('cm', 'strict');
  assert.match(await kubectl.run('apply', '-f', strict, '--validate=false'), 'configmap/strict created');
});

kubectlTest('apply --server-side keeps to its own fields, and says who else wants them', async () => {
  const file = (data: Record<string, string>): string =>
    kubectl.file('server-side.json', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'shared', namespace: 'hall-3' }, data });
  const apply = ['apply', '--server-side', '-f'];
  assert.match(await kubectl.run(...apply, file({ a: '1', b: '2' }), '--field-manager=one'), 'configmap/shared serverside-applied');
  const before = (await kubectl.shown('cm', 'shared', '-n', 'hall-3')).metadata.resourceVersion;
  await kubectl.run(...apply, file({ a: '1', b: '2' }), '--field-manager=one');
  assert.is(
    (await kubectl.shown('cm', 'shared', '-n', 'hall-3')).metadata.resourceVersion,
    before,
    'nothing changed, so nothing is written',
  );
  const conflict = await kubectl.refused([...apply, file({ a: '7' }), '--field-manager=two']);
  assert.match(conflict, /Apply failed with 1 conflict: conflict with "one": \.data\.a/);
  await kubectl.run(...apply, file({ a: '7', c: '3' }), '--field-manager=two', '--force-conflicts');
  assert.is(await kubectl.path('{.data}', 'cm', 'shared', '-n', 'hall-3'), '{"a":"7","b":"2","c":"3"}');
  await kubectl.run(...apply, file({ a: '7' }), '--field-manager=two');
  assert.is(await kubectl.path('{.data}', 'cm', 'shared', '-n', 'hall-3'), '{"a":"7","b":"2"}');
  assert.match(
    await kubectl.run('get', 'cm', 'shared', '-n', 'hall-3', '-o', 'yaml', '--show-managed-fields'),
    /manager: one\n +operation: Apply/,
  );
  // From the client's side to the server's.
  assert.match(await kubectl.run('apply', '--server-side', '-f', path.join(kubectl.home, 'applied.json')), 'serverside-applied');
});

kubectlTest('replace puts a whole object in place, also by deleting the old one first', async () => {
  const settings = await kubectl.shown('cm', 'settings', '-n', 'hall-3');
  const { uid } = settings.metadata;
  assert.match(
    await kubectl.run('replace', '-f', kubectl.file('replaced.json', { ...settings, data: { mode: 'full' } })),
    'configmap/settings replaced',
  );
  assert.is(await kubectl.path('{.data}', 'cm', 'settings', '-n', 'hall-3'), '{"mode":"full"}');
  const stale = await kubectl.refused(['replace', '-f', kubectl.file('stale.json', { ...settings, data: { mode: 'off' } })]);
  assert.match(stale, /the object has been modified; please apply your changes to the latest version and try again/);
  assert.match(await kubectl.run('replace', '--force', '-f', path.join(kubectl.home, 'replaced.json')), 'configmap/settings replaced');
  assert.is.not((await kubectl.shown('cm', 'settings', '-n', 'hall-3')).metadata.uid, uid);
});

kubectlTest('patch speaks merge, JSON, strategic and status', async () => {
  const where = ['-n', 'hall-3'];
  await kubectl.run('patch', 'cm', 'settings', ...where, '--type=merge', '-p', '{"data":{"mode":null,"step":"1"}}');
  assert.is(await kubectl.path('{.data}', 'cm', 'settings', ...where), '{"step":"1"}');
  await kubectl.run('patch', 'cm', 'settings', ...where, '--type=json', '-p', '[{"op":"replace","path":"/data/step","value":"2"}]');
  assert.is(await kubectl.path('{.data.step}', 'cm', 'settings', ...where), '2');
  const missing = ['patch', 'cm', 'settings', ...where, '--type=json', '-p', '[{"op":"test","path":"/data/step","value":"1"}]'];
  assert.match(await kubectl.refused(missing), /\(Invalid\)|the server rejected our request/);
  const container = '{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"A","value":"1"}]}]}}}}';
  await kubectl.run('patch', 'deployment', 'web', ...where, '--type=strategic', '-p', container);
  assert.is(
    await kubectl.path('{..containers[0].image} {..containers[0].env[0].name}', 'deploy', 'web', ...where),
    'registry.example/web:1 A',
  );
  await kubectl.run(
    'patch',
    'deployment',
    'web',
    ...where,
    '--subresource=status',
    '--type=merge',
    '-p',
    '{"status":{"replicas":2,"readyReplicas":1}}',
  );
  assert.match(await kubectl.run('get', 'deploy', 'web', ...where), /^web +1\/2 /m);
  await kubectl.run('patch', 'deployment', 'web', ...where, '--type=merge', '-p', '{"status":{"readyReplicas":2}}');
  assert.is(await kubectl.path('{.status.readyReplicas}', 'deploy', 'web', ...where), '1', 'the main path leaves the status alone');
});

kubectlTest('edit sends what the editor left, and nothing when nothing was changed', async () => {
  const edit = (script: string) =>
    kubectl.attempt(['edit', 'cm', 'settings', '-n', 'hall-3'], { env: { KUBE_EDITOR: `sed -i ${script}` } });
  assert.match((await edit('\'s/step: .*/step: "5"/\'')).stdout, 'configmap/settings edited');
  assert.is(await kubectl.path('{.data.step}', 'cm', 'settings', '-n', 'hall-3'), '5');
  assert.match((await edit("'s/nowhere/x/'")).stderr, 'Edit cancelled, no changes made');
});

kubectlTest('label and annotate set, change with --overwrite, and take away', async () => {
  const where = ['cm', 'settings', '-n', 'hall-3'];
  await kubectl.run('label', ...where, 'line=4');
  assert.match(await kubectl.refused(['label', ...where, 'line=5']), /already has a value/);
  await kubectl.run('label', ...where, 'line=5', '--overwrite');
  assert.match(await kubectl.run('get', 'cm', '-n', 'hall-3', '-l', 'line in (5,6)', '-L', 'line'), /^settings +1 +\d+s +5$/m);
  await kubectl.run('label', ...where, 'line-');
  await kubectl.run('annotate', ...where, 'note=checked by hand');
  assert.is(await kubectl.path('{.metadata.labels}|{.metadata.annotations.note}', ...where), '|checked by hand');
});

kubectlTest('delete waits until the object is gone, and --wait=false does not', async () => {
  await kubectl.run('create', 'configmap', 'kept');
  await kubectl.run('patch', 'cm', 'kept', '-p', '{"metadata":{"finalizers":["example.com/hold"]}}');
  assert.match(await kubectl.run('delete', 'cm', 'kept', '--wait=false'), 'deleted');
  assert.ok((await kubectl.shown('cm', 'kept')).metadata.deletionTimestamp);
  const waiting = kubectl.attempt(['wait', '--for=delete', 'cm/kept', '--timeout=20s']);
  await kubectl.run('patch', 'cm', 'kept', '--type=json', '-p', '[{"op":"remove","path":"/metadata/finalizers"}]');
  assert.is((await waiting).code, 0);
  await gone('cm', 'kept');
  assert.match(await kubectl.refused(['delete', 'cm', 'kept']), 'configmaps "kept" not found');
  assert.is(await kubectl.run('delete', 'cm', 'kept', '--ignore-not-found'), '');
  await kubectl.run('create', 'configmap', 'one');
  await kubectl.run('label', 'cm', 'one', 'sweep=yes');
  assert.match(await kubectl.run('delete', 'cm', '-l', 'sweep=yes'), 'configmap "one" deleted');
});

kubectlTest('diff says what an apply would change', async () => {
  const same = await kubectl.attempt(['diff', '-f', path.join(kubectl.home, 'applied.json')]);
  assert.is(same.code, 0, same.stdout + same.stderr);
  const other = kubectl.file('other.json', {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'settings', namespace: 'hall-3' },
    data: { step: '6' },
  });
  const { code, stdout } = await kubectl.attempt(['diff', '-f', other]);
  assert.is(code, 1);
  assert.match(stdout, /^-{1} {2}step: "5"$/m);
  assert.match(stdout, /^\+ {2}step: "6"$/m);
  assert.is(await kubectl.path('{.data.step}', 'cm', 'settings', '-n', 'hall-3'), '5');
});

test.run();

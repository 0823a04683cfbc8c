/** The user's own kubectl and server-side apply: who owns what, conflicts, the way from client-side apply, what is removed. */
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { ADMIN_TOKEN, startApiServer, type TestApiServer } from '../support/api-server.ts';
import { createKubectl, type Kubectl } from '../support/kubectl.ts';
import { needing } from '../support/peers.ts';
import { tempDir } from '../support/temp-dir.ts';

const root = path.join(import.meta.dirname, '../..');
const kubectlTest = needing(test, 'kubectl');

let api: TestApiServer;
let kubectl: Kubectl;

test.before(async () => {
  api = await startApiServer();
  const kubeconfig = path.join(tempDir(), 'kubeconfig');
  writeKubeconfig(kubeconfig, { server: api.url, ca: api.ca, token: ADMIN_TOKEN });
  kubectl = createKubectl(kubeconfig);
  await kubectl.run('apply', '--server-side', '-f', path.join(root, 'device-models/crds'));
});
test.after(() => api.close());

function settings(name: string, data: Record<string, string>): string {
  return kubectl.file(`${name}.json`, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data });
}

function versionOf(what: string): Promise<string> {
  return kubectl.run('get', what, '-o', 'jsonpath={.metadata.resourceVersion}');
}

async function managersOf(what: string): Promise<string[]> {
  const entries = '{range .metadata.managedFields[*]}{.manager}/{.operation} {end}';
  return (await kubectl.run('get', what, '-o', `jsonpath=${entries}`)).trim().split(' ').sort();
}

async function dataOf(name: string): Promise<unknown> {
  return JSON.parse(await kubectl.run('get', 'configmap', name, '-o', 'jsonpath={.data}'));
}

kubectlTest('definitions of kinds are applied by the server, twice without a change', async () => {
  const before = await versionOf('crd/devices.devices.kubeedge.io');
  assert.match(await kubectl.run('apply', '--server-side', '-f', path.join(root, 'device-models/crds')), 'serverside-applied');
  assert.is(await versionOf('crd/devices.devices.kubeedge.io'), before);
});

kubectlTest('what client-side apply made goes over to server-side apply', async () => {
  assert.match(await kubectl.run('apply', '-f', settings('moved', { a: '1', b: '1' })), 'created');
  assert.equal(await managersOf('cm/moved'), ['kubectl-client-side-apply/Update']);
  assert.match(await kubectl.run('apply', '--server-side', '-f', settings('moved', { a: '2', b: '1' })), 'serverside-applied');
  // The second one is kubectl's own, for the annotation of client-side apply.
  assert.equal(await managersOf('cm/moved'), ['kubectl-last-applied/Apply', 'kubectl/Apply']);
  assert.match(await kubectl.run('apply', 'view-last-applied', 'cm/moved'), 'a: "2"');
  await kubectl.run('apply', '--server-side', '-f', settings('moved', { a: '2' }));
  assert.equal(await dataOf('moved'), { a: '2' }, 'what is no longer listed is gone');
  const before = await versionOf('cm/moved');
  await kubectl.run('apply', '--server-side', '-f', settings('moved', { a: '2' }));
  assert.is(await versionOf('cm/moved'), before, 'applied again, nothing changes');
  assert.match(await kubectl.run('apply', '-f', settings('moved', { a: '3' })), 'configured', 'and back');
});

kubectlTest('a field of somebody else is a conflict until it is forced', async () => {
  await kubectl.run('apply', '--server-side', '--field-manager=alice', '-f', settings('shared', { a: '1', b: '1' }));
  const file = settings('shared', { a: '2' });
  const refused = await kubectl.refused(['apply', '--server-side', '--field-manager=bob', '-f', file]);
  assert.match(refused, 'Apply failed with 1 conflict: conflict with "alice": .data.a');
  await kubectl.run('apply', '--server-side', '--field-manager=bob', '--force-conflicts', '-f', file);
  assert.equal(await dataOf('shared'), { a: '2', b: '1' });
  const again = await kubectl.refused(['apply', '--server-side', '--field-manager=alice', '-f', settings('shared', { a: '1', b: '1' })]);
  assert.match(again, 'conflict with "bob": .data.a');
  await kubectl.run('patch', 'cm', 'shared', '--type=merge', '-p', '{"data":{"b":"9"}}');
  const both = await kubectl.refused(['apply', '--server-side', '--field-manager=alice', '-f', settings('shared', { a: '1', b: '1' })]);
  assert.match(
    both,
    /Apply failed with 2 conflicts: conflicts with "bob":\n- \.data\.a\nconflicts with "kubectl-patch" using v1:\n- \.data\.b/,
  );
});

kubectlTest('managers are hidden until they are asked for', async () => {
  await kubectl.run('apply', '--server-side', '-f', settings('hidden', { a: '1' }));
  assert.not.match(await kubectl.run('get', 'cm', 'hidden', '-o', 'yaml'), 'managedFields');
  const shown = await kubectl.run('get', 'cm', 'hidden', '-o', 'yaml', '--show-managed-fields');
  assert.match(
    shown,
    /managedFields:\n {2}- apiVersion: v1\n {4}fieldsType: FieldsV1\n {4}fieldsV1:\n {6}f:data:\n {8}f:a: \{\}\n {4}manager: kubectl\n {4}operation: Apply/,
  );
  assert.match(await kubectl.run('get', 'cm', 'hidden'), /^hidden +1 /m);
});

kubectlTest('diff by the server shows what apply would do, and stores nothing', async () => {
  await kubectl.run('apply', '--server-side', '-f', settings('compared', { a: '1' }));
  const before = await versionOf('cm/compared');
  const { code, stdout } = await kubectl.attempt(['diff', '--server-side', '-f', settings('compared', { a: '2' })]);
  assert.is(code, 1, 'there is a difference');
  assert.match(stdout, /^-\s+a: "1"$/m);
  assert.match(stdout, /^\+\s+a: "2"$/m);
  assert.is((await kubectl.attempt(['diff', '--server-side', '-f', settings('compared', { a: '1' })])).code, 0);
  assert.is(await versionOf('cm/compared'), before);
});

kubectlTest('a Device is shared by its user, who desires, and the cloud, which reports', async () => {
  const device = 'devices.v1alpha2.devices.kubeedge.io/press-07';
  const file = kubectl.file(
    'press.yaml',
    `apiVersion: devices.kubeedge.io/v1alpha2
kind: Device
metadata: { name: press-07 }
spec: { deviceModelRef: { name: press-model }, nodeName: edge-1 }
status:
  twins:
    - propertyName: pressure
      desired: { value: '80', metadata: { type: int } }
`,
  );
  await kubectl.run('apply', '--server-side', '-f', file);
  const patch = JSON.stringify([{ op: 'add', path: '/status/twins/0/reported', value: { value: '79', metadata: { type: 'int' } } }]);
  await kubectl.run('patch', device, '--type=json', '--field-manager=cloudcore', '-p', patch);
  const before = await versionOf(device);
  await kubectl.run('apply', '--server-side', '-f', file);
  assert.is(await versionOf(device), before, 'what the cloud reported is no difference');
  assert.is(await kubectl.run('get', device, '-o', 'jsonpath={.status.twins[0].reported.value}'), '79');
  const refused = await kubectl.refused([
    'apply',
    '--server-side',
    '--validate=true',
    '-f',
    kubectl.file('wrong.json', {
      apiVersion: 'devices.kubeedge.io/v1alpha2',
      kind: 'Device',
      metadata: { name: 'press-07' },
      spec: {},
      nosuch: 1,
    }),
  ]);
  assert.match(refused, '.nosuch: field not declared in schema');
});

kubectlTest('nodes, pods and deployments are applied by the keys of their lists', async () => {
  const container = (name: string, image: string): object => ({ name, image, ports: [{ containerPort: 80 }] });
  const pod = (containers: object[], more: object = {}): object => ({ spec: { nodeName: 'edge-1', containers, ...more } });
  const node = kubectl.file('node.json', {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'edge-1', labels: { a: 'b' } },
    spec: { taints: [{ key: 'edge', effect: 'NoSchedule' }] },
  });
  await kubectl.run('apply', '--server-side', '-f', node);
  await kubectl.run('label', 'node', 'edge-1', 'hall=3');
  await kubectl.run('apply', '--server-side', '-f', node);
  assert.is(await kubectl.run('get', 'node', 'edge-1', '-o', 'jsonpath={.metadata.labels.hall}'), '3', 'the label of another stays');
  const file = (name: string, content: object): string =>
    kubectl.file(name, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p1' }, ...content });
  await kubectl.run('apply', '--server-side', '--field-manager=alice', '-f', file('a.json', pod([container('web', 'web:1')])));
  await kubectl.run(
    'apply',
    '--server-side',
    '--field-manager=bob',
    '-f',
    file('b.json', { spec: { containers: [{ name: 'web', imagePullPolicy: 'Never' }] } }),
  );
  const shown = await kubectl.run(
    'get',
    'pod',
    'p1',
    '-o',
    'jsonpath={.spec.containers[*].name} {.spec.containers[0].image} {.spec.containers[0].imagePullPolicy}',
  );
  assert.is(shown, 'web web:1 Never');
  const refused = await kubectl.refused([
    'apply',
    '--server-side',
    '--field-manager=bob',
    '-f',
    file('b.json', { spec: { containers: [{ name: 'web', image: 'web:2' }] } }),
  ]);
  assert.match(refused, 'conflict with "alice": .spec.containers[name="web"].image');
});

kubectlTest('a deployment that somebody scales keeps its replicas where the file does not name them', async () => {
  const deployment = (spec: object): string =>
    kubectl.file('deployment.json', {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'd1' },
      spec: {
        selector: { matchLabels: { app: 'd1' } },
        template: { metadata: { labels: { app: 'd1' } }, spec: { containers: [{ name: 'c', image: 'c:1' }] } },
        ...spec,
      },
    });
  await kubectl.run('apply', '--server-side', '-f', deployment({}));
  await kubectl.run('scale', 'deployment', 'd1', '--replicas=3');
  await kubectl.run('apply', '--server-side', '-f', deployment({ minReadySeconds: 1 }));
  assert.is(await kubectl.run('get', 'deployment', 'd1', '-o', 'jsonpath={.spec.replicas} {.spec.minReadySeconds}'), '3 1');
  assert.match(
    await kubectl.refused(['apply', '--server-side', '-f', deployment({ replicas: 1 })]),
    'with subresource "scale" using apps/v1: .spec.replicas',
  );
});

kubectlTest('the last applied file can be read and set', async () => {
  await kubectl.run('create', '-f', settings('annotated', { a: '1' }));
  await kubectl.run('apply', 'set-last-applied', '--create-annotation', '-f', settings('annotated', { a: '1' }));
  assert.match(await kubectl.run('apply', 'view-last-applied', 'cm/annotated'), 'a: "1"');
  const editor = kubectl.file('editor.sh', '#!/bin/sh\nsed -i "s/\\"1\\"/\\"5\\"/" "$1"\n');
  const edited = await kubectl.attempt(['apply', 'edit-last-applied', 'cm/annotated'], { env: { KUBE_EDITOR: `sh ${editor}` } });
  assert.is(edited.code, 0, edited.stderr);
  assert.match(await kubectl.run('apply', 'view-last-applied', 'cm/annotated'), 'a: "5"');
  assert.equal(await dataOf('annotated'), { a: '1' });
});

test.run();

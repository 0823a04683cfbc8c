/** What people do with nodes, workloads, events and rights: the user's own kubectl on `hivelet api`, with only a kubeconfig. */
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createKubectl, type Kubectl } from '../support/kubectl.ts';
import { needing } from '../support/peers.ts';
import type { TestProcess } from '../support/processes.ts';
import { createSite } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';

const root = path.join(import.meta.dirname, '../..');
const kubectlTest = needing(test, 'kubectl');
let api: TestProcess;
let kubectl: Kubectl;

test.before(async () => {
  const site = await createSite(tempDir());
  api = await site.api();
  kubectl = createKubectl(path.join(site.dataDir, 'kubeconfig'));
  await kubectl.run('create', 'namespace', 'hall-3');
  await kubectl.run('create', 'configmap', 'settings', '-n', 'hall-3', '--from-literal=step=5');
  await kubectl.run('create', 'deployment', 'web', '-n', 'hall-3', '--image=registry.example/web:1', '--replicas=2');
});
test.after(async () => void (await api.stop()));

const pod = (name: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels: { app: name } },
  spec: { containers: [{ name: 'main', image: 'registry.example/app:1' }], ...more },
});

kubectlTest('a node is cordoned, tainted, drained of its pods and put back to work', async () => {
  await kubectl.pipe(
    JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'edge-1', labels: { 'node-role.kubernetes.io/edge': '' } } }),
    'create',
    '-f',
    '-',
  );
  await kubectl.pipe(JSON.stringify(pod('bound', { nodeName: 'edge-1' })), 'create', '-f', '-');
  await kubectl.run('cordon', 'edge-1');
  assert.match(await kubectl.run('get', 'nodes'), /^NAME +STATUS +ROLES +AGE +VERSION\nedge-1 +Unknown,SchedulingDisabled +edge +\d+s/m);
  await kubectl.run('uncordon', 'edge-1');
  await kubectl.run('taint', 'nodes', 'edge-1', 'line=stopped:NoSchedule');
  assert.is(await kubectl.path('{.spec.taints}', 'node', 'edge-1'), '[{"effect":"NoSchedule","key":"line","value":"stopped"}]');
  await kubectl.run('taint', 'nodes', 'edge-1', 'line-');
  const draining = kubectl.attempt(['drain', 'edge-1', '--force', '--ignore-daemonsets', '--timeout=20s']);
  // The pod is bound: it goes when its node says that it has stopped, as the edge does.
  await until(async () => (await kubectl.shown('pod', 'bound')).metadata.deletionTimestamp !== undefined, {
    what: 'the eviction of the pod',
    everyMs: 100,
  });
  await kubectl.run('delete', 'pod', 'bound', '--grace-period=0', '--force');
  const { code, stdout, stderr } = await draining;
  assert.is(code, 0, stderr);
  assert.match(stdout, 'node/edge-1 drained');
  assert.is(await kubectl.path('{.spec.unschedulable}', 'node', 'edge-1'), 'true');
  assert.match(await kubectl.run('describe', 'node', 'edge-1'), /^Unschedulable: +true$/m);
});

kubectlTest('wait ends with a condition or a value, and fails when its time is over', async () => {
  await kubectl.pipe(JSON.stringify(pod('waited')), 'create', '-f', '-');
  const ready = kubectl.attempt(['wait', '--for=condition=Ready', 'pod/waited', '--timeout=20s']);
  const running = kubectl.attempt(['wait', '--for=jsonpath={.status.phase}=Running', 'pod/waited', '--timeout=20s']);
  const status = '{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}';
  await kubectl.run('patch', 'pod', 'waited', '--subresource=status', '--type=strategic', '-p', status);
  assert.match((await ready).stdout, 'pod/waited condition met');
  assert.match((await running).stdout, 'pod/waited condition met');
  assert.match(
    await kubectl.refused(['wait', '--for=condition=Gone', 'pod/waited', '--timeout=1s']),
    'timed out waiting for the condition',
  );
  assert.match(await kubectl.run('delete', 'pod', 'waited'), 'deleted');
});

kubectlTest('explain tells the fields of our kinds and of those of Kubernetes', async () => {
  assert.match(await kubectl.run('explain', 'pod.spec.containers'), /^ {2}image\t<string>$/m);
  assert.match(await kubectl.run('explain', 'deployment.spec.template.spec'), /^ {2}containers\t<\[\]Container> -required-$/m);
  assert.match(await kubectl.run('explain', 'service.spec.ports'), /^ {2}targetPort\t<IntOrString>$/m);
  assert.match(await kubectl.run('explain', 'configmap', '--recursive'), /^ {2}binaryData\t<map\[string\]string>$/m);
  assert.match(await kubectl.refused(['explain', 'pod.spec.nothing']), 'field "nothing" does not exist');
});

kubectlTest('events are listed, and for one object', async () => {
  const { uid } = (await kubectl.shown('cm', 'settings', '-n', 'hall-3')).metadata;
  const event = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { generateName: 'settings.', namespace: 'hall-3' },
    involvedObject: { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'hall-3', name: 'settings', uid },
    reason: 'Read',
    message: 'an edge has read it',
    type: 'Normal',
    count: 1,
    firstTimestamp: new Date().toISOString().replace(/\.\d+/, ''),
    lastTimestamp: new Date().toISOString().replace(/\.\d+/, ''),
    source: { component: 'test' },
  };
  await kubectl.pipe(JSON.stringify(event), 'create', '-f', '-');
  assert.match(
    await kubectl.run('get', 'events', '-n', 'hall-3'),
    /^LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n\S+ +Normal +Read +configmap\/settings +an edge has read it$/m,
  );
  assert.match(
    await kubectl.run('events', '-n', 'hall-3', '--for', 'configmap/settings'),
    /Normal +Read +ConfigMap\/settings +an edge has read it/,
  );
  assert.match(await kubectl.run('describe', 'cm', 'settings', '-n', 'hall-3'), /Normal +Read +\S+ +test +an edge has read it/);
});

kubectlTest('auth tells what one may do and who one is', async () => {
  assert.is(await kubectl.run('auth', 'can-i', 'create', 'configmaps', '-n', 'hall-3'), 'yes\n');
  assert.match(await kubectl.run('auth', 'can-i', '--list'), /^\*\.\* +\[\] +\[\] +\[\*\]$/m);
  assert.match(await kubectl.run('auth', 'whoami'), /^Username +admin$/m);
});

kubectlTest('stored workloads are scaled, restarted and given another image', async () => {
  const where = ['-n', 'hall-3'];
  assert.match(await kubectl.run('scale', 'deployment/web', '--replicas=5', ...where), 'deployment.apps/web scaled');
  assert.is(await kubectl.path('{.spec.replicas}', 'deploy', 'web', ...where), '5');
  assert.match(
    await kubectl.refused(['scale', 'deployment/web', '--replicas=6', '--current-replicas=9', ...where]),
    /Expected replicas to be 9, was 5/,
  );
  assert.match(await kubectl.run('rollout', 'restart', 'deployment/web', ...where), 'deployment.apps/web restarted');
  assert.match(await kubectl.path('{.spec.template.metadata.annotations}', 'deploy', 'web', ...where), 'kubectl.kubernetes.io/restartedAt');
  assert.match(await kubectl.run('set', 'image', 'deployment/web', 'web=registry.example/web:2', ...where), 'image updated');
  assert.is(await kubectl.path('{..containers[0].image}', 'deploy', 'web', ...where), 'registry.example/web:2');
  await kubectl.run('run', 'once', '--image=registry.example/once:1', '--restart=Never', ...where);
  assert.is(await kubectl.path('{.spec.restartPolicy} {.status.phase}', 'pod', 'once', ...where), 'Never Pending');
  await kubectl.run('expose', 'deployment', 'web', '--name=web-2', '--port=81', ...where);
  assert.is(await kubectl.path('{.spec.selector.app}', 'svc', 'web-2', ...where), 'web');
});

kubectlTest('what needs a stream or metrics says so in a sentence', async () => {
  assert.match(await kubectl.refused(['logs', 'once', '-n', 'hall-3']), /logs?\b.*(not|cannot)/i);
  assert.match(await kubectl.refused(['exec', 'once', '-n', 'hall-3', '--', 'true']), /exec\b.*(not|cannot)/i);
  assert.match(await kubectl.refused(['top', 'nodes']), 'Metrics API not available');
});

kubectlTest('the definitions of our kinds apply, and a namespace takes all that it holds with it', async () => {
  await kubectl.run('apply', '-f', path.join(root, 'device-models/crds'));
  await kubectl.run('wait', '--for=condition=established', 'crd', '--all', '--timeout=10s');
  const model = {
    apiVersion: 'devices.kubeedge.io/v1alpha2',
    kind: 'DeviceModel',
    metadata: { name: 'probe', namespace: 'hall-3' },
    spec: {},
  };
  await kubectl.run('apply', '-f', kubectl.file('model.json', model));
  assert.is(await kubectl.run('get', 'devicemodels', '-A', '-o', 'name'), 'devicemodel.devices.kubeedge.io/probe\n');
  assert.match(await kubectl.run('delete', 'namespace', 'hall-3', '--timeout=30s'), 'namespace "hall-3" deleted');
  assert.is(await kubectl.run('get', 'cm,secrets,deployments,services,pods,devicemodels', '-n', 'hall-3', '-o', 'name'), '');
  assert.match(await kubectl.refused(['delete', 'namespace', 'kube-system']), /Forbidden/);
});

test.run();

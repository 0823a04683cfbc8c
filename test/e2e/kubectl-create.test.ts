/** What `kubectl create`, `run` and `auth` send in protobuf, and what people do with the objects: the user's own kubectl on the embedded API. */
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { ADMIN_TOKEN, startApiServer, type TestApiServer } from '../support/api-server.ts';
import { createKubectl, type Kubectl } from '../support/kubectl.ts';
import { needing } from '../support/peers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';

const kubectlTest = needing(test, 'kubectl');
let api: TestApiServer;
let kubectl: Kubectl;
let low: Kubectl;

test.before(async () => {
  api = await startApiServer({ tokens: [{ token: 'low', user: 'low', groups: [] }] });
  const file = (name: string, token: string): string => {
    const made = path.join(tempDir(), name);
    writeKubeconfig(made, { server: api.url, ca: api.ca, token });
    return made;
  };
  kubectl = createKubectl(file('kubeconfig', ADMIN_TOKEN));
  low = createKubectl(file('low', 'low'));
});
test.after(() => api.close());

/** What was created, read back. */
async function made(resource: string, expression: string): Promise<string> {
  return kubectl.run('get', resource, '-o', `jsonpath=${expression}`);
}

kubectlTest('create makes configmaps, secrets, namespaces and service accounts', async () => {
  await kubectl.run('create', 'configmap', 'c1', '--from-literal=a=b', '--from-literal=empty=');
  assert.is(await made('cm/c1', '{.data}'), '{"a":"b","empty":""}');
  const binary = kubectl.file('binary', '\u0000\u00ff');
  await kubectl.run('create', 'configmap', 'c2', `--from-file=${binary}`);
  await kubectl.run('create', 'secret', 'generic', 's1', '--from-literal=p=hunter2');
  assert.is(await made('secret/s1', '{.data.p} {.type}'), 'aHVudGVyMg== Opaque');
  await kubectl.run('create', 'secret', 'docker-registry', 's2', '--docker-username=u', '--docker-password=p');
  assert.is(await made('secret/s2', '{.type}'), 'kubernetes.io/dockerconfigjson');
  await kubectl.run('create', 'namespace', 'n1');
  await kubectl.run('create', 'serviceaccount', 'sa1', '-n', 'n1');
  assert.match(await kubectl.run('get', 'sa', '-n', 'n1'), /^NAME +SECRETS +AGE\nsa1 +0 +\d+s$/m);
  const dry = await kubectl.run('create', 'configmap', 'c3', '--from-literal=a=b', '--dry-run=server', '-o', 'name');
  assert.is(dry, 'configmap/c3\n');
  assert.match(await kubectl.refused(['get', 'cm', 'c3']), 'not found');
  assert.match(await kubectl.refused(['create', 'configmap', 'c1']), 'configmaps "c1" already exists');
  assert.match(await kubectl.refused(['create', 'configmap', 'Bad_Name']), 'a lowercase RFC 1123 subdomain must consist of');
});

kubectlTest('create makes deployments, services, roles and bindings', async () => {
  await kubectl.run('create', 'deployment', 'd1', '--image=registry.example/web:1', '--replicas=2', '--port=80', '--', 'serve', '--all');
  assert.is(await made('deploy/d1', '{.spec.replicas} {..containers[0].command} {..ports[0].containerPort}'), '2 ["serve","--all"] 80');
  assert.match(await kubectl.run('get', 'deploy', 'd1'), /^d1 +0\/2 +0 +0 +\d+s$/m);
  await kubectl.run('create', 'service', 'clusterip', 'v1', '--tcp=80:8080');
  assert.match(await kubectl.run('get', 'svc', 'v1', '-o', 'wide'), /^v1 +ClusterIP +<none> +<none> +80\/TCP +\d+s +app=v1$/m);
  await kubectl.run('create', 'service', 'nodeport', 'v2', '--tcp=80');
  await kubectl.run('create', 'service', 'externalname', 'v3', '--external-name=web.example');
  assert.match(await kubectl.run('get', 'svc', 'v3'), /^v3 +ExternalName +<none> +web\.example +<none>/m);
  await kubectl.run('create', 'role', 'r', '--verb=get,list', '--resource=configmaps,deployments.apps');
  assert.is(
    await made('role/r', '{.rules[1].apiGroups} {.rules[1].resources} {.rules[1].verbs}'),
    '["apps"] ["deployments"] ["get","list"]',
  );
  await kubectl.run('create', 'rolebinding', 'rb', '--role=r', '--user=ann', '--serviceaccount=n1:sa1');
  assert.match(await kubectl.run('get', 'rolebinding', 'rb', '-o', 'wide'), /^rb +Role\/r +\d+s +ann +n1\/sa1$/m);
  await kubectl.run('create', 'clusterrole', 'cr', '--verb=get', '--non-resource-url=/healthz');
  await kubectl.run('create', 'clusterrolebinding', 'crb', '--clusterrole=cr', '--group=people');
  await kubectl.run('create', 'poddisruptionbudget', 'pdb', '--selector=app=d1', '--min-available=1');
  assert.match(await kubectl.run('get', 'pdb'), /^pdb +1 +N\/A +0 +\d+s$/m);
});

kubectlTest('what is not served is refused in words', async () => {
  assert.match(await kubectl.refused(['create', 'job', 'j', '--image=x']), 'the server could not find the requested resource');
});

kubectlTest('get all shows what there is, api-resources what there may be', async () => {
  const all = await kubectl.run('get', 'all');
  assert.match(all, /^service\/v1 +ClusterIP/m);
  assert.match(all, /^deployment\.apps\/d1 +0\/2/m);
  const resources = await kubectl.run('api-resources');
  for (const row of [
    /^services +svc +v1 +true +Service$/m,
    /^deployments +deploy +apps\/v1 +true +Deployment$/m,
    /^networkpolicies +netpol +networking\.k8s\.io\/v1 +true +NetworkPolicy$/m,
    /^clusterroles +rbac\.authorization\.k8s\.io\/v1 +false +ClusterRole$/m,
  ])
    assert.match(resources, row);
});

kubectlTest('a pod on a node is deleted within its grace, or at once by force', async () => {
  await kubectl.run('run', 'p1', '--image=registry.example/a:1', '--overrides={"spec":{"nodeName":"edge-1"}}');
  await kubectl.run('delete', 'pod', 'p1', '--grace-period=7', '--wait=false');
  assert.match(await kubectl.run('get', 'pod', 'p1', '-o', 'wide'), /^p1 +0\/1 +Terminating +0 +\d+s +<none> +edge-1 +<none> +<none>$/m);
  assert.is(await made('pod/p1', '{.metadata.deletionGracePeriodSeconds}'), '7');
  assert.match(await kubectl.run('delete', 'pod', 'p1', '--grace-period=0', '--force'), 'force deleted');
  assert.match(await kubectl.refused(['get', 'pod', 'p1']), 'not found');
  await kubectl.run('run', 'p2', '--image=registry.example/a:1');
  assert.match(await kubectl.run('delete', 'pod', 'p2', '--timeout=10s'), 'pod "p2" deleted');
});

kubectlTest('drain of a node that cannot evict deletes its pods, in protobuf', async () => {
  await kubectl.pipe('{"apiVersion":"v1","kind":"Node","metadata":{"name":"edge-1"}}', 'create', '-f', '-');
  await kubectl.run('run', 'p3', '--image=registry.example/a:1', '--overrides={"spec":{"nodeName":"edge-1"}}');
  const draining = kubectl.attempt(['drain', 'edge-1', '--force', '--disable-eviction', '--grace-period=3', '--timeout=20s']);
  await until(async () => (await made('pod/p3', '{.metadata.deletionGracePeriodSeconds}')) === '3', {
    what: 'the deletion of the pod',
    everyMs: 100,
  });
  await kubectl.run('delete', 'pod', 'p3', '--grace-period=0', '--force');
  const { code, stdout, stderr } = await draining;
  assert.is(code, 0, stderr);
  assert.match(stdout, 'node/edge-1 drained');
});

kubectlTest('strict validation, client and server dry run and diff know the fields of built-in kinds', async () => {
  const manifest = (extra: string): string =>
    kubectl.file(
      'deployment.yaml',
      `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d2}\nspec:\n  selector: {matchLabels: {app: d2}}\n  template:\n` +
        `    metadata: {labels: {app: d2}}\n    spec:\n      containers: [{name: main, image: "registry.example/web:1"${extra}}]\n`,
    );
  assert.match(
    await kubectl.refused(['apply', '-f', manifest(', imagePull: Always')]),
    'strict decoding error: unknown field "spec.template.spec.containers[0].imagePull"',
  );
  assert.match(await kubectl.run('apply', '-f', manifest(''), '--dry-run=client'), 'created (dry run)');
  assert.match(await kubectl.run('apply', '-f', manifest(''), '--dry-run=server'), 'created (server dry run)');
  assert.match(await kubectl.run('apply', '-f', manifest('')), 'deployment.apps/d2 created');
  assert.match(await kubectl.run('apply', '-f', manifest('')), 'deployment.apps/d2 unchanged');
  assert.is((await kubectl.attempt(['diff', '-f', manifest('')])).code, 0);
  assert.is((await kubectl.attempt(['diff', '-f', manifest(', tty: true')])).code, 1);
  assert.match(await kubectl.refused(['apply', '-f', manifest(', ports: [{containerPort: 0}]')]), 'containerPort: Required value');
});

kubectlTest('what get printed as a list is validated and applied, and describe shows what it holds', async () => {
  const volumes = [
    { name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } },
    { name: 'host', hostPath: { path: '/dev' } },
  ];
  const containers = [{ name: 'main', image: 'registry.example/web:1', livenessProbe: { grpc: { port: 1 } } }];
  const template = { metadata: { labels: { app: 'd3' } }, spec: { containers, volumes } };
  const spec = { selector: { matchLabels: { app: 'd3' } }, template };
  const items = [
    { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { name: 'd3' }, spec },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'd3' } },
  ];
  const list = (content: unknown): string => kubectl.file('list.json', { apiVersion: 'v1', kind: 'List', items: content });
  assert.is(await kubectl.run('apply', '-f', list(items), '-o', 'name'), 'daemonset.apps/d3\nserviceaccount/d3\n');
  const wrong = [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'd4' }, dat: {} }];
  assert.match(await kubectl.refused(['apply', '-f', list(wrong)]), 'unknown field "dat"');
  assert.match(await kubectl.run('describe', 'ds', 'd3'), /TokenExpirationSeconds: +3600/);
  assert.match(await kubectl.run('rollout', 'history', 'ds/d3'), 'No rollout history found');
});

kubectlTest('somebody without rights is told so, and may ask', async () => {
  const { code, stdout } = await low.attempt(['auth', 'can-i', 'get', 'pods']);
  assert.equal([code, stdout], [1, 'no\n']);
  assert.match(await low.run('auth', 'whoami'), /^Username +low$/m);
  assert.match(await low.run('auth', 'can-i', '--list'), /^selfsubjectaccessreviews\.authorization\.k8s\.io +\[\] +\[\] +\[create\]$/m);
  const acting = await kubectl.attempt(['auth', 'can-i', 'get', 'pods', '--as=ann']);
  assert.equal([acting.code, acting.stdout], [1, 'no\n']);
});

kubectlTest('cluster-info and streams answer in words', async () => {
  assert.match(await kubectl.run('cluster-info'), 'is running at');
  await kubectl.run('run', 'p4', '--image=registry.example/a:1');
  assert.match(await kubectl.refused(['logs', 'p4']), 'logs of pod "p4" cannot be had from this server yet');
  assert.match(await kubectl.refused(['exec', 'p4', '--', 'true']), 'exec of pod "p4" cannot be had from this server yet');
});

test.run();

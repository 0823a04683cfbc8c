/** Server-side apply over HTTP, on kinds that are built in and on those of definitions. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { configmaps, devices, type KubeObject } from '#cloud/store/kube-api.ts';
import { installDefinitions, startApiServer, type TestApiServer } from '../support/api-server.ts';
import { APPLY_TYPE, CONFIGMAPS, applierOf, configMap, entryOf, managersOf, type Answered } from '../support/apply.ts';

let api: TestApiServer;
let count = 0;
const { apply, send } = applierOf(() => api);

test.before(async () => {
  api = await startApiServer();
  await installDefinitions(api.client);
});
test.after(() => api.close());

function freshName(): string {
  return `thing-${(count += 1)}`;
}

test('apply creates with 201, then changes with 200, and again without any change', async () => {
  const name = freshName();
  const path = `${CONFIGMAPS}/${name}`;
  const created = await apply(path, 'alice', `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\ndata: {a: "1", b: "1"}\n`);
  assert.is(created.status, 201);
  assert.equal(managersOf(created.body), ['alice/Apply']);
  assert.equal(entryOf(created.body, 'alice')?.fieldsV1, { 'f:data': { 'f:a': {}, 'f:b': {} } });
  const changed = await apply(path, 'alice', configMap(name, { a: '2', b: '1' }));
  assert.is(changed.status, 200);
  assert.equal(changed.body['data'], { a: '2', b: '1' });
  const again = await apply(path, 'alice', configMap(name, { a: '2', b: '1' }));
  assert.equal(again.body, changed.body);
  const dropped = await apply(path, 'alice', configMap(name, { a: '2' }));
  assert.equal(dropped.body['data'], { a: '2' });
});

test('a conflict names manager and field, and force settles it', async () => {
  const name = freshName();
  const path = `${CONFIGMAPS}/${name}`;
  await api.client.create(
    configmaps,
    { metadata: { name, namespace: 'default' }, data: { a: '1', b: '1' } },
    { fieldManager: 'kubectl-client-side-apply' },
  );
  const one = await apply(path, 'alice', configMap(name, { a: '2' }));
  assert.equal(one, {
    status: 409,
    body: {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: 'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .data.a',
      reason: 'Conflict',
      details: {
        causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "kubectl-client-side-apply" using v1', field: '.data.a' }],
      },
      code: 409,
    },
  });
  await apply(path, 'bob', configMap(name, { c: '1' }));
  const two = await apply(path, 'alice', configMap(name, { a: '2', b: '2', c: '2' }));
  assert.is(
    two.body.message,
    'Apply failed with 3 conflicts: conflicts with "bob":\n- .data.c\nconflicts with "kubectl-client-side-apply" using v1:\n- .data.a\n- .data.b',
  );
  const forced = await apply(path, 'alice', configMap(name, { a: '2', c: '2' }), '&force=true');
  assert.equal(forced.body['data'], { a: '2', b: '1', c: '2' });
  assert.equal(managersOf(forced.body), ['alice/Apply', 'kubectl-client-side-apply/Update']);
});

const refusals: [string, () => Promise<Answered>, number, string][] = [
  [
    'no manager',
    () => send({ method: 'PATCH', path: `${CONFIGMAPS}/x`, contentType: APPLY_TYPE, body: configMap('x', {}) }),
    422,
    'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
  ],
  [
    'managers in the body',
    () => apply(`${CONFIGMAPS}/x`, 'a', configMap('x', {}, { managedFields: [] })),
    400,
    'metadata.managedFields must be nil',
  ],
  [
    'another version',
    () => apply(`${CONFIGMAPS}/x`, 'a', { ...configMap('x', {}), apiVersion: 'v2' }),
    400,
    'Incorrect version specified in apply patch. Specified patch version: v2, expected: v1',
  ],
  [
    'another name',
    () => apply(`${CONFIGMAPS}/x`, 'a', configMap('y', {})),
    400,
    'the name of the object (y) does not match the name on the URL (x)',
  ],
  ['a body that is neither JSON nor YAML', () => apply(`${CONFIGMAPS}/x`, 'a', '{"a": [}'), 400, 'error decoding YAML'],
  [
    'an unknown field',
    () => apply(`${CONFIGMAPS}/x`, 'a', { ...configMap('x', {}), nosuch: 1 }),
    500,
    'failed to create typed patch object (default/x; v1, Kind=ConfigMap): .nosuch: field not declared in schema',
  ],
  [
    'a uid of an object that is not there',
    () => apply(`${CONFIGMAPS}/x`, 'a', configMap('x', {}, { uid: 'u' })),
    409,
    'Operation cannot be fulfilled on configmaps "x": uid mismatch: the provided object specified uid u, and no existing object was found',
  ],
  [
    'a namespace that is not there',
    () => apply('/api/v1/namespaces/nosuch/configmaps/x', 'a', configMap('x', {})),
    404,
    'namespaces "nosuch" not found',
  ],
  [
    'the status of an object that is not there',
    () => apply('/api/v1/nodes/nosuch/status', 'a', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'nosuch' }, status: {} }),
    404,
    'nodes "nosuch" not found',
  ],
  [
    'force without apply',
    () => send({ method: 'PATCH', path: `${CONFIGMAPS}/x?force=true`, contentType: 'application/merge-patch+json', body: {} }),
    422,
    'force: Forbidden: may not be specified for non-apply patch',
  ],
  [
    'a manager that is too long',
    () => apply(`${CONFIGMAPS}/x`, 'm'.repeat(129), configMap('x', {})),
    422,
    'fieldManager: Too long: may not be more than 128 bytes',
  ],
];

for (const [name, attempt, status, message] of refusals) {
  test(`refused is ${name}`, async () => {
    const answer = await attempt();
    assert.is(answer.status, status, answer.body.message);
    assert.match(answer.body.message ?? '', message);
  });
}

test('a stale version in the body is a conflict, the present one is not', async () => {
  const name = freshName();
  const path = `${CONFIGMAPS}/${name}`;
  const { body: first } = await apply(path, 'alice', configMap(name, { a: '1' }));
  const { body: second } = await apply(path, 'alice', configMap(name, { a: '2' }, { resourceVersion: first.metadata.resourceVersion }));
  const stale = await apply(path, 'alice', configMap(name, { a: '3' }, { resourceVersion: first.metadata.resourceVersion }));
  assert.is(stale.status, 409);
  assert.match(stale.body.message ?? '', 'the object has been modified');
  assert.is((await api.client.get(configmaps, { namespace: 'default', name })).metadata.resourceVersion, second.metadata.resourceVersion);
});

test('a dry run shows the result and stores nothing', async () => {
  const name = freshName();
  const path = `${CONFIGMAPS}/${name}`;
  const dry = await apply(path, 'alice', configMap(name, { a: '1' }), '&dryRun=All');
  assert.is(dry.status, 201);
  assert.is((await api.raw({ path })).status, 404);
  await apply(path, 'alice', configMap(name, { a: '1' }));
  const change = await apply(path, 'bob', configMap(name, { a: '1', b: '2' }), '&dryRun=All');
  assert.equal([change.body['data'], managersOf(change.body)], [{ a: '1', b: '2' }, ['alice/Apply', 'bob/Apply']]);
  assert.equal((await api.client.get(configmaps, { namespace: 'default', name }))['data'], { a: '1' });
});

test('user and cloud share a Device: desired is the user’s, reported the cloud’s', async () => {
  const name = freshName();
  const address = { namespace: 'default', name };
  const wanted = (value: string): Record<string, unknown> => ({
    metadata: { name },
    spec: { deviceModelRef: { name: 'm' }, nodeName: 'edge' },
    status: { twins: [{ propertyName: 'temperature', desired: { value, metadata: { type: 'int' } } }] },
  });
  const byUser = (value: string): Promise<KubeObject> =>
    api.client.patch(devices, address, { type: 'apply', body: wanted(value), fieldManager: 'user' });
  await byUser('20');
  const reported = { value: '19', metadata: { type: 'int', timestamp: '1' } };
  const operations = [{ op: 'add', path: '/status/twins/0/reported', value: reported }] as const;
  await api.client.patch(devices, address, { type: 'json', operations, fieldManager: 'cloudcore' });
  const device = await byUser('21');
  assert.equal(device['status'], {
    twins: [{ propertyName: 'temperature', desired: { value: '21', metadata: { type: 'int' } }, reported }],
  });
  assert.equal(managersOf(device), ['user/Apply', 'cloudcore/Update']);
  const { status: _status, ...withoutTwins } = wanted('21');
  const dropped = await api.client.patch(devices, address, { type: 'apply', body: withoutTwins, fieldManager: 'user' });
  assert.equal(dropped['status'], undefined, 'the twin was the user’s, and goes with what was in it');
});

test('a container that is no longer listed goes, with the defaults that it had', async () => {
  const path = '/apis/apps/v1/namespaces/default/deployments/d1';
  const deployment = (...names: string[]): Record<string, unknown> => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd1' },
    spec: {
      selector: { matchLabels: { app: 'd1' } },
      template: { metadata: { labels: { app: 'd1' } }, spec: { containers: names.map((name) => ({ name, image: `${name}:1` })) } },
    },
  });
  const namesOf = ({ body }: Answered): unknown[] => {
    const { template } = body['spec'] as { template: { spec: { containers: { name: string }[] } } };
    return template.spec.containers.map(({ name }) => name);
  };
  assert.equal(namesOf(await apply(path, 'alice', deployment('web', 'log'))), ['web', 'log']);
  assert.equal(namesOf(await apply(path, 'bob', deployment('probe'))), ['web', 'log', 'probe']);
  assert.equal(namesOf(await apply(path, 'alice', deployment('web'))), ['web', 'probe']);
});

test('the definitions of kinds can be applied, and their status is the server’s', async () => {
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gauges.probe.example.org';
  const schema = {
    openAPIV3Schema: {
      type: 'object',
      properties: {
        spec: { type: 'object', properties: { size: { type: 'integer', default: 3 }, replicas: { type: 'integer' } } },
        status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      },
    },
  };
  const subresources = { status: {}, scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' } };
  const spec = {
    group: 'probe.example.org',
    scope: 'Namespaced',
    names: { kind: 'Gauge', plural: 'gauges' },
    versions: [{ name: 'v1', served: true, storage: true, schema, subresources }],
  };
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'gauges.probe.example.org' },
    spec,
  };
  const created = await apply(path, 'alice', definition);
  assert.is(created.status, 201, created.body.message);
  const again = await apply(path, 'alice', definition);
  assert.equal(again.body, created.body);
  const other = await apply(path, 'bob', { ...definition, spec: { ...spec, names: { ...spec.names, shortNames: ['ga'] } } });
  assert.equal(
    managersOf(other.body).filter((each) => each.endsWith('/Apply')),
    ['alice/Apply', 'bob/Apply'],
  );
});

test('apply by the paths status and scale owns by those paths', async () => {
  const path = '/apis/probe.example.org/v1/namespaces/default/gauges/g1';
  const gauge = (rest: Record<string, unknown>): Record<string, unknown> => ({
    apiVersion: 'probe.example.org/v1',
    kind: 'Gauge',
    metadata: { name: 'g1' },
    ...rest,
  });
  const created = await apply(path, 'alice', gauge({ spec: { replicas: 1 }, status: { replicas: 9 } }));
  assert.equal(
    [created.body['spec'], created.body['status']],
    [{ size: 3, replicas: 1 }, undefined],
    'defaults are filled in, status is not for this path',
  );
  assert.equal(entryOf(created.body, 'alice')?.fieldsV1, { 'f:spec': { 'f:replicas': {} } });
  const status = await apply(`${path}/status`, 'agent', gauge({ spec: { size: 7 }, status: { replicas: 1 } }));
  assert.equal([status.body['spec'], status.body['status']], [{ size: 3, replicas: 1 }, { replicas: 1 }]);
  assert.equal(managersOf(status.body), ['agent/Apply/status', 'alice/Apply']);
  const scale = { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: 'g1' }, spec: { replicas: 4 } };
  const refused = await apply(`${path}/scale`, 'scaler', scale);
  assert.is(refused.body.message, 'Apply failed with 1 conflict: conflict with "alice": .spec.replicas');
  const scaled = await apply(`${path}/scale`, 'scaler', scale, '&force=true');
  assert.equal(scaled.body['spec'], { replicas: 4 });
  const after = await send({ path });
  assert.equal(managersOf(after.body), ['agent/Apply/status', 'scaler/Apply/scale']);
  const late = await apply(path, 'alice', gauge({ spec: { replicas: 1 } }));
  assert.is(late.body.message, 'Apply failed with 1 conflict: conflict with "scaler" with subresource "scale": .spec.replicas');
});

test.run();

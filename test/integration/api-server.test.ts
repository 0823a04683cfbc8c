/** The embedded API server through our own client: versions, watches, definitions, restarts, refusals. */
import { connect } from 'node:tls';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  configmaps,
  customResourceDefinitions,
  deviceModels,
  devices,
  isKubeError,
  leases,
  namespaces,
  nodes,
  secrets,
  type KubeObject,
  type WatchEvent,
} from '#cloud/store/kube-api.ts';
import { installDefinitions, startApiServer, type TestApiServer } from '../support/api-server.ts';
import { until, within } from '../support/until.ts';

const thermostat = {
  metadata: { name: 'thermostat', namespace: 'default' },
  spec: { deviceModelRef: { name: 'thermostat-model' }, nodeName: 'pi', custom: { kept: true } },
  status: { twins: [{ propertyName: 'setpoint', desired: { value: '20' } }] },
};

let api: TestApiServer;

test.before(async () => {
  api = await startApiServer({ tokens: [{ token: 'low', user: 'low', groups: [] }] });
  await installDefinitions(api.client);
});
test.after(() => api.close());

async function refused(promise: Promise<unknown>, ...reasons: string[]): Promise<string> {
  try {
    await promise;
  } catch (error) {
    assert.ok(isKubeError(error, ...reasons), String(error));
    return error instanceof Error ? error.message : '';
  }
  return assert.unreachable(`expected ${reasons.join(' or ')}`) as never;
}

/** Collects until `count` events came, then stops the watch. */
async function collect(watch: AsyncIterable<WatchEvent>, count: number): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of watch) {
    if (event.type === 'bookmark') continue;
    seen.push(`${event.type} ${event.object.metadata.name}`);
    if (seen.length === count) break;
  }
  return seen;
}

test('a device lives: create, get, patch with test, conflict, delete', async () => {
  const { client } = api;
  const created = await client.create(devices, thermostat);
  assert.is(created.kind, 'Device');
  assert.is(created.metadata.generation, 1);
  assert.equal(created.spec, thermostat.spec);
  const name = { namespace: 'default', name: 'thermostat' };
  const patched = await client.patch(devices, name, {
    type: 'json',
    operations: [
      { op: 'test', path: '/status/twins/0/propertyName', value: 'setpoint' },
      { op: 'add', path: '/status/twins/0/reported', value: { value: '20', metadata: { type: 'int' } } },
    ],
  });
  assert.equal((patched.status as { twins: unknown[] }).twins, [
    { propertyName: 'setpoint', desired: { value: '20' }, reported: { value: '20', metadata: { type: 'int' } } },
  ]);
  await refused(
    client.patch(devices, name, { type: 'json', operations: [{ op: 'test', path: '/status/twins/0/propertyName', value: 'other' }] }),
    'Invalid',
  );
  await refused(client.update(devices, { ...created, spec: {} }), 'Conflict');
  await refused(client.create(devices, thermostat), 'AlreadyExists');
  const same = await client.patch(devices, name, { type: 'merge', body: { spec: { nodeName: 'pi' } } });
  assert.is(same.metadata.resourceVersion, patched.metadata.resourceVersion, 'a write that changes nothing keeps the version');
  await client.delete(devices, name, { preconditions: { uid: created.metadata.uid ?? '' } });
  await refused(client.get(devices, name), 'NotFound');
});

test('the three versions show one object, unpruned', async () => {
  const { client } = api;
  const v1beta1 = { ...devices, version: 'v1beta1' };
  const spec = {
    properties: [{ name: 'a', visitors: { configData: { register: 'X' } } }],
    propertyVisitors: [{ propertyName: 'a', modbus: { limit: 1, extra: 1 } }],
  };
  await client.create(v1beta1, { metadata: { name: 'union', namespace: 'default' }, spec });
  for (const version of ['v1alpha1', 'v1alpha2', 'v1beta1']) {
    const found = await client.get({ ...devices, version }, { namespace: 'default', name: 'union' });
    assert.is(found.apiVersion, `devices.kubeedge.io/${version}`);
    assert.equal(found.spec, spec);
  }
  const list = await client.list(devices);
  assert.equal(
    list.items.map(({ apiVersion }) => apiVersion),
    ['devices.kubeedge.io/v1alpha2'],
  );
  await client.delete(devices, { namespace: 'default', name: 'union' });
});

test('two twins of one property are refused, booleans for texts are not', async () => {
  const { client } = api;
  const twin = (value: unknown): object => ({ propertyName: 'a', desired: { value } });
  const metadata = { name: 'twice', namespace: 'default' };
  const message = await refused(client.create(devices, { metadata, status: { twins: [twin('1'), twin('2')] } }), 'Invalid');
  assert.match(message, 'status.twins[1]: Duplicate value: map[string]interface {}{"propertyName":"a"}');
  const created = await client.create(devices, { metadata, status: { twins: [twin(false)] } });
  assert.equal(created.status, { twins: [twin(false)] });
  await client.delete(devices, { namespace: 'default', name: 'twice' });
  const visitors = [{ propertyName: 'a', bluetooth: { dataWrite: { true: [1], off: 'AQ==' } } }];
  await client.create(deviceModels, { metadata, spec: { propertyVisitors: visitors } });
  await client.delete(deviceModels, { namespace: 'default', name: 'twice' });
});

test('a watch goes on after a list without gap or repeat', async () => {
  const { client } = api;
  const { resourceVersion } = await client.list(configmaps);
  const named = (name: string): { metadata: { name: string; namespace: string } } => ({ metadata: { name, namespace: 'default' } });
  await client.create(configmaps, { ...named('w1'), data: { a: '1' } });
  const collecting = collect(client.watch(configmaps, { resourceVersion }), 4);
  await client.patch(configmaps, named('w1').metadata, { type: 'merge', body: { data: { a: '2' } } });
  await client.create(configmaps, named('w2'));
  await client.delete(configmaps, named('w1').metadata);
  assert.equal(await within(collecting, { what: 'four events' }), ['added w1', 'modified w1', 'added w2', 'deleted w1']);
  const selected = collect(client.watch(configmaps, { resourceVersion, fieldSelector: 'metadata.name=w2' }), 1);
  assert.equal(await selected, ['added w2']);
  await client.delete(configmaps, named('w2').metadata);
});

test('a watch ends with the caller, and with the time-out', async () => {
  const { client, server } = api;
  const abort = new AbortController();
  const watching = collect(client.watch(configmaps, { resourceVersion: '0', namespace: 'nowhere', signal: abort.signal }), 1);
  await until(() => server.stats.watches === 1, { what: 'the watch' });
  abort.abort(new Error('enough'));
  await watching.then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 'enough'),
  );
  await until(() => server.stats.watches === 0, { what: 'the end of the watch' });
  assert.equal(await collect(client.watch(configmaps, { namespace: 'nowhere', timeoutSeconds: 1 }), 1), []);
});

test('pages show the state of the first one', async () => {
  const { client } = api;
  await client.create(namespaces, { metadata: { name: 'pages' } });
  for (const name of ['a', 'b', 'c', 'd', 'e'])
    await client.create(secrets, { metadata: { name, namespace: 'pages' }, stringData: { k: name } });
  const scope = { namespace: 'pages', limit: 2 };
  const first = await client.list(secrets, scope);
  assert.equal(
    first.items.map(({ metadata }) => metadata.name),
    ['a', 'b'],
  );
  await client.create(secrets, { metadata: { name: 'bb', namespace: 'pages' } });
  await client.delete(secrets, { namespace: 'pages', name: 'd' });
  const second = await client.list(secrets, { ...scope, continue: first.continue ?? '' });
  assert.equal(
    second.items.map(({ metadata }) => metadata.name),
    ['c', 'd'],
  );
  assert.is(second.resourceVersion, first.resourceVersion);
  const third = await client.list(secrets, { ...scope, continue: second.continue ?? '' });
  assert.equal(
    third.items.map(({ metadata }) => metadata.name),
    ['e'],
  );
  assert.is(third.continue, undefined);
  assert.equal((third.items[0] as KubeObject).data, { k: 'ZQ==' });
  await client.delete(namespaces, { name: 'pages' });
  assert.equal((await client.get(namespaces, { name: 'pages' })).status, { phase: 'Terminating' });
  await until(async () => (await client.list(secrets, { namespace: 'pages' })).items.length === 0, { what: 'the contents to go' });
  const gone = (): Promise<boolean> =>
    client.get(namespaces, { name: 'pages' }).then(
      () => false,
      () => true,
    );
  await until(gone, { what: 'the namespace to go' });
});

test('nodes keep status and the rest on paths of their own', async () => {
  const { client } = api;
  await client.create(nodes, { metadata: { name: 'pi' }, status: { conditions: [] } });
  const condition = { type: 'Ready', status: 'True' };
  await client.patch(nodes, { name: 'pi' }, { type: 'strategic', body: { status: { conditions: [condition] } }, subresource: 'status' });
  const cordoned = await client.patch(
    nodes,
    { name: 'pi' },
    { type: 'strategic', body: { spec: { unschedulable: true }, status: { conditions: [] } } },
  );
  assert.equal(cordoned.spec, { unschedulable: true });
  assert.equal((cordoned.status as { conditions: unknown }).conditions, [condition]);
  assert.equal((await client.list(nodes, { fieldSelector: 'spec.unschedulable=true' })).items.length, 1);
  await client.delete(nodes, { name: 'pi' });
});

test('a lease is made by its first update', async () => {
  const { client } = api;
  const lease = { metadata: { name: 'pi', namespace: 'kube-node-lease' }, spec: { holderIdentity: 'pi', leaseDurationSeconds: 40 } };
  const made = await client.update(leases, lease);
  const renewed = await client.update(leases, { ...made, spec: { ...lease.spec, renewTime: '2026-01-01T00:00:00.000000Z' } });
  assert.is.not(renewed.metadata.resourceVersion, made.metadata.resourceVersion);
});

test('finalizers keep an object until they are gone', async () => {
  const { client } = api;
  const name = { namespace: 'default', name: 'held' };
  await client.create(configmaps, { metadata: { ...name, finalizers: ['hivelet.dev/hold'] } });
  await client.delete(configmaps, name);
  assert.ok((await client.get(configmaps, name)).metadata.deletionTimestamp !== undefined);
  await refused(
    client.patch(configmaps, name, { type: 'merge', body: { metadata: { finalizers: ['hivelet.dev/hold', 'a.b/c'] } } }),
    'Invalid',
  );
  await client.patch(configmaps, name, { type: 'merge', body: { metadata: { finalizers: null } } });
  await refused(client.get(configmaps, name), 'NotFound');
});

test('a definition is served at once and takes its objects with it', async () => {
  const { client } = api;
  const gadgets = { group: 'probe.io', version: 'v1', plural: 'gadgets', kind: 'Gadget', namespaced: true };
  const openAPIV3Schema = {
    type: 'object',
    properties: {
      spec: { type: 'object', properties: { size: { type: 'integer' } } },
      status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    },
  };
  const version = { name: 'v1', served: true, storage: true, subresources: { status: {} }, schema: { openAPIV3Schema } };
  await client.create(customResourceDefinitions, {
    metadata: { name: 'gadgets.probe.io' },
    spec: { group: 'probe.io', scope: 'Namespaced', names: { plural: 'gadgets', kind: 'Gadget' }, versions: [version] },
  });
  const name = { namespace: 'default', name: 'g' };
  const made = await client.create(gadgets, { metadata: name, spec: { size: 1, junk: 2 }, status: { dropped: true } });
  assert.equal([made.spec, made.status], [{ size: 1 }, undefined]);
  const reported = await client.patch(gadgets, name, {
    type: 'merge',
    body: { status: { up: true }, spec: { size: 9 } },
    subresource: 'status',
  });
  assert.equal([reported.spec, reported.status, reported.metadata.generation], [{ size: 1 }, { up: true }, 1]);
  const unknown = await api.raw({
    method: 'PATCH',
    path: '/apis/probe.io/v1/namespaces/default/gadgets/g?fieldValidation=Strict',
    contentType: 'application/merge-patch+json',
    body: { spec: { foo: 1 } },
  });
  assert.is(unknown.status, 400);
  assert.match(unknown.text, 'strict decoding error: unknown field \\"spec.foo\\"');
  const warned = await api.raw({
    method: 'PATCH',
    path: '/apis/probe.io/v1/namespaces/default/gadgets/g',
    contentType: 'application/merge-patch+json',
    body: { spec: { foo: 1 } },
  });
  assert.is(warned.headers.warning, '299 - "unknown field \\"spec.foo\\""');
  await client.delete(customResourceDefinitions, { name: 'gadgets.probe.io' });
  await refused(client.list(gadgets), 'NotFound');
});

test('nobody without credentials sees more than health and version', async () => {
  for (const path of ['/healthz', '/readyz', '/livez', '/version']) assert.is((await api.raw({ path, token: null })).status, 200);
  for (const path of ['/api', '/apis', '/openapi/v3', '/api/v1/nodes', '/api/v1/namespaces/default/secrets/x', '/metrics']) {
    assert.is((await api.raw({ path, token: null })).status, 403, path);
    assert.is((await api.raw({ path, token: 'wrong' })).status, 401, path);
    const described = /^\/(api|apis|openapi\/v3)$/.test(path);
    assert.is((await api.raw({ path, token: 'low' })).status, described ? 200 : 403, path);
  }
  assert.is((await api.raw({ method: 'DELETE', path: '/healthz', token: null, body: '' })).status, 200);
});

test('TLS older than 1.3 is refused', async () => {
  const attempt = new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: api.server.port, ca: api.ca, maxVersion: 'TLSv1.2' }, () => resolve(socket.end()));
    socket.on('error', reject);
  });
  await attempt.then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, /protocol version/i),
  );
});

test('odd requests are refused, not stumbled over', async () => {
  const cm = '/api/v1/namespaces/default/configmaps';
  const post = (body: string, contentType = 'application/json'): Promise<{ status: number }> =>
    api.raw({ method: 'POST', path: cm, contentType, body });
  assert.is((await post('['.repeat(100_000))).status, 400);
  assert.is((await post(`{"metadata":{"name":"deep"},"data":${'{"a":'.repeat(300)}1${'}'.repeat(300)}}`)).status, 400);
  assert.is((await post('[]')).status, 400);
  assert.is((await post('null')).status, 400);
  assert.is((await post('{"metadata":[]}')).status, 400);
  assert.is((await post('{"metadata":{"name":"x","labels":{"a":1}}}')).status, 400);
  assert.is((await post('a: &a [*a, *a]', 'application/yaml')).status, 400);
  assert.is((await post('metadata: {name: on-yaml}\ndata: {on: "off"}', 'application/yaml')).status, 201);
  assert.equal(
    (await api.client.get(configmaps, { namespace: 'default', name: 'on-yaml' })).data,
    { true: 'off' },
    'YAML 1.1, as kubectl reads it',
  );
  assert.is((await api.raw({ path: '/api/v1/namespaces/%ff/configmaps' })).status, 400);
  assert.is((await api.raw({ path: '/api/v1/namespaces/default/configmaps/__proto__' })).status, 404);
  assert.is((await api.raw({ path: `${cm}?limit=x` })).status, 400);
  assert.is((await api.raw({ path: `${cm}?continue=x` })).status, 400);
  assert.is((await api.raw({ path: `${cm}?resourceVersion=x` })).status, 400);
});

test.run();

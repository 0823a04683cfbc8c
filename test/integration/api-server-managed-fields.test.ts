/** Who is recorded for which field by which way of writing, over HTTP. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { configmaps, namespaces, nodes } from '#cloud/store/kube-api.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';
import { CONFIGMAPS, applierOf, configMap, entryOf, managersOf, type Answered } from '../support/apply.ts';

let api: TestApiServer;
let count = 0;
const { apply, send } = applierOf(() => api);

test.before(async () => {
  api = await startApiServer();
});
test.after(() => api.close());

function freshName(): string {
  return `thing-${(count += 1)}`;
}

test('each way of writing records its manager', async () => {
  const name = freshName();
  const path = `${CONFIGMAPS}/${name}`;
  const created = await send({
    method: 'POST',
    path: CONFIGMAPS,
    contentType: 'application/json',
    body: configMap(name, { a: '1', b: '1' }),
    headers: { 'User-Agent': 'tool/v1 (x)' },
  });
  assert.equal(managersOf(created.body), ['tool/Update']);
  assert.equal(entryOf(created.body, 'tool')?.fieldsV1, { 'f:data': { '.': {}, 'f:a': {}, 'f:b': {} } });
  const patched = await send({
    method: 'PATCH',
    path: `${path}?fieldManager=patcher`,
    contentType: 'application/merge-patch+json',
    body: { data: { b: '2' } },
  });
  assert.equal(managersOf(patched.body).sort(), ['patcher/Update', 'tool/Update']);
  assert.equal(entryOf(patched.body, 'tool')?.fieldsV1, { 'f:data': { '.': {}, 'f:a': {} } });
  const put = await send({ method: 'PUT', path, contentType: 'application/json', body: configMap(name, { a: '1', b: '3' }) });
  assert.equal(managersOf(put.body).sort(), ['tool/Update', 'unknown/Update'], 'what the patcher owned went to another');
});

test('a write that changes nothing changes no entry and keeps the version, whoever sends it', async () => {
  const name = freshName();
  const path = `${CONFIGMAPS}/${name}`;
  const { body: created } = await send({
    method: 'POST',
    path: CONFIGMAPS,
    contentType: 'application/json',
    body: configMap(name, { a: '1' }),
  });
  const put = await send({
    method: 'PUT',
    path: `${path}?fieldManager=other`,
    contentType: 'application/json',
    body: configMap(name, { a: '1' }),
  });
  const patch = await send({
    method: 'PATCH',
    path: `${path}?fieldManager=third`,
    contentType: 'application/merge-patch+json',
    body: { data: { a: '1' } },
  });
  assert.equal(put.body, created);
  assert.equal(patch.body, created);
});

test('writers of status have entries of their own', async () => {
  const name = freshName();
  await api.client.create(nodes, { metadata: { name, labels: { l: 'x' } }, status: { phase: 'x' } }, { fieldManager: 'creator' });
  const status = { conditions: [{ type: 'Ready', status: 'True' }] };
  const node = await api.client.patch(nodes, { name }, { type: 'merge', body: { status }, subresource: 'status', fieldManager: 'agent' });
  assert.equal(
    managersOf(node).filter((each) => each.startsWith('agent')),
    ['agent/Update/status'],
  );
  assert.equal(entryOf(node, 'agent')?.fieldsV1['f:status']?.['f:conditions'], {
    '.': {},
    'k:{"type":"Ready"}': { '.': {}, 'f:status': {}, 'f:type': {} },
  });
});

test('one empty entry resets, garbage and an empty list do not', async () => {
  const name = freshName();
  const path = `${CONFIGMAPS}/${name}`;
  const merge = (managedFields: unknown): Promise<Answered> =>
    send({ method: 'PATCH', path, contentType: 'application/merge-patch+json', body: { metadata: { managedFields } } });
  const { body: created } = await apply(path, 'alice', configMap(name, { a: '1' }));
  for (const garbage of [
    [],
    [1],
    [{ manager: 'x' }],
    'x',
    [{ manager: 'x', operation: 'Steal', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1: {} }],
  ]) {
    assert.equal((await merge(garbage)).body, created, JSON.stringify(garbage));
  }
  const reset = await merge([{}]);
  assert.equal([reset.status, reset.body.metadata.managedFields], [200, undefined]);
  assert.is.not(reset.body.metadata.resourceVersion, created.metadata.resourceVersion);
  const applied = await apply(path, 'bob', configMap(name, { a: '1', b: '1' }));
  assert.equal(managersOf(applied.body), ['bob/Apply', 'before-first-apply/Update']);
});

test('a patch of the entries of one object is none of another’s, however it names them', async () => {
  const [one, other] = [freshName(), freshName()];
  await apply(`${CONFIGMAPS}/${one}`, 'alice', configMap(one, { a: '1' }));
  const { body: untouched } = await apply(`${CONFIGMAPS}/${other}`, 'alice', configMap(other, { a: '1' }));
  const add = (path: string): string => `[{"op":"add","path":"${path}","value":{}}]`;
  for (const path of ['/metadata/managedFields/0/fieldsV1/f:data/f:b', '/metadata/\\u006danagedFields/0/fieldsV1/f:data/f:c']) {
    const patched = await send({
      method: 'PATCH',
      path: `${CONFIGMAPS}/${one}`,
      contentType: 'application/json-patch+json',
      body: add(path),
    });
    assert.is(patched.status, 200, patched.body.message);
  }
  const fields = async (name: string): Promise<unknown> => entryOf((await send({ path: `${CONFIGMAPS}/${name}` })).body, 'alice')?.fieldsV1;
  assert.equal(await fields(one), { 'f:data': { 'f:a': {}, 'f:b': {}, 'f:c': {} } });
  assert.equal(await fields(other), { 'f:data': { 'f:a': {} } });
  const again = await apply(`${CONFIGMAPS}/${other}`, 'alice', configMap(other, { a: '1' }));
  assert.equal(again.body, untouched);
});

test('managers are in partial objects, lists and watches as in the object, and in no rows of tables', async () => {
  const name = freshName();
  const { body } = await apply(`${CONFIGMAPS}/${name}`, 'alice', configMap(name, { a: '1' }));
  const partial = await send({ path: `${CONFIGMAPS}/${name}`, accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io' });
  assert.equal(partial.body.metadata, body.metadata);
  const [listed] = (await api.client.list(configmaps, { namespace: 'default', fieldSelector: `metadata.name=${name}` })).items;
  assert.equal(listed?.metadata, body.metadata);
  for await (const event of api.client.watch(configmaps, { namespace: 'default', fieldSelector: `metadata.name=${name}` })) {
    assert.equal(event.type === 'bookmark' ? undefined : event.object.metadata, body.metadata);
    break;
  }
  const table = await api.raw({ path: `${CONFIGMAPS}/${name}`, accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
  assert.not.match(table.text, 'managedFields');
  const whole = await api.raw({
    path: `${CONFIGMAPS}/${name}?includeObject=Object`,
    accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
  });
  assert.match(whole.text, 'managedFields');
});

test('what the namespace of a test needs is recorded too', async () => {
  const name = freshName();
  const created = await api.client.create(namespaces, { metadata: { name, labels: { l: 'x' } } });
  assert.equal(managersOf(created), ['hivelet/Update']);
});

test.run();

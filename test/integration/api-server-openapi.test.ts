/** The OpenAPI documents of the embedded API server: complete, named by their content, with what kubectl asks of v2. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { installDefinitions, startApiServer, type RawAnswer, type TestApiServer } from '../support/api-server.ts';

interface Index {
  paths: Record<string, { serverRelativeURL: string }>;
}

let api: TestApiServer;

test.before(async () => {
  api = await startApiServer();
});
test.after(() => api.close());

async function read(path: string): Promise<Index> {
  return JSON.parse((await api.raw({ path })).text) as Index;
}

test('OpenAPI documents are named by their content, and hold what they refer to', async () => {
  const index = await read('/openapi/v3');
  assert.equal(await read('/openapi/v3'), index);
  for (const { serverRelativeURL } of Object.values(index.paths)) {
    const { headers, text, status }: RawAnswer = await api.raw({ path: serverRelativeURL });
    assert.is(status, 200, serverRelativeURL);
    assert.is(headers['cache-control'], 'public, immutable');
    const document = JSON.parse(text) as { components: { schemas: Record<string, unknown> } };
    for (const [, name = ''] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      assert.ok(name in document.components.schemas, `${serverRelativeURL} lacks ${name}`);
    }
  }
  assert.is((await api.raw({ path: '/openapi/v2' })).status, 404);
});

test('OpenAPI v2 says in protobuf that writes can be validated', async () => {
  const asked = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
  const { status, headers, text } = await api.raw({ path: '/openapi/v2', accept: asked });
  assert.equal([status, headers['content-type']], [200, 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf']);
  assert.match(text, /\/api\/v1\/namespaces\/\{name\}/);
  assert.match(text, /fieldValidation[^]*x-kubernetes-group-version-kind[^]*version: "v1"\nkind: "Namespace"/);
});

test('a definition changes the documents of its group and no others', async () => {
  const before = await read('/openapi/v3');
  await installDefinitions(api.client);
  const after = await read('/openapi/v3');
  assert.ok('apis/devices.kubeedge.io/v1beta1' in after.paths);
  for (const [path, entry] of Object.entries(before.paths)) assert.equal(after.paths[path], entry, path);
});

test('another server of the same program names the documents the same', async () => {
  const other = await startApiServer();
  try {
    const there = JSON.parse((await other.raw({ path: '/openapi/v3' })).text) as Index;
    const here = await read('/openapi/v3');
    for (const [path, entry] of Object.entries(there.paths)) assert.equal(here.paths[path], entry, path);
  } finally {
    await other.close();
  }
});

test.run();

/** Protobuf bodies over the wire: what kubectl sent is stored, what is no message is refused, and the server goes on. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { configmaps } from '#cloud/store/kube-api.ts';
import { installDefinitions, startApiServer, type TestApiServer } from '../support/api-server.ts';

const PROTOBUF = 'application/vnd.kubernetes.protobuf';
const CONFIGMAPS = '/api/v1/namespaces/default/configmaps';
const recorded = JSON.parse(readFileSync(path.join(import.meta.dirname, '../fixtures/protobuf/kubectl-1.32.json'), 'utf8')) as Record<
  string,
  string
>;

let api: TestApiServer;

test.before(async () => {
  api = await startApiServer();
  await installDefinitions(api.client);
});
test.after(() => api.close());

const bodyOf = (name: string): Buffer => Buffer.from(recorded[name] ?? '', 'base64');

async function send(method: string, where: string, body: Buffer): Promise<{ status: number; answer: Record<string, unknown> }> {
  const { status, text } = await api.raw({ method, path: where, contentType: PROTOBUF, body });
  return { status, answer: JSON.parse(text) as Record<string, unknown> };
}

test('an object from protobuf is the one from JSON', async () => {
  const { status, answer } = await send('POST', CONFIGMAPS, bodyOf('configmaps'));
  assert.is(status, 201);
  assert.equal(answer['data'], { a: 'b', empty: '' });
  const stored = await api.client.get(configmaps, { namespace: 'default', name: 'c1' });
  assert.equal(stored['data'], { a: 'b', empty: '' });
  assert.is((await send('PUT', `${CONFIGMAPS}/c1`, bodyOf('configmaps'))).status, 200);
  const { status: again, answer: exists } = await send('POST', CONFIGMAPS, bodyOf('configmaps'));
  assert.equal([again, exists['reason']], [409, 'AlreadyExists']);
});

test('a body of another kind than the path is refused', async () => {
  const { status, answer } = await send('POST', CONFIGMAPS, bodyOf('secrets'));
  assert.equal([status, answer['reason']], [400, 'BadRequest']);
});

test('kinds that are not read from protobuf, and custom ones, are told so', async () => {
  const job = await send('POST', CONFIGMAPS, bodyOf('jobs'));
  assert.equal([job.status, job.answer['reason']], [415, 'UnsupportedMediaType']);
  assert.match(String(job.answer['message']), /use -f with a file, or --dry-run=client -o yaml/);
  const device = await send('POST', '/apis/devices.kubeedge.io/v1beta1/namespaces/default/devices', bodyOf('configmaps'));
  assert.is(device.status, 400);
});

test('garbage is 400 wherever a body may be', async () => {
  for (const body of [
    Buffer.alloc(0),
    Buffer.from('{}'),
    Buffer.from('k8s\0\xff\xff\xff', 'latin1'),
    bodyOf('configmaps').subarray(0, 40),
  ]) {
    const { status, answer } = await send('POST', CONFIGMAPS, body);
    assert.equal([status, answer['reason']], [400, 'BadRequest'], body.toString('hex'));
    assert.is((await send('PUT', `${CONFIGMAPS}/c1`, body)).status, 400);
    if (body.length > 0) assert.is((await send('DELETE', `${CONFIGMAPS}/c1`, body)).status, 400);
  }
  assert.is((await send('DELETE', `${CONFIGMAPS}/c1`, bodyOf('secrets'))).status, 400);
  assert.is((await api.raw({ path: `${CONFIGMAPS}/c1` })).status, 200);
});

test.run();

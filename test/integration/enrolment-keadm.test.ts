/** A KubeEdge edge joins as keadm makes it: the token of Secret `tokensecret`, its own subject, header NodeName; and what a board is told of its Node. */
import { X509Certificate, createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { NodeLists } from '#cloud/enrolment/node-lists.ts';
import { secrets } from '#cloud/store/kube-api.ts';
import { askDoor, newRequest } from '#test/support/cert-door.ts';
import { startTestCloud, type TestCloud } from '#test/support/cloud.ts';
import { Refused, connectFakeEdge } from '#test/support/fake-edge.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const NAME = { namespace: 'kubeedge', name: 'tokensecret' };
let cloud: TestCloud;
let files = { authority: '', certificate: '', key: '' };
let credential = { cert: '', key: '' };

test.before(async () => {
  cloud = await startTestCloud({ sets: ['modules.cloudHub.keadmToken=true'] });
});
test.after(() => cloud.close());

async function tokenOfSecret(): Promise<string> {
  const object = await until(() => cloud.api.get(secrets, NAME), { what: 'the Secret' });
  return Buffer.from((object['data'] as { tokendata: string }).tokendata, 'base64').toString();
}

test('the token of the Secret is checked and split as KubeEdge does, and lets any free name in', async () => {
  const parts = (await tokenOfSecret()).split('.');
  assert.is(parts.length, 4);
  const port = cloud.cloud.httpsPort;
  const { body: ca } = await askDoor({ port, path: '/ca.crt' });
  assert.is(createHash('sha256').update(ca).digest('hex'), parts[0]);
  const { key, request } = await newRequest('kubeedge.io');
  const authority = new X509Certificate(ca).toString();
  const headers = { Authorization: `Bearer ${parts.slice(1).join('.')}`, NodeName: 'edge-17', ExtKeyUsages: '[2]' };
  const answer = await askDoor({ port, headers, body: request, more: { ca: authority, rejectUnauthorized: true } });
  assert.is(answer.status, 200, answer.text);
  const folder = tempDir();
  const put = (name: string, text: string): string => {
    writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };
  credential = { cert: new X509Certificate(answer.body).toString(), key };
  files = { authority: put('ca', authority), certificate: put('crt', credential.cert), key: put('key', key) };
});

test('with that certificate it connects under its own name, and under no other', async () => {
  const edge = await connectFakeEdge({ port: cloud.cloud.hubPort, node: 'edge-17', peer: 'kubeedge', files });
  edge.close();
  try {
    await connectFakeEdge({ port: cloud.cloud.hubPort, node: 'edge-18', peer: 'kubeedge', files });
    assert.unreachable();
  } catch (error) {
    assert.ok(error instanceof Refused, String(error));
    assert.is(error.status, 403);
  }
});

test('the token stays while it has half of its life before it, and is replaced when it was revoked', async () => {
  const first = await tokenOfSecret();
  const id = (JSON.parse(Buffer.from(first.split('.')[2] ?? '', 'base64url').toString()) as { jti: string }).jti;
  assert.is(await tokenOfSecret(), first);
  await cloud.api.delete(secrets, { namespace: 'kubeedge', name: `hivelet-token-${id}` });
  await cloud.api.delete(secrets, NAME);
  await until(async () => (await tokenOfSecret()) !== first, { what: 'another token', deadlineMs: 70_000, everyMs: 200 });
});

test('a board is told of its Node, and nothing once it is revoked', async () => {
  const ask = () => askDoor({ port: cloud.cloud.httpsPort, path: '/hivelet/node', ...credential });
  const { status, text } = await ask();
  assert.is(status, 200);
  assert.equal(JSON.parse(text), { node: 'edge-17', ready: 'absent', message: 'the node has not registered yet' });
  await new NodeLists({ api: cloud.api, clock: systemClock }).revoke('edge-17');
  const refused = await until(
    async () => {
      const answer = await ask();
      return answer.status === 403 ? answer : undefined;
    },
    { what: 'the refusal' },
  );
  assert.match(refused.text, /^the certificate of edge-17 was revoked or replaced: join again with a token/);
  assert.is((await askDoor({ port: cloud.cloud.httpsPort, path: '/hivelet/node' })).status, 401);
});

test.run();

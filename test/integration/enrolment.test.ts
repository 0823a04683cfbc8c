/** The certificate endpoints over real TLS: who gets a certificate for which node, what each failure says, and that guessing is slow. */
import { X509Certificate, createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { NodeLists } from '#cloud/enrolment/node-lists.ts';
import { TokenStore, type TokenWishes } from '#cloud/enrolment/token-store.ts';
import { splitToken } from '#cloud/enrolment/join-token.ts';
import { authorityHash } from '#cloud/pki/node-signer.ts';
import { nodes, secrets } from '#cloud/store/kube-api.ts';
import { askDoor, newRequest, type DoorAnswer } from '#test/support/cert-door.ts';
import { startTestCloud, type TestCloud } from '#test/support/cloud.ts';
import { connectFakeEdge, Refused } from '#test/support/fake-edge.ts';
import { needing, peerPath } from '#test/support/peers.ts';
import { runProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

let cloud: TestCloud;
let tokens: TokenStore;
let lists: NodeLists;
let ca = '';
const opensslTest = needing(test, 'openssl');

test.before(async () => {
  cloud = await startTestCloud();
  tokens = new TokenStore({ api: cloud.api, clock: systemClock });
  lists = new NodeLists({ api: cloud.api, clock: systemClock });
  ca = readFileSync(path.join(cloud.dataDir, 'pki/ca.crt'), 'utf8');
});
test.after(() => cloud.close());
// A request that is refused counts against the address, and this file makes many: one that succeeds clears it.
test.after.each(async () => {
  const node = `clear-${createHash('sha256').update(String(performance.now())).digest('hex').slice(0, 12)}`;
  const passed = async (): Promise<boolean> => (await join(node, await bearer())).status === 200;
  await until(passed, { what: 'the throttle to pass', deadlineMs: 90_000, everyMs: 500 });
});

async function bearer(wishes: Partial<TokenWishes> = {}): Promise<string> {
  const { text } = await tokens.create({ authority: authorityHash(ca), ttlMs: 3_600_000, ...wishes });
  return splitToken(text)?.bearer ?? '';
}

async function join(node: string, token: string, body?: Buffer): Promise<DoorAnswer> {
  const headers = { Authorization: `Bearer ${token}`, ...(node === '' ? {} : { NodeName: node }) };
  return askDoor({ port: cloud.cloud.httpsPort, headers, body: body ?? (await newRequest()).request });
}

/** Files of a certificate that was answered, for a fake edge. */
function filesOf(answer: DoorAnswer, key: string): { authority: string; certificate: string; key: string } {
  const folder = mkdtempSync(path.join(tempDir(), 'pki-'));
  const put = (name: string, text: string): string => {
    writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };
  const certificate = new X509Certificate(answer.body).toString();
  return { authority: put('ca.crt', ca), certificate: put('node.crt', certificate), key: put('node.key', key) };
}

test('the authority is served in DER, and its hash is the first part of a token', async () => {
  const { status, body } = await askDoor({ port: cloud.cloud.httpsPort, path: '/ca.crt' });
  assert.is(status, 200);
  assert.ok(body.equals(new X509Certificate(ca).raw));
  const { text } = await tokens.create({ authority: authorityHash(ca), ttlMs: 1000 });
  assert.is(splitToken(text)?.authority, createHash('sha256').update(body).digest('hex'));
  assert.is(text.split('.').length, 4);
});

test('a token gets a client certificate whose subject is ours whatever the request says, and the hub takes it', async () => {
  const { key, request } = await newRequest('somebody-else');
  const answer = await join('pi-1', await bearer(), request);
  assert.is(answer.status, 200, answer.text);
  const certificate = new X509Certificate(answer.body);
  assert.is(certificate.subject, 'O=system:nodes\nCN=system:node:pi-1');
  assert.equal([certificate.keyUsage, certificate.ca, certificate.validFrom], [['1.3.6.1.5.5.7.3.2'], false, 'Jan  1 00:00:00 1970 GMT']);
  assert.ok(certificate.verify(new X509Certificate(ca).publicKey));
  const files = filesOf(answer, key);
  const edge = await connectFakeEdge({ port: cloud.cloud.hubPort, node: 'pi-1', files });
  edge.close();
  await assertRefused(connectFakeEdge({ port: cloud.cloud.hubPort, node: 'pi-2', files }), 403);
});

async function assertRefused(attempt: Promise<unknown>, status: number): Promise<string> {
  try {
    await attempt;
  } catch (error) {
    assert.ok(error instanceof Refused, String(error));
    assert.is(error.status, status);
    return error.message;
  }
  return assert.unreachable('it should have been refused') as never;
}

opensslTest('a key of 1024 bits is not certified', async () => {
  const folder = tempDir();
  const args = [
    'req',
    '-new',
    '-newkey',
    'rsa:1024',
    '-nodes',
    '-subj',
    '/CN=x',
    '-outform',
    'DER',
    '-keyout',
    `${folder}/k`,
    '-out',
    `${folder}/csr`,
  ];
  assert.is((await runProcess({ command: peerPath('openssl'), args })).code, 0);
  assert.match(
    (await join('pi', await bearer(), readFileSync(`${folder}/csr`))).text,
    /^the key of the certificate request is none that we certify/,
  );
});

opensslTest('a request with an RSA key, as openssl makes it, is certified too', async () => {
  const folder = tempDir();
  const args = [
    'req',
    '-new',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-subj',
    '/CN=kubeedge.io',
    '-outform',
    'DER',
    '-keyout',
    `${folder}/k`,
    '-out',
    `${folder}/csr`,
  ];
  assert.is((await runProcess({ command: peerPath('openssl'), args })).code, 0);
  const answer = await join('pi-rsa', await bearer(), readFileSync(`${folder}/csr`));
  assert.is(answer.status, 200, answer.text);
  assert.match(new X509Certificate(answer.body).subject, /CN=system:node:pi-rsa$/);
});

const refusals: [what: string, ask: () => Promise<DoorAnswer>, status: number, said: RegExp][] = [
  [
    'no token',
    async () => askDoor({ port: cloud.cloud.httpsPort, body: (await newRequest()).request }),
    401,
    /^Invalid authorization token$/,
  ],
  ['garbage for a token', () => join('pi', 'abc'), 400, /^Invalid authorization token: this cloud has not issued it, or it was revoked$/],
  [
    'a token of another secret',
    async () => join('pi', (await bearer()).replace(/[^.]+$/, 'AAAA')),
    400,
    /^Invalid authorization token: this cloud has not issued it/,
  ],
  [
    'a token that has ended',
    async () => join('pi', await bearer({ ttlMs: -1000 })),
    400,
    /^Invalid authorization token: it ended on .*; make another one/,
  ],
  ['a token for another node', async () => join('pi', await bearer({ node: 'other' })), 403, /^the token is for node other, not for pi$/],
  ['no name', async () => join('', await bearer()), 400, /^header NodeName is missing/],
  ['a bad name', async () => join('Pi_1', await bearer()), 400, /^header NodeName is no node name/],
  ['no request', async () => join('pi', await bearer(), Buffer.from('hello')), 400, /^the body is no certificate request/],
  ['a long body', async () => join('pi', await bearer(), Buffer.alloc(20_000)), 413, /^the body has more than 16384 bytes/],
  ['a request for a server', async () => servers(), 400, /^header ExtKeyUsages: boards get client certificates \(2\) and no others$/],
];

async function servers(): Promise<DoorAnswer> {
  const headers = { Authorization: `Bearer ${await bearer()}`, NodeName: 'pi', ExtKeyUsages: '[1]' };
  return askDoor({ port: cloud.cloud.httpsPort, headers, body: (await newRequest()).request });
}

for (const [what, ask, status, said] of refusals) {
  test(`${what} is refused with ${String(status)} and one sentence`, async () => {
    const answer = await ask();
    assert.is(answer.status, status, answer.text);
    assert.match(answer.text, said);
    assert.is(await lists.read('pi'), undefined);
  });
}

test('a request whose signature is not that of its key is refused', async () => {
  const { request } = await newRequest();
  const forged = Buffer.from(request);
  forged[forged.length - 3] = (forged.at(-3) ?? 0) ^ 0xff;
  assert.match((await join('pi', await bearer(), forged)).text, /signature of the certificate request|no certificate request/);
  assert.is(await lists.read('pi'), undefined);
});

test('other methods and paths are refused', async () => {
  const port = cloud.cloud.httpsPort;
  assert.is((await askDoor({ port, method: 'POST', body: Buffer.from('x') })).status, 405);
  assert.is((await askDoor({ port, path: '/edge.key' })).status, 404);
  assert.is((await askDoor({ port, path: '//' })).status, 400);
});

test('a name that is taken is refused to another key, given to the same key again, and replaced by a token for that name', async () => {
  const { request } = await newRequest();
  const open = await bearer();
  const first = await join('pi-taken', open, request);
  assert.is(first.status, 200);
  const other = await join('pi-taken', open);
  assert.is(other.status, 409);
  assert.match(other.text, /^the name pi-taken is taken by a board that has joined: choose another one with --node-name, or/);
  assert.is((await join('pi-taken', open, request)).status, 200);
  const replaced = await join('pi-taken', await bearer({ node: 'pi-taken' }));
  assert.is(replaced.status, 200);
  const list = await lists.read('pi-taken');
  assert.equal(
    list?.certificates.map(({ fingerprint }) => fingerprint),
    [new X509Certificate(replaced.body).fingerprint256.replaceAll(':', '').toLowerCase()],
  );
});

test('a Node without a list is taken when it was ever heard of, and free when it was made ahead', async () => {
  await cloud.api.create(nodes, { metadata: { name: 'pi-ahead' } });
  assert.is((await join('pi-ahead', await bearer())).status, 200);
  const heard = { conditions: [{ type: 'Ready', status: 'True' }] };
  await cloud.api.create(nodes, { metadata: { name: 'pi-heard' } });
  await cloud.api.patch(nodes, { name: 'pi-heard' }, { type: 'merge', body: { status: heard }, subresource: 'status' });
  assert.is((await join('pi-heard', await bearer())).status, 409);
  assert.is((await join('pi-heard', await bearer({ node: 'pi-heard' }))).status, 200);
});

test('uses are counted by key, also when they come at once', async () => {
  const twice = await bearer({ uses: 2 });
  const answers = await Promise.all(['u-1', 'u-2', 'u-3', 'u-4'].map((node) => join(node, twice)));
  assert.equal(answers.map(({ status }) => status).sort(), [200, 200, 400, 400]);
  assert.match(answers.find(({ status }) => status === 400)?.text ?? '', /: it was made for 2 and is used up;/);
  const once = await bearer({ uses: 1 });
  const { request } = await newRequest();
  for (const _ of [1, 2]) assert.is((await join('u-same', once, request)).status, 200);
});

test('tokens are kept hashed, listed without their secret, and gone when they are revoked', async () => {
  const { text, record } = await tokens.create({ authority: authorityHash(ca), ttlMs: 3_600_000 });
  const { items } = await cloud.api.list(secrets, { namespace: 'kubeedge' });
  const secret = text.split('.').at(-1) ?? 'none';
  const all = items.map(({ data }) =>
    Object.values((data ?? {}) as Record<string, string>).map((each) => Buffer.from(each, 'base64').toString()),
  );
  assert.not.ok(JSON.stringify(all).includes(secret));
  assert.ok((await tokens.list()).some(({ id }) => id === record.id));
  assert.ok(await tokens.revoke(record.id));
  assert.not.ok(await tokens.revoke(record.id));
  assert.match((await join('pi-gone', splitToken(text)?.bearer ?? '')).text, /or it was revoked$/);
});

test('a certificate of the node itself is worth a token for that node, and for no other', async () => {
  const { key, request } = await newRequest();
  const first = await join('pi-old', await bearer(), request);
  const cert = new X509Certificate(first.body).toString();
  const renewed = await askDoor({ port: cloud.cloud.httpsPort, body: (await newRequest()).request, cert, key });
  assert.is(renewed.status, 200, renewed.text);
  assert.is((await lists.read('pi-old'))?.certificates.length, 2);
  const stolen = await askDoor({ port: cloud.cloud.httpsPort, body: request, cert, key, headers: { NodeName: 'pi-1' } });
  assert.is(stolen.status, 403);
  await lists.revoke('pi-old');
  const late = await askDoor({ port: cloud.cloud.httpsPort, body: request, cert, key });
  assert.is(late.status, 403);
  assert.match(late.text, /^the certificate of pi-old was revoked: join again with a token$/);
});

opensslTest('a certificate of somebody else is refused with 401, also beside a good token', async () => {
  const folder = tempDir();
  const args = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-subj',
    '/O=system:nodes/CN=system:node:pi-1',
    '-keyout',
    `${folder}/k`,
    '-out',
    `${folder}/c`,
  ];
  assert.is((await runProcess({ command: peerPath('openssl'), args })).code, 0);
  const [cert, key] = [readFileSync(`${folder}/c`, 'utf8'), readFileSync(`${folder}/k`, 'utf8')];
  const headers = { Authorization: `Bearer ${await bearer()}`, NodeName: 'pi-9' };
  const answer = await askDoor({ port: cloud.cloud.httpsPort, body: (await newRequest()).request, cert, key, headers });
  assert.is(answer.status, 401);
  assert.match(answer.text, /^the client certificate is not valid: /);
  assert.is((await askDoor({ port: cloud.cloud.httpsPort, path: '/hivelet/node', cert, key })).status, 401);
});

test('who fails again and again has to wait, and the wait grows', async () => {
  let answer = await join('pi', 'wrong');
  for (let count = 0; answer.status === 400 && count < 10; count += 1) answer = await join('pi', 'wrong');
  assert.is(answer.status, 429);
  assert.match(answer.text, /^too many refused requests from .*127\.0\.0\.1: try again in 1 s$/);
});

test('a revoked node is disconnected at once and refused; one without a list stays; a new token lets it in again', async () => {
  const demo = await cloud.edge('demo');
  const { key, request } = await newRequest();
  const files = filesOf(await join('pi-rev', await bearer(), request), key);
  const edge = await connectFakeEdge({ port: cloud.cloud.hubPort, node: 'pi-rev', files });
  const closed = edge.closed();
  await lists.revoke('pi-rev');
  assert.is(await closed, 1008);
  const said = await assertRefused(connectFakeEdge({ port: cloud.cloud.hubPort, node: 'pi-rev', files }), 403);
  assert.match(said, /revoked or replaced: join again with a token/);
  const fresh = await newRequest();
  const again = filesOf(await join('pi-rev', await bearer(), fresh.request), fresh.key);
  const back = await until(() => connectFakeEdge({ port: cloud.cloud.hubPort, node: 'pi-rev', files: again }), { what: 'the link' });
  back.close();
  await assertRefused(connectFakeEdge({ port: cloud.cloud.hubPort, node: 'pi-rev', files }), 403);
  assert.is(demo.socket.readyState, 1);
});

test('a deleted Node takes the certificates of its board with it, also those on no list; deleting the list lets all in again', async () => {
  const edge = await cloud.edge('pi-del');
  await cloud.api.create(nodes, { metadata: { name: 'pi-del', labels: { 'node-role.kubernetes.io/edge': '' } } });
  const closed = edge.closed();
  await cloud.api.delete(nodes, { name: 'pi-del' });
  assert.is(await closed, 1008);
  await assertRefused(cloud.edge('pi-del'), 403);
  assert.ok(await lists.release('pi-del'));
  const back = await until(() => cloud.edge('pi-del'), { what: 'the link' });
  back.close();
});

test.run();

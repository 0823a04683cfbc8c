/** Who the embedded API takes a request to be from: client certificates, tokens of service accounts, nobody. */
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { createAuthority } from '#cloud/pki/certificates.ts';
import { startApiServer, userCertificate, type RawRequest, type TestApiServer } from '../support/api-server.ts';

interface Body {
  [field: string]: unknown;
  metadata: { name: string; uid: string };
  status: { [field: string]: unknown; token: string; expirationTimestamp: string };
}

const HOUR_MS = 3_600_000;
const WHO = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
const ACCOUNTS = '/api/v1/namespaces/default/serviceaccounts';
const accountKey = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

let api: TestApiServer;
let aheadMs = 0;
const clock = { ...systemClock, now: () => systemClock.now() + aheadMs };

test.before(async () => {
  api = await startApiServer({ accountKey, clock, tokens: [{ token: 'low', user: 'low', groups: ['people'] }] });
});
test.after(() => api.close());
test.after.each(() => {
  aheadMs = 0;
});

async function post(path: string, body: unknown, more: Partial<RawRequest> = {}): Promise<{ status: number; body: Body }> {
  const { status, text } = await api.raw({ method: 'POST', path, contentType: 'application/json', body, ...more });
  return { status, body: JSON.parse(text) as Body };
}

async function whoIs(credentials: Partial<RawRequest>): Promise<unknown> {
  const { status, body } = await post(WHO, {}, credentials);
  return status === 201 ? body.status['userInfo'] : status;
}

async function account(name: string): Promise<Body> {
  return (await post(ACCOUNTS, { metadata: { name } })).body;
}

const tokenOf = async (name: string, spec: unknown = {}): Promise<string> => {
  const { status, body } = await post(`${ACCOUNTS}/${name}/token`, { spec });
  assert.is(status, 201, JSON.stringify(body));
  return body.status.token;
};

const claimsOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;

test('a client certificate names its user and groups', async () => {
  const certificate = await userCertificate('anna', ['hall-3', 'system:people']);
  assert.equal(await whoIs({ certificate }), { username: 'anna', groups: ['hall-3', 'system:people', 'system:authenticated'] });
  const admin = await userCertificate('root', ['system:masters']);
  assert.is((await api.raw({ path: '/api/v1/nodes', certificate: admin })).status, 200);
});

test('a certificate of another authority, of a server, or past its end is no credential, and needs a token that is one', async () => {
  const now = Date.now();
  const other = await createAuthority(now);
  const stranger = await userCertificate('root', ['system:masters'], other);
  assert.is(await whoIs({ certificate: stranger }), 401);
  assert.is((await api.raw({ path: '/healthz', certificate: stranger })).status, 401);
  assert.equal(await whoIs({ certificate: stranger, token: 'low' }), { username: 'low', groups: ['people', 'system:authenticated'] });
  assert.is(await whoIs({ certificate: api.credential }), 401, 'of a server');
  const good = await userCertificate('anna');
  assert.is(await whoIs({ certificate: good, token: 'wrong' }).then((who) => (who as { username: string }).username), 'anna');
  aheadMs = 2 * 366 * 24 * HOUR_MS;
  assert.is(await whoIs({ certificate: good }), 401);
});

test('a bad token is refused everywhere, other schemes are nobody', async () => {
  for (const token of ['wrong', 'a.b.c', `${'x'.repeat(9000)}.y.z`]) {
    assert.is((await api.raw({ path: '/healthz', token })).status, 401);
    assert.is((await api.raw({ path: '/api/v1/nodes', token })).status, 401);
  }
  const basic = { token: null, headers: { Authorization: 'Basic YTpi' } };
  assert.is((await api.raw({ path: '/healthz', ...basic })).status, 200);
  assert.is((await api.raw({ path: '/api', ...basic })).status, 403);
});

test('nobody gets no more than health and version, whatever is bound to them', async () => {
  const subjects = [
    { kind: 'Group', name: 'system:unauthenticated' },
    { kind: 'User', name: 'system:anonymous' },
  ];
  const roleRef = { kind: 'ClusterRole', name: 'cluster-admin' };
  const { status } = await post('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    metadata: { name: 'open' },
    roleRef,
    subjects,
  });
  assert.is(status, 201);
  assert.is((await api.raw({ path: '/version', token: null })).status, 200);
  for (const path of ['/api', '/api/v1/nodes', '/openapi/v3']) assert.is((await api.raw({ path, token: null })).status, 403);
  await api.raw({ method: 'DELETE', path: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/open' });
});

test('a token of a service account is the account, for an hour', async () => {
  const { metadata } = await account('reader');
  const { body } = await post(`${ACCOUNTS}/reader/token`, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} });
  const { token, expirationTimestamp } = body.status;
  const claims = claimsOf(token);
  assert.equal(body['spec'], { audiences: claims['aud'], expirationSeconds: 3600, boundObjectRef: null });
  assert.is(Date.parse(expirationTimestamp), Number(claims['exp']) * 1000);
  assert.is(Number(claims['exp']) - Number(claims['iat']), 3600);
  assert.is(claims['sub'], 'system:serviceaccount:default:reader');
  assert.equal(claims['kubernetes.io'], { namespace: 'default', serviceaccount: { name: 'reader', uid: metadata.uid } });
  assert.equal(await whoIs({ token }), {
    username: 'system:serviceaccount:default:reader',
    uid: metadata.uid,
    groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'],
    extra: { 'authentication.kubernetes.io/credential-id': [`JTI=${String(claims['jti'])}`] },
  });
  aheadMs = HOUR_MS - 5000;
  assert.is.not(await whoIs({ token }), 401);
  aheadMs = HOUR_MS + 1000;
  assert.is(await whoIs({ token }), 401);
});

test('deleting the account revokes its tokens, and one of the same name is another', async () => {
  await account('gone');
  const token = await tokenOf('gone', { expirationSeconds: 86_400 });
  assert.is.not(await whoIs({ token }), 401);
  await api.raw({ method: 'DELETE', path: `${ACCOUNTS}/gone` });
  assert.is(await whoIs({ token }), 401);
  await account('gone');
  assert.is(await whoIs({ token }), 401);
});

test('a token is for its audience', async () => {
  await account('app');
  assert.is(await whoIs({ token: await tokenOf('app', { audiences: ['vault'] }) }), 401);
  const both = await tokenOf('app', { audiences: ['vault', 'https://kubernetes.default.svc.cluster.local'] });
  assert.is.not(await whoIs({ token: both }), 401);
});

test('a token that is bound to a pod ends with it', async () => {
  await account('runner');
  const pods = '/api/v1/namespaces/default/pods';
  const spec = { serviceAccountName: 'runner', containers: [{ name: 'c', image: 'x' }] };
  const { body: pod } = await post(pods, { metadata: { name: 'p' }, spec });
  const ref = { kind: 'Pod', apiVersion: 'v1', name: 'p' };
  const token = await tokenOf('runner', { boundObjectRef: { ...ref, uid: pod.metadata.uid } });
  const who = (await whoIs({ token })) as { extra: Record<string, string[]> };
  assert.equal(who.extra['authentication.kubernetes.io/pod-name'], ['p']);
  const refused = async (boundObjectRef: unknown, name = 'runner'): Promise<unknown[]> => {
    const { status, body } = await post(`${ACCOUNTS}/${name}/token`, { spec: { boundObjectRef } });
    return [status, body['message']];
  };
  assert.is((await refused({ ...ref, uid: 'other' }))[0], 409);
  assert.equal(await refused({ ...ref, name: 'q' }), [404, 'pods "q" not found']);
  assert.equal(await refused({ ...ref, kind: 'Service' }), [400, 'cannot bind token to object of type v1, Kind=Service']);
  await account('other');
  assert.is((await refused(ref, 'other'))[0], 400);
  await api.raw({ method: 'DELETE', path: `${pods}/p` });
  assert.is(await whoIs({ token }), 401);
});

test('a request for a token says what is wrong with it', async () => {
  await account('asked');
  const causes = async (spec: unknown): Promise<unknown[]> => {
    const { status, body } = await post(`${ACCOUNTS}/asked/token`, { spec });
    return [status, body['message']];
  };
  assert.equal(await causes({ expirationSeconds: 60 }), [
    422,
    'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes',
  ]);
  assert.is((await causes({ expirationSeconds: 2 ** 33 }))[0], 422);
  assert.is((await causes({ expirationSeconds: 'long' }))[0], 422);
  assert.is((await post(`${ACCOUNTS}/nobody/token`, { spec: {} })).status, 404);
  assert.is((await post(`${ACCOUNTS}/asked/token`, { kind: 'Pod', spec: {} })).status, 400);
  assert.is((await api.raw({ path: `${ACCOUNTS}/asked/token` })).status, 405);
});

test('a token that this server did not sign is none, however it is made', async () => {
  await account('forged');
  const token = await tokenOf('forged');
  const [header = '', payload = '', signature = ''] = token.split('.');
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = claimsOf(token);
  const later = encode({ ...claims, exp: Number(claims['exp']) + 1 });
  const kid = (JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid: string }).kid;
  const hmac = (text: string): string => createHmac('sha256', accountKey).update(text).digest('base64url');
  const hs = `${encode({ alg: 'HS256', kid })}.${payload}`;
  const flipped = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
  const forgeries = [
    `${header}.${later}.${signature}`,
    `${header}.${payload}.${flipped}`,
    `${header}.${payload}.`,
    `${header}.${payload}.${'A'.repeat(86)}`,
    `${encode({ alg: 'none' })}.${payload}.${signature}`,
    `${encode({ alg: 'none', kid })}.${payload}.`,
    `${hs}.${hmac(hs)}`,
    `${encode({ alg: 'ES256', kid: 'other' })}.${payload}.${signature}`,
    `${header}.${payload}.${signature}.${signature}`,
  ];
  for (const forged of forgeries) assert.is(await whoIs({ token: forged }), 401, forged);
  assert.is.not(await whoIs({ token }), 401);
});

test('tokens outlive a restart with the same key, and end with another', async () => {
  const first = await startApiServer({ accountKey });
  await first.raw({ method: 'POST', path: ACCOUNTS, contentType: 'application/json', body: { metadata: { name: 'a' } } });
  const answer = await first.raw({ method: 'POST', path: `${ACCOUNTS}/a/token`, contentType: 'application/json', body: { spec: {} } });
  const { token } = (JSON.parse(answer.text) as Body).status;
  await first.close();
  const status = async (key?: string): Promise<number> => {
    const server = await startApiServer({ dataDir: first.dataDir, ...(key === undefined ? {} : { accountKey: key }) });
    const { status: code } = await server.raw({ path: '/api', token });
    await server.close();
    return code;
  };
  assert.is(await status(accountKey), 200);
  assert.is(await status(), 401);
});

test.run();

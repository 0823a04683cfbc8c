// timeout: 180s
/** Somebody without an account of any kind at the ports of the cloud: nothing is told, nothing is issued, nobody else is kept out. */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { splitToken } from '#cloud/enrolment/join-token.ts';
import { NodeLists } from '#cloud/enrolment/node-lists.ts';
import { TokenStore, type TokenWishes } from '#cloud/enrolment/token-store.ts';
import { createAuthority, issueNode, issueServer, issueUser, type Credential } from '#cloud/pki/certificates.ts';
import { authorityHash } from '#cloud/pki/node-signer.ts';
import { nodes, secrets } from '#cloud/store/kube-api.ts';
import { askDoor, newRequest, type DoorAnswer } from '#test/support/cert-door.ts';
import { startTestCloud, type TestCloud } from '#test/support/cloud.ts';
import { needing, peerPath } from '#test/support/peers.ts';
import { runProcess } from '#test/support/processes.ts';
import { until } from '#test/support/until.ts';

const opensslTest = needing(test, 'openssl');
const YEAR_MS = 365 * 24 * 3_600_000;
let cloud: TestCloud;
let tokens: TokenStore;
let authority: Credential;
let ports: { hub: number; certificates: number; api: number };

test.before(async () => {
  cloud = await startTestCloud();
  tokens = new TokenStore({ api: cloud.api, clock: systemClock });
  const pki = (name: string): string => readFileSync(path.join(cloud.dataDir, 'pki', name), 'utf8');
  authority = { certificate: pki('ca.crt'), key: pki('ca.key') };
  ports = { hub: cloud.cloud.hubPort, certificates: cloud.cloud.httpsPort, api: Number(new URL(cloud.cloud.api).port) };
});
test.after(() => cloud.close());

/** What comes back for `request` over TLS: the answer, or the code of the error. */
function over(port: number, request: string, options: ConnectionOptions = {}): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options }, () => socket.write(request));
    socket.setTimeout(20_000, () => socket.destroy(new Error('nothing happened')));
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('close', () => resolve(text));
  });
}

/** What comes back for bytes that are no TLS. */
function plainly(port: number, bytes: string): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(bytes));
    socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => undefined);
    socket.on('close', () => resolve(Buffer.concat(chunks)));
  });
}

const upgrade =
  'GET /p/pi/events HTTP/1.1\r\nHost: x\r\nnode_id: pi\r\nproject_id: p\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

/** Everything that says who may come in. */
async function doors(): Promise<string[]> {
  const [all, known] = [await cloud.api.list(nodes), await cloud.api.list(secrets)];
  return [...all.items, ...known.items].map(({ metadata }) => `${metadata.name} ${String(metadata.resourceVersion)}`);
}

test('the hub: no certificate, or one that is not good, is refused in the handshake', async () => {
  const before = await doors();
  const now = Date.now();
  const other = await createAuthority(now);
  const leaf = await issueNode(authority, { node: 'pi', now });
  const bad: Record<string, Credential> = {
    'of another authority': await issueNode(other, { node: 'pi', now }),
    'another authority itself': other,
    expired: await issueNode(authority, { node: 'pi', now: now - 2 * YEAR_MS }),
    'of a server': await issueServer(authority, { commonName: 'system:node:pi', addresses: ['127.0.0.1'], now }),
    'signed by a board': await issueNode(leaf, { node: 'pi', now }),
  };
  // Nothing is written: a reset for what was not read would come before the alert.
  assert.is(await over(ports.hub, ''), 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED');
  for (const [what, { certificate: cert, key }] of Object.entries(bad)) {
    assert.match(await over(ports.hub, '', { cert, key }), /^(?:ECONNRESET|EPIPE)?$/, `${what}: closed without a word`);
    assert.match(await over(ports.hub, upgrade, { cert, key }), /^(?:ECONNRESET|EPIPE)?$/, what);
  }
  const user = await issueUser(authority, { user: 'admin', groups: ['system:masters'], now });
  assert.match(
    await over(ports.hub, upgrade, { cert: user.certificate, key: user.key }),
    /^HTTP\/1\.1 403 Forbidden[\s\S]*the certificate is admin, not system:node:pi/,
  );
  const good = await over(ports.hub, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', { cert: leaf.certificate, key: leaf.key });
  assert.match(good, /^HTTP\/1\.1 426 /, 'what is refused above is refused for its certificate');
  assert.equal(await doors(), before);
});

opensslTest('openssl s_client without a client certificate is refused by the hub', async () => {
  const args = ['s_client', '-connect', `127.0.0.1:${String(ports.hub)}`, '-quiet', '-ign_eof'];
  const { stderr, stdout, code } = await runProcess({ command: peerPath('openssl'), args, input: upgrade });
  assert.match(stderr, /tlsv13 alert certificate required/);
  assert.equal([code, stdout], [1, '']);
});

test('TLS 1.2 and older are refused on every port', async () => {
  for (const [name, port] of Object.entries(ports)) {
    for (const version of ['TLSv1.2', 'TLSv1.1', 'TLSv1'] as const) {
      const code = await over(port, upgrade, { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' });
      assert.match(code, /^ERR_SSL_(?:TLSV1_ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS_AVAILABLE)/, `${name} ${version}`);
    }
  }
});

test('TLS 1.2 is taken by hub and certificate port where the setting says so, and nothing older', async () => {
  const lax = await startTestCloud({ sets: ['modules.cloudHub.minTLSVersion=TLSv1.2'] });
  try {
    const old = (version: 'TLSv1.1' | 'TLSv1.2') => ({ minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' });
    const asked = 'GET /ca.crt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    assert.match(await over(lax.cloud.httpsPort, asked, old('TLSv1.2')), /^HTTP\/1\.1 200 /);
    // Without a certificate the handshake ends, but not for its age.
    assert.match(await over(lax.cloud.hubPort, upgrade, old('TLSv1.2')), /HANDSHAKE_FAILURE|CERTIFICATE/);
    for (const port of [lax.cloud.httpsPort, lax.cloud.hubPort]) {
      assert.match(await over(port, asked, old('TLSv1.1')), /^ERR_SSL_(?:TLSV1_ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL)/);
    }
  } finally {
    await lax.close();
  }
});

test('plain HTTP on the TLS ports is answered with nothing', async () => {
  for (const [name, port] of Object.entries(ports)) {
    for (const bytes of [
      'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
      upgrade,
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'SSH-2.0-x\r\n',
      '\x16\x03\x01',
    ]) {
      if (bytes.length < 5) continue;
      const answer = await plainly(port, bytes);
      // An alert of TLS at most: seven bytes.
      assert.ok(answer.length <= 7 && (answer.length === 0 || answer[0] === 0x15), `${name}: ${answer.toString('latin1')}`);
    }
  }
});

async function bearer(wishes: Partial<TokenWishes> = {}): Promise<{ id: string; bearer: string }> {
  const { text, ...made } = await tokens.create({ authority: authorityHash(authority.certificate), ttlMs: 3_600_000, ...wishes });
  const id = 'id' in made ? String(made.id) : '';
  return { id, bearer: splitToken(text)?.bearer ?? '' };
}

async function join(node: string, token: string | undefined, request?: Buffer): Promise<DoorAnswer> {
  const headers = { ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }), NodeName: node };
  return askDoor({ port: ports.certificates, headers, body: request ?? (await newRequest()).request });
}

/** Whoever fails has to wait; a success clears it. */
async function clear(): Promise<void> {
  const { bearer: good } = await bearer();
  const passed = async (): Promise<boolean> => (await join(`clear-${String(Math.round(performance.now()))}`, good)).status === 200;
  await until(passed, { what: 'the throttle to pass', deadlineMs: 90_000, everyMs: 500 });
}

test('the certificate port: no token, a replayed, ended, used up or foreign one gets no certificate', async () => {
  const used = await bearer({ uses: 1 });
  const first = await newRequest();
  assert.is((await join('once', used.bearer, first.request)).status, 200);
  const attempts: [what: string, answer: () => Promise<DoorAnswer>, status: number, said: RegExp][] = [
    ['none', () => join('pi', undefined), 401, /^Invalid authorization token$/],
    ['used up', () => join('pi', used.bearer), 400, /it was made for 1 and is used up/],
    ['replayed for the same name by another key', () => join('once', used.bearer), 409, /^the name once is taken/],
    ['ended', async () => join('pi', (await bearer({ ttlMs: -1000 })).bearer), 400, /it ended on/],
    [
      'for another node',
      async () => join('pi', (await bearer({ node: 'other' })).bearer),
      403,
      /^the token is for node other, not for pi$/,
    ],
    [
      'another secret',
      async () => join('pi', (await bearer()).bearer.replace(/[^.]+$/, 'A'.repeat(43))),
      400,
      /this cloud has not issued it/,
    ],
    ['without signature', async () => join('pi', (await bearer()).bearer.replace(/[^.]+$/, '')), 400, /Invalid authorization token/],
    ['algorithm none', () => join('pi', `${jwt({ alg: 'none' })}.${jwt({ exp: 9_999_999_999 })}.`), 400, /Invalid authorization token/],
    [
      'the token of the admin',
      () => join('pi', readFileSync(path.join(cloud.dataDir, 'cloud/admin-token'), 'utf8').trim()),
      400,
      /Invalid/,
    ],
  ];
  for (const [what, ask, status, said] of attempts) {
    await clear();
    const answer = await ask();
    assert.is(answer.status, status, `${what}: ${answer.text}`);
    assert.match(answer.text, said, what);
    assert.is(await new NodeLists({ api: cloud.api, clock: systemClock }).read('pi'), undefined);
  }
});

function jwt(part: unknown): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}

test('names that are paths, other methods, bodies without end', async () => {
  await clear();
  const port = ports.certificates;
  const { bearer: good } = await bearer();
  for (const name of [
    '../admin',
    '..',
    'a/b',
    'a%2fb',
    'A',
    'system:masters',
    'x'.repeat(254),
    '-a',
    'a..b',
    'ä',
    '{}',
    '*',
    '__proto__',
  ]) {
    const answer = await join(encodeURI(name), good);
    assert.is(answer.status === 400 || answer.status === 429, true, `${name}: ${String(answer.status)} ${answer.text}`);
  }
  const status = async (method: string, where: string, body?: Buffer): Promise<number> =>
    (await askDoor({ port, method, path: where, ...(body === undefined ? {} : { body }) })).status;
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND']) {
    assert.is(await status(method, '/edge.crt', Buffer.from('x')), 405, method);
  }
  for (const where of [
    '/',
    '/edge.key',
    '/ca.key',
    '/pki/ca.key',
    '/../pki/ca.key',
    '/ca.crt/../ca.key',
    '/%2e%2e/pki/ca.key',
    '/.git/config',
  ]) {
    assert.is(await status('GET', where), 404, where);
  }
  const endless = await over(port, `GET /edge.crt HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n${'x'.repeat(300_000)}`);
  assert.match(endless, /^(?:HTTP\/1\.1 413 |ECONNRESET|EPIPE)/);
  const headers = await over(port, `GET /ca.crt HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`);
  assert.match(headers, /^(?:HTTP\/1\.1 431 |ECONNRESET|EPIPE)/);
  assert.is(await status('GET', '/hivelet/uploads'), 401);
  assert.is(await status('GET', '/hivelet/node'), 401);
  assert.is((await cloud.api.list(nodes)).items.length, 0, 'nobody became a node');
});

test('the API: nobody gets health and version, by any method', async () => {
  const ask = (line: string, more = ''): Promise<string> =>
    over(ports.api, `${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${more}\r\n`);
  for (const where of ['/healthz', '/readyz', '/livez', '/version']) assert.match(await ask(`GET ${where}`), /^HTTP\/1\.1 200 /, where);
  for (const where of [
    '/',
    '/api',
    '/apis',
    '/metrics',
    '/openapi/v2',
    '/api/v1/secrets',
    '/healthz/../api/v1/secrets',
    '/version/../api/v1/nodes',
    '//api/v1/secrets',
    '/api/v1/secrets?watch=1',
  ]) {
    assert.match(await ask(`GET ${where}`), /^HTTP\/1\.1 40[34] /, where);
  }
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE']) {
    assert.match(await ask(`${method} /api/v1/namespaces/default/secrets/x`), /^HTTP\/1\.1 40\d /, method);
  }
  assert.match(await ask('GET /api/v1/secrets', 'Authorization: Bearer x\r\n'), /^HTTP\/1\.1 401 /);
  assert.match(await ask('GET /api/v1/secrets', 'Authorization: Basic YWRtaW46YWRtaW4=\r\n'), /^HTTP\/1\.1 403 /);
});

/** Sockets that stay as they are until the other side has enough. */
function slow(port: number, count: number, hold: (socket: Socket) => void): { closed: () => number; end: () => void } {
  let closed = 0;
  const sockets = Array.from({ length: count }, () => {
    const socket = connect({ host: '127.0.0.1', port }, () => hold(socket));
    return socket.on('error', () => undefined).on('close', () => (closed += 1));
  });
  return { closed: () => closed, end: () => sockets.forEach((socket) => socket.destroy()) };
}

test('those who dial and say nothing, or a byte now and then, are ended; others are served meanwhile', async () => {
  const silent = Object.values(ports).map((port) => slow(port, 100, (socket) => socket.write('\x16\x03\x01\x02')));
  let ended = 0;
  const drips = Array.from({ length: 50 }, () => {
    const socket = connectTls({ host: '127.0.0.1', port: ports.certificates, rejectUnauthorized: false }, () => {
      socket.write('GET /ca.crt HTTP/1.1\r\nHost: x\r\n');
      const timer = setInterval(() => socket.writable && socket.write('X: y\r\n'), 500);
      socket.once('close', () => clearInterval(timer));
    });
    return socket.on('error', () => undefined).on('close', () => (ended += 1));
  });
  for (let count = 0; count < 10; count++) {
    const startedMs = performance.now();
    assert.is((await askDoor({ port: ports.certificates, path: '/ca.crt' })).status, 200);
    assert.match(await over(ports.api, 'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 200 /);
    assert.ok(performance.now() - startedMs < 3000, 'others do not wait');
  }
  await until(() => silent.every(({ closed }) => closed() === 100), { what: 'the end of the silent ones', deadlineMs: 30_000 });
  await until(() => ended === drips.length, { what: 'the end of the slow ones', deadlineMs: 45_000 });
  for (const each of silent) each.end();
});

test('what all this left in the log is a few lines, without a token or key', () => {
  const refused = cloud.log.filter(({ event }) => /refused|tls/.test(event));
  assert.ok(refused.length > 0 && refused.length < 100, String(refused.length));
  const text = JSON.stringify(cloud.log);
  for (const secret of [
    'BEGIN PRIVATE KEY',
    'BEGIN EC PRIVATE KEY',
    'eyJ',
    readFileSync(path.join(cloud.dataDir, 'cloud/admin-token'), 'utf8').trim(),
  ]) {
    assert.is(text.includes(secret), false, secret.slice(0, 12));
  }
});

test.run();

// timeout: 240s
/** Proves whom the OPC UA plugin talks to: security modes, identities, certificates that are trusted, not yet, no longer, expired or another host's. */
import { createPrivateKey } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { isHiveletError } from '#beehive/errors.ts';
import { silentLogger } from '#beehive/log.ts';
import type { Connection } from '#mappers/contract.ts';
import type { OpcuaAccess } from '#mappers/opcua/access.ts';
import type { OpcuaLink } from '#mappers/opcua/link.ts';
import { ownFiles } from '#mappers/opcua/own-files.ts';
import { createOpcuaPlugin } from '#mappers/opcua/plugin.ts';
import { TrustList } from '#mappers/opcua/trust-list.ts';
import { startOpcuaField, type OpcuaField } from '#test/simulators/opcua-field.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const directory = tempDir();
const pkiDirectory = path.join(directory, 'client');
const trustList = new TrustList(pkiDirectory);
const secrets = new Map<string, Buffer>([
  ['password', Buffer.from('open sesame\n')],
  ['wrong', Buffer.from('open says me')],
]);
const plugin = createOpcuaPlugin({
  pkiDirectory,
  secrets: {
    resolve: async (reference) => {
      const found = secrets.get(reference);
      if (found === undefined) throw new Error(`no secret ${reference}`);
      return found;
    },
  },
});
const open = new Set<Connection<OpcuaLink, OpcuaAccess>>();
const stop = new AbortController();

async function connect(block: Record<string, unknown>): Promise<Connection<OpcuaLink, OpcuaAccess>> {
  const link = plugin.link({ timeout: 5, ...block }, 'spec.protocol');
  const connection = await plugin.open(link, { clock: systemClock, log: silentLogger(), signal: stop.signal });
  open.add(connection);
  return connection;
}

/** Opens, reads a value, closes. */
async function value(block: Record<string, unknown>): Promise<unknown> {
  const connection = await connect(block);
  const link = plugin.link(block, 'spec.protocol');
  const access = plugin.access({ nodeID: 'ns=2;s=Double' }, 'visitor', { name: 'x', type: 'double' });
  const [reading] = await connection.read(link, [{ name: 'x', type: 'double', access }], { signal: stop.signal });
  await connection.close();
  open.delete(connection);
  return reading !== undefined && 'value' in reading ? reading.value : reading;
}

/** The sentence with which it is refused. */
async function refusal(block: Record<string, unknown>): Promise<string> {
  try {
    await value(block);
  } catch (error) {
    assert.ok(isHiveletError(error), String(error));
    return `${error.code} ${error.message}`;
  }
  throw new Error('it was not refused');
}

const all = { policies: ['None', 'Basic256Sha256', 'Aes128_Sha256_RsaOaep', 'Aes256_Sha256_RsaPss'] } as const;
const fields: OpcuaField[] = [];

async function start(options: Parameters<typeof startOpcuaField>[0]): Promise<OpcuaField> {
  const started = await startOpcuaField(options);
  fields.push(started);
  return started;
}

const field = await start({
  pkiDirectory: path.join(directory, 'server'),
  policies: [...all.policies],
  users: { joe: 'open sesame' },
  anonymous: true,
});
const { url } = field;
const secure = { url, securityPolicy: 'Basic256Sha256', securityMode: 'SignAndEncrypt' };

/** Of the certificate that `field` shows. */
let thumbprint = '';

test('an unknown server is refused with the thumbprint and the command to run, and served once it is trusted', async () => {
  const said = await refusal(secure);
  assert.match(
    said,
    /^DEVICE_UNREACHABLE opc\.tcp:.* "Test field" \(thumbprint [0-9A-F]{40}\) is not trusted: .*hivelet opcua trust [0-9A-F]{40}$/,
  );
  const [waiting] = await trustList.list();
  assert.ok(waiting);
  assert.is(waiting.trust, 'waiting');
  assert.ok(said.includes(waiting.thumbprint));
  await trustList.trust(waiting.thumbprint.slice(0, 12));
  thumbprint = waiting.thumbprint;
  assert.is(await value(secure), 0.1);
});

test('the own certificate is made once, for this host, and its key is for nobody else', async () => {
  const [certificate, key] = ownFiles(pkiDirectory);
  assert.is(statSync(key).mode & 0o777, 0o600);
  assert.is(statSync(pkiDirectory).mode & 0o777, 0o700);
  const before = readFileSync(certificate);
  await value(secure);
  assert.equal(readFileSync(certificate), before);
  assert.is(createPrivateKey(readFileSync(key)).asymmetricKeyType, 'rsa');
});

for (const securityPolicy of ['Basic256Sha256', 'Aes128_Sha256_RsaOaep', 'Aes256Sha256RsaPss'])
  for (const securityMode of ['Sign', 'SignAndEncrypt'])
    test(`values come over a channel with ${securityPolicy} and ${securityMode}`, async () => {
      assert.is(await value({ url, securityPolicy, securityMode }), 0.1);
    });

test('values come without security, and with user and password in each mode', async () => {
  assert.is(await value({ url }), 0.1);
  for (const block of [{ url }, { ...secure, securityMode: 'Sign' }, secure])
    assert.is(await value({ ...block, userName: 'joe', password: 'password' }), 0.1);
});

test('a wrong password is told as such, and not the password', async () => {
  const said = await refusal({ ...secure, userName: 'joe', password: 'wrong' });
  assert.match(said, /Bad(IdentityTokenRejected|UserAccessDenied): /);
  assert.not.match(said, /says me/);
});

test('a user certificate lets a user in', async () => {
  const [certificate, key] = ownFiles(pkiDirectory);
  secrets.set('user.pem', readFileSync(certificate)).set('user.key', readFileSync(key));
  assert.is(await value({ ...secure, userCertificate: 'user.pem', userPrivateKey: 'user.key' }), 0.1);
  secrets.set('other.key', Buffer.from('no key'));
  const said = await refusal({ ...secure, userCertificate: 'user.pem', userPrivateKey: 'other.key' });
  assert.match(said, /^PROFILE_INVALID spec\.protocol\.userCertificate: holds no certificate/);
});

test('a certificate of the Device is shown in the place of the own one', async () => {
  assert.is(await value({ ...secure, certificate: 'user.pem', privateKey: 'user.key' }), 0.1);
});

test('an endpoint that the server does not have is told with those that it has', async () => {
  const said = await refusal({ url, securityPolicy: 'Basic256', securityMode: 'Sign' });
  assert.match(said, /no endpoint with securityPolicy Basic256 and securityMode Sign: it has None with None; Basic256Sha256 with Sign/);
});

test('remoteCertificate is enough to trust a server, and another one is refused', async () => {
  const [listed] = await trustList.list();
  assert.ok(listed);
  secrets.set('server.der', readFileSync(listed.file));
  await trustList.reject(listed.thumbprint);
  assert.is(await value({ ...secure, remoteCertificate: 'server.der' }), 0.1);
  assert.match(await refusal({ ...secure, remoteCertificate: 'user.pem' }), /is not the one in remoteCertificate/);
  await trustList.trust(listed.thumbprint);
});

test('a host name that the certificate does not have is refused, unless the Device says that any will do', async () => {
  const there = await start({
    pkiDirectory: path.join(directory, 'named'),
    policies: ['Basic256Sha256'],
    modes: ['SignAndEncrypt'],
    certificate: { hosts: ['press.example'], ips: [] },
  });
  assert.match(await refusal({ ...secure, url: there.url }), /names press\.example and not 127\.0\.0\.1: write such a name in url/);
  assert.match(await refusal({ ...secure, url: there.url, anyHostName: true }), /is not trusted/);
});

test('an expired certificate is refused although it is trusted, with the remedy', async () => {
  const day = 86_400_000;
  const old = await start({
    pkiDirectory: path.join(directory, 'old'),
    policies: ['Basic256Sha256'],
    modes: ['Sign'],
    certificate: { fromMs: systemClock.now() - 30 * day, days: 10 },
  });
  assert.match(
    await refusal({ ...secure, securityMode: 'Sign', url: old.url }),
    /expired at 20.*: renew it on the server, or set the clock of this board/,
  );
});

test('a server that wants to know the client certificate says so in a sentence', async () => {
  const strict = await start({
    pkiDirectory: path.join(directory, 'strict'),
    policies: ['Basic256Sha256'],
    modes: ['SignAndEncrypt'],
    trustsAll: false,
  });
  const block = { ...secure, url: strict.url, anyHostName: true };
  await refusal(block);
  for (const { thumbprint, trust } of await trustList.list()) if (trust === 'waiting') await trustList.trust(thumbprint);
  const said = await refusal(block);
  assert.match(
    said,
    /Bad(CertificateUntrusted|SecurityChecksFailed): the server does not (trust|accept) our certificate: add it to the trust list/,
  );
});

test('a certificate that is trusted no longer ends the connection', async () => {
  const connection = await connect(secure);
  let isLost = false;
  void connection.lost.then(() => (isLost = true));
  await trustList.reject(thumbprint);
  await until(() => isLost, { what: 'the connection to be given up', deadlineMs: 60_000 });
  assert.match(await refusal(secure), /is not trusted/);
});

test('a server without the user that it needs, and a Device without one', async () => {
  const closed = await start({ pkiDirectory: path.join(directory, 'server'), users: { joe: 'x' } });
  assert.match(await refusal({ url: closed.url }), /lets nobody in without a user on this endpoint: write userName and password/);
});

test('where nobody listens it is said so, with the address', async () => {
  assert.match(
    await refusal({ url: 'opc.tcp://127.0.0.1:1' }),
    /^DEVICE_UNREACHABLE opc\.tcp:\/\/127\.0\.0\.1:1: .*ECONNREFUSED.*nothing listens there/,
  );
});

test.after(async () => {
  for (const connection of open) await connection.close();
  for (const each of fields) await each.stop();
});
test.run();

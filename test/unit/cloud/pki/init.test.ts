/** Tests `hivelet init`: what it makes, that openssl and TLS accept it, that running it again changes nothing, and when it renews. */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as tls from 'node:tls';
import type { AddressInfo } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHiveletError } from '#beehive/errors.ts';
import {
  cloudFiles,
  ensureAccountKey,
  initCloud,
  issueNodeCertificate,
  nodeFiles,
  readAdminAccess,
  type CloudFiles,
  type Outcome,
} from '#cloud/pki/init.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { needing, peerPath } from '#test/support/peers.ts';
import { runProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const now = Date.now();
const at = (days: number): FakeClock => new FakeClock({ wallMs: now + days * DAY_MS });
const read = (file: string): string => readFileSync(file, 'utf8');
const actions = (outcomes: Outcome[]): string[] => outcomes.map(({ file, action }) => `${path.basename(file)} ${action}`);
const opensslTest = needing(test, 'openssl');
const faketimeTest = needing(test, 'faketime');

/** Every file below a folder with its content. */
function snapshot(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name))
      .map((file) => [path.relative(folder, file), `${read(file)} ${String(statSync(file).mtimeMs)}`]),
  );
}

async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    assert.ok(isHiveletError(error), String(error));
    return `${error.code}: ${error.message}`;
  }
  return assert.unreachable('it should have been refused') as never;
}

/** A hub that tells each client its name, and whether it believes it. */
async function listenAsHub(files: CloudFiles): Promise<{ port: number; close: () => Promise<unknown> }> {
  const server = tls.createServer(
    {
      ca: read(files.authority.certificate),
      cert: read(files.hub.certificate),
      key: read(files.hub.key),
      requestCert: true,
      minVersion: 'TLSv1.3',
    },
    (socket) => socket.end(`${String(socket.getPeerCertificate().subject.CN)} ${String(socket.authorized)}`),
  );
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, close: () => new Promise((resolve) => server.close(resolve)) };
}

test('it makes an authority, two servers, a token and a node, secrets for the owner only', async () => {
  const dataDir = tempDir();
  const report = await initCloud({ dataDir, advertise: ['pi.local', '192.168.1.4', 'fd00:0:0::4'], clock: at(0), nodeName: 'edge-1' });
  assert.equal(actions(report.outcomes), [
    'ca.crt created',
    'ca.key created',
    'hub.crt created',
    'hub.key created',
    'api.crt created',
    'api.key created',
    'admin-token created',
    'ca.crt created',
    'node.crt created',
    'node.key created',
  ]);
  assert.equal(Object.keys(snapshot(dataDir)).sort(), [
    'cloud/admin-token',
    'edge/pki/ca.crt',
    'edge/pki/node.crt',
    'edge/pki/node.key',
    'pki/api.crt',
    'pki/api.key',
    'pki/ca.crt',
    'pki/ca.key',
    'pki/hub.crt',
    'pki/hub.key',
  ]);
  for (const secret of ['cloud/admin-token', 'edge/pki/node.key', 'pki/ca.key', 'pki/hub.key', 'pki/api.key']) {
    assert.is((statSync(path.join(dataDir, secret)).mode & 0o777).toString(8), '600', secret);
  }
  assert.match(read(report.files.adminToken), /^[\w-]{43}\n$/);
  assert.equal(await readAdminAccess(dataDir), {
    authority: read(report.files.authority.certificate),
    token: read(report.files.adminToken).trim(),
  });
});

test('the certificates say what they are for, from 1970 on', async () => {
  const dataDir = tempDir();
  const { files, node } = await initCloud({ dataDir, advertise: ['Pi.Local'], clock: at(0), nodeName: 'edge-1' });
  const authority = new X509Certificate(read(files.authority.certificate));
  const hub = new X509Certificate(read(files.hub.certificate));
  const client = new X509Certificate(read(node?.certificate ?? ''));
  assert.equal([authority.subject, authority.ca, hub.ca, client.ca], ['CN=hivelet', true, false, false]);
  assert.is(hub.subjectAltName, 'DNS:pi.local, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1');
  assert.is(client.subject, 'O=system:nodes\nCN=system:node:edge-1');
  assert.equal([hub.keyUsage, client.keyUsage], [['1.3.6.1.5.5.7.3.1'], ['1.3.6.1.5.5.7.3.2']]);
  assert.is(createPrivateKey(read(files.hub.key)).asymmetricKeyDetails?.namedCurve, 'prime256v1');
  for (const certificate of [authority, hub, client]) assert.is(Date.parse(certificate.validFrom), 0);
  const days = [authority, hub, client].map((certificate) => Math.round((Date.parse(certificate.validTo) - now) / DAY_MS));
  assert.equal(days, [3650, 365, 365]);
  assert.is(new Set([authority, hub, client].map((certificate) => certificate.serialNumber)).size, 3);
});

opensslTest('openssl verifies them, each for its own purpose only', async () => {
  const dataDir = tempDir();
  const { files, node } = await initCloud({ dataDir, advertise: [], clock: at(0), nodeName: 'edge-1' });
  const verify = async (purpose: string, file: string): Promise<number | null> => {
    const args = ['verify', '-x509_strict', '-CAfile', files.authority.certificate, '-purpose', purpose, file];
    return (await runProcess({ command: peerPath('openssl'), args })).code;
  };
  assert.is(await verify('sslserver', files.hub.certificate), 0);
  assert.is(await verify('sslserver', files.api.certificate), 0);
  assert.is(await verify('sslclient', node?.certificate ?? ''), 0);
  assert.is.not(await verify('sslclient', files.hub.certificate), 0);
  assert.is.not(await verify('sslserver', node?.certificate ?? ''), 0);
});

test('a hub and a node meet over mutual TLS 1.3, and the hub sees the name of the node', async () => {
  const dataDir = tempDir();
  const { files, node } = await initCloud({ dataDir, advertise: [], clock: at(0), nodeName: 'edge-1' });
  assert.ok(node);
  const hub = await listenAsHub(files);
  const options = { port: hub.port, host: '127.0.0.1', ca: read(node.authority), cert: read(node.certificate), key: read(node.key) };
  const heard = await new Promise<string>((resolve, reject) => {
    let text = '';
    const socket = tls.connect(options).on('error', reject);
    socket.on('data', (chunk: Buffer) => (text += chunk.toString())).on('end', () => resolve(text));
  });
  await hub.close();
  assert.is(heard, 'system:node:edge-1 true');
});

/** The client's side of that meeting, for a process of its own: prints what the hub said, and the year in which it heard it. */
const CLIENT = `
import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
const [port, ca, cert, key] = process.argv.slice(1);
const socket = connect({ host: '127.0.0.1', port: Number(port), ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key), minVersion: 'TLSv1.3' });
let text = '';
socket.on('data', (chunk) => (text += chunk)).on('end', () => console.log(new Date().getUTCFullYear(), text));
socket.on('error', (error) => { console.log(error.code); process.exitCode = 1; });
`;

faketimeTest('a node whose clock says 1970 meets the hub all the same', async () => {
  const dataDir = tempDir();
  const { files, node } = await initCloud({ dataDir, advertise: [], clock: at(0), nodeName: 'edge-1' });
  assert.ok(node);
  const hub = await listenAsHub(files);
  const args = [process.execPath, '--input-type=module', '-e', CLIENT, String(hub.port), node.authority, node.certificate, node.key];
  const client = await runProcess({
    command: peerPath('faketime'),
    args: ['1970-01-01 00:05:00', ...args],
    env: { TZ: 'UTC', FAKETIME_DONT_FAKE_MONOTONIC: '1', NODE_OPTIONS: undefined },
  });
  await hub.close();
  assert.is(client.stdout.trim(), '1970 system:node:edge-1 true', client.stderr);
});

test('run again, it changes nothing and says so', async () => {
  const dataDir = tempDir();
  await initCloud({ dataDir, advertise: ['pi.local', 'fd00::4'], clock: at(0), nodeName: 'edge-1' });
  const before = snapshot(dataDir);
  const again = await initCloud({ dataDir, advertise: ['FD00:0::4'], clock: at(100), nodeName: 'edge-1' });
  assert.ok(again.outcomes.every(({ action }) => action === 'kept'));
  assert.equal(snapshot(dataDir), before);
});

test('a new address renews the servers, which keep those they had; authority, token and node stay', async () => {
  const dataDir = tempDir();
  await initCloud({ dataDir, advertise: ['one.example'], clock: at(0), nodeName: 'edge-1' });
  const { outcomes, files } = await initCloud({ dataDir, advertise: ['10.0.0.9'], clock: at(1), nodeName: 'edge-1' });
  assert.equal(
    outcomes.filter(({ action }) => action !== 'kept').map(({ file, reason }) => [path.basename(file), reason]),
    ['hub.crt', 'hub.key', 'api.crt', 'api.key'].map((file) => [file, 'it was not valid for 10.0.0.9']),
  );
  const names = new X509Certificate(read(files.hub.certificate)).subjectAltName ?? '';
  assert.match(names, 'DNS:one.example');
  assert.match(names, 'IP Address:10.0.0.9');
});

const renewals: [title: string, days: number, spoil: (dataDir: string) => void, reason: string][] = [
  ['less than a third of the life', 244, () => undefined, 'less than a third of its life was left'],
  ['a damaged certificate', 0, (dataDir) => writeFileSync(cloudFiles(dataDir).hub.certificate, 'junk'), 'it could not be read'],
  [
    'the key of another certificate',
    0,
    (dataDir) => writeFileSync(cloudFiles(dataDir).hub.key, read(cloudFiles(dataDir).api.key)),
    'its key was another one',
  ],
  ['a lost key', 0, (dataDir) => rmSync(cloudFiles(dataDir).hub.key), 'its key was another one'],
];
for (const [title, days, spoil, reason] of renewals) {
  test(`${title} renews the hub's certificate`, async () => {
    const dataDir = tempDir();
    await initCloud({ dataDir, advertise: ['pi.local'], clock: at(0) });
    spoil(dataDir);
    const { outcomes, files } = await initCloud({ dataDir, advertise: ['pi.local'], clock: at(days) });
    assert.is(outcomes.find(({ file }) => file === files.hub.certificate)?.reason, reason);
    const next = await initCloud({ dataDir, advertise: ['pi.local'], clock: at(days) });
    assert.ok(next.outcomes.every(({ action }) => action === 'kept'));
  });
}

test('a certificate is kept until a third of its life is left, whatever its first day says', async () => {
  const dataDir = tempDir();
  await initCloud({ dataDir, advertise: [], clock: at(0) });
  const { outcomes } = await initCloud({ dataDir, advertise: [], clock: at(243) });
  assert.ok(outcomes.every(({ action }) => action === 'kept'));
});

test('a machine that starts in 1970 with everything in place keeps it, and makes nothing new', async () => {
  const dataDir = tempDir();
  await initCloud({ dataDir, advertise: [], clock: at(0), nodeName: 'edge-1' });
  const before = snapshot(dataDir);
  const in1970 = new FakeClock({ wallMs: 300_000 });
  const { outcomes } = await initCloud({ dataDir, advertise: [], clock: in1970, nodeName: 'edge-1' });
  assert.ok(outcomes.every(({ action }) => action === 'kept'));
  assert.match(
    await refusal(initCloud({ dataDir, advertise: ['10.0.0.9'], clock: in1970 })),
    /^CERTIFICATES_UNUSABLE: the clock of this machine says 1970-01-01; set it/,
  );
  assert.equal(snapshot(dataDir), before);
});

test("another authority's servers are renewed, and so is what the node has of it", async () => {
  const [dataDir, other] = [tempDir(), tempDir()];
  await initCloud({ dataDir, advertise: [], clock: at(0), nodeName: 'edge-1' });
  await initCloud({ dataDir: other, advertise: [], clock: at(0) });
  const [mine, theirs] = [cloudFiles(dataDir).authority, cloudFiles(other).authority];
  writeFileSync(mine.certificate, read(theirs.certificate));
  writeFileSync(mine.key, read(theirs.key));
  const { outcomes } = await initCloud({ dataDir, advertise: [], clock: at(0), nodeName: 'edge-1' });
  assert.is(outcomes.filter(({ reason }) => reason === 'another authority signed it').length, 6);
  assert.is(read(nodeFiles(dataDir).authority), read(theirs.certificate));
});

test('a leaf never outlives its authority, and is not issued again and again at its end', async () => {
  const dataDir = tempDir();
  await initCloud({ dataDir, advertise: [], clock: at(0) });
  const { files } = await initCloud({ dataDir, advertise: [], clock: at(3500) });
  const end = (file: string): string => new X509Certificate(read(file)).validTo;
  assert.is(end(files.hub.certificate), end(files.authority.certificate));
  const late = await initCloud({ dataDir, advertise: [], clock: at(3640) });
  assert.ok(late.outcomes.every(({ action }) => action === 'kept'));
});

test('a certificate for another node takes the place of the first', async () => {
  const dataDir = tempDir();
  await initCloud({ dataDir, advertise: [], clock: at(0), nodeName: 'edge-1' });
  const { outcomes, files } = await issueNodeCertificate({ dataDir, node: 'edge-2', clock: at(0) });
  assert.equal(actions(outcomes), ['ca.crt kept', 'node.crt renewed', 'node.key renewed']);
  assert.match(new X509Certificate(read(files.certificate)).subject, /CN=system:node:edge-2$/);
});

test('an authority that is not whole is never replaced, but named with the remedy', async () => {
  const dataDir = tempDir();
  await initCloud({ dataDir, advertise: [], clock: at(0) });
  const { authority, hub } = cloudFiles(dataDir);
  const init = (days = 0): Promise<string> => refusal(initCloud({ dataDir, advertise: [], clock: at(days) }));
  assert.match(await init(3651), /^CERTIFICATES_UNUSABLE: \S+ca\.crt ended on .+; remove \S+pki and join all boards again$/);
  const key = read(authority.key);
  writeFileSync(authority.key, read(hub.key));
  assert.match(await init(), /ca\.key is not the key of \S+ca\.crt; put the right one back/);
  rmSync(authority.key);
  assert.match(await init(), /ca\.crt is there but \S+ca\.key is not; put it back/);
  writeFileSync(authority.key, key);
  writeFileSync(authority.certificate, 'junk');
  assert.match(await init(), /ca\.crt is not a PEM certificate/);
});

test('wrong names, a clock of 1970 and a missing authority are refused in one sentence', async () => {
  const dataDir = tempDir();
  const init = (options: { advertise?: string[]; nodeName?: string; clock?: FakeClock }): Promise<string> =>
    refusal(initCloud({ dataDir, advertise: [], clock: at(0), ...options }));
  assert.match(
    await init({ advertise: ['https://pi.local:10000'] }),
    /^USAGE: "https:\/\/pi\.local:10000" is neither a DNS name nor an IP/,
  );
  assert.match(await init({ nodeName: 'Edge One' }), /^USAGE: "Edge One" is no node name/);
  assert.equal(readdirSync(dataDir), []);
  assert.match(await init({ clock: new FakeClock({ wallMs: 0 }) }), /^CERTIFICATES_UNUSABLE: the clock of this machine says 1970-01-01/);
  const empty = tempDir();
  assert.match(await refusal(issueNodeCertificate({ dataDir: empty, node: 'a', clock: at(0) })), /run `hivelet init` first$/);
  assert.match(await refusal(readAdminAccess(empty)), /run `hivelet init` first$/);
});

test('the key of account tokens is made once, for its owner', async () => {
  const dataDir = tempDir();
  const key = await ensureAccountKey(dataDir);
  assert.match(key, /^-----BEGIN PRIVATE KEY-----\n/);
  assert.is((statSync(cloudFiles(dataDir).accountKey).mode & 0o777).toString(8), '600');
  assert.is(await ensureAccountKey(dataDir), key);
});

test.run();

// timeout: 240s
/** Joining a board with the real programs: token, join, Ready; each way it fails, as one sentence and without a trace; revoking; resetting. */
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createKubectl, type Kubectl } from '#test/support/kubectl.ts';
import { needing, peerPath } from '#test/support/peers.ts';
import { freePort } from '#test/support/ports.ts';
import { runProcess, spawnProcess, type Finished, type TestProcess } from '#test/support/processes.ts';
import { createSite, launcher, type Site } from '#test/support/programs.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const kubectlTest = needing(test, 'kubectl');
const faketimeTest = needing(test, 'kubectl', 'faketime');
let site: Site;
let cloud: TestProcess;
let kubectl: Kubectl;
let edge: TestProcess | undefined;

interface Attempt {
  node?: string;
  token: string;
  dataDir?: string;
  host?: string;
  certPort?: number;
  wrapper?: readonly string[];
}

async function hivelet(...args: string[]): Promise<Finished> {
  return runProcess({ command: launcher, args: [...args, '--data-dir', site.dataDir], env: { KUBECONFIG: undefined } });
}

async function token(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await hivelet('token', 'create', ...args);
  assert.is(code, 0, stderr);
  assert.is(stdout.trim().split('\n').length, 1);
  return stdout.trim();
}

function join({
  node,
  token: text,
  dataDir = tempDir(),
  host = '127.0.0.1',
  certPort = site.ports.https,
  wrapper = [],
}: Attempt): Promise<Finished> {
  const [command, ...args] = [...wrapper, launcher, 'join', '--no-service', '--cloud', `${host}:${String(site.ports.hub)}`];
  const more = [
    '--cert-port',
    String(certPort),
    '--token',
    '-',
    '--data-dir',
    dataDir,
    ...(node === undefined ? [] : ['--node-name', node]),
  ];
  return runProcess({ command, args: [...args, ...more], input: text });
}

/** Every file below a folder. */
function filesBelow(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)));
}

async function startEdge(dataDir: string): Promise<TestProcess> {
  const mqtt = `modules.eventBus.mqttServerInternal=tcp://127.0.0.1:${String(await freePort())}`;
  edge = spawnProcess({ command: launcher, args: ['edge', '--data-dir', dataDir, '--set', mqtt] });
  await edge.line(/edgecore\.ready/, { deadlineMs: 30_000 });
  return edge;
}

/** It fails with this one sentence, leaves nothing, and a second try with a good token works. */
async function fails(attempt: Attempt, said: RegExp): Promise<void> {
  const dataDir = tempDir();
  const { code, stdout, stderr } = await join({ ...attempt, dataDir });
  assert.equal([code, stdout], [1, ''], stderr);
  assert.match(stderr, said);
  assert.is(stderr.trim().split('\n').length, 1, stderr);
  assert.equal(filesBelow(dataDir), []);
  const again = await join({ token: await token(), dataDir, node: `again-${path.basename(dataDir).toLowerCase()}` });
  assert.is(again.code, 0, again.stderr);
}

test.before(async () => {
  site = await createSite(tempDir());
  cloud = await site.cloud();
  kubectl = createKubectl(path.join(site.dataDir, 'kubeconfig'));
});

test.after(async () => {
  await edge?.stop();
  await cloud.stop();
});

const board = tempDir();

kubectlTest('a token, a join, and the board is Ready within ten seconds', async () => {
  const startedMs = performance.now();
  const { code, stdout, stderr } = await join({ token: await token('--uses', '1'), node: 'pi-1', dataDir: board });
  assert.is(code, 0, stderr);
  assert.match(stdout, /^joined as node pi-1: the certificate is good until \d{4}-\d\d-\d\d$/m);
  assert.match(stdout, new RegExp(`^Start the edge with: hivelet edge --data-dir ${board}$`, 'm'));
  assert.equal(filesBelow(board).sort(), [
    'edge/edgecore.yaml',
    'edge/edgecore.yaml.before-join',
    'edge/pki/ca.crt',
    'edge/pki/mqtt-ca.crt',
    'edge/pki/mqtt-ca.key',
    'edge/pki/mqtt.crt',
    'edge/pki/mqtt.key',
    'edge/pki/node.crt',
    'edge/pki/node.key',
  ]);
  assert.is(statSync(path.join(board, 'edge/pki/node.key')).mode & 0o777, 0o600);
  await startEdge(board);
  await kubectl.run('wait', '--for=create', 'node/pi-1', '--timeout=10s');
  await kubectl.run('wait', '--for=condition=Ready', 'node/pi-1', '--timeout=10s');
  assert.ok(performance.now() - startedMs < 10_000, `${String(Math.round(performance.now() - startedMs))} ms`);
  assert.match((await hivelet('node', 'list')).stdout, /^pi-1 +Ready +1 +\d{4}-/m);
  assert.match((await hivelet('token', 'list')).stdout, /^[a-z0-9]{12} +any +1 of 1 +/m);
});

kubectlTest('a second run of the same join keeps what it has; another name or cloud is refused until a reset', async () => {
  const before = readFileSync(path.join(board, 'edge/pki/node.crt'), 'utf8');
  assert.is((await join({ token: await token(), node: 'pi-1', dataDir: board })).code, 0);
  assert.is(readFileSync(path.join(board, 'edge/pki/node.crt'), 'utf8'), before);
  const { code, stderr } = await join({ token: await token(), node: 'pi-2', dataDir: board });
  assert.is(code, 2);
  assert.match(stderr, /^hivelet join: this board has joined already, as node pi-1: run `hivelet reset` first$/m);
});

test('a token with another signature is refused', async () => {
  const good = await token();
  await fails(
    { token: good.replace(/[^.]+$/, 'A'.repeat(43)), node: 'pi-3' },
    /^hivelet join: the cloud refused the token: this cloud has not issued it, or it was revoked$/m,
  );
});

test('a token that has ended is refused', async () => {
  const short = await token('--ttl', '1s');
  await until(() => Date.now() % 1 === 0 && Date.now() > Number(expOf(short)) * 1000, { what: 'the end of the token', everyMs: 50 });
  await fails(
    { token: short, node: 'pi-3' },
    /^hivelet join: the cloud refused the token: it ended on .*; make another one with `hivelet token create`$/m,
  );
});

function expOf(text: string): unknown {
  return (JSON.parse(Buffer.from(text.split('.')[2] ?? '', 'base64url').toString()) as { exp: unknown }).exp;
}

test('a revoked token is refused', async () => {
  const text = await token();
  const id = (JSON.parse(Buffer.from(text.split('.')[2] ?? '', 'base64url').toString()) as { jti: string }).jti;
  assert.is((await hivelet('token', 'revoke', id)).stdout, `revoked ${id}\n`);
  await fails(
    { token: text, node: 'pi-3' },
    /^hivelet join: the cloud refused the token: this cloud has not issued it, or it was revoked$/m,
  );
});

test('another cloud than that of the token is refused before anything is told to it', async () => {
  const other = `${'ab'.repeat(32)}${(await token()).slice(64)}`;
  await fails(
    { token: other, node: 'pi-3' },
    /^hivelet join: the cloud at 127\.0\.0\.1 is not the one that made this token: its authority is [0-9a-f]{12}…, that of the token abababababab… \(after `hivelet ca rotate` make another token\)$/m,
  );
});

test('a host on which nobody listens is named, with the port', async () => {
  const port = await freePort();
  await fails(
    { token: await token(), certPort: port },
    new RegExp(`^hivelet join: nothing listens at 127\\.0\\.0\\.1:${String(port)}, the cloud's certificate port: is`, 'm'),
  );
});

test('an address that the certificate of the cloud does not have is named, with the remedy', async () => {
  await fails(
    { token: await token(), host: '127.0.0.2' },
    /^hivelet join: the cloud's certificate is not for 127\.0\.0\.2: run `hivelet init --advertise-address 127\.0\.0\.2` there, and try again a minute later$/m,
  );
});

test('something else than a cloud is told as such', async () => {
  await fails(
    { token: await token(), certPort: site.ports.hub },
    /^hivelet join: (what answers at|the cloud at|what listens at) 127\.0\.0\.1:\d+ /m,
  );
});

kubectlTest('a name that is taken is refused, unless the token is for it', async () => {
  await fails(
    { token: await token(), node: 'pi-1' },
    /^hivelet join: the cloud refused to let this board in: the name pi-1 is taken by a board that has joined: choose another one with --node-name/m,
  );
  await fails(
    { token: await token('--node', 'pi-5'), node: 'pi-6' },
    /^hivelet join: the cloud refused to let this board in: the token is for node pi-5, not for pi-6$/m,
  );
});

test('half a token, a bad address and a bad name are wrong usage', async () => {
  const text = await token();
  const wrong: [Promise<Finished>, RegExp][] = [
    [join({ token: text.slice(0, 100) }), /the token is not whole/],
    [join({ token: text, host: 'https://cloud' }), /--cloud https:\/\/cloud:\d+: write HOST:PORT/],
    [join({ token: text, node: 'Pi_1' }), /"Pi_1" is no node name/],
    [join({ token: '' }), /--token is missing/],
  ];
  for (const [attempt, said] of wrong) {
    const { code, stderr } = await attempt;
    assert.is(code, 2, stderr);
    assert.match(stderr, said);
  }
});

faketimeTest('a board whose clock says 1970 joins, and is told so', async () => {
  const wrapper = [peerPath('faketime'), '-f', '1970-01-02 00:00:00'];
  const dataDir = tempDir();
  const { code, stdout, stderr } = await join({ token: await token(), node: 'pi-1970', wrapper, dataDir });
  assert.is(code, 0, stderr);
  assert.match(stderr, /^The clock of this board is \d{5} days behind that of the cloud: readings carry wrong times until it is set\.$/m);
  assert.match(stdout, /^joined as node pi-1970/m);
});

faketimeTest('a clock beyond the end of the certificates is named', async () => {
  const dataDir = tempDir();
  const wrapper = [peerPath('faketime'), '-f', '@2050-01-02 00:00:00'];
  const { code, stderr } = await join({ token: await token(), node: 'pi-2050', wrapper, dataDir });
  assert.is(code, 1);
  assert.match(stderr, /^hivelet join: the cloud's certificate has ended by the clock of this board: set the clock if it is wrong/m);
  assert.is((await join({ token: await token(), node: 'pi-2050', dataDir })).code, 0);
});

test('a configuration that was there keeps what it says, and comes back with a reset', async () => {
  const dataDir = tempDir();
  const file = path.join(dataDir, 'edge/edgecore.yaml');
  const text =
    '# ours\napiVersion: edgecore.config.hivelet.dev/v1alpha1\nkind: EdgeCore\nmodules:\n  edged:\n    hostnameOverride: named-there # so\n';
  mkdirSync(path.dirname(file));
  writeFileSync(file, text);
  const { stdout, stderr } = await join({ token: await token(), dataDir });
  assert.match(stdout, /^joined as node named-there/m, stderr);
  const written = readFileSync(file, 'utf8');
  assert.match(written, /^# ours/);
  assert.match(written, `server: 127.0.0.1:${String(site.ports.hub)}`);
  const reset = await runProcess({ command: launcher, args: ['reset', '--yes', '--data-dir', dataDir] });
  assert.is(reset.code, 0, reset.stderr);
  assert.match(reset.stdout, /no longer node named-there/);
  // What devices know the broker by is theirs.
  const broker = ['mqtt-ca.crt', 'mqtt-ca.key', 'mqtt.crt', 'mqtt.key'].map((name) => `edge/pki/${name}`);
  assert.equal(filesBelow(dataDir).sort(), ['edge/edgecore.yaml', ...broker]);
  assert.is(readFileSync(file, 'utf8'), text);
});

test('a reset asks, and without a terminal wants --yes', async () => {
  const { code, stderr } = await runProcess({ command: launcher, args: ['reset', '--data-dir', board] });
  assert.is(code, 2);
  assert.match(stderr, /write hivelet reset --yes/);
  assert.ok(existsSync(path.join(board, 'edge/pki/node.crt')));
});

kubectlTest('a revoked node is out within five seconds, stays out, and comes back with a token for its name', async () => {
  const startedMs = performance.now();
  const { stdout } = await hivelet('node', 'revoke', 'pi-1');
  assert.is(stdout, 'revoked pi-1: its link ends, and its certificates are refused from now on\n');
  await edge?.line(/link\.down.*(?:revoked|1008)/, { deadlineMs: 5000 });
  assert.ok(performance.now() - startedMs < 5000);
  await edge?.line(/link\.down.*HTTP 403: the certificate of pi-1 was revoked or replaced: join again/, { deadlineMs: 20_000 });
  assert.match((await hivelet('node', 'list')).stdout, /^pi-1 +\w+ +revoked/m);
  assert.match((await hivelet('node', 'revoke', 'nobody')).stderr, /there is no node nobody/);
  await edge?.stop();
  assert.is((await runProcess({ command: launcher, args: ['reset', '-y', '--data-dir', board] })).code, 0);
  const again = await join({ token: await token('--node', 'pi-1'), node: 'pi-1', dataDir: board });
  assert.is(again.code, 0, again.stderr);
  const back = await startEdge(board);
  await back.line(/link\.up/, { deadlineMs: 20_000 });
});

kubectlTest('a node that is deleted with kubectl is revoked', async () => {
  await kubectl.run('delete', 'node', 'pi-1');
  await edge?.line(/link\.down.*(?:revoked|1008)/, { deadlineMs: 5000 });
  assert.match((await hivelet('node', 'list')).stdout, /^pi-1 +not registered +revoked/m);
});

test.run();

/** The programs `hivelet cloud` and `hivelet api` as processes: flags, readiness, faults in one sentence, signals. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { namespaces } from '#cloud/store/kube-api.ts';
import { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { readKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { runProcess, spawnProcess, type TestProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const root = path.join(import.meta.dirname, '../..');
const program = ['--import', 'tsx', path.join(root, 'cloud/main.ts')];
const freePorts = [
  'modules.apiServer.listen=127.0.0.1:0',
  'modules.cloudHub.websocket.address=127.0.0.1',
  'modules.cloudHub.websocket.port=0',
  'modules.cloudHub.https.address=127.0.0.1',
  'modules.cloudHub.https.port=0',
].flatMap((set) => ['--set', set]);

function start(...args: string[]): TestProcess {
  return spawnProcess({ command: process.execPath, args: [...program, ...args], cwd: root });
}

function run(...args: string[]) {
  return runProcess({ command: process.execPath, args: [...program, ...args], cwd: root });
}

test('starts on an empty directory, says where it serves, and ends with 0 on SIGTERM', async () => {
  const dataDir = tempDir();
  const cloud = start('--data-dir', dataDir, ...freePorts, '--log-format', 'json');
  const line = JSON.parse(await cloud.line('cloudcore.ready', { deadlineMs: 30_000 })) as Record<string, unknown>;
  const places = JSON.parse(readFileSync(path.join(dataDir, 'cloud', 'endpoints.json'), 'utf8')) as Record<string, unknown>;
  assert.equal([line.api, line.hubPort, line.httpsPort, line.pid], [places.api, places.hubPort, places.httpsPort, places.pid]);
  const client = new KubeClient({ access: readKubeconfig(path.join(dataDir, 'kubeconfig')), clock: systemClock });
  assert.is((await client.get(namespaces, { name: 'kube-system' })).metadata.uid, line.cluster);
  client.close();
  assert.equal(await cloud.stop(), { code: 0, signal: null });
});

test('`api` serves the API alone, and a cloud beside it uses it', async () => {
  const dataDir = tempDir();
  const api = start('api', '--data-dir', dataDir, ...freePorts, '--log-format', 'json');
  const ready = JSON.parse(await api.line('api.ready', { deadlineMs: 30_000 })) as Record<string, unknown>;
  assert.not(existsSync(path.join(dataDir, 'cloud', 'uploads.db')));
  const cloud = start('--data-dir', dataDir, ...freePorts, '--log-format', 'json');
  await cloud.line('api.shared', { deadlineMs: 30_000 });
  const line = JSON.parse(await cloud.line('cloudcore.ready', { deadlineMs: 30_000 })) as Record<string, unknown>;
  assert.equal([line.api, line.cluster], [ready.api, ready.cluster]);
  assert.is((await cloud.stop()).code, 0);
  assert.is((await api.stop()).code, 0);
});

test('a port that is taken is told in one sentence with its setting', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const { code, stderr } = await run(
    '--data-dir',
    tempDir(),
    ...freePorts,
    '--set',
    `modules.cloudHub.websocket.port=${port}`,
    '--log-level',
    'error',
  );
  server.close();
  assert.is(code, 1);
  assert.match(stderr, `cloudcore: port ${port} of 127.0.0.1 is already taken`);
  assert.match(stderr, 'modules.cloudHub.websocket.port');
});

test('wrong usage ends with 2, a wrong file with 1 and its line', async () => {
  const usage = await run('--no-such-flag');
  assert.is(usage.code, 2);
  assert.match(usage.stderr, 'see hivelet cloud --help');
  const file = path.join(tempDir(), 'cloudcore.yaml');
  writeFileSync(file, 'kind: CloudCore\nmodules:\n  cloudHub:\n    nodeLimit: many\n');
  const config = await run('--config', file);
  assert.is(config.code, 1);
  assert.match(config.stderr, `${file}:4: modules.cloudHub.nodeLimit must be a whole number, not "many"`);
});

test('prints its help and its settings', async () => {
  for (const [args, pattern] of [
    [['--help'], /hivelet cloud: the cloud side[\s\S]*--data-dir DIR/],
    [['api', '--help'], /hivelet api: the embedded Kubernetes API server alone/],
    [['--defaultconfig'], /kind: CloudCore[\s\S]*nodeLimit: 1000/],
    [['--minconfig'], /apiVersion: cloudcore\.config\.hivelet\.dev\/v1alpha1/],
    [['--print-config', '--set', 'modules.cloudHub.nodeLimit=7'], /nodeLimit: 7/],
  ] as const) {
    const { code, stdout } = await run(...args);
    assert.is(code, 0);
    assert.match(stdout, pattern);
  }
});

test.run();

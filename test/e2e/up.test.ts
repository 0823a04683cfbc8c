/** Owns the proof of `hivelet up`: both sides run, a crash of one leaves the other alone, a signal ends both. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { freePorts } from '#test/support/ports.ts';
import { runProcess, spawnProcess, type TestProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const root = path.join(import.meta.dirname, '../..');
const hivelet = path.join(root, 'bin/hivelet');
let dataDir = '';
let up: TestProcess;

interface Event {
  program: string;
  event: string;
  pid?: number;
}

const events = (): Event[] => up.lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Event);
const readies = (program: string): Event[] => events().filter((event) => event.program === program && event.event.endsWith('core.ready'));

async function run(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return runProcess({ command: hivelet, args: [...args, '--data-dir', dataDir], cwd: root, env: { KUBECONFIG: undefined } });
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test.before(async () => {
  dataDir = tempDir();
  const [mqtt = 0, api = 0, hub = 0] = await freePorts(3);
  const sets = [
    `modules.eventBus.mqttServerInternal=tcp://127.0.0.1:${mqtt}`,
    `modules.apiServer.listen=127.0.0.1:${api}`,
    `modules.edgeHub.websocket.server=127.0.0.1:${hub}`,
    'modules.edged.hostnameOverride=up-node',
    `modules.cloudHub.websocket.port=${hub}`,
    'modules.cloudHub.websocket.address=127.0.0.1',
    'cloud.modules.cloudHub.https.address=127.0.0.1',
    'cloud.modules.cloudHub.https.port=0',
  ];
  up = spawnProcess({ command: hivelet, args: ['up', '--data-dir', dataDir, ...sets.flatMap((set) => ['--set', set])], cwd: root });
});

test.after(() => up.kill());

test('both sides come up from nothing, with certificates and a kubeconfig, and the node is Ready', async () => {
  await until(() => readies('cloud').length === 1 && readies('edge').length === 1, { what: 'both to be ready', deadlineMs: 30_000 });
  for (const file of ['kubeconfig', 'pki/ca.crt', 'edge/pki/node.crt']) assert.ok(existsSync(path.join(dataDir, file)), file);
  await until(async () => /^up-node +Ready/m.test((await run('get', 'nodes')).stdout), {
    what: 'the node',
    deadlineMs: 30_000,
    everyMs: 200,
  });
});

test('a crash of the cloud leaves the edge alone; it is started again and the node comes back', async () => {
  const cloud = readies('cloud')[0]?.pid ?? 0;
  const edge = readies('edge')[0]?.pid ?? 0;
  process.kill(cloud, 'SIGKILL');
  await until(() => readies('cloud').length === 2, { what: 'a second cloud', deadlineMs: 30_000 });
  assert.ok(alive(edge));
  assert.is(readies('edge').length, 1);
  assert.ok(up.lines.some((line) => /^cloud \| it ended \(SIGKILL\) and is started again in /.test(line)));
  await until(async () => /^up-node +Ready/m.test((await run('get', 'nodes')).stdout), {
    what: 'the node',
    deadlineMs: 30_000,
    everyMs: 200,
  });
});

test('the shell commands find both ways in by the data directory alone', async () => {
  assert.equal((await run('get', 'devices')).stdout, 'no devices\n');
  const unknown = await run('get', 'devices', '--via', 'mqtt', '--mqtt', 'tcp://127.0.0.1:1');
  assert.is(unknown.code, 1);
  assert.match(unknown.stderr, /no MQTT broker answers at tcp:\/\/127\.0\.0\.1:1 /);
});

test('a signal ends both, and up with exit code 0', async () => {
  const pids = ['cloud', 'edge'].map((program) => readies(program).at(-1)?.pid ?? 0);
  const { code, signal } = await up.stop();
  assert.equal([code, signal], [0, null], up.output.slice(-2000));
  for (const pid of pids) await until(() => !alive(pid), { what: `process ${pid} to end` });
});

test('a setting that nobody knows is refused before anything starts', async () => {
  const { code, stderr } = await run('up', '--set', 'modules.eventBus.mqttMod=0');
  assert.is(code, 2);
  assert.match(stderr, /did you mean modules\.eventBus\.mqttMode\?/);
});

test('what cannot start says why and ends the other one too', async () => {
  const [mqtt = 0, api = 0] = await freePorts(2);
  const sets = [
    `modules.eventBus.mqttServerInternal=tcp://127.0.0.1:${mqtt}`,
    `modules.apiServer.listen=127.0.0.1:${api}`,
    'modules.eventBus.mqttMode=7',
  ];
  const { code, stderr } = await run('up', ...sets.flatMap((set) => ['--set', set]));
  assert.is(code, 1);
  assert.match(stderr, /modules\.eventBus\.mqttMode must be one of 0, 1, 2, not 7/);
});

test.run();

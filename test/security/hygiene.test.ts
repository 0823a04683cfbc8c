// timeout: 180s
/** The real programs, from an empty folder to a board that is Ready, with secrets that are known: none is in a log, a process list or a file for others. */
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { connectAsync } from 'mqtt';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { nodes, secrets as secretKind } from '#cloud/store/kube-api.ts';
import { freePort } from '#test/support/ports.ts';
import { runProcess, type Finished, type TestProcess } from '#test/support/processes.ts';
import { spawnProcess } from '#test/support/processes.ts';
import { createSite, launcher, type Site } from '#test/support/programs.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const PASSWORD = 'correct-horse-battery-staple';
const WRONG = 'wrong-horse-battery-staple';
const FILE_SECRET = 'the-password-of-the-press';
const CLUSTER_SECRET = 'the-password-in-the-cluster';
/** What somebody writes into a Device who did not read how. */
const INLINE = 'hunter2-in-the-yaml';

let site: Site;
const board = tempDir();
const known = new Map<string, string>();
const said: { what: string; text: string }[] = [];
const running: TestProcess[] = [];
const lists = new Set<string>();

/** What anybody on this machine sees of running programs. */
function lookAtProcesses(): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      lists.add(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));
    } catch {
      // It has ended.
    }
  }
}

async function hivelet(args: readonly string[], input = ''): Promise<Finished> {
  const finishing = runProcess({ command: launcher, args: [...args], input, env: { KUBECONFIG: undefined }, deadlineMs: 60_000 });
  const looking = setInterval(lookAtProcesses, 20);
  const finished = await finishing.finally(() => clearInterval(looking));
  said.push({ what: args.slice(0, 2).join(' '), text: finished.stderr });
  assert.is(finished.code, 0, finished.stderr);
  return finished;
}

test.before(async () => {
  site = await createSite(tempDir());
  running.push(await site.cloud());
});
test.after(async () => {
  for (const each of running.reverse()) await each.stop();
});

function note(what: string, secret: string): void {
  assert.ok(secret.length > 10, what);
  known.set(what, secret);
}

test('a board joins, devices and users come and fail, with secrets that are known', async () => {
  const at = ['--data-dir', site.dataDir];
  const token = (await hivelet(['token', 'create', ...at])).stdout.trim();
  note('join token', token.split('.').slice(1).join('.'));
  const door = ['--cloud', `127.0.0.1:${String(site.ports.hub)}`, '--cert-port', String(site.ports.https)];
  const startedMs = performance.now();
  await hivelet(['join', '--no-service', ...door, '--token', '-', '--node-name', 'pi-1', '--data-dir', board], token);
  note('broker password', PASSWORD);
  note('wrong broker password', WRONG);
  await hivelet(['mqtt', 'account', 'add', 'press', '--password-file', '-', '--data-dir', board], `${PASSWORD}\n`);
  const mqttPort = await freePort();
  mkdirSync(path.join(board, 'edge/secrets'), { recursive: true, mode: 0o700 });
  writeFileSync(path.join(board, 'edge/secrets/press'), FILE_SECRET, { mode: 0o600 });
  note('secret in a file', FILE_SECRET);
  note('password in a Device', INLINE);
  mkdirSync(path.join(board, 'edge/devices.d'), { recursive: true });
  writeFileSync(path.join(board, 'edge/devices.d/press.yaml'), deviceYaml());
  const args = ['edge', '--data-dir', board, '--set', `modules.eventBus.mqttServerInternal=tcp://127.0.0.1:${String(mqttPort)}`];
  const edge = spawnProcess({ command: launcher, args: [...args, '--log-level', 'debug'] });
  running.push(edge);
  await edge.line(/edgecore\.ready/, { deadlineMs: 30_000 });
  const api = site.kube();
  const isReady = async (): Promise<boolean> =>
    ((await api.get(nodes, { name: 'pi-1' }))['status'] as { conditions?: { type: string; status: string }[] }).conditions?.some(
      ({ type, status }) => type === 'Ready' && status === 'True',
    ) === true;
  await until(isReady, { what: 'the board to be Ready', deadlineMs: 20_000 });
  process.stdout.write(`joined and Ready after ${((performance.now() - startedMs) / 1000).toFixed(1)} s\n`);
  note('Secret', CLUSTER_SECRET);
  await api.create(secretKind, {
    metadata: { name: 'press', namespace: 'default' },
    data: { key: Buffer.from(CLUSTER_SECRET).toString('base64') },
  });
  api.close();
  const url = `mqtt://127.0.0.1:${String(mqttPort)}`;
  const client = await connectAsync(url, { username: 'press', password: PASSWORD, reconnectPeriod: 0 });
  await client.endAsync(true);
  await connectAsync(url, { username: 'press', password: WRONG, reconnectPeriod: 0 }).then(
    () => assert.unreachable('a wrong password must not do'),
    () => undefined,
  );
  const kubeconfig = path.join(site.dataDir, 'robot.kubeconfig');
  await hivelet(['user', 'robot', '--role', 'view', '--out', kubeconfig, ...at]);
  note('token of an account', /eyJ[\w-]+\.[\w-]+\.[\w-]+/.exec(readFileSync(kubeconfig, 'utf8'))?.[0] ?? '');
  await until(() => /press/.test(edge.stdout + edge.stderr), { what: 'the edge to tell of the device' });
  lookAtProcesses();
});

/** One that a mapper of ours refuses, which is told in the log and to the cloud. */
function deviceYaml(): string {
  return `apiVersion: devices.kubeedge.io/v1alpha2
kind: DeviceModel
metadata: { name: press, namespace: default }
spec: { properties: [ { name: pressure, type: { int: { accessMode: ReadOnly } } } ] }
---
apiVersion: devices.kubeedge.io/v1alpha2
kind: Device
metadata: { name: press, namespace: default }
spec:
  deviceModelRef: { name: press }
  protocol: { opcua: { url: 'opc.tcp://127.0.0.1:1', userName: operator, password: ${INLINE}, privateKey: ../pki/node.key } }
  propertyVisitors: [ { propertyName: pressure, opcua: { nodeID: 'ns=1;s=p' } } ]
`;
}

/** Every file below, with its mode. */
function filesBelow(folder: string): { file: string; mode: number; isFolder: boolean }[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() || entry.isDirectory())
    .map((entry) => {
      const file = path.join(entry.parentPath, entry.name);
      return { file, mode: statSync(file).mode & 0o777, isFolder: entry.isDirectory() };
    });
}

test('keys of every kind are known too', () => {
  note('token of the admin', readFileSync(path.join(site.dataDir, 'cloud/admin-token'), 'utf8').trim());
  const keys = [site.dataDir, board].flatMap(filesBelow).filter(({ file, isFolder }) => !isFolder && file.endsWith('.key'));
  assert.ok(keys.length >= 4, keys.map(({ file }) => file).join(' '));
  for (const { file } of keys) note(path.basename(file), readFileSync(file, 'utf8').split('\n').slice(1, -2).join('').slice(60, 140));
  assert.ok(known.size >= 10, [...known.keys()].join(', '));
});

/** As it is, and in base64: whole, since another offset would make other text. */
function holds(text: string, secret: string): boolean {
  return text.includes(secret) || text.includes(Buffer.from(secret).toString('base64').replace(/=+$/, ''));
}

test('no log, no error and no audit line holds one', () => {
  const texts = [
    ...said,
    ...running.map((each) => ({ what: `the log of ${each.name}`, text: each.stdout + each.stderr })),
    { what: 'audit.log', text: readFileSync(path.join(site.dataDir, 'cloud/audit.log'), 'utf8') },
  ];
  assert.ok(texts.every(({ text, what }) => text.length > 0 || !what.startsWith('the log')));
  for (const { what, text } of texts) {
    for (const [name, secret] of known) assert.is(holds(text, secret), false, `${what} holds the ${name}`);
    assert.is(text.includes('PRIVATE KEY'), false, what);
  }
});

test('no process list shows one', () => {
  assert.ok([...lists].some((line) => line.includes('edge')) && [...lists].some((line) => line.includes('join')), 'the programs were seen');
  for (const line of lists) for (const [name, secret] of known) assert.is(holds(line, secret), false, `${line} shows the ${name}`);
});

test('what others may read or enter holds none', () => {
  const all = [site.dataDir, board].flatMap(filesBelow);
  for (const { file, mode, isFolder } of all) {
    if (isFolder) assert.is(mode & 0o077, path.basename(file) === 'devices.d' ? mode & 0o077 : 0, `${file} is ${mode.toString(8)}`);
    if (isFolder || (mode & 0o077) === 0) continue;
    const text = readFileSync(file, 'latin1');
    if (file.endsWith('.yaml') && file.includes('devices.d')) continue; // written by this test
    for (const [name, secret] of known) assert.is(holds(text, secret), false, `${file} (${mode.toString(8)}) holds the ${name}`);
  }
  for (const { file, mode } of all.filter((each) => /\.(?:key|db|db-wal|log)$|kubeconfig$|admin-token$|accounts\.json$/.test(each.file))) {
    assert.is(mode & 0o077, 0, `${file} is ${mode.toString(8)}`);
  }
});

test.run();

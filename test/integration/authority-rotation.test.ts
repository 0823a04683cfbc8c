// timeout: 300s
/**
 * One authority takes over from another under two clouds and three boards, one of which is away, with values, desired changes and uploads flowing; and
 * across a restart.
 */
import { X509Certificate } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { deviceModels, devices, nodes } from '#cloud/store/kube-api.ts';
import { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { readKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { agedBoard, type AgedBoard } from '#test/support/aged-board.ts';
import { askDoor } from '#test/support/cert-door.ts';
import { startTestCloud, type TestCloud } from '#test/support/cloud.ts';
import { thermostat, thermostatModel } from '#test/support/device-objects.ts';
import { startTestEdge, watchMqtt, type MqttWatcher, type TestEdge } from '#test/support/edge.ts';
import { freePort } from '#test/support/ports.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';
import { command as ca } from '../../bin/commands/ca.ts';
import { commonFlags, parseCommandLine } from '../../bin/commands/command.ts';

const dataDir = tempDir();
let cloud: TestCloud;
/** Another replica: files of its own, that began as a copy; pi-2 dials it. */
const secondDir = tempDir();
let second: TestCloud;
let ports = { hub: 0, https: 0, api: 0 };
const boards = new Map<string, AgedBoard>();
const edges = new Map<string, TestEdge>();
/** Of the authority before. */
let oldCa = '';

async function startCloud(): Promise<void> {
  const sets = [
    `modules.cloudHub.websocket.port=${String(ports.hub)}`,
    `modules.cloudHub.https.port=${String(ports.https)}`,
    `modules.apiServer.listen=127.0.0.1:${String(ports.api)}`,
  ];
  cloud = await startTestCloud({ dataDir, sets });
}

/** It has what a person copied there once, and the API. */
async function startSecond(): Promise<void> {
  for (const name of ['pki/ca.crt', 'pki/ca.key', 'cloud/admin-token']) {
    mkdirSync(path.dirname(path.join(secondDir, name)), { recursive: true });
    copyFileSync(path.join(dataDir, name), path.join(secondDir, name));
  }
  const kubeconfig = path.join(dataDir, 'kubeconfig');
  second = await startTestCloud({ dataDir: secondDir, kubeconfig, sets: [`kubeAPIConfig.kubeConfig=${kubeconfig}`] });
}

async function startBoard(node: string): Promise<TestEdge> {
  const board = boards.get(node);
  if (board === undefined) throw new Error(node);
  const sets = [`modules.edgeHub.httpServer=https://127.0.0.1:${String(ports.https)}`, 'modules.mapperHost.enable=false'];
  const hub = `127.0.0.1:${String(node === 'pi-2' ? second.cloud.hubPort : ports.hub)}`;
  const edge = await startTestEdge({ dataDir: board.dataDir, node, hub, sets });
  edges.set(node, edge);
  return edge;
}

/** The machine may be busy. */
const PATIENT = { deadlineMs: 60_000, everyMs: 100 };

/** What it prints; a failure's sentence is thrown. */
async function hivelet(...argv: string[]): Promise<string> {
  const { args, flags } = parseCommandLine({ ...commonFlags, ...ca.flags }, argv);
  const lines: string[] = [];
  const io = { out: (line: string) => void lines.push(line), error: () => undefined, terminal: false };
  assert.is(await ca.run({ args, flags, io, env: {}, clock: systemClock, signal: new AbortController().signal, dataDir }), 0);
  return lines.join('\n');
}

interface Status {
  phase: string;
  boards: { node: string; trustsNew: boolean; usesNew: boolean; note: string }[];
}
const status = async (): Promise<Status> => JSON.parse(await hivelet('status', '--json')) as Status;
const pem = (name: string): string => readFileSync(path.join(dataDir, 'pki', name), 'utf8');
const count = (text: string): number => text.split('BEGIN CERTIFICATE').length - 1;
const isOf = (certificate: X509Certificate, authority: string): boolean =>
  certificate.checkIssued(new X509Certificate(authority)) && certificate.verify(new X509Certificate(authority).publicKey);

/** What a server shows. */
function shownAt(port: number): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    const socket = tlsConnect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      const certificate = socket.getPeerX509Certificate();
      socket.destroy();
      if (certificate === undefined) reject(new Error('nothing was shown'));
      else resolve(certificate);
    });
    socket.on('error', reject);
  });
}

test.before(async () => {
  ports = { hub: await freePort(), https: await freePort(), api: await freePort() };
  await startCloud();
  await startSecond();
  oldCa = pem('ca.crt');
  for (const node of ['pi-1', 'pi-2', 'pi-3']) {
    boards.set(node, await agedBoard({ node, cloudDir: dataDir, issuedDaysAgo: 10, api: cloud.api }));
    await startBoard(node);
    await until(() => cloud.api.get(nodes, { name: node }), { what: `Node ${node}`, ...PATIENT });
  }
  await edges.get('pi-3')?.edge.stop();
  edges.delete('pi-3');
  await cloud.api.create(deviceModels, { ...thermostatModel(), metadata: { name: 'therm', namespace: 'default' } });
  await cloud.api.create(devices, { ...thermostat({ node: 'pi-1' }), metadata: { name: 'thermo', namespace: 'default' } });
});
test.after(async () => {
  for (const { edge } of edges.values()) await edge.stop();
  await second.close();
  await cloud.close();
});

/** Desired values, reports and uploads until it is stopped; gives how many of each there were. */
class Traffic {
  sent = 0;
  #running = true;
  #loop: Promise<void> = Promise.resolve();
  readonly mqtt: MqttWatcher;

  constructor(mqtt: MqttWatcher) {
    this.mqtt = mqtt;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<number> {
    this.#running = false;
    await this.#loop;
    return this.sent;
  }

  async #run(): Promise<void> {
    while (this.#running) {
      this.sent += 1;
      const value = String(this.sent % 100);
      this.mqtt.publish('SYS/dis/upload_records', `record ${String(this.sent)}`, { qos: 1 });
      const twin = { temperature: { actual: { value: String(this.sent) } } };
      this.mqtt.publish('$hw/events/device/thermo/twin/update', JSON.stringify({ event_id: `r${String(this.sent)}`, twin }), { qos: 1 });
      const operations = [{ op: 'replace', path: '/status/twins/0/desired/value', value }] as const;
      await cloud.api.patch(devices, { namespace: 'default', name: 'thermo' }, { type: 'json', operations });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function records(): Promise<string[]> {
  const token = readFileSync(path.join(dataDir, 'cloud/admin-token'), 'utf8').trim();
  const headers = { Authorization: `Bearer ${token}` };
  const { text } = await askDoor({ port: ports.https, path: '/hivelet/uploads', headers });
  return text.split('\n').map((line) => (JSON.parse(line) as { payload: string }).payload);
}

test('boards that are linked trust the new authority, get certificates of it and link with them; nothing that flows is lost', async () => {
  const first = edges.get('pi-1');
  if (first === undefined) throw new Error('pi-1');
  const mqtt = await watchMqtt(first.port, ['$hw/events/device/thermo/#']);
  const traffic = new Traffic(mqtt);
  traffic.start();
  await until(async () => (await records()).length > 5, { what: 'traffic', ...PATIENT });
  assert.match(await hivelet('rotate'), /^The new authority is [0-9a-f]{16}; [0-9a-f]{16} stays trusted beside it\./);
  const done = async (): Promise<boolean> => (await status()).boards.filter(({ usesNew }) => usesNew).length === 2;
  await until(done, { what: 'two boards on the new authority', ...PATIENT });
  const sent = await traffic.stop();
  const wanted = Array.from({ length: sent }, (_, index) => `record ${String(index + 1)}`);
  await until(async () => new Set(await records()).size >= sent, { what: 'all records', ...PATIENT });
  // One that was stored and whose receipt was lost is told again on the next link.
  assert.equal([...new Set(await records())], wanted);
  const desired = `"${String(sent % 100)}"`;
  const isLast = ({ topic, payload }: { topic: string; payload: string }): boolean =>
    topic.endsWith('/twin/update/delta') && payload.includes(desired);
  await until(() => mqtt.seen.find(isLast), { what: 'the last desired value', ...PATIENT });
  for (const node of ['pi-1', 'pi-2']) {
    const board = boards.get(node);
    assert.ok(board !== undefined && isOf(board.certificate(), pem('ca-next.crt')), node);
    assert.is(count(readFileSync(board.files.authority, 'utf8')), 2);
  }
  assert.ok(first.log.some(({ event }) => event === 'link.anew'));
  await mqtt.close();
});

test('while a board is away the servers stay, the old one cannot be dropped, and everybody sees who needs it', async () => {
  const { phase, boards: states } = await status();
  assert.is(phase, 'overlap');
  assert.equal(
    states.map(({ node, trustsNew, usesNew }) => [node, trustsNew, usesNew]),
    [
      ['pi-1', true, true],
      ['pi-2', true, true],
      ['pi-3', false, false],
    ],
  );
  assert.match(await hivelet('status'), /pi-3\s+no\s+old\s+was not seen since the change began\n2 of 3 boards trust the new one/);
  const refused = await hivelet('drop-old').then(
    () => 'it was dropped',
    (error: Error) => error.message,
  );
  assert.match(refused, /^a board still needs the old authority: pi-3 \(was not seen since the change began\); wait for them, or drop it/);
  const again = await hivelet('rotate').then(
    () => 'a third one',
    (error: Error) => error.message,
  );
  assert.match(again, /^the authority is being replaced already/);
  assert.ok(isOf(await shownAt(ports.api), oldCa));
  // The other cloud has the new key by the record alone.
  assert.is(readFileSync(path.join(secondDir, 'pki/ca-next.key'), 'utf8'), pem('ca-next.key'));
  // What boards join with is the old one until then, so that they can check who they talk to.
  assert.ok((await askDoor({ port: ports.https, path: '/ca.crt' })).body.equals(new X509Certificate(oldCa).raw));
  assert.is(count(readKubeconfig(path.join(dataDir, 'kubeconfig')).ca ?? ''), 2);
});

test('a restart of the cloud in the middle changes nothing', async () => {
  await cloud.close();
  await startCloud();
  assert.is((await status()).phase, 'overlap');
  const linked = (): boolean =>
    cloud.log.some(({ event, fields }) => event === 'node.connected' && (fields as { node?: string }).node === 'pi-1');
  await until(linked, { what: 'pi-1', ...PATIENT });
});

test('the board that was away follows when it comes back; then hub and API server show the new one, and links come back to it', async () => {
  const third = await startBoard('pi-3');
  await until(async () => (await status()).phase === 'moved', { what: 'the move', ...PATIENT });
  await until(() => pem('ca.crt') !== oldCa, { what: 'the files of the first cloud, which follow the record', ...PATIENT });
  const newCa = pem('ca.crt');
  await until(async () => isOf(await shownAt(ports.https), newCa), { what: 'the certificate of the port', ...PATIENT });
  await until(async () => isOf(await shownAt(ports.api), newCa), { what: 'the certificate of the API', ...PATIENT });
  await until(async () => isOf(await shownAt(second.cloud.httpsPort), newCa), { what: 'the other cloud', ...PATIENT });
  const done = async (): Promise<boolean> => (await status()).boards.every(({ usesNew, trustsNew }) => usesNew && trustsNew);
  await until(done, { what: 'all boards', ...PATIENT });
  assert.ok(third.log.some(({ event }) => event === 'certificate.renewed'));
  assert.ok((await askDoor({ port: ports.https, path: '/ca.crt' })).body.equals(new X509Certificate(newCa).raw));
});

test('dropped, the old one opens nothing any more: not with a certificate that it signed, and nobody trusts it', async () => {
  assert.match(await hivelet('drop-old'), /^The authority [0-9a-f]{16} is no longer trusted\./);
  const newCa = pem('ca.crt');
  for (const board of boards.values()) {
    const trusted = (): boolean => readFileSync(board.files.authority, 'utf8') === newCa;
    await until(trusted, { what: `${board.node} to trust one`, ...PATIENT });
  }
  assert.is(readKubeconfig(path.join(dataDir, 'kubeconfig')).ca, newCa);
  const api = new KubeClient({ access: readKubeconfig(path.join(dataDir, 'kubeconfig')), clock: systemClock });
  assert.is((await api.list(nodes)).items.length, 3);
  api.close();
  const { first, firstKey: key } = boards.get('pi-1') ?? {};
  assert.ok(first !== undefined && isOf(first, oldCa));
  const asked = await askDoor({ port: ports.https, body: Buffer.from('x'), cert: first?.toString(), key });
  assert.is(asked.status, 401);
  assert.match(asked.text, /^the client certificate is not valid/);
  assert.match(await hivelet('status'), /was replaced by it\.$/);
  assert.match(await hivelet('drop-old'), /nothing was changed/);
});

test('the next change starts from there', async () => {
  assert.match(await hivelet('rotate'), /^The new authority is/);
  await until(async () => (await status()).phase === 'moved', { what: 'the move', ...PATIENT });
  const done = async (): Promise<boolean> => (await status()).boards.every(({ usesNew }) => usesNew);
  await until(done, { what: 'all boards', ...PATIENT });
  await hivelet('drop-old');
  assert.ok([...boards.values()].every((board) => isOf(board.certificate(), pem('ca.crt'))));
});

test('by force nobody is waited for: who was away is named, all others stay', async () => {
  await edges.get('pi-3')?.edge.stop();
  edges.delete('pi-3');
  const before = pem('ca.crt');
  await hivelet('rotate');
  const done = async (): Promise<boolean> => (await status()).boards.filter(({ usesNew }) => usesNew).length === 2;
  await until(done, { what: 'the boards that are here', ...PATIENT });
  assert.match(await hivelet('drop-old', '--force'), /These boards have to join again: pi-3 \(was not seen since the change began\)/);
  const now = pem('ca.crt');
  assert.is.not(now, before);
  for (const node of ['pi-1', 'pi-2']) {
    const { files } = boards.get(node) ?? {};
    await until(() => files !== undefined && readFileSync(files.authority, 'utf8') === now, {
      what: `${node} to trust one`,
      ...PATIENT,
    });
  }
  const third = await startBoard('pi-3');
  await until(() => third.log.some(({ event }) => event === 'link.down'), { what: 'the refusal', ...PATIENT });
});

test.run();

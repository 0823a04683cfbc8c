// timeout: 180s
/** Proves that MQTT mappers written for KubeEdge work unmodified: a Go mapper of 1.5 to 1.14 and the JavaScript one of 1.4, with real programs. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deviceModels, devices, type KubeObject } from '#cloud/store/kube-api.ts';
import type { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { GoMapper } from '#test/simulators/go-mapper.ts';
import { JsMapper } from '#test/simulators/js-mapper.ts';
import { watchMqtt, type MqttWatcher } from '#test/support/edge.ts';
import { runProcess, type TestProcess } from '#test/support/processes.ts';
import { createSite, launcher, type Site } from '#test/support/programs.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const folder = tempDir();
const profile = path.join(folder, 'lists', 'deviceProfile.json');
const NAMESPACE = 'default';
let site: Site;
let cloud: TestProcess;
let edge: TestProcess;
let api: KubeClient;
let watcher: MqttWatcher;
const running: { stop(): Promise<void> }[] = [];

const startEdge = (...sets: string[]): Promise<TestProcess> => {
  const party = 'modules.mapperHost.thirdParty';
  const all = [`${party}.protocols=modbus`, `${party}.profileFile=${profile}`, ...sets];
  return site.edge({ args: all.flatMap((set) => ['--set', set]) });
};

const model = {
  apiVersion: `${devices.group}/${devices.version}`,
  kind: 'DeviceModel',
  metadata: { name: 'tank-model', namespace: NAMESPACE },
  spec: {
    properties: [
      { name: 'level', type: { float: { accessMode: 'ReadWrite', minimum: 0.5, maximum: 99.5, unit: 'percent' } } },
      { name: 'pumps', type: { int: { accessMode: 'ReadWrite', minimum: 0, maximum: 9 } } },
      { name: 'flow', type: { float: { accessMode: 'ReadOnly' } } },
    ],
  },
};

/** The address is one where nothing listens: if our own mapper took the device, it would be offline. */
function tank(name: string): KubeObject {
  const visitor = (propertyName: string, offset: number): object => ({
    propertyName,
    collectCycle: 200_000_000,
    modbus: { register: propertyName === 'flow' ? 'InputRegister' : 'HoldingRegister', offset, limit: 1 },
  });
  return {
    apiVersion: `${devices.group}/${devices.version}`,
    kind: 'Device',
    metadata: { name, namespace: NAMESPACE },
    spec: {
      deviceModelRef: { name: 'tank-model' },
      nodeSelector: { nodeSelectorTerms: [{ matchExpressions: [{ key: '', operator: 'In', values: [site.node] }] }] },
      protocol: { modbus: { slaveID: 3 }, common: { tcp: { ip: '127.0.0.1', port: 1 } } },
      propertyVisitors: [visitor('level', 0), visitor('pumps', 7), visitor('flow', 2)],
      data: { dataProperties: [{ propertyName: 'flow', metadata: { type: 'float' } }] },
    },
    status: { twins: ['level', 'pumps', 'flow'].map((propertyName) => ({ propertyName })) },
  };
}

interface Shown {
  state?: string;
  conditions?: { type: string; status: string }[];
  twins?: { propertyName: string; desired?: { value: string }; reported?: { value: string } }[];
}

async function statusOf(name: string): Promise<Shown> {
  return (await api.get(devices, { namespace: NAMESPACE, name }))['status'] as Shown;
}

async function reported(name: string, property: string): Promise<string | undefined> {
  return (await statusOf(name)).twins?.find(({ propertyName }) => propertyName === property)?.reported?.value;
}

/** The mapper's own word, and what it means to whoever asks whether the device is ready. */
async function readiness(name: string): Promise<string> {
  const { state, conditions = [] } = await statusOf(name);
  return `${state ?? ''} ${conditions.find(({ type }) => type === 'Ready')?.status ?? ''}`;
}

async function desire(name: string, property: string, value: string): Promise<void> {
  const index = (await statusOf(name)).twins?.findIndex(({ propertyName }) => propertyName === property) ?? -1;
  const operations = [{ op: 'add', path: `/status/twins/${index}/desired`, value: { value, metadata: { type: 'float' } } } as const];
  await api.patch(devices, { namespace: NAMESPACE, name }, { type: 'json', operations });
}

interface ListedTwin {
  propertyName: string;
  desired: { value: string };
}

function listed(): { deviceInstances: { id: string; twins: ListedTwin[] }[]; propertyVisitors?: unknown[] } {
  return JSON.parse(readFileSync(profile, 'utf8')) as ReturnType<typeof listed>;
}

async function startGo(login: { username?: string; password?: string } = {}): Promise<GoMapper> {
  const mapper = await GoMapper.start({ port: site.ports.mqtt, profile, protocol: 'modbus', ...login });
  running.push(mapper);
  return mapper;
}

const fileHas = (...ids: string[]): Promise<true> =>
  until(
    () =>
      existsSync(profile) &&
      listed()
        .deviceInstances.map(({ id }) => id)
        .join() === ids.join(),
    { what: `a file with ${ids.join()}` },
  );

test.before(async () => {
  site = await createSite(folder);
  cloud = await site.cloud();
  api = site.kube();
  await api.create(deviceModels, model);
  await api.create(devices, tank('tank'));
  edge = await startEdge();
  watcher = await watchMqtt(site.ports.mqtt, ['$hw/events/device/+/twin/update/delta', '$ke/events/device/+/data/update']);
});

test.after.each(async () => {
  for (const mapper of running.splice(0)) await mapper.stop();
});

test.after(async () => {
  await watcher.close().catch(() => undefined);
  api.close();
  await edge.stop();
  await cloud.stop();
});

test('the device list lies where the configuration says, readable for all, and our own mapper leaves the device alone', async () => {
  await fileHas('tank');
  assert.is(statSync(profile).mode & 0o777, 0o644);
  assert.not.match(edge.output, /mapper\.device\.bound/);
});

test('a Go mapper: desired values reach it, its reports and states reach the cloud, texts of six decimals do not flap', async () => {
  const mapper = await startGo();
  assert.equal(mapper.devices, ['tank']);
  await until(async () => (await readiness('tank')) === 'OK True', { what: 'the state OK in the cloud', deadlineMs: 20_000 });
  mapper.held.set('tank/flow', 3.25);
  await until(async () => (await reported('tank', 'flow')) === '3.250000', { what: 'its report in the cloud', deadlineMs: 20_000 });
  await until(() => watcher.seen.some(({ topic }) => topic === '$ke/events/device/tank/data/update'), { what: 'the time series' });

  await desire('tank', 'level', '12.5');
  await desire('tank', 'pumps', '4');
  await until(() => mapper.held.get('tank/level') === 12.5 && mapper.held.get('tank/pumps') === 4, { what: 'the desired values' });
  await until(async () => (await reported('tank', 'level')) === '12.500000' && (await reported('tank', 'pumps')) === '4', {
    what: 'their reports in the cloud',
    deadlineMs: 20_000,
  });
  // 12.500000 is 12.5: reports of it bring no further delta, and nothing is written again.
  const deltas = watcher.seen.filter(({ topic }) => topic.endsWith('/delta')).length;
  mapper.held.set('tank/flow', 4);
  await until(async () => (await reported('tank', 'flow')) === '4.000000', { what: 'several cycles later', deadlineMs: 20_000 });
  assert.is(watcher.seen.filter(({ topic }) => topic.endsWith('/delta')).length, deltas);
  assert.equal(
    mapper.written.filter((line) => !line.endsWith('=')),
    ['tank/level=12.5', 'tank/pumps=4'],
  );
  // What it would find after a restart is what is desired now.
  await until(() => listed().deviceInstances[0]?.twins.find(({ propertyName }) => propertyName === 'level')?.desired.value === '12.5', {
    what: 'the desired value in the file',
  });

  mapper.cut.add('tank');
  await until(async () => (await readiness('tank')) === 'DISCONNECTED False', { what: 'DISCONNECTED in the cloud', deadlineMs: 20_000 });
  mapper.cut.clear();
  await until(async () => (await readiness('tank')) === 'OK True', { what: 'OK again', deadlineMs: 20_000 });

  // A device that comes and one that goes, while it runs.
  await api.create(devices, tank('vat'));
  await until(() => mapper.devices.join() === 'tank,vat', { what: 'the new device taken up', deadlineMs: 20_000 });
  await until(async () => (await readiness('vat')) === 'OK True', { what: 'its state', deadlineMs: 20_000 });
  await api.delete(devices, { namespace: NAMESPACE, name: 'vat' });
  await until(() => mapper.devices.join() === 'tank', { what: 'the old device dropped', deadlineMs: 20_000 });
  await fileHas('tank');
});

test('after a restart a Go mapper writes what is desired now, and `Updated` as a type harms nothing', async () => {
  const mapper = await startGo();
  assert.equal(mapper.written, ['tank/level=12.5', 'tank/pumps=4']);
  await mapper.stop();
  const twin = { pumps: { actual: { value: '5' }, metadata: { type: 'Updated' } } };
  const old = await watchMqtt(site.ports.mqtt, [], 'eventbus');
  old.publish('$hw/events/device/tank/twin/update', JSON.stringify({ event_id: '', timestamp: 1, twin }));
  old.publish('$hw/events/device/tank/twin/cloud_updated', JSON.stringify({ event_id: '', timestamp: 1, twin }));
  await until(async () => (await reported('tank', 'pumps')) === '5', { what: 'the report of an old mapper', deadlineMs: 20_000 });
  await old.close();
});

test('the JavaScript mapper: the early layout, answers of seven segments, stamps that decide', async () => {
  await watcher.close();
  await edge.stop();
  edge = await startEdge('modules.mapperHost.thirdParty.profileLayout=v1alpha1', 'modules.mapperHost.thirdParty.profileReaders=group');
  await until(() => listed().propertyVisitors !== undefined, { what: 'the file in its other layout' });
  assert.is(statSync(profile).mode & 0o777, 0o640);
  const mapper = await JsMapper.start({ port: site.ports.mqtt, profile, pollMs: 200 });
  running.push(mapper);
  // Desired 4, reported 5, the report newer: it leaves it so, and reports what its register holds.
  await until(async () => (await reported('tank', 'pumps')) === '0', { what: 'its first report in the cloud', deadlineMs: 20_000 });
  await desire('tank', 'pumps', '7');
  await until(() => mapper.registers.get('tank')?.get(7) === 7, { what: 'the register that the visitor names', deadlineMs: 20_000 });
  await until(async () => (await reported('tank', 'pumps')) === '7', { what: 'its report in the cloud', deadlineMs: 20_000 });
  assert.equal([...new Set(mapper.written)], ['tank/pumps=7']);
});

test('with accounts, one account is enough for a mapper; without it nobody comes in', async () => {
  await edge.stop();
  const account = ['mqtt', 'account', 'add', 'go-mapper', '--app', '--mapper-of', '+', '--subscribe', '$hw/events/node/#'];
  const args = [...account, '--password-file', '-', '--data-dir', folder];
  const { code, stderr } = await runProcess({ command: launcher, args, input: 'a long password of a mapper\n' });
  assert.is(code, 0, stderr);
  edge = await startEdge('modules.eventBus.requireAccounts=true');
  await until(() => listed().propertyVisitors === undefined, { what: 'the file in the usual layout' });
  assert.match(await startGo().then(String, String), /Not authorized|Bad username or password/i);
  const mapper = await startGo({ username: 'go-mapper', password: 'a long password of a mapper' });
  mapper.held.set('tank/flow', 6.5);
  await until(async () => (await reported('tank', 'flow')) === '6.500000', { what: 'its report in the cloud', deadlineMs: 20_000 });
  await desire('tank', 'level', '40');
  await until(() => mapper.held.get('tank/level') === 40, { what: 'the desired value', deadlineMs: 20_000 });
});

test.run();

/** Owns the proof of get, set and watch through a real API server, with the edge's part played by patches. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { silentLogger } from '#beehive/log.ts';
import { deviceModels, devices, nodes, type JsonPatchOperation, type KubeObjectInput } from '#cloud/store/kube-api.ts';
import { installDefinitions, startApiServer, type TestApiServer } from '#test/support/api-server.ts';
import { until, within } from '#test/support/until.ts';
import { yamlDocuments } from '#test/support/yaml-fixture.ts';
import { ApiTwins } from '../../bin/commands/twins/api-twins.ts';
import { seenText } from '../../bin/commands/twins/seen.ts';

let api: TestApiServer;
let twins: ApiTwins;
const abort = new AbortController();
const name = { namespace: 'default', name: 'thermostat' };

function sample(file: string): KubeObjectInput {
  const url = new URL(`../../device-models/samples/${file}.yaml`, import.meta.url);
  return yamlDocuments(readFileSync(url, 'utf8'))[0] as unknown as KubeObjectInput;
}

async function patch(...operations: JsonPatchOperation[]): Promise<void> {
  await api.client.patch(devices, name, { type: 'json', operations });
}

/** What the edge would say; the entries keep their order. */
const twin = (propertyName: string, value: string, desired?: string): Record<string, unknown> => ({
  propertyName,
  ...(desired === undefined ? {} : { desired: { value: desired, metadata: { type: 'float' } } }),
  reported: { value, metadata: { timestamp: '1000', type: 'float' } },
});

/** The message of what the promise rejects with. */
async function failureOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('it did not fail');
}

test.before(async () => {
  api = await startApiServer();
  await installDefinitions(api.client);
  await api.client.create(deviceModels, sample('modbus-thermostat-model'));
  await api.client.create(devices, sample('modbus-thermostat'));
  await api.client.create(nodes, { metadata: { name: 'demo-board' } });
  const uploads = { access: { server: api.url, namespace: 'default' }, hub: api.url, last: 0 };
  twins = new ApiTwins({
    api: api.client,
    where: api.url,
    namespace: 'default',
    uploads,
    clock: systemClock,
    log: silentLogger(),
    signal: abort.signal,
  });
});

test.after(async () => {
  abort.abort();
  await api.close();
});

test('devices and nodes are listed with what binds them', async () => {
  assert.equal(
    (await twins.devices()).map((device) => [device.namespace, device.name, device.node, device.model, device.protocol]),
    [['default', 'thermostat', 'demo-board', 'modbus-thermostat-model', 'modbus']],
  );
  assert.equal(
    (await twins.nodes()).map((node) => [node.name, node.ready, node.devices]),
    [['demo-board', 'Unknown', 1]],
  );
});

test('a value is set in the API, also where there is no status, and not waited for when nobody wants to', async () => {
  const [outcome] = await twins.set('thermostat', [{ property: 'setpoint', value: '22' }], { waitMs: 0 });
  assert.equal(outcome, { property: 'setpoint', value: '22' });
  const stored = (await api.client.get(devices, name)) as unknown as { status: { twins: unknown[] } };
  assert.equal(stored.status.twins, [{ propertyName: 'setpoint', desired: { value: '22', metadata: { type: 'float' } } }]);
});

test('setting waits for the report, within half a scale, and says what was before', async () => {
  const setting = twins.set('default/thermostat', [{ property: 'setpoint', value: '23' }], { waitMs: 10_000 });
  await until(async () => (await twins.twins('thermostat')).twins[0]?.desired === '23', { what: 'the desired value in the API' });
  await patch({ op: 'add', path: '/status/twins/0/reported', value: { value: '22.0', metadata: { timestamp: '1', type: 'float' } } });
  await patch({ op: 'add', path: '/status/twins/0/reported', value: { value: '23.04', metadata: { timestamp: '2', type: 'float' } } });
  const [outcome] = await within(setting, { what: 'the outcome' });
  assert.equal([outcome?.before, outcome?.value, outcome?.reported, outcome?.reason], ['22', '23', '23.04', undefined]);
});

test('a value that the device refuses is told at once, one that is not written yet when the time is over', async () => {
  const says = (desired: string, result: string): Promise<void> =>
    patch({ op: 'add', path: '/status/twins/0/write', value: { desired, result, reason: 'ILLEGAL DATA VALUE', timestamp: '1000' } });
  const set = async (value: string, waitMs: number): Promise<string | undefined> =>
    (await twins.set('thermostat', [{ property: 'setpoint', value }], { waitMs }))[0]?.reason;
  await says('26', 'refused');
  assert.is(await set('26', 60_000), 'refused: ILLEGAL DATA VALUE');
  await says('27', 'failed');
  assert.is(await set('27', 50), 'not written, it is tried again: ILLEGAL DATA VALUE');
  assert.is.not(await set('28', 50), 'not written, it is tried again: ILLEGAL DATA VALUE', 'what was said of another value');
});

test('what is not reported in time says why, and stays desired', async () => {
  await patch({
    op: 'add',
    path: '/status/conditions',
    value: [{ type: 'Ready', status: 'False', reason: 'X', message: 'the node says that it is offline' }],
  });
  const [outcome] = await twins.set('thermostat', [{ property: 'setpoint', value: '24' }], { waitMs: 50 });
  assert.equal([outcome?.reported, outcome?.reason], [undefined, 'the node says that it is offline']);
  assert.is((await twins.twins('thermostat')).twins[0]?.desired, '24');
});

test('a wrong value, property or device changes nothing and names the remedy', async () => {
  const before = (await api.client.get(devices, name)).metadata.resourceVersion;
  const cases: [device: string, property: string, value: string, message: RegExp][] = [
    ['thermostat', 'setpoint', '99', /outside the range of thermostat\.setpoint: 5 to 35/],
    ['thermostat', 'heating', 'true', /read-only/],
    ['thermostat', 'setpiont', '20', /did you mean setpoint\?/],
    ['thermostatt', 'setpoint', '20', /^there is no device thermostatt in namespace default; did you mean thermostat\?$/],
    ['other/thermostat', 'setpoint', '20', /^there is no device thermostat in namespace other; see `hivelet get devices`$/],
  ];
  for (const [device, property, value, expected] of cases) {
    const message = await failureOf(twins.set(device, [{ property, value }], { waitMs: 0 }));
    assert.match(message, expected);
  }
  assert.is((await api.client.get(devices, name)).metadata.resourceVersion, before);
});

test('another writer between look and patch only makes it look again', async () => {
  const busy = Array.from({ length: 10 }, (_, index) => patch({ op: 'add', path: '/status/twins/-', value: twin(`extra${index}`, '1') }));
  const [outcome] = await twins.set('thermostat', [{ property: 'setpoint', value: '21' }], { waitMs: 0 });
  await Promise.all(busy);
  assert.is(outcome?.value, '21');
  assert.is((await twins.twins('thermostat')).twins[0]?.desired, '21');
});

test('watching shows what is there, then each change, until it is stopped', async () => {
  const lines: string[] = [];
  const stop = new AbortController();
  const watching = twins.watch(['thermostat'], (change) => lines.push(seenText(change)), stop.signal);
  await until(() => lines.some((line) => line.startsWith('thermostat setpoint 23.04')), { what: 'the first look' });
  const from = lines.length;
  await patch({ op: 'replace', path: '/status/twins/0/reported/value', value: '21.0' });
  await until(() => lines.length > from, { what: 'the change' });
  assert.is(lines[from], 'thermostat setpoint 21.0 degree Celsius (desired 21, in sync)');
  stop.abort();
  await within(watching, { what: 'the end of watching' });
  assert.match(await failureOf(twins.watch(['nothing'], () => undefined, abort.signal)), /there is no device nothing/);
});

test.run();

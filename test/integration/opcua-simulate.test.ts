// timeout: 120s
/** Proves that `hivelet simulate opcua` plays what a model says, and that discovery finds it again. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { isHiveletError } from '#beehive/errors.ts';
import { silentLogger } from '#beehive/log.ts';
import { readProfile } from '#device-models/read-profile.ts';
import { bindDevice } from '#mappers/host/binding.ts';
import { createOpcuaPlugin } from '#mappers/opcua/plugin.ts';
import { PRESS } from '#mappers/opcua/press.ts';
import { startProfileServer } from '#mappers/opcua/simulate.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { yamlDocuments } from '#test/support/yaml-fixture.ts';

const directory = tempDir();
const signal = new AbortController().signal;
const context = { clock: systemClock, log: silentLogger(), signal };
const plugin = createOpcuaPlugin({ pkiDirectory: path.join(directory, 'client') });
const written: unknown[] = [];
const server = await startProfileServer({
  clock: systemClock,
  profiles: [PRESS],
  pkiDirectory: path.join(directory, 'server'),
  onWrite: (write) => written.push(write),
});

test('the press is what the sample says', () => {
  const sample = (name: string): Record<string, unknown> =>
    yamlDocuments(readFileSync(new URL(`../../device-models/samples/${name}.yaml`, import.meta.url), 'utf8'), '1.1')[0] ?? {};
  const { profile, problems } = readProfile(sample('opcua-press'), sample('opcua-press-model'));
  assert.equal(problems, []);
  const bare = (of: unknown): unknown => JSON.parse(JSON.stringify(of));
  assert.equal(bare(profile), bare(PRESS));
});

test('its properties are read, written within the bounds of the model, and refused when it is told to', async () => {
  const binding = bindDevice({ ...PRESS, protocolConfig: { url: server.url } }, plugin);
  assert.is(binding.faults.size, 0);
  const link = plugin.link({ url: server.url }, 'spec.protocol');
  const connection = await plugin.open(link, context);
  const points = PRESS.properties.map(({ name, type, visitor }) => ({
    name,
    type,
    access: plugin.access(visitor?.config ?? {}, 'visitor', { name, type }),
  }));
  const values = async (): Promise<Record<string, unknown>> =>
    Object.fromEntries(
      (await connection.read(link, points, { signal })).map((each) => [each.name, 'value' in each ? each.value : each.error]),
    );
  const { pressure, ...others } = await values();
  assert.ok(typeof pressure === 'number' && pressure >= 0 && pressure <= 250);
  assert.is(others['speed'], 30n);
  assert.is(others['motor'], false);
  const [, speed] = points;
  assert.ok(speed);
  await connection.write(link, { point: speed, value: 45n }, { signal });
  assert.is((await values())['speed'], 45n);
  assert.equal(written, [{ device: 'press', property: 'speed', value: 45 }]);
  const refused = await connection.write(link, { point: speed, value: 61n }, { signal }).then(
    () => 'taken',
    (error: unknown) => (isHiveletError(error) ? `${error.code} ${error.message}` : String(error)),
  );
  assert.is(refused, 'POINT_REJECTED ns=2;s=Press.Speed: BadOutOfRange: the value is outside what the device takes');
  server.device('press').refuse('motor', true);
  assert.match(String((await values())['motor']), /BadSensorFailure: the sensor behind the server has failed/);
  server.device('press').refuse('motor', false);
  await connection.close();
});

test('discovery finds its variables with type, access, description, bounds and unit', async () => {
  assert.ok(plugin.discover);
  const found = [];
  for await (const device of plugin.discover({ url: server.url, 'security-mode': 'None' }, context)) found.push(device);
  const [device] = found;
  assert.is(found.length, 1);
  assert.is(device?.name, 'Hivelet simulator');
  assert.equal(device?.protocol, { url: server.url, securityMode: 'None' });
  assert.equal(device?.remarks, []);
  const property = (nodeID: string): unknown => device?.properties.find(({ visitor }) => visitor['nodeID'] === nodeID);
  assert.equal(property('ns=2;s=Press.Pressure'), {
    name: 'pressure',
    type: 'double',
    accessMode: 'ReadOnly',
    description: 'oil pressure',
    minimum: '0',
    maximum: '250',
    unit: 'bar',
    visitor: { nodeID: 'ns=2;s=Press.Pressure' },
  });
  assert.equal(property('ns=2;s=Press.Motor'), {
    name: 'motor',
    type: 'boolean',
    accessMode: 'ReadWrite',
    description: 'whether the main motor is to run',
    visitor: { nodeID: 'ns=2;s=Press.Motor' },
  });
  assert.is(device?.properties.length, 4);
});

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: unknown) => (isHiveletError(error) ? error.code : String(error)),
  );

test('discovery refuses words that it does not know, and tells when its bounds end it', async () => {
  assert.ok(plugin.discover);
  const first = async (where: Record<string, string>): Promise<unknown> => {
    for await (const device of plugin.discover?.(where, context) ?? []) return device.remarks;
    return undefined;
  };
  assert.is(await codeOf(first({ url: server.url, baud: '9600' })), 'USAGE');
  assert.is(await codeOf(first({ host: '127.0.0.1' })), 'USAGE');
  assert.match(String(await first({ url: server.url, nodes: '2' })), /there are more than 2 nodes or 8 levels: name a deeper --root/);
  for (const [where, code, sentence] of [
    [{ root: 'press' }, 'USAGE', '--root press is no id of a node: write one such as ns=2;s=Press or ns=2;i=1001'],
    [{ root: 'ns=7;s=x' }, 'POINT_REJECTED', `${server.url}: there is no node ns=7;s=x: name another --root, or leave it out`],
    [{ depth: '0' }, 'USAGE', '--depth 0: write a whole number from 1 to 32'],
    [{ 'security-mode': 'Full' }, 'USAGE', '--security-mode: "Full" is not known: write one of None, Sign, SignAndEncrypt'],
  ] as const) {
    const failure = await first({ url: server.url, ...where }).catch((error: unknown) => error);
    assert.ok(isHiveletError(failure, code), String(failure));
    assert.is(failure.message, sentence);
  }
});

test.after(() => server.close());
test.run();

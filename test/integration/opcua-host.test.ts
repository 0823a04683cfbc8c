// timeout: 180s
/** Proves that OPC UA devices work from the mapper host, in a process of their own: trust, pushed values, writes, a restart of the server. */
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { TrustList } from '#mappers/opcua/trust-list.ts';
import { MapperWorld } from '#test/simulators/mapper-world.ts';
import { startOpcuaField, type FieldOptions, type OpcuaField } from '#test/simulators/opcua-field.ts';
import { profile, property } from '#test/simulators/profiles.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const directory = tempDir();
const pkiDirectory = path.join(directory, 'client');
const options: FieldOptions = {
  pkiDirectory: path.join(directory, 'server'),
  policies: ['Basic256Sha256'],
  modes: ['SignAndEncrypt'],
  users: { joe: 'open sesame' },
};
let field: OpcuaField = await startOpcuaField(options);
const { port } = field;

const node = (name: string, type: 'double' | 'int'): DeviceProfile['properties'][number] =>
  property('opcua', name, { type, collectCycleMs: 200, config: { nodeID: `ns=2;s=${name}` } });

const press = profile('press', {
  protocol: 'opcua',
  config: { url: field.url, securityPolicy: 'Basic256Sha256', userName: 'joe', password: 'press.password', timeout: 2 },
  properties: [node('Double', 'double'), node('picky', 'int'), node('Int64', 'int')],
});

const world = new MapperWorld({
  clock: systemClock,
  profiles: [press],
  processes: {
    placement: {},
    plugins: {
      opcua: { pkiDirectory },
      secrets: { resolve: (reference) => Promise.resolve(Buffer.from(reference === 'press.password' ? 'open sesame\n' : '')) },
    },
  },
});
world.broker.addDevice('press', { Double: { type: 'double' }, picky: { type: 'int' }, Int64: { type: 'int' } });

const deadlineMs = 60_000;
const state = (): string => world.broker.lastState('press')?.state ?? '';
const reason = (): string => world.broker.lastState('press')?.reason ?? '';

test('a device whose server is not trusted is offline, and says what to run', async () => {
  await world.start();
  await until(() => state() === 'offline', { what: 'the device to be offline', deadlineMs });
  assert.match(reason(), /"Test field" \(thumbprint [0-9A-F]{40}\) is not trusted: .*run hivelet opcua trust [0-9A-F]{40}/);
  assert.is(world.mappers?.plugins().find(({ name }) => name === 'opcua')?.placement, 'child');
});

test('once it is trusted the device comes by itself, with its values exact', async () => {
  const list = new TrustList(pkiDirectory);
  const [waiting] = await list.list();
  assert.ok(waiting);
  await list.trust(waiting.thumbprint);
  await until(() => state() === 'online', { what: 'the device to be online', deadlineMs });
  await until(() => world.broker.actual('press', 'Int64') === '9223372036854775807', { what: 'the largest int64', deadlineMs });
  assert.is(world.broker.actual('press', 'Double'), '0.1');
});

test('a change at the server is told without being asked for', async () => {
  await field.ask({ do: 'set', name: 'Double', value: 2.5 });
  await until(() => world.broker.actual('press', 'Double') === '2.5', { what: 'the change', deadlineMs });
});

test('a desired value is written in the type of the node, and a refusal is told with the status', async () => {
  world.broker.desire('press', 'picky', '42');
  await until(() => world.broker.actual('press', 'picky') === '42', { what: 'the value to be reported', deadlineMs });
  assert.is(await field.ask({ do: 'written', name: 'picky' }), '42');
  world.broker.desire('press', 'picky', '101');
  const refused = await until(() => world.broker.outcomes('press', 'picky').find(({ desired }) => desired === '101'), {
    what: 'the outcome',
    deadlineMs,
  });
  assert.is(refused.result, 'refused');
  assert.match(refused.reason ?? '', /BadOutOfRange: the value is outside what the device takes/);
  world.broker.desire('press', 'picky', '7');
  await until(() => world.broker.actual('press', 'picky') === '7', { what: 'the next value', deadlineMs });
});

test('a restart of the server makes the device offline and online again within ten seconds of the start', async () => {
  await field.kill();
  await until(() => state() === 'offline', { what: 'the device to be offline', deadlineMs });
  field = await startOpcuaField({ ...options, port });
  const upAt = systemClock.monotonic();
  await field.ask({ do: 'set', name: 'Double', value: 9.5 });
  await until(() => state() === 'online' && world.broker.actual('press', 'Double') === '9.5', {
    what: 'the device to be back',
    deadlineMs,
  });
  const tookMs = systemClock.monotonic() - upAt;
  assert.ok(tookMs <= 10_000, `it took ${String(Math.round(tookMs))} ms`);
});

test('the process ends with the last device', async () => {
  world.remove('press');
  await until(() => world.mappers?.plugins().find(({ name }) => name === 'opcua')?.state === 'idle', {
    what: 'the end of the process',
    deadlineMs,
  });
});

test.after(async () => {
  await world.stop();
  await field.stop();
});
test.run();

// timeout: 240s
/** Proves with real processes that a mapper that dies, hangs, floods or lies costs its own devices only, and that none is left behind. */
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import type { PluginRow } from '#mappers/index.ts';
import type { PluginStatus } from '#mappers/mappers.ts';
import { BenchPlugin } from '#test/simulators/bench-devices.ts';
import { MapperWorld, type ProcessOptions } from '#test/simulators/mapper-world.ts';
import { profile, property } from '#test/simulators/profiles.ts';
import { until } from '#test/support/until.ts';

const root = join(import.meta.dirname, '../..');

interface Room {
  worlds: MapperWorld[];
}

const test = suite<Room>('mapper processes');

test.before.each((room) => void (room.worlds = []));

test.after.each(async ({ worlds }) => {
  const pids = worlds.flatMap((world) => world.mappers!.plugins().flatMap(({ pid }) => pid ?? []));
  for (const world of worlds) await world.stop();
  for (const pid of pids) assert.not(isAlive(pid), `${String(pid)} is left`);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const unused = (): Promise<never> => Promise.reject(new Error('it is loaded in its own process only'));
const table: ReadonlyMap<string, PluginRow> = new Map([
  ['trial', { plugin: 'trial', placement: 'child', load: unused }],
  ['driverless', { plugin: 'driverless', placement: 'child', load: unused }],
  ['bench', { plugin: 'bench', placement: 'inside', load: async () => new BenchPlugin(systemClock) }],
]);
const program = { command: process.execPath, args: ['--import', 'tsx', join(root, 'test/simulators/trial-mapper.ts')], cwd: root };

const trial = (behave: string, name = 'pump', protocol = 'trial'): DeviceProfile =>
  profile(name, { protocol, config: { behave, password: 'pump.password' }, properties: [property(protocol, 'speed')] });

async function serve(room: Room, profiles: DeviceProfile[], options: Partial<ProcessOptions> = {}): Promise<MapperWorld> {
  const processes = { program, lingerMs: 100, pingMs: 500, ...options.processes };
  const world = new MapperWorld({ clock: systemClock, profiles, processes: { placement: {}, table, ...options, processes } });
  room.worlds.push(world);
  await world.start();
  return world;
}

const statusOf = (world: MapperWorld, name = 'trial'): PluginStatus => world.mappers!.plugins().find((plugin) => plugin.name === name)!;
const reasonOf = (world: MapperWorld, device = 'pump'): string => world.broker.lastState(device)?.reason ?? '';
const unhealthy = (world: MapperWorld, reason: RegExp): Promise<unknown> =>
  until(() => world.broker.states('pump').some((state) => state.state === 'unhealthy' && reason.test(state.reason ?? '')), {
    what: String(reason),
    deadlineMs: 60_000,
  });
const says = (world: MapperWorld, what: RegExp, device = 'pump'): Promise<unknown> =>
  until(() => world.broker.lastState(device)?.state === 'online' && what.test(reasonOf(world, device)), {
    what: String(what),
    deadlineMs: 60_000,
  });

test('no process runs before a device needs one, and none after', async (room) => {
  const world = await serve(room, []);
  assert.equal(statusOf(world), {
    name: 'trial',
    protocols: ['trial'],
    placement: 'child',
    devices: 0,
    state: 'idle',
    loaded: false,
    restarts: 0,
  });
  world.set(trial('serve'));
  await says(world, /pid/);
  const { pid = 0, state, devices } = statusOf(world);
  assert.equal([state, devices], ['running', 1]);
  assert.is(reasonOf(world), `pid ${String(pid)}`);
  assert.equal(world.host.devices(), [{ name: 'pump', protocol: 'trial', state: { word: 'online', reason: `pid ${String(pid)}` } }]);
  world.remove('pump');
  await until(() => statusOf(world).state === 'idle', { what: 'the end of the process' });
  assert.not(isAlive(pid));
});

test('a process that is killed is started again, and its devices tell the truth again', async (room) => {
  const world = await serve(room, [trial('serve')]);
  await says(world, /pid/);
  const { pid = 0 } = statusOf(world);
  process.kill(pid, 'SIGKILL');
  await unhealthy(world, /^the process of the mapper trial ended \(SIGKILL\) and is started again$/);
  await says(world, /pid/);
  assert.is.not(reasonOf(world), `pid ${String(pid)}`);
  assert.is(statusOf(world).restarts, 1);
});

for (const [behave, reason] of [
  ['abort', /ended \(SIGABRT/],
  ['exit', /ended \(exit code 3: trial: the adapter is on fire\)/],
  ['throw', /ended \(exit code 1: TypeError: nobody catches this\)/],
] as const) {
  test(`where the process ends by "${behave}", its devices say so and those of others go on`, async (room) => {
    const bench = profile('neighbour', { protocol: 'bench', config: { unit: 'neighbour' }, properties: [] });
    const world = await serve(room, [trial(behave), bench]);
    await unhealthy(world, reason);
    await until(() => statusOf(world).restarts >= 2, { what: 'another attempt', deadlineMs: 60_000 });
    assert.match(statusOf(world).reason ?? '', /exit code|SIGABRT/);
    assert.match(world.host.health().detail ?? '', /trial: /);
    assert.ok(world.host.health().ok);
    assert.is(world.broker.lastState('neighbour')?.state, 'unknown');
  });
}

test('a process that hangs is killed', async (room) => {
  const world = await serve(room, [trial('hang')]);
  await until(() => statusOf(world).pid !== undefined, { what: 'its start', deadlineMs: 60_000 });
  await unhealthy(world, /it gave no sign of life for 3 s/);
});

test('a process that does not end when it is asked to is made to', async (room) => {
  const world = await serve(room, [trial('stay')]);
  await says(world, /stays/);
  const { pid = 0 } = statusOf(world);
  await world.stop();
  assert.not(isAlive(pid));
  assert.is(world.events('mapper.process.killed').length, 1);
});

test('a flood fills the memory of its own process only, which then starts anew', async (room) => {
  const world = await serve(room, [trial('flood')]);
  const held: (() => void)[] = [];
  world.broker.held = held;
  const before = process.memoryUsage().rss;
  await unhealthy(world, /ended \(exit code 1: .*does not read/);
  assert.ok(held.length < 1000, `${String(held.length)} messages wait`);
  const grownMiB = (process.memoryUsage().rss - before) / 2 ** 20;
  assert.ok(grownMiB < 40, `${String(grownMiB)} MiB`);
  world.broker.held = undefined;
  for (const release of held) release();
});

test('a process cannot speak for devices of others, nor hear them', async (room) => {
  const world = await serve(room, [trial('forge')]);
  await says(world, /has tried/);
  world.broker.addDevice('valve');
  world.broker.desire('valve', 'speed', '1');
  assert.equal([...new Set(world.broker.published.map(({ topic }) => topic))], ['$hw/events/device/pump/state/update']);
  assert.equal(world.broker.subscriptions, []);
  assert.is(world.events('mapper.process.refused').length, 5);
});

test('secrets come from edgecore, those of its own devices only; the environment holds none', async (room) => {
  const secrets = { resolve: (reference: string) => Promise.resolve(Buffer.from(`content of ${reference}`)) };
  const env = { ...process.env, MQTT_PASSWORD: 'x', TZ: 'UTC' };
  const world = await serve(room, [trial('secret'), trial('environment', 'other')], { plugins: { secrets }, env });
  await says(world, /^content of pump\.password; password: no device of this mapper names such a secret$/);
  await says(world, /PATH/, 'other');
  assert.match(reasonOf(world, 'other'), /\bTZ\b/);
  assert.not.match(reasonOf(world, 'other'), /MQTT_PASSWORD|HOME|NODE/);
});

test('a driver that is not installed is told of its devices, and costs no restarts', async (room) => {
  const world = await serve(room, [trial('', 'pump', 'driverless')]);
  const state = await until(() => world.broker.lastState('pump'), { what: 'its state', deadlineMs: 60_000 });
  assert.is(state.state, 'unknown');
  assert.match(state.reason ?? '', /^the plugin of the protocol driverless cannot be loaded: Cannot find package 'no-such-driver'/);
  const { loaded, restarts, reason } = statusOf(world, 'driverless');
  assert.equal([loaded, restarts], [false, 0]);
  assert.match(reason ?? '', /Cannot find package 'no-such-driver'/);
});

test('a device whose protocol changes moves to the other mapper', async (room) => {
  const world = await serve(room, [trial('serve')]);
  await says(world, /pid/);
  const { pid = 0 } = statusOf(world);
  world.set(profile('pump', { protocol: 'bench', config: { unit: 'pump' }, properties: [] }));
  await until(() => world.broker.lastState('pump')?.state === 'unknown', { what: 'its state inside' });
  await until(() => !isAlive(pid), { what: 'the end of the process' });
  assert.equal(
    world.host.devices().map(({ protocol }) => protocol),
    ['bench'],
  );
  world.set(trial('serve'));
  await says(world, /pid/);
});

test.run();

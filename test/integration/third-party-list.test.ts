/** Proves how deviceProfile.json is kept: what is written when, who is told of it, and what a folder that cannot be written does. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createLogger, type LogLine } from '#beehive/log.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import type { PubSub } from '#mappers/contract.ts';
import { divide } from '#mappers/third-party/divide.ts';
import { membershipWords } from '#mappers/third-party/membership-words.ts';
import type { Change } from '#mappers/third-party/served-by.ts';
import { ThirdPartyMappers } from '#mappers/third-party/third-party.ts';
import { profile, property } from '#test/simulators/profiles.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const press = profile('press', { protocol: 'modbus', config: { ip: '192.0.2.4' }, properties: [property('modbus', 'level')] });
const boiler: DeviceProfile = { ...press, name: 'boiler' };

/** The devices of a node as the twin tells them. */
class Node {
  readonly #devices = new Map<string, DeviceProfile>();
  readonly #listeners = new Set<(change: Change) => void>();
  list = (): DeviceProfile[] => [...this.#devices.values()];
  onChange = (listener: (change: Change) => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  set(device: DeviceProfile): void {
    this.#devices.set(device.name, device);
    for (const listener of this.#listeners) listener({ kind: 'set', profile: device });
  }
  remove(name: string): void {
    this.#devices.delete(name);
    for (const listener of this.#listeners) listener({ kind: 'removed', name });
  }
}

/** The topics that the module subscribed to, and what it published. */
class Topics implements PubSub {
  readonly handlers = new Map<string, (topic: string, payload: Buffer) => void>();
  readonly published: string[] = [];
  publish(topic: string): void {
    this.published.push(topic);
  }
  subscribe(filter: string, handler: (topic: string, payload: Buffer) => void): void {
    this.handlers.set(filter, handler);
  }
  unsubscribe(filter: string): void {
    this.handlers.delete(filter);
  }
  close(): void {
    this.handlers.clear();
  }
  /** The twin says something. */
  say(topic: string, body: object): void {
    this.handlers.get(topic)?.(topic, Buffer.from(JSON.stringify(body)));
  }
}

interface World {
  clock: FakeClock;
  node: Node;
  mqtt: Topics;
  file: string;
  told: string[];
  log: LogLine[];
  start(): Promise<ThirdPartyMappers>;
  stop(): Promise<void>;
}

const test = suite<World>('device list of third-party mappers');

test.before.each((world) => {
  const clock = new FakeClock();
  const started: ThirdPartyMappers[] = [];
  Object.assign(world, {
    clock,
    node: new Node(),
    mqtt: new Topics(),
    file: path.join(tempDir(), 'lists', 'deviceProfile.json'),
    told: [],
    log: [],
  });
  const log = createLogger({ clock, level: 'debug', write: (line) => world.log.push(line) });
  world.start = async () => {
    const announce = (topic: string, payload: string): void => void world.told.push(`${topic} ${payload}`);
    const { node, mqtt, file } = world;
    const module = new ThirdPartyMappers({ devices: node, mqtt, file, layout: 'v1alpha2', readers: 'all', announce });
    started.push(module);
    await module.start({ clock, log, signal: new AbortController().signal, failed: (error) => assert.unreachable(String(error)) });
    return module;
  };
  world.stop = async () => {
    for (const module of started.splice(0)) await module.stop();
  };
});

test.after.each(({ stop }) => stop());

function ids(file: string): string[] {
  return (JSON.parse(readFileSync(file, 'utf8')) as { deviceInstances: { id: string }[] }).deviceInstances.map(({ id }) => id);
}

const heard = (told: readonly string[], count: number): Promise<true> => until(() => told.length >= count, { what: `${count} words` });

const listed = (file: string, ...wanted: string[]): Promise<true> =>
  until(() => existsSync(file) && ids(file).join() === wanted.join(), { what: `a list of ${wanted.join()}` });

test('devices come and go; each change is written once and told to the mappers', async ({ clock, node, file, told, start }) => {
  node.set(press);
  await start();
  await clock.advance(200);
  await listed(file, 'press');
  await heard(told, 1);
  assert.equal(told, ['$hw/events/node/press/membership/updated {"option":"add"}']);
  node.set(boiler);
  node.remove('press');
  await clock.advance(2000);
  await listed(file, 'boiler');
  await heard(told, 3);
  assert.equal(told.slice(1), [
    '$hw/events/node/press/membership/updated {"option":"remove"}',
    '$hw/events/node/boiler/membership/updated {"option":"add"}',
  ]);
});

test('a new desired value is written, and nobody is told: the mapper has its delta; equal content is not written again', async (world) => {
  const { clock, node, mqtt, file, told, log, start } = world;
  node.set(press);
  await start();
  await clock.advance(200);
  await listed(file, 'press');
  assert.ok(mqtt.published.includes('$hw/events/device/press/twin/get'));
  mqtt.say('$hw/events/device/press/twin/get/result', { twin: { level: { expected: { value: '7' } } } });
  await clock.advance(2000);
  await until(() => readFileSync(file, 'utf8').includes('"value": "7"'), { what: 'the desired value' });
  mqtt.say('$hw/events/device/press/twin/update/document', { twin: { level: { last: null, current: { expected: { value: '7' } } } } });
  node.set({ ...press, properties: [property('modbus', 'level', { desired: { value: '9' } })] });
  const written = statSync(file).ino;
  await clock.advance(5000);
  assert.is(statSync(file).ino, written);
  await heard(told, 1);
  assert.is(told.length, 1);
  assert.is(log.filter(({ event }) => event === 'mapper.profile.written').length, 2);
});

test('a file of an earlier life is kept when nothing has changed, and mappers that still run hear only what has', async (world) => {
  const { clock, node, file, told, start, stop } = world;
  node.set(press);
  await start();
  await clock.advance(200);
  await listed(file, 'press');
  await heard(told, 1);
  await stop();
  told.length = 0;
  const written = statSync(file).ino;
  node.set(boiler);
  node.remove('press');
  await start();
  await clock.advance(200);
  await listed(file, 'boiler');
  assert.is.not(statSync(file).ino, written);
  await heard(told, 2);
  assert.equal(told, [
    '$hw/events/node/press/membership/updated {"option":"remove"}',
    '$hw/events/node/boiler/membership/updated {"option":"add"}',
  ]);
});

test('a folder that cannot be written is told once, in the log and in the health, and tried again', async ({
  clock,
  node,
  file,
  log,
  start,
}) => {
  // A file in the place of the folder stops root as well.
  writeFileSync(path.dirname(file), '');
  node.set(press);
  const module = await start();
  await clock.advance(200);
  await until(() => log.some(({ event }) => event === 'mapper.profile.unwritable'), { what: 'the log' });
  const { ok, detail } = module.health();
  assert.ok(ok);
  assert.match(detail ?? '', /deviceProfile\.json cannot be written: .*; choose another modules\.mapperHost\.thirdParty\.profileFile/);
  rmSync(path.dirname(file));
  mkdirSync(path.dirname(file));
  chmodSync(path.dirname(file), 0o755);
  await until(
    async () => {
      await clock.advance(60_000);
      return existsSync(file);
    },
    { what: 'the next attempt' },
  );
  assert.is(log.filter(({ event }) => event === 'mapper.profile.unwritable').length, 1);
});

test('a device whose protocol is served by others is not ours; it comes back when its protocol changes', ({ node, mqtt, file }) => {
  const settings = { protocols: ['Modbus-TCP'], profileFile: file, profileLayout: 'v1alpha2', profileReaders: 'all', announce: undefined };
  const { ours } = divide({ definitions: node, ...settings, port: () => mqtt });
  const seen: string[] = [];
  ours.onChange((change) => seen.push(change.kind === 'set' ? `set ${change.profile.protocol}` : `removed ${change.name}`));
  node.set(press);
  node.set({ ...press, protocol: 'opcua' });
  node.set(press);
  assert.equal(seen, ['removed press', 'set opcua', 'removed press']);
  assert.equal(ours.list(), []);
  node.set({ ...press, protocol: '' });
  assert.is(ours.list().length, 1);
});

test('a device that changed is dropped and taken up again', () => {
  const words = membershipWords(
    new Map([
      ['a', '1'],
      ['b', '1'],
      ['c', '1'],
    ]),
    new Map([
      ['a', '1'],
      ['b', '2'],
      ['d', '1'],
    ]),
  );
  assert.equal(
    words.map(({ topic, payload }) => `${topic.split('/')[3] ?? ''} ${payload}`),
    ['b {"option":"remove"}', 'c {"option":"remove"}', 'b {"option":"add"}', 'd {"option":"add"}'],
  );
});

test.run();

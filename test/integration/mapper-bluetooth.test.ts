// timeout: 180s
/** Proves the mapper of Bluetooth devices end to end: host, plugin and the real noble over a simulated controller, with the faults of a radio. */
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { readProfile } from '#device-models/read-profile.ts';
import { createBluetoothPlugin } from '#mappers/bluetooth/plugin.ts';
import type { SensorTag } from '#mappers/bluetooth/sim/index.js';
import { bleAir, type BleAir } from '#test/simulators/ble-air.ts';
import { MapperWorld } from '#test/simulators/mapper-world.ts';
import { until } from '#test/support/until.ts';
import { yamlDocuments } from '#test/support/yaml-fixture.ts';

const KITCHEN = 'a0:e6:f8:00:00:01';
const GARDEN = 'a0:e6:f8:00:00:02';
/** Far above what any of it takes on an idle machine. */
const PATIENCE = { deadlineMs: 30_000 };

interface Context {
  radio: BleAir;
  world: MapperWorld;
  /** For another life of the host. */
  worlds: MapperWorld[];
}

const test = suite<Context>('bluetooth');
const samples = new URL('../../device-models/samples/', import.meta.url);
const sample = (name: string): Record<string, unknown> => yamlDocuments(readFileSync(new URL(`${name}.yaml`, samples), 'utf8'))[0] ?? {};

/** The SensorTag of the samples, at another address. */
function sensorTag(name: string, macAddress: string, cycleMs = 500): DeviceProfile {
  const { profile } = readProfile(sample('sensortag'), sample('sensortag-model'));
  const properties = profile.properties.map((property) => ({ ...property, collectCycleMs: cycleMs }));
  return { ...profile, name, protocolConfig: { macAddress, timeout: 1000 }, properties };
}

/** As the published CC2650 sample has them, indentation and all. */
const PUBLISHED: Readonly<Record<string, string>> = {
  model: `
kind: DeviceModel
metadata: {name: cc2650-sensortag}
spec:
  properties:
    - {name: io-config, type: {int: {accessMode: ReadWrite, defaultValue: 1}}}
    - {name: io-data, type: {int: {accessMode: ReadWrite, defaultValue: 0}}}
`,
  device: `
kind: Device
metadata: {name: leds}
spec:
  deviceModelRef: {name: cc2650-sensortag}
  protocol: {bluetooth: {macAddress: 'A0:E6:F8:00:00:01'}}
  propertyVisitors:
    - propertyName: io-config
      bluetooth:
        characteristicUUID: f000aa6604514000b000000000000000
    - propertyName: io-data
      bluetooth:
        characteristicUUID: f000aa6504514000b000000000000000
        dataWrite:
        Red: [1]
        Green: [2]
        Buzzer: [4]
`,
};

function newWorld(radio: BleAir, worlds: MapperWorld[]): MapperWorld {
  const plugin = createBluetoothPlugin({ hci: radio.hci });
  const world = new MapperWorld({ clock: systemClock, plugins: new Map([['bluetooth', async () => plugin]]) });
  worlds.push(world);
  return world;
}

test.before.each(async (context) => {
  context.worlds = [];
  context.radio = await bleAir();
  context.world = newWorld(context.radio, context.worlds);
});

test.after.each(async ({ worlds, radio }) => {
  for (const world of worlds) await world.stop();
  await until(() => radio.controller.links.length === 0 && !radio.controller.scanning, { what: 'links and scans to end', ...PATIENCE });
  await radio.close();
});

/** Starts the host with a device per tag, and waits until each is online. */
async function online(world: MapperWorld, devices: readonly DeviceProfile[]): Promise<void> {
  for (const { name } of devices) world.broker.addDevice(name);
  await world.start();
  for (const device of devices) world.set(device);
  for (const { name } of devices) await state(world, name, 'online');
}

async function state(world: MapperWorld, name: string, word: string): Promise<string | undefined> {
  await until(() => world.broker.lastState(name)?.state === word, { what: `${name} to be ${word}`, ...PATIENCE });
  return world.broker.lastState(name)?.reason;
}

async function value(world: MapperWorld, [device, property]: readonly [string, string], expected: string): Promise<void> {
  await until(() => world.broker.actual(device, property) === expected, { what: `${device} ${property} ${expected}`, ...PATIENCE });
}

async function switchOn(world: MapperWorld, tag: SensorTag, device: string): Promise<void> {
  world.broker.desire(device, 'pressure-enable', 'ON');
  await value(world, [device, 'pressure-enable'], 'ON');
  assert.is(tag.sensor('barometer').config, 1);
}

test('two tags share one adapter: a sensor that is switched on measures, and tells its values by itself', async ({ radio, world }) => {
  const kitchen = radio.tag(KITCHEN, { pressure: 1001.5, objectTemperature: -12.5 });
  radio.tag(GARDEN, { pressure: 990.25 });
  await online(world, [sensorTag('kitchen', KITCHEN), sensorTag('garden', GARDEN)]);
  assert.is(radio.controller.links.length, 2);
  assert.not.ok(radio.controller.scanning, 'nobody is looked for any more');
  await value(world, ['kitchen', 'pressure'], '0');
  for (const name of ['kitchen', 'garden']) world.broker.desire(name, 'pressure-enable', 'ON');
  await value(world, ['kitchen', 'pressure'], '1001.5');
  await value(world, ['garden', 'pressure'], '990.25');
  kitchen.setEnvironment({ pressure: 1002.75 });
  await value(world, ['kitchen', 'pressure'], '1002.75');
  world.broker.desire('kitchen', 'temperature-enable', 'true');
  await value(world, ['kitchen', 'temperature'], '-12.5');
  assert.is(world.broker.actual('kitchen', 'temperature-enable'), 'true', 'what YAML made of ON is reached as it was written');
  assert.equal(
    world.broker.outcomes('kitchen', 'temperature-enable').map(({ result }) => result),
    ['reached'],
  );
});

test('what a tag forgot with its link it gets again, though nobody desired anything anew', async ({ radio, world }) => {
  const tag = radio.tag(KITCHEN, { pressure: 1001.5 });
  await online(world, [sensorTag('kitchen', KITCHEN)]);
  await switchOn(world, tag, 'kitchen');
  await value(world, ['kitchen', 'pressure'], '1001.5');
  for (const connections of [2, 3]) {
    tag.disconnect();
    assert.is(tag.sensor('barometer').config, 0, 'the tag switches its sensors off');
    await until(() => tag.connections === connections && tag.sensor('barometer').config === 1, {
      what: 'the sensor to be on again',
      ...PATIENCE,
    });
    tag.setEnvironment({ pressure: 1000 + connections });
    await value(world, ['kitchen', 'pressure'], String(1000 + connections));
  }
  await state(world, 'kitchen', 'online');
});

test('a host that starts anew switches on again what was on, and leaves alone what nobody desires', async ({ radio, world, worlds }) => {
  const tag = radio.tag(KITCHEN);
  await online(world, [sensorTag('kitchen', KITCHEN)]);
  await switchOn(world, tag, 'kitchen');
  await world.stop();
  assert.is(tag.sensor('barometer').config, 0);
  const next = newWorld(radio, worlds);
  next.broker.addDevice('kitchen', {
    'pressure-enable': { type: 'string', expected: 'ON', actual: 'ON', settled: true },
    'humidity-enable': { type: 'string', actual: 'ON' },
  });
  await next.start();
  next.set(sensorTag('kitchen', KITCHEN));
  await until(() => tag.sensor('barometer').config === 1, { what: 'the sensor to be on again', ...PATIENCE });
  assert.is(tag.sensor('humidity').config, 0);
});

test('out of range is offline within two cycles, with the reason; a tag that is back is found by itself', async ({ radio, world }) => {
  const kitchen = radio.tag(KITCHEN, { pressure: 1001.5 });
  radio.tag(GARDEN, { pressure: 990.25 });
  const cycleMs = 1000;
  await online(world, [sensorTag('kitchen', KITCHEN, cycleMs), sensorTag('garden', GARDEN, cycleMs)]);
  await switchOn(world, kitchen, 'kitchen');
  const lost = new Promise<number>((resolve) => kitchen.once('disconnected', () => resolve(performance.now())));
  kitchen.setInRange(false);
  const at = await lost;
  const reason = await state(world, 'kitchen', 'offline');
  const took = performance.now() - at;
  assert.ok(took < 2 * cycleMs, `${took} ms after the link was lost`);
  assert.match(reason ?? '', /^the link to a0:e6:f8:00:00:01 was lost \(out of range or without power, 0x08\)/);
  assert.is(world.broker.lastState('garden')?.state, 'online');
  kitchen.setInRange(true);
  await state(world, 'kitchen', 'online');
  await until(() => kitchen.sensor('barometer').config === 1, { what: 'the sensor to be on again', ...PATIENCE });
});

test('a tag that is not there costs the others nothing, and is used when it appears', async ({ radio, world }) => {
  radio.tag(GARDEN, { pressure: 990.25 });
  world.broker.addDevice('kitchen');
  await online(world, [sensorTag('garden', GARDEN)]);
  let [scans, scanning] = [0, false];
  const watch = setInterval(() => {
    if (radio.controller.scanning && !scanning) scans++;
    scanning = radio.controller.scanning;
  }, 1);
  world.set(sensorTag('kitchen', KITCHEN));
  assert.match((await state(world, 'kitchen', 'offline')) ?? '', /^a0:e6:f8:00:00:01 is not heard: switch it on and bring it nearer/);
  clearInterval(watch);
  assert.ok(scans >= 1 && scans <= 3, `${scans} scans while it was waited for: one of 4 s after the other, with pauses`);
  assert.equal(world.broker.states('garden'), [{ state: 'online' }]);
  radio.tag(KITCHEN);
  await state(world, 'kitchen', 'online');
});

test('an adapter that goes down takes its devices offline, and back when it is up', async ({ radio, world }) => {
  const tag = radio.tag(KITCHEN, { pressure: 1001.5 });
  await online(world, [sensorTag('kitchen', KITCHEN)]);
  await switchOn(world, tag, 'kitchen');
  radio.controller.powerOff();
  assert.match((await state(world, 'kitchen', 'offline')) ?? '', /adapter is down|controller at .* is not there/);
  radio.controller.powerOn();
  await state(world, 'kitchen', 'online');
  await value(world, ['kitchen', 'pressure'], '1001.5');
});

test('a write that the device refuses is told with its reason, and the device stays online', async ({ radio, world }) => {
  const tag = radio.tag(KITCHEN);
  const profile = sensorTag('kitchen', KITCHEN);
  const period = {
    characteristicUUID: 'f000aa44-0451-4000-b000-000000000000',
    dataConverter: { orderOfOperations: [{ operationType: 'Multiply', operationValue: 10 }] },
  };
  const [first] = profile.properties;
  assert.ok(first);
  const { minimum: _minimum, maximum: _maximum, ...property } = first;
  profile.properties.push({
    ...property,
    name: 'pressure-period',
    type: 'int',
    accessMode: 'ReadWrite',
    visitor: { protocol: 'bluetooth', config: period },
  });
  await online(world, [profile]);
  await value(world, ['kitchen', 'pressure-period'], '1000');
  world.broker.desire('kitchen', 'pressure-period', '50');
  const outcome = await until(() => world.broker.outcomes('kitchen', 'pressure-period').at(-1), { what: 'the outcome', ...PATIENCE });
  assert.is(outcome.result, 'refused');
  assert.match(outcome.reason ?? '', /the device refuses it: application error \(0x80\)/);
  world.broker.desire('kitchen', 'pressure-period', '500');
  await value(world, ['kitchen', 'pressure-period'], '500');
  assert.is(tag.sensor('barometer').periodMs, 500);
  assert.is(world.broker.lastState('kitchen')?.state, 'online');
});

test('a tag that hangs is offline until it answers again', async ({ radio, world }) => {
  const tag = radio.tag(KITCHEN);
  await online(world, [sensorTag('kitchen', KITCHEN)]);
  tag.stall();
  assert.match((await state(world, 'kitchen', 'offline')) ?? '', /did not answer/);
  tag.resume();
  await state(world, 'kitchen', 'online');
});

test('links that fall apart at once are made again', async ({ radio, world }) => {
  const tag = radio.tag(KITCHEN);
  tag.failConnections(2);
  await online(world, [sensorTag('kitchen', KITCHEN)]);
  assert.is(tag.connections, 3);
});

test('a device without an address is the one that calls itself as its model, and stays that one', async ({ radio, world }) => {
  const garden = radio.tag(GARDEN, { pressure: 990.25 });
  const named: DeviceProfile = {
    ...sensorTag('named', KITCHEN),
    protocolConfig: { macAddress: '', localName: 'cc2650-sensortag', timeout: 1000 },
  };
  await online(world, [sensorTag('garden', GARDEN)]);
  world.broker.addDevice('named');
  world.set(named);
  assert.match((await state(world, 'named', 'offline')) ?? '', /^a device that calls itself "cc2650 sensortag" is not heard: switch it on/);
  const kitchen = radio.tag(KITCHEN, { pressure: 1001.5 });
  await state(world, 'named', 'online');
  await switchOn(world, kitchen, 'named');
  await value(world, ['named', 'pressure'], '1001.5');
  assert.is(garden.sensor('barometer').config, 0, 'the tag that is wanted by its address is nobody else');
  kitchen.powerOff();
  radio.tag('a0:e6:f8:00:00:03', { pressure: 900 });
  assert.match((await state(world, 'named', 'offline')) ?? '', /^the link to a0:e6:f8:00:00:01 was lost/);
  kitchen.powerOn();
  await state(world, 'named', 'online');
  assert.is(kitchen.connections, 2, 'its values are never those of another tag of the same name');
});

test('the switches of a tag that KubeEdge calls int are set by their texts', async ({ radio, world }) => {
  const tag = radio.tag(KITCHEN);
  const [device = {}, model = {}] = ['device', 'model'].map((name) => yamlDocuments(PUBLISHED[name] ?? '')[0] ?? {});
  const { profile } = readProfile(device, model);
  await online(world, [profile]);
  world.broker.desire('leds', 'io-config', '1');
  await value(world, ['leds', 'io-config'], '1');
  world.broker.desire('leds', 'io-data', 'Buzzer');
  await value(world, ['leds', 'io-data'], 'Buzzer');
  assert.equal(tag.io, { data: 4, config: 1 });
});

test('a characteristic that the device does not have is the fault of its property only', async ({ radio, world }) => {
  radio.tag(KITCHEN);
  const profile = sensorTag('kitchen', KITCHEN);
  const [first] = profile.properties;
  assert.ok(first);
  profile.properties.push({ ...first, name: 'blood-pressure', visitor: { protocol: 'bluetooth', config: { characteristicUUID: '2a35' } } });
  world.broker.addDevice('kitchen');
  await world.start();
  world.set(profile);
  const reason = await state(world, 'kitchen', 'unhealthy');
  assert.match(reason ?? '', /^blood-pressure: a0:e6:f8:00:00:01 has no characteristic 2a35/);
  await value(world, ['kitchen', 'pressure'], '0');
});

test.run();

const slow = suite('bluetooth at the pace of the air');

slow('a tag is read, switched on and found again', async () => {
  const radio = await bleAir({ realtime: true });
  const tag = radio.tag(KITCHEN, { pressure: 1001.5 });
  const world = newWorld(radio, []);
  try {
    await online(world, [sensorTag('kitchen', KITCHEN)]);
    await switchOn(world, tag, 'kitchen');
    await value(world, ['kitchen', 'pressure'], '1001.5');
    tag.disconnect();
    await until(() => tag.connections === 2 && tag.sensor('barometer').config === 1, { what: 'the sensor to be on again', ...PATIENCE });
  } finally {
    await world.stop();
    await radio.close();
  }
});

slow.run();

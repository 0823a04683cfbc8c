// timeout: 120s
/** Proves that a plugin that is installed, or mended, while its device waits for it is picked up by the edge that runs. */
import { chmodSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { startThermometer, type Thermometer } from '#mappers/contract-test/example/device.ts';
import { MapperWorld } from '#test/simulators/mapper-world.ts';
import { profile, property } from '#test/simulators/profiles.ts';
import { installThermometer } from '#test/support/external-plugin.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

interface Room {
  device: Thermometer;
  world: MapperWorld;
  folder: string;
}

const test = suite<Room>('late plugin');

async function begin(room: Room, placement: Record<string, string>): Promise<void> {
  room.folder = path.join(tempDir(), 'plugins');
  room.device = await startThermometer();
  room.world = new MapperWorld({
    clock: systemClock,
    profiles: [
      profile('hall', {
        protocol: 'Thermometer',
        config: { host: '127.0.0.1', port: room.device.port },
        properties: [property('thermometer', 'temperature', { config: { value: 'temperature' } })],
      }),
    ],
    processes: { placement, plugins: { externalFolder: room.folder }, processes: { lingerMs: 100 } },
  });
  await room.world.start();
}

test.after.each(async ({ world, device }) => {
  await world.stop();
  await device.close();
});

const state = ({ world }: Room, word: string, reason: RegExp): Promise<true> =>
  until(
    () => {
      const last = world.broker.lastState('hall');
      return last?.state === word && reason.test(last.reason ?? '');
    },
    { what: `${word} ${String(reason)}`, deadlineMs: 60_000 },
  );

test('one that comes after its device, and cannot be used at first', async (room) => {
  await begin(room, {});
  const { world, folder } = room;
  await state(room, 'unknown', /^no mapper plugin serves the protocol Thermometer here \(there are modbus, /);
  const file = path.join(folder, 'thermometer/plugin.js');
  mkdirSync(path.dirname(file), { recursive: true });
  for (const place of [folder, path.dirname(file)]) chmodSync(place, 0o755);
  writeFileSync(file, 'this is no JavaScript', { mode: 0o644 });
  utimesSync(file, 1, 1);
  await state(room, 'unknown', /plugin\.js cannot be used as a plugin: Unexpected identifier/);
  await installThermometer(folder);
  await state(room, 'online', /^$/);
  assert.equal(world.broker.updates('hall').at(-1), { temperature: '21.5' });
  const status = world.mappers?.plugins().find(({ name }) => name === 'thermometer');
  assert.equal([status?.placement, status?.loaded, status?.restarts, status?.devices], ['child', true, 0, 1]);
});

test('one that is to run inside, as the configuration said before it was there', async (room) => {
  await begin(room, { thermometer: 'inside' });
  const { world, folder } = room;
  await state(room, 'unknown', /^no mapper plugin serves the protocol Thermometer here/);
  assert.is(world.events('mapper.placement.unused').length, 1);
  await installThermometer(folder);
  await state(room, 'online', /^$/);
  const status = world.mappers?.plugins().find(({ name }) => name === 'thermometer');
  assert.equal([status?.placement, status?.loaded, status?.devices, status?.pid], ['inside', true, 1, undefined]);
});

test.run();

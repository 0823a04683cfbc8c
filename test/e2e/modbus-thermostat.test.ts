/** Proves the thermostat to play with, and what the mapper makes of it, with mbpoll as a master of others; and that dead devices disturb nobody. */
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { createPlugins } from '#mappers/index.ts';
import { startThermostat, type Thermostat } from '#mappers/modbus/simulate.ts';
import { MapperWorld } from '#test/simulators/mapper-world.ts';
import { profile, property } from '#test/simulators/profiles.ts';
import { needing, peerPath } from '#test/support/peers.ts';
import { runProcess } from '#test/support/processes.ts';
import { until } from '#test/support/until.ts';

interface Room {
  thermostat: Thermostat;
  written: string[];
  worlds: MapperWorld[];
}

/** modbus-thermostat-in-child.test.ts runs the same tests with the mapper in a process of its own. */
const place = process.env['THERMOSTAT_PLACE'] ?? 'inside';
const where = place === 'inside' ? { plugins: createPlugins() } : { processes: { placement: { modbus: place } } };

const test = suite<Room>(`thermostat, its mapper ${place}`);
const withMbpoll = needing(test, 'mbpoll');

test.before.each(async (room) => {
  room.worlds = [];
  room.written = [];
  const onWrite = ({ table, address, values }: { table: string; address: number; values: readonly number[] }): void =>
    void room.written.push(`${table} ${address} ${values.join()}`);
  room.thermostat = await startThermostat({ clock: systemClock, lagMs: 500, noise: 0, onWrite });
});

test.after.each(async ({ thermostat, worlds }) => {
  for (const world of worlds) await world.stop();
  await thermostat.close();
});

const deviceAt = (name: string, port: number, collectCycleMs = 100): DeviceProfile =>
  profile(name, {
    protocol: 'modbus',
    config: { ip: '127.0.0.1', port, slaveID: 1 },
    properties: [
      property('modbus', 'setpoint', {
        collectCycleMs,
        tolerance: 0.05,
        minimum: '5',
        maximum: '35',
        config: { register: 'HoldingRegister', offset: 0, limit: 1, scale: 0.1 },
      }),
      property('modbus', 'temperature', {
        collectCycleMs,
        accessMode: 'ReadOnly',
        config: { register: 'InputRegister', offset: 1, limit: 1, scale: 0.1 },
      }),
      property('modbus', 'power', { collectCycleMs, accessMode: 'ReadOnly', config: { register: 'InputRegister', offset: 4 } }),
      property('modbus', 'energy', {
        collectCycleMs,
        type: 'int',
        accessMode: 'ReadOnly',
        config: { register: 'HoldingRegister', offset: 2, limit: 2 },
      }),
      property('modbus', 'serial', {
        collectCycleMs,
        type: 'string',
        accessMode: 'ReadOnly',
        config: { register: 'HoldingRegister', offset: 10, limit: 8 },
      }),
      property('modbus', 'heating', { collectCycleMs, type: 'boolean', config: { register: 'CoilRegister', offset: 0 } }),
    ],
  });

async function serve(room: Room, ...profiles: DeviceProfile[]): Promise<MapperWorld> {
  const world = new MapperWorld({ clock: systemClock, profiles, ...where });
  room.worlds.push(world);
  for (const { name } of profiles) world.broker.addDevice(name);
  await world.start();
  return world;
}

async function mbpoll(port: number, ...args: string[]): Promise<string> {
  const { stdout, stderr, code } = await runProcess({
    command: peerPath('mbpoll'),
    args: ['-m', 'tcp', '-0', '-1', '-q', ...args, '-p', String(port), '127.0.0.1'],
  });
  assert.is(code, 0, stdout + stderr);
  return stdout;
}

withMbpoll('a desired value is in the register that another master reads, and the room follows it', async (room) => {
  const { thermostat, written } = room;
  const world = await serve(room, deviceAt('thermostat', thermostat.port));
  await until(() => world.broker.actual('thermostat', 'setpoint') === '20', { what: 'the first report' });
  world.broker.desire('thermostat', 'setpoint', '23');
  await until(() => world.broker.actual('thermostat', 'setpoint') === '23', { what: 'the new setpoint' });
  assert.match(await mbpoll(thermostat.port, '-t', '4', '-r', '0', '-c', '1'), /\[0\]:\s+230/);
  assert.equal(written, ['holding 0 230']);
  await until(() => world.broker.actual('thermostat', 'temperature') === '23', { what: 'a warm room' });
  assert.match(await mbpoll(thermostat.port, '-t', '3', '-r', '1', '-c', '1'), /\[1\]:\s+230/);
  assert.is(world.broker.actual('thermostat', 'serial'), 'HIVELET-THERMO-1');
  assert.ok(Number(world.broker.actual('thermostat', 'power')) > 0);
});

withMbpoll('what another master writes is reported, and not undone', async (room) => {
  const { thermostat, written } = room;
  const world = await serve(room, deviceAt('thermostat', thermostat.port));
  await until(() => world.broker.actual('thermostat', 'setpoint') === '20', { what: 'the first report' });
  world.broker.desire('thermostat', 'setpoint', '23');
  await until(() => world.broker.actual('thermostat', 'setpoint') === '23', { what: 'the new setpoint' });
  const args = ['-t', '4', '-r', '0', '-p', String(thermostat.port), '127.0.0.1', '190'];
  const { code } = await runProcess({ command: peerPath('mbpoll'), args: ['-m', 'tcp', '-0', '-1', ...args] });
  assert.is(code, 0);
  await until(() => world.broker.actual('thermostat', 'setpoint') === '19', { what: 'the value of the other master' });
  const reads = world.broker.updates('thermostat').length;
  await until(() => world.broker.updates('thermostat').length > reads, { what: 'the next report' });
  assert.equal(written, ['holding 0 230', 'holding 0 190']);
});

withMbpoll('a value that the thermostat cannot take is refused with the name of the exception', async ({ thermostat }) => {
  const args = ['-t', '4', '-r', '0', '-p', String(thermostat.port), '127.0.0.1', '999'];
  const { code, stdout, stderr } = await runProcess({ command: peerPath('mbpoll'), args: ['-m', 'tcp', '-0', '-1', ...args] });
  assert.is.not(code, 0);
  assert.match(stdout + stderr, /Illegal data value/i);
  assert.is(thermostat.state().setpoint, 20);
});

test('switched off by its coil, it cools down', async (room) => {
  const world = await serve(room, deviceAt('thermostat', room.thermostat.port));
  await until(() => world.broker.actual('thermostat', 'heating') === 'true', { what: 'the first report' });
  world.broker.desire('thermostat', 'heating', 'false');
  await until(() => Number(world.broker.actual('thermostat', 'temperature')) < 15, { what: 'a cold room' });
  assert.is(world.broker.actual('thermostat', 'power'), '0');
});

test('a device that was restarted gets its setpoint again', async (room) => {
  const { port } = room.thermostat;
  const world = await serve(room, deviceAt('thermostat', port));
  await until(() => world.broker.lastState('thermostat')?.state === 'online', { what: 'online' });
  world.broker.desire('thermostat', 'setpoint', '23');
  await until(() => world.broker.actual('thermostat', 'setpoint') === '23', { what: 'the new setpoint' });
  await room.thermostat.close();
  await until(() => world.broker.lastState('thermostat')?.state === 'offline', { what: 'offline', deadlineMs: 2000 });
  room.thermostat = await startThermostat({ clock: systemClock, port, setpoint: 20 });
  await until(() => room.thermostat.state().setpoint === 23, { what: 'the setpoint after the restart', deadlineMs: 20_000 });
});

test('from the delta to the register and back to the twin it takes milliseconds', async (room) => {
  const world = await serve(room, deviceAt('thermostat', room.thermostat.port, 1000));
  await until(() => world.broker.actual('thermostat', 'setpoint') === '20', { what: 'the first report' });
  const times: number[] = [];
  for (let change = 0; change < 50; change++) {
    const text = String(21 + (change % 5));
    const started = performance.now();
    world.broker.desire('thermostat', 'setpoint', text);
    await until(() => world.broker.actual('thermostat', 'setpoint') === text, { what: text, everyMs: 1 });
    times.push(performance.now() - started);
  }
  times.sort((a, b) => a - b);
  assert.ok(times[25]! < 50, `${times[25]} ms`);
});

test('a device that refuses connections and one that never answers cost the living one nothing', async (room) => {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => sockets.add(socket));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const gone = createServer();
  await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve));
  const gonePort = (gone.address() as AddressInfo).port;
  await new Promise((resolve) => gone.close(resolve));

  const world = await serve(
    room,
    deviceAt('living', room.thermostat.port),
    deviceAt('silent', (silent.address() as AddressInfo).port),
    deviceAt('gone', gonePort),
  );
  await until(() => world.broker.lastState('silent')?.state === 'offline' && world.broker.lastState('gone')?.state === 'offline', {
    what: 'both offline',
  });
  const started = performance.now();
  for (let change = 0; change < 10; change++) {
    room.thermostat.turn(21 + change / 10);
    await until(() => world.broker.actual('living', 'setpoint') === String(21 + change / 10), {
      what: `change ${change}`,
      deadlineMs: 1000,
    });
  }
  assert.ok(performance.now() - started < 2500);
  assert.match(world.broker.lastState('silent')?.reason ?? '', /unit 1 did not answer within 1000 ms/);
  assert.match(world.broker.lastState('gone')?.reason ?? '', /ECONNREFUSED/);
  for (const socket of sockets) socket.destroy();
  silent.close();
});

test.run();

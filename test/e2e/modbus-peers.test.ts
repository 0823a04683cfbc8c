/** Proves the Modbus mapper against devices that share no code with it: pymodbus and libmodbus, on TCP and on a serial line. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import type { DeviceProfile, PropertyProfile } from '#device-models/device-profile.ts';
import type { ValueType } from '#device-models/values.ts';
import { createPlugins } from '#mappers/index.ts';
import { MapperWorld } from '#test/simulators/mapper-world.ts';
import { libmodbusMissing, startLibmodbus, startPymodbus, startSerialLine, type SerialLine } from '#test/simulators/modbus-peers.ts';
import { profile, property } from '#test/simulators/profiles.ts';
import { needing, skipTest } from '#test/support/peers.ts';
import { freePort } from '#test/support/ports.ts';
import { runProcess, type Finished, type TestProcess } from '#test/support/processes.ts';
import { launcher } from '#test/support/programs.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

interface Peers {
  processes: TestProcess[];
  lines: SerialLine[];
  worlds: MapperWorld[];
}

const test = suite<Peers>('modbus peers');
const withPymodbus = needing(test, 'pymodbus');
const withSerialPymodbus = needing(test, 'pymodbus', 'socat');
const withSerial = needing(test, 'socat');

function withLibmodbus(name: string, handler: (peers: Peers) => Promise<void>, serial = false): void {
  const reason = libmodbusMissing();
  if (reason !== undefined) skipTest(test, { name, handler, reason });
  else (serial ? withSerial : test)(name, handler);
}

test.before.each((peers) => {
  peers.processes = [];
  peers.lines = [];
  peers.worlds = [];
});

test.after.each(async ({ processes, lines, worlds }) => {
  for (const world of worlds) await world.stop();
  for (const each of processes) each.kill();
  for (const line of lines) await line.stop();
});

interface Case {
  name: string;
  type: ValueType;
  config: Record<string, unknown>;
  /** What is written; absent: read only. */
  desired?: string;
  /** What must be reported in the end. */
  shown: string;
  minimum?: string;
}

const at = (offset: number, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  register: 'HoldingRegister',
  offset,
  ...more,
});

/** Registers from `base` on must exist. */
const cases = (base: number): Case[] => [
  { name: 'word', type: 'int', config: at(base), desired: '65535', shown: '65535' },
  { name: 'signed', type: 'int', config: at(base + 1), minimum: '-40', desired: '-7', shown: '-7' },
  { name: 'tenths', type: 'float', config: at(base + 2, { limit: 1, scale: 0.1 }), desired: '21.5', shown: '21.5' },
  { name: 'long', type: 'int', config: at(base + 4, { limit: 2 }), desired: '4294967295', shown: '4294967295' },
  { name: 'huge', type: 'int', config: at(base + 6, { limit: 4, signed: true }), desired: '-9007199254740993', shown: '-9007199254740993' },
  { name: 'float', type: 'float', config: at(base + 10), desired: '-0.1', shown: '-0.1' },
  { name: 'swapped', type: 'float', config: at(base + 12, { isSwap: true, isRegisterSwap: true }), desired: '12.5', shown: '12.5' },
  {
    name: 'double',
    type: 'double',
    config: at(base + 14, { isRegisterSwap: true }),
    desired: '3.141592653589793',
    shown: '3.141592653589793',
  },
  { name: 'text', type: 'string', config: at(base + 18, { limit: 4 }), desired: 'HIVELET', shown: 'HIVELET' },
  { name: 'flag', type: 'boolean', config: at(base + 22), desired: 'true', shown: 'true' },
  { name: 'coil', type: 'boolean', config: { register: 'CoilRegister', offset: 3 }, desired: 'true', shown: 'true' },
  { name: 'input', type: 'int', config: { register: 'InputRegister', offset: base }, shown: '1000' },
];

function deviceOf(name: string, link: Record<string, unknown>, all: readonly Case[]): DeviceProfile {
  const properties = all.map(({ name: key, type, config, desired, minimum }): PropertyProfile =>
    property('modbus', key, {
      type,
      config,
      collectCycleMs: 200,
      tolerance: type === 'float' ? 0.0001 : 0,
      accessMode: desired === undefined ? 'ReadOnly' : 'ReadWrite',
      ...(minimum === undefined ? {} : { minimum }),
    }),
  );
  return profile(name, { protocol: 'modbus', config: link, properties });
}

async function serve(peers: Peers, profiles: DeviceProfile[]): Promise<MapperWorld> {
  const world = new MapperWorld({ clock: systemClock, plugins: createPlugins(), profiles });
  peers.worlds.push(world);
  for (const { name } of profiles) world.broker.addDevice(name);
  await world.start();
  return world;
}

/** Sets every value and waits until the device shows it. */
async function roundTrip(world: MapperWorld, device: string, all: readonly Case[]): Promise<void> {
  await until(() => world.broker.lastState(device)?.state === 'online', { what: `${device} online`, deadlineMs: 20_000 });
  for (const { name, desired } of all) if (desired !== undefined) world.broker.desire(device, name, desired);
  await until(() => all.every(({ name, shown }) => world.broker.actual(device, name) === shown), {
    what: 'all values',
    deadlineMs: 20_000,
  }).catch(() => undefined);
  assert.equal(
    Object.fromEntries(all.map(({ name }) => [name, world.broker.actual(device, name)])),
    Object.fromEntries(all.map(({ name, shown }) => [name, shown])),
  );
  assert.is(
    world.events('mapper.desired.written').length,
    all.filter(({ desired }) => desired !== undefined).length,
    'each was written once',
  );
}

withPymodbus('every kind of value goes to a pymodbus device on TCP and back', async (peers) => {
  const port = await freePort();
  peers.processes.push(await startPymodbus('tcp', String(port)));
  const world = await serve(peers, [deviceOf('plc', { ip: '127.0.0.1', port, slaveID: 1 }, cases(0))]);
  await roundTrip(world, 'plc', cases(0));
});

withPymodbus('points that a pymodbus device does not have are named, the others are read', async (peers) => {
  const port = await freePort();
  peers.processes.push(await startPymodbus('tcp', String(port)));
  const missing: Case = { name: 'missing', type: 'int', config: at(205), shown: '' };
  const last: Case = { name: 'last', type: 'int', config: at(199), shown: '0' };
  const world = await serve(peers, [deviceOf('plc', { ip: '127.0.0.1', port, slaveID: 1 }, [last, missing])]);
  await until(() => world.broker.actual('plc', 'last') === '0', { what: 'the last register' });
  assert.equal(world.broker.lastState('plc'), { state: 'unhealthy', reason: 'missing: ILLEGAL DATA ADDRESS' });
});

withLibmodbus('every kind of value goes to a libmodbus device on TCP and back', async (peers) => {
  const port = await freePort();
  const server = await startLibmodbus('tcp', String(port));
  peers.processes.push(server);
  const world = await serve(peers, [deviceOf('plc', { ip: '127.0.0.1', port, slaveID: 1 }, cases(100))]);
  await roundTrip(world, 'plc', cases(100));
  assert.is(server.lines.filter((line) => line === 'write 6 100').length, 1, server.output);
  assert.is(server.lines.filter((line) => line === 'write 5 3').length, 1, server.output);
});

withSerialPymodbus('every kind of value goes to a pymodbus device on a serial line and back', async (peers) => {
  const line = await startSerialLine();
  peers.lines.push(line);
  peers.processes.push(await startPymodbus('rtu', line.slave, '115200'));
  const world = await serve(peers, [deviceOf('plc', { serialPort: line.master, baudRate: 115_200, slaveID: 1, timeout: 500 }, cases(0))]);
  await roundTrip(world, 'plc', cases(0));
});

withLibmodbus(
  'every kind of value goes to a libmodbus device on a serial line with parity and back',
  async (peers) => {
    const line = await startSerialLine();
    peers.lines.push(line);
    peers.processes.push(await startLibmodbus('rtu', line.slave, '19200', 'E', '7'));
    const link = { serialPort: line.master, baudRate: '19200', parity: 'even', slaveID: 7, timeout: 500 };
    const world = await serve(peers, [deviceOf('plc', link, cases(100))]);
    await roundTrip(world, 'plc', cases(100));
  },
  true,
);

withSerialPymodbus('five hundred registers in a row come over a serial line with four requests', async (peers) => {
  const line = await startSerialLine();
  peers.lines.push(line);
  peers.processes.push(await startPymodbus('rtu', line.slave, '115200'));
  const registers = Array.from({ length: 500 }, (_, index) =>
    property('modbus', `r${index}`, {
      type: 'int',
      accessMode: 'ReadOnly',
      collectCycleMs: 600_000,
      config: { register: 'InputRegister', offset: index },
    }),
  );
  const config = { serialPort: line.master, baudRate: 115_200, slaveID: 1, timeout: 5000 };
  const world = await serve(peers, [profile('plc', { protocol: 'modbus', config, properties: registers })]);
  await until(() => world.broker.actual('plc', 'r499') !== undefined, { what: 'the last register' });
  assert.equal(
    registers.map(({ name }) => world.broker.actual('plc', name)),
    registers.map((_, index) => String(1000 + index)),
  );
  const asked = line.traffic().flatMap(({ fromMaster, bytes }) => (fromMaster ? bytes : []));
  const requests = Array.from({ length: asked.length / 8 }, (_, index) => asked.slice(index * 8, index * 8 + 6));
  assert.equal(
    requests.map(([unit, code, ...rest]) => [unit, code, Buffer.from(rest).readUInt16BE(0), Buffer.from(rest).readUInt16BE(2)]),
    [0, 125, 250, 375].map((address) => [1, 4, address, 125]),
  );
});

withSerialPymodbus('a pymodbus device on a serial line is found by discover, and what it prints is read', async (peers) => {
  const line = await startSerialLine();
  peers.lines.push(line);
  peers.processes.push(await startPymodbus('rtu', line.slave, '115200'));
  const hivelet = (...args: string[]): Promise<Finished> => runProcess({ command: launcher, args });
  const where = ['--serial-port', line.master, '--baud', '115200', '--units', '1-3', '--registers', 'input', '--addresses', '598-603'];
  const found = await hivelet('discover', 'modbus', ...where, '--rate', '500', '--timeout', '500', '--node', 'board');
  assert.equal([found.code, found.stderr.includes('1 device found')], [0, true], found.stderr);
  const file = path.join(tempDir(), 'found.yaml');
  writeFileSync(file, found.stdout);
  const read = await hivelet('read', '-o', 'json', file);
  assert.is(read.code, 0, read.stderr);
  assert.equal(
    (JSON.parse(read.stdout) as Record<string, unknown>[]).map(({ property: name, value, raw }) => [name, value, raw]),
    [
      ['input-598', '1598', '063e'],
      ['input-599', '1599', '063f'],
    ],
  );
});

withSerialPymodbus('a dead slave on the line of a living one takes at most 5 % of its time', async (peers) => {
  const line = await startSerialLine();
  peers.lines.push(line);
  peers.processes.push(await startPymodbus('rtu', line.slave, '115200'));
  const timeoutMs = 100;
  const link = { serialPort: line.master, baudRate: 115_200 };
  // How fast the living one answers on a busy machine is not the question here.
  const living = deviceOf('living', { ...link, slaveID: 1, timeout: 5000 }, cases(0));
  const dead = deviceOf('dead', { ...link, slaveID: 2, timeout: timeoutMs }, cases(0));
  const probes = (): number => line.traffic().filter(({ fromMaster, bytes }) => fromMaster && bytes[0] === 2).length;
  const world = await serve(peers, [living, dead]);
  await until(() => probes() > 0, { what: 'the first request to the dead slave' });
  const started = performance.now();
  await until(() => probes() >= 5, { what: 'five requests to the dead slave', deadlineMs: 60_000 });
  const share = ((probes() - 1) * timeoutMs) / (performance.now() - started);
  assert.ok(share <= 0.05, `${share} of the time`);
  assert.ok(share > 0.01, `${share}: it is still probed`);
  assert.is(world.broker.lastState('dead')?.state, 'offline');
  assert.equal(
    world.broker.states('living').map(({ state }) => state),
    ['online'],
  );
  world.broker.desire('living', 'word', '42');
  await until(() => world.broker.actual('living', 'word') === '42', { what: 'a write between the probes', deadlineMs: 20_000 });
});

test.run();

// timeout: 180s
/** Proves what many devices on one bus cost each other: thirty of which one is dead, on TCP and on a serial line, and how few requests many registers take. */
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { SerialPort } from 'serialport';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { createPlugins } from '#mappers/index.ts';
import { withCrc } from '#mappers/modbus/rtu.ts';
import { ModbusUnit, startModbusServer } from '#mappers/modbus/server.ts';
import { BenchPlugin } from '#test/simulators/bench-devices.ts';
import { MapperWorld } from '#test/simulators/mapper-world.ts';
import { startSerialLine } from '#test/simulators/modbus-peers.ts';
import { profile, property } from '#test/simulators/profiles.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { needing } from '#test/support/peers.ts';
import { until } from '#test/support/until.ts';

const SLAVES = 30;
/** The one that does not answer. */
const DEAD = 7;
/** The others' cycle may change by so much. */
const SHARE = 0.05;

interface Open {
  close: (() => Promise<unknown>)[];
}

const test = suite<Open>('mapper buses');
const onLine = needing(test, 'socat');

test.before.each((context) => {
  context.close = [];
});

test.after.each(async ({ close }) => {
  for (const each of close.reverse()) await each();
});

const slaves = Array.from({ length: SLAVES }, (_, index) => index + 1);
const living = slaves.filter((unit) => unit !== DEAD);

interface VirtualBus {
  /** Of each slave, in the time. */
  reads: Map<number, number>;
  /** What it was taken by requests that nobody answered. */
  lostShare: number;
}

/** Thirty slaves on one bus in virtual time; each takes 28 of its 1000 ms. */
async function onVirtualBus({ shared, dead, ms }: { shared: boolean; dead: boolean; ms: number }): Promise<VirtualBus> {
  const clock = new FakeClock();
  const plugin = new BenchPlugin(clock);
  plugin.shared = shared;
  const world = new MapperWorld({ clock, plugins: new Map([['bench', async () => plugin]]) });
  await world.start();
  for (const unit of slaves) {
    const device = plugin.device(String(unit), { temperature: 180n });
    device.readMs = 28;
    device.dead = dead && unit === DEAD;
    const properties = [property('bench', 'temperature', { accessMode: 'ReadOnly', config: { key: 'temperature' } })];
    world.set(profile(`slave-${unit}`, { protocol: 'bench', config: { unit: String(unit), line: 'bus' }, properties }));
  }
  await clock.advance(ms);
  const reads = new Map(slaves.map((unit) => [unit, plugin.device(String(unit)).reads]));
  await world.stop();
  return { reads, lostShare: (plugin.lostMs.get('bus') ?? 0) / ms };
}

for (const shared of [true, false]) {
  const bus = shared ? 'one RTU line' : 'one TCP gateway';
  test(`a dead one among thirty on ${bus} costs the others nothing, and its time-outs less than 5 % of the time`, async () => {
    const ms = 200_000;
    const healthy = await onVirtualBus({ shared, dead: false, ms });
    const wounded = await onVirtualBus({ shared, dead: true, ms });
    assert.is(wounded.reads.get(DEAD), 0);
    for (const [unit, reads] of wounded.reads) {
      const before = healthy.reads.get(unit) ?? 0;
      if (unit !== DEAD) assert.ok(reads >= before * (1 - SHARE), `slave ${unit}: ${reads} reads instead of ${before}`);
    }
    assert.ok(healthy.lostShare === 0 && wounded.lostShare <= SHARE, `time-outs take ${wounded.lostShare} of the time`);
    assert.ok(wounded.lostShare > SHARE / 2, 'it is still looked for');
  });
}

test('a register each: 500 in a row come with four requests, 250 floats in a row with five', async ({ close }) => {
  for (const [type, registers, requests] of [
    ['int', 1, 4],
    ['float', 2, 5],
  ] as const) {
    const unit = new ModbusUnit().set('holding', 0, ...new Array<number>(500).fill(7));
    const seen: string[] = [];
    const answer = unit.answer.bind(unit);
    unit.answer = (pdu) => {
      seen.push(`${pdu.readUInt16BE(1)}+${pdu.readUInt16BE(3)}`);
      return answer(pdu);
    };
    const server = await startModbusServer({ unit: () => unit });
    const names = Array.from({ length: 500 / registers }, (_, index) => `r${index}`);
    const properties = names.map((name, index) =>
      property('modbus', name, {
        type,
        accessMode: 'ReadOnly',
        collectCycleMs: 600_000,
        config: { register: 'HoldingRegister', offset: index * registers, limit: registers },
      }),
    );
    const world = new MapperWorld({ clock: systemClock, plugins: createPlugins() });
    close.push(
      () => server.close(),
      () => world.stop(),
    );
    world.broker.addDevice('big');
    await world.start();
    world.set(profile('big', { protocol: 'modbus', config: { ip: '127.0.0.1', port: server.port }, properties }));
    await until(() => world.broker.updates('big').length > 0, { what: 'the first report' });
    assert.equal(Object.keys(world.broker.updates('big')[0] ?? {}).sort(), [...names].sort());
    assert.is(seen.length, requests, seen.join(' '));
  }
});

const CYCLE_MS = 500;
const TIMEOUT_MS = 150;
/** So many are looked at, at least. */
const CYCLES = 12;

const reading = (unit: number, config: Record<string, unknown>): DeviceProfile =>
  profile(`slave-${unit}`, {
    protocol: 'modbus',
    config: { slaveID: unit, timeout: TIMEOUT_MS, ...config },
    properties: [
      property('modbus', 'value', {
        type: 'int',
        accessMode: 'ReadOnly',
        collectCycleMs: CYCLE_MS,
        config: { register: 'HoldingRegister', offset: 0 },
      }),
    ],
  });

async function serve({ close }: Open, profiles: readonly DeviceProfile[]): Promise<MapperWorld> {
  const world = new MapperWorld({ clock: systemClock, plugins: createPlugins() });
  close.push(() => world.stop());
  await world.start();
  for (const each of profiles) world.set(each);
  return world;
}

interface Bus {
  /** performance.now() of each request that came for each unit, the dead one included. */
  requests: ReadonlyMap<number, number[]>;
}

const newBus = (): Bus => ({ requests: new Map(slaves.map((unit) => [unit, []])) });

function asked({ requests }: Bus, unit: number): void {
  requests.get(unit)?.push(performance.now());
}

/** The mean time from one reading to the next since `fromMs`, of all that answer. */
function cycleOf({ requests }: Bus, fromMs: number): number {
  const cycles = living.map((unit) => {
    const times = requests.get(unit)?.filter((at) => at >= fromMs) ?? [];
    return ((times.at(-1) ?? NaN) - (times[0] ?? NaN)) / (times.length - 1);
  });
  return cycles.reduce((sum, cycle) => sum + cycle, 0) / cycles.length;
}

/** `at`: the protocol block of each unit, from its number. */
type Wiring = (context: Open, dead: boolean) => Promise<{ bus: Bus; at: (unit: number) => Record<string, unknown> }>;

function listen(bus: Bus, unit: number): ModbusUnit {
  const made = new ModbusUnit().set('holding', 0, unit);
  const answer = made.answer.bind(made);
  made.answer = (pdu) => {
    asked(bus, unit);
    return answer(pdu);
  };
  return made;
}

const ownSockets: Wiring = async ({ close }, dead) => {
  const bus = newBus();
  const ports = new Map<number, number>();
  for (const unit of slaves) {
    if (dead && unit === DEAD) {
      const sockets = new Set<Socket>();
      // It accepts, as a device that hangs.
      const silent = createServer((socket) => sockets.add(socket.on('error', () => undefined).on('data', () => asked(bus, unit))));
      await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
      close.push(() => {
        for (const socket of sockets) socket.destroy();
        return new Promise((resolve) => silent.close(resolve));
      });
      ports.set(unit, (silent.address() as AddressInfo).port);
      continue;
    }
    const server = await startModbusServer({ unit: () => played });
    const played = listen(bus, unit);
    close.push(() => server.close());
    ports.set(unit, server.port);
  }
  return { bus, at: (unit) => ({ ip: '127.0.0.1', port: ports.get(unit) }) };
};

const oneGateway: Wiring = async ({ close }, dead) => {
  const bus = newBus();
  const units = new Map(slaves.map((unit) => [unit, listen(bus, unit)]));
  const server = await startModbusServer({
    unit: (id) => {
      if (!dead || id !== DEAD) return units.get(id);
      asked(bus, id);
      return undefined;
    },
  });
  close.push(() => server.close());
  return { bus, at: () => ({ ip: '127.0.0.1', port: server.port }) };
};

const REQUEST_BYTES = 8;

const oneLine: Wiring = async ({ close }, dead) => {
  const bus = newBus();
  const line = await startSerialLine();
  const port = new SerialPort({ path: line.slave, baudRate: 115_200, autoOpen: false });
  await new Promise<void>((resolve, reject) => port.open((error) => (error === null ? resolve() : reject(error))));
  close.push(
    () => line.stop(),
    () => new Promise((resolve) => port.close(resolve)),
  );
  let received = Buffer.alloc(0);
  port.on('data', (bytes: Buffer) => {
    received = Buffer.concat([received, bytes]);
    for (; received.length >= REQUEST_BYTES; received = received.subarray(REQUEST_BYTES)) {
      const unit = received.readUInt8(0);
      asked(bus, unit);
      if (!dead || unit !== DEAD) port.write(withCrc(Uint8Array.of(unit, 3, 2, 0, unit)));
    }
  });
  return { bus, at: () => ({ serialPort: line.master, baudRate: 115_200 }) };
};

/** Both sites share the process and the time, so a busy machine slows both down alike. */
async function compare(context: Open, wiring: Wiring, probes: number): Promise<{ change: number; lostShare: number }> {
  const healthy = await wiring(context, false);
  const wounded = await wiring(context, true);
  await serve(
    context,
    slaves.map((unit) => reading(unit, healthy.at(unit))),
  );
  const world = await serve(
    context,
    slaves.map((unit) => reading(unit, wounded.at(unit))),
  );
  const deadAt = wounded.bus.requests.get(DEAD) ?? [];
  const patience = { deadlineMs: 120_000, everyMs: 50 };
  await until(() => world.broker.lastState(`slave-${DEAD}`)?.state === 'offline', { what: 'the dead one to be known', ...patience });
  const known = deadAt.length;
  await until(() => deadAt.length > known, { what: 'the first probe', ...patience });
  const fromMs = performance.now();
  const enough = ({ requests }: Bus): boolean =>
    living.every((unit) => (requests.get(unit)?.filter((at) => at >= fromMs).length ?? 0) > CYCLES);
  await until(() => deadAt.length > known + probes && enough(healthy.bus) && enough(wounded.bus), { what: 'more probes', ...patience });
  const [without, beside] = [cycleOf(healthy.bus, fromMs), cycleOf(wounded.bus, fromMs)];
  // From the first probe of these to the last, which is not part of it.
  const lostMs = (deadAt.length - 1 - known) * TIMEOUT_MS;
  const lostShare = lostMs / ((deadAt.at(-1) ?? NaN) - (deadAt[known] ?? NaN));
  console.log(`cycle ${without.toFixed(1)} ms, beside a dead one ${beside.toFixed(1)} ms; time-outs ${(lostShare * 100).toFixed(1)} %`);
  return { change: beside / without - 1, lostShare };
}

test('thirty Modbus TCP devices, one of which hangs: the others are read as often as without it', async (context) => {
  const { change } = await compare(context, ownSockets, 1);
  assert.ok(change < SHARE, `their cycle changed by ${change}`);
});

test('thirty behind one TCP gateway, one of which is dead: the others are read as often, the time-outs stay below 5 %', async (context) => {
  const { change, lostShare } = await compare(context, oneGateway, 1);
  assert.ok(change < SHARE, `their cycle changed by ${change}`);
  assert.ok(lostShare <= SHARE, `${lostShare} of the time`);
});

onLine('thirty on one serial line, one of which is dead: the others are read as often, the time-outs stay below 5 %', async (context) => {
  const { change, lostShare } = await compare(context, oneLine, 1);
  assert.ok(change < SHARE, `their cycle changed by ${change}`);
  assert.ok(lostShare <= SHARE, `${lostShare} of the time`);
});

test.run();

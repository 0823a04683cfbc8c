/** Proves Modbus on a serial line that misbehaves: noise, broken frames, late answers, pulled cables. */
import { SerialPort } from 'serialport';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { isHiveletError } from '#beehive/errors.ts';
import { silentLogger } from '#beehive/log.ts';
import type { Connection, Point, Reading } from '#mappers/contract.ts';
import type { ModbusAccess } from '#mappers/modbus/access.ts';
import type { ModbusLink } from '#mappers/modbus/link.ts';
import { createModbusPlugin } from '#mappers/modbus/plugin.ts';
import { withCrc } from '#mappers/modbus/rtu.ts';
import { startSerialLine, type SerialLine } from '#test/simulators/modbus-peers.ts';
import { needing } from '#test/support/peers.ts';
import { until, within } from '#test/support/until.ts';

interface Wire {
  line: SerialLine;
  slave: SerialPort;
  connection: Connection<ModbusLink, ModbusAccess>;
  link: ModbusLink;
  /** Answers the n-th request (from 1) with what it writes. */
  answer: (request: Buffer, count: number) => void;
  requests: Buffer[];
}

const bare = suite<Wire>('modbus rtu');
const test = needing(bare, 'socat');
const plugin = createModbusPlugin();
const { signal } = new AbortController();
const options = { signal };
const linkOf = (path: string, unit = 1, more: Record<string, unknown> = {}): ModbusLink =>
  plugin.link({ serialPort: path, baudRate: 115_200, slaveID: unit, timeout: 100, ...more }, '');
const open = (link: ModbusLink): Promise<Connection<ModbusLink, ModbusAccess>> =>
  plugin.open(link, { clock: systemClock, log: silentLogger(), signal });
const register = (offset: number): Point<ModbusAccess> => ({
  name: `r${offset}`,
  type: 'int',
  access: plugin.access({ register: 'HoldingRegister', offset }, '', { name: 'r', type: 'int' }),
});
/** For answers that are to come, however busy the machine is. */
const patient = (link: ModbusLink): ModbusLink => ({ ...link, timeoutMs: 5000 });
const values = (readings: readonly Reading[]): unknown[] => readings.map((reading) => ('error' in reading ? reading.error : reading.value));
const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );
/** A good answer of a unit: one register. */
const holds = (value: number, unit = 1): Buffer => withCrc(Uint8Array.of(unit, 3, 2, value >> 8, value & 0xff));

bare.before.each(async (wire) => {
  wire.line = await startSerialLine();
  wire.requests = [];
  wire.answer = () => undefined;
  wire.slave = new SerialPort({ path: wire.line.slave, baudRate: 115_200, autoOpen: false });
  await new Promise<void>((resolve, reject) => wire.slave.open((error) => (error === null ? resolve() : reject(error))));
  let received = Buffer.alloc(0);
  wire.slave.on('data', (bytes: Buffer) => {
    received = Buffer.concat([received, bytes]);
    while (received.length >= 8) {
      wire.requests.push(received.subarray(0, 8));
      wire.answer(received.subarray(0, 8), wire.requests.length);
      received = received.subarray(8);
    }
  });
  wire.link = linkOf(wire.line.master);
  wire.connection = await open(wire.link);
});

bare.after.each(async (wire) => {
  await wire.connection.close();
  if (wire.slave.isOpen) await new Promise<void>((resolve) => wire.slave.close(() => resolve()));
  await wire.line.stop();
});

test('an answer in pieces and behind noise is understood', async (wire) => {
  wire.answer = () => {
    const frame = holds(42);
    wire.slave.write(Buffer.concat([Buffer.of(0xff, 1, 3, 0), frame.subarray(0, 3)]));
    setTimeout(() => wire.slave.write(frame.subarray(3)), 10);
  };
  assert.equal(values(await wire.connection.read(patient(wire.link), [register(0)], options)), [42n]);
  assert.is(wire.requests.length, 1);
});

test('a broken frame costs one more request, no miss', async (wire) => {
  wire.answer = (_request, count) => {
    const frame = holds(42);
    if (count === 1) frame.writeUInt8(7, 4);
    wire.slave.write(frame);
  };
  assert.equal(values(await wire.connection.read(wire.link, [register(0)], options)), [42n]);
  assert.is(wire.requests.length, 2);
});

test('a line of noise is told as such', async (wire) => {
  wire.answer = () => void wire.slave.write(Buffer.from('no modbus here'));
  const error = await failure(wire.connection.read(wire.link, [register(0)], options));
  assert.ok(isHiveletError(error, 'DEVICE_UNREACHABLE'));
  assert.match(error.message, /sent 14 bytes that are no answer: check baud rate, parity and wiring/);
});

test('a late answer is not taken for that to the next request of the unit', async (wire) => {
  wire.answer = (_request, count) => void setTimeout(() => wire.slave.write(holds(count)), count === 1 ? 150 : 80);
  assert.ok(isHiveletError(await failure(wire.connection.read(wire.link, [register(0)], options)), 'DEVICE_UNREACHABLE'));
  // The answer that counts comes after the late one; how long it may take is not the question here.
  assert.equal(values(await wire.connection.read(patient(wire.link), [register(0)], options)), [2n]);
});

test('the answer to an aborted request is not taken for that to the next one', async (wire) => {
  wire.answer = (_request, count) => void setTimeout(() => wire.slave.write(holds(count)), 60);
  const controller = new AbortController();
  const aborted = wire.connection.read({ ...wire.link, timeoutMs: 150 }, [register(0)], { signal: controller.signal });
  await until(() => wire.requests.length === 1, { what: 'the first request' });
  controller.abort(new Error('not wanted any more'));
  assert.is((await failure(aborted)) instanceof Error, true);
  assert.equal(values(await wire.connection.read(patient(wire.link), [register(0)], options)), [2n]);
});

test('another unit is asked at once meanwhile, and not confused by it', async (wire) => {
  wire.answer = (request) => {
    const unit = request[0]!;
    setTimeout(() => wire.slave.write(holds(unit * 10, unit)), unit === 1 ? 520 : 100);
  };
  const slow = { ...wire.link, timeoutMs: 500 };
  assert.ok(isHiveletError(await failure(wire.connection.read(slow, [register(0)], options)), 'DEVICE_UNREACHABLE'));
  const started = performance.now();
  const other = linkOf(wire.line.master, 2, { timeout: 2000 });
  assert.equal(values(await wire.connection.read(other, [register(0)], options)), [20n]);
  assert.ok(performance.now() - started < 450, 'without waiting for the time-out of the other one once more');
});

test('an exception of the device is a value', async (wire) => {
  wire.answer = () => void wire.slave.write(withCrc(Uint8Array.of(1, 0x83, 2)));
  assert.equal(values(await wire.connection.read(patient(wire.link), [register(0)], options)), ['ILLEGAL DATA ADDRESS']);
});

test('frames are kept apart by silence', async (wire) => {
  wire.answer = () => void wire.slave.write(holds(1));
  await wire.connection.read(patient(wire.link), [register(0)], options);
  const started = performance.now();
  for (let read = 0; read < 20; read++) await wire.connection.read(patient(wire.link), [register(0)], options);
  assert.ok(performance.now() - started >= 20 * 1.75);
});

test('a device with other line settings is refused, and told which', async (wire) => {
  const error = await failure(wire.connection.read(linkOf(wire.line.master, 2, { parity: 'even' }), [register(0)], options));
  assert.ok(isHiveletError(error, 'PROFILE_INVALID'));
  assert.match(error.message, /115200 8N1 for another device; this one says .* 115200 8E1: give both the same settings$/);
});

test('a pulled cable ends the connection and what is under way; the port can be opened again', async (wire) => {
  const read = failure(wire.connection.read({ ...wire.link, timeoutMs: 60_000 }, [register(0)], options));
  await wire.line.stop();
  const error = await within(read, { what: 'the read' });
  assert.ok(isHiveletError(error, 'DEVICE_UNREACHABLE'));
  await within(wire.connection.lost, { what: 'the loss' });
  const gone = await failure(open(wire.link));
  assert.ok(isHiveletError(gone, 'DEVICE_UNREACHABLE'));
  assert.is(gone.message, `${wire.line.master}: there is no such serial port: plug the adapter in, or write the name that it has now`);
});

test('a port that another one has open is told as such', async (wire) => {
  const error = await failure(open(wire.link));
  assert.ok(isHiveletError(error, 'DEVICE_UNREACHABLE'));
  assert.is(error.message, `${wire.line.master}: another program has it open: stop that one`);
});

test('a closed port is free for the next one', async (wire) => {
  await failure(wire.connection.read(wire.link, [register(0)], options));
  await wire.connection.close();
  wire.connection = await open(wire.link);
  wire.answer = () => void wire.slave.write(holds(3));
  assert.equal(values(await wire.connection.read(patient(wire.link), [register(0)], options)), [3n]);
});

bare.run();

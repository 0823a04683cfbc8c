/** Proves the Modbus plugin on real sockets: few requests, errors per point, order of urgent ones, broken and silent connections. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { isHiveletError } from '#beehive/errors.ts';
import { silentLogger } from '#beehive/log.ts';
import type { Connection, Point, Reading } from '#mappers/contract.ts';
import type { ModbusAccess } from '#mappers/modbus/access.ts';
import type { ModbusLink } from '#mappers/modbus/link.ts';
import { createModbusPlugin } from '#mappers/modbus/plugin.ts';
import { ModbusUnit, startModbusServer, type ModbusServer } from '#mappers/modbus/server.ts';
import { within } from '#test/support/until.ts';

interface Wire {
  unit: ModbusUnit;
  server: ModbusServer;
  link: ModbusLink;
  connection: Connection<ModbusLink, ModbusAccess>;
  /** Function and address of each request that the device got. */
  requests: string[];
}

const test = suite<Wire>('modbus tcp');
const plugin = createModbusPlugin();
const { signal } = new AbortController();
const options = { signal };

const point = (
  name: string,
  place: { register: string; offset: number; limit?: number },
  type: Point['type'] = 'int',
): Point<ModbusAccess> => ({ name, type, access: plugin.access(place, name, { name, type }) });
const holding = (offset: number, limit = 1): Point<ModbusAccess> => point(`h${offset}`, { register: 'HoldingRegister', offset, limit });
const open = (link: ModbusLink): Promise<Connection<ModbusLink, ModbusAccess>> =>
  plugin.open(link, { clock: systemClock, log: silentLogger(), signal });
const values = (readings: readonly Reading[]): unknown[] => readings.map((reading) => ('error' in reading ? reading.error : reading.value));

class ListeningUnit extends ModbusUnit {
  readonly requests: string[] = [];

  override answer(pdu: Buffer): Buffer {
    this.requests.push(`${String(pdu[0])}@${pdu.readUInt16BE(1)}+${pdu.readUInt16BE(3)}`);
    return super.answer(pdu);
  }
}

test.before.each(async (wire) => {
  const unit = new ListeningUnit();
  wire.unit = unit;
  wire.requests = unit.requests;
  wire.server = await startModbusServer({ unit: (id) => (id === 1 ? unit : undefined) });
  wire.link = plugin.link({ ip: '127.0.0.1', port: wire.server.port, slaveID: 1, timeout: 200 }, '');
  wire.connection = await open(wire.link);
});

test.after.each(async (wire) => {
  await wire.connection.close();
  await wire.server.close();
});

test('near registers come with one request, tables apart', async ({ unit, connection, link, requests }) => {
  for (let address = 0; address < 20; address++) unit.set('holding', address, address).set('input', address, 100 + address);
  unit.set('coil', 3, 1).set('discrete', 9, 1);
  const points = [
    holding(0),
    holding(1),
    holding(8, 2),
    point('i', { register: 'InputRegister', offset: 5 }),
    point('c', { register: 'CoilRegister', offset: 3 }),
    point('d', { register: 'DiscreteInputRegister', offset: 9 }),
  ];
  const readings = await connection.read(link, points, options);
  assert.equal(Object.fromEntries(readings.map((reading) => [reading.name, 'value' in reading && reading.value])), {
    h0: 0n,
    h1: 1n,
    h8: 8n * 65_536n + 9n,
    i: 105n,
    c: 1n,
    d: 1n,
  });
  assert.equal(requests, ['1@3+1', '2@9+1', '4@5+1', '3@0+10']);
});

test('a refused range is read in parts, which is remembered', async ({ unit, connection, link, requests }) => {
  unit.set('holding', 0, 1, 2).set('holding', 5, 6);
  const points = [holding(0), holding(1), holding(5), holding(6)];
  assert.equal(values(await connection.read(link, points, options)), [1n, 2n, 6n, 'ILLEGAL DATA ADDRESS']);
  assert.equal(requests, ['3@0+7', '3@0+2', '3@5+2', '3@5+1', '3@6+1']);
  requests.length = 0;
  assert.equal(values(await connection.read(link, points, options)), [1n, 2n, 6n, 'ILLEGAL DATA ADDRESS']);
  assert.equal(requests, ['3@0+2', '3@5+1', '3@6+1']);
});

test('values of every kind are written and read back', async ({ unit, connection, link }) => {
  unit.set('holding', 0, 0, 0, 0, 0, 0, 0, 0, 0).set('coil', 0, 0);
  const real = point('real', { register: 'HoldingRegister', offset: 0 }, 'float');
  const long = point('long', { register: 'HoldingRegister', offset: 2, limit: 4 });
  const word = point('word', { register: 'HoldingRegister', offset: 6, limit: 2 }, 'string');
  const coil = point('coil', { register: 'CoilRegister', offset: 0 }, 'boolean');
  await connection.write(link, { point: real, value: 21.5 }, options);
  await connection.write(link, { point: long, value: 9_007_199_254_740_993n }, options);
  await connection.write(link, { point: word, value: 'OK' }, options);
  await connection.write(link, { point: coil, value: true }, options);
  assert.equal(values(await connection.read(link, [coil, real, long, word], options)), [1n, 21.5, 9_007_199_254_740_993n, 'OK']);
});

test('a write of a single register falls back to the function for several', async ({ unit, connection, link, requests }) => {
  const answer = unit.answer.bind(unit);
  unit.set('holding', 0, 0);
  unit.answer = (pdu) => (pdu[0] === 6 ? Buffer.from([0x86, 1]) : answer(pdu));
  await connection.write(link, { point: holding(0), value: 7n }, options);
  assert.is(unit.get('holding', 0), 7);
  assert.equal(requests, ['16@0+1']);
});

const refusals: [what: string, exception: number, code: 'POINT_REJECTED' | 'DEVICE_BUSY' | 'DEVICE_UNREACHABLE'][] = [
  ['an illegal value is rejected', 3, 'POINT_REJECTED'],
  ['a busy device may be tried again', 6, 'DEVICE_BUSY'],
  ['a gateway that did not reach it says that it is unreachable', 11, 'DEVICE_UNREACHABLE'],
];
for (const [what, exception, code] of refusals) {
  test(what, async ({ unit, connection, link }) => {
    unit.answer = (pdu) => Buffer.from([(pdu[0] ?? 0) | 0x80, exception]);
    const error = await connection.write(link, { point: holding(0), value: 7n }, options).catch((caught: unknown) => caught);
    assert.ok(isHiveletError(error, code), String(error));
  });
}

test('inputs cannot be written', async ({ connection, link, requests }) => {
  const error = await connection
    .write(link, { point: point('i', { register: 'InputRegister', offset: 0 }), value: 7n }, options)
    .catch((caught: unknown) => caught);
  assert.ok(isHiveletError(error, 'POINT_REJECTED'));
  assert.equal(requests, []);
});

test('a silent unit costs one time-out and breaks nothing for the others', async ({ unit, connection, link }) => {
  unit.set('holding', 0, 5);
  const started = performance.now();
  const error = await connection
    .read({ ...link, unit: 2, timeoutMs: 500 }, [holding(0), holding(100)], options)
    .catch((caught: unknown) => caught);
  const took = performance.now() - started;
  assert.ok(isHiveletError(error, 'DEVICE_UNREACHABLE'));
  assert.is(error.facts.timedOut, true);
  assert.ok(took >= 490 && took < 950, `${took} ms`);
  assert.equal(values(await connection.read(link, [holding(0)], options)), [5n]);
});

test('an urgent request goes before those that wait', async ({ unit, connection, link }) => {
  const done: string[] = [];
  unit.set('holding', 0, 0).set('holding', 100, 0).set('holding', 200, 0);
  const reads = [0, 100, 200].map((offset) => connection.read(link, [holding(offset)], options).then(() => done.push(`read ${offset}`)));
  const write = connection.write(link, { point: holding(0), value: 1n }, { signal, urgent: true }).then(() => done.push('write'));
  await Promise.all([...reads, write]);
  assert.equal(done, ['read 0', 'write', 'read 100', 'read 200']);
});

test('an abort settles what waits and what is under way', async ({ connection, link }) => {
  const stop = new AbortController();
  const reads = [1, 2].map(() =>
    connection.read({ ...link, unit: 9, timeoutMs: 60_000 }, [holding(0)], { signal: stop.signal }).catch((error: unknown) => error),
  );
  stop.abort(new Error('stopped'));
  for (const error of await within(Promise.all(reads), { what: 'the aborted reads', deadlineMs: 1000 }))
    assert.is((error as Error).message, 'stopped');
});

test('closing settles what is under way', async ({ connection, link }) => {
  const read = connection.read({ ...link, unit: 9, timeoutMs: 60_000 }, [holding(0)], options).catch((error: unknown) => error);
  await connection.close();
  assert.ok(isHiveletError(await within(read, { what: 'the read' }), 'DEVICE_UNREACHABLE'));
});

test('a connection that the device closes is told as lost, with what was under way', async ({ server, connection, link }) => {
  const read = connection.read({ ...link, unit: 9, timeoutMs: 60_000 }, [holding(0)], options).catch((error: unknown) => error);
  server.disconnect();
  const error = await within(read, { what: 'the read' });
  assert.ok(isHiveletError(error, 'DEVICE_UNREACHABLE'));
  assert.is(error.facts.lost, true);
  await within(connection.lost, { what: 'the loss' });
});

test('a device that was switched off is left after two unanswered requests, so that the next one connects anew', async ({
  connection,
  link,
}) => {
  for (let attempt = 0; attempt < 2; attempt++)
    await connection.read({ ...link, unit: 9, timeoutMs: 30 }, [holding(0)], options).catch(() => undefined);
  await within(connection.lost, { what: 'the end of the connection' });
});

test('a refused connection is told at once', async ({ server, link }) => {
  await server.close();
  const error = await within(
    open(link).catch((caught: unknown) => caught),
    { what: 'the refusal', deadlineMs: 1000 },
  );
  assert.ok(isHiveletError(error, 'DEVICE_UNREACHABLE'));
  assert.match(error.message, /ECONNREFUSED/);
});

/** A server that does what `serve` says. */
async function rawServer(serve: (socket: Socket) => void): Promise<{ server: Server; link: ModbusLink; end: () => void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const link = plugin.link({ ip: '127.0.0.1', port: (server.address() as AddressInfo).port, timeout: 100 }, '');
  const end = (): void => {
    sockets.forEach((socket) => socket.destroy());
    server.close();
  };
  return { server, link, end };
}

test('bytes that are not Modbus end the connection', async () => {
  const { link, end } = await rawServer((socket) => socket.on('data', () => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'.repeat(2000))));
  const connection = await open(link);
  const error = await connection.read({ ...link, timeoutMs: 5000 }, [holding(0)], options).catch((caught: unknown) => caught);
  assert.ok(isHiveletError(error, 'DEVICE_UNREACHABLE'));
  await within(connection.lost, { what: 'the end of the connection' });
  end();
});

test('an answer that comes too late is not taken for the next one', async () => {
  let request = 0;
  const { link, end } = await rawServer((socket) =>
    socket.on('data', (bytes) => {
      const value = ++request;
      const answer = Buffer.from([bytes[0]!, bytes[1]!, 0, 0, 0, 5, 1, 3, 2, 0, value]);
      // The first answer comes together with the second.
      if (value === 1) setTimeout(() => socket.write(answer), 150);
      else setTimeout(() => socket.write(answer), 80);
    }),
  );
  const connection = await open(link);
  await connection.read(link, [holding(0)], options).catch(() => undefined);
  assert.equal(values(await connection.read(link, [holding(0)], options)), [2n]);
  await connection.close();
  end();
});

test('an answer may come in pieces', async () => {
  const { link, end } = await rawServer((socket) =>
    socket.on('data', (bytes) => {
      socket.setNoDelay();
      const answer = Buffer.from([bytes[0]!, bytes[1]!, 0, 0, 0, 5, 1, 3, 2, 0, 42]);
      socket.write(answer.subarray(0, 4));
      setTimeout(() => socket.write(answer.subarray(4, 9)), 10);
      setTimeout(() => socket.write(answer.subarray(9)), 20);
    }),
  );
  const connection = await open(link);
  assert.equal(values(await connection.read(link, [holding(0)], options)), [42n]);
  await connection.close();
  end();
});

test('a process that is blocked for longer than the time-out sees no time-out', async () => {
  const code = `
    const { parentPort } = require('node:worker_threads');
    const server = require('node:net').createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (b) => setTimeout(() => socket.write(Buffer.from([b[0], b[1], 0, 0, 0, 5, b[6], 3, 2, 0, 42])), 20));
    });
    server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));`;
  const worker = new Worker(code, { eval: true });
  const port = await new Promise<number>((resolve) => worker.once('message', resolve));
  const link = plugin.link({ ip: '127.0.0.1', port, timeout: 100 }, '');
  const connection = await open(link);
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  let blocks = 0;
  // A slow card: each sync holds up the process for 200 ms, and timers come due before the sockets are read again.
  const block = (): void => {
    Atomics.wait(sleeper, 0, 0, 200);
    blocks++;
  };
  const blocker = setInterval(() => setImmediate(block), 5);
  for (let read = 0; read < 8; read++) assert.equal(values(await connection.read(link, [holding(0)], options)), [42n]);
  assert.ok(blocks > 3, `${blocks} blocks`);
  clearInterval(blocker);
  await connection.close();
  await worker.terminate();
});

test.run();

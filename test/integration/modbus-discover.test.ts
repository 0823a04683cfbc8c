/** Proves the scan for Modbus devices on the wire: behind a gateway, at a device that answers to every unit id, on a serial line; gently, and to its end. */
import { SerialPort } from 'serialport';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import { silentLogger } from '#beehive/log.ts';
import type { FoundDevice, PluginContext } from '#mappers/contract.ts';
import { createModbusPlugin } from '#mappers/modbus/plugin.ts';
import { withCrc } from '#mappers/modbus/rtu.ts';
import { ModbusUnit, startModbusServer, type ModbusServer } from '#mappers/modbus/server.ts';
import { startSerialLine } from '#test/simulators/modbus-peers.ts';
import { needing } from '#test/support/peers.ts';

const plugin = createModbusPlugin();
const withSocat = needing(test, 'socat');

class Counted extends ModbusUnit {
  readonly asked: number[] = [];
  override answer(pdu: Buffer): Buffer {
    this.asked.push(performance.now());
    const said = Buffer.from([0x2b, 0x0e, 1, 1, 0, 0, 1, 1, 4, ...Buffer.from('PUMP')]);
    return pdu[0] === 0x2b ? said : super.answer(pdu);
  }
}

const context = (signal = new AbortController().signal): PluginContext => ({ clock: systemClock, log: silentLogger(), signal });

async function scan(scope: Record<string, string>, signal?: AbortSignal): Promise<FoundDevice[]> {
  const found: FoundDevice[] = [];
  for await (const device of plugin.discover?.(scope, context(signal)) ?? []) found.push(device);
  return found;
}

async function serve(unit: (id: number) => ModbusUnit | undefined, trial: (server: ModbusServer) => Promise<void>): Promise<void> {
  const server = await startModbusServer({ unit });
  try {
    await trial(server);
  } finally {
    await server.close();
  }
}

const shown = (found: readonly FoundDevice[]): unknown[] =>
  found.map(({ name, protocol, properties }) => [name, protocol, properties.map((each) => each.name)]);

test('behind a gateway each unit that answers is found, and those that do not cost their time only', async () => {
  const units = new Map([
    [2, new Counted().set('holding', 4, 7, 8)],
    [5, new ModbusUnit().set('coil', 0, 1, 0)],
  ]);
  await serve(
    (id) => units.get(id),
    async ({ port }) => {
      const found = await scan({ host: '127.0.0.1', port: String(port), units: '1-6', addresses: '0-9', timeout: '60', rate: '1000' });
      assert.equal(shown(found), [
        ['PUMP-2', { modbus: { slaveID: 2 } }, ['holding-4', 'holding-5']],
        ['modbus-127.0.0.1-5', { modbus: { slaveID: 5 } }, ['coil-0', 'coil-1']],
      ]);
      assert.equal(found[0]?.common, { tcp: { ip: '127.0.0.1', port } });
    },
  );
});

test('a device that answers to every unit id is one device', async () => {
  const unit = new ModbusUnit().set('input', 0, 1);
  await serve(
    () => unit,
    async ({ port }) => {
      const found = await scan({ host: '127.0.0.1', port: String(port), addresses: '0-3', rate: '1000' });
      assert.equal(shown(found), [['modbus-127.0.0.1-1', { modbus: { slaveID: 1 } }, ['input-0']]]);
      assert.equal(found[0]?.remarks, ['it answers to every unit id; 1 is taken']);
    },
  );
});

test('it never asks faster than it was told', async () => {
  const unit = new Counted().set('holding', 0, 1);
  await serve(
    (id) => (id === 1 ? unit : undefined),
    async ({ port }) => {
      await scan({ host: '127.0.0.1', port: String(port), units: '1', addresses: '0-7', rate: '50' });
      const gaps = unit.asked.slice(1).map((at, index) => at - (unit.asked[index] ?? 0));
      assert.ok(gaps.length > 20, String(gaps.length));
      // A late question may bring the next one nearer; on the whole it is 20 ms each.
      const [first = 0] = unit.asked;
      assert.ok((unit.asked.at(-1) ?? 0) - first >= gaps.length * 20 * 0.95);
    },
  );
});

test('of several hosts those that are not there are passed over; a single one that is not is an error', async () => {
  const unit = new ModbusUnit().set('holding', 0, 1);
  await serve(
    (id) => (id === 1 ? unit : undefined),
    async ({ port }) => {
      const more = { port: String(port), units: '1', addresses: '0', rate: '1000', timeout: '100' };
      // Only 127.0.0.1 is listened on.
      assert.is((await scan({ host: '127.0.0.1-3', ...more })).length, 1);
      assert.match(await scan({ host: '127.0.0.2', ...more }).then(String, String), /127\.0\.0\.2:\d+: .*ECONNREFUSED/);
    },
  );
});

test('when it is stopped, what it waits for ends, and the connection with it', async () => {
  const stop = new AbortController();
  await serve(
    () => undefined,
    async ({ port }) => {
      const scanning = scan({ host: '127.0.0.1', port: String(port), timeout: '10000' }, stop.signal);
      systemClock.timer(50, () => stop.abort(new HiveletError('STOPPED')));
      const started = performance.now();
      assert.match(await scanning.then(String, String), /stopped while waiting/);
      assert.ok(performance.now() - started < 5000);
    },
  );
});

withSocat('on a serial line units are found one after the other', async () => {
  const line = await startSerialLine();
  const slave = new SerialPort({ path: line.slave, baudRate: 115_200, autoOpen: false });
  await new Promise<void>((resolve, reject) => slave.open((error) => (error === null ? resolve() : reject(error))));
  const unit = new ModbusUnit().set('holding', 0, 200, 300);
  let received = Buffer.alloc(0);
  slave.on('data', (bytes: Buffer) => {
    received = Buffer.concat([received, bytes]);
    // All questions of a scan have eight bytes.
    for (; received.length >= 8; received = received.subarray(8))
      if (received[0] === 3) slave.write(withCrc(Buffer.concat([Buffer.from([3]), unit.answer(received.subarray(1, 6))])));
  });
  try {
    const found = await scan({
      'serial-port': line.master,
      baud: '115200',
      units: '2-4',
      addresses: '0-3',
      rate: '1000',
      registers: 'holding',
    });
    assert.equal(shown(found), [
      [`modbus-${line.master.split('/').at(-1) ?? ''}-3`, { modbus: { slaveID: 3 } }, ['holding-0', 'holding-1']],
    ]);
    assert.equal(found[0]?.common, { com: { serialPort: line.master, baudRate: 115_200, dataBits: 8, parity: 'none', stopBits: 1 } });
  } finally {
    await new Promise<void>((resolve) => slave.close(() => resolve()));
    await line.stop();
  }
});

test.run();

/** Proves what a scan for Modbus devices may ask, and what becomes of what it saw. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHiveletError } from '#beehive/errors.ts';
import { foundDevice } from '#mappers/modbus/discover/found.ts';
import { hostsOf } from '#mappers/modbus/discover/hosts.ts';
import { identityRequest, readIdentity } from '#mappers/modbus/discover/identity.ts';
import { readScan } from '#mappers/modbus/discover/scope.ts';
import { scanTable } from '#mappers/modbus/discover/tables.ts';
import { ModbusUnit } from '#mappers/modbus/server.ts';

/** The sentence with which it is refused. */
function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (isHiveletError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'taken';
}

test('hosts: one by name or address, ranges and networks of private addresses', () => {
  assert.equal(hostsOf('plc.local'), ['plc.local']);
  assert.equal(hostsOf('203.0.113.9'), ['203.0.113.9']);
  assert.equal(hostsOf('192.168.1.9-11, 10.0.0.1'), ['192.168.1.9', '192.168.1.10', '192.168.1.11', '10.0.0.1']);
  assert.equal(hostsOf('127.0.0.254-127.0.1.1'), ['127.0.0.254', '127.0.0.255', '127.0.1.0', '127.0.1.1']);
  assert.equal(hostsOf('172.16.3.5/30'), ['172.16.3.5', '172.16.3.6']);
  assert.equal(hostsOf('10.1.2.3/32'), ['10.1.2.3']);
});

test('ranges of other networks, huge ones and nonsense are refused', () => {
  for (const [text, sentence] of [
    ['203.0.113.1-5', /203\.0\.113\.1 is no loopback or private address/],
    ['192.168.255.250-192.169.0.2', /192\.169\.0\.0 is no loopback or private address/],
    ['172.15.255.255-172.16.0.1', /172\.15\.255\.255 is no loopback/],
    ['10.0.0.0/8', /stands for 16777214 hosts, at most 256 are asked/],
    ['10.0.0.1-10.0.0.200,10.0.1.1-100', /stands for 300 hosts, at most 256/],
    ['10.0.0.9-3', /ends before it begins/],
    ['10.0.0.0/33', /at most 32 bits/],
    ['http://plc', /write an address, a name, or a range/],
    ['', /write an address/],
  ] as const) {
    assert.match(
      refusal(() => hostsOf(text)),
      sentence,
      text,
    );
    assert.match(
      refusal(() => hostsOf(text)),
      /^USAGE: --host/,
    );
  }
});

test('the scope is read with usual values, and each fault names its flag', () => {
  const ports = ['/dev/ttyUSB*'];
  const scan = readScan({ host: '127.0.0.1' }, ports);
  assert.equal(scan.where, { hosts: ['127.0.0.1'], port: 502 });
  assert.equal([scan.units.length, scan.units[0], scan.units.at(-1)], [247, 1, 247]);
  assert.equal(
    [scan.spaces, scan.first, scan.count, scan.timeoutMs, scan.pauseMs],
    [['holding', 'input', 'coil', 'discrete'], 0, 100, 300, 50],
  );
  const line = readScan(
    { 'serial-port': '/dev/ttyUSB0', baud: '19200', parity: 'even', units: '1,5-7,5', registers: 'coil', addresses: '10' },
    ports,
  );
  assert.equal(line.where, { line: { path: '/dev/ttyUSB0', baudRate: 19_200, dataBits: 8, parity: 'even', stopBits: 1, rs485: false } });
  assert.equal([line.units, line.spaces, line.first, line.count, line.timeoutMs], [[1, 5, 6, 7], ['coil'], 10, 1, 150]);
  for (const [scope, sentence] of [
    [{}, /write either --host ADDRESS/],
    [{ host: 'a', 'serial-port': '/dev/ttyUSB0' }, /write either --host ADDRESS/],
    [{ host: 'a', url: 'b' }, /--url is nothing that a scan for Modbus devices knows/],
    [{ host: 'a', units: '0-300' }, /--units 300: write a whole number from 0 to 255/],
    [{ host: 'a', units: 'all' }, /--units all: write a whole number/],
    [{ host: 'a', units: '9-3' }, /--units 9-3: the range ends before it begins/],
    [{ host: 'a', registers: 'holding,float' }, /--registers float: write holding, input, coil or discrete/],
    [{ host: 'a', addresses: '0-9999' }, /10000 addresses of each table are too many/],
    [{ host: 'a', rate: '0' }, /--rate 0: write a whole number from 1 to 1000/],
    [{ host: 'a', timeout: '5' }, /--timeout 5: write a whole number from 10/],
    [{ 'serial-port': '/etc/passwd' }, /--serial-port: "\/etc\/passwd" is no serial port that a device may use/],
    [{ 'serial-port': '/dev/ttyUSB0', baud: '3' }, /--baud: "3" is not possible/],
  ] as const)
    assert.match(
      refusal(() => readScan(scope, ports)),
      sentence,
    );
});

/** Counts what a unit is asked. */
function counting(unit: ModbusUnit): { ask: (pdu: Uint8Array) => Promise<Uint8Array>; asked: number } {
  const counter = {
    asked: 0,
    ask: (pdu: Uint8Array): Promise<Uint8Array> => {
      counter.asked++;
      return Promise.resolve(unit.answer(Buffer.from(pdu)));
    },
  };
  return counter;
}

test('a table is found with few questions: full, with holes, empty', async () => {
  const unit = new ModbusUnit()
    .set('holding', 0, ...Array.from({ length: 100 }, (_, index) => index))
    .set('input', 17, 1, 2, 3)
    .set('input', 90, 9);
  const full = counting(unit);
  const { places } = await scanTable(full.ask, { space: 'holding', first: 0, count: 100 });
  assert.equal([places.length, places[42], full.asked], [100, { space: 'holding', address: 42, value: 42 }, 2]);
  const holes = counting(unit);
  const found = await scanTable(holes.ask, { space: 'input', first: 0, count: 100 });
  assert.equal(
    found.places.map(({ address, value }) => [address, value]),
    [
      [17, 1],
      [18, 2],
      [19, 3],
      [90, 9],
    ],
  );
  assert.is(found.remark, undefined);
  assert.ok(holes.asked <= 130, String(holes.asked));
  const wide = counting(unit);
  const rest = await scanTable(wide.ask, { space: 'coil', first: 0, count: 2000 });
  assert.equal([rest.places.length, wide.asked], [0, 150]);
  assert.match(rest.remark ?? '', /coil from \d+ on was not asked: the table is full of holes/);
  const without = counting(unit);
  without.ask = (pdu) => {
    without.asked++;
    return Promise.resolve(Buffer.from([(pdu[0] ?? 0) | 0x80, 1]));
  };
  assert.equal((await scanTable(without.ask, { space: 'discrete', first: 0, count: 100 })).places, []);
  assert.is(without.asked, 1);
});

test('what a device says of itself becomes its name; what it says in other bytes does not harm', () => {
  const said = Buffer.concat([
    Buffer.from([0x2b, 0x0e, 1, 1, 0, 0, 3]),
    ...['ACME GmbH', 'Pump\u0000 4', '1.2'].map((text, id) => Buffer.concat([Buffer.from([id, text.length]), Buffer.from(text, 'latin1')])),
  ]);
  const identity = readIdentity(said);
  assert.equal(identity, { vendor: 'ACME GmbH', product: 'Pump  4', revision: '1.2' });
  assert.equal(readIdentity(said.subarray(0, 12)), { vendor: 'ACM' });
  assert.equal(readIdentity(Buffer.from([0xab, 1])), {});
  assert.equal([...identityRequest], [0x2b, 0x0e, 1, 0]);
  const where = { host: '10.0.0.4', port: 502 };
  const places = [
    { space: 'holding', address: 3, value: 200 },
    { space: 'discrete', address: 0, value: 1 },
  ] as const;
  const found = foundDevice({ where, unit: 7, identity, places, remarks: [] });
  assert.equal(
    [found.name, found.protocol, found.common],
    ['Pump  4-7', { modbus: { slaveID: 7 } }, { tcp: { ip: '10.0.0.4', port: 502 } }],
  );
  assert.equal(found.remarks, ['the device calls itself ACME GmbH Pump  4 1.2']);
  assert.equal(found.properties[0], {
    name: 'holding-3',
    type: 'int',
    accessMode: 'ReadWrite',
    description: 'was 200 (0x00c8)',
    minimum: '0',
    maximum: '65535',
    visitor: { register: 'HoldingRegister', offset: 3, limit: 1 },
  });
  assert.equal([found.properties[1]?.type, found.properties[1]?.accessMode], ['boolean', 'ReadOnly']);
});

test.run();

/** Proves that the protocol block of every generation becomes the same link, and which serial ports a Device may name. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHiveletError } from '#beehive/errors.ts';
import { DEFAULT_SERIAL_PORTS, linkKeyOf, readLink, type ModbusLink } from '#mappers/modbus/link.ts';

const read = (input: Record<string, unknown>): ModbusLink => readLink(input, 'spec.protocol', { allowedSerialPorts: DEFAULT_SERIAL_PORTS });
const tcp = { kind: 'tcp', host: '192.0.2.40', port: 502, unit: 3, timeoutMs: 1000 };
const line = { path: '/dev/ttyUSB0', baudRate: 19_200, dataBits: 7, parity: 'even', stopBits: 2, rs485: false };
const rtu = { kind: 'rtu', line, unit: 3, timeoutMs: 300 };

const links: { what: string; input: Record<string, unknown>; link: object }[] = [
  { what: 'flattened v1alpha2 TCP', input: { slaveID: 3, ip: '192.0.2.40', port: 502 }, link: tcp },
  { what: 'v1alpha1 TCP with a text as slave id', input: { tcp: { ip: '192.0.2.40', port: 502, slaveID: '3' } }, link: tcp },
  { what: 'v1alpha2 as written', input: { modbus: { slaveID: 3 }, common: { tcp: { ip: '192.0.2.40', port: 502 } } }, link: tcp },
  {
    what: 'v1beta1 configData in other spelling',
    input: { configData: { communicateMode: 'TCP', IP: '192.0.2.40', Port: '502', SlaveId: '3' } },
    link: tcp,
  },
  { what: 'defaults of port and unit', input: { ip: '192.0.2.40' }, link: { ...tcp, unit: 1 } },
  { what: 'a time-out of its own', input: { ip: '192.0.2.40', slaveID: 3, timeout: '250' }, link: { ...tcp, timeoutMs: 250 } },
  { what: 'a time-out of 0 is the default', input: { ip: '192.0.2.40', slaveID: 3, timeout: 0 }, link: tcp },
  {
    what: 'v1alpha1 RTU',
    input: { rtu: { serialPort: '/dev/ttyUSB0', baudRate: 19_200, dataBits: 7, parity: 'even', stopBits: 2, slaveID: 3 } },
    link: rtu,
  },
  {
    what: 'v1alpha2 RTU, where the serial port wins over an address',
    input: {
      slaveID: 3,
      common: { com: { serialPort: '/dev/ttyUSB0', baudRate: '19200', dataBits: 7, parity: 'E', stopBits: 2 }, tcp: { ip: '192.0.2.40' } },
    },
    link: rtu,
  },
  {
    what: 'v1beta1 RTU with serialName',
    input: { communicateMode: 'RTU', serialName: '/dev/ttyUSB0', baudRate: 19_200, dataBits: 7, parity: 'even', stopBits: 2, slaveID: 3 },
    link: rtu,
  },
  {
    what: 'a v1beta1 block that says TCP though it has a serial port',
    input: { communicateMode: 'TCP', serialName: '/dev/ttyUSB0', ip: '192.0.2.40', slaveID: 3 },
    link: tcp,
  },
  {
    what: 'defaults of a line, and RS-485',
    input: { serialPort: '/dev/ttyAMA0', customizedValues: { serialType: 'RS485' } },
    link: {
      kind: 'rtu',
      line: { path: '/dev/ttyAMA0', baudRate: 9600, dataBits: 8, parity: 'none', stopBits: 1, rs485: true },
      unit: 1,
      timeoutMs: 300,
    },
  },
  {
    what: 'a port by id',
    input: { serialPort: '/dev/serial/by-id/usb-FTDI_1-if00', slaveID: 3, ...line, path: undefined },
    link: { ...rtu, line: { ...line, path: '/dev/serial/by-id/usb-FTDI_1-if00' } },
  },
];

for (const { what, input, link } of links) test(`${what} is read`, () => assert.equal(read(input), link));

const refused: { what: string; input: Record<string, unknown>; says: RegExp }[] = [
  { what: 'nothing to connect to', input: { slaveID: 1 }, says: /^spec\.protocol: neither serialPort nor ip is there; add ip/ },
  { what: 'RTU without a port', input: { communicateMode: 'RTU' }, says: /add serialName/ },
  {
    what: 'a slave id of 256',
    input: { ip: 'plc', slaveID: 256 },
    says: /^spec\.protocol\.slaveID: 256 is not possible: write a whole number from 0 to 255$/,
  },
  { what: 'a nested field', input: { tcp: { ip: 'plc', port: 'http' } }, says: /^spec\.protocol\.tcp\.port: "http"/ },
  { what: 'an address that is a URL', input: { ip: 'tcp://plc' }, says: /is no address/ },
  {
    what: 'a file of the board',
    input: { serialPort: '/etc/shadow' },
    says: /^spec\.protocol\.serialPort: "\/etc\/shadow" is no serial port that a device may use/,
  },
  { what: 'a way out of the allowed folder', input: { serialPort: '/dev/tty/../mem' }, says: /is no serial port/ },
  { what: 'a relative path', input: { serialPort: 'ttyUSB0' }, says: /is no serial port/ },
  { what: 'a time-out of a day', input: { ip: 'plc', timeout: 86_400_000 }, says: /is no time-out/ },
];

for (const { what, input, says } of refused) {
  test(`${what} is refused with its field`, () =>
    assert.throws(
      () => read(input),
      (error: Error) => isHiveletError(error, 'PROFILE_INVALID') && says.test(error.message),
    ));
}

test('the allowed ports can be configured', () => {
  const options = { allowedSerialPorts: ['/dev/rs485-*'] };
  assert.is(readLink({ serialPort: '/dev/rs485-1' }, '', options).kind, 'rtu');
  assert.throws(() => readLink({ serialPort: '/dev/ttyUSB0' }, '', options), /rs485/);
});

test('slaves of one line share a link, whatever their unit; other ports do not', () => {
  assert.is(linkKeyOf(read({ ip: 'PLC', slaveID: 1 })), linkKeyOf(read({ ip: 'plc', slaveID: 2 })));
  assert.is.not(linkKeyOf(read({ ip: 'plc' })), linkKeyOf(read({ ip: 'plc', port: 503 })));
  assert.is(linkKeyOf(read({ serialPort: '/dev/ttyS0', slaveID: 1 })), linkKeyOf(read({ serialPort: '/dev/ttyS0', slaveID: 2 })));
});

test.run();

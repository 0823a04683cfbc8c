/** Owns the proof that a board says what its attached devices need, and what of it is there already. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { loadBoards } from '../../../boards/board.ts';
import type { BoardProfile } from '../../../boards/board.ts';
import { boardNeeds } from '../../../boards/needs.ts';

function board(id: string): BoardProfile {
  const found = loadBoards().find((each) => each.id === id);
  if (found === undefined) throw new Error(`no board ${id}`);
  return found;
}

function device(name: string, protocol: string, protocolConfig: Record<string, unknown> = {}): DeviceProfile {
  return { uid: '', namespace: 'default', name, model: `${name}-model`, protocol, protocolConfig, properties: [] };
}

const zero = board('raspberry-pi-zero-2-w');

test('a DHT11 needs its overlay, an RTU device its UART, and a TCP device nothing', () => {
  const devices = [
    device('dht11', 'iio', { name: 'dht11@0' }),
    device('pump', 'modbus', { serialPort: '/dev/ttyAMA0', baudRate: 9600 }),
    device('thermostat', 'modbus', { ip: '192.0.2.1' }),
  ];
  const { needs, ports, network, groups } = boardNeeds(zero, devices, tempDir());
  assert.equal(
    needs.map(({ attachment, devices: names, lines }) => [attachment, names, lines.map(({ text }) => text)]),
    [
      ['dht11', ['dht11'], ['dtoverlay=dht11,gpiopin=4']],
      ['uart', ['pump'], ['enable_uart=1', 'dtoverlay=disable-bt']],
    ],
  );
  assert.equal(ports, [{ path: '/dev/ttyAMA0', device: 'pump', present: false }]);
  assert.equal(network, ['thermostat']);
  assert.equal(groups, ['dialout', 'gpio', 'i2c', 'spi']);
});

test('RS-485 on a UART needs the direction pin, a USB adapter nothing but its group', () => {
  const rs485 = boardNeeds(
    board('raspberry-pi-5'),
    [device('a', 'modbus', { serialPort: '/dev/ttyAMA0', serialType: 'RS485' })],
    tempDir(),
  );
  assert.equal(
    rs485.needs.map(({ attachment, lines }) => [attachment, lines.map(({ text }) => text)]),
    [['rs485', ['dtoverlay=uart0-pi5,ctsrts']]],
  );
  const usb = boardNeeds(zero, [device('b', 'modbus', { serialName: '/dev/ttyUSB0', serialType: 'RS485' })], tempDir());
  assert.equal(usb.needs, []);
  assert.ok(usb.groups.includes('dialout'));
});

test('lines that the board has already, and ports that exist, are marked', () => {
  const root = tempDir();
  mkdirSync(path.join(root, 'boot/firmware'), { recursive: true });
  mkdirSync(path.join(root, 'dev'));
  writeFileSync(path.join(root, 'boot/firmware/config.txt'), '# dtoverlay=disable-bt\nenable_uart=1\n');
  writeFileSync(path.join(root, 'dev/ttyAMA0'), '');
  const { needs, ports } = boardNeeds(zero, [device('pump', 'modbus', { serialPort: '/dev/ttyAMA0' })], root);
  assert.equal(needs[0]?.lines, [
    { text: 'enable_uart=1', present: true },
    { text: 'dtoverlay=disable-bt', present: false },
  ]);
  assert.is(ports[0]?.present, true);
});

test('without devices every attachment is told; Bluetooth takes no group, since one that is not there would keep the service from starting', () => {
  const { needs, groups } = boardNeeds(zero, undefined, tempDir());
  assert.equal(
    needs.map(({ attachment }) => attachment),
    ['dht11', 'uart', 'rs485', 'bluetooth'],
  );
  assert.equal(groups, ['dialout', 'gpio', 'i2c', 'spi']);
  assert.equal(boardNeeds(zero, [device('tag', 'bluetooth')], tempDir()).groups, ['gpio', 'i2c', 'spi']);
});

test.run();

/** Whoever may edit a Device names serial ports and sensors in it: nothing else of the board is opened. */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { HiveletError } from '#beehive/errors.ts';
import { readIioLink } from '#mappers/iio/channel.ts';
import { findSensor } from '#mappers/iio/sysfs.ts';
import { readLink } from '#mappers/modbus/link.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const dataDir = tempDir();
const outside = path.join(dataDir, 'edge', 'pki');
mkdirSync(outside, { recursive: true });

test('serial ports: what the globs allow, written plainly, and nothing that only looks like it', () => {
  const options = { allowedSerialPorts: ['/dev/tty*', '/dev/serial/*', '/dev/pts/*'] };
  const kindOf = (serialPort: string): string => {
    try {
      return readLink({ serialPort }, 'spec.protocol', options).kind;
    } catch (error) {
      return (error as HiveletError).code;
    }
  };
  assert.is(kindOf('/dev/ttyUSB0'), 'rtu');
  for (const attack of [
    '/dev/mem',
    '/dev/sda',
    '/dev/watchdog',
    '/etc/passwd',
    '/dev/tty/../mem',
    '/dev/ttyUSB0/../../etc/passwd',
    '/dev/./ttyUSB0',
    '//dev/ttyUSB0',
    'dev/ttyUSB0',
    '/dev/ttyUSB0\0/x',
    '/dev/serial/../mem',
    '../dev/ttyUSB0',
    '/proc/self/fd/0',
    'x/dev/ttyUSB0',
    '/DEV/ttyUSB0',
    '/dev/tty\n/../mem',
  ]) {
    assert.is(kindOf(attack), 'PROFILE_INVALID', attack);
  }
});

test('sensors: below the sysfs root only, links followed before the comparison', async () => {
  const root = path.join(dataDir, 'sys');
  const devices = path.join(root, 'bus/iio/devices');
  mkdirSync(path.join(devices, 'iio:device0'), { recursive: true });
  writeFileSync(path.join(devices, 'iio:device0', 'name'), 'dht11@4\n');
  symlinkSync(outside, path.join(devices, 'iio:device1'));
  assert.ok(await findSensor(root, readIioLink({ name: 'dht11' }, 'spec.protocol')));
  const outcome = async (block: Record<string, unknown>): Promise<string> => {
    try {
      return await findSensor(root, readIioLink(block, 'spec.protocol'));
    } catch (error) {
      return (error as HiveletError).code;
    }
  };
  for (const where of [
    '/etc',
    '/',
    '../../../../edge/pki',
    'iio:device0/../../..',
    'iio:device1',
    outside,
    `${root}/../edge/pki`,
    '/proc/self',
  ]) {
    assert.is(await outcome({ path: where }), 'PROFILE_INVALID', where);
  }
  rmSync(path.join(devices, 'iio:device1'));
});

test.run();

/** Owns the proof of `hivelet board` as a process, on the files of an imagined Raspberry Pi. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const root = path.join(import.meta.dirname, '../..');
const sample = path.join(root, 'device-models/samples/dht11.yaml');

function pi(config: string): string {
  const board = tempDir();
  for (const folder of ['proc/device-tree', 'boot/firmware']) mkdirSync(path.join(board, folder), { recursive: true });
  writeFileSync(path.join(board, 'proc/device-tree/model'), 'Raspberry Pi Zero 2 W Rev 1.0\0');
  writeFileSync(path.join(board, 'boot/firmware/config.txt'), config);
  return board;
}

async function board(args: readonly string[], wanted?: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const entry = path.join(root, 'bin/hivelet.ts');
  return runProcess({
    command: process.execPath,
    args: ['--import', 'tsx', entry, 'board', ...args],
    cwd: root,
    env: { HIVELET_BOARD: wanted },
  });
}

test('a DHT11 on a Zero 2 W gets its overlay line, until it is there', async () => {
  const before = await board(['--root', pi(''), sample]);
  assert.is(before.code, 0, before.stderr);
  assert.match(before.stdout, /^Board: Raspberry Pi Zero 2 W \(raspberry-pi-zero-2-w\), recognised by "Raspberry Pi Zero 2 W Rev 1\.0"$/m);
  assert.match(before.stdout, /^DHT11\/DHT22 for dht11: lines in \/boot\/firmware\/config\.txt\n {2}dtoverlay=dht11,gpiopin=4\n/m);
  assert.match(before.stdout, /has to be started again/);
  const after = await board(['--root', pi('dtoverlay=dht11,gpiopin=4\n'), sample]);
  assert.match(after.stdout, /^ {2}dtoverlay=dht11,gpiopin=4 {3}\(is there\)$/m);
  assert.not.match(after.stdout, /has to be started again/);
});

test('without devices everything is told; JSON says the same', async () => {
  const { stdout } = await board(['--root', pi('')]);
  for (const title of ['DHT11/DHT22', 'Modbus RTU on a UART', 'RS-485 on a UART', 'Bluetooth'])
    assert.match(stdout, new RegExp(`^${title}`, 'm'));
  const json = JSON.parse((await board(['--root', pi(''), '--json'])).stdout) as { board: { id: string }; needs: { attachment: string }[] };
  assert.is(json.board.id, 'raspberry-pi-zero-2-w');
  assert.equal(
    json.needs.map(({ attachment }) => attachment),
    ['dht11', 'uart', 'rs485', 'bluetooth'],
  );
});

test('the drop-in for systemd has the limit of the board', async () => {
  const { stdout } = await board(['--drop-in', '--root', pi('')]);
  assert.match(stdout, /^\[Service\]\nMemoryMax=160M\nSupplementaryGroups=gpio i2c spi$/m);
});

test('another board may be named, and one that does not exist is refused', async () => {
  assert.match((await board([], 'beaglebone-black')).stdout, /^Board: BeagleBone Black/);
  const { code, stderr } = await board([], 'toaster');
  assert.is(code, 1);
  assert.match(stderr, /^hivelet board: HIVELET_BOARD=toaster names no board: use one of /);
});

test('a file that is no YAML is told with its line', async () => {
  const file = path.join(tempDir(), 'x.yaml');
  writeFileSync(file, 'kind: Device\nspec: {a: [}\n');
  const { code, stderr } = await board([file]);
  assert.is(code, 1);
  assert.match(stderr, /x\.yaml:2: this is no YAML: /);
});

test.run();

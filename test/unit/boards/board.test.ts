/** Owns the proof that each board is recognised by its model and that its profile is complete. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHiveletError } from '#beehive/errors.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { attachments, loadBoards, recogniseBoard } from '../../../boards/board.ts';

/** A root with nothing but the model of the device tree, which ends with a NUL there. */
function rootOf(model: string): string {
  const root = tempDir();
  mkdirSync(path.join(root, 'proc/device-tree'), { recursive: true });
  writeFileSync(path.join(root, 'proc/device-tree/model'), `${model}\0`);
  return root;
}

const models: [model: string, id: string][] = [
  ['Raspberry Pi Zero 2 W Rev 1.0', 'raspberry-pi-zero-2-w'],
  ['Raspberry Pi 3 Model B Plus Rev 1.3', 'raspberry-pi-3'],
  ['Raspberry Pi 3 Model A Plus Rev 1.0', 'raspberry-pi-3'],
  ['Raspberry Pi Compute Module 3 Plus Rev 1.0', 'raspberry-pi-3'],
  ['Raspberry Pi 4 Model B Rev 1.4', 'raspberry-pi-4'],
  ['Raspberry Pi 400 Rev 1.0', 'raspberry-pi-4'],
  ['Raspberry Pi 5 Model B Rev 1.0', 'raspberry-pi-5'],
  ['Raspberry Pi 500 Rev 1.0', 'raspberry-pi-5'],
  ['Raspberry Pi Compute Module 5 Rev 1.0', 'raspberry-pi-5'],
  ['TI AM335x BeagleBone Black', 'beaglebone-black'],
  ['TI AM335x BeagleBone Black Wireless', 'beaglebone-black'],
  ['Raspberry Pi Zero W Rev 1.1', 'generic'],
  ['OrangePi Zero2 W', 'generic'],
];
for (const [model, id] of models) {
  test(`${model} is ${id}`, () => {
    const recognised = recogniseBoard({ root: rootOf(model) });
    assert.is(recognised.board.id, id);
    assert.is(recognised.model, model);
  });
}

test('a machine without a device tree is generic', () => {
  const { board, model } = recogniseBoard({ root: tempDir() });
  assert.is(board.id, 'generic');
  assert.is(model, '');
});

test('a wanted board wins over the model, by id or model, and an unknown one is an error that names the ids', () => {
  const root = rootOf('Raspberry Pi 5 Model B Rev 1.0');
  assert.is(recogniseBoard({ root, wanted: 'beaglebone-black' }).board.id, 'beaglebone-black');
  assert.is(recogniseBoard({ root, wanted: 'Raspberry Pi 4 Model B' }).board.id, 'raspberry-pi-4');
  assert.is(recogniseBoard({ root, wanted: 'generic' }).board.id, 'generic');
  try {
    recogniseBoard({ root, wanted: 'toaster' });
    assert.unreachable();
  } catch (error) {
    assert.ok(isHiveletError(error, 'CONFIG_INVALID'));
    assert.match(error.message, /^HIVELET_BOARD=toaster names no board: use one of .*raspberry-pi-zero-2-w/);
  }
});

test('each profile names its groups, ports, notes and a memory limit above its budget', () => {
  const boards = loadBoards();
  assert.equal(new Set(boards.map(({ id }) => id)).size, boards.length);
  for (const board of boards) {
    assert.ok(board.groups.includes('dialout'), board.id);
    assert.ok(board.serialPorts.length > 0 && board.serialPorts.every((port) => port.path.startsWith('/dev/')), board.id);
    assert.equal(Object.keys(board.notes).sort(), [...attachments].sort(), board.id);
    assert.ok(Number.parseInt(board.memory.memoryMax, 10) > board.memory.budgetMiB + 56, board.id);
    assert.ok(board.configFile !== '' || board.id === 'generic');
  }
});

test('node takes the flags of each board', () => {
  for (const flags of new Set(loadBoards().map(({ nodeFlags }) => nodeFlags.join(' ')))) {
    const { status, stderr } = spawnSync(process.execPath, [...flags.split(' '), '-e', '0'], { encoding: 'utf8' });
    assert.is(status, 0, stderr);
  }
});

test('match and nodeFlags stand on one line each, where the build looks for them', () => {
  const folder = new URL('../../../boards/', import.meta.url);
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.yaml'))) {
    const text = readFileSync(new URL(file, folder), 'utf8');
    assert.match(text, /^match: \[.*\]$/m, file);
    assert.match(text, /^nodeFlags: \[.*\]$/m, file);
  }
});

test('a profile with a fault is told with its file and field', () => {
  const folder = tempDir();
  writeFileSync(
    path.join(folder, 'x.yaml'),
    'id: x\nname: X\nmatch: []\nnodeFlags: []\ngroups: []\nmemory: {budgetMiB: 1, memoryMax: lots}\n',
  );
  assert.throws(() => loadBoards(folder), /x\.yaml: memory\.memoryMax must be a size such as 160M/);
  writeFileSync(path.join(folder, 'x.yaml'), 'id: x\nname: X\nmatch: y\n');
  assert.throws(() => loadBoards(folder), /x\.yaml: match must be a list of texts on one line/);
});

test.run();

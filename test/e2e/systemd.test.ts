/** Owns the proof that systemd accepts our units, alone and with the drop-in of each board. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { needing, peerPath } from '#test/support/peers.ts';
import { runProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { loadBoards } from '../../boards/board.ts';
import { dropInOf } from '../../boards/drop-in.ts';

const units = ['hivelet-edge.service', 'hivelet-cloud.service'] as const;
const systemdTest = needing(test, 'systemd-analyze');

const unitText = (name: string): string => readFileSync(new URL(`../../conf/systemd/${name}`, import.meta.url), 'utf8');

/** Copies of the units that start a program which exists here, since verify looks for it. */
function copyUnits(): string {
  const folder = tempDir();
  for (const name of units) writeFileSync(path.join(folder, name), unitText(name).replace('/usr/bin/hivelet', '/bin/true'));
  return folder;
}

async function verify(folder: string): Promise<void> {
  const files = units.map((name) => path.join(folder, name));
  const { code, stderr, stdout } = await runProcess({ command: peerPath('systemd-analyze'), args: ['verify', '--man=no', ...files] });
  const complaints = (stdout + stderr).split('\n').filter((line) => line.includes('hivelet'));
  assert.equal(complaints, []);
  assert.is(code, 0, stderr);
}

systemdTest('systemd verifies both units', async () => verify(copyUnits()));

systemdTest('systemd verifies the edge with the drop-in of each board', async () => {
  const folder = copyUnits();
  const dropIns = path.join(folder, 'hivelet-edge.service.d');
  mkdirSync(dropIns);
  for (const board of loadBoards()) {
    writeFileSync(path.join(dropIns, 'board.conf'), dropInOf(board, board.groups));
    await verify(folder);
  }
});

systemdTest('a fault in a unit is found by the same check', async () => {
  const folder = copyUnits();
  writeFileSync(
    path.join(folder, units[0]),
    unitText(units[0]).replace('/usr/bin/hivelet', '/bin/true').replace('RestartSec=2', 'RestartSec=soon'),
  );
  let found = false;
  await verify(folder).catch(() => (found = true));
  assert.ok(found);
});

systemdTest('both units are well confined', async () => {
  const folder = copyUnits();
  for (const name of units) {
    const args = ['security', '--offline=true', '--no-pager', '--threshold=30', path.join(folder, name)];
    const { code, stdout, stderr } = await runProcess({ command: peerPath('systemd-analyze'), args });
    // Versions before 250 cannot judge a unit that is not installed.
    if (/unrecognized option|Unknown argument/.test(stderr)) continue;
    assert.is(code, 0, stdout + stderr);
  }
});

/** The template as the unit of one plugin, with its rights. */
function copyMapper(plugin: string): string {
  const folder = copyUnits();
  const unit = `hivelet-mapper@${plugin}.service`;
  writeFileSync(path.join(folder, unit), unitText('hivelet-mapper@.service').replace('/usr/bin/hivelet', '/bin/true'));
  writeFileSync(path.join(folder, `hivelet-mapper@${plugin}.path`), unitText('hivelet-mapper@.path'));
  if (plugin === 'bluetooth') {
    mkdirSync(path.join(folder, `${unit}.d`));
    writeFileSync(path.join(folder, `${unit}.d/rights.conf`), unitText('hivelet-mapper@bluetooth.conf'));
  }
  return folder;
}

for (const plugin of ['opcua', 'bluetooth']) {
  systemdTest(`systemd verifies the unit of the mapper ${plugin}, which is well confined`, async () => {
    const folder = copyMapper(plugin);
    const file = path.join(folder, `hivelet-mapper@${plugin}`);
    const checked = await runProcess({
      command: peerPath('systemd-analyze'),
      args: ['verify', '--man=no', `${file}.service`, `${file}.path`],
    });
    const complaints = (checked.stdout + checked.stderr).split('\n').filter((line) => line.includes('hivelet'));
    assert.equal(complaints, []);
    const args = ['security', '--offline=true', '--no-pager', '--threshold=30', `${file}.service`];
    const { code, stdout, stderr } = await runProcess({ command: peerPath('systemd-analyze'), args });
    if (!/unrecognized option|Unknown argument/.test(stderr)) assert.is(code, 0, stdout + stderr);
  });
}

test('raw sockets are a right of the Bluetooth mapper alone', () => {
  const holders = ['hivelet-edge.service', 'hivelet-cloud.service', 'hivelet-mapper@.service', 'hivelet-mapper@bluetooth.conf'].filter(
    (name) => unitText(name).includes('CAP_NET_RAW'),
  );
  assert.equal(holders, ['hivelet-mapper@bluetooth.conf']);
});

test('the units start the launcher, wait for its notice, feed a watchdog and start again for ever', () => {
  for (const name of units) {
    const text = unitText(name);
    for (const line of [
      'Type=notify',
      'NotifyAccess=all',
      'WatchdogSec=30',
      'Restart=always',
      'StartLimitIntervalSec=0',
      'StateDirectory=hivelet',
    ]) {
      assert.ok(text.split('\n').includes(line), `${name}: ${line}`);
    }
    assert.match(text, new RegExp(`^ExecStart=/usr/bin/hivelet ${name.includes('edge') ? 'edge' : 'cloud'} `, 'm'));
  }
});

test('the drop-in of a board holds its memory limit and its groups', () => {
  const zero = loadBoards().find(({ id }) => id === 'raspberry-pi-zero-2-w');
  assert.ok(zero);
  const text = dropInOf(zero, ['dialout', 'gpio', 'i2c']);
  assert.match(text, /\[Service\]\nMemoryMax=160M\nSupplementaryGroups=gpio i2c\n$/);
});

test.run();

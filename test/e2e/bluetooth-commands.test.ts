// timeout: 120s
/** Proves the way of a SensorTag through the real programs: played, found in the air, checked, read; and played as a model says. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runProcess, spawnProcess, type Finished, type TestProcess } from '#test/support/processes.ts';
import { launcher } from '#test/support/programs.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const samples = path.join(import.meta.dirname, '../../device-models/samples');
const TAG = 'a0:e6:f8:00:00:01';
const running: TestProcess[] = [];

const hivelet = (...args: string[]): Promise<Finished> => runProcess({ command: launcher, args });

/** Resolves with what the other commands need to use its controller. */
async function simulate(args: readonly string[], input: string): Promise<string[]> {
  const hci = path.join(tempDir(), 'hci0');
  const process = spawnProcess({ command: launcher, args: ['simulate', 'sensortag', '--hci', hci, '--fast', ...args], input });
  running.push(process);
  await process.line('simulator.ready');
  if (input !== '') await process.line('"line":"values"');
  return ['--set', `modules.mapperHost.bluetooth.hci=${hci}`];
}

test.after.each(async () => {
  for (const process of running.splice(0)) await process.stop();
});

test('a tag that is found in the air can be read from what was printed, and its switches are ON and OFF', async () => {
  const set = await simulate(['--tags', '2'], '');
  const { code, stdout } = await hivelet('discover', 'ble', '--address', TAG, '--node', 'board', ...set);
  assert.is(code, 0);
  assert.match(stdout, /^# CC2650 SensorTag at a0:e6:f8:00:00:01, heard with -?\d+ dBm$/m);
  assert.not.match(stdout, /a0:e6:f8:00:00:02/);
  const file = path.join(tempDir(), 'found.yaml');
  writeFileSync(file, stdout);
  const checked = await hivelet('validate', file);
  assert.is(checked.code, 0);
  assert.match(checked.stdout + checked.stderr, /^1 devices and 1 models checked: 0 refused, 0 conditions, 0 warnings$/m);
  const wanted = ['pressure', 'pressure-enable', 'pressure-period'].flatMap((name) => ['--property', name]);
  const read = await hivelet('read', file, ...wanted, '-o', 'json', ...set);
  assert.is(read.code, 0, read.stdout);
  const lines = JSON.parse(read.stdout) as Record<string, unknown>[];
  assert.equal(
    lines.map(({ property, value, raw, unit }) => [property, value, raw, unit]),
    [
      ['pressure', '0', '000000000000', 'hectopascal'],
      ['pressure-enable', 'OFF', '00', undefined],
      ['pressure-period', '1000', '64', 'ms'],
    ],
  );
});

test('a tag behaves as a model says, and what it refuses is the error of its property', async () => {
  const files = ['sensortag.yaml', 'sensortag-model.yaml'].map((name) => path.join(samples, name));
  const set = await simulate(
    files.flatMap((file) => ['--model', file]),
    'set pressure-enable ON\nrefuse humidity\nvalues\n',
  );
  const read = await hivelet('read', ...files, '-o', 'json', ...set);
  assert.is(read.code, 1);
  const lines = JSON.parse(read.stdout) as Record<string, unknown>[];
  const told = (name: string): Record<string, unknown> | undefined => lines.find(({ property }) => property === name);
  assert.equal([told('pressure-enable')?.['value'], told('pressure-enable')?.['raw']], ['ON', '01']);
  assert.match(String(told('humidity')?.['error']), /^the device refuses a read of f000aa21-.*: reading is not permitted \(0x02\)$/);
});

test.run();

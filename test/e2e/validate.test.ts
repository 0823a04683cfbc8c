/** Owns the proof of `hivelet validate` as a process: output, exit codes, help. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runProcess, type Finished } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const root = path.join(import.meta.dirname, '../..');
const samples = path.join(root, 'device-models/samples');

/** From the sources, so that it needs no build. */
function hivelet(args: readonly string[], input?: string): Promise<Finished> {
  const entry = path.join(root, 'bin/hivelet.ts');
  return runProcess({
    command: process.execPath,
    args: ['--import', 'tsx', entry, ...args],
    cwd: root,
    ...(input === undefined ? {} : { input }),
  });
}

test('our samples are fine, as files and as a folder', async () => {
  const files = await hivelet(['validate', path.join(samples, 'dht11.yaml'), path.join(samples, 'dht11-model.yaml')]);
  assert.equal([files.code, files.stdout, files.stderr], [0, '1 devices and 1 models checked: 0 refused, 0 conditions, 0 warnings\n', '']);
  const folder = await hivelet(['validate', samples]);
  assert.is(folder.code, 0);
  assert.match(folder.stdout, /^(\d+) devices and \1 models checked: 0 refused, 0 conditions, 0 warnings/);
});

test('what can never work is refused with file, line and column, and exit code 1', async () => {
  const file = path.join(tempDir(), 'bad.yaml');
  writeFileSync(
    file,
    'apiVersion: devices.kubeedge.io/v1alpha2\nkind: DeviceModel\nmetadata: {name: m}\nspec:\n  properties:\n  - name: p\n    type: {int: {minimum: 9, maximum: 1}}\n',
  );
  const { code, stdout } = await hivelet(['validate', file]);
  assert.is(code, 1);
  assert.equal(stdout.split('\n').slice(0, 2), [
    `${file}:7:18: refused: spec.properties[0].type.int.minimum: 9 is more than maximum 1, so no value fits: exchange them`,
    '0 devices and 1 models checked: 1 refused, 0 conditions, 0 warnings',
  ]);
});

test('a condition is no failure, unless --strict asks for it; JSON is for programs; - is standard input', async () => {
  const device =
    'apiVersion: devices.kubeedge.io/v1alpha2\nkind: Device\nmetadata: {name: d}\nspec: {deviceModelRef: {name: m}, nodeName: n}\n';
  const plain = await hivelet(['validate', '-', '--json'], device);
  assert.is(plain.code, 0);
  const [finding] = JSON.parse(plain.stdout) as Record<string, unknown>[];
  assert.equal(
    [finding?.['file'], finding?.['line'], finding?.['severity'], finding?.['path']],
    ['<stdin>', 4, 'condition', 'spec.deviceModelRef.name'],
  );
  assert.is((await hivelet(['validate', '-', '--strict'], device)).code, 1);
});

test('wrong usage is exit code 2 and one sentence', async () => {
  for (const [args, sentence] of [
    [['validate'], 'hivelet validate: an argument is missing: name the files to check'],
    [['validate', '--jsn', 'x'], 'hivelet validate: there is no flag --jsn; did you mean --json?'],
    [['valdate'], 'hivelet valdate: there is no command valdate; did you mean validate?'],
  ] as const) {
    const { code, stdout, stderr } = await hivelet(args);
    assert.equal([code, stdout, stderr.split('\n')[0]], [2, '', sentence]);
  }
  const gone = await hivelet(['validate', '/nowhere.yaml']);
  assert.is(gone.code, 1);
  assert.match(gone.stderr, /^hivelet validate: cannot read \/nowhere\.yaml: there is no such file \(ENOENT\)$/m);
});

test('help and version are there', async () => {
  const help = await hivelet(['help']);
  for (const command of [
    'up',
    'cloud',
    'edge',
    'api',
    'init',
    'get',
    'set',
    'watch',
    'validate',
    'board',
    'simulate',
    'read',
    'discover',
    'mappers',
  ]) {
    assert.match(help.stdout, new RegExp(`^  ${command} `, 'm'));
  }
  assert.match((await hivelet(['validate', '--help'])).stdout, /--strict/);
  assert.match((await hivelet(['help', 'edge'])).stdout, /`hivelet edge --help`/);
  assert.match((await hivelet(['--version'])).stdout, /^hivelet \d+\.\d+\.\d+\n$/);
});

test.run();

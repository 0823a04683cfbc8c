/** Tests the launcher: which program it becomes, with which flags, and what it says when it cannot. */
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runProcess, type Finished } from '#test/support/processes.ts';
import { removeTempDir, tempDir } from '#test/support/temp-dir.ts';

const launcher = path.join(import.meta.dirname, '../../../bin/hivelet');
const flagsTable =
  'pi-zero-2w\tRaspberry Pi Zero 2\t--no-opt --max-semi-space-size=1\npi-4\tRaspberry Pi 4\t-\ngeneric\t*\t--stack-size=900\n';
const program = 'console.log(JSON.stringify([process.argv[1].split("/").pop(), process.execArgv, process.argv.slice(2), process.pid]));';

let root = '';
test.before.each(() => {
  root = tempDir();
  for (const folder of ['bin', 'dist', 'elsewhere']) mkdirSync(path.join(root, folder));
  copyFileSync(launcher, path.join(root, 'bin/hivelet'));
  for (const name of ['edgecore', 'cloudcore', 'hivelet']) writeFileSync(path.join(root, `dist/${name}.js`), program);
  writeFileSync(path.join(root, 'dist/board-flags.tsv'), flagsTable);
});
test.after.each(() => removeTempDir(root));

function launch(args: string[], env: Record<string, string | undefined> = {}, file = 'bin/hivelet'): Promise<Finished> {
  return runProcess({ command: path.join(root, file), args, cwd: '/', env: { HIVELET_BOARD: 'generic', NODE_OPTIONS: undefined, ...env } });
}

async function launched(args: string[], env: Record<string, string | undefined> = {}): Promise<unknown[]> {
  const finished = await launch(args, env);
  assert.is(finished.code, 0, finished.stderr);
  return (JSON.parse(finished.stdout) as unknown[]).slice(0, 3);
}

test('edge becomes edgecore with the flags of the board, arguments untouched', async () => {
  assert.equal(await launched(['edge', '--set', 'a.b=two words', ''], { HIVELET_BOARD: 'pi-zero-2w' }), [
    'edgecore.js',
    ['--no-opt', '--max-semi-space-size=1'],
    ['--set', 'a.b=two words', ''],
  ]);
});

test('a board is also recognised by its model, one without flags gets none', async () => {
  assert.equal((await launched(['edge'], { HIVELET_BOARD: 'Raspberry Pi Zero 2 W Rev 1.0' }))[1], ['--no-opt', '--max-semi-space-size=1']);
  assert.equal((await launched(['edge'], { HIVELET_BOARD: 'Raspberry Pi 4 Model B Rev 1.4' }))[1], []);
  assert.equal((await launched(['edge'], { HIVELET_BOARD: 'generic' }))[1], ['--stack-size=900']);
});

test('a board that is not there is refused by name', async () => {
  const finished = await launch(['edge'], { HIVELET_BOARD: 'toaster' });
  assert.is(finished.code, 1);
  assert.is(finished.stderr, 'hivelet: HIVELET_BOARD=toaster names no board; use one of: generic pi-4 pi-zero-2w \n');
});

test('cloud and api become cloudcore, everything else the command line', async () => {
  assert.equal(await launched(['cloud', '--config', 'x']), [
    'cloudcore.js',
    ['--expose-gc', '--heap-growing-percent=50'],
    ['--config', 'x'],
  ]);
  assert.equal(await launched(['api', '--data-dir', 'y']), ['cloudcore.js', [], ['api', '--data-dir', 'y']]);
  assert.equal(await launched(['get', 'twins']), ['hivelet.js', [], ['get', 'twins']]);
  assert.equal(await launched([]), ['hivelet.js', [], []]);
});

test('it finds its package through relative and absolute links', async () => {
  symlinkSync('../bin/hivelet', path.join(root, 'elsewhere/relative'));
  symlinkSync(path.join(root, 'elsewhere/relative'), path.join(root, 'elsewhere/absolute'));
  const finished = await launch(['get'], {}, 'elsewhere/absolute');
  assert.match(finished.stdout, '"hivelet.js"');
});

test('it is replaced by the program, so that a signal and systemd reach it', async () => {
  const script = `"${path.join(root, 'bin/hivelet')}" get & echo $!; wait`;
  const finished = await runProcess({ command: 'sh', args: ['-c', script] });
  const [shellPid, line] = finished.stdout.trim().split('\n');
  assert.is((JSON.parse(line ?? '') as unknown[])[3], Number(shellPid));
});

test('a missing build is one sentence with the remedy', async () => {
  removeTempDir(path.join(root, 'dist'));
  const finished = await launch(['get']);
  assert.is(finished.code, 1);
  assert.match(finished.stderr, /^hivelet: \S+\/dist\/hivelet\.js is missing; run `make build` in \S+\n$/);
});

test('a node that is too old, or none, is one sentence with the remedy', async () => {
  const tools = path.join(root, 'elsewhere');
  for (const tool of ['dirname', 'readlink']) symlinkSync(`/usr/bin/${tool}`, path.join(tools, tool));
  assert.match((await launch([], { PATH: tools })).stderr, /^hivelet: node is not installed; install Node\.js 20 or newer/);
  writeFileSync(path.join(tools, 'node'), '#!/bin/sh\necho v18.19.0\n');
  chmodSync(path.join(tools, 'node'), 0o755);
  assert.is((await launch([], { PATH: tools })).stderr, 'hivelet: node v18.19.0 is too old; install Node.js 20 or newer\n');
});

test.run();

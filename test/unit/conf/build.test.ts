/** Tests the build: bundles run away from their sources, find SQLite and their data files, and the boards become a table. */
import { copyFileSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { boardFlags } from '../../../conf/build/board-flags.ts';
import { optionsFor } from '../../../conf/build/options.ts';
import { rewriteMeta } from '../../../conf/build/plugins.ts';

const repository = path.join(import.meta.dirname, '../../..');

test('a bundle opens SQLite from the file beside it, loads chunks on demand and finds what lies beside its sources', async () => {
  const root = tempDir();
  const dist = path.join(root, 'dist');
  mkdirSync(path.join(root, 'edge/store'), { recursive: true });
  symlinkSync(path.join(repository, 'node_modules'), path.join(root, 'node_modules'));
  writeFileSync(path.join(root, 'package.json'), '{ "type": "module" }');
  writeFileSync(path.join(root, 'edge/store/data.txt'), 'data');
  writeFileSync(path.join(root, 'edge/lazy.ts'), "export const lazy: string = 'loaded';");
  writeFileSync(
    path.join(root, 'edge/store/store.ts'),
    `import { readFileSync } from 'node:fs';
     export const read = (): string => readFileSync(import.meta.dirname + '/data.txt', 'utf8') + readFileSync(new URL('data.txt', import.meta.url), 'utf8');
     export const isMain: boolean = process.argv[1] === import.meta.filename;`,
  );
  writeFileSync(
    path.join(root, 'edge/main.ts'),
    `import Database from 'better-sqlite3';
     import { read, isMain } from './store/store.ts';
     const one: unknown = new Database(':memory:').prepare('select 40 + 2').pluck().get();
     const { lazy } = await import('./lazy.ts');
     console.log(JSON.stringify([one, lazy, read(), isMain, process.argv[1] === import.meta.filename]));`,
  );
  await build({ ...optionsFor({ program: 'edgecore', entry: 'edge/main.ts', root, dist }), logLevel: 'silent' });
  copyFileSync(
    path.join(repository, 'node_modules/better-sqlite3/build/Release/better_sqlite3.node'),
    path.join(dist, 'better_sqlite3.node'),
  );
  const finished = await runProcess({ command: process.execPath, args: [path.join(dist, 'edgecore.js')], cwd: '/' });
  assert.is(finished.stdout, '[42,"loaded","datadata",false,true]\n', finished.stderr);
  assert.is(readdirSync(dist).filter((name) => name.startsWith('edgecore-lazy-')).length, 1);
});

test('import.meta keeps its meaning, and only the entry is the program that was started', () => {
  const source = 'f(import.meta.dirname, import.meta.filename)';
  assert.is(rewriteMeta(source, 'edge/store/x.ts', false), 'f(__sourcePath("edge/store"), __sourcePath("edge/store/x.ts"))');
  assert.is(rewriteMeta(source, 'edge/main.ts', true), 'f(__sourcePath("edge"), import.meta.filename)');
});

test('the most telling match of a board comes first, one that matches everything last', () => {
  const boards = tempDir();
  const write = (name: string, text: string): void => writeFileSync(path.join(boards, name), text);
  write('generic.yaml', 'nodeFlags: [--max-semi-space-size=1]\n');
  write('pi-3.yaml', 'id: raspberry-pi-3\nmatch: [Raspberry Pi 3]\nnodeFlags: [--no-opt, --optimize-for-size]\n');
  write('pi-zero.yaml', 'match: ["Raspberry Pi Zero 2", "Zero 2 W"]\n');
  assert.is(
    boardFlags(boards),
    [
      'pi-zero\tRaspberry Pi Zero 2\t-',
      'raspberry-pi-3\tRaspberry Pi 3\t--no-opt --optimize-for-size',
      'pi-zero\tZero 2 W\t-',
      'generic\t*\t--max-semi-space-size=1',
      '',
    ].join('\n'),
  );
  write('broken.yaml', 'match: [7]\n');
  assert.throws(() => boardFlags(boards), /^boards\/broken\.yaml: match must be a list of texts/);
});

test.run();

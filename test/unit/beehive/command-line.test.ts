/** Proves the flags of the programs: values, own flags in both forms, texts to print, wrong usage named. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readProgramLine, type ProgramLine } from '#beehive/command-line.ts';
import { isHiveletError } from '#beehive/errors.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const options = {
  program: 'toaster',
  summary: 'browns bread',
  schema: {
    kind: 'Toaster',
    apiVersion: 'toaster/v1',
    kubeedgeApiVersions: [],
    unsupported: [],
    settings: [{ path: 'slot.count', type: 'int', default: 2, doc: 'slices at once', minimal: true }],
  },
  version: 'toaster 1',
  ownFile: (dataDir: string) => path.join(dataDir, 'toaster.yaml'),
  extra: { bread: ['NAME', 'what to brown'] },
} as const;

async function line(...argv: string[]): Promise<ProgramLine> {
  const read = await readProgramLine(options, argv);
  if (typeof read === 'string') throw new Error(`a text: ${read}`);
  return read;
}

async function refusal(...argv: string[]): Promise<string> {
  try {
    await readProgramLine(options, argv);
  } catch (error) {
    if (isHiveletError(error, 'USAGE')) return error.message;
    throw error;
  }
  return 'taken';
}

test('flags are read, own ones in both forms and in any place', async () => {
  const read = await line(
    '--set',
    'slot.count=4',
    '--bread',
    'rye',
    '--set=a.b=c',
    '--data-dir',
    '/nowhere',
    '--log-level',
    'debug',
    '--log-format=json',
  );
  assert.equal(read.sets, ['slot.count=4', 'a.b=c']);
  assert.is(read.extra['bread'], 'rye');
  assert.equal([read.dataDir, read.level, read.format, read.print, read.config], ['/nowhere', 'debug', 'json', false, undefined]);
  assert.is((await line('--bread=rye')).extra['bread'], 'rye');
  assert.is((await line()).extra['bread'], undefined);
});

test('the file in the data directory is read when none is named', async () => {
  const dataDir = tempDir();
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(path.join(dataDir, 'toaster.yaml'), '');
  assert.is((await line('--data-dir', dataDir)).config, path.join(dataDir, 'toaster.yaml'));
  assert.is((await line('--data-dir', dataDir, '--config', 'other.yaml')).config, 'other.yaml');
});

test('help, version and configuration files are texts to print', async () => {
  assert.match(String(await readProgramLine(options, ['--help'])), /^hivelet toaster: browns bread\n[^]*--bread NAME {12}what to brown\n/);
  assert.is(await readProgramLine(options, ['--version']), 'toaster 1\n');
  assert.match(String(await readProgramLine(options, ['--minconfig'])), /slot:\n {2}count: 2/);
  assert.match(String(await readProgramLine(options, ['--defaultconfig'])), /slot:\n {2}count: 2/);
});

for (const [argv, wanted] of [
  [['--nonsense'], /^there is no flag --nonsense \(see hivelet toaster --help\)$/],
  [['--data-dri', 'x'], /^there is no flag --data-dri; did you mean --data-dir\? \(see hivelet toaster --help\)$/],
  [['--bread'], /^--bread needs a value behind it \(see hivelet toaster --help\)$/],
  [['--log-level', 'loud'], /--log-level loud: use debug, info, warn, error/],
  [['--log-format=xml'], /--log-format xml: use json or text/],
  [['word'], /word/],
] as const) {
  test(`${argv.join(' ')} is wrong usage`, async () => {
    assert.match(await refusal(...argv), wanted);
  });
}

test.run();

/** The one database of the edge: schema, durability after each open, the lock, and what happens to a file that cannot be used. */
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHiveletError } from '#beehive/errors.ts';
import { createLogger, silentLogger, type LogLine } from '#beehive/log.ts';
import { openDatabase, storeError, type EdgeDatabase } from '#edge/store/database.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { runProcess, spawnProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const newPath = (): string => path.join(tempDir(), 'edge', 'edgecore.db');
const open = (file: string): EdgeDatabase => openDatabase(file, silentLogger());

/** Opens and keeps what was logged. */
function openLogged(file: string): { database: EdgeDatabase; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const database = openDatabase(file, createLogger({ clock: new FakeClock(), write: (line) => lines.push(line) }));
  return { database, lines };
}

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.ok(isHiveletError(error), String(error));
    return `${error.code}: ${error.message}`;
  }
  throw new Error('it should have been refused');
}

test('a new file has the tables, their keys, and the settings that make an answer durable; each open sets them again', () => {
  const file = newPath();
  for (let round = 0; round < 2; round++) {
    const { sqlite, close } = open(file);
    const pragma = (name: string): unknown => sqlite.pragma(name, { simple: true });
    assert.equal(['synchronous', 'journal_mode', 'page_size', 'locking_mode', 'cache_size', 'user_version'].map(pragma), [
      2,
      'wal',
      1024,
      'exclusive',
      -1024,
      2,
    ]);
    const names = sqlite.prepare<[string], { name: string }>('SELECT name FROM sqlite_schema WHERE type = ? ORDER BY name');
    const namesOf = (type: string): string[] => names.all(type).map(({ name }) => name);
    assert.equal(namesOf('table'), ['device', 'device_attr', 'device_twin', 'hivelet', 'meta', 'meta_version', 'sub_topics', 'uploads']);
    assert.equal(
      namesOf('index').filter((name) => !name.startsWith('sqlite_')),
      ['device_attr_key', 'device_twin_key', 'meta_type', 'meta_version_gone'],
    );
    close();
  }
});

test('the folder is for the owner only, and a close leaves nothing but the file', () => {
  const file = newPath();
  const database = open(file);
  assert.is((statSync(path.dirname(file)).mode & 0o777).toString(8), '700');
  assert.is(readFileSync(`${file}.pid`, 'utf8'), `${String(process.pid)}\n`);
  database.close();
  database.close();
  assert.equal(readdirSync(path.dirname(file)), ['edgecore.db']);
});

test('the uuid is made with the file and stays with it', () => {
  const file = newPath();
  const first = open(file);
  assert.match(first.storeUuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-/);
  first.close();
  const again = open(file);
  assert.is(again.storeUuid, first.storeUuid);
  again.close();
  const other = open(newPath());
  assert.is.not(other.storeUuid, first.storeUuid);
  other.close();
});

test('an empty file, left by a crash at the very start, is as good as none', () => {
  const file = newPath();
  mkdirSync(path.dirname(file));
  writeFileSync(file, '');
  const { database, lines } = openLogged(file);
  assert.is(database.sqlite.pragma('page_size', { simple: true }), 1024);
  assert.equal(lines, []);
  database.close();
});

test('what was committed before a kill is there after it', async () => {
  const file = newPath();
  const child = spawnProcess(
    edgeProcess(`
      const { sqlite } = openDatabase(${JSON.stringify(file)}, silentLogger());
      sqlite.exec("INSERT INTO sub_topics VALUES ('kept')");
      sqlite.exec("BEGIN; INSERT INTO sub_topics VALUES ('lost')");
      console.log('committed');
      setInterval(() => {}, 1000);
    `),
  );
  await child.line('committed');
  child.kill();
  await child.exited;
  const { database, lines } = openLogged(file);
  assert.equal(database.sqlite.prepare('SELECT topic FROM sub_topics').pluck().all(), ['kept']);
  assert.equal(lines, []);
  database.close();
});

test('a second process is told which one owns the file, and takes nothing away from it', async () => {
  const file = newPath();
  const database = open(file);
  const second = await runProcess(
    edgeProcess(`
      try { openDatabase(${JSON.stringify(file)}, silentLogger()); } catch (error) { console.log(error.code + ': ' + error.message); }
    `),
  );
  assert.is(
    second.stdout,
    `STORE_LOCKED: ${file} is in use by process ${String(process.pid)}: stop it, or choose another --data-dir\n`,
    second.stderr,
  );
  assert.is(existsSync(`${file}.pid`), true);
  assert.equal(
    readdirSync(path.dirname(file)).filter((name) => name.includes('unreadable')),
    [],
  );
  database.sqlite.exec("INSERT INTO sub_topics VALUES ('still mine')");
  database.close();
});

test('a lock without a note of its owner says so', () => {
  const file = newPath();
  mkdirSync(path.dirname(file));
  const other = new Database(file);
  other.exec('BEGIN EXCLUSIVE; CREATE TABLE x (y)');
  assert.match(
    refusal(() => open(file)),
    /^STORE_LOCKED: .+ is in use by process unknown: stop it/,
  );
  other.close();
});

const damages: [title: string, damage: (file: string) => void][] = [
  ['is no database', (file) => writeFileSync(file, 'this is not SQLite, but it is long enough to look at'.repeat(50))],
  [
    'lost the page of a table',
    (file) => {
      const database = new Database(file);
      const root = database.prepare<[], { rootpage: number }>(`SELECT rootpage FROM sqlite_schema WHERE name = 'device_twin'`).get();
      database.close();
      overwrite(file, ((root?.rootpage ?? 0) - 1) * 1024);
    },
  ],
  ['lost the page of its schema', (file) => overwrite(file, 100)],
];
for (const [title, damage] of damages) {
  test(`a file that ${title} is moved aside, a new one takes its place, and one line says so`, () => {
    const file = newPath();
    const before = open(file);
    before.close();
    damage(file);
    const damaged = readFileSync(file);
    const { database, lines } = openLogged(file);
    assert.is.not(database.storeUuid, before.storeUuid);
    assert.equal(readFileSync(`${file}.unreadable-1`), damaged);
    assert.equal(
      lines.map(({ level, event, fields }) => [level, event, fields['movedTo']]),
      [['error', 'store.unreadable', `${file}.unreadable-1`]],
    );
    database.close();
  });
}

test('of the files that are moved aside the newest three are kept', () => {
  const file = newPath();
  mkdirSync(path.dirname(file));
  for (const content of ['one', 'two', 'three', 'four']) {
    writeFileSync(file, `${content} `.repeat(500));
    open(file).close();
  }
  assert.equal(
    [1, 2, 3].map((number) => readFileSync(`${file}.unreadable-${String(number)}`, 'utf8').split(' ')[0]),
    ['four', 'three', 'two'],
  );
  assert.is(existsSync(`${file}.unreadable-4`), false);
});

test('a file of a later version is refused and left as it is', () => {
  const file = newPath();
  const database = open(file);
  database.sqlite.pragma('user_version = 99');
  database.close();
  assert.match(
    refusal(() => open(file)),
    /^STORE_UNREADABLE: the database .+ was made by a later version of Hivelet: install that version/,
  );
  const raw = new Database(file);
  assert.is(raw.pragma('user_version', { simple: true }), 99);
  raw.close();
});

test('the version base stays after a clean end and grows after each unclean one', () => {
  const file = newPath();
  const first = open(file);
  assert.is(first.versionBase, 0);
  first.close();
  const second = open(file);
  assert.is(second.versionBase, 0);
  // As after a power cut: the file is as it was while it was open.
  const copy = newPath();
  mkdirSync(path.dirname(copy), { recursive: true });
  for (const suffix of ['', '-wal']) if (existsSync(file + suffix)) copyFileSync(file + suffix, copy + suffix);
  second.close();
  const third = open(copy);
  assert.is(third.versionBase, 2 ** 32);
  third.close();
  const fourth = open(copy);
  assert.is(fourth.versionBase, 2 ** 32);
  fourth.close();
});

test('a place where no file can be is named', () => {
  const file = path.join(tempDir(), 'file');
  writeFileSync(file, '');
  assert.match(
    refusal(() => open(path.join(file, 'edge', 'edgecore.db'))),
    /^STORE_FAILED: the database \S+ cannot be written \(ENOTDIR.+\): let the user of the edge write there, or choose another --data-dir$/,
  );
  assert.match(
    refusal(() => open(path.dirname(file))),
    /^STORE_FAILED: the database \S+ cannot be written \(unable to open database file\): let the user/,
  );
});

const translations: [code: string, expected: RegExp][] = [
  ['SQLITE_FULL', /^STORE_FULL: the disk that holds \/x is full: free some space$/],
  ['SQLITE_IOERR_WRITE', /^STORE_FAILED: the database \/x failed: words$/],
  ['SQLITE_READONLY_DIRECTORY', /^STORE_FAILED: the database \/x cannot be written \(words\): let the user of the edge write there/],
  ['SQLITE_BUSY_SNAPSHOT', /^STORE_LOCKED: \/x is in use by process unknown/],
];
for (const [code, expected] of translations) {
  test(`${code} becomes a sentence for a person, with its cause`, () => {
    const cause = new Database.SqliteError('words', code);
    const error = storeError(cause, '/x');
    assert.match(`${error.code}: ${error.message}`, expected);
    assert.is(error.cause, cause);
  });
}

function edgeProcess(code: string): { command: string; args: string[] } {
  const imports = `import { openDatabase } from '#edge/store/database.ts'; import { silentLogger } from '#beehive/log.ts';`;
  return { command: process.execPath, args: ['--import', 'tsx', '--input-type=module', '-e', imports + code] };
}

function overwrite(file: string, position: number): void {
  const handle = openSync(file, 'r+');
  writeSync(handle, Buffer.alloc(512, 0xa5), 0, 512, position);
  closeSync(handle);
}

test.run();

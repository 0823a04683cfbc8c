/** Owns the one SQLite file of edgecore: opening, durability settings, schema, and the lock against a second process. */
import Database from 'better-sqlite3';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { HiveletError, isHiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { makePrivate } from '#beehive/private-file.ts';

export type Sqlite = Database.Database;

export interface EdgeDatabase {
  readonly sqlite: Sqlite;
  /** Made with the file: reported values are ordered by (this, actual_version.edge). */
  readonly storeUuid: string;
  /**
   * Reported versions of this run start above it. It grows with each run that follows an unclean end: versions that were told to
   * the cloud but not yet stored are never used again for other values.
   */
  readonly versionBase: number;
  close(): void;
}

/** Each entry is applied once, in order; `user_version` counts them. Column names are KubeEdge's (reference/devicetwin-store.md). */
const migrations: readonly string[] = [
  `CREATE TABLE hivelet (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE device (
     id TEXT PRIMARY KEY, name TEXT, description TEXT, state TEXT, last_online TEXT,
     state_reason TEXT, state_version INTEGER NOT NULL DEFAULT 0,
     uid TEXT NOT NULL DEFAULT '', cluster_uid TEXT NOT NULL DEFAULT '', hash TEXT NOT NULL DEFAULT '', unlisted_at INTEGER);
   CREATE TABLE device_attr (
     id INTEGER PRIMARY KEY, deviceid TEXT NOT NULL, name TEXT NOT NULL, description TEXT, value TEXT,
     optional INTEGER NOT NULL, attr_type TEXT NOT NULL, metadata TEXT);
   CREATE UNIQUE INDEX device_attr_key ON device_attr (deviceid, name);
   CREATE TABLE device_twin (
     id INTEGER PRIMARY KEY, deviceid TEXT NOT NULL, name TEXT NOT NULL, description TEXT,
     expected TEXT, actual TEXT, expected_meta TEXT, actual_meta TEXT, expected_version TEXT, actual_version TEXT,
     optional INTEGER NOT NULL, attr_type TEXT NOT NULL, metadata TEXT, cloud_text TEXT, settled INTEGER NOT NULL DEFAULT 0);
   CREATE UNIQUE INDEX device_twin_key ON device_twin (deviceid, name);
   CREATE TABLE meta (key TEXT PRIMARY KEY, type TEXT NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;
   CREATE INDEX meta_type ON meta (type);
   CREATE TABLE sub_topics (topic TEXT PRIMARY KEY) WITHOUT ROWID;
   CREATE TABLE uploads (seq INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL);`,
  `CREATE TABLE meta_version (
     key TEXT PRIMARY KEY, cluster_uid TEXT NOT NULL, uid TEXT NOT NULL, version INTEGER NOT NULL, gone INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
   CREATE INDEX meta_version_gone ON meta_version (gone) WHERE gone > 0;`,
];

/** Files moved aside that are kept; a dying card must not fill itself with them. */
const KEPT_ASIDE = 3;
/** Tables that are read as a whole at start. The uploads may be large; they are read piece by piece, later. */
const CHECKED = ['hivelet', 'device', 'device_attr', 'device_twin', 'meta', 'meta_version', 'sub_topics'] as const;

/**
 * Opens or makes the file. A second process gets STORE_LOCKED with the owner's pid; an unreadable file is moved aside
 * (`.unreadable-1`, the newest of three), logged, and a new one is made: the cloud fills it again. A file of a later version is refused
 * with STORE_UNREADABLE and left as it is.
 */
export function openDatabase(path: string, log: Logger): EdgeDatabase {
  const sqlite = openOrReplace(path, log);
  try {
    const storeUuid = readUuid(sqlite) ?? makeUuid(sqlite);
    const versionBase = VERSIONS_PER_RUN * openRun(sqlite, log);
    writePid(path, log);
    return { sqlite, storeUuid, versionBase, close: () => closeDatabase(sqlite, path) };
  } catch (error) {
    sqlite.close();
    throw storeError(error, path);
  }
}

/** Room for a change a millisecond over weeks; 2^53 leaves two million unclean ends. */
const VERSIONS_PER_RUN = 2 ** 32;

/** The number of this run; the mark of a clean end is taken away until the next one. */
function openRun(sqlite: Sqlite, log: Logger): number {
  const value = (key: string): string | undefined =>
    sqlite.prepare<[string], { value: string }>('SELECT value FROM hivelet WHERE key = ?').get(key)?.value;
  const before = value('run');
  const run = before === undefined ? 0 : Number(before) + (value('clean') === '1' ? 0 : 1);
  try {
    const put = sqlite.prepare('INSERT INTO hivelet (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value');
    sqlite.transaction(() => {
      put.run('run', String(run));
      put.run('clean', '0');
    })();
  } catch (error) {
    // A full disk is no reason not to start: what is told meanwhile may be told again with the same versions.
    log.warn('store.run.unwritten', { error });
  }
  return run;
}

function openOrReplace(path: string, log: Logger): Sqlite {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return openFile(path);
  } catch (error) {
    if (!isUnreadable(error)) throw isHiveletError(error) ? error : storeError(error, path);
    const aside = moveAside(path);
    log.error('store.unreadable', { path, movedTo: aside, error, remedy: 'a new database was made; the cloud fills it again' });
  }
  try {
    return openFile(path);
  } catch (error) {
    throw storeError(error, path);
  }
}

function openFile(path: string): Sqlite {
  makePrivate(path);
  const sqlite = new Database(path, { timeout: 0 });
  try {
    // Small pages: one changed row of 200 bytes costs one page in the log (reference/npm-footprint.md D). Only a new file obeys.
    sqlite.pragma('page_size = 1024');
    sqlite.pragma('locking_mode = EXCLUSIVE');
    sqlite.pragma('journal_mode = WAL');
    // A reopened WAL file defaults to NORMAL, which forgets answered updates on a power cut.
    sqlite.pragma('synchronous = FULL');
    sqlite.pragma('cache_size = -1024');
    sqlite.pragma('foreign_keys = OFF');
    sqlite.exec('BEGIN EXCLUSIVE');
    migrate(sqlite, path);
    sqlite.exec('COMMIT');
    for (const table of CHECKED) checkTable(sqlite, table);
    return sqlite;
  } catch (error) {
    sqlite.close();
    throw error;
  }
}

/** An up to date file is not written: it opens also when the disk is full. */
function migrate(sqlite: Sqlite, path: string): void {
  const version = Number(sqlite.pragma('user_version', { simple: true }));
  if (version > migrations.length) {
    throw new HiveletError(
      'STORE_UNREADABLE',
      `the database ${path} was made by a later version of Hivelet: install that version, or choose another --data-dir`,
      { facts: { version, known: migrations.length } },
    );
  }
  if (version === migrations.length) return;
  for (const migration of migrations.slice(version)) sqlite.exec(migration);
  sqlite.pragma(`user_version = ${String(migrations.length)}`);
}

/** A damaged page is found now, when the file can still be replaced, and not at the first read of a module. */
function checkTable(sqlite: Sqlite, table: (typeof CHECKED)[number]): void {
  const verdict: unknown = sqlite.pragma(`quick_check(${table})`, { simple: true });
  if (verdict !== 'ok') throw new Database.SqliteError(String(verdict), 'SQLITE_CORRUPT');
}

/** Only the sentence for a second process needs it: a full disk is no reason not to start. */
function writePid(path: string, log: Logger): void {
  try {
    writeFileSync(`${path}.pid`, `${String(process.pid)}\n`, { mode: 0o600 });
  } catch (error) {
    log.warn('store.pid.unwritten', { path: `${path}.pid`, error });
  }
}

function closeDatabase(sqlite: Sqlite, path: string): void {
  if (!sqlite.open) return;
  try {
    sqlite.prepare(`UPDATE hivelet SET value = '1' WHERE key = 'clean'`).run();
  } catch {
    // Without the mark the next run starts at higher versions: safe.
  }
  sqlite.close();
  rmSync(`${path}.pid`, { force: true });
}

function readUuid(sqlite: Sqlite): string | undefined {
  return sqlite.prepare<[], { value: string }>(`SELECT value FROM hivelet WHERE key = 'store_uuid'`).get()?.value;
}

function makeUuid(sqlite: Sqlite): string {
  const uuid = randomUUID();
  sqlite.prepare(`INSERT INTO hivelet (key, value) VALUES ('store_uuid', ?)`).run(uuid);
  return uuid;
}

function sqliteCode(error: unknown): string {
  return error instanceof Database.SqliteError ? error.code : '';
}

function isUnreadable(error: unknown): boolean {
  const code = sqliteCode(error);
  return code.startsWith('SQLITE_NOTADB') || code.startsWith('SQLITE_CORRUPT');
}

/** The log belongs to the file that is moved; with the new one it would be replayed into the wrong database. */
function moveAside(path: string): string {
  const aside = (number: number): string => `${path}.unreadable-${String(number)}`;
  for (const suffix of ['', '-wal', '-shm']) {
    rmSync(aside(KEPT_ASIDE) + suffix, { force: true });
    for (let number = KEPT_ASIDE - 1; number > 0; number--) moveIfThere(aside(number) + suffix, aside(number + 1) + suffix);
    moveIfThere(path + suffix, aside(1) + suffix);
  }
  return aside(1);
}

function moveIfThere(from: string, to: string): void {
  if (existsSync(from)) renameSync(from, to);
}

/** Turns what SQLite throws into our catalogue. */
export function storeError(error: unknown, path: string): HiveletError {
  const code = sqliteCode(error);
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    const owner = existsSync(`${path}.pid`) ? readFileSync(`${path}.pid`, 'utf8').trim() : 'unknown';
    return new HiveletError('STORE_LOCKED', `${path} is in use by process ${owner}: stop it, or choose another --data-dir`, {
      cause: error,
    });
  }
  if (code.startsWith('SQLITE_FULL'))
    return new HiveletError('STORE_FULL', `the disk that holds ${path} is full: free some space`, { cause: error });
  const isRefused = /^(?:SQLITE_(?:CANTOPEN|READONLY|PERM)|E(?:ACCES|PERM|ROFS|NOTDIR)$)/.test(
    code || ((error as NodeJS.ErrnoException).code ?? ''),
  );
  if (isRefused) {
    const remedy = 'let the user of the edge write there, or choose another --data-dir';
    return new HiveletError('STORE_FAILED', `the database ${path} cannot be written (${messageOf(error)}): ${remedy}`, { cause: error });
  }
  return new HiveletError('STORE_FAILED', `the database ${path} failed: ${messageOf(error)}`, { cause: error });
}

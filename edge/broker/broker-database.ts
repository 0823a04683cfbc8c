/** Owns the broker's SQLite file: opening, durability, schema. It holds what can be lost without harm to the twins, hence a file of its own. */
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { HiveletError, isHiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { makePrivate } from '#beehive/private-file.ts';

/** Counted by `user_version`. */
const migrations: readonly string[] = [
  `CREATE TABLE retained (topic TEXT PRIMARY KEY, payload BLOB NOT NULL, qos INTEGER NOT NULL) WITHOUT ROWID;
   CREATE TABLE session (client TEXT PRIMARY KEY, subscriptions TEXT NOT NULL, away_ms INTEGER NOT NULL) WITHOUT ROWID;
   CREATE TABLE outgoing (
     id INTEGER PRIMARY KEY, client TEXT NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL,
     qos INTEGER NOT NULL, message_id INTEGER, released INTEGER NOT NULL);
   CREATE TABLE unreleased (client TEXT NOT NULL, message_id INTEGER NOT NULL, PRIMARY KEY (client, message_id)) WITHOUT ROWID;
   CREATE TABLE will (
     client TEXT PRIMARY KEY, broker TEXT NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL,
     qos INTEGER NOT NULL, retain INTEGER NOT NULL) WITHOUT ROWID;`,
];

/** Opens or makes the file. One that cannot be read is moved aside and replaced: clients subscribe again. */
export function openBrokerDatabase(path: string, log: Logger): Database.Database {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  try {
    return open(path);
  } catch (error) {
    if (!unreadable(error)) throw failure(error, path);
    const aside = moveAside(path);
    log.error('mqtt.store.unreadable', { path, movedTo: aside, error, lost: 'retained messages and sessions of MQTT clients' });
    return open(path);
  }
}

function open(path: string): Database.Database {
  makePrivate(path);
  const database = new Database(path, { timeout: 0 });
  try {
    database.pragma('page_size = 1024'); // only a new file takes it; a changed row of 200 bytes costs one small page
    database.pragma('locking_mode = EXCLUSIVE');
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL'); // a reopened WAL file defaults to NORMAL
    database.pragma('cache_size = -512');
    prepareSchema(database, path);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function prepareSchema(database: Database.Database, path: string): void {
  const version = Number(database.pragma('user_version', { simple: true }));
  if (version > migrations.length) {
    throw new HiveletError(
      'STORE_UNREADABLE',
      `the database ${path} was made by a later version of Hivelet: install that version, or remove the file, which holds retained messages and sessions of MQTT clients only`,
      { facts: { version, known: migrations.length } },
    );
  }
  database.transaction(() => {
    for (const migration of migrations.slice(version)) database.exec(migration);
    database.pragma(`user_version = ${migrations.length}`);
  })();
}

function unreadable(error: unknown): boolean {
  return error instanceof Database.SqliteError && /^SQLITE_(NOTADB|CORRUPT)/.test(error.code);
}

function moveAside(path: string): string {
  let number = 1;
  while (existsSync(`${path}.unreadable-${number}`)) number++;
  const aside = `${path}.unreadable-${number}`;
  for (const suffix of ['', '-wal', '-shm']) if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
  return aside;
}

function failure(error: unknown, path: string): HiveletError {
  if (isHiveletError(error)) return error;
  const code = error instanceof Database.SqliteError ? error.code : '';
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) {
    return new HiveletError('STORE_LOCKED', `${path} is in use by another process: stop it, or choose another --data-dir`, {
      cause: error,
    });
  }
  if (code.startsWith('SQLITE_FULL'))
    return new HiveletError('STORE_FULL', `the disk that holds ${path} is full: free some space`, { cause: error });
  return new HiveletError('STORE_FAILED', `the database ${path} cannot be opened: ${messageOf(error)}`, { cause: error });
}

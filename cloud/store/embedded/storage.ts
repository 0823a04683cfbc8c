/** Owns the SQLite file of the embedded API: opening it as its only user, reading it once, writing groups of objects. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import { makePrivate } from '#beehive/private-file.ts';
import { FIELD_SETS_SCHEMA, FieldSetTable } from './field-set-table.ts';
import type { PackedManager } from './managed-fields/packed.ts';

export interface StoredRow {
  /** `plural.group`, or the plural of a core kind. */
  resource: string;
  /** '' for cluster-scoped kinds. */
  namespace: string;
  name: string;
  /** JSON of the object; rows from before managers had a column of their own may have them in it. */
  body: string;
  managers: readonly PackedManager[];
}

/** `body: undefined` deletes. */
export type RowChange = Omit<StoredRow, 'body'> & { body: string | undefined };

type Row = Omit<StoredRow, 'managers'> & { managers: string | null };

export interface ObjectStorageOptions {
  file: string;
  /** Path of better_sqlite3.node where the program is one bundled file. */
  nativeBinding?: string;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS objects(
    id INTEGER PRIMARY KEY,
    resource TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    managers TEXT,
    UNIQUE(resource, namespace, name)
  );
  CREATE TABLE IF NOT EXISTS counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
`;
const CEILING = 'revision';

export class ObjectStorage {
  readonly #db: Database.Database;
  readonly #pidFile: string;
  readonly #put: Database.Statement<[string, string, string, string, string | null]>;
  readonly #drop: Database.Statement<[string, string, string]>;
  readonly #count: Database.Statement<[string, number]>;
  readonly #sets: FieldSetTable;

  /** Throws `HiveletError` STORE_LOCKED naming the owner's pid, or STORE_UNREADABLE. */
  constructor({ file, nativeBinding }: ObjectStorageOptions) {
    this.#pidFile = `${file}.pid`;
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    this.#db = openExclusively(file, { pidFile: this.#pidFile, nativeBinding });
    writeFileSync(this.#pidFile, `${process.pid}\n`, { mode: 0o600 });
    this.#put = this.#db.prepare(
      'INSERT INTO objects(resource, namespace, name, body, managers) VALUES (?, ?, ?, ?, ?) ' +
        'ON CONFLICT(resource, namespace, name) DO UPDATE SET body = excluded.body, managers = excluded.managers',
    );
    this.#sets = new FieldSetTable(this.#db);
    this.#drop = this.#db.prepare('DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?');
    this.#count = this.#db.prepare(
      'INSERT INTO counters(name, value) VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value',
    );
  }

  *load(): IterableIterator<StoredRow> {
    for (const row of this.#db.prepare<[], Row>('SELECT resource, namespace, name, body, managers FROM objects').iterate()) {
      yield { ...row, managers: this.#sets.managersIn(row.managers) };
    }
  }

  /** No revision at or below this one may be given out again; 0 in a new file. */
  get ceiling(): number {
    const row = this.#db.prepare<[string], { value: number }>('SELECT value FROM counters WHERE name = ?').get(CEILING);
    return row?.value ?? 0;
  }

  /** All changes or none, on the disk when it returns. Throws `HiveletError` STORE_FULL or STORE_FAILED. */
  commit(changes: Iterable<RowChange>, ceiling?: number): void {
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      for (const { resource, namespace, name, body, managers } of changes) {
        if (body === undefined) this.#drop.run(resource, namespace, name);
        else this.#put.run(resource, namespace, name, body, this.#sets.columnOf(managers));
      }
      this.#sets.tidy();
      if (ceiling !== undefined) this.#count.run(CEILING, ceiling);
      this.#db.exec('COMMIT');
      this.#sets.settle(true);
    } catch (cause) {
      if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
      this.#sets.settle(false);
      throw writeFailure(this.#db.name, cause);
    }
  }

  close(): void {
    this.#db.close();
    rmSync(this.#pidFile, { force: true });
  }
}

function openExclusively(
  file: string,
  { pidFile, nativeBinding }: { pidFile: string; nativeBinding: string | undefined },
): Database.Database {
  let db: Database.Database | undefined;
  try {
    makePrivate(file);
    db = new Database(file, { timeout: 200, ...(nativeBinding === undefined ? {} : { nativeBinding }) });
    // Small pages: a device is one or two of them, and each commit writes whole pages to the card.
    db.pragma('page_size = 1024');
    // Exclusive before WAL: then SQLite needs no shared-memory file, and a second process fails at once.
    db.pragma('locking_mode = EXCLUSIVE');
    db.pragma('journal_mode = WAL');
    // A reopened WAL database falls back to NORMAL, which loses answered writes on a power cut.
    db.pragma('synchronous = FULL');
    db.pragma('cache_size = -1000');
    db.pragma('temp_store = MEMORY');
    db.pragma('wal_autocheckpoint = 1000');
    db.exec(`BEGIN IMMEDIATE; ${SCHEMA} ${FIELD_SETS_SCHEMA} COMMIT`);
    addColumns(db);
    return db;
  } catch (cause) {
    db?.close();
    throw openFailure(file, { pidFile, cause });
  }
}

/** Files of earlier releases. */
function addColumns(db: Database.Database): void {
  const columns = db.prepare<[], { name: string }>('PRAGMA table_info(objects)').all();
  if (!columns.some(({ name }) => name === 'managers')) db.exec('ALTER TABLE objects ADD COLUMN managers TEXT');
}

function openFailure(file: string, { pidFile, cause }: { pidFile: string; cause: unknown }): HiveletError {
  const code = codeOf(cause);
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    const pid = readPid(pidFile);
    const owner = pid === undefined ? 'another process' : `process ${pid}`;
    return new HiveletError('STORE_LOCKED', `the database ${file} is in use by ${owner}: stop it, or choose another --data-dir`, {
      cause,
      facts: { file, pid },
    });
  }
  return new HiveletError(
    'STORE_UNREADABLE',
    `the database ${file} cannot be opened (${messageOf(cause)}): restore it from a copy, or move it away to start with an empty cluster`,
    { cause, facts: { file } },
  );
}

function writeFailure(file: string, cause: unknown): HiveletError {
  if (codeOf(cause).startsWith('SQLITE_FULL')) {
    return new HiveletError('STORE_FULL', `the disk with ${file} is full: free some space`, { cause, facts: { file } });
  }
  return new HiveletError('STORE_FAILED', `the database ${file} refused the write: ${messageOf(cause)}`, { cause, facts: { file } });
}

function readPid(pidFile: string): number | undefined {
  try {
    const pid = Number(readFileSync(pidFile, 'utf8'));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function codeOf(cause: unknown): string {
  const code = (cause as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : '';
}

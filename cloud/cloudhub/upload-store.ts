/** Owns what nodes uploaded: the last 10,000 messages in a SQLite file, written in groups, and who follows them live. */
import Database from 'better-sqlite3';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { makePrivate } from '#beehive/private-file.ts';

export interface NewUpload {
  node: string;
  /** Message id: one that is sent again is stored once. */
  id: string;
  topic: string;
  payload: Buffer;
  /** Unix ms by the cloud's clock. */
  receivedMs: number;
}

export interface StoredUpload extends NewUpload {
  /** Grows with each upload; never used again. */
  seq: number;
}

export interface UploadQuery {
  /** Only later ones. */
  afterSeq?: number;
  node?: string;
  limit?: number;
}

export const KEPT_UPLOADS = 10_000;
/** Large payloads must not fill the disk either. */
const KEPT_BYTES = 256 * 1024 * 1024;

interface Waiting {
  upload: NewUpload;
  stored: (fault?: string) => void;
}

interface Row {
  seq: number;
  node: string;
  id: string;
  topic: string;
  payload: Buffer;
  received_ms: number;
}

export class UploadStore {
  readonly #database: Database.Database;
  readonly #log: Logger;
  readonly #kept: { count: number; bytes: number };
  readonly #followers = new Set<(upload: StoredUpload) => void>();
  #waiting: Waiting[] = [];
  #bytes: number;
  #count: number;

  /** Throws STORE_UNREADABLE with the path. */
  constructor(options: { file: string; log: Logger; nativeBinding?: string; kept?: { count: number; bytes: number } }) {
    const { file, log, nativeBinding, kept = { count: KEPT_UPLOADS, bytes: KEPT_BYTES } } = options;
    this.#log = log;
    this.#kept = kept;
    try {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      makePrivate(file);
      this.#database = new Database(file, nativeBinding === undefined ? {} : { nativeBinding });
      this.#database.pragma('locking_mode = EXCLUSIVE');
      this.#database.pragma('journal_mode = WAL');
      this.#database.pragma('synchronous = FULL');
      this.#database.pragma('cache_size = -1000');
      this.#database.exec(
        `CREATE TABLE IF NOT EXISTS upload (seq INTEGER PRIMARY KEY AUTOINCREMENT, node TEXT NOT NULL, id TEXT NOT NULL,
           topic TEXT NOT NULL, payload BLOB NOT NULL, received_ms INTEGER NOT NULL);
         CREATE UNIQUE INDEX IF NOT EXISTS upload_id ON upload (node, id);`,
      );
    } catch (cause) {
      const locked = (cause as { code?: unknown }).code === 'SQLITE_BUSY';
      throw new HiveletError(
        locked ? 'STORE_LOCKED' : 'STORE_UNREADABLE',
        locked ? `${file} belongs to a cloud that runs already: stop it first` : `cannot open ${file}: ${messageOf(cause)}`,
        { cause },
      );
    }
    const totals = this.#database.prepare<[], { count: number; bytes: number | null }>(
      'SELECT count(*) AS count, sum(length(payload)) AS bytes FROM upload',
    );
    const { count = 0, bytes = 0 } = totals.get() ?? {};
    this.#count = count;
    this.#bytes = bytes ?? 0;
  }

  get stats(): { count: number; bytes: number } {
    return { count: this.#count, bytes: this.#bytes };
  }

  /** `stored` is called once it is on the disk, or with what went wrong. */
  append(upload: NewUpload, stored: (fault?: string) => void): void {
    this.#waiting.push({ upload, stored });
    // All that arrives in one turn costs one sync.
    if (this.#waiting.length === 1) setImmediate(() => this.flush());
  }

  /** Writes what waits. */
  flush(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    if (batch.length === 0) return;
    let fresh: StoredUpload[];
    try {
      fresh = this.#write(batch.map(({ upload }) => upload));
    } catch (error) {
      this.#log.error('uploads.failed', { count: batch.length, error });
      for (const { stored } of batch) stored(`the upload cannot be stored: ${messageOf(error)}`);
      return;
    }
    for (const { stored } of batch) stored();
    for (const upload of fresh) for (const follower of [...this.#followers]) follower(upload);
  }

  /** Oldest first. */
  list({ afterSeq = 0, node, limit = KEPT_UPLOADS }: UploadQuery = {}): StoredUpload[] {
    const rows = this.#database
      .prepare<[number, string | null, string | null, number], Row>(
        'SELECT * FROM upload WHERE seq > ? AND (? IS NULL OR node = ?) ORDER BY seq LIMIT ?',
      )
      .all(afterSeq, node ?? null, node ?? null, limit);
    return rows.map(({ received_ms: receivedMs, ...row }) => ({ ...row, receivedMs }));
  }

  /** The `afterSeq` with which `list` begins at the newest `count`. */
  startOfLast(count: number, node?: string): number {
    const row = this.#database
      .prepare<[string | null, string | null, number], { seq: number }>(
        'SELECT seq FROM upload WHERE ? IS NULL OR node = ? ORDER BY seq DESC LIMIT 1 OFFSET ?',
      )
      .get(node ?? null, node ?? null, count);
    return row?.seq ?? 0;
  }

  /** Calls `follower` for each new upload until the returned function is called. */
  follow(follower: (upload: StoredUpload) => void): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  close(): void {
    this.flush();
    this.#followers.clear();
    this.#database.close();
  }

  #write(uploads: readonly NewUpload[]): StoredUpload[] {
    const insert = this.#database.prepare<[string, string, string, Buffer, number]>(
      'INSERT INTO upload (node, id, topic, payload, received_ms) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    );
    const run = this.#database.transaction(() => {
      const fresh: StoredUpload[] = [];
      for (const upload of uploads) {
        const { node, id, topic, payload, receivedMs } = upload;
        const { changes, lastInsertRowid } = insert.run(node, id, topic, payload, receivedMs);
        if (changes > 0) fresh.push({ ...upload, seq: Number(lastInsertRowid) });
      }
      return { fresh, pruned: this.#prune(fresh) };
    });
    const { fresh, pruned } = run();
    this.#count = pruned.count;
    this.#bytes = pruned.bytes;
    return fresh;
  }

  /** Drops the oldest beyond the bounds. */
  #prune(fresh: readonly StoredUpload[]): { count: number; bytes: number } {
    let count = this.#count + fresh.length;
    let bytes = this.#bytes + fresh.reduce((sum, { payload }) => sum + payload.length, 0);
    if (count <= this.#kept.count && bytes <= this.#kept.bytes) return { count, bytes };
    const oldest = this.#database.prepare<[], { seq: number; size: number }>(
      'SELECT seq, length(payload) AS size FROM upload ORDER BY seq LIMIT 1000',
    );
    const drop = this.#database.prepare<[number]>('DELETE FROM upload WHERE seq <= ?');
    while (count > this.#kept.count || bytes > this.#kept.bytes) {
      let last = 0;
      for (const { seq, size } of oldest.all()) {
        if (count <= this.#kept.count && bytes <= this.#kept.bytes) break;
        last = seq;
        count -= 1;
        bytes -= size;
      }
      if (last === 0) break;
      drop.run(last);
    }
    return { count, bytes };
  }
}

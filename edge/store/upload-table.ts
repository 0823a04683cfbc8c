/** Owns the queue of uploads on disk: in order, bounded in bytes, the oldest dropped first and counted. */
import type { Sqlite } from './database.ts';

export interface Upload {
  seq: number;
  topic: string;
  payload: Buffer;
}

export interface UploadTable {
  /** Inside a transaction. Drops the oldest until the new one fits; one that never can is dropped itself. */
  append(topic: string, payload: Buffer): void;
  /** The next ones after `seq`, oldest first. */
  after(seq: number, limit: number): Upload[];
  /** Removes one that the cloud has acknowledged. */
  remove(upload: Upload): void;
  /** Bytes on disk as counted against the bound: topic + payload + a fixed cost a row. */
  readonly bytes: number;
  readonly count: number;
  /** Dropped for lack of room since the start. */
  readonly dropped: number;
  /** After a rolled back transaction: counts again. */
  recount(): void;
}

const ROW_COST = 64;

export function createUploadTable(sqlite: Sqlite, maxBytes: number): UploadTable {
  return new SqliteUploadTable(sqlite, maxBytes);
}

class SqliteUploadTable implements UploadTable {
  readonly #statements: ReturnType<typeof prepare>;
  readonly #maxBytes: number;
  /** Never given out twice while we run, though the table may be empty: whoever reads on after one must not miss its successors. */
  #last: number;
  #bytes = 0;
  #count = 0;
  #dropped = 0;

  constructor(sqlite: Sqlite, maxBytes: number) {
    this.#statements = prepare(sqlite);
    this.#maxBytes = maxBytes;
    this.#last = this.#statements.newest.get()?.seq ?? 0;
    this.recount();
  }

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#count;
  }

  get dropped(): number {
    return this.#dropped;
  }

  append(topic: string, payload: Buffer): void {
    const size = cost(topic, payload);
    if (size > this.#maxBytes) {
      this.#dropped++;
      return;
    }
    while (this.#bytes + size > this.#maxBytes && this.#dropOldest()) this.#dropped++;
    this.#statements.insert.run(++this.#last, topic, payload);
    this.#bytes += size;
    this.#count++;
  }

  after(seq: number, limit: number): Upload[] {
    return this.#statements.next.all(seq, limit);
  }

  remove({ seq, topic, payload }: Upload): void {
    if (this.#statements.drop.run(seq).changes === 0) return;
    this.#bytes -= cost(topic, payload);
    this.#count--;
  }

  recount(): void {
    const row = this.#statements.total.get();
    this.#bytes = row?.bytes ?? 0;
    this.#count = row?.count ?? 0;
  }

  #dropOldest(): boolean {
    const oldest = this.#statements.oldest.get();
    if (oldest !== undefined) this.remove(oldest);
    return oldest !== undefined;
  }
}

function cost(topic: string, payload: Buffer): number {
  return Buffer.byteLength(topic) + payload.length + ROW_COST;
}

function prepare(sqlite: Sqlite) {
  return {
    insert: sqlite.prepare<[number, string, Buffer]>('INSERT INTO uploads (seq, topic, payload) VALUES (?, ?, ?)'),
    oldest: sqlite.prepare<[], Upload>('SELECT seq, topic, payload FROM uploads ORDER BY seq LIMIT 1'),
    next: sqlite.prepare<[number, number], Upload>('SELECT seq, topic, payload FROM uploads WHERE seq > ? ORDER BY seq LIMIT ?'),
    drop: sqlite.prepare<[number]>('DELETE FROM uploads WHERE seq = ?'),
    newest: sqlite.prepare<[], { seq: number | null }>('SELECT max(seq) AS seq FROM uploads'),
    total: sqlite.prepare<[], { bytes: number | null; count: number }>(
      `SELECT sum(length(CAST(topic AS BLOB)) + length(payload) + ${String(ROW_COST)}) AS bytes, count(*) AS count FROM uploads`,
    ),
  };
}

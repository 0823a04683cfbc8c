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
  remove(upload: { seq: number; topic: string; payload: Buffer }): void;
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
  const insert = sqlite.prepare('INSERT INTO uploads (topic, payload) VALUES (?, ?)');
  const oldest = sqlite.prepare<[], Upload>('SELECT seq, topic, payload FROM uploads ORDER BY seq LIMIT 1');
  const next = sqlite.prepare<[number, number], Upload>('SELECT seq, topic, payload FROM uploads WHERE seq > ? ORDER BY seq LIMIT ?');
  const drop = sqlite.prepare('DELETE FROM uploads WHERE seq = ?');
  const total = sqlite.prepare<[], { bytes: number | null; count: number }>(
    `SELECT sum(length(CAST(topic AS BLOB)) + length(payload) + ${String(ROW_COST)}) AS bytes, count(*) AS count FROM uploads`,
  );
  let bytes = 0;
  let count = 0;
  let dropped = 0;
  const cost = (topic: string, payload: Buffer): number => Buffer.byteLength(topic) + payload.length + ROW_COST;
  const recount = (): void => {
    const row = total.get();
    bytes = row?.bytes ?? 0;
    count = row?.count ?? 0;
  };
  const remove = (upload: Upload): void => {
    if (drop.run(upload.seq).changes === 0) return;
    bytes -= cost(upload.topic, upload.payload);
    count--;
  };
  recount();
  return {
    append: (topic, payload) => {
      const size = cost(topic, payload);
      if (size > maxBytes) {
        dropped++;
        return;
      }
      for (let first = oldest.get(); bytes + size > maxBytes && first !== undefined; first = oldest.get()) {
        remove(first);
        dropped++;
      }
      insert.run(topic, payload);
      bytes += size;
      count++;
    },
    after: (seq, limit) => next.all(seq, limit),
    remove,
    recount,
    get bytes() {
      return bytes;
    },
    get count() {
      return count;
    },
    get dropped() {
      return dropped;
    },
  };
}

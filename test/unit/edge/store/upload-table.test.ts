/** The queue of uploads on disk: order, bound in bytes, what is dropped, and its counts after a restart and a roll back. */
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import { openDatabase } from '#edge/store/database.ts';
import { createUploadTable, type UploadTable } from '#edge/store/upload-table.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const ROW_COST = 64;

function opened(maxBytes: number, file = path.join(tempDir(), 'edge.db')) {
  const { sqlite, close } = openDatabase(file, silentLogger());
  return { table: createUploadTable(sqlite, maxBytes), sqlite, close, file };
}

const texts = (table: UploadTable, seq = 0, limit = 100): string[] =>
  table.after(seq, limit).map(({ topic, payload }) => `${topic}=${payload.toString()}`);
const counts = ({ count, bytes, dropped }: UploadTable): number[] => [count, bytes, dropped];

test('uploads come out in the order in which they went in, from where the reader is, no more than asked for', () => {
  const { table, close } = opened(10_000);
  for (const text of ['1', '2', '3']) table.append('t', Buffer.from(text));
  assert.equal(texts(table), ['t=1', 't=2', 't=3']);
  const [first] = table.after(0, 1);
  assert.ok(first);
  assert.equal([texts(table, first.seq, 1), texts(table, 99)], [['t=2'], []]);
  close();
});

test('what is acknowledged goes, once; counts follow', () => {
  const { table, close } = opened(10_000);
  table.append('ä', Buffer.from('12345'));
  table.append('b', Buffer.alloc(0));
  assert.equal(counts(table), [2, ROW_COST + 2 + 5 + ROW_COST + 1, 0]);
  const [first] = table.after(0, 1);
  assert.ok(first);
  table.remove(first);
  table.remove(first);
  assert.equal([texts(table), counts(table)], [['b='], [1, ROW_COST + 1, 0]]);
  close();
});

test('beyond the bound the oldest go and are counted, and never more than needed', () => {
  const { table, close } = opened(3 * (ROW_COST + 11));
  for (const text of ['1', '2', '3']) table.append('t', Buffer.from(text.padEnd(10)));
  assert.is(table.dropped, 0, 'it fits to the byte');
  table.append('t', Buffer.from('4'.padEnd(10)));
  assert.equal([texts(table).map((text) => text.trim()), table.dropped], [['t=2', 't=3', 't=4'], 1]);
  table.append('t', Buffer.from('5'.padEnd(30)));
  assert.equal([texts(table).map((text) => text.trim()), table.dropped], [['t=4', 't=5'], 3]);
  assert.ok(table.bytes <= 3 * (ROW_COST + 11));
  close();
});

test('one that is larger than the bound is dropped itself, not everything else for it', () => {
  const { table, close } = opened(200);
  table.append('t', Buffer.from('kept'));
  table.append('t', Buffer.alloc(200));
  assert.equal([texts(table), table.dropped], [['t=kept'], 1]);
  close();
});

test('a number is never given twice: who reads on after the last one does not miss what comes when all was acknowledged', () => {
  const { table, close } = opened(10_000);
  for (const text of ['1', '2', '3']) table.append('t', Buffer.from(text));
  const last = table.after(0, 10).at(-1)?.seq ?? 0;
  for (const upload of table.after(0, 10)) table.remove(upload);
  table.append('t', Buffer.from('4'));
  assert.equal(texts(table, last), ['t=4']);
  close();
});

test('a restart finds the uploads and the counts', () => {
  const first = opened(10_000);
  for (const text of ['1', '2']) first.table.append('ü/user/x', Buffer.from([0xff, Number(text)]));
  const before = counts(first.table);
  first.close();
  const again = opened(10_000, first.file);
  assert.equal(counts(again.table), before);
  assert.equal(
    again.table.after(0, 10).map(({ payload }) => [...payload]),
    [
      [0xff, 1],
      [0xff, 2],
    ],
  );
  again.close();
});

test('a smaller bound after a restart holds from the next upload on', () => {
  const first = opened(10_000);
  for (let index = 0; index < 10; index++) first.table.append('t', Buffer.from(String(index)));
  first.close();
  const again = opened(3 * (ROW_COST + 2), first.file);
  again.table.append('t', Buffer.from('x'));
  assert.equal([texts(again.table), again.table.dropped], [['t=8', 't=9', 't=x'], 8]);
  again.close();
});

test('after a roll back the counts are those of the disk', () => {
  const { table, sqlite, close } = opened(10_000);
  table.append('t', Buffer.from('kept'));
  sqlite.exec('BEGIN');
  table.append('t', Buffer.from('rolled back'));
  sqlite.exec('ROLLBACK');
  table.recount();
  assert.equal([texts(table), counts(table)], [['t=kept'], [1, ROW_COST + 5, 0]]);
  table.append('t', Buffer.from('next'));
  assert.equal(texts(table), ['t=kept', 't=next']);
  close();
});

test.run();

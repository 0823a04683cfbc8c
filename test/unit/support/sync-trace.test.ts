/** Owns the proof that the durability test can fail: traces in which an answer overtakes its sync are told apart. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readTrace, unsafeAnswer } from '#test/support/sync-trace.ts';

const lines = {
  read: '100 read(21<socket:[7]>, "2\\36twin/update{\\"event_id\\":\\"u1\\"}", 65536) = 32',
  log: '100 pwrite64(18</d/edgecore.db-wal>, "...", 1048, 0) = 1048',
  sync: '100 fdatasync(18</d/edgecore.db-wal>) = 0',
  puback: '100 write(21<socket:[7]>, "@\\2\\0\\1", 4) = 4',
  result: '100 writev(21<socket:[7]>, [{iov_base="0\\36twin/update/result{\\"event_id\\":\\"u1\\"}"}], 1) = 32',
};
const verdict = (...steps: string[]): string | undefined =>
  unsafeAnswer(readTrace(steps.map((step) => (lines as Record<string, string>)[step] ?? step).join('\n')), /-wal$/, {
    request: '\\"event_id\\":\\"u1\\"',
    answers: ['"@\\2\\0\\1"', 'twin/update/result'],
  });

test('read, log, sync, then the answers: safe', () => {
  assert.is(verdict('read', 'log', 'sync', 'puback', 'result'), undefined);
});

const unsafe: [what: string, steps: string[], reason: RegExp][] = [
  ['a PUBACK before the sync', ['read', 'log', 'puback', 'sync', 'result'], /@.* before the log was synced/],
  ['a result before the sync', ['read', 'log', 'result', 'puback', 'sync'], /before the log was synced/],
  ['a PUBACK before anything', ['read', 'puback', 'log', 'sync', 'result'], /before anything was logged/],
  ['a sync of what was there before', ['read', 'sync', 'log', 'puback', 'result'], /before the log was synced/],
  ['a sync before the request', ['log', 'sync', 'read', 'puback', 'result'], /before anything was logged/],
  ['no sync at all', ['read', 'log', 'puback', 'result'], /before the log was synced/],
  ['a sync of another file', ['read', 'log', '100 fdatasync(19</d/mqtt.db>) = 0', 'puback', 'result'], /before the log was synced/],
  ['a sync that failed', ['read', 'log', '100 fdatasync(18</d/edgecore.db-wal>) = -1 ENOSPC (No space)', 'puback', 'result'], /failed/],
  ['no PUBACK', ['read', 'log', 'sync', 'result'], /nobody wrote/],
  ['no request', ['log', 'sync', 'puback', 'result'], /nobody read/],
];
for (const [what, steps, reason] of unsafe) test(`${what} is not safe`, () => assert.match(verdict(...steps) ?? 'safe', reason));

test('a sync on another thread counts when it has returned, not when it began', () => {
  const begun = '101 fdatasync(18</d/edgecore.db-wal> <unfinished ...>';
  const returned = '101 <... fdatasync resumed>) = 0';
  assert.is(verdict('read', 'log', begun, returned, 'puback', 'result'), undefined);
  assert.match(verdict('read', 'log', begun, 'puback', returned, 'result') ?? 'safe', /before the log was synced/);
});

test.run();

/** Owns the proof of the queue of uploads: in order, on disk, bounded, drained to a peer that takes them. */
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import type { WindowEntry } from '#wire/ack-window.ts';
import { createMessage, responseTo, type BeehiveMessage } from '#wire/message.ts';
import { UploadQueue, type UploadLink } from '#edge/edgehub/upload-queue.ts';
import { openDatabase, type EdgeDatabase } from '#edge/store/database.ts';
import type { Committer, Job } from '#beehive/commit.ts';
import { createUploadTable } from '#edge/store/upload-table.ts';
import { HiveletError } from '#beehive/errors.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const open: EdgeDatabase[] = [];
test.after.each(() => {
  for (const database of open.splice(0)) database.close();
});

/** A link that takes what it is offered, up to `room` unacknowledged. */
class Link implements UploadLink {
  peer: UploadLink['peer'] = 'hivelet';
  takesUploads = true;
  room = 32;
  readonly sent: BeehiveMessage[] = [];
  readonly offered: { entry: WindowEntry; message: BeehiveMessage }[] = [];

  send(fields: Parameters<UploadLink['send']>[0]): void {
    this.sent.push(this.message(fields));
  }

  offer(entry: WindowEntry): boolean {
    if (this.offered.length >= this.room) return false;
    const message = entry.make();
    if (message !== undefined) this.offered.push({ entry, message });
    return true;
  }

  message(fields: Parameters<UploadLink['message']>[0]): BeehiveMessage {
    return createMessage(0, fields);
  }

  get contents(): unknown[] {
    return this.offered.map(({ message }) => message.content);
  }

  ack(): void {
    const first = this.offered.shift();
    if (first === undefined) throw new Error('nothing is in flight');
    first.entry.onAck?.(responseTo(first.message, 0));
  }
}

/** Commits at once, or fails. */
class Commits implements Committer {
  readonly stats = { batches: 0, jobs: 0, failures: 0 };
  broken = false;
  late = false;

  enqueue(job: Job): void {
    if (this.late) {
      this.late = false;
      queueMicrotask(() => this.enqueue(job));
    } else if (this.broken) job.failed(new HiveletError('STORE_FULL'));
    else {
      job.run();
      job.done();
    }
  }

  flush(): void {}
}

function rig(options: { dir?: string; maxBytes?: number; link?: Link } = {}) {
  const database = openDatabase(join(options.dir ?? tempDir(), 'edge.db'), silentLogger());
  open.push(database);
  const link = options.link ?? new Link();
  const committer = new Commits();
  const table = createUploadTable(database.sqlite, options.maxBytes ?? 1_000_000);
  return { link, committer, database, queue: new UploadQueue({ table, committer, link }) };
}

test('uploads go out in order, at most 16 at once, and leave the disk when they are acknowledged', async () => {
  const { link, queue } = rig();
  for (let number = 1; number <= 20; number++) await queue.append('x/user/y', Buffer.from(String(number)));
  assert.equal(
    link.contents,
    Array.from({ length: 16 }, (_, index) => String(index + 1)),
  );
  for (let number = 1; number <= 16; number++) link.ack();
  assert.equal(link.contents, ['17', '18', '19', '20']);
  assert.is(queue.stats.count, 4);
  for (let number = 17; number <= 20; number++) link.ack();
  assert.equal(queue.stats, { count: 0, bytes: 0, dropped: 0 });
});

test('an upload is a message of group user with the topic as resource', async () => {
  const { link, queue } = rig();
  await queue.append('SYS/dis/upload_records', Buffer.from('{"a":1}'));
  assert.equal(link.offered[0]?.message.route, { source: 'bus', group: 'user', operation: 'upload', resource: 'SYS/dis/upload_records' });
  assert.is(link.offered[0]?.message.content, '{"a":1}');
});

test('a binary payload travels as base64 and says so; an empty one is an empty text', async () => {
  const { link, queue } = rig();
  await queue.append('a/user/b', Buffer.from([0xff, 0x00, 0x80]));
  await queue.append('a/user/b', Buffer.alloc(0));
  const [binary, empty] = link.offered.map(({ message }) => message);
  assert.equal([binary?.content, binary?.header.encoding], [Buffer.from([0xff, 0x00, 0x80]).toString('base64'), 'base64']);
  assert.equal([empty?.content, empty?.header.encoding], ['', undefined]);
});

test('without a peer that takes uploads they wait, also over a restart, and go out oldest first', async () => {
  const dir = tempDir();
  const offline = new Link();
  offline.peer = 'offline';
  offline.takesUploads = false;
  const first = rig({ dir, link: offline });
  await first.queue.append('a/user/b', Buffer.from('1'));
  await first.queue.append('a/user/b', Buffer.from('2'));
  assert.equal([offline.contents, offline.sent], [[], []]);
  first.database.close();
  const second = rig({ dir });
  await second.queue.append('a/user/b', Buffer.from('3'));
  assert.equal(second.link.contents, ['1', '2', '3']);
});

test('a Hivelet peer that does not announce uploads gets none', async () => {
  const { link, queue } = rig();
  link.takesUploads = false;
  await queue.append('a/user/b', Buffer.from('1'));
  queue.restart();
  assert.equal([link.contents, link.sent, queue.stats.count], [[], [], 1]);
});

test('a KubeEdge cloud, which never acknowledges, gets them at once as text', async () => {
  const { link, queue } = rig();
  link.peer = 'kubeedge';
  link.takesUploads = false;
  await queue.append('a/user/b', Buffer.from('1'));
  assert.equal([link.sent.map(({ content }) => content), queue.stats.count], [['1'], 0]);
});

test('after a connect everything that was not acknowledged is offered again, oldest first', async () => {
  const { link, queue } = rig();
  for (const text of ['1', '2', '3']) await queue.append('a/user/b', Buffer.from(text));
  link.ack();
  link.offered.length = 0;
  queue.restart();
  assert.equal(link.contents, ['2', '3']);
});

test('beyond the bound the oldest are dropped and counted', async () => {
  const { link, queue } = rig({ maxBytes: 1000 });
  link.takesUploads = false;
  for (let number = 1; number <= 20; number++) await queue.append('t', Buffer.from(String(number).padStart(35, '0')));
  assert.equal(queue.stats, { count: 10, bytes: 1000, dropped: 10 });
  link.takesUploads = true;
  queue.restart();
  assert.is(link.contents[0], '11'.padStart(35, '0'));
});

test('an upload that is larger than the whole queue is dropped itself and pushes nothing out', async () => {
  const { link, queue } = rig({ maxBytes: 1024 });
  link.takesUploads = false;
  await queue.append('t', Buffer.from('small'));
  await queue.append('t', Buffer.alloc(2000, 'x'));
  assert.equal(queue.stats, { count: 1, bytes: 70, dropped: 1 });
  link.takesUploads = true;
  queue.restart();
  assert.equal(link.contents, ['small']);
});

test('the oldest that was dropped while it was on its way may be acknowledged later', async () => {
  const { link, queue } = rig({ maxBytes: 300 });
  for (let number = 1; number <= 6; number++) await queue.append('t', Buffer.alloc(35, String(number)));
  assert.is(queue.stats.count, 3);
  while (link.offered.length > 0) link.ack();
  assert.equal([queue.stats.count, queue.stats.bytes], [0, 0]);
});

test('an upload that cannot be stored is refused, and the count stays right', async () => {
  const { link, committer, queue } = rig();
  await queue.append('t', Buffer.from('1'));
  committer.broken = true;
  let refused: unknown;
  await queue.append('t', Buffer.from('2')).catch((error: unknown) => (refused = error));
  assert.instance(refused, HiveletError);
  link.ack();
  assert.is(queue.stats.count, 1, 'what could not be removed is still there');
  committer.broken = false;
  link.offered.length = 0;
  queue.restart();
  assert.equal(link.contents, ['1'], 'and is told again');
});

test('the payload is copied: the buffer of the broker is used again', async () => {
  const { link, committer, queue } = rig();
  committer.late = true;
  const buffer = Buffer.from('first');
  const appended = queue.append('t', buffer);
  buffer.write('other');
  await appended;
  assert.equal(link.contents, ['first']);
});

test.run();

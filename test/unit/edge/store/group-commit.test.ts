/** Grouped transactions: what arrives together is kept together, answers come after the commit, and a failure is everybody's. */
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { committed, type Committer, type Job } from '#beehive/commit.ts';
import type { HiveletError } from '#beehive/errors.ts';
import { silentLogger } from '#beehive/log.ts';
import { openDatabase } from '#edge/store/database.ts';
import { createCommitter } from '#edge/store/group-commit.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

interface Rig {
  committer: Committer;
  clock: FakeClock;
  failures: HiveletError[];
  recoveries: () => number;
  /** Adds a topic; the diary tells what became of it. */
  job: (topic: string, more?: Partial<Job>) => Job;
  diary: string[];
  /** Topics that are stored. */
  stored: () => unknown[];
  /** No more than that many further pages. */
  fill: () => void;
  close: () => void;
}

function rig(): Rig {
  const file = path.join(tempDir(), 'edge.db');
  const { sqlite, close } = openDatabase(file, silentLogger());
  const clock = new FakeClock();
  const failures: HiveletError[] = [];
  let recoveries = 0;
  const onRecovery = (): void => void recoveries++;
  const committer = createCommitter({ sqlite, path: file, clock, onFailure: (error) => failures.push(error), onRecovery });
  const diary: string[] = [];
  const insert = sqlite.prepare('INSERT INTO sub_topics VALUES (?)');
  return {
    committer,
    clock,
    failures,
    recoveries: () => recoveries,
    diary,
    job: (topic, more = {}) => ({
      run: () => {
        assert.is(sqlite.inTransaction, true);
        diary.push(`run ${topic}`);
        insert.run(topic);
      },
      done: () => {
        assert.is(sqlite.inTransaction, false);
        diary.push(`done ${topic}`);
      },
      failed: (error) => diary.push(`${error.code} ${topic}`),
      ...more,
    }),
    stored: () => sqlite.prepare('SELECT topic FROM sub_topics ORDER BY topic').pluck().all(),
    fill: () => void sqlite.pragma(`max_page_count = ${String(sqlite.pragma('page_count', { simple: true }))}`),
    close,
  };
}

test('jobs of one turn run in order in one transaction, and are told after it, in order', async () => {
  const { committer, job, diary, stored, close } = rig();
  for (const topic of ['a', 'b', 'c']) committer.enqueue(job(topic));
  assert.equal(diary, [], 'nothing happens within the call');
  await turn();
  assert.equal(diary, ['run a', 'run b', 'run c', 'done a', 'done b', 'done c']);
  assert.equal([committer.stats, stored()], [{ batches: 1, jobs: 3, failures: 0 }, ['a', 'b', 'c']]);
  close();
});

test('one at a time each is committed within one turn', async () => {
  const { committer, job, diary, close } = rig();
  for (const topic of ['a', 'b', 'c']) {
    committer.enqueue(job(topic));
    await turn();
    assert.is(diary.at(-1), `done ${topic}`);
  }
  assert.equal(committer.stats, { batches: 3, jobs: 3, failures: 0 });
  close();
});

test('under load a batch waits for its companions, but never beyond a millisecond', async () => {
  const { committer, clock, job, diary, close } = rig();
  for (let index = 0; index < 20; index++) committer.enqueue(job(`first ${String(index)}`));
  await turn();
  assert.is(committer.stats.batches, 1);
  // About ten are expected now: five that arrive over five turns wait for each other.
  for (let index = 0; index < 5; index++) {
    committer.enqueue(job(`next ${String(index)}`));
    await turn();
  }
  assert.is(committer.stats.batches, 1);
  await clock.advance(1);
  await until(() => committer.stats.batches === 2, { what: 'the commit after the longest wait' });
  assert.equal(committer.stats, { batches: 2, jobs: 25, failures: 0 });
  assert.is(diary.at(-1), 'done next 4');
  close();
});

test('a batch that is as large as usual does not wait any longer', async () => {
  const { committer, job, close } = rig();
  for (let round = 0; round < 3; round++) {
    for (let index = 0; index < 8; index++) committer.enqueue(job(`${String(round)} ${String(index)}`));
    await turn();
    assert.is(committer.stats.batches, round + 1);
  }
  close();
});

test('flush commits what waits at once; without anything it does nothing', async () => {
  const { committer, job, diary, close } = rig();
  committer.flush();
  committer.enqueue(job('a'));
  committer.flush();
  assert.equal(diary, ['run a', 'done a']);
  await turn();
  assert.equal(committer.stats, { batches: 1, jobs: 1, failures: 0 });
  close();
});

test('a job that comes while others are told is in the next batch', async () => {
  const { committer, job, diary, close } = rig();
  committer.enqueue(job('a', { done: () => committer.enqueue(job('b')) }));
  await turn();
  await turn();
  assert.equal(diary, ['run a', 'run b', 'done b']);
  assert.is(committer.stats.batches, 2);
  close();
});

test('a failing job rolls the whole batch back: all are told, those that did not run too, and the next batch works', async () => {
  const { committer, job, diary, stored, failures, close } = rig();
  const bad = job('b', {
    run: () => {
      throw new TypeError('x is not a function');
    },
  });
  for (const each of [job('a'), bad, job('c')]) committer.enqueue(each);
  await turn();
  assert.equal(diary, ['run a', 'STORE_FAILED a', 'STORE_FAILED b', 'STORE_FAILED c']);
  assert.equal(stored(), []);
  assert.equal(
    failures.map(({ message }) => message.replace(/\S+\.db/, 'FILE')),
    ['the database FILE failed: x is not a function'],
  );
  committer.enqueue(job('d'));
  committer.flush();
  assert.equal([diary.at(-1), stored()], ['done d', ['d']]);
  assert.equal(committer.stats, { batches: 2, jobs: 4, failures: 1 });
  close();
});

test('a full disk is told as such, and when there is room again it goes on', async () => {
  const { committer, job, diary, failures, recoveries, fill, stored, close } = rig();
  fill();
  committer.enqueue(job('x'.repeat(5000)));
  await turn();
  assert.match(diary.at(-1) ?? '', /^STORE_FULL/);
  assert.match(failures[0]?.message ?? '', /is full: free some space$/);
  committer.enqueue(job('small'));
  await turn();
  assert.equal([diary.at(-1), stored(), recoveries()], ['done small', ['small'], 1]);
  committer.enqueue(job('more'));
  await turn();
  assert.is(recoveries(), 1);
  close();
});

test('after the close of the database everybody is still told', async () => {
  const { committer, job, diary, close } = rig();
  committer.enqueue(job('a'));
  close();
  await turn();
  assert.equal(diary, ['STORE_FAILED a']);
});

test('a job that throws where it is told does not keep the others from being told', () => {
  const { committer, job, diary, close } = rig();
  committer.enqueue(
    job('a', {
      done: () => {
        throw new Error('a fault of ours');
      },
    }),
  );
  committer.enqueue(job('b'));
  assert.throws(() => committer.flush(), /a fault of ours/);
  assert.equal(diary, ['run a', 'run b', 'done b']);
  close();
});

test('as a promise a job gives what it returned, or undoes and fails', async () => {
  const { committer, stored, close } = rig();
  assert.is(await committed(committer, () => 42), 42);
  let undone = 0;
  const failing = committed(
    committer,
    () => {
      throw new Error('no');
    },
    () => undone++,
  );
  const error = await failing.then(
    () => undefined,
    (reason: HiveletError) => reason,
  );
  assert.equal([error?.code, undone, stored()], ['STORE_FAILED', 1, []]);
  close();
});

test.run();

/** Owns the proof of when the broker writes to disk. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import { WriteBehind } from '#edge/broker/journal.ts';
import { Tally } from '#edge/broker/tally.ts';
import { FakeClock } from '#test/support/fake-clock.ts';

function world(): { clock: FakeClock; journal: WriteBehind; writes: string[]; write(name: string): () => void; fail: { now: boolean } } {
  const clock = new FakeClock();
  const writes: string[] = [];
  const fail = { now: false };
  const transaction = (run: () => void): void => {
    if (fail.now) throw new Error('database or disk is full');
    run();
    writes.push('commit');
  };
  const journal = new WriteBehind({ clock, tally: new Tally(clock, silentLogger()), transaction });
  return { clock, journal, writes, write: (name) => () => void writes.push(name), fail };
}

test('changes of 200 ms are one transaction; of a row changed twice the latest state is written', async () => {
  const { clock, journal, writes, write } = world();
  journal.mark('a', write('a1'));
  await clock.advance(150);
  journal.mark('b', write('b1'));
  journal.mark('a', write('a2'));
  assert.equal(writes, []);
  await clock.advance(50);
  assert.equal(writes, ['a2', 'b1', 'commit']);
  await clock.advance(60_000);
  assert.is(journal.commits, 1, 'nothing changed, nothing written');
});

test('what came and went in between is not written', async () => {
  const { clock, journal, writes, write } = world();
  journal.mark('a', write('a'));
  journal.unmark('a');
  await clock.advance(1_000);
  assert.equal(writes, []);
});

test('a lazy row waits 30 s, unless it turns urgent', async () => {
  const { clock, journal, writes, write } = world();
  journal.mark('a', write('a'), { lazy: true });
  journal.mark('b', write('b'), { lazy: true });
  journal.mark('b', write('b!'));
  await clock.advance(200);
  assert.equal(writes, ['b!', 'commit']);
  await clock.advance(29_800);
  assert.equal(writes, ['b!', 'commit', 'a', 'commit']);
});

test('closing writes everything, lazy rows too, and arms nothing', () => {
  const { clock, journal, writes, write } = world();
  journal.mark('a', write('a'), { lazy: true });
  journal.mark('b', write('b'));
  journal.close();
  assert.equal(writes, ['b', 'a', 'commit']);
  assert.is(clock.pending, 0);
});

test('a full disk loses nothing: it is tried again after 10 s and "written" is told only then', async () => {
  const { clock, journal, writes, write, fail } = world();
  let written = 0;
  fail.now = true;
  journal.mark('a', write('a'), { written: () => void written++ });
  await clock.advance(9_000);
  assert.equal([writes, written], [[], 0]);
  fail.now = false;
  await clock.advance(1_200);
  assert.equal([writes, written], [['a', 'commit'], 1]);
});

test.run();

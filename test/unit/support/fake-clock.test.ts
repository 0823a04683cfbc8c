/** Tests the virtual clock that all timing tests stand on. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeClock } from '#test/support/fake-clock.ts';

test('timers fire in order of their time, then of their making, at their own time', async () => {
  const clock = new FakeClock();
  const fired: string[] = [];
  for (const [name, ms] of [
    ['b', 20],
    ['c', 20],
    ['a', 10],
    ['late', 31],
  ] as const) {
    clock.timer(ms, () => fired.push(`${name}@${String(clock.monotonic())}`));
  }
  await clock.advance(30);
  assert.equal(fired, ['a@10', 'b@20', 'c@20']);
  assert.is(clock.monotonic(), 30);
  assert.is(clock.nextInMs, 1);
});

test('a loop of sleeps runs through virtual time within one advance', async () => {
  const clock = new FakeClock();
  let rounds = 0;
  const loop = async (): Promise<void> => {
    while (rounds < 100) {
      await clock.sleep(1000);
      rounds++;
    }
  };
  const done = loop();
  await clock.advance(99_999);
  assert.is(rounds, 99);
  await clock.advance(1);
  await done;
  assert.is(clock.pending, 0);
});

test('a cancelled timer never fires and is no longer pending', async () => {
  const clock = new FakeClock();
  const timer = clock.timer(5, () => assert.unreachable());
  assert.is(clock.pending, 1);
  timer.cancel();
  timer.cancel();
  await clock.advance(10);
  assert.is(clock.pending, 0);
});

test('a sleep rejects with the reason of its signal and takes its timer away', async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const sleeping = clock.sleep(1000, stop.signal);
  stop.abort(new Error('stopped'));
  await sleeping.then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 'stopped'),
  );
  assert.is(clock.pending, 0);
});

test('setting the wall clock moves no timer', async () => {
  const clock = new FakeClock({ wallMs: 0 });
  let fired = false;
  clock.timer(100, () => (fired = true));
  clock.setWall(Date.UTC(2030, 0, 1));
  await clock.advance(99);
  assert.is(fired, false);
  assert.is(clock.now(), Date.UTC(2030, 0, 1) + 99);
  await clock.advance(1);
  assert.is(fired, true);
});

test('equal seeds give equal numbers in [0, 1), other seeds give others', () => {
  const draw = (seed: number): number[] => {
    const clock = new FakeClock({ seed });
    return Array.from({ length: 1000 }, () => clock.random());
  };
  assert.equal(draw(7), draw(7));
  assert.not.equal(draw(7), draw(8));
  assert.ok(draw(7).every((value) => value >= 0 && value < 1));
  const mean = draw(7).reduce((sum, value) => sum + value, 0) / 1000;
  assert.ok(mean > 0.45 && mean < 0.55, String(mean));
});

test('advanceToNext jumps to the next timer and says when there is none', async () => {
  const clock = new FakeClock();
  clock.timer(3_600_000, () => undefined);
  assert.is(await clock.advanceToNext(), true);
  assert.is(clock.monotonic(), 3_600_000);
  assert.is(await clock.advanceToNext(), false);
});

test.run();

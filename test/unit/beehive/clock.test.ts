/** The clock of the system, and the one sleep that every clock has. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { spawnProcess } from '#test/support/processes.ts';
import { within } from '#test/support/until.ts';

/** Its deadline also keeps the process alive, which the timers of the clock do not. */
const inTime = <T>(promise: Promise<T>): Promise<T> => within(promise, { what: 'the clock' });

test('monotonic time goes forward, wall time is near that of the machine, chance lies in [0, 1)', () => {
  const before = systemClock.monotonic();
  assert.ok(systemClock.monotonic() >= before);
  assert.ok(Math.abs(systemClock.now() - Date.now()) < 1000);
  const draws = Array.from({ length: 100 }, () => systemClock.random());
  assert.ok(draws.every((draw) => draw >= 0 && draw < 1));
  assert.ok(new Set(draws).size > 90);
});

test('a timer fires once, a cancelled one never, and cancelling again does nothing', async () => {
  const fired: string[] = [];
  const cancelled = systemClock.timer(0, () => fired.push('cancelled'));
  cancelled.cancel();
  cancelled.cancel();
  await inTime(new Promise<void>((resolve) => systemClock.timer(1, () => resolve(void fired.push('first')))));
  await inTime(systemClock.sleep(1));
  assert.equal(fired, ['first']);
});

test('a delay that is longer than the longest of the system does not fire at once', async () => {
  let fired = false;
  const timer = systemClock.timer(2 ** 32, () => (fired = true));
  await inTime(systemClock.sleep(5));
  timer.cancel();
  assert.is(fired, false);
});

test('a timer keeps no process alive', async () => {
  const code = `import { systemClock } from '#beehive/clock.ts'; systemClock.timer(60_000, () => {}); void systemClock.sleep(60_000);`;
  const child = spawnProcess({ command: process.execPath, args: ['--import', 'tsx', '--input-type=module', '-e', code] });
  assert.is((await inTime(child.exited)).code, 0);
});

for (const [name, clock] of [
  ['the clock of the system', systemClock],
  ['virtual time', new FakeClock()],
] as const) {
  test(`a sleep of ${name} ends with the reason of the signal, at once when it has aborted already`, async () => {
    const abort = new AbortController();
    const sleeping = clock.sleep(60_000, abort.signal).catch((error: unknown) => error);
    const reason = new Error('enough');
    abort.abort(reason);
    assert.is(await inTime(sleeping), reason);
    assert.is(await inTime(clock.sleep(60_000, abort.signal).catch((error: unknown) => error)), reason);
    const text = new AbortController();
    text.abort('a text');
    assert.is(((await inTime(clock.sleep(1, text.signal).catch((error: unknown) => error))) as Error).message, 'a text');
  });
}

test('a sleep that is over leaves no timer and no listener behind', async () => {
  const clock = new FakeClock();
  const abort = new AbortController();
  const sleeping = clock.sleep(10, abort.signal);
  await clock.advance(10);
  await sleeping;
  abort.abort();
  assert.is(clock.pending, 0);
});

test.run();

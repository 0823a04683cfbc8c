/** Back-off: doubled up to its limit, drawn from the whole range. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { backoff } from '#beehive/retry.ts';
import { FakeClock } from '#test/support/fake-clock.ts';

const take = (count: number, waits: Generator<number, never>): number[] => Array.from({ length: count }, () => waits.next().value);

test('at the upper end of chance each wait doubles up to the limit and stays there', () => {
  assert.equal(
    take(
      9,
      backoff(500, 30_000, () => 1),
    ),
    [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000],
  );
});

test('at the lower end it is one millisecond: never none, which would be a busy loop', () => {
  assert.equal(
    take(
      4,
      backoff(500, 30_000, () => 0),
    ),
    [1, 1, 1, 1],
  );
});

test('the jitter is full: waits fill their range evenly', () => {
  const clock = new FakeClock();
  const quarters = [0, 0, 0, 0];
  for (let round = 0; round < 2000; round++) {
    const wait = backoff(1000, 1000, () => clock.random()).next().value;
    assert.ok(wait >= 1 && wait <= 1000);
    const quarter = Math.min(3, Math.floor(wait / 250));
    quarters[quarter] = (quarters[quarter] ?? 0) + 1;
  }
  for (const count of quarters) assert.ok(count > 400 && count < 600, quarters.join(' '));
});

test.run();

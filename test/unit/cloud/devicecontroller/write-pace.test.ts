/** How often a status is written: at once after quiet, then once a second, rarer under chatter. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { WritePace } from '#cloud/devicecontroller/write-pace.ts';

/** Moments of the writes of a device that changes every `everyMs`, for `lastMs`. */
function writes(everyMs: number, lastMs: number, brisk: (at: number) => boolean = () => false): number[] {
  const pace = new WritePace();
  const found: number[] = [];
  for (let at = 0, changedAt = 0; at <= lastMs; at += 100) {
    if (at % everyMs === 0) changedAt = at;
    const pending = changedAt > (found.at(-1) ?? -1);
    if (!pending || at < pace.nextMs(brisk(at))) continue;
    pace.wrote(at, brisk(at));
    found.push(at);
  }
  return found;
}

test('a change after quiet goes at once', () => {
  assert.equal(writes(60_000, 180_000), [0, 60_000, 120_000, 180_000]);
});

test('a device that changes all the time backs off to one write in ten seconds', () => {
  assert.equal(writes(100, 40_000), [0, 1000, 3000, 7000, 15_000, 24_500, 34_000]);
});

test('a device that changes every five seconds is not held back', () => {
  assert.equal(writes(5000, 20_000), [0, 5000, 10_000, 15_000, 20_000]);
});

test('while somebody waits for a desired value it is once a second, and chatter backs off afterwards where it was', () => {
  const found = writes(100, 60_000, (at) => at >= 30_000 && at < 33_000);
  assert.equal(
    found.filter((at) => at > 28_000 && at < 50_000),
    [30_000, 31_000, 32_000, 41_500],
  );
});

test('after chatter and then quiet the first change goes at once again, and the second after a second', () => {
  const pace = new WritePace();
  for (let at = 0; at < 60_000; at += 9500) pace.wrote(at, false);
  pace.wrote(100_000, false);
  assert.is(pace.nextMs(false), 101_000);
});

test('devices that began together drift apart, but none writes more often than each second or waits for more than ten', () => {
  const gaps = [0, 0.5, 0.999].map((chance) => {
    const pace = new WritePace(() => chance);
    return Array.from({ length: 6 }, () => {
      const at = pace.nextMs(false) === -Infinity ? 0 : pace.nextMs(false);
      pace.wrote(at, false);
      return pace.nextMs(false) - at;
    });
  });
  assert.equal(gaps[0], [1000, 2000, 4000, 8000, 9500, 9500]);
  assert.equal(gaps[1], [1000, 1700, 3400, 6800, 8075, 8075]);
  assert.ok(gaps.flat().every((gap) => gap >= 1000 && gap <= 9500));
});

test.run();

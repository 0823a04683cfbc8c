/** Proves when memory is given back: once after the start, and in the quiet after a burst of work. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import { createMemoryTrim } from '#beehive/memory-trim.ts';
import { FakeClock } from '#test/support/fake-clock.ts';

const contextOf = (clock: FakeClock) => ({ clock, log: silentLogger(), signal: new AbortController().signal, failed: () => undefined });

test('memory is collected after the start and in the quiet after a burst, never while work goes on', async () => {
  const clock = new FakeClock();
  let work = 0;
  let collections = 0;
  const trim = createMemoryTrim({ collect: () => collections++, work: () => work });
  await trim.start(contextOf(clock));
  await clock.advance(3000);
  assert.is(collections, 1);
  await clock.advance(60_000);
  assert.is(collections, 1, 'nothing was done, nothing is collected');
  for (let step = 0; step < 5; step++) {
    work += 5000;
    await clock.advance(10_000);
  }
  assert.is(collections, 1, 'work goes on');
  await clock.advance(10_000);
  assert.is(collections, 2);
  await clock.advance(60_000);
  assert.is(collections, 2);
  await trim.stop();
  assert.is(clock.pending, 0);
});

test('what is quiet and what is a burst depends on what is counted', async () => {
  const clock = new FakeClock();
  let work = 0;
  let collections = 0;
  const collect = (): void => {
    collections++;
    // Counted as processor time, the collection itself is work.
    work += 150;
  };
  const trim = createMemoryTrim({ collect, work: () => work, quiet: 250, burst: 4000 });
  await trim.start(contextOf(clock));
  await clock.advance(3000);
  for (let step = 0; step < 20; step++) {
    work += 200;
    await clock.advance(10_000);
  }
  assert.is(collections, 1, 'little was done');
  work += 200;
  await clock.advance(10_000);
  assert.is(collections, 2);
  for (let step = 0; step < 20; step++) {
    work += 200;
    await clock.advance(10_000);
  }
  assert.is(collections, 2, 'the collection itself gives no reason for the next');
  await trim.stop();
});

test('where work is processor time, a dear collection waits for more work', async () => {
  const clock = new FakeClock();
  let work = 0;
  let collections = 0;
  const collect = (): void => {
    collections++;
    work += 300;
  };
  const burst = async (ms: number): Promise<void> => {
    work += ms;
    await clock.advance(10_000);
    await clock.advance(10_000);
  };
  const trim = createMemoryTrim({ collect, work: () => work, quiet: 250, burst: 1000 });
  await trim.start(contextOf(clock));
  await clock.advance(3000);
  await burst(5900);
  assert.is(collections, 1);
  await burst(200);
  assert.is(collections, 2, 'six seconds of work after a collection of 0.3 s');
  await trim.stop();
});

test('without --expose-gc nothing is scheduled', async () => {
  const clock = new FakeClock();
  const trim = createMemoryTrim({ collect: undefined, work: () => 0 });
  await trim.start(contextOf(clock));
  assert.is(clock.pending, 0);
  await trim.stop();
});

test.run();

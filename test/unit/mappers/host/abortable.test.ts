/** Proves that whatever is awaited in the mapper host settles when it is stopped. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { abortable } from '#beehive/abortable.ts';
import { Alarm, Background, TurnQueue } from '#mappers/host/abortable.ts';
import { Turnstile } from '#mappers/modbus/transport.ts';
import { FakeClock } from '#test/support/fake-clock.ts';

const never = new Promise<never>(() => undefined);
const reason = new Error('stopped');

const waits: [what: string, wait: (signal: AbortSignal) => Promise<unknown>][] = [
  ['a promise that never settles', (signal) => abortable(never, signal)],
  [
    'a turn in a queue',
    (signal) => {
      const queue = new TurnQueue();
      void queue.run(() => never, new AbortController().signal);
      return queue.run(async () => 1, signal);
    },
  ],
  ['a pause', (signal) => new Alarm(new FakeClock()).wait(1000, signal)],
  [
    'the medium',
    (signal) => {
      const turnstile = new Turnstile();
      void turnstile.run(() => never, { urgent: false, signal: new AbortController().signal });
      return turnstile.run(async () => 1, { urgent: false, signal });
    },
  ],
];
for (const [what, wait] of waits) {
  test(`${what} settles on abort, also on one that was before`, async () => {
    const early = new AbortController();
    early.abort(reason);
    const late = new AbortController();
    const waiting = [wait(early.signal), wait(late.signal)].map((promise) => promise.catch((error: unknown) => error));
    late.abort(reason);
    assert.equal(await Promise.all(waiting), [reason, reason]);
  });
}

test('who leaves a queue holds up nobody behind', async () => {
  const queue = new TurnQueue();
  const order: string[] = [];
  const { signal } = new AbortController();
  let release = (): void => undefined;
  const first = queue.run(() => new Promise<void>((resolve) => (release = resolve)), signal).then(() => order.push('first'));
  const leaver = new AbortController();
  const second = queue.run(async () => order.push('second'), leaver.signal).catch(() => order.push('left'));
  const third = queue.run(async () => order.push('third'), signal);
  leaver.abort(reason);
  await second;
  assert.equal(order, ['left']);
  await new Promise((resolve) => setImmediate(resolve));
  release();
  await Promise.all([first, third]);
  assert.equal(order, ['left', 'first', 'third']);
});

test('a failed turn lets the next one in', async () => {
  const queue = new TurnQueue();
  const { signal } = new AbortController();
  const failed = queue.run(async () => Promise.reject(reason), signal).catch((error: unknown) => error);
  assert.is(await queue.run(async () => 'next', signal), 'next');
  assert.is(await failed, reason);
});

test('a closed medium rejects those who wait and those who come', async () => {
  const turnstile = new Turnstile();
  const { signal } = new AbortController();
  void turnstile.run(() => never, { urgent: false, signal });
  const waiting = turnstile.run(async () => 1, { urgent: true, signal }).catch((error: unknown) => error);
  turnstile.close(reason);
  assert.is(await waiting, reason);
  assert.is(await turnstile.run(async () => 1, { urgent: false, signal }).catch((error: unknown) => error), reason);
});

test('an alarm that rings ends the pause, and leaves no timer', async () => {
  const clock = new FakeClock();
  const alarm = new Alarm(clock);
  const pause = alarm.wait(1000, new AbortController().signal);
  alarm.ring();
  await pause;
  await clock.settle();
  assert.is(clock.pending, 0);
  const next = alarm.wait(50, new AbortController().signal);
  await clock.advance(50);
  await next;
});

test('what runs in the background is waited for', async () => {
  const background = new Background();
  let done = false;
  background.run(
    new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      done = true;
    }),
  );
  await background.settled();
  assert.is(done, true);
});

test.run();

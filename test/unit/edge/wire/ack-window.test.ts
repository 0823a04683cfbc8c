/** The window of unacknowledged messages: order per key, coalescing, re-sending, back-off, bounds. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { AckWindow, type AckWindowOptions, type WindowEntry } from '#wire/ack-window.ts';
import { createMessage, responseTo, type BeehiveMessage } from '#wire/message.ts';
import { FakeClock } from '#test/support/fake-clock.ts';

function rig(options: Partial<AckWindowOptions> = {}) {
  const clock = new FakeClock();
  const sent: BeehiveMessage[] = [];
  const window = new AckWindow({ clock, ackTimeoutMs: 1000, send: (message) => void sent.push(message), ...options });
  const texts = (): unknown[] => sent.map((message) => message.content);
  const answer = (index: number, operation: 'response' | 'error' = 'response'): boolean => {
    const request = sent[index];
    if (request === undefined) throw new Error(`nothing was sent at ${index}`);
    return window.settle(responseTo(request, 0, { operation }));
  };
  return { clock, sent, window, texts, answer };
}

function entry(key: string, content: string, more: Partial<WindowEntry> = {}): WindowEntry {
  return {
    key,
    make: () => createMessage(0, { source: 's', group: 'g', operation: 'update', resource: key, content }),
    ...more,
  };
}

test('entries of different keys go out in the order offered, up to the window', () => {
  const { window, texts, answer } = rig({ window: 2 });
  for (const text of ['a', 'b', 'c']) window.offer(entry(text, text));
  assert.equal(texts(), ['a', 'b']);
  assert.is(window.size, 3);
  answer(0);
  assert.equal(texts(), ['a', 'b', 'c']);
  answer(2);
  answer(1);
  assert.is(window.size, 0);
  assert.is(window.inFlight, 0);
});

test('a key in flight is not sent again until it is acknowledged, and then only in its newest state', () => {
  const { window, texts, answer } = rig();
  let acked = 0;
  window.offer(entry('k', '1'));
  window.offer(entry('k', '2', { onAck: () => void acked++ }));
  window.offer(entry('k', '3', { onAck: () => void acked++ }));
  assert.equal(texts(), ['1']);
  answer(0);
  assert.equal(texts(), ['1', '3']);
  answer(1);
  assert.is(acked, 1, 'the replaced entry is never acknowledged');
  assert.is(window.size, 0);
});

test('a stream keeps every entry in order and may have several in flight', () => {
  const { window, texts, answer } = rig({ window: 2 });
  for (const text of ['1', '2', '3']) window.offer(entry('stream', text, { keep: true }));
  assert.equal(texts(), ['1', '2']);
  answer(0);
  answer(1);
  assert.equal(texts(), ['1', '2', '3']);
});

test('a stream with a long queue does not starve other keys', () => {
  const { window, texts, answer } = rig({ window: 1 });
  for (const text of ['1', '2', '3']) window.offer(entry('stream', text, { keep: true }));
  window.offer(entry('twin', 't'));
  answer(0);
  answer(1);
  answer(2);
  assert.equal(texts(), ['1', '2', 't', '3']);
});

test('what is not answered in time is sent again with the same id; a late answer to the first copy counts', async () => {
  const resent: unknown[] = [];
  const { clock, window, sent, answer } = rig({ onResend: (message) => void resent.push(message.content) });
  window.offer(entry('k', '1'));
  await clock.advance(999);
  assert.is(sent.length, 1);
  await clock.advance(1);
  assert.is(sent.length, 2);
  assert.is(sent[1]?.header.msg_id, sent[0]?.header.msg_id);
  assert.equal(resent, ['1']);
  assert.is(answer(0), true);
  await clock.advance(5000);
  assert.is(sent.length, 2);
  assert.is(clock.pending, 0);
});

test('when one message of a stream is late, all later ones of it go again behind it', async () => {
  const { clock, window, texts, answer } = rig();
  window.offer(entry('stream', '1', { keep: true }));
  window.offer(entry('stream', '2', { keep: true }));
  await clock.advance(500);
  window.offer(entry('stream', '3', { keep: true }));
  answer(1);
  await clock.advance(500);
  assert.equal(texts(), ['1', '2', '3', '1', '3']);
});

test('a refused entry is sent again with back-off and blocks only its own key', async () => {
  const { clock, window, texts, answer } = rig({ window: 1 });
  window.offer(entry('bad', 'x'));
  window.offer(entry('good', 'y'));
  answer(0, 'error');
  assert.equal(texts(), ['x', 'y']);
  answer(1);
  await clock.advance(1000);
  assert.equal(texts(), ['x', 'y', 'x']);
  answer(2);
  assert.is(window.size, 0);
});

test('newer state replaces a refused entry, and waits for the back-off too', async () => {
  const { clock, window, texts, answer } = rig();
  window.offer(entry('k', 'old'));
  answer(0, 'error');
  window.offer(entry('k', 'new'));
  assert.equal(texts(), ['old']);
  await clock.advance(1000);
  assert.equal(texts(), ['old', 'new']);
});

test('an entry that says drop on error is given up', async () => {
  const { clock, window, texts, answer } = rig();
  window.offer(entry('k', 'x', { onError: () => 'drop' }));
  answer(0, 'error');
  await clock.advance(100_000);
  assert.equal(texts(), ['x']);
  assert.is(window.size, 0);
  assert.is(clock.pending, 0);
});

test('entries without acknowledgement are sent once', async () => {
  const { clock, window, texts } = rig({ window: 1 });
  for (const text of ['1', '2', '3']) window.offer(entry('k', text, { unacked: true }));
  assert.equal(texts(), ['1', '2', '3']);
  await clock.advance(100_000);
  assert.is(texts().length, 3);
});

test('an entry with nothing to say any more is done without a frame', () => {
  const { window, texts } = rig();
  window.offer({ key: 'k', make: () => undefined });
  assert.equal(texts(), []);
  assert.is(window.size, 0);
});

test('a snapshot replaces everything in one step; answers to what was before are ignored', () => {
  const { window, texts, answer } = rig();
  window.offer(entry('a', 'a1'));
  window.offer(entry('a', 'a2'));
  window.replaceAll([entry('b', 'b1'), entry('a', 'a3')]);
  assert.equal(texts(), ['a1', 'b1', 'a3']);
  assert.is(answer(0), false);
  assert.is(window.size, 2);
});

test('while paused nothing is sent; afterwards what was in flight goes first, unless newer state waits', async () => {
  const { clock, window, texts } = rig();
  window.offer(entry('a', 'a1'));
  window.offer(entry('stream', 's1', { keep: true }));
  window.offer(entry('stream', 's2', { keep: true }));
  window.pause();
  window.offer(entry('a', 'a2'));
  window.offer(entry('stream', 's3', { keep: true }));
  await clock.advance(10_000);
  assert.equal(texts(), ['a1', 's1', 's2']);
  window.resume();
  const again = texts().slice(3);
  assert.equal(
    again.filter((text) => String(text).startsWith('s')),
    ['s1', 's2', 's3'],
  );
  assert.equal(
    again.filter((text) => String(text).startsWith('a')),
    ['a2'],
  );
  assert.is(window.size, 4);
});

test('the limit bounds what waits; state of a known key is still taken', () => {
  const { window } = rig({ window: 1, limit: 3 });
  assert.is(window.offer(entry('a', '1')), true);
  assert.is(window.offer(entry('b', '1')), true);
  assert.is(window.offer(entry('c', '1')), true);
  assert.is(window.offer(entry('d', '1')), false);
  assert.is(window.offer(entry('b', '2')), true);
  assert.is(window.size, 3);
});

test('a callback may offer the next entry', () => {
  const { window, texts, answer } = rig();
  window.offer(entry('k', '1', { onAck: () => void window.offer(entry('k', '2')) }));
  answer(0);
  assert.equal(texts(), ['1', '2']);
});

test('after close nothing is sent and no timer is left', async () => {
  const { clock, window, texts, answer } = rig();
  window.offer(entry('k', '1'));
  window.offer(entry('bad', '2'));
  answer(1, 'error');
  window.close();
  assert.is(window.offer(entry('x', '3')), false);
  assert.is(answer(0), false);
  window.resume();
  await clock.advance(100_000);
  assert.equal(texts(), ['1', '2']);
  assert.is(clock.pending, 0);
});

test('only response and error answers settle', () => {
  const { window, sent } = rig();
  window.offer(entry('k', '1'));
  const request = sent[0] as BeehiveMessage;
  const other = createMessage(0, { source: 's', group: 'g', operation: 'update', resource: 'r', parentId: request.header.msg_id });
  assert.is(window.settle(other), false);
  assert.is(window.settle(createMessage(0, { source: 's', group: 'g', operation: 'response', resource: 'r', parentId: 'unknown' })), false);
  assert.is(window.size, 1);
});

test('an entry with a number of tries is sent that often, then given up; its key goes on', async () => {
  const { clock, window, texts, answer } = rig();
  const given: string[] = [];
  window.offer(entry('k', '1', { tries: 5, onGiveUp: () => void given.push('1') }));
  window.offer(entry('k', '2'));
  await clock.advance(4999);
  assert.equal([texts(), given], [['1', '1', '1', '1', '1'], []]);
  await clock.advance(1);
  assert.equal([texts().slice(5), given], [['2'], ['1']]);
  assert.is(answer(4), false, 'an answer that comes too late belongs to nothing');
  answer(5);
  assert.equal([window.size, window.inFlight], [0, 0]);
});

test.run();

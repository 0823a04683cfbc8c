/** The bus between modules: order, bounds, groups, answers, and that everything that waits settles. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Bus } from '#beehive/bus.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { refusal } from './refusal.ts';

interface Note {
  header: { msg_id: string; parent_msg_id?: string };
  text: string;
}

const note = (text: string, parent?: string): Note => ({
  header: { msg_id: `id-${text}`, ...(parent === undefined ? {} : { parent_msg_id: `id-${parent}` }) },
  text,
});

function rig(capacity = 3) {
  const clock = new FakeClock();
  const bus = new Bus<Note>(clock);
  bus.addModule('twin', { capacity });
  /** Texts in the order of their reading, until nothing is left. */
  const drain = async (module: string): Promise<string[]> => {
    const texts: string[] = [];
    for (;;) {
      const abort = new AbortController();
      const next = bus.receive(module, abort.signal).catch(() => undefined);
      await clock.settle();
      abort.abort();
      const message = await next;
      if (message === undefined) return texts;
      texts.push(message.text);
    }
  };
  return { clock, bus, drain };
}

/** What became of a promise so far. */
function watch(promise: Promise<unknown>): { state: string } {
  const watched = { state: 'waits' };
  promise.then(
    () => (watched.state = 'done'),
    (error: { code?: string }) => (watched.state = error.code ?? 'failed'),
  );
  return watched;
}

test('messages of several senders are read in the order in which they were sent, also by those who had to wait', async () => {
  const { bus, drain } = rig(2);
  const sent = ['a1', 'b1', 'a2', 'b2', 'a3', 'b3'];
  const all = Promise.all(sent.map((text) => bus.send('twin', note(text))));
  assert.equal(await drain('twin'), sent);
  await all;
});

test('a full inbox makes the sender wait until there is room, and no longer', async () => {
  const { bus, clock } = rig(1);
  await bus.send('twin', note('1'));
  const second = watch(bus.send('twin', note('2')));
  const third = watch(bus.send('twin', note('3')));
  await clock.settle();
  assert.equal([second.state, third.state], ['waits', 'waits']);
  assert.is((await bus.receive('twin')).text, '1');
  await clock.settle();
  assert.equal([second.state, third.state], ['done', 'waits']);
});

test('a sender that gives up takes its message with it', async () => {
  const { bus, clock, drain } = rig(1);
  await bus.send('twin', note('1'));
  const abort = new AbortController();
  const second = watch(bus.send('twin', note('2'), abort.signal));
  const third = watch(bus.send('twin', note('3'), new AbortController().signal));
  abort.abort();
  await clock.settle();
  assert.is(second.state, 'STOPPED');
  assert.equal(await drain('twin'), ['1', '3']);
  assert.is(third.state, 'done');
  assert.match(await refusal(bus.send('twin', note('4'), abort.signal)), /^STOPPED/);
});

test('an inbox for no message at all still takes one', async () => {
  const { bus } = rig(0);
  await bus.send('twin', note('1'));
  assert.is((await bus.receive('twin')).text, '1');
});

test('adding a module again keeps its messages', async () => {
  const { bus } = rig();
  await bus.send('twin', note('1'));
  bus.addModule('twin', { capacity: 9 });
  assert.is((await bus.receive('twin')).text, '1');
});

test('a reader is given the message that comes, and gives up when told to', async () => {
  const { bus, clock } = rig();
  const reading = bus.receive('twin');
  await bus.send('twin', note('1'));
  assert.is((await reading).text, '1');
  const abort = new AbortController();
  const given = watch(bus.receive('twin', abort.signal));
  abort.abort();
  await clock.settle();
  assert.is(given.state, 'STOPPED');
  assert.match(await refusal(bus.receive('twin', abort.signal)), /^STOPPED/);
  await bus.send('twin', note('2'));
  assert.is((await bus.receive('twin')).text, '2', 'it was not given to the reader that left');
});

test('a signal that aborts after the message came takes nothing away', async () => {
  const { bus } = rig();
  const abort = new AbortController();
  const reading = bus.receive('twin', abort.signal);
  await bus.send('twin', note('1'));
  abort.abort();
  assert.is((await reading).text, '1');
});

test('two readers of one inbox are a fault of the second', async () => {
  const { bus } = rig();
  const first = bus.receive('twin');
  assert.match(await refusal(bus.receive('twin')), /^INTERNAL: two readers on the inbox of twin/);
  await bus.send('twin', note('1'));
  assert.is((await first).text, '1');
});

for (const [title, call] of [
  ['sending', (bus: Bus<Note>) => bus.send('nobody', note('1'))],
  ['reading', (bus: Bus<Note>) => bus.receive('nobody')],
  ['asking', (bus: Bus<Note>) => bus.sendSync('nobody', note('1'), { timeoutMs: 10 })],
] as const) {
  test(`${title} where there is no such module is refused at once, and leaves no timer`, async () => {
    const { bus, clock } = rig();
    assert.is(await refusal(call(bus)), 'BUS_NO_MODULE: no module nobody on the bus');
    assert.is(clock.pending, 0);
  });
}

test('a group is sent to as a whole, an empty one is no fault', async () => {
  const { bus } = rig();
  bus.addModule('meta');
  for (const module of ['twin', 'meta']) bus.addModuleToGroup(module, 'all');
  await bus.sendToGroup('all', note('1'));
  assert.equal([(await bus.receive('twin')).text, (await bus.receive('meta')).text], ['1', '1']);
  await bus.sendToGroup('none', note('2'));
});

test('removing a module settles its reader and its waiting senders, and takes it out of its groups', async () => {
  const { bus, clock } = rig(1);
  bus.addModule('meta');
  bus.addModuleToGroup('twin', 'all');
  const reader = watch(bus.receive('meta'));
  await bus.send('twin', note('1'));
  const sender = watch(bus.send('twin', note('2')));
  bus.cleanup('twin');
  bus.cleanup('meta');
  bus.cleanup('meta');
  await clock.settle();
  assert.equal([reader.state, sender.state], ['STOPPED', 'STOPPED']);
  await bus.sendToGroup('all', note('3'));
  bus.addModule('twin');
  await bus.send('twin', note('4'));
  assert.is((await bus.receive('twin')).text, '4', 'unread messages of before are gone');
});

test('a question gets the answer that names it as its parent', async () => {
  const { bus, clock } = rig();
  const asking = bus.sendSync('twin', note('q'), { timeoutMs: 1000 });
  const question = await bus.receive('twin');
  assert.is(bus.sendResponse(note('other', 'unknown')), false);
  assert.is(bus.sendResponse(note('orphan')), false);
  assert.is(bus.sendResponse(note('a', question.text)), true);
  assert.is((await asking).text, 'a');
  assert.is(bus.sendResponse(note('late', question.text)), false);
  assert.is(bus.unclaimed, 3);
  assert.is(clock.pending, 0);
});

test('a question without an answer ends at its time-out, and an answer after it is not claimed', async () => {
  const { bus, clock } = rig();
  const asking = refusal(bus.sendSync('twin', note('q'), { timeoutMs: 1000 }));
  await clock.advance(999);
  assert.is(bus.unclaimed, 0);
  await clock.advance(1);
  assert.is(await asking, 'BUS_TIMEOUT: no answer to id-q within 1000 ms');
  assert.is(bus.sendResponse(note('a', 'q')), false);
});

test('a question for which there is no room ends at its time-out too, and is never asked', async () => {
  const { bus, clock, drain } = rig(1);
  await bus.send('twin', note('1'));
  const asking = refusal(bus.sendSync('twin', note('q'), { timeoutMs: 1000 }));
  await clock.advance(1000);
  assert.match(await asking, /^BUS_TIMEOUT/);
  assert.equal(await drain('twin'), ['1']);
});

test('a question ends when its signal aborts, and one that is asked twice at a time is a fault', async () => {
  const { bus, clock } = rig();
  const abort = new AbortController();
  const asking = refusal(bus.sendSync('twin', note('q'), { timeoutMs: 1000, signal: abort.signal }));
  assert.match(await refusal(bus.sendSync('twin', note('q'), { timeoutMs: 1 })), /^INTERNAL: message id-q already waits/);
  abort.abort();
  assert.match(await asking, /^STOPPED/);
  assert.match(await refusal(bus.sendSync('twin', note('q'), { timeoutMs: 1000, signal: abort.signal })), /^STOPPED/);
  assert.is(clock.pending, 0);
});

test('a group is asked as a whole: all answers, or the time-out when one is missing', async () => {
  const { bus, clock } = rig();
  bus.addModule('meta');
  for (const module of ['twin', 'meta']) bus.addModuleToGroup(module, 'all');
  const asking = bus.sendToGroupSync('all', note('q'), { timeoutMs: 1000 });
  bus.sendResponse(note('a', 'q'));
  bus.sendResponse(note('b', 'q'));
  assert.equal(
    (await asking).map(({ text }) => text),
    ['a', 'b'],
  );
  const again = refusal(bus.sendToGroupSync('all', note('r'), { timeoutMs: 1000 }));
  bus.sendResponse(note('a', 'r'));
  await clock.advance(1000);
  assert.match(await again, /^BUS_TIMEOUT/);
  assert.equal(await bus.sendToGroupSync('none', note('s'), { timeoutMs: 1000 }), []);
});

test('a group with a member that is not on the bus answers with that, and nothing waits on', async () => {
  const { bus, clock, drain } = rig(1);
  for (const module of ['twin', 'gone']) bus.addModuleToGroup(module, 'all');
  await bus.send('twin', note('1'));
  assert.match(await refusal(bus.sendToGroupSync('all', note('q'), { timeoutMs: 1000 })), /^BUS_NO_MODULE: no module gone/);
  assert.is(clock.pending, 0);
  assert.equal(await drain('twin'), ['1'], 'the message to the other member was withdrawn');
});

test('closing the bus settles everything that waits', async () => {
  const { bus, clock } = rig(1);
  bus.addModule('meta');
  bus.addModule('hub');
  await bus.send('twin', note('1'));
  const waiting = [
    bus.receive('meta'),
    bus.send('twin', note('2')),
    bus.sendSync('hub', note('q'), { timeoutMs: 1000 }),
    bus.sendSync('twin', note('r'), { timeoutMs: 1000 }),
  ].map(watch);
  bus.close();
  await clock.settle();
  assert.equal(
    waiting.map(({ state }) => state),
    ['STOPPED', 'STOPPED', 'STOPPED', 'STOPPED'],
  );
  assert.is(clock.pending, 0);
  assert.match(await refusal(bus.send('twin', note('3'))), /^BUS_NO_MODULE/);
});

test.run();

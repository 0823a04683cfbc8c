/** Owns the proof of what is kept for an external broker, and of the order of acknowledgements to it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHiveletError } from '#beehive/errors.ts';
import { AckQueue } from '#edge/eventbus/external-acks.ts';
import { parseExternalUrl } from '#edge/eventbus/external-link.ts';
import { Outbox, type OutboxMessage } from '#edge/eventbus/external-outbox.ts';

const message = (text: string): OutboxMessage => ({ topic: 't', payload: text, qos: 1, retain: false });

function drain(outbox: Outbox): string[] {
  const texts: string[] = [];
  for (let next = outbox.take(); next !== undefined; next = outbox.take()) {
    texts.push(next.message.payload.toString());
    next.delivered();
  }
  return texts;
}

test('messages leave in order and are forgotten when delivered', () => {
  const outbox = new Outbox({ messages: 10, bytes: 10_000 });
  for (const text of ['a', 'b', 'c']) outbox.add(message(text));
  assert.equal([drain(outbox), outbox.size, outbox.dropped], [['a', 'b', 'c'], 0, 0]);
});

test('what was not confirmed when the connection ended goes first on the next one; late confirmations change nothing', () => {
  const outbox = new Outbox({ messages: 10, bytes: 10_000 });
  for (const text of ['a', 'b', 'c', 'd']) outbox.add(message(text));
  const [first, second] = [outbox.take(), outbox.take()];
  second?.delivered();
  assert.is(outbox.inFlight, 1);
  outbox.returnSent();
  first?.delivered();
  assert.is(outbox.size, 3);
  assert.equal(drain(outbox), ['a', 'c', 'd']);
});

test('the bound on messages drops the oldest that are not on their way', () => {
  const outbox = new Outbox({ messages: 3, bytes: 10_000 });
  for (const text of ['a', 'b', 'c']) outbox.add(message(text));
  outbox.take();
  assert.equal([outbox.add(message('d')), outbox.add(message('e'))], [1, 1]);
  outbox.returnSent();
  assert.equal([drain(outbox), outbox.dropped], [['a', 'd', 'e'], 2]);
});

test('the bound on bytes counts payloads and what a message costs beside', () => {
  const outbox = new Outbox({ messages: 1_000, bytes: 1_000 });
  for (let i = 0; i < 20; i++) outbox.add(message(String(i).padStart(99)));
  assert.equal([outbox.size, outbox.dropped], [5, 15]);
  outbox.add(message('x'.repeat(2_000)));
  assert.equal([outbox.size, outbox.dropped], [0, 21], 'one that never fits goes too');
});

test('a message that ends ten connections is given up', () => {
  const outbox = new Outbox({ messages: 10, bytes: 10_000 });
  for (const text of ['poison', 'good']) outbox.add(message(text));
  for (let attempt = 1; attempt <= 10; attempt++) {
    outbox.take();
    assert.is(outbox.returnSent(), attempt === 10 ? 1 : 0);
  }
  assert.equal(drain(outbox), ['good']);
});

test('acknowledgements leave in the order of the messages; one given up keeps nobody waiting', () => {
  const sent: string[] = [];
  const acks = new AckQueue();
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => acks.add(() => void sent.push(name)));
  c?.ready();
  b?.giveUp();
  assert.equal(sent, []);
  a?.ready();
  assert.equal(sent, ['a', 'c']);
  d?.ready();
  assert.equal([sent, acks.size], [['a', 'c', 'd'], 0]);
});

test('addresses are read, with their default ports; others are refused by key', () => {
  assert.equal(parseExternalUrl('tcp://127.0.0.1:1883'), { tls: false, host: '127.0.0.1', port: 1883 });
  assert.equal(parseExternalUrl('mqtt://broker.local'), { tls: false, host: 'broker.local', port: 1883 });
  assert.equal(parseExternalUrl('ssl://[::1]:8884'), { tls: true, host: '::1', port: 8884 });
  for (const wrong of ['127.0.0.1:1883', 'ws://x:1', 'tcp://', 'tcp://x:70000', 'tcp://x:0', 'tcp://user@x:1', '']) {
    try {
      parseExternalUrl(wrong);
      assert.unreachable(wrong);
    } catch (error) {
      assert.ok(isHiveletError(error, 'CONFIG_INVALID'), wrong);
      assert.match(error.message, /modules\.eventBus\.mqttServerExternal/);
    }
  }
});

test.run();

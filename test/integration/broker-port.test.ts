/** Owns the proof of the in-process ports: full citizens without a socket. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { IncomingPublish, Ingest } from '#edge/broker/publish.ts';
import { BrokerWorld } from '#test/support/broker-world.ts';
import { until } from '#test/support/until.ts';

const world = new BrokerWorld();

test.after.each(() => world.close());

interface Pending {
  publish: IncomingPublish;
  text: string;
  commit: () => void;
  fail: (error: Error) => void;
}

function manual(): { ingest: Ingest; pending: Pending[] } {
  const pending: Pending[] = [];
  const ingest: Ingest = (publish) => {
    if (!publish.topic.startsWith('twin')) return undefined;
    return new Promise((commit, fail) => pending.push({ publish, text: publish.payload.toString(), commit, fail }));
  };
  return { ingest, pending };
}

test('ports: one that acts as a client passes the ingest, results of edgecore do not', async () => {
  const { ingest, pending } = manual();
  await world.start({ ingest });
  const mapper = world.broker.port('mapper-host', { asClient: true });
  const eventbus = world.broker.port('eventbus');
  const seen: string[] = [];
  eventbus.subscribe('#', (topic, payload) => void seen.push(`${topic} ${payload.toString()}`));
  mapper.publish('twin/a', 'reported');
  const committed = mapper.commit('twin/b', Buffer.from('acked'), { qos: 1 });
  eventbus.publish('twin/a/result', 'ok');
  await until(() => seen.length === 1, { what: 'the result' });
  assert.equal(
    pending.map(({ text, publish: { clientId } }) => [text, clientId]),
    [
      ['reported', 'mapper-host'],
      ['acked', 'mapper-host'],
    ],
  );
  for (const { commit } of pending) commit();
  await committed;
  await until(() => seen.length === 3, { what: 'both publishes' });
  assert.equal(seen, ['twin/a/result ok', 'twin/a reported', 'twin/b acked']);
  const refused = mapper.commit('twin/c', 'x');
  pending[2]?.fail(new Error('disk full'));
  assert.is(await refused.catch((error: unknown) => (error as Error).message), 'disk full');
});

test('ports: $-topics need a filter that names them; who wants what is known; a handler that throws harms nobody', async () => {
  await world.start();
  const port = world.broker.port('a');
  const other = world.broker.port('b');
  const seen: string[] = [];
  port.subscribe('+/user/#', (topic) => void seen.push(topic));
  port.subscribe('#', () => {
    throw new Error('broken handler');
  });
  port.subscribe('$hw/events/upload/#', (topic) => void seen.push(topic));
  other.publish('$hw/user/x', '1');
  other.publish('node/user/x', '2');
  other.publish('$hw/events/upload/x', '3');
  await until(() => seen.length === 2, { what: 'two messages' });
  assert.equal(seen, ['node/user/x', '$hw/events/upload/x']);
  assert.is(world.events('mqtt.handler.failed')[0]?.fields['error'], 'broken handler');
  assert.equal([other.wanted('$hw/events/upload/y'), other.wanted('$hw/events/device/d/twin/update/result')], [true, false]);
  assert.throws(() => other.publish('a/#', 'x'), /wildcard/);
});

test('ports: publishing inside a handler, for ever, neither overflows the stack nor starves the sockets', async () => {
  await world.start();
  const port = world.broker.port('loop');
  let rounds = 0;
  port.subscribe('loop', () => {
    rounds++;
    port.publish('loop', 'again');
  });
  port.publish('loop', 'start');
  const client = await world.client();
  await client.publish('x', 'x', { qos: 1 });
  await until(() => rounds > 20_000, { what: '20,000 rounds' });
  port.unsubscribe('loop');
});

test('retained messages of ports reach later subscribers', async () => {
  await world.start();
  world.broker.port('eventbus').publish('$hw/events/device/d/state/get/result', 'online', { retain: true, qos: 1 });
  const client = await world.client();
  await client.subscribe('$hw/events/device/+/state/get/result', 1);
  await until(() => client.received.length === 1, { what: 'the retained state' });
  assert.equal(client.received, [{ topic: '$hw/events/device/d/state/get/result', text: 'online', qos: 1, retain: true, dup: false }]);
});

test.run();

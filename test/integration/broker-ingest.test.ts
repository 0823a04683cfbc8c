/** Owns the proof of the hot path: ingest in order, PUBACK after the commit, many publishes of one client in one batch. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { AfterForward, IncomingPublish, Ingest } from '#edge/broker/publish.ts';
import { BrokerWorld } from '#test/support/broker-world.ts';
import { until } from '#test/support/until.ts';

const world = new BrokerWorld();

test.after.each(() => world.close());

interface Pending {
  publish: IncomingPublish;
  text: string;
  commit: (after?: AfterForward) => void;
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

interface Publish {
  cmd: 'publish';
  topic: string;
  payload: string;
  qos: 0 | 1 | 2;
  messageId: number;
  retain: boolean;
  dup: boolean;
}

const publish = (topic: string, text: string, { qos = 0, id = 0 }: { qos?: 0 | 1 | 2; id?: number } = {}): Publish => ({
  cmd: 'publish',
  topic,
  payload: text,
  qos,
  messageId: id,
  retain: false,
  dup: false,
});

test('commit, PUBACK, forward, then results', async () => {
  const { ingest, pending } = manual();
  await world.start({ ingest });
  const results = world.broker.port('eventbus');
  const client = world.raw();
  await client.connect({ clientId: 'mapper' });
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 0 }] });
  await client.packet('suback');
  client.send(publish('twin/a', '1', { qos: 1, id: 10 }), publish('twin/b', '2', { qos: 2, id: 11 }), { cmd: 'pingreq' });
  await client.packet('pingresp');
  assert.equal(
    client.packets.map(({ cmd }) => cmd),
    ['connack', 'suback', 'pingresp'],
    'nothing is answered before the commit',
  );
  assert.equal(
    pending.map(({ text, publish: { topic, qos, clientId } }) => [topic, text, qos, clientId]),
    [
      ['twin/a', '1', 1, 'mapper'],
      ['twin/b', '2', 2, 'mapper'],
    ],
  );
  for (const {
    publish: { topic },
    commit,
  } of pending)
    commit(() => results.publish(`${topic}/result`, 'ok'));
  await until(() => client.packets.length === 9, { what: 'two answers, two forwards, two results', everyMs: 2 });
  assert.equal(
    client.packets.slice(3).map((packet) => (packet.cmd === 'publish' ? packet.topic : `${packet.cmd} ${String(packet.messageId)}`)),
    ['puback 10', 'twin/a', 'twin/a/result', 'pubrec 11', 'twin/b', 'twin/b/result'],
  );
});

test('a SUBSCRIBE or DISCONNECT waits for the publishes before it', async () => {
  const { ingest, pending } = manual();
  await world.start({ ingest });
  const client = world.raw();
  await client.connect();
  client.send(publish('twin/a', 'before', { qos: 1, id: 1 }), {
    cmd: 'subscribe',
    messageId: 2,
    subscriptions: [{ topic: 'twin/#', qos: 0 }],
  });
  client.send(publish('twin/a', 'after', { qos: 1, id: 3 }), { cmd: 'disconnect' });
  await until(() => pending.length === 1, { what: 'the first publish' });
  pending[0]?.commit();
  await until(() => pending.length === 2, { what: 'the second publish' });
  pending[1]?.commit();
  await client.closed;
  assert.equal(
    client.packets.slice(1).map((packet) => (packet.cmd === 'publish' ? packet.payload.toString() : packet.cmd)),
    ['puback', 'suback', 'puback', 'after'],
  );
});

test('an ingest that fails: no PUBACK, not forwarded, logged; later ones go on', async () => {
  const { ingest, pending } = manual();
  await world.start({ ingest });
  const watcher = await world.client();
  await watcher.subscribe('#', 1);
  const client = world.raw();
  await client.connect({ clientId: 'mapper' });
  client.send(
    publish('twin/a', '1', { qos: 1, id: 1 }),
    publish('twin/a', '2', { qos: 1, id: 2 }),
    publish('twin/a', '3', { qos: 2, id: 3 }),
  );
  await until(() => pending.length === 3, { what: 'three publishes' });
  pending[0]?.fail(new Error('disk full'));
  pending[1]?.commit();
  pending[2]?.fail(new Error('disk full'));
  await until(() => watcher.received.length === 1, { what: 'the second one' });
  assert.equal(watcher.texts(), ['2']);
  assert.equal(
    client.packets.slice(1).map(({ cmd, messageId }) => [cmd, messageId]),
    [['puback', 2]],
  );
  assert.equal(world.broker.stats().refused, 2);
  assert.is(world.events('mqtt.ingest.failed')[0]?.fields['error'], 'disk full');
  client.send({ ...publish('twin/a', '3', { qos: 2, id: 3 }), dup: true });
  await until(() => pending.length === 4, { what: 'the repeated QoS 2 message to be handed in again' });
});

test('64 outstanding QoS 0 publishes of one client are handed in while the first commit lasts', async () => {
  const { ingest, pending } = manual();
  await world.start({ ingest });
  const client = world.raw();
  await client.connect();
  for (let i = 0; i < 64; i++) {
    client.send(publish('twin/a', String(i)));
    if (i % 8 === 0) await new Promise((resolve) => setImmediate(resolve)); // several segments
  }
  await until(() => pending.length === 64, { what: 'all 64, none committed' });
  assert.equal(
    pending.map(({ text }) => text),
    Array.from({ length: 64 }, (_, i) => String(i)),
  );
});

test('a client that sends more than may wait is not read from until some are committed', async () => {
  const { ingest, pending } = manual();
  await world.start({ ingest, limits: { inFlight: 10 } });
  const client = world.raw();
  await client.connect();
  client.send(...Array.from({ length: 30 }, (_, i) => publish('twin/a', String(i), { qos: 1, id: i + 1 })));
  await until(() => pending.length === 10, { what: 'ten of them' });
  const other = await world.client();
  await other.publish('plain', 'x', { qos: 1 });
  assert.is(pending.length, 10);
  for (let done = 0; done < 30; done++) {
    await until(() => pending.length > done, { what: `number ${done}`, everyMs: 1 });
    pending[done]?.commit();
  }
  await until(() => client.packets.filter(({ cmd }) => cmd === 'puback').length === 30, { what: '30 PUBACKs' });
  assert.equal(
    client.packets.filter(({ cmd }) => cmd === 'puback').map(({ messageId }) => messageId),
    Array.from({ length: 30 }, (_, i) => i + 1),
  );
});

test('what a client sent before it broke off counts, and comes before its will', async () => {
  const { ingest, pending } = manual();
  await world.start({ ingest, limits: { inFlight: 2 } });
  const watcher = await world.client();
  await watcher.subscribe('#', 0);
  const client = world.raw();
  client.send({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clientId: 'm',
    clean: true,
    keepalive: 0,
    will: { topic: 'will', payload: Buffer.from('bye'), qos: 0, retain: false },
  });
  await client.packet('connack');
  client.send(...Array.from({ length: 5 }, (_, i) => publish('twin/a', String(i))));
  client.socket.end();
  await client.closed.catch(() => undefined);
  await until(() => pending.length === 5, { what: 'all five' });
  for (const { commit } of pending) commit();
  await until(() => watcher.received.length === 6, { what: 'five and the will' });
  assert.equal(watcher.texts(), ['0', '1', '2', '3', '4', 'bye']);
});

test('100 devices, 64 outstanding, QoS 0 and 1: batches of 20 and more, each device in order', async () => {
  let waiting: (() => void)[] = [];
  let batches = 0;
  let committed = 0;
  await world.start({
    ingest: ({ topic, payload }) => {
      if (!topic.endsWith('/twin/update')) return undefined;
      const id = payload.toString();
      return new Promise((resolve) => {
        waiting.push(() => resolve(() => eventbus.publish(`${topic}/result`, id)));
        if (waiting.length === 1) setImmediate(commit);
      });
    },
  });
  const eventbus = world.broker.port('eventbus');
  const commit = (): void => {
    const batch = waiting;
    waiting = [];
    batches++;
    committed += batch.length;
    const syncMs = performance.now() + 1;
    while (performance.now() < syncMs); // a sync of a good disk
    for (const each of batch) each();
  };
  for (const qos of [0, 1] as const) {
    batches = 0;
    committed = 0;
    const client = await world.client();
    await client.subscribe('$hw/events/device/+/twin/update/result', 0);
    const total = 10_000;
    let sent = 0;
    let answered = 0;
    let wrong = 0;
    const started = performance.now();
    await new Promise<void>((resolve) => {
      const send = (): void => {
        const seq = sent++;
        client.client.publish(`$hw/events/device/dev-${seq % 100}/twin/update`, String(seq), { qos });
      };
      client.client.removeAllListeners('message');
      client.client.on('message', (_topic, payload) => {
        if (Number(payload.toString()) !== answered++) wrong++;
        if (sent < total) send();
        else if (answered === total) resolve();
      });
      for (let i = 0; i < 64; i++) send();
    });
    const perSecond = Math.round(total / ((performance.now() - started) / 1000));
    process.stdout.write(`QoS ${qos}: ${perSecond} updates/s answered, ${(committed / batches).toFixed(1)} per commit\n`);
    assert.equal([committed, wrong], [total, 0]);
    assert.ok(committed / batches >= 20, `${committed / batches} per commit`);
    await client.end();
  }
});

test.run();

// timeout: 300s
/** Owns the proof that no bytes on the socket harm anybody but their sender. */
import { connect } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import mqttPacket from 'mqtt-packet';
import { BrokerWorld, type TestClient } from '#test/support/broker-world.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { until } from '#test/support/until.ts';

const world = new BrokerWorld();
/** For thousands of messages on a busy machine; looked at rarely, as each look counts them all. */
const PATIENCE = { deadlineMs: 90_000, everyMs: 100 };

test.after.each(() => world.close());

const CONNECT = mqttPacket.generate({
  cmd: 'connect',
  protocolId: 'MQTT',
  protocolVersion: 4,
  clientId: 'garbage',
  clean: true,
  keepalive: 0,
});

/** A pair of clients that must not notice anything. */
async function bystanders(): Promise<{ check(text: string): Promise<void> }> {
  const [sender, receiver]: TestClient[] = [await world.client(), await world.client()];
  await receiver?.subscribe('bystander', 1);
  return {
    check: async (text) => {
      await sender?.publish('bystander', text, { qos: 1 });
      await until(() => receiver?.texts().at(-1) === text, { what: 'the bystander to get its message' });
    },
  };
}

/** Writes the bytes, half-closes and waits until the broker has closed its side. */
function throwAt(bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port: world.port, host: '127.0.0.1' }, () => socket.end(bytes));
    socket.on('error', () => undefined).on('close', () => resolve());
    socket.resume();
  });
}

const publishHeader = (remaining: number[]): Buffer => Buffer.from([0x30, ...remaining]);

const corpus: readonly [name: string, bytes: Buffer][] = [
  ['nothing', Buffer.alloc(0)],
  ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
  ['a TLS hello', Buffer.from('16030100c8010000c40303', 'hex')],
  ['half a CONNECT', CONNECT.subarray(0, 9)],
  ['CONNECT twice', Buffer.concat([CONNECT, CONNECT])],
  ['a PUBLISH before CONNECT', mqttPacket.generate({ cmd: 'publish', topic: 'a', payload: 'x', qos: 0, retain: false, dup: false })],
  ['MQTT 5', mqttPacket.generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 5, clientId: 'five', clean: true, keepalive: 0 })],
  ['a PUBLISH of length 0', Buffer.concat([CONNECT, publishHeader([0]), publishHeader([0])])],
  ['a topic longer than its packet', Buffer.concat([CONNECT, publishHeader([4, 0x00, 0x20, 0x61, 0x62]), Buffer.alloc(64, 0x61)])],
  ['a length of five bytes', Buffer.concat([CONNECT, publishHeader([0xff, 0xff, 0xff, 0xff, 0xff])])],
  ['a packet of 268 MB announced', Buffer.concat([CONNECT, publishHeader([0xff, 0xff, 0xff, 0x7f])])],
  ['a topic that is not UTF-8', Buffer.concat([CONNECT, publishHeader([6, 0, 3, 0xff, 0xfe, 0x41, 0x78])])],
  ['a topic with NUL', Buffer.concat([CONNECT, publishHeader([6, 0, 3, 0x61, 0x00, 0x62, 0x78])])],
  ['an empty topic', Buffer.concat([CONNECT, publishHeader([3, 0, 0, 0x78])])],
  ['a topic with wildcards', Buffer.concat([CONNECT, publishHeader([6, 0, 3, 0x61, 0x2f, 0x23, 0x78])])],
  ['QoS 3', Buffer.concat([CONNECT, Buffer.from([0x36, 6, 0, 1, 0x61, 0, 1, 0x78])])],
  ['a packet identifier of 0', Buffer.concat([CONNECT, Buffer.from([0x32, 6, 0, 1, 0x61, 0, 0, 0x78])])],
  ['a SUBSCRIBE without filters', Buffer.concat([CONNECT, Buffer.from([0x82, 2, 0, 1])])],
  ['a SUBSCRIBE with QoS 3', Buffer.concat([CONNECT, Buffer.from([0x82, 6, 0, 1, 0, 1, 0x61, 3])])],
  ['acknowledgements nobody waits for', Buffer.concat([CONNECT, Buffer.from('40020001500200016202000170020001', 'hex')])],
  ['server packets', Buffer.concat([CONNECT, Buffer.from('20020000900300010090', 'hex')])],
  ['reserved packet types', Buffer.concat([CONNECT, Buffer.from([0x00, 0x00, 0xf0, 0x00])])],
  [
    '200 levels',
    Buffer.concat([
      CONNECT,
      mqttPacket.generate({ cmd: 'publish', topic: '/'.repeat(200), payload: '', qos: 0, retain: true, dup: false }),
    ]),
  ],
  [
    'a filter of 60,000 levels',
    Buffer.concat([
      CONNECT,
      mqttPacket.generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '+/'.repeat(30_000) + '#', qos: 1 }] }),
    ]),
  ],
];

for (const [name, bytes] of corpus) {
  test(`${name}: only its sender is closed`, async () => {
    await world.start();
    const others = await bystanders();
    await throwAt(bytes);
    await others.check(name);
    await until(() => world.broker.stats().clients === 2, { what: 'the sender to be gone' });
    assert.equal(world.events('mqtt.broker.failed'), []);
  });
}

test('a thousand random byte strings, half of them after a CONNECT, one by one and cut anywhere', async () => {
  await world.start();
  const others = await bystanders();
  const clock = new FakeClock({ seed: 42 });
  const byte = (): number => Math.floor(clock.random() * 256);
  const valid = mqttPacket.generate({ cmd: 'publish', topic: 'a/b', payload: 'x', qos: 1, messageId: 1, retain: true, dup: false });
  for (let round = 0; round < 1_000; round += 20) {
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => {
        const noise = Buffer.from(Array.from({ length: Math.floor(clock.random() * 300) }, byte));
        const whole = i % 2 === 0 ? noise : Buffer.concat([CONNECT, valid, noise]);
        return throwAt(whole.subarray(0, Math.ceil(clock.random() * whole.length)));
      }),
    );
  }
  await others.check('after the noise');
  await until(() => world.broker.stats().clients === 2, { what: 'all of them to be gone' });
  assert.equal(world.events('mqtt.broker.failed'), []);
});

test('a huge packet closes its sender only, before it is buffered; one below the bound passes', async () => {
  await world.start({ limits: { packetBytes: 100_000 } });
  const others = await bystanders();
  const sender = await world.client();
  const receiver = await world.client();
  await receiver.subscribe('big', 0);
  await sender.publish('big', Buffer.alloc(99_000), { qos: 1 });
  await until(() => receiver.received.length === 1, { what: 'the big one' });
  const before = process.memoryUsage().arrayBuffers;
  const huge = world.raw();
  await huge.connect({ clientId: 'huge' });
  huge.write(Buffer.concat([Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f, 0, 3]), Buffer.from('big')]));
  await huge.closed;
  assert.ok(process.memoryUsage().arrayBuffers - before < 1e6);
  await others.check('after the huge one');
  const [line] = world.events('mqtt.client.closed');
  assert.equal([line?.fields['client'], line?.fields['error']], ['huge', 'a packet of 268435455 bytes is over the limit of 100000']);
});

test('10,000 topics, retained and not, subscribed one by one and by wildcard', async () => {
  await world.start({ limits: { retainedMessages: 5_000, subscriptions: 10_000 } });
  const raw = world.raw();
  await raw.connect();
  const total = 10_000;
  for (let from = 0; from < total; from += 500) {
    const subscriptions = Array.from({ length: 500 }, (_, i) => ({ topic: `flood/${from + i}/x`, qos: 1 as const }));
    raw.send({ cmd: 'subscribe', messageId: 1 + from / 500, subscriptions });
  }
  await until(() => raw.packets.filter(({ cmd }) => cmd === 'suback').length === 20, { what: '20 SUBACKs', ...PATIENCE });
  const sender = world.raw();
  await sender.connect();
  for (let i = 0; i < total; i++)
    sender.send({
      cmd: 'publish',
      topic: `flood/${i}/x`,
      payload: String(i),
      qos: 1,
      messageId: 1 + (i % 60_000),
      retain: true,
      dup: false,
    });
  await until(() => raw.packets.filter(({ cmd }) => cmd === 'publish').length === total, {
    what: 'one message of each topic',
    ...PATIENCE,
  });
  assert.is(world.broker.stats().retained, 5_000);
  assert.is(world.broker.stats().dropped, 5_000);
  const wildcard = world.raw();
  await wildcard.connect();
  wildcard.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'flood/+/x', qos: 0 }] });
  await until(() => wildcard.packets.filter(({ cmd }) => cmd === 'publish').length === 5_000, { what: 'the retained ones', ...PATIENCE });
  raw.send({ cmd: 'unsubscribe', messageId: 99, unsubscriptions: Array.from({ length: total }, (_, i) => `flood/${i}/x`) });
  await until(() => raw.packets.some(({ cmd }) => cmd === 'unsuback'), { what: 'the UNSUBACK', ...PATIENCE });
  await (await bystanders()).check('after the flood');
});

test('names that JavaScript treats specially are ordinary topics, filters and client ids', async () => {
  await world.start();
  for (const name of ['__proto__', 'constructor', 'hasOwnProperty', 'toString']) {
    const client = await world.client({ clientId: name, clean: false });
    await client.subscribe(name, 1);
    await client.publish(name, 'x', { qos: 1, retain: true });
    await until(() => client.received.length === 1, { what: `a message on ${name}` });
  }
  assert.equal([world.broker.stats().clients, world.broker.stats().retained], [4, 4]);
});

test.run();

/** Owns the proof that the embedded broker speaks MQTT as its clients do: real mosquitto clients, mqtt.js, and its own rules. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BrokerWorld } from '#test/support/broker-world.ts';
import { needing, peerPath } from '#test/support/peers.ts';
import { runProcess, spawnProcess, type TestProcess } from '#test/support/processes.ts';
import { until } from '#test/support/until.ts';

const peerTest = needing(test, 'mosquitto_sub', 'mosquitto_pub');
const world = new BrokerWorld();
const running: TestProcess[] = [];

test.after.each(async () => {
  for (const each of running.splice(0)) each.kill();
  await world.close();
});

async function sub(...args: string[]): Promise<TestProcess> {
  // It prints in blocks when nobody looks.
  const process = spawnProcess({ command: 'stdbuf', args: ['-oL', peerPath('mosquitto_sub'), '-p', String(world.port), '-d', ...args] });
  running.push(process);
  await process.line('Subscribed');
  return process;
}

async function pub(...args: string[]): Promise<void> {
  const { code, stderr } = await runProcess({ command: peerPath('mosquitto_pub'), args: ['-p', String(world.port), ...args] });
  assert.is(code, 0, stderr);
}

for (const version of ['mqttv31', 'mqttv311']) {
  for (const qos of ['0', '1', '2']) {
    peerTest(`mosquitto clients of ${version} exchange QoS ${qos} messages`, async () => {
      await world.start();
      const subscriber = await sub('-V', version, '-q', qos, '-v', '-t', 'plant/+/temperature');
      await pub('-V', version, '-q', qos, '-t', 'plant/1/temperature', '-m', '21.5');
      await subscriber.line('plant/1/temperature 21.5');
    });
  }
}

peerTest('a client without an id gets a clean session; one with an id of 40 characters is accepted in MQTT 3.1', async () => {
  await world.start();
  const nameless = world.raw();
  await nameless.connect({ clientId: '', clean: true });
  const forgetful = world.raw();
  forgetful.write(Buffer.from([0x10, 12, 0, 4, ...Buffer.from('MQTT'), 4, 0, 0, 0, 0, 0]));
  const connack = await forgetful.packet('connack');
  assert.is(connack.cmd === 'connack' && connack.returnCode, 2, 'a session needs a name [MQTT-3.1.3-8]');
  await forgetful.closed;
  await pub('-V', 'mqttv31', '-i', 'a'.repeat(40), '-t', 'a', '-m', 'x');
});

peerTest('# and + show no $-topic, neither live nor retained; wildcards inside $hw do', async () => {
  await world.start();
  await pub('-r', '-t', '$hw/events/device/d1/twin/update', '-m', 'kept');
  await pub('-r', '-t', 'plain', '-m', 'kept');
  const all = await sub('-v', '-t', '#');
  const plus = await sub('-v', '-t', '+/events/#');
  const twins = await sub('-v', '-t', '$hw/events/device/+/twin/update');
  await twins.line('$hw/events/device/d1/twin/update kept');
  await pub('-t', '$hw/events/device/d2/twin/update', '-m', 'live');
  await pub('-t', 'site/events/done', '-m', 'done');
  await twins.line('$hw/events/device/d2/twin/update live');
  await all.line('site/events/done done');
  await plus.line('site/events/done done');
  await all.line('plain kept');
  for (const each of [all, plus]) assert.not.match(each.stdout, /^\$hw/m);
});

peerTest('a retained message reaches a later subscriber and is forgotten by an empty one', async () => {
  await world.start();
  await pub('-q', '1', '-r', '-t', 'r/1', '-m', 'one');
  const first = await sub('-v', '-t', 'r/#');
  await first.line('r/1 one');
  await pub('-r', '-n', '-t', 'r/1');
  assert.is(world.broker.stats().retained, 0);
});

test('a subscriber gets the highest QoS of its overlapping filters, once, and retained ones at the QoS of the filter', async () => {
  await world.start();
  const sender = await world.client();
  const receiver = await world.client();
  await sender.publish('o/r', 'kept', { qos: 2, retain: true });
  await receiver.subscribe('o/+', 0);
  await until(() => receiver.received.length === 1, { what: 'the retained message' });
  assert.equal(receiver.received[0], { topic: 'o/r', text: 'kept', qos: 0, retain: true, dup: false });
  await receiver.subscribe('o/#', 1);
  await until(() => receiver.received.length === 2, { what: 'it again' });
  await sender.publish('o/x', 'live', { qos: 2 });
  await sender.publish('o/y', 'last', { qos: 0 });
  await until(() => receiver.texts().includes('last'), { what: 'the last one' });
  assert.equal(
    receiver.received.slice(2).map(({ text, qos, retain }) => [text, qos, retain]),
    [
      ['live', 1, false],
      ['last', 0, false],
    ],
  );
});

test('publishes of one client are forwarded in order across QoS and before what follows them', async () => {
  await world.start();
  const receiver = await world.client();
  await receiver.subscribe('order', 0);
  const raw = world.raw();
  await raw.connect();
  const total = 300;
  raw.send(
    ...Array.from({ length: total }, (_, i) => ({
      cmd: 'publish' as const,
      topic: 'order',
      payload: String(i),
      qos: (i % 3) as 0 | 1 | 2,
      messageId: i + 1,
      retain: i % 5 === 0,
      dup: false,
    })),
    { cmd: 'subscribe', messageId: 1000, subscriptions: [{ topic: 'order', qos: 0 }] },
  );
  await raw.packet('suback');
  await until(() => receiver.received.length === total, { what: 'all of them' });
  assert.equal(
    receiver.texts(),
    Array.from({ length: total }, (_, i) => String(i)),
  );
  await until(() => raw.packets.some(({ cmd }) => cmd === 'publish'), { what: 'the retained message' });
  assert.equal(raw.packets.filter(({ cmd }) => cmd === 'publish').length, 1, 'subscribed after its own publishes: only the retained one');
});

test('packets sent together with CONNECT are handled after it', async () => {
  await world.start();
  const receiver = await world.client();
  await receiver.subscribe('early', 1);
  const raw = world.raw();
  raw.send(
    { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'hasty', clean: true, keepalive: 0 },
    ...Array.from({ length: 200 }, (_, i) => ({
      cmd: 'publish' as const,
      topic: 'early',
      payload: String(i),
      qos: 0 as const,
      retain: false,
      dup: false,
    })),
    { cmd: 'disconnect' },
  );
  await raw.closed;
  await until(() => receiver.received.length === 200, { what: '200 messages' });
});

test('a second client with the same id takes over', async () => {
  await world.start();
  const first = world.raw();
  await first.connect({ clientId: 'eventbus' });
  const second = world.raw();
  await second.connect({ clientId: 'eventbus' });
  await first.closed;
  assert.is(world.broker.stats().clients, 1);
});

test('a will is published when the connection breaks, through the ingest, and not after DISCONNECT', async () => {
  const ingested: string[] = [];
  await world.start({
    ingest: ({ topic, payload }) => {
      ingested.push(`${topic} ${payload.toString()}`);
      return undefined;
    },
  });
  const watcher = await world.client();
  await watcher.subscribe('gone/#', 1);
  for (const [name, polite] of [
    ['polite', true],
    ['rude', false],
  ] as const) {
    const raw = world.raw();
    raw.send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clientId: name,
      clean: true,
      keepalive: 0,
      will: { topic: `gone/${name}`, payload: Buffer.from('bye'), qos: 1, retain: false },
    });
    await raw.packet('connack');
    if (polite) raw.send({ cmd: 'disconnect' });
    else raw.socket.destroy();
    await raw.closed;
  }
  await until(() => watcher.received.length === 1, { what: 'one will' });
  assert.equal(
    watcher.received.map(({ topic, text }) => [topic, text]),
    [['gone/rude', 'bye']],
  );
  assert.equal(ingested, ['gone/rude bye']);
});

test('$SYS is reserved: a publish to it is acknowledged and goes nowhere', async () => {
  await world.start();
  const client = await world.client();
  await client.subscribe('$SYS/#', 1);
  await client.publish('$SYS/x', 'mine', { qos: 1 });
  await client.publish('$SYS/x', 'mine', { qos: 2 });
  assert.not.ok(client.texts().includes('mine'));
});

test('a QoS 1 round trip through the broker takes a millisecond, not the 44 of delayed acknowledgements', async () => {
  await world.start();
  const [sender, receiver] = [await world.client(), await world.client()];
  await receiver.subscribe('trip', 1);
  const times: number[] = [];
  for (let i = 0; i < 1_000; i++) {
    const started = performance.now();
    const arrived = new Promise((resolve) => receiver.client.once('message', resolve));
    const acknowledged = sender.publish('trip', String(i), { qos: 1 });
    await arrived;
    times.push(performance.now() - started);
    await acknowledged;
  }
  times.sort((a, b) => a - b);
  const p50 = times[500] ?? Infinity;
  process.stdout.write(`QoS 1 round trip p50 ${p50.toFixed(3)} ms, p99 ${(times[990] ?? Infinity).toFixed(3)} ms\n`);
  assert.ok(p50 < 10, `p50 ${p50} ms`);
});

test.run();

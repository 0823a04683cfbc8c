/** Owns the proof that the external broker (mqttMode 1 and 2) may be away, killed and shared; against a real mosquitto. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { createServer, type Server, type Socket } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { silentLogger } from '#beehive/log.ts';
import { ExternalMqtt } from '#edge/eventbus/external-client.ts';
import type { ExternalMessage } from '#edge/eventbus/external-subscriber.ts';
import { needing, peerPath } from '#test/support/peers.ts';
import { freePort } from '#test/support/ports.ts';
import { spawnProcess, type TestProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const peerTest = needing(test, 'mosquitto');
const open: { stop(): Promise<unknown> }[] = [];

test.after.each(async () => {
  for (const each of open.splice(0).reverse()) await each.stop();
});

async function mosquitto(port: number, extra: readonly string[] = []): Promise<TestProcess> {
  const file = path.join(tempDir(), 'mosquitto.conf');
  const lines = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'max_queued_messages 0',
    'log_type all',
    'log_dest stderr',
    'user root',
    ...extra,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const broker = spawnProcess({ command: peerPath('mosquitto'), args: ['-c', file, '-v'] });
  open.push({ stop: () => broker.stop().catch(() => undefined) });
  await broker.line('running');
  return broker;
}

interface Node {
  mqtt: ExternalMqtt;
  seen: ExternalMessage[];
}

async function node(
  port: number,
  options: { handler?: (message: ExternalMessage) => Promise<void>; buffer?: { messages: number; bytes: number } } = {},
): Promise<Node> {
  const seen: ExternalMessage[] = [];
  const mqtt = new ExternalMqtt({
    clock: systemClock,
    log: silentLogger(),
    address: { url: `tcp://127.0.0.1:${port}` },
    handler: (message) => {
      seen.push({ ...message, payload: Buffer.from(message.payload) });
      return options.handler?.(message);
    },
    ...(options.buffer === undefined ? {} : { buffer: options.buffer }),
  });
  open.push(mqtt);
  await mqtt.start();
  return { mqtt, seen };
}

const connected = ({ mqtt }: Node): Promise<unknown> =>
  until(() => mqtt.stats().connected, { what: 'both clients to be connected', deadlineMs: 40_000 });
const texts = (messages: readonly ExternalMessage[]): string[] => messages.map(({ payload }) => payload.toString());

peerTest('what is published while the broker is down at start arrives when it is up, in order', async () => {
  const port = await freePort();
  const observerPort = port;
  const edge = await node(port);
  edge.mqtt.subscribe('down/#');
  for (let i = 0; i < 50; i++) edge.mqtt.publish(`kept/${i}`, `m${i}`, { qos: 1, retain: true });
  assert.is(edge.mqtt.health().ok, false);
  assert.match(edge.mqtt.health().detail ?? '', /127\.0\.0\.1:\d+ is away \(.*\); 50 messages wait, 0 were dropped/);
  await mosquitto(port);
  await connected(edge);
  const observer = await node(observerPort);
  observer.mqtt.subscribe('kept/#');
  await until(() => observer.seen.length === 50, { what: '50 retained messages' });
  assert.equal(texts(observer.seen).sort(), Array.from({ length: 50 }, (_, i) => `m${i}`).sort());
  assert.ok(observer.seen.every(({ retain }) => retain));
  assert.is(edge.mqtt.health().ok, true);
  assert.is(edge.mqtt.stats().waiting, 0);
});

peerTest('a broker that is killed in mid-stream costs no QoS 1 message; subscriptions come back', async () => {
  const port = await freePort();
  const first = await mosquitto(port);
  const edge = await node(port);
  const other = await node(port);
  other.mqtt.subscribe('stream/#');
  other.mqtt.subscribe('$hw/events/device/+/twin/update');
  await connected(edge);
  await connected(other);
  const total = 3_000;
  for (let i = 0; i < total; i++) {
    edge.mqtt.publish(`stream/${i}`, String(i), { qos: 1, retain: true });
    if (i === total / 2) {
      await until(() => other.seen.length > 100, { what: 'the stream to flow' });
      first.kill();
    }
  }
  await first.exited;
  await mosquitto(port);
  await connected(edge);
  await connected(other);
  const arrived = (): Set<string> => new Set(texts(other.seen));
  // What the first broker took and had not passed on died with it.
  const missing = (): string[] =>
    Array.from({ length: total }, (_, i) => String(i)).filter((i) => !arrived().has(i) && !first.output.includes(`'stream/${i}'`));
  await until(() => arrived().has(String(total - 1)) && missing().length === 0, { what: 'all messages', deadlineMs: 30_000, everyMs: 200 });
  const before = other.seen.length;
  edge.mqtt.publish('$hw/events/device/d1/twin/update', 'after', { qos: 1 });
  await until(() => texts(other.seen.slice(before)).includes('after'), { what: 'a message on a subscription of before' });
});

peerTest('retained messages at subscription time are told apart from new ones, so own echoes can be ignored', async () => {
  const port = await freePort();
  await mosquitto(port);
  const edge = await node(port);
  await connected(edge);
  edge.mqtt.publish('$hw/events/device/d1/state/get/result', 'kept', { qos: 1, retain: true });
  await until(() => edge.mqtt.stats().waiting === 0, { what: 'the publish to be acknowledged' });
  edge.mqtt.subscribe('$hw/events/device/#');
  await until(() => edge.seen.length === 1, { what: 'the retained message' });
  assert.is(edge.seen[0]?.retain, true);
  edge.mqtt.publish('$hw/events/device/d1/state/get/result', 'new', { qos: 1, retain: true });
  await until(() => edge.seen.length === 2, { what: 'the new message' });
  assert.equal([edge.seen[1]?.retain, edge.seen[1]?.payload.toString()], [false, 'new']);
});

peerTest('two edgecores share one broker without throwing each other out', async () => {
  const port = await freePort();
  const broker = await mosquitto(port);
  const nodes = [await node(port), await node(port)];
  for (const each of nodes) each.mqtt.subscribe('shared');
  for (const each of nodes) await connected(each);
  for (const [index, each] of nodes.entries()) each.mqtt.publish('shared', `from ${index}`, { qos: 1 });
  for (const each of nodes) await until(() => each.seen.length === 2, { what: 'both messages' });
  const ids = broker.output.match(/as (hub-client-(?:sub|pub)-[0-9a-z]{10}) /g) ?? [];
  assert.is(new Set(ids).size, 4);
  assert.not.match(broker.output, /already connected/);
});

peerTest('the PUBACK of a QoS 1 message waits for its commit while later ones are handed in', async () => {
  const port = await freePort();
  const broker = await mosquitto(port);
  const commits: (() => void)[] = [];
  const edge = await node(port, { handler: () => new Promise((resolve) => commits.push(resolve)) });
  edge.mqtt.subscribe('commit');
  await connected(edge);
  const sender = await node(port);
  for (let i = 0; i < 5; i++) sender.mqtt.publish('commit', String(i), { qos: 1 });
  await until(() => edge.seen.length === 5, { what: 'all five to be handed in' });
  assert.equal(texts(edge.seen), ['0', '1', '2', '3', '4']);
  const acknowledged = (): number => (broker.output.match(/Received PUBACK from hub-client-sub/g) ?? []).length;
  assert.is(acknowledged(), 0);
  for (const commit of commits.reverse()) commit();
  await until(() => acknowledged() === 5, { what: 'five PUBACKs' });
  const ids = [...broker.output.matchAll(/Received PUBACK from hub-client-sub-\w+ \(Mid: (\d+)/g)].map(([, id]) => Number(id));
  assert.equal(
    ids,
    [...ids].sort((a, b) => a - b),
  );
});

peerTest('a refused subscription does not keep the others away', async () => {
  const port = await freePort();
  const acl = path.join(tempDir(), 'acl');
  writeFileSync(acl, 'topic readwrite allowed/#\n');
  await mosquitto(port, [`acl_file ${acl}`]);
  const edge = await node(port);
  for (const filter of ['forbidden/#', 'allowed/a', 'bad/#/filter', 'allowed/b']) edge.mqtt.subscribe(filter);
  await connected(edge);
  edge.mqtt.publish('allowed/a', 'a', { qos: 1 });
  edge.mqtt.publish('allowed/b', 'b', { qos: 1 });
  await until(() => edge.seen.length === 2, { what: 'both messages' });
  assert.equal(texts(edge.seen), ['a', 'b']);
});

peerTest('QoS and retain of a publish are honoured', async () => {
  const port = await freePort();
  const broker = await mosquitto(port);
  const edge = await node(port);
  await connected(edge);
  edge.mqtt.publish('q/0', 'x');
  edge.mqtt.publish('q/1', 'x', { qos: 1, retain: true });
  edge.mqtt.publish('q/2', 'x', { qos: 2 });
  await broker.line(/Received PUBLISH from hub-client-pub-\w+ \(d0, q0, r0, m0, 'q\/0'/);
  await broker.line(/Received PUBLISH from hub-client-pub-\w+ \(d0, q1, r1, m\d+, 'q\/1'/);
  await broker.line(/Received PUBCOMP|Sending PUBCOMP to hub-client-pub/);
});

test('the buffer is bounded: the oldest go first and are counted', async () => {
  const edge = await node(await freePort(), { buffer: { messages: 10, bytes: 100_000 } });
  for (let i = 0; i < 25; i++) edge.mqtt.publish('t', String(i));
  assert.equal(edge.mqtt.stats(), { connected: false, waiting: 10, dropped: 15 });
});

test('a broker that accepts and says nothing, then resets, does not keep stop() waiting', async () => {
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => void sockets.push(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const edge = await node(typeof address === 'object' && address !== null ? address.port : 0);
  await until(() => sockets.length === 2, { what: 'two connections' });
  await edge.mqtt.stop();
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
  assert.is(edge.mqtt.stats().connected, false);
});

test.run();

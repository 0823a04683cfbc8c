/** Owns the proof that retained messages and sessions outlive the broker, seen from real clients. */
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BrokerWorld } from '#test/support/broker-world.ts';
import { needing, peerPath } from '#test/support/peers.ts';
import { runProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const peerTest = needing(test, 'mosquitto_sub', 'mosquitto_pub');
const world = new BrokerWorld();

test.after.each(() => world.close());

const store = (): string => path.join(tempDir(), 'broker.db');

for (const version of ['mqttv31', 'mqttv311']) {
  for (const qos of ['1', '2']) {
    peerTest(`a ${version} session gets the QoS ${qos} messages of its absence, in order, after a restart of the broker`, async () => {
      await world.start({ store: store() });
      const args = ['-p', String(world.port), '-V', version, '-c', '-i', 'app', '-q', qos, '-t', 'queue/#', '-t', '#'];
      // With -C it would leave before it has read everything, and take acknowledgements with it.
      const sub = (waitS: string): ReturnType<typeof runProcess> =>
        runProcess({ command: peerPath('mosquitto_sub'), args: [...args, '-W', waitS] });
      const first = sub('1');
      await until(() => world.broker.stats().sessions === 1, { what: 'the session' });
      const pub = (topic: string, text: string): ReturnType<typeof runProcess> =>
        runProcess({ command: peerPath('mosquitto_pub'), args: ['-p', String(world.port), '-q', qos, '-t', topic, '-m', text] });
      await pub('queue/0', 'online');
      assert.is((await first).stdout, 'online\n');
      await pub('$hw/events/x', 'not for #');
      for (const text of ['one', 'two', 'three']) await pub('queue/1', text);
      await world.restart();
      await pub('queue/2', 'four');
      assert.is((await sub('1')).stdout, 'one\ntwo\nthree\nfour\n');
      assert.is((await sub('1')).stdout, '', 'nothing comes twice');
    });
  }
}

peerTest('retained messages outlive a restart', async () => {
  await world.start({ store: store() });
  const pub = (...args: string[]): ReturnType<typeof runProcess> =>
    runProcess({ command: peerPath('mosquitto_pub'), args: ['-p', String(world.port), '-r', ...args] });
  await pub('-t', 'r/0', '-m', 'zero');
  await pub('-q', '1', '-t', 'r/1', '-m', 'one');
  await pub('-q', '1', '-t', 'r/2', '-m', 'gone');
  await pub('-q', '1', '-t', 'r/2', '-n');
  await world.restart();
  const { stdout } = await runProcess({
    command: peerPath('mosquitto_sub'),
    args: ['-p', String(world.port), '-v', '-t', 'r/#', '-W', '1'],
  });
  assert.equal(stdout.split('\n').sort(), ['', 'r/0 zero', 'r/1 one']);
});

test('a message that was sent and not acknowledged comes again, marked as a duplicate, under its old identifier', async () => {
  await world.start({ store: store() });
  const sender = await world.client();
  const before = world.raw();
  await before.connect({ clientId: 'app', clean: false });
  before.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'q', qos: 1 }] });
  await before.packet('suback');
  await sender.publish('q', 'x', { qos: 1 });
  const first = await before.packet('publish');
  await sender.end();
  await world.restart();
  const after = world.raw();
  await after.connect({ clientId: 'app', clean: false });
  const connack = await after.packet('connack');
  assert.is(connack.cmd === 'connack' && connack.sessionPresent, true);
  const second = await after.packet('publish');
  assert.is(second.messageId, first.messageId);
  assert.is(second.cmd === 'publish' && second.dup, true);
  after.send({ cmd: 'puback', messageId: second.messageId ?? 0 });
});

test('QoS 2 arrives once although the sender repeats it over a restart of the broker', async () => {
  const ingested: string[] = [];
  await world.start({
    store: store(),
    ingest: ({ payload }) => {
      ingested.push(payload.toString());
      return undefined;
    },
  });
  const packet = { cmd: 'publish' as const, topic: 'once', payload: 'x', qos: 2 as const, messageId: 9, retain: false };
  const before = world.raw();
  await before.connect({ clientId: 'sender', clean: false });
  before.send({ ...packet, dup: false });
  await before.packet('pubrec');
  before.socket.destroy();
  await world.restart();
  const after = world.raw();
  await after.connect({ clientId: 'sender', clean: false });
  after.send({ ...packet, dup: true });
  await after.packet('pubrec');
  after.send({ cmd: 'pubrel', messageId: 9 });
  await after.packet('pubcomp');
  after.send({ ...packet, dup: false });
  await until(() => after.packets.filter(({ cmd }) => cmd === 'pubrec').length === 2, { what: 'the next PUBREC' });
  assert.equal(ingested, ['x', 'x'], 'the repeated one once, the new one with the released identifier');
});

test('a clean connect forgets the session', async () => {
  await world.start({ store: store() });
  const kept = world.raw();
  await kept.connect({ clientId: 'app', clean: false });
  kept.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'q', qos: 1 }] });
  await kept.packet('suback');
  kept.socket.destroy();
  await until(() => world.broker.stats().clients === 0, { what: 'it to be gone' });
  const sender = await world.client();
  await sender.publish('q', 'old', { qos: 1 });
  const clean = world.raw();
  await clean.connect({ clientId: 'app', clean: true });
  clean.send({ cmd: 'pingreq' });
  await clean.packet('pingresp');
  assert.equal(
    clean.packets.filter(({ cmd }) => cmd === 'publish'),
    [],
  );
  assert.is(world.broker.stats().sessions, 0);
});

test('no will is published when the broker stops; it is kept for the case that its client does not return', async () => {
  await world.start({ store: store() });
  const watcher = world.raw();
  await watcher.connect({ clientId: 'watcher', clean: false });
  watcher.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'w', qos: 1 }] });
  await watcher.packet('suback');
  const owner = world.raw();
  owner.send({
    cmd: 'connect',
    ...{ protocolId: 'MQTT', protocolVersion: 4, clientId: 'owner', clean: true, keepalive: 0 },
    will: { topic: 'w', payload: Buffer.from('bye'), qos: 1, retain: false },
  });
  await owner.packet('connack');
  await world.restart();
  const again = world.raw();
  await again.connect({ clientId: 'watcher', clean: false });
  again.send({ cmd: 'pingreq' });
  await again.packet('pingresp');
  assert.equal(
    again.packets.filter(({ cmd }) => cmd === 'publish'),
    [],
  );
});

test.run();

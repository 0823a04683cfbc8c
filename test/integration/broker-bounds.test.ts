/** Owns the proof that the embedded broker keeps its bounds and refuses what is unsafe, without harm to anybody else. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import { silentLogger } from '#beehive/log.ts';
import { createBroker } from '#edge/broker/broker.ts';
import { BrokerWorld } from '#test/support/broker-world.ts';
import { until } from '#test/support/until.ts';

const world = new BrokerWorld();

test.after.each(() => world.close());

test('a taken port is named with its key and the way out', async () => {
  await world.start();
  const address = `tcp://127.0.0.1:${world.port}`;
  const second = createBroker({ clock: systemClock, log: silentLogger(), listeners: [{ address }] });
  try {
    await second.start();
    assert.unreachable();
  } catch (error) {
    assert.instance(error, HiveletError);
    assert.is((error as HiveletError).code, 'PORT_IN_USE');
    assert.is(
      (error as HiveletError).message,
      `${address} (modules.eventBus.mqttServerInternal) is already taken by another process; stop it, or choose another address with --set modules.eventBus.mqttServerInternal=tcp://127.0.0.1:1885`,
    );
  }
});

test('an address that others reach is refused unless the config says so; nonsense is refused by name', async () => {
  const attempt = async (address: string, allowInsecure: boolean): Promise<string> => {
    const broker = createBroker({ clock: systemClock, log: silentLogger(), allowInsecure, listeners: [{ address }] });
    try {
      await broker.start();
      return 'ok';
    } catch (error) {
      return (error as Error).message;
    } finally {
      await broker.close();
    }
  };
  assert.match(await attempt('tcp://0.0.0.0:0', false), /mqttServerInternal is tcp:\/\/0\.0\.0\.0:0: anyone who reaches this address/);
  assert.is(await attempt('tcp://0.0.0.0:0', true), 'ok');
  assert.is(await attempt('tcp://localhost:0', false), 'ok');
  assert.match(await attempt('tcp://127.0.0.1', false), /not an address of the form tcp:\/\/HOST:PORT/);
  assert.match(await attempt('ssl://127.0.0.1:1', false), /not an address of the form/);
});

test('subscriptions and connections are bounded; the others are not touched', async () => {
  await world.start({ limits: { subscriptions: 3, connections: 3 } });
  const greedy = await world.client();
  for (const filter of ['a', 'b', 'c']) assert.is(await greedy.subscribe(filter, 1), 1);
  assert.is(await greedy.subscribe('d', 1).catch(() => 128), 128);
  assert.is(await greedy.subscribe('a', 0), 0, 'a known filter may be changed');
  const others = [await world.client(), await world.client()];
  const late = world.raw();
  await late.closed;
  assert.is(world.events('mqtt.connection.refused').length, 1);
  await others[0]?.publish('a', 'x', { qos: 1 });
  await until(() => greedy.received.length === 1, { what: 'a message' });
});

test('an invalid filter is refused with 0x80, others in the same SUBSCRIBE are granted', async () => {
  await world.start();
  const raw = world.raw();
  await raw.connect();
  raw.send({
    cmd: 'subscribe',
    messageId: 1,
    subscriptions: [
      { topic: 'ok', qos: 1 },
      { topic: 'a#', qos: 1 },
      { topic: 'b+/c', qos: 1 },
      { topic: '__proto__', qos: 2 },
    ],
  });
  const suback = await raw.packet('suback');
  assert.equal(suback.cmd === 'suback' ? suback.granted : [], [1, 128, 128, 2]);
});

test('a silent client is closed after one and a half keep-alive, one that pings is not', async () => {
  await world.start();
  const silent = world.raw();
  await silent.connect({ clientId: 'silent', keepalive: 1 });
  const alive = world.raw();
  await alive.connect({ clientId: 'alive', keepalive: 1 });
  const pings = setInterval(() => alive.send({ cmd: 'pingreq' }), 500);
  await silent.closed;
  clearInterval(pings);
  assert.equal(world.broker.stats().clients, 1);
  assert.equal(
    world.events('mqtt.client.closed').map(({ fields }) => [fields['client'], fields['error']]),
    [['silent', 'keep alive timeout']],
  );
});

test('a process that blocks, 200 ms again and again or 2 s at once, throws no client out', async () => {
  await world.start();
  const client = world.raw();
  await client.connect({ clientId: 'alive', keepalive: 1 });
  const block = async (ms: number): Promise<void> => {
    client.send({ cmd: 'pingreq' });
    await new Promise((resolve) => setImmediate(resolve)); // it is on its way, but not read
    const end = performance.now() + ms;
    while (performance.now() < end);
    await new Promise((resolve) => setImmediate(resolve));
  };
  for (let i = 0; i < 15; i++) await block(200);
  await block(2_000);
  await until(() => client.packets.filter(({ cmd }) => cmd === 'pingresp').length === 16, { what: 'the answers to all pings' });
  assert.is(world.broker.stats().clients, 1);
});

test('connections that never send a CONNECT are closed in time', async () => {
  await world.start({ limits: { connectTimeoutMs: 200 } });
  const silent = world.raw();
  const half = world.raw();
  half.write(Buffer.from([0x10, 0x20, 0x00, 0x04, 0x4d, 0x51]));
  await silent.closed;
  await half.closed;
});

test('closing settles everything, twice', async () => {
  await world.start({ ingest: () => new Promise<void>(() => undefined) });
  const port = world.broker.port('mapper', { asClient: true });
  const waiting = port.commit('t', 'x').catch((error: unknown) => (error as HiveletError).code);
  const raw = world.raw();
  await raw.connect();
  raw.send({ cmd: 'publish', topic: 't', payload: 'x', qos: 1, messageId: 1, retain: false, dup: false });
  await Promise.all([world.broker.close(), world.broker.close()]);
  await raw.closed;
  assert.is(await waiting, 'STOPPED');
  assert.is(await port.commit('t', 'x').catch((error: unknown) => (error as HiveletError).code), 'STOPPED');
});

test.run();

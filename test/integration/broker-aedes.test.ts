/** Owns the watch over what we use of the inside of aedes: a new version that changes it fails here, with the name of the member. */
import { createRequire } from 'node:module';
import { Duplex } from 'node:stream';
import { Aedes } from 'aedes';
import mqttPacket from 'mqtt-packet';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import '#edge/broker/broker.ts';
import type { AedesBroker, AedesClient } from '#edge/broker/aedes-inside.ts';

test('the version is the one that was read', () => {
  const { dependencies } = createRequire(import.meta.url)('../../package.json') as { dependencies: Record<string, string> };
  assert.is(dependencies['aedes'], '1.2.0');
  assert.is((new Aedes() as Aedes & { version: string }).version, '1.2.0');
});

test('the number cache of mqtt-packet is off', () => {
  assert.is(mqttPacket.writeToStream.cacheNumbers, false);
});

test('the members that we read or replace are there', async () => {
  const broker = new Aedes() as AedesBroker;
  await broker.listen();
  const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const client = broker.handle(socket) as AedesClient;
  assert.type(broker.counter, 'number');
  assert.equal(Object.getPrototypeOf(broker.clients), null);
  assert.is(client._parser.listenerCount('packet'), 1);
  assert.type(client._parser.parse, 'function');
  assert.type(client._parser.packet.length, 'number');
  assert.is(client._parser.error, null);
  assert.ok(socket.listeners('readable').includes(client._nextBatch));
  for (const member of ['resume', 'pause', 'close', 'waitForDrain', 'deliver0', 'deliverQoS'] as const)
    assert.type(client[member as keyof AedesClient], 'function', member);
  assert.equal(
    [client._parsingBatch, client._disconnected, client._keepaliveTimer, client._keepaliveInterval, client.will],
    [1, false, null, -1, null],
  );
  assert.type(client._nextId, 'number');
  assert.equal(Object.getPrototypeOf(client.subscriptions), null);
  // It never connected, so the broker does not know it and its connect time-out would run on.
  await new Promise<void>((resolve) => client.close(() => resolve()));
  await new Promise<void>((resolve) => broker.close(() => resolve()));
});

test.run();

/** Owns the proof that one subscriber that stops reading disturbs nobody: not the publisher, not other subscribers, not the memory. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BrokerWorld, type RawClient, type TestClient } from '#test/support/broker-world.ts';
import { until } from '#test/support/until.ts';

const world = new BrokerWorld();

test.after.each(() => world.close());

async function stuck(qos: 0 | 1, options: { clientId?: string; clean?: boolean } = {}): Promise<RawClient> {
  const client = world.raw();
  await client.connect({ clientId: 'stuck', ...options });
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'load', qos }] });
  await client.packet('suback');
  client.socket.pause();
  return client;
}

/** Publishes 1 KB messages at 2,000 a second for `seconds`; answers the latencies seen by `reader`, ms, sorted. */
async function load(sender: TestClient, reader: TestClient, { seconds, qos }: { seconds: number; qos: 0 | 1 }): Promise<number[]> {
  const latencies: number[] = [];
  const filler = 'x'.repeat(1_000);
  let next = 0;
  let wrong = 0;
  const onMessage = (_topic: string, payload: Buffer): void => {
    const [seq = '', sentAt = ''] = payload.toString('utf8', 0, 40).split(' ');
    if (Number(seq) !== next++) wrong++;
    latencies.push(performance.now() - Number(sentAt));
  };
  reader.client.removeAllListeners('message');
  reader.client.on('message', onMessage);
  const started = performance.now();
  const total = seconds * 2_000;
  for (let sent = 0; sent < total;) {
    const due = Math.min(total, Math.floor((performance.now() - started) * 2));
    for (; sent < due; sent++) sender.client.publish('load', `${sent} ${performance.now()} ${filler}`, { qos });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await until(() => next === total, { what: `${total} messages` });
  assert.is(wrong, 0, 'all of them, in order');
  return latencies.sort((a, b) => a - b);
}

/** Fills the buffers of the kernel, which take some megabytes before the broker notices anything. */
async function fill(sender: TestClient, event: string): Promise<void> {
  const chunk = Buffer.alloc(100_000);
  for (let i = 0; world.events(event).length === 0; i++) {
    assert.ok(i < 1_000, `${event} after 100 MB`);
    await sender.publish('load', chunk, { qos: 1 });
  }
}

function report(name: string, latencies: readonly number[]): void {
  const at = (share: number): string => (latencies[Math.floor((latencies.length - 1) * share)] ?? 0).toFixed(2);
  process.stdout.write(`${name}: latency of the other subscriber p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms\n`);
}

/** A reader that had to wait for the stuck one would wait for seconds; a busy machine costs tens of milliseconds. */
function calm(latencies: readonly number[]): void {
  assert.ok(percentile(latencies, 0.5) < 20, `p50 ${percentile(latencies, 0.5)} ms`);
  assert.ok(percentile(latencies, 0.99) < 1_000, `p99 ${percentile(latencies, 0.99)} ms`);
}

const percentile = (sorted: readonly number[], share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? Infinity;

test('QoS 0 to a subscriber that never reads: dropped and counted, the others get everything in time, memory stays', async () => {
  await world.start();
  const blocked = await stuck(0);
  const [sender, reader] = [await world.client(), await world.client()];
  await fill(sender, 'mqtt.message.dropped');
  await reader.subscribe('load', 0);
  const before = process.memoryUsage.rss();
  const latencies = await load(sender, reader, { seconds: 3, qos: 0 });
  const grown = process.memoryUsage.rss() - before;
  report('stuck QoS 0 subscriber', latencies);
  calm(latencies);
  assert.ok(grown < 40e6, `RSS grew by ${grown} bytes`);
  assert.is(blocked.socket.destroyed, false);
  assert.ok(world.broker.stats().dropped >= 6_000, `${world.broker.stats().dropped} dropped`);
  assert.is(world.events('mqtt.message.dropped').length, 1, 'logged once a minute');
  assert.equal(
    [world.events('mqtt.message.dropped')[0]?.fields['client'], world.events('mqtt.message.dropped')[0]?.fields['reason']],
    ['stuck', 'the subscriber is slow'],
  );
});

test('QoS 1 to a subscriber that never reads: it is disconnected, and logged; the others get everything in time', async () => {
  await world.start();
  await stuck(1);
  const [sender, reader] = [await world.client(), await world.client()];
  await reader.subscribe('load', 1);
  const before = process.memoryUsage.rss();
  const filled = fill(sender, 'mqtt.subscriber.disconnected');
  await filled;
  const received = reader.received.length;
  await until(() => world.broker.stats().clients === 2, { what: 'the stuck one to be gone' });
  reader.received.length = 0;
  await stuck(1);
  const latencies = await load(sender, reader, { seconds: 2, qos: 1 });
  report('stuck QoS 1 subscriber', latencies);
  assert.ok(received > 0);
  calm(latencies);
  assert.ok(process.memoryUsage.rss() - before < 60e6);
  const [line] = world.events('mqtt.subscriber.disconnected');
  assert.equal([line?.fields['client'], line?.fields['reason']], ['stuck', 'does not read']);
});

test('a stuck persistent session is disconnected and its queue stays bounded', async () => {
  await world.start({ limits: { queueMessages: 20 } });
  await stuck(1, { clean: false });
  const sender = await world.client();
  const chunk = Buffer.alloc(100_000);
  for (let i = 0; i < 200; i++) await sender.publish('load', chunk, { qos: 1 });
  const again = world.raw();
  await again.connect({ clientId: 'stuck', clean: false });
  again.send({ cmd: 'pingreq' });
  await again.packet('pingresp');
  const got = again.packets.filter(({ cmd }) => cmd === 'publish').length;
  assert.ok(got > 0 && got <= 20, `${got} messages were kept`);
  assert.ok(world.broker.stats().dropped >= 100);
});

test('a client that does not read the answers to its pings is not read from either', async () => {
  await world.start({ limits: { softBacklogBytes: 64 * 1024 } });
  const client = world.raw();
  await client.connect();
  client.socket.pause();
  const pings = Buffer.alloc(64 * 1024, Buffer.from([0xc0, 0x00]));
  const before = process.memoryUsage.rss();
  let written = 0;
  await new Promise<void>((resolve) => {
    const more = (): void => {
      written += pings.length;
      // Once nobody reads, the write never completes.
      const timer = setTimeout(resolve, 3_000);
      client.socket.write(pings, () => {
        clearTimeout(timer);
        if (written < 30e6) more();
        else resolve();
      });
    };
    more();
  });
  assert.ok(written < 30e6, `${written} bytes of pings were taken`);
  assert.ok(process.memoryUsage.rss() - before < 60e6);
  const other = await world.client();
  await other.publish('x', 'x', { qos: 1 });
});

test('retained messages go out at the pace of the reader: none is dropped, nobody waits', async () => {
  await world.start({ limits: { retainedBytes: 64 * 1024 * 1024 } });
  const sender = await world.client();
  const chunk = Buffer.alloc(200_000);
  for (let i = 0; i < 100; i++) await sender.publish(`kept/${i}`, chunk, { qos: 1, retain: true });
  const slow = world.raw();
  await slow.connect();
  slow.socket.pause();
  slow.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'kept/#', qos: 0 }] });
  await sender.publish('other', 'x', { qos: 1 });
  slow.socket.resume();
  await until(() => slow.packets.filter(({ cmd }) => cmd === 'publish').length === 100, { what: '20 MB of retained messages' });
  assert.is(world.broker.stats().dropped, 0);
});

test.run();

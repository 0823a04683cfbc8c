/** Owns the proof of uploads from MQTT to our cloud: on disk until acknowledged, in order, bounded (DESIGN D10). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { responseTo, type BeehiveMessage } from '#wire/message.ts';
import { startHiveletHub, type HiveletHub } from '#test/support/hivelet-hub.ts';
import { startTestEdge, watchMqtt, type MqttWatcher, type TestEdge } from '#test/support/edge.ts';
import { closeAll, closeLater, startLinkedEdge } from '#test/support/linked-edge.ts';
import { freePort } from '#test/support/ports.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

test.after.each(closeAll);

const uploads = (hub: HiveletHub): BeehiveMessage[] => hub.frames.filter(({ route }) => route.operation === 'upload');
const contents = (hub: HiveletHub): unknown[] => uploads(hub).map(({ content }) => content);

/** PUBACKed, so it is on disk. */
const send = ({ client }: MqttWatcher, topic: string, payload: string | Buffer): Promise<unknown> =>
  client.publishAsync(topic, payload, { qos: 1 });

test('uploads of every topic go to the cloud in order and are acknowledged to the sender once they are safe', async () => {
  const { hub, mqtt } = await startLinkedEdge([]);
  await send(mqtt, '$hw/events/upload/a/b', '1');
  await send(mqtt, 'SYS/dis/upload_records', '2');
  await send(mqtt, 'site/user/door', '3');
  await send(mqtt, 'site/user', '4');
  await send(mqtt, 'site/users/door', 'not an upload');
  await until(() => uploads(hub).length === 4, { what: 'four uploads' });
  assert.equal(
    uploads(hub).map(({ route, content }) => [route.resource, content]),
    [
      ['$hw/events/upload/a/b', '1'],
      ['SYS/dis/upload_records', '2'],
      ['site/user/door', '3'],
      ['site/user', '4'],
    ],
  );
});

test('a binary payload arrives as it was sent', async () => {
  const { hub, mqtt } = await startLinkedEdge([]);
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
  await send(mqtt, 'a/user/b', bytes);
  await until(() => uploads(hub).length === 1, { what: 'the upload' });
  const [upload] = uploads(hub);
  assert.is(upload?.header.encoding, 'base64');
  assert.equal([...Buffer.from(String(upload?.content), 'base64')], [...bytes]);
});

test('without a cloud uploads wait on disk, over a restart, and arrive in order, each once', async () => {
  const dataDir = tempDir();
  const port = await freePort();
  const sent: string[] = [];
  for (let run = 0; run < 3; run++) {
    const edge = await startTestEdge({ dataDir, hub: `127.0.0.1:${String(port)}` });
    const mqtt = await watchMqtt(edge.port, []);
    for (let number = 0; number < 40; number++) {
      sent.push(`${String(run)}.${String(number)}`);
      await send(mqtt, 'a/user/b', sent.at(-1) ?? '');
    }
    await mqtt.close();
    await edge.edge.stop();
  }
  const hub = await startHiveletHub({ dataDir, node: 'edge-node', port });
  closeLater(() => hub.close());
  const { mqtt } = await startLinkedEdge([], { hub, dataDir });
  await send(mqtt, 'a/user/b', 'last');
  await until(() => contents(hub).includes('last'), { what: 'the last upload' });
  assert.equal(contents(hub), [...sent, 'last']);
});

test('a cloud that does not announce uploads gets none; they wait for one that does', async () => {
  const { hub, mqtt, dataDir, stop } = await startLinkedEdge([], { features: '' });
  await send(mqtt, 'a/user/b', '1');
  await stop();
  assert.equal(contents(hub), []);
  await hub.close();
  const better = await startHiveletHub({ dataDir, node: 'edge-node' });
  closeLater(() => better.close());
  await startLinkedEdge([], { hub: better, dataDir });
  await until(() => uploads(better).length === 1, { what: 'the upload' });
});

test('what was not acknowledged comes again after a cut, in order', async () => {
  const { hub, mqtt } = await startLinkedEdge([]);
  const stored: unknown[] = [];
  hub.answer = (frame) => {
    if (frame.route.operation !== 'upload') return responseTo(frame, 1);
    if (stored.length >= 5 && hub.connections.length === 1) return undefined;
    if (!stored.includes(frame.content)) stored.push(frame.content);
    return responseTo(frame, 1);
  };
  const sent = Array.from({ length: 60 }, (_, index) => String(index));
  for (const text of sent) await send(mqtt, 'a/user/b', text);
  hub.cut();
  await until(() => stored.length === sent.length, { what: 'every upload' });
  assert.equal(stored, sent);
});

test('beyond the bound the oldest are dropped and counted, the newest arrive', async () => {
  const dataDir = tempDir();
  const port = await freePort();
  const sets = ['modules.edgeHub.uploads.maxBytes=100000'];
  const edge: TestEdge = await startTestEdge({ dataDir, hub: `127.0.0.1:${String(port)}`, sets });
  const mqtt = await watchMqtt(edge.port, []);
  for (let number = 0; number < 30; number++) await send(mqtt, 'a/user/b', String(number).padEnd(9928, 'x'));
  await mqtt.close();
  await edge.edge.stop();
  const hub = await startHiveletHub({ dataDir, node: 'edge-node', port });
  closeLater(() => hub.close());
  await startLinkedEdge([], { hub, dataDir, sets });
  await until(() => uploads(hub).length === 10, { what: 'the newest ten' });
  assert.equal(
    contents(hub).map((text) => Number.parseInt(String(text), 10)),
    Array.from({ length: 10 }, (_, index) => 20 + index),
  );
});

test('uploads do not hold up reports', async () => {
  const { hub, mqtt, report } = await startLinkedEdge([], { seed: 'd:1' });
  hub.answer = (frame) => (frame.route.operation === 'upload' ? undefined : responseTo(frame, 1));
  for (let number = 0; number < 100; number++) await send(mqtt, 'a/user/b', String(number));
  await report('d1', '21');
  await hub.report('d1/temperature', (told) => told?.actual?.value === '21');
});

test.run();

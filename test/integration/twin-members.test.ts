/** Owns the proof of state, membership and attributes, and of what a restart keeps (mqtt-topics.md sections 4 and 5). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { connect } from 'mqtt';
import { FakeClock } from '#test/support/fake-clock.ts';
import { ask, startTestEdge, watchMqtt, type MqttWatcher, type TestEdge } from '#test/support/edge.ts';
import { startHiveletHub, entry, type HiveletHub } from '#test/support/hivelet-hub.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const open: (() => Promise<unknown>)[] = [];
test.after.each(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

interface World {
  edge: TestEdge;
  mqtt: MqttWatcher;
  stop(): Promise<void>;
}

async function world(options: Parameters<typeof startTestEdge>[0]): Promise<World> {
  const edge = await startTestEdge(options);
  const mqtt = await watchMqtt(edge.port, ['$hw/#']);
  let stopped = false;
  const stop = async (): Promise<void> => {
    if (stopped) return;
    stopped = true;
    await mqtt.close();
    await edge.edge.stop();
  };
  open.push(stop);
  return { edge, mqtt, stop };
}

const topic = (device: string, rest: string): string => `$hw/events/device/${device}/${rest}`;
const parse = (payload: string): Record<string, unknown> => JSON.parse(payload) as Record<string, unknown>;

async function setState({ mqtt }: World, device: string, body: object): Promise<Record<string, unknown>> {
  const from = mqtt.seen.length;
  mqtt.publish(topic(device, 'state/update'), JSON.stringify(body));
  return parse((await mqtt.message('the answer', (seen) => seen.topic === topic(device, 'state/update/result'), from)).payload);
}

const members = async ({ mqtt }: World): Promise<Record<string, unknown>[]> =>
  (await ask(mqtt, '$hw/events/node/edge-node/membership/get', {}))['devices'] as Record<string, unknown>[];
const twinOf = async ({ mqtt }: World, device: string): Promise<Record<string, Record<string, unknown>>> =>
  (await ask(mqtt, topic(device, 'twin/get'), {}))['twin'] as Record<string, Record<string, unknown>>;

test('every state word of KubeEdge and of mappers is taken in any case and stored as sent (defect T15)', async () => {
  const here = await world({ dataDir: tempDir(), seed: 'd:1' });
  for (const state of ['online', 'offline', 'OK', 'Unknown', 'DISCONNECTED', 'unhealthy', 'ERROR']) {
    const { device, event_id: id } = (await setState(here, 'd1', { event_id: 's', state })) as { device: object; event_id: string };
    assert.is((device as { state: string }).state, state);
    assert.is((device as { name: string }).name, 'd1');
    assert.is.not(id, 's', 'the event id is fresh, as in KubeEdge');
  }
  assert.is((await members(here))[0]?.['state'], 'ERROR');
});

test('last_online moves only while the device is online (defect T16)', async () => {
  const clock = new FakeClock({ wallMs: Date.UTC(2026, 0, 1, 12) });
  const here = await world({ dataDir: tempDir(), seed: 'd:1', clock });
  const lastOnline = async (state: string): Promise<unknown> =>
    ((await setState(here, 'd1', { state }))['device'] as Record<string, unknown>)['last_online'];
  assert.is(await lastOnline('offline'), undefined);
  const first = await lastOnline('online');
  assert.match(String(first), /^2026-01-01 \d\d:00:00$/);
  await clock.advance(5000);
  assert.is(await lastOnline('offline'), first);
  assert.is(await lastOnline('ok'), String(first).replace(/00$/, '05'));
});

for (const [what, device, payload, code] of [
  ['an unknown word', 'd1', '{"event_id":"e","state":"warm"}', 400],
  ['no word', 'd1', '{"event_id":"e"}', 400],
  ['no JSON', 'd1', 'x', 400],
  ['an unknown device', 'nobody', '{"event_id":"e","state":"online"}', 404],
] as const) {
  test(`a state update with ${what} is answered ${String(code)}`, async () => {
    const { mqtt } = await world({ dataDir: tempDir(), seed: 'd:1' });
    mqtt.publish(topic(device, 'state/update'), payload);
    const answer = parse((await mqtt.message('the answer', (seen) => seen.topic === topic(device, 'state/update/result'))).payload);
    assert.equal([answer['code'], answer['event_id']], [code, payload === 'x' ? '' : 'e']);
  });
}

test('the state is retained for those who come later, with its reason, and not on a topic that edgecore reads', async () => {
  const here = await world({ dataDir: tempDir(), seed: 'd:1' });
  await setState(here, 'd1', { state: 'unhealthy', reason: 'two of three points fail' });
  const later = await watchMqtt(here.edge.port, ['$hw/events/device/+/state/#']);
  open.push(() => later.close());
  const kept = await later.message('the retained state', () => true);
  assert.equal([kept.topic, kept.retain], [topic('d1', 'state/get/result'), true]);
  assert.equal(parse(kept.payload)['device'], { name: 'd1', state: 'unhealthy', reason: 'two of three points fail' });
  const asked = await watchMqtt(here.edge.port, [topic('d1', 'state/get/result')]);
  open.push(() => asked.close());
  asked.publish(topic('d1', 'state/get'), '{}');
  await asked.message('the answer to state/get', (seen) => !seen.retain);
});

test('a mapper that dies says so with its last will', async () => {
  const { mqtt, edge } = await world({ dataDir: tempDir(), seed: 'd:1' });
  const will = { topic: topic('d1', 'state/update'), payload: Buffer.from('{"state":"offline"}'), qos: 1 as const, retain: false };
  const mapper = connect({ host: '127.0.0.1', port: edge.port, protocol: 'mqtt', reconnectPeriod: 0, will });
  mapper.on('error', () => undefined);
  await new Promise<void>((resolve) => mapper.once('connect', () => resolve()));
  mapper.stream.destroy();
  const answer = await mqtt.message('the state', (seen) => seen.topic === topic('d1', 'state/update/result'));
  assert.is((parse(answer.payload)['device'] as { state: string }).state, 'offline');
  await mqtt.message('the retained state', (seen) => seen.topic === topic('d1', 'state/get/result'));
  mapper.end(true);
});

test('membership/get lists every device without its twins, whatever node was asked', async () => {
  const { mqtt } = await world({ dataDir: tempDir(), seed: 'd:3' });
  const answer = await ask(mqtt, '$hw/events/node/another-node/membership/get', {});
  assert.ok(mqtt.seen.some((seen) => seen.topic === '$hw/events/node/edge-node/membership/get/result'));
  assert.equal(answer['devices'], [
    { id: 'd1', name: 'd1' },
    { id: 'd2', name: 'd2' },
    { id: 'd3', name: 'd3' },
  ]);
});

test('a membership/get that is no JSON is answered 400, and no devices is an empty list', async () => {
  const here = await world({ dataDir: tempDir() });
  assert.equal(await members(here), []);
  here.mqtt.publish('$hw/events/node/edge-node/membership/get', 'x');
  const bad = await here.mqtt.message('the refusal', (seen) => seen.payload.includes('"code"'));
  assert.match(String(parse(bad.payload)['reason']), /^Unmarshal get membership info x failed/);
});

test('a restart keeps twins with the time of actual (defect T14), states, types and tombstones', async () => {
  const dataDir = tempDir();
  const first = await world({ dataDir, seed: 'd:2' });
  await ask(first.mqtt, topic('d1', 'twin/update'), {
    twin: {
      temperature: { expected: { value: '22' }, actual: { value: '21.5' } },
      gone: { actual: { value: 'x' } },
      n: { actual: { value: '7' }, metadata: { type: 'int' } },
    },
  });
  await ask(first.mqtt, topic('d1', 'twin/update'), { twin: { gone: null } });
  await setState(first, 'd1', { state: 'online' });
  const before = [await twinOf(first, 'd1'), await members(first)];
  await first.stop();
  const second = await world({ dataDir });
  assert.equal([await twinOf(second, 'd1'), await members(second)], before);
  assert.ok((before[0] as Record<string, { actual: { metadata: { timestamp: number } } }>)['temperature']!.actual.metadata.timestamp > 0);
  await second.mqtt.message('the retained state', (seen) => seen.topic === topic('d1', 'state/get/result') && seen.retain);
});

/** The stamp of `temperature` of d1 after a start from the given directory. */
async function storedStamp(dataDir: string): Promise<unknown> {
  const again = await world({ dataDir });
  const { actual } = (await twinOf(again, 'd1'))['temperature'] as { actual: { metadata: { timestamp: number } } };
  await again.stop();
  return actual.metadata.timestamp;
}

test('the stamp of an equal report reaches the disk at the stop', async () => {
  const clock = new FakeClock();
  const dataDir = tempDir();
  const here = await world({ dataDir, seed: 'd:1', clock });
  const report = { twin: { temperature: { actual: { value: '5' } } } };
  await ask(here.mqtt, topic('d1', 'twin/update'), report);
  await clock.advance(7000);
  await ask(here.mqtt, topic('d1', 'twin/update'), report);
  const now = clock.now();
  await here.stop();
  assert.is(await storedStamp(dataDir), now);
});

test('the stamp of an equal report reaches the disk within a minute, and not before: equal values wear no card', async () => {
  const clock = new FakeClock();
  const dataDir = tempDir();
  const here = await world({ dataDir, seed: 'd:1', clock });
  const report = { twin: { temperature: { actual: { value: '5' } } } };
  await ask(here.mqtt, topic('d1', 'twin/update'), report);
  const first = clock.now();
  await clock.advance(7000);
  await ask(here.mqtt, topic('d1', 'twin/update'), report);
  const second = clock.now();
  const copied = async (): Promise<unknown> => storedStamp(await copyOf(dataDir));
  assert.is(await copied(), first);
  await clock.advance(60_000);
  await until(async () => (await copied()) === second, { what: 'the stamp on disk' });
});

/** What a power cut would leave behind: a copy of the files as they are now. */
async function copyOf(dataDir: string): Promise<string> {
  const { cp } = await import('node:fs/promises');
  const copy = tempDir();
  await cp(dataDir, copy, { recursive: true, filter: (source) => !source.endsWith('.sock') });
  return copy;
}

/** An edge with our cloud, whose devices it has. */
async function withHub(devices: ReturnType<typeof entry>[]): Promise<World & { hub: HiveletHub; dataDir: string }> {
  const dataDir = tempDir();
  const hub = await startHiveletHub({ dataDir, node: 'edge-node' });
  open.push(() => hub.close());
  hub.detail = () => ({ devices });
  const here = await world({ dataDir, hub: hub.server });
  await until(async () => (await members(here)).length === devices.length, { what: 'the devices' });
  return { ...here, hub, dataDir };
}

test('attributes of the cloud are told when they change, pruned by a membership message, and kept over a restart', async () => {
  const site = { value: 'hall-2', optional: true, metadata: { type: 'string' } };
  const here = await withHub([{ ...entry('d1', {}), attributes: { site, old: { value: '1' } } }]);
  const updated = (from: number): Promise<{ payload: string }> =>
    here.mqtt.message('device/d1/updated', (seen) => seen.topic === topic('d1', 'updated'), from);
  let from = here.mqtt.seen.length;
  await here.hub.tell('membership', { added_devices: [{ ...entry('d1', {}), attributes: { site: { ...site, value: 'hall-3' } } }] });
  assert.equal(parse((await updated(from)).payload)['attributes'], { site: { ...site, value: 'hall-3' }, old: null });
  from = here.mqtt.seen.length;
  const message = { event_id: 'a', attributes: { site: null, floor: { value: '2' } } };
  here.hub.send({
    header: { msg_id: 'x', timestamp: 1 },
    route: { source: 'devicecontroller', group: 'twin', operation: 'updated', resource: 'device/d1' },
    content: message,
  });
  const told = parse((await updated(from)).payload);
  assert.equal(told['attributes'], { site: null, floor: { value: '2', optional: true, metadata: { type: 'string' } } });
  assert.is(told['event_id'], 'a');
  await here.stop();
  const again = await world({ dataDir: here.dataDir });
  assert.equal((await members(again))[0]?.['attributes'], { floor: { value: '2', optional: true, metadata: { type: 'string' } } });
});

test('an attribute that is not optional cannot be deleted by an update', async () => {
  const here = await withHub([{ ...entry('d1', {}), attributes: { fixed: { value: '1', optional: false } } }]);
  here.hub.send({
    header: { msg_id: 'x', timestamp: 1 },
    route: { source: 'devicecontroller', group: 'twin', operation: 'updated', resource: 'device/d1' },
    content: { attributes: { fixed: null } },
  });
  await here.hub.frame('the acknowledgement', ({ header }) => header.parent_msg_id === 'x');
  assert.equal((await members(here))[0]?.['attributes'], { fixed: { value: '1', optional: false, metadata: { type: 'string' } } });
});

test('the state of a device that is gone is no longer retained', async () => {
  const here = await withHub([entry('d1', {}), entry('d2', {})]);
  for (const device of ['d1', 'd2']) await setState(here, device, { state: 'online' });
  await here.hub.tell('membership', { removed_devices: [{ id: 'd1' }] });
  const later = await watchMqtt(here.edge.port, ['$hw/events/device/+/state/get/result', topic('d2', 'twin/get/result')]);
  open.push(() => later.close());
  await ask(later, topic('d2', 'twin/get'), {});
  assert.equal(
    later.seen.filter((seen) => seen.retain).map((seen) => seen.topic),
    [topic('d2', 'state/get/result')],
  );
});

test.run();

/** Owns the proof of the edge towards a KubeEdge cloud: its exact rules, nothing of ours (cloud-edge-transport.md 7, 8; beehive-message.md 8). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { BeehiveMessage } from '#wire/message.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { ask, startTestEdge, watchMqtt, type MqttWatcher, type TestEdge } from '#test/support/edge.ts';
import { startFakeHub, type FakeHub } from '#test/support/fake-hub.ts';
import { closeAll, closeLater } from '#test/support/linked-edge.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

test.after.each(closeAll);

interface World {
  hub: FakeHub;
  edge: TestEdge;
  mqtt: MqttWatcher;
  dataDir: string;
  stop(): Promise<void>;
}

async function world(options: { dataDir?: string; hub?: FakeHub; clock?: FakeClock; seed?: string; sets?: string[] } = {}): Promise<World> {
  const { dataDir = tempDir(), clock, seed = 'd:2', sets = [] } = options;
  const hub = options.hub ?? (await startFakeHub({ dataDir, node: 'edge-node' }));
  if (options.hub === undefined) closeLater(() => hub.close());
  const from = hub.frames.length;
  const edge = await startTestEdge({ dataDir, hub: hub.server, seed, sets, ...(clock === undefined ? {} : { clock }) });
  const mqtt = await watchMqtt(edge.port, ['#', '$hw/#']);
  let stopped = false;
  const stop = async (): Promise<void> => {
    if (stopped) return;
    stopped = true;
    await mqtt.close();
    await edge.edge.stop();
  };
  closeLater(stop);
  await hub.frame('the membership/detail request', ({ route }) => route.resource === 'membership/detail', from);
  return { hub, edge, mqtt, dataDir, stop };
}

let number = 0;
function send(hub: FakeHub, route: Partial<BeehiveMessage['route']>, content: unknown): string {
  const id = `cloud-${String(++number)}`;
  const whole = { source: 'devicecontroller', group: 'twin', operation: 'update', resource: '', ...route };
  hub.send({ header: { msg_id: id, timestamp: 1 }, route: whole, content });
  return id;
}

const update = ({ mqtt }: World, device: string, twin: object): Promise<Record<string, unknown>> =>
  ask(mqtt, `$hw/events/device/${device}/twin/update`, { twin });
const reports = (frames: readonly BeehiveMessage[], device: string): Record<string, unknown>[] =>
  frames
    .filter(({ route }) => route.resource === `device/${device}/twin/edge_updated`)
    .map(({ content }) => (content as { twin: Record<string, unknown> }).twin);

test('the request for the membership has nothing of ours, and is not acknowledged by anybody', async () => {
  const { hub } = await world();
  const request = hub.frames.find(({ route }) => route.resource === 'membership/detail');
  assert.equal(request?.route, { source: 'twin', group: 'resource', operation: 'get', resource: 'membership/detail' });
  assert.equal(Object.keys(JSON.parse(String(request?.content)) as object), [
    'event_type',
    'event_id',
    'group_id',
    'operation',
    'timestamp',
  ]);
});

test('after a connect the actual values are told once, one message a device (defect T1)', async () => {
  const first = await world();
  await update(first, 'd1', { temperature: { actual: { value: '20' } }, n: { actual: { value: '1' } } });
  await first.stop();
  const from = first.hub.frames.length;
  const again = await world({ hub: first.hub, dataDir: first.dataDir });
  await first.hub.frame('the report', ({ route }) => route.resource.startsWith('device/d1'), from);
  const told = reports(again.hub.frames.slice(from), 'd1');
  assert.is(told.length, 1);
  assert.equal(Object.keys(told[0] ?? {}), ['temperature', 'n']);
  assert.equal(reports(again.hub.frames.slice(from), 'd2'), [], 'nothing is known of d2');
});

test('a report sends just what was written, with its version, and is never repeated', async () => {
  const clock = new FakeClock();
  const here = await world({ clock });
  const from = here.hub.frames.length;
  await update(here, 'd1', { temperature: { actual: { value: '20' } } });
  await update(here, 'd1', { temperature: { expected: { value: '25' } } });
  await until(() => reports(here.hub.frames.slice(from), 'd1').length === 2, { what: 'two reports' });
  for (let minute = 0; minute < 3; minute++) await clock.advance(60_000);
  const [actual, expected, ...rest] = reports(here.hub.frames.slice(from), 'd1') as Record<string, Record<string, unknown>>[];
  assert.equal(rest, []);
  assert.equal(
    [Object.keys(actual?.['temperature'] ?? {}).sort(), actual?.['temperature']?.['actual_version']],
    [['actual', 'actual_version', 'metadata', 'optional'], { cloud: 0, edge: 1 }],
  );
  assert.equal(expected?.['temperature']?.['expected_version'], { cloud: 0, edge: 1 });
});

const twinOf = (value: string, cloud: number, edge = 0): object => ({
  event_id: 'c',
  timestamp: 1,
  twin: { temperature: { expected: { value }, optional: false, metadata: { type: 'float' }, expected_version: { cloud, edge } } },
});

test('a desired value is applied without an acknowledgement; an older one is answered with what the edge has', async () => {
  const here = await world();
  const resource = 'device/d1/twin/cloud_updated';
  const newer = send(here.hub, { resource }, twinOf('30', 10));
  await here.mqtt.message('the delta', (seen) => seen.topic.endsWith('/delta') && seen.payload.includes('"30"'));
  const from = here.hub.frames.length;
  const older = send(here.hub, { resource }, twinOf('31', 9));
  await here.hub.frame('what the edge has', ({ route }) => route.resource === 'device/d1/twin/edge_updated', from);
  const [own] = reports(here.hub.frames.slice(from), 'd1') as Record<string, Record<string, unknown>>[];
  assert.equal(own?.['temperature']?.['expected_version'], { cloud: 10, edge: 0 });
  assert.is((own?.['temperature']?.['expected'] as { value: string }).value, '30');
  assert.not(here.hub.frames.some(({ header }) => header.parent_msg_id === newer || header.parent_msg_id === older));
});

test('after a local write the cloud is still heard: it always sends edge 0 (defect T4)', async () => {
  const here = await world();
  await update(here, 'd1', { temperature: { expected: { value: '1' } } });
  send(here.hub, { resource: 'device/d1/twin/cloud_updated' }, twinOf('30', 10));
  await here.mqtt.message('the delta', (seen) => seen.topic.endsWith('/delta') && seen.payload.includes('{"temperature":"30"}'));
});

test('devices come and go by membership messages and by a whole list', async () => {
  const here = await world();
  const members = async (): Promise<string[]> =>
    ((await ask(here.mqtt, '$hw/events/node/x/membership/get', {}))['devices'] as { id: string }[]).map(({ id }) => id).sort();
  const twin = { p: { expected: { value: '' }, optional: false, metadata: { type: 'int' }, expected_version: { cloud: 3, edge: 0 } } };
  send(here.hub, { resource: 'membership' }, { event_id: 'm', added_devices: [{ id: 'd3', name: 'd3', twin }], removed_devices: null });
  await here.mqtt.message('d3', (seen) => seen.topic.endsWith('/membership/updated') && seen.payload.includes('"d3"'));
  assert.equal(await members(), ['d1', 'd2', 'd3']);
  const from = here.mqtt.seen.length;
  send(here.hub, { resource: 'membership/detail' }, { event_id: 'm', devices: [{ id: 'd3', name: 'd3', twin }] });
  await here.mqtt.message('d2 gone', (seen) => seen.topic.endsWith('/membership/updated') && seen.payload.includes('"d2"'), from);
  assert.equal(await members(), ['d3']);
});

test('the keepalive is sent every heartbeat, the status every ten seconds once the node is registered', async () => {
  const clock = new FakeClock();
  const { hub } = await world({ clock });
  hub.onFrame = (frame, reply) => {
    const { operation, resource } = frame.route;
    if (operation !== 'insert' || !resource.includes('/nodestatus/')) return;
    const route = { source: 'edgecontroller', group: 'resource', operation: 'response', resource: 'default/node/edge-node' };
    reply({ header: { msg_id: 'r', parent_msg_id: frame.header.msg_id, timestamp: 1 }, route, content: 'OK' });
  };
  const of = (operation: string): BeehiveMessage[] => hub.frames.filter(({ route }) => route.operation === operation);
  const statuses = (): BeehiveMessage[] => of('update').filter(({ route }) => route.resource.includes('nodestatus'));
  // The first registration may have come before somebody answered it.
  await until(() => clock.advance(1000).then(() => statuses().length > 0), { what: 'the first status' });
  const [pings, told] = [of('keepalive').length, statuses().length];
  for (let step = 0; step < 60; step++) await clock.advance(1000);
  assert.is(of('keepalive').length - pings, 4);
  assert.is(statuses().length - told, 6);
  assert.equal(of('keepalive')[0]?.route, { source: 'websocket', group: 'resource', operation: 'keepalive', resource: 'node' });
  assert.is(of('keepalive')[0]?.content, 'ping');
});

test('objects are stored, then acknowledged where KubeEdge expects it', async () => {
  const { hub } = await world();
  const cases: [source: string, operation: string, acknowledged: boolean][] = [
    ['edgecontroller', 'insert', true],
    ['edgecontroller', 'update', true],
    ['dynamiccontroller', 'update', true],
    ['somebody', 'update', false],
    ['somebody', 'insert', true],
    ['edgecontroller', 'delete', true],
    ['edgecontroller', 'query', false],
  ];
  const ids = cases.map(([source, operation]) =>
    send(hub, { source, operation, group: 'resource', resource: 'default/configmap/c' }, { a: 1 }),
  );
  const answered = (): (string | undefined)[] =>
    hub.frames.map(({ header }) => header.parent_msg_id).filter((id) => ids.includes(id ?? ''));
  const wanted = ids.filter((_, index) => cases[index]?.[2]);
  await until(() => answered().length >= wanted.length, { what: 'the acknowledgements' });
  assert.equal(answered(), wanted);
  const first = hub.frames.find(({ header }) => header.parent_msg_id === ids[0]);
  assert.equal(
    [first?.route, first?.content],
    [{ source: 'edgecontroller', group: 'resource', operation: 'response', resource: 'default/configmap/c' }, 'OK'],
  );
});

test('a rule publishes: plain topics, bodies that are objects, message, auth_info; a wildcard is no topic', async () => {
  const { hub, mqtt } = await world();
  const user = { source: 'router_eventbus', group: 'user' };
  send(hub, { ...user, operation: 'publish', resource: 'default/#' }, 'x');
  send(hub, { ...user, operation: 'publish', resource: 'default/a' }, 'text');
  send(hub, { ...user, operation: 'publish', resource: 'default/b' }, { a: 1 });
  send(hub, { ...user, operation: 'message', resource: '' }, { message: { topic: 'default/c', more: 1 } });
  send(hub, { ...user, operation: 'message', resource: '' }, 'no message');
  send(hub, { ...user, operation: 'get_result', resource: 'auth_info' }, { ok: true });
  await mqtt.message('auth_info', (seen) => seen.topic === '$hw/events/node/edge-node/authInfo/get/result');
  assert.equal(
    mqtt.seen.filter((seen) => seen.topic.startsWith('default/')).map((seen) => [seen.topic, seen.payload]),
    [
      ['default/a', 'text'],
      ['default/b', '{"a":1}'],
      ['default/c', '{"topic":"default/c","more":1}'],
    ],
  );
});

test('what a rule subscribes to goes up, also after a restart, until it is unsubscribed', async () => {
  const here = await world();
  const user = { source: 'router_eventbus', group: 'user' };
  /** What of these topics goes up. */
  const heard = async ({ mqtt, hub }: World): Promise<string[]> => {
    const from = hub.frames.length;
    for (const topic of ['plant/1/door', 'plant/1/window', 'hall', 'end/user/x']) await mqtt.client.publishAsync(topic, 'x', { qos: 1 });
    await hub.frame('the last', ({ route }) => route.resource === 'end/user/x', from);
    return hub.frames.slice(from, -1).flatMap(({ route }) => (route.operation === 'upload' ? [route.resource] : []));
  };
  const settled = async ({ mqtt, hub }: World): Promise<void> => {
    send(hub, { ...user, operation: 'publish', resource: `settled/${String(++number)}` }, '');
    await mqtt.message('what was sent last', (seen) => seen.topic === `settled/${String(number - 1)}`);
  };
  assert.equal(await heard(here), []);
  for (const resource of ['plant/+/door', 'hall', 'bad/#/filter']) send(here.hub, { ...user, operation: 'subscribe', resource }, null);
  await settled(here);
  assert.equal(await heard(here), ['plant/1/door', 'hall']);
  await here.stop();
  const again = await world({ hub: here.hub, dataDir: here.dataDir });
  assert.equal(await heard(again), ['plant/1/door', 'hall']);
  for (const resource of ['hall', '+/user/#']) send(again.hub, { ...user, operation: 'unsubscribe', resource }, null);
  await settled(again);
  assert.equal(await heard(again), ['plant/1/door']);
  await again.stop();
  const last = await world({ hub: here.hub, dataDir: here.dataDir });
  assert.equal(await heard(last), ['plant/1/door']);
});

test.run();

// timeout: 180s
/** Owns the proof of mqttMode 1 and 2 of a whole edge against a real mosquitto: absent, killed, with retained echoes, shared. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { startThermostat } from '#mappers/modbus/simulate.ts';
import { ask, startTestEdge, watchMqtt, type MqttWatcher, type TestEdge } from '#test/support/edge.ts';
import { startEdgeProcess } from '#test/support/edge-process.ts';
import { closeAll, closeLater } from '#test/support/linked-edge.ts';
import { startMosquitto } from '#test/support/mosquitto.ts';
import { needing } from '#test/support/peers.ts';
import { freePort, freePorts } from '#test/support/ports.ts';
import type { TestProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const peerTest = needing(test, 'mosquitto');
test.after.each(closeAll);

const topic = (device: string, rest: string): string => `$hw/events/device/${device}/${rest}`;
const sets = (mode: 1 | 2, port: number): string[] => [
  `modules.eventBus.mqttMode=${String(mode)}`,
  `modules.eventBus.mqttServerExternal=tcp://127.0.0.1:${String(port)}`,
];

async function broker(port: number): Promise<TestProcess> {
  const mosquitto = await startMosquitto(port);
  closeLater(() => mosquitto.stop().catch(() => undefined));
  return mosquitto;
}

async function edgeOf(options: Parameters<typeof startTestEdge>[0]): Promise<TestEdge> {
  const edge = await startTestEdge(options);
  closeLater(() => edge.edge.stop());
  return edge;
}

async function watch(port: number, filters: readonly string[] = ['$hw/#']): Promise<MqttWatcher> {
  const mqtt = await watchMqtt(port, filters);
  closeLater(() => mqtt.close());
  return mqtt;
}

const linked = ({ edge }: TestEdge): Promise<unknown> =>
  until(() => edge.health().modules['external-mqtt']?.ok === true, { what: 'the link to the external broker', deadlineMs: 40_000 });
const report = (mqtt: MqttWatcher, device: string, value: string): Promise<Record<string, unknown>> =>
  ask(mqtt, topic(device, 'twin/update'), { twin: { temperature: { actual: { value } } } });
const valueOf = async (mqtt: MqttWatcher, device: string): Promise<string | undefined> =>
  ((await ask(mqtt, topic(device, 'twin/get'), {}))['twin'] as Record<string, { actual?: { value: string } }>)['temperature']?.actual
    ?.value;

peerTest('mode 1: the edge starts without its external broker, serves its own, and both once the other is there', async () => {
  const port = await freePort();
  const edge = await edgeOf({ dataDir: tempDir(), seed: 'd:1', sets: sets(1, port) });
  const inside = await watch(edge.port);
  assert.is((await report(inside, 'd1', '1'))['code'], undefined);
  assert.match(edge.edge.health().modules['external-mqtt']?.detail ?? '', /is away/);
  await broker(port);
  await linked(edge);
  const outside = await watch(port);
  assert.is((await report(outside, 'd1', '2'))['code'], undefined);
  await inside.message('the document', (seen) => seen.topic.endsWith('/document') && seen.payload.includes('"2"'));
  await report(inside, 'd1', '3');
  await outside.message('the document', (seen) => seen.topic.endsWith('/document') && seen.payload.includes('"3"'));
});

/** Leads connections on one port to another; the test decides when there is a way. */
async function way(from: number, to: number): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const other = connect({ port: to, host: '127.0.0.1' });
    for (const end of [socket, other]) {
      sockets.add(end);
      end.on('error', () => undefined).on('close', () => [socket, other].forEach((each) => each.destroy()));
    }
    socket.pipe(other).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(from, '127.0.0.1', resolve));
  closeLater(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
}

peerTest('mode 1: what happens while the external broker is away is told there afterwards, in order', async () => {
  const [port, realPort] = await freePorts(2);
  const first = await startMosquitto(port ?? 0);
  closeLater(() => first.stop().catch(() => undefined));
  const edge = await edgeOf({ dataDir: tempDir(), seed: 'd:1', sets: sets(1, port ?? 0) });
  const inside = await watch(edge.port, [topic('d1', 'twin/update/result')]);
  await linked(edge);
  first.kill();
  await until(() => edge.edge.health().modules['external-mqtt']?.ok === false, { what: 'the loss' });
  for (let value = 1; value <= 300; value++) await report(inside, 'd1', String(value));
  await broker(realPort ?? 0);
  const outside = await watch(realPort ?? 0, [topic('d1', 'twin/update/document')]);
  await way(port ?? 0, realPort ?? 0);
  await until(() => outside.seen.some((seen) => seen.payload.includes('"current":{"actual":{"value":"300"')), {
    what: 'the last document',
    deadlineMs: 40_000,
  });
  const told = outside.seen.map((seen) => Number(/"current":\{"actual":\{"value":"(\d+)"/.exec(seen.payload)?.[1]));
  // The first may have been on its way when the broker was killed.
  assert.ok(told.length >= 299, String(told.length));
  assert.equal(
    told,
    told.map((_, index) => 300 - told.length + 1 + index),
  );
});

peerTest('mode 2: killed in mid-stream and started again, the broker serves devices as before', async () => {
  const port = await freePort();
  const first = await broker(port);
  const edge = await edgeOf({ dataDir: tempDir(), seed: 'd:1', sets: sets(2, port) });
  assert.equal(edge.edge.mqtt, [], 'no listener of its own');
  await linked(edge);
  const before = await watch(port);
  for (let value = 1; value <= 200; value++)
    before.publish(topic('d1', 'twin/update'), JSON.stringify({ twin: { temperature: { actual: { value: String(value) } } } }), { qos: 1 });
  await before.message('some answers', (seen) => seen.topic.endsWith('/twin/update/result'));
  first.kill();
  await first.exited;
  await broker(port);
  await linked(edge);
  const after = await watch(port);
  assert.is((await report(after, 'd1', '1000'))['code'], undefined);
  assert.is(await valueOf(after, 'd1'), '1000');
});

peerTest('retained echoes are no requests: they are ignored and counted', async () => {
  const port = await freePort();
  await broker(port);
  const outside = await watch(port);
  const old = JSON.stringify({ event_id: 'old', twin: { temperature: { actual: { value: '99' } } } });
  await outside.client.publishAsync(topic('d1', 'twin/update'), old, { qos: 1, retain: true });
  await outside.client.publishAsync(topic('d1', 'state/update'), '{"state":"online"}', { qos: 1, retain: true });
  const edge = await edgeOf({ dataDir: tempDir(), seed: 'd:1', sets: sets(2, port) });
  await linked(edge);
  await until(() => edge.edge.health().modules['eventbus']?.detail?.includes('2 retained echoes') === true, { what: 'two echoes' });
  assert.is(await valueOf(outside, 'd1'), undefined);
  await report(outside, 'd1', '5');
  assert.is(await valueOf(outside, 'd1'), '5');
});

/** Answers to a request by the time that one which is sent later, to a device that is known, is answered. */
async function answers(mqtt: MqttWatcher, request: string, known: string): Promise<string[]> {
  const from = mqtt.seen.length;
  await mqtt.client.publishAsync(request, '{"event_id":"shared","twin":{"temperature":{"actual":{"value":"1"}}},"state":"online"}', {
    qos: 1,
  });
  for (const device of known.split(' ')) await ask(mqtt, topic(device, 'twin/get'), {});
  return mqtt.seen
    .slice(from)
    .flatMap(({ topic: at, payload }) =>
      at.startsWith(request) && /result$/.test(at) && (payload.includes('"shared"') || payload.includes('"code"')) ? [payload] : [],
    );
}

peerTest('two edgecores on one external broker: each answers for its own devices, nobody for others while both are there', async () => {
  const port = await freePort();
  await broker(port);
  const a = await edgeOf({ dataDir: tempDir(), node: 'edge-a', seed: 'a:1', sets: sets(2, port) });
  await linked(a);
  const mqtt = await watch(port);
  const first = await answers(mqtt, topic('b1', 'twin/update'), 'a1');
  assert.is(first.length, 1);
  assert.match(first[0] ?? '', '"code":404');
  const dataDir = tempDir();
  const start = (): ReturnType<typeof startEdgeProcess> =>
    startEdgeProcess({ dataDir, seed: 'b:1', sets: [...sets(2, port), 'modules.edged.hostnameOverride=edge-b'] });
  const beside = (node: string): Promise<unknown> =>
    until(() => (a.edge.health().modules['external-mqtt']?.detail ?? '').includes(node), { what: `beside ${node}` });
  const alone = (): Promise<unknown> =>
    until(() => !(a.edge.health().modules['external-mqtt']?.detail ?? '').includes('beside'), { what: 'being alone' });
  let b = await start();
  closeLater(() => b.stop());
  await beside('edge-b');
  for (const request of ['twin/update', 'twin/get', 'state/update']) {
    for (const device of ['a1', 'b1']) {
      const both = await answers(mqtt, topic(device, request), 'a1 b1');
      const refused = both.filter((payload) => payload.includes('"code"'));
      assert.equal(refused, [], `${device} ${request}`);
      if (request !== 'state/update') assert.is(both.length, 1, `${device} ${request}`);
    }
    assert.equal(await answers(mqtt, topic('nobody', request), 'a1 b1'), [], 'nobody knows whether the other one has it');
  }
  for (const [node, device] of [
    ['edge-a', 'a1'],
    ['edge-b', 'b1'],
  ] as const) {
    const from = mqtt.seen.length;
    const { devices } = await ask(mqtt, `$hw/events/node/${node}/membership/get`, {});
    assert.equal(
      (devices as { id: string }[]).map(({ id }) => id),
      [device],
    );
    await ask(mqtt, topic('a1', 'twin/get'), {});
    await ask(mqtt, topic('b1', 'twin/get'), {});
    assert.is(mqtt.seen.slice(from).filter((seen) => seen.topic.endsWith('/membership/get/result')).length, 1);
  }
  await b.kill();
  await alone();
  assert.match((await answers(mqtt, topic('b1', 'twin/update'), 'a1')).join(), '"code":404');
  b = await start();
  await beside('edge-b');
  // It says that it is there before it has subscribed, so that nobody refuses for it.
  await until(async () => (await answers(mqtt, topic('b1', 'twin/get'), 'a1 b1')).length === 1, { what: 'the answer of edge-b alone' });
  await b.stop();
  await alone();
  assert.match((await answers(mqtt, topic('b1', 'twin/update'), 'a1')).join(), '"code":404');
  const told = a.log.filter(({ event }) => event === 'mqtt.external.shared');
  assert.equal(
    told.map(({ level, fields }) => [level, fields['other']]),
    [['warn', 'edge-b']],
    'once, although it came twice',
  );
  assert.match(String(told[0]?.fields['effect']), /forwards the uploads of apps, so the cloud gets them once from each/);
});

peerTest('a late will of a connection that was lost does not hide an edge that is back', async () => {
  const port = await freePort();
  await broker(port);
  const a = await edgeOf({ dataDir: tempDir(), node: 'edge-a', seed: 'a:1', sets: sets(2, port) });
  await linked(a);
  const mqtt = await watch(port, ['$hw/events/connected/+']);
  await mqtt.message('the presence', (seen) => seen.topic === '$hw/events/connected/edge-a' && seen.retain && seen.payload !== '');
  const from = mqtt.seen.length;
  await mqtt.client.publishAsync('$hw/events/connected/edge-a', '', { qos: 1, retain: true });
  await mqtt.message('the presence again', (seen) => seen.payload.includes('edge-a'), from);
});

for (const [internal, external] of [
  ['tcp://127.0.0.1:18899', 'tcp://127.0.0.1:18899'],
  ['tcp://0.0.0.0:18899', 'tcp://localhost:18899'],
] as const) {
  test(`mode 1 with ${internal} inside and ${external} outside is refused at start`, async () => {
    const started = startTestEdge({
      dataDir: tempDir(),
      sets: [...sets(1, 1), `modules.eventBus.mqttServerInternal=${internal}`, `modules.eventBus.mqttServerExternal=${external}`],
    });
    const error = await started.then(
      () => undefined,
      (reason: unknown) => reason as Error,
    );
    assert.match(error?.message ?? 'it started', /mqttServerInternal .* and mqttServerExternal .* are the same/);
  });
}

peerTest(
  'mode 2 without a listener: the mapper host of the process serves a device, seen and commanded on the external broker',
  async () => {
    const port = await freePort();
    await broker(port);
    const dataDir = tempDir();
    const samples = join(import.meta.dirname, '../../device-models/samples');
    const folder = join(dataDir, 'edge/devices.d');
    mkdirSync(folder, { recursive: true });
    const thermostat = await startThermostat({ clock: systemClock, noise: 0, setpoint: 20 });
    closeLater(() => thermostat.close());
    const device = readFileSync(join(samples, 'modbus-thermostat.yaml'), 'utf8').replace('1502', String(thermostat.port));
    writeFileSync(join(folder, 'thermostat.yaml'), device);
    copyFileSync(join(samples, 'modbus-thermostat-model.yaml'), join(folder, 'model.yaml'));
    const mqtt = await watch(port);
    const edge = await edgeOf({ dataDir, sets: sets(2, port) });
    await linked(edge);
    await mqtt.message(
      'a document',
      (seen) => seen.topic === topic('thermostat', 'twin/update/document') && seen.payload.includes('"setpoint"'),
    );
    await ask(mqtt, topic('thermostat', 'twin/update'), { twin: { setpoint: { expected: { value: '22.5' } } } });
    await until(() => thermostat.state().setpoint === 22.5, { what: 'the register' });
  },
);

test.run();

// timeout: 180s
/** Owns the proof that no payload harms an edge: nothing crashes, nothing grows, an answer where one is due, and it works on. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { connect } from 'node:net';
import mqttPacket from 'mqtt-packet';
import { responseTo } from '#wire/message.ts';
import { ask, watchMqtt, type MqttWatcher } from '#test/support/edge.ts';
import { residentMiB, startEdgeProcess, type EdgeProcess } from '#test/support/edge-process.ts';
import { entry, startHiveletHub, type HiveletHub } from '#test/support/hivelet-hub.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';
import { frames, payloads } from './garbage-corpus.ts';

let hub: HiveletHub;
let edge: EdgeProcess;
let mqtt: MqttWatcher;

test.before(async () => {
  const dataDir = tempDir();
  hub = await startHiveletHub({ dataDir, node: 'edge-node' });
  hub.detail = () => ({ devices: [entry('d1', { temperature: '20' })] });
  edge = await startEdgeProcess({ dataDir, hub: hub.server, env: { NODE_OPTIONS: '--max-semi-space-size=2 --max-old-space-size=64' } });
  mqtt = await watchMqtt(edge.port, [
    '$hw/events/device/+/twin/+/result',
    '$hw/events/device/+/state/+/result',
    '$hw/events/node/+/membership/+/result',
  ]);
  await hub.report('d1/temperature', () => true);
});
test.after(async () => {
  await mqtt.close();
  await edge.stop();
  await hub.close();
});

let round = 0;
/** The edge is the same process as at the start, answers, and sends upstream. */
async function works(): Promise<void> {
  const value = String(++round);
  const answer = await ask(mqtt, '$hw/events/device/d1/twin/update', { twin: { temperature: { actual: { value } } } });
  assert.is(answer['code'], undefined);
  await hub.report('d1/temperature', (told) => told?.actual?.value === value);
  await until(() => hub.connections.length > 0, { what: 'a link' });
  assert.ok(edge.process.running);
  const faults = edge.process.lines.filter((line) => /handler\.failed|message\.failed|"INTERNAL"/.test(line));
  assert.is(faults.map((line) => line.slice(0, 500)).join('\n'), '');
  mqtt.seen.length = 0;
  hub.frames.length = 0;
}

const device = (id: string, rest: string): string => `$hw/events/device/${id}/${rest}`;
const requests = ['twin/update', 'twin/get', 'twin/cloud_updated', 'state/update', 'state/get'];
const topics = [
  ...requests.flatMap((rest) => [device('d1', rest), device('nobody', rest), device('__proto__', rest)]),
  '$hw/events/node/edge-node/membership/get',
  '$hw/events/node//membership/get',
  '$hw/events/device//twin/update',
  '$hw/events/device',
  '$hw/events/device/d1',
  '$hw/events/device/d1/twin',
  '$hw/events/device/d1/twin/update/result',
  '$hw/events/device/d1/twin/unknown',
  '$hw',
  '$hw/events/upload/x',
  'SYS/dis/upload_records',
  'a/user/b',
];

async function throwPayloads(): Promise<void> {
  for (const topic of topics) {
    for (const payload of payloads) mqtt.publish(topic, payload);
    await mqtt.client.publishAsync(topic, '', { qos: 1 });
  }
}

test('every payload on every topic: it works on', async () => {
  await throwPayloads();
  await works();
});

test('every payload as an update has exactly one answer, on the topic of its device, and a refusal unless it is one', async () => {
  for (const [id, accepted] of [
    ['d1', 2],
    ['nobody', 0],
  ] as const) {
    const from = mqtt.seen.length;
    for (const payload of payloads) await mqtt.client.publishAsync(device(id, 'twin/update'), payload, { qos: 1 });
    const answers = await until(
      () => {
        const found = mqtt.seen.slice(from).filter((seen) => seen.topic.endsWith('/twin/update/result'));
        return found.length >= payloads.length ? found : undefined;
      },
      { what: 'an answer to each' },
    );
    assert.is(answers.length, payloads.length);
    assert.ok(answers.every((seen) => seen.topic === device(id, 'twin/update/result')));
    const taken = answers.filter((seen) => !seen.payload.includes('"code":')).length;
    assert.is(taken >= accepted && taken < payloads.length / 2, true, `${String(taken)} of ${String(payloads.length)} were taken`);
    if (id === 'nobody') assert.is(taken, 0);
  }
  await works();
});

/** Writes the bytes behind a CONNECT, half-closes, and waits until the edge has closed its side. */
function throwBytes(bytes: Buffer): Promise<void> {
  const hello = mqttPacket.generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: '', clean: true, keepalive: 0 });
  return new Promise((resolve) => {
    const socket = connect({ port: edge.port, host: '127.0.0.1' }, () => socket.end(Buffer.concat([hello, bytes])));
    socket.on('error', () => undefined).on('close', () => resolve());
    socket.resume();
  });
}

/** A PUBLISH of QoS 0 whatever its topic holds. */
function publish(topic: Buffer, payload: Buffer): Buffer {
  const length = 2 + topic.length + payload.length;
  const size: number[] = [];
  for (let rest = length; ; rest = rest >> 7) {
    if (rest < 128) {
      size.push(rest);
      break;
    }
    size.push((rest & 127) | 128);
  }
  return Buffer.concat([Buffer.from([0x30, ...size, topic.length >> 8, topic.length & 255]), topic, payload]);
}

test('topics that are none, and payloads beyond every bound, end their own connection only', async () => {
  const update = Buffer.from('{"event_id":"x","twin":{"temperature":{"actual":{"value":"1"}}}}');
  const odd = [
    Buffer.from('$hw/events/device/d1\0/twin/update'),
    Buffer.from('$hw/events/device/\0/twin/update'),
    Buffer.from('$hw/events/device/+/twin/update'),
    Buffer.from('$hw/events/device/#'),
    Buffer.concat([Buffer.from('$hw/events/device/'), Buffer.from([0xff, 0xfe]), Buffer.from('/twin/update')]),
    Buffer.concat([Buffer.from('$hw/events/device/'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('/twin/update')]),
    Buffer.from(`$hw/events/device/${'x/'.repeat(5000)}/twin/update`),
    Buffer.from(`$hw/events/device/${'y'.repeat(60_000)}/twin/update`),
    Buffer.alloc(0),
  ];
  for (const topic of odd) await throwBytes(publish(topic, update));
  await throwBytes(publish(Buffer.from(device('d1', 'twin/update')), Buffer.alloc(1024 * 1024, '{"a":')));
  await works();
});

test('10,000 topics of devices that nobody knows, retained ones too', async () => {
  for (let number = 0; number < 10_000; number++) {
    const rest = requests[number % requests.length] ?? '';
    const retain = number % 3 === 0;
    mqtt.publish(device(`device-${String(number)}`, rest), '{"event_id":"x","twin":{"p":{"actual":{"value":"1"}}},"state":"online"}', {
      retain,
    });
  }
  await works();
});

test('every frame through the link: those of our cloud are answered, the others are counted, the link holds', async () => {
  for (const frame of frames) hub.send(frame);
  hub.send(
    '{"header":{"msg_id":"barrier","timestamp":1},"route":{"source":"devicecontroller","group":"twin","operation":"update","resource":"membership"},"content":{}}',
  );
  await hub.frame('the answer to the last', ({ header }) => header.parent_msg_id === 'barrier');
  const answered = new Set(hub.frames.map(({ header }) => header.parent_msg_id));
  const asked = frames.flatMap((frame) => /^\{"header":\{"msg_id":"(asked-\d+)"/.exec(frame)?.[1] ?? []);
  assert.ok(asked.length > 50);
  assert.equal(
    asked.filter((id) => !answered.has(id)),
    [],
    'an answer is due to each of these',
  );
  assert.is(hub.connections.length, 1, 'the link was not lost');
  const members = (await ask(mqtt, '$hw/events/node/edge-node/membership/get', {}))['devices'] as { id: string }[];
  assert.ok(members.some(({ id }) => id === 'd1'));
  await works();
});

test('answers that are garbage: the report is told again, the link holds', async () => {
  const links = hub.connections.length;
  const plain = hub.answer;
  for (const value of [null, 5, [], {}, { toString: 1 }, { __proto__: null }, 'x'.repeat(100_000), undefined]) {
    let refused = 0;
    hub.answer = (frame) => {
      if (frame.route.operation !== 'update' || refused++ > 0) return plain(frame);
      return { ...responseTo(frame, 1, { operation: 'error' }), content: value };
    };
    await ask(mqtt, device('d1', 'twin/update'), { twin: { temperature: { actual: { value: String(++round) } } } });
    await until(() => refused > 1, { what: 'the report again' });
  }
  hub.answer = plain;
  await works();
  assert.is(hub.connections.length, links);
});

test('a frame beyond the bound ends the link, which comes back', async () => {
  const links = hub.connections.length;
  hub.send(`{"header":{"msg_id":"huge"},"content":"${'x'.repeat(17 * 1024 * 1024)}"}`);
  await until(() => hub.connections.length > links, { what: 'the next link' });
  await works();
});

test('nothing grows: eight rounds of everything leave the memory where four had brought it', async () => {
  const everything = async (): Promise<void> => {
    await throwPayloads();
    for (const frame of frames) hub.send(frame);
    await works();
  };
  for (let count = 0; count < 4; count++) await everything();
  const before = residentMiB(edge.pid);
  for (let count = 0; count < 8; count++) await everything();
  const after = residentMiB(edge.pid);
  process.stdout.write(`resident: ${before.toFixed(1)} MiB, then ${after.toFixed(1)} MiB\n`);
  assert.ok(after - before < 12, `${before.toFixed(1)} MiB became ${after.toFixed(1)} MiB`);
  const detail = edge.events('link.frame.bad').length;
  assert.ok(detail < 100, 'bad frames are counted, not logged one by one');
});

test.run();

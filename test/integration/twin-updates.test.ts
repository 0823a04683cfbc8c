/** Owns the proof of twins over MQTT alone: update, result, document, delta, get, errors, order (mqtt-topics.md section 6). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ask, startTestEdge, watchMqtt, type MqttWatcher, type Seen, type TestEdge } from '#test/support/edge.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

let edge: TestEdge;
let mqtt: MqttWatcher;
let number = 0;

test.before(async () => {
  edge = await startTestEdge({ dataDir: tempDir(), seed: 'dev-:40' });
  mqtt = await watchMqtt(edge.port, ['$hw/#']);
});
test.after(async () => {
  await mqtt.close();
  await edge.edge.stop();
});

/** A device that no other test uses, with the float twin `temperature`. */
const fresh = (): string => `dev-${String(++number)}`;
const topic = (device: string, rest: string): string => `$hw/events/device/${device}/${rest}`;
const send = (device: string, body: object, qos: 0 | 1 | 2 = 0): void =>
  mqtt.publish(topic(device, 'twin/update'), JSON.stringify(body), { qos });
const actual = (value: string, type?: string): object => ({ actual: { value }, ...(type === undefined ? {} : { metadata: { type } }) });

/** What was published for a device by the time a request sent now is answered, requests left out. */
async function published(device: string, from: number): Promise<{ topic: string; body: Record<string, unknown> }[]> {
  await ask(mqtt, topic(device, 'twin/get'), {});
  const prefix = topic(device, '');
  return mqtt.seen
    .slice(from)
    .filter((seen) => seen.topic.startsWith(prefix) && !/\/twin\/(get|update|cloud_updated|get\/result)$/.test(seen.topic))
    .map((seen) => ({ topic: seen.topic.slice(prefix.length), body: JSON.parse(seen.payload) as Record<string, unknown> }));
}

const twinOf = async (device: string): Promise<Record<string, Record<string, unknown>>> =>
  (await ask(mqtt, topic(device, 'twin/get'), {}))['twin'] as Record<string, Record<string, unknown>>;
const stamp = (message: Record<string, unknown>): unknown => message['timestamp'];

test('a report is answered, documented, and shown by twin/get', async () => {
  const device = fresh();
  const from = mqtt.seen.length;
  send(device, { event_id: 'u1', twin: { temperature: actual('21.5') } });
  const [result, document, ...rest] = await published(device, from);
  assert.equal(rest, [], 'nothing differs, so there is no delta');
  assert.is(result?.topic, 'twin/update/result');
  const now = stamp(result?.body ?? {}) as number;
  const side = { value: '21.5', metadata: { timestamp: now } };
  const whole = { actual: side, optional: false, metadata: { type: 'float' } };
  assert.equal(result?.body, { event_id: 'u1', timestamp: now, twin: { temperature: whole } });
  const last = { optional: false, metadata: { type: 'float' } };
  assert.equal(document?.body, { event_id: 'u1', timestamp: now, twin: { temperature: { last, current: whole } } });
  assert.equal(await twinOf(device), { temperature: whole });
  assert.ok(Math.abs(Date.now() - now) < 10_000);
});

test('a local command is a delta until the device has it, compared by type (defect T17)', async () => {
  const device = fresh();
  let from = mqtt.seen.length;
  send(device, { event_id: 'c', twin: { temperature: { expected: { value: '23.4375' } } } });
  const first = await published(device, from);
  assert.equal(
    first.map((each) => each.topic),
    ['twin/update/result', 'twin/update/document', 'twin/update/delta'],
  );
  assert.equal(first[2]?.body['delta'], { temperature: '23.4375' });
  assert.is.not(first[2]?.body['event_id'], 'c');
  from = mqtt.seen.length;
  send(device, { twin: { temperature: actual('20') } });
  assert.is((await published(device, from)).at(-1)?.topic, 'twin/update/delta', 'again after each report while it differs');
  from = mqtt.seen.length;
  send(device, { twin: { temperature: actual('23.437500') } });
  assert.equal(
    (await published(device, from)).map((each) => each.topic),
    ['twin/update/result', 'twin/update/document'],
  );
});

test('an equal report is answered with a new stamp, and is neither documented nor stored as a change', async () => {
  const device = fresh();
  send(device, { twin: { temperature: actual('5') } });
  const before = (await twinOf(device))['temperature']?.['actual'] as { metadata: { timestamp: number } };
  await until(() => Date.now() > before.metadata.timestamp, { what: 'the next millisecond' });
  const from = mqtt.seen.length;
  send(device, { event_id: 'again', twin: { temperature: actual('5') } });
  const [result, ...rest] = await published(device, from);
  assert.equal(rest, []);
  const shown = (result?.body['twin'] as Record<string, { actual: { value: string; metadata: { timestamp: number } } }>)['temperature'];
  assert.is(shown?.actual.value, '5');
  assert.ok((shown?.actual.metadata.timestamp ?? 0) > before.metadata.timestamp);
  assert.equal((await twinOf(device))['temperature']?.['actual'], shown?.actual);
});

test('several properties in one message have one result, one document and one delta', async () => {
  const device = fresh();
  const from = mqtt.seen.length;
  send(device, { event_id: 'm', twin: { temperature: { expected: { value: '7' } }, mode: actual('auto'), count: actual('3', 'int') } });
  const [result, document, delta, ...rest] = await published(device, from);
  assert.equal(rest, []);
  assert.equal(Object.keys(result?.body['twin'] as object), ['temperature', 'mode', 'count']);
  assert.equal(Object.keys(document?.body['twin'] as object), ['temperature', 'mode', 'count']);
  assert.equal(delta?.body['delta'], { temperature: '7' });
});

test('a key that the device lacks becomes an optional twin, null deletes it, an update revives it', async () => {
  const device = fresh();
  send(device, { twin: { extra: actual('5', 'int') } });
  assert.equal((await twinOf(device))['extra']?.['optional'], true);
  let from = mqtt.seen.length;
  send(device, { event_id: 'del', twin: { extra: null, temperature: null, unknown: null } });
  const [result, document, ...rest] = await published(device, from);
  assert.equal(rest, []);
  assert.equal(result?.body['twin'], { extra: null });
  assert.is((document?.body['twin'] as Record<string, { current: unknown }>)['extra']?.current, null);
  assert.equal(Object.keys(await twinOf(device)), ['temperature'], 'what is not optional stays');
  from = mqtt.seen.length;
  send(device, { twin: { extra: actual('x') } });
  const revived = (await published(device, from))[1]?.body['twin'] as Record<string, { last: unknown }>;
  assert.is(revived['extra']?.last, null);
  assert.equal((await twinOf(device))['extra']?.['metadata'], { type: 'string' });
});

test('null for an unknown key does not keep the others from being applied (defect T9)', async () => {
  const device = fresh();
  send(device, { twin: { unknown: null, temperature: actual('4'), other: null } });
  assert.is(((await twinOf(device))['temperature']?.['actual'] as { value: string }).value, '4');
});

test('__proto__ is a legal twin name, all the way', async () => {
  const device = fresh();
  const from = mqtt.seen.length;
  mqtt.publish(
    topic(device, 'twin/update'),
    '{"event_id":"p","twin":{"__proto__":{"expected":{"value":"1"}},"constructor":{"actual":{"value":"2"}}}}',
  );
  await published(device, from);
  const of = (kind: string): string => mqtt.seen.slice(from).find((seen) => seen.topic === topic(device, kind))?.payload ?? '';
  for (const kind of ['twin/update/result', 'twin/update/document', 'twin/update/delta']) assert.match(of(kind), '"__proto__":{');
  assert.match(of('twin/update/delta'), '"delta":{"__proto__":"1"}');
  assert.match(of('twin/get/result'), '"__proto__":{"expected":{"value":"1"');
});

test('a device id that is a part of the topic works (defect T13)', async () => {
  const other = await startTestEdge({ dataDir: tempDir(), seed: 'e:1' });
  const client = await watchMqtt(other.port, ['$hw/#']);
  try {
    client.publish('$hw/events/device/e1/twin/update', '{"twin":{"temperature":{"actual":{"value":"1"}}}}');
    assert.is((await ask(client, '$hw/events/device/e1/twin/get', {}))['code'], undefined);
  } finally {
    await client.close();
    await other.edge.stop();
  }
});

interface Refusal {
  what: string;
  payload: string;
  eventId: string;
  code: number;
  reason: RegExp;
  device?: string;
}

const refusals: Refusal[] = [
  { what: 'a body that is no JSON', payload: 'hello', eventId: '', code: 400, reason: /Unmarshal/ },
  { what: 'an empty body', payload: '', eventId: '', code: 400, reason: /Unmarshal/ },
  { what: 'a body without twin', payload: '{"event_id":"e"}', eventId: 'e', code: 400, reason: /key:twin does not exist/ },
  { what: 'a bad key', payload: '{"event_id":"e","twin":{"a b":{}}}', eventId: 'e', code: 400, reason: /twin key/ },
  {
    what: 'a bad type',
    payload: '{"event_id":"e","twin":{"n":{"metadata":{"type":"x"}}}}',
    eventId: 'e',
    code: 400,
    reason: /not allowed/,
  },
  {
    what: 'a value of the wrong type',
    payload: '{"event_id":"e","twin":{"good":{"actual":{"value":"1"}},"temperature":{"actual":{"value":"warm"}}}}',
    eventId: 'e',
    code: 400,
    reason: /the value is not float/,
  },
  {
    what: 'an unknown device',
    payload: '{"event_id":"e","twin":{"a":{}}}',
    eventId: 'e',
    code: 404,
    reason: /device is not existed/,
    device: 'nobody',
  },
];
for (const { what, payload, eventId, code, reason, device = 'dev-40' } of refusals) {
  test(`${what} is answered ${String(code)} on the topic of the device with its event id (defect T8)`, async () => {
    const from = mqtt.seen.length;
    mqtt.publish(topic(device, 'twin/update'), payload);
    const answer = await mqtt.message('the answer', (seen) => seen.topic.endsWith('/twin/update/result'), from);
    assert.is(answer.topic, topic(device, 'twin/update/result'));
    const body = JSON.parse(answer.payload) as { event_id: string; code: number; reason: string; timestamp: number };
    assert.equal([body.event_id, body.code], [eventId, code]);
    assert.match(body.reason, reason);
    assert.ok(body.timestamp > 0);
  });
}

test('nothing of a refused message is applied', async () => {
  assert.equal(Object.keys(await twinOf('dev-40')), ['temperature']);
});

test('twin/get of an unknown device is a 404, of a body that is no JSON a 400', async () => {
  const unknown = await ask(mqtt, topic('nobody', 'twin/get'), {});
  assert.equal([unknown['code'], unknown['reason']], [404, 'Device nobody not found while getting twin']);
  const from = mqtt.seen.length;
  mqtt.publish(topic('dev-40', 'twin/get'), '');
  const bad = await mqtt.message('the answer', (seen) => seen.topic === topic('dev-40', 'twin/get/result'), from);
  assert.is((JSON.parse(bad.payload) as { code: number }).code, 400);
});

test('order is kept per device with 64 outstanding and mixed QoS: answers, documents, and the last value wins', async () => {
  const devices = [fresh(), fresh(), fresh(), fresh()];
  const rounds = 500;
  const from = mqtt.seen.length;
  const qos = [0, 1, 0, 2, 1] as const;
  const answers = (device: string, kind: string): string[] =>
    mqtt.seen
      .slice(from)
      .filter((seen) => seen.topic === topic(device, kind))
      .map((seen) => (JSON.parse(seen.payload) as { event_id: string }).event_id);
  const total = (): number => devices.reduce((sum, device) => sum + answers(device, 'twin/update/result').length, 0);
  for (let round = 0; round < rounds; round++) {
    for (const device of devices)
      send(device, { event_id: String(round), twin: { temperature: actual(String(round)) } }, qos[round % qos.length]);
    const sent = (round + 1) * devices.length;
    if (sent % 64 === 0) await until(() => total() >= sent - 64, { what: 'no more than 64 outstanding', deadlineMs: 30_000 });
  }
  await until(() => total() === rounds * devices.length, { what: 'every answer', deadlineMs: 30_000 });
  const inOrder = Array.from({ length: rounds }, (_, round) => String(round));
  for (const device of devices) {
    assert.equal(answers(device, 'twin/update/result'), inOrder, device);
    assert.equal(answers(device, 'twin/update/document'), inOrder, device);
    assert.is(((await twinOf(device))['temperature']?.['actual'] as { value: string }).value, String(rounds - 1));
  }
});

test('updates of two clients to one device are answered in the order in which they were stored', async () => {
  const device = fresh();
  const other = await watchMqtt(edge.port, []);
  const from = mqtt.seen.length;
  const count = 300;
  for (let index = 0; index < count; index++) {
    const client = index % 2 === 0 ? mqtt : other;
    client.publish(topic(device, 'twin/update'), JSON.stringify({ twin: { temperature: actual(String(index)) } }), { qos: 1 });
  }
  const documents = (): Seen[] => mqtt.seen.slice(from).filter((seen) => seen.topic === topic(device, 'twin/update/document'));
  await until(() => documents().length === count, { what: 'every document' });
  let last: string | undefined;
  for (const { payload } of documents()) {
    const { temperature } = (
      JSON.parse(payload) as { twin: Record<string, { last: { actual?: { value: string } }; current: { actual: { value: string } } }> }
    ).twin;
    assert.is(temperature?.last.actual?.value, last, 'each document begins where the one before ended');
    last = temperature?.current.actual.value;
  }
  await other.close();
});

test('a device takes at most 1000 twins: an MQTT client cannot fill the disk with names', async () => {
  const device = fresh();
  const batch = (first: number): object =>
    Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`n${String(first + index)}`, actual('1')]));
  send(device, { event_id: 'a', twin: batch(0) });
  send(device, { event_id: 'b', twin: batch(500) });
  const refused = await mqtt.message('the refusal', (seen) => seen.topic.endsWith('/result') && seen.payload.startsWith('{"event_id":"b"'));
  assert.match(refused.payload, /"code":400,"reason":"[^"]*1000 twins/);
  send(device, { event_id: 'c', twin: Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`n${String(index)}`, null])) });
  send(device, { event_id: 'd', twin: batch(500) });
  await mqtt.message(
    'the result',
    (seen) => seen.topic.endsWith('/result') && seen.payload.startsWith('{"event_id":"d"') && seen.payload.includes('"n999":{"actual"'),
  );
  assert.is(Object.keys(await twinOf(device)).length, 501, 'tombstones make room');
});

test.run();

/** The beehive message: made, answered, written and read; whatever arrives that is none is refused and nothing more. */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHiveletError } from '#beehive/errors.ts';
import { contentObject, createMessage, decodeFrame, encodeFrame, isRecord, responseTo, type BeehiveMessage } from '#wire/message.ts';
import { FakeClock } from '#test/support/fake-clock.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const route = { source: 'twin', group: 'resource', operation: 'update', resource: 'device/d/twin/edge_updated' };

function verdict(frame: string | Buffer): string {
  try {
    decodeFrame(frame);
    return 'taken';
  } catch (error) {
    if (!isHiveletError(error, 'FRAME_INVALID')) throw error;
    return error.message;
  }
}

test('a new message has an id of its own and only the members that were given', () => {
  const first = createMessage(1640067600123, route);
  const second = createMessage(1640067600123, route);
  assert.match(first.header.msg_id, UUID);
  assert.is.not(first.header.msg_id, second.header.msg_id);
  assert.equal(first, { header: { msg_id: first.header.msg_id, timestamp: 1640067600123 }, route, content: null });
  const full = createMessage(1, { ...route, content: { a: 1 }, parentId: 'p', resourceVersion: '7', encoding: 'base64' });
  assert.equal(full.header, { msg_id: full.header.msg_id, parent_msg_id: 'p', timestamp: 1, resourceversion: '7', encoding: 'base64' });
  assert.equal([full.route, full.content], [route, { a: 1 }]);
});

test("an answer keeps the request's source, group and resource, and names it as its parent", () => {
  const request = createMessage(1, { ...route, resourceVersion: '7' });
  const answer = responseTo(request, 2);
  assert.equal(answer.route, { ...route, operation: 'response' });
  assert.equal([answer.header.parent_msg_id, answer.content, answer.header.timestamp], [request.header.msg_id, 'OK', 2]);
  assert.is(answer.header.resourceversion, undefined);
  const error = responseTo(request, 2, { operation: 'error', content: 'why' });
  assert.equal([error.route.operation, error.content, error.header.parent_msg_id], ['error', 'why', request.header.msg_id]);
});

test('what was written is read as it was, from text and from bytes', () => {
  const message = createMessage(1, {
    ...route,
    content: { twin: { é: '<&>\u2028' } },
    parentId: 'p',
    resourceVersion: '7',
    encoding: 'base64',
  });
  assert.equal(decodeFrame(encodeFrame(message)), message);
  assert.equal(decodeFrame(Buffer.from(encodeFrame(message))), message);
});

const tolerated: [title: string, frame: unknown, message: Partial<BeehiveMessage['header']> & { route?: unknown; content?: unknown }][] = [
  ['no route', { header: { msg_id: 'a', timestamp: 5 }, content: 1 }, { msg_id: 'a', timestamp: 5, content: 1 }],
  ['half a route', { header: { msg_id: 'a' }, route: { group: 'twin', x: 1 } }, { msg_id: 'a', timestamp: 0, route: { group: 'twin' } }],
  ['a route that is a list', { header: { msg_id: 'a' }, route: ['twin'] }, { msg_id: 'a', timestamp: 0 }],
  [
    'members of other types',
    { header: { msg_id: 'a', timestamp: '5', parent_msg_id: 7 }, route: { group: 1 } },
    { msg_id: 'a', timestamp: 0 },
  ],
  ['a time that is no whole number', { header: { msg_id: 'a', timestamp: 1.5 } }, { msg_id: 'a', timestamp: 0 }],
  ['an empty parent', { header: { msg_id: 'a', parent_msg_id: '', resourceversion: '' } }, { msg_id: 'a', timestamp: 0 }],
  ['keys that are unknown', { header: { msg_id: 'a', sync: true, type: 'channel' }, x: 1 }, { msg_id: 'a', timestamp: 0 }],
  ['another encoding', { header: { msg_id: 'a', encoding: 'gzip' } }, { msg_id: 'a', timestamp: 0 }],
  ['no content', { header: { msg_id: 'a' } }, { msg_id: 'a', timestamp: 0, content: null }],
];
const emptyRoute = { source: '', group: '', operation: '', resource: '' };
for (const [title, frame, { route: wanted, content = null, ...header }] of tolerated) {
  test(`a frame with ${title} is read`, () => {
    assert.equal(decodeFrame(JSON.stringify(frame)), { header, route: { ...emptyRoute, ...(wanted as object | undefined) }, content });
  });
}

const garbage: [title: string, frame: string | Buffer, reason: RegExp][] = [
  ['nothing', '', /^the frame is not JSON: /],
  ['words', 'hello', /^the frame is not JSON: /],
  ['half a frame', '{"header":{"msg_id":"a"', /^the frame is not JSON: /],
  ['two frames', '{}{}', /^the frame is not JSON: /],
  ['a byte order mark', '\ufeff{"header":{"msg_id":"a"}}', /^the frame is not JSON: /],
  ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x00, 0x80]), /^the frame is not JSON: /],
  ['null', 'null', /^the frame is not a JSON object$/],
  ['a number', '1', /^the frame is not a JSON object$/],
  ['a list', '[{"header":{"msg_id":"a"}}]', /^the frame is not a JSON object$/],
  ['an empty object', '{}', /^header\.msg_id is missing$/],
  ['a header that is a text', '{"header":"a"}', /^header\.msg_id is missing$/],
  ['a header that is null', '{"header":null}', /^header\.msg_id is missing$/],
  ['an empty id', '{"header":{"msg_id":""}}', /^header\.msg_id is missing$/],
  ['an id that is a number', '{"header":{"msg_id":1}}', /^header\.msg_id is missing$/],
  ['an id below __proto__', '{"__proto__":{"header":{"msg_id":"a"}}}', /^header\.msg_id is missing$/],
  ['a hundred thousand brackets', '['.repeat(100_000), /^the frame nests deeper than 200 levels$/],
];
for (const [title, frame, reason] of garbage) {
  test(`${title} is refused in a short sentence`, () => {
    const said = verdict(frame);
    assert.match(said, reason);
    assert.ok(said.length < 200, said);
  });
}

test('__proto__ in a frame is data and changes no object', () => {
  const { content } = decodeFrame('{"header":{"msg_id":"a"},"content":{"__proto__":{"polluted":true}}}');
  assert.is(Object.hasOwn(content as object, '__proto__'), true);
  assert.is(({} as Record<string, unknown>)['polluted'], undefined);
});

test('a thousand frames that were damaged at random are read or refused, never more', () => {
  const clock = new FakeClock({ seed: 7 });
  const whole = Buffer.from(
    encodeFrame(createMessage(1, { ...route, content: { twin: { a: { actual: { value: '1' } } } }, parentId: 'p' })),
  );
  const outcomes = new Set<string>();
  for (let round = 0; round < 1000; round++) {
    const frame = Buffer.from(whole);
    for (let hit = 0; hit <= round % 4; hit++) frame[Math.floor(clock.random() * frame.length)] = Math.floor(clock.random() * 256);
    const cut = round % 3 === 0 ? frame.subarray(0, Math.floor(clock.random() * frame.length)) : frame;
    outcomes.add(verdict(cut) === 'taken' ? 'taken' : 'refused');
  }
  assert.equal([...outcomes].sort(), ['refused', 'taken']);
});

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const contents: [title: string, content: unknown, read: Record<string, unknown> | undefined][] = [
  ['an object', { a: 1 }, { a: 1 }],
  ['JSON text', '{"a":1}', { a: 1 }],
  ['base64 of JSON text', base64('{"a":1}'), { a: 1 }],
  ['base64 with padding', base64('{"a":12}'), { a: 12 }],
  ['a list', [{ a: 1 }], undefined],
  ['JSON text of a list', '[1]', undefined],
  ['base64 of a list', base64('[1]'), undefined],
  ['base64 of words', base64('hello'), undefined],
  ['words', 'OK', undefined],
  ['text twice wrapped', '"{\\"a\\":1}"', undefined],
  ['an empty text', '', undefined],
  ['null', null, undefined],
  ['nothing', undefined, undefined],
  ['a number', 1, undefined],
  ['text that nests too deep', `{"a":${'['.repeat(300)}${']'.repeat(300)}}`, undefined],
];
for (const [title, content, read] of contents) {
  test(`content that is ${title} is ${read === undefined ? 'no object' : 'read as an object'}`, () =>
    assert.equal(contentObject(content), read));
}

test('a record is an object that is neither null nor a list', () => {
  assert.equal([{}, Object.create(null), [], null, 'a', 1, undefined].map(isRecord), [true, true, false, false, false, false, false]);
});

test('every frame of a real KubeEdge edgecore is read, and nothing in it that we know is lost', () => {
  const folder = path.join(import.meta.dirname, '../../../golden/kubeedge-1.9.1');
  const frames: Record<string, unknown>[] = [];
  const collect = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(collect);
    else if (isRecord(value) && isRecord(value['header']) && typeof value['header']['msg_id'] === 'string') frames.push(value);
    else if (isRecord(value)) Object.values(value).forEach(collect);
  };
  for (const name of readdirSync(folder)) if (name.endsWith('.json')) collect(JSON.parse(readFileSync(path.join(folder, name), 'utf8')));
  assert.ok(frames.length > 20, `${String(frames.length)} frames`);
  for (const frame of frames) {
    const { header, route: read, content } = decodeFrame(JSON.stringify(frame));
    assert.equal(content, frame['content'] ?? null);
    const texts = Object.entries({ ...header, ...read }).filter(([, value]) => value !== '' && value !== 0);
    const known = { ...(frame['header'] as object), ...(frame['route'] as object | undefined) } as Record<string, unknown>;
    assert.equal(
      Object.fromEntries(texts),
      Object.fromEntries(Object.entries(known).filter(([key, value]) => !['sync', 'type', 'destination'].includes(key) && value !== '')),
    );
  }
});

test.run();

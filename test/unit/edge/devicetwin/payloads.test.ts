/** Owns the proof that no payload of a client throws: each is read, or refused in KubeEdge's words with the event id when there is one. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { MsgTwin } from '#wire/device-messages.ts';
import { eventIdOf, readAttributes, readRequest, readState, readTwinUpdate, readTwins } from '#edge/devicetwin/payloads.ts';

const free = { strict: false };
const strict = { strict: true };
const read = (text: string | Buffer, rules = free): ReturnType<typeof readTwinUpdate> =>
  readTwinUpdate(typeof text === 'string' ? Buffer.from(text) : text, rules);

function accepted(text: string, rules = free): Map<string, MsgTwin | null> {
  const result = read(text, rules);
  if (!result.ok) throw new Error(result.fault.reason);
  return result.body;
}

const DEEP = 100_000;
const undecodable = 'Unmarshal update request body failed, please check the request';
const garbage: [what: string, payload: string | Buffer, eventId: string, reason: RegExp][] = [
  ['nothing', '', '', /Unmarshal/],
  ['no JSON', 'hello', '', /Unmarshal/],
  ['half a JSON text', '{"event_id":"e","twin":{"p":{"actual"', '', /Unmarshal/],
  ['an array', '[{"event_id":"e"}]', '', /Unmarshal/],
  ['null', 'null', '', /Unmarshal/],
  ['a number', '1e999', '', /Unmarshal/],
  ['a string', '"twin"', '', /Unmarshal/],
  ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]), '', /Unmarshal/],
  ['a NUL byte', '{"event_id":"e"}\0', '', /Unmarshal/],
  ['100,000 open brackets', '['.repeat(DEEP), '', /Unmarshal/],
  ['no twin', '{"event_id":"e"}', 'e', /key:twin does not exist/],
  ['twin null', '{"event_id":"e","twin":null}', 'e', /key:twin does not exist/],
  ['twin an array', '{"event_id":"e","twin":[{"p":1}]}', 'e', /Unmarshal/],
  ['twin a text', '{"event_id":"e","twin":"p"}', 'e', /Unmarshal/],
  ['a number as twin', '{"event_id":"e","twin":{"p":5}}', 'e', /Unmarshal/],
  ['a number as actual', '{"event_id":"e","twin":{"p":{"actual":5}}}', 'e', /Unmarshal/],
  ['an array as actual', '{"event_id":"e","twin":{"p":{"actual":["5"]}}}', 'e', /Unmarshal/],
  ['a number as value', '{"event_id":"e","twin":{"p":{"actual":{"value":5}}}}', 'e', /Unmarshal/],
  ['1e999 as value', '{"event_id":"e","twin":{"p":{"actual":{"value":1e999}}}}', 'e', /Unmarshal/],
  ['a boolean as value', '{"event_id":"e","twin":{"p":{"expected":{"value":true}}}}', 'e', /Unmarshal/],
  ['an object as value', '{"event_id":"e","twin":{"p":{"actual":{"value":{}}}}}', 'e', /Unmarshal/],
  ['a deep value', `{"event_id":"e","twin":{"p":{"actual":{"value":${'['.repeat(DEEP)}${']'.repeat(DEEP)}}}}}`, 'e', /Unmarshal/],
  ['optional as text', '{"event_id":"e","twin":{"p":{"optional":"yes"}}}', 'e', /Unmarshal/],
  ['a number as type', '{"event_id":"e","twin":{"p":{"metadata":{"type":7}}}}', 'e', /Unmarshal/],
  ['metadata as text', '{"event_id":"e","twin":{"p":{"metadata":"int"}}}', 'e', /Unmarshal/],
  ['an empty key', '{"event_id":"e","twin":{"":{}}}', 'e', /twin key/],
  ['a key with a blank', '{"event_id":"e","twin":{"a b":{}}}', 'e', /twin key/],
  ['a key with NUL', '{"event_id":"e","twin":{"a\\u0000":{}}}', 'e', /twin key/],
  ['a key of 129 characters', `{"event_id":"e","twin":{"${'k'.repeat(129)}":{}}}`, 'e', /twin key/],
  ['a value of 16 KiB and one byte', `{"event_id":"e","twin":{"p":{"actual":{"value":"${'v'.repeat(16_385)}"}}}}`, 'e', /16384 bytes/],
];
for (const [what, payload, eventId, reason] of garbage) {
  test(`${what} is a 400 with the event id ${JSON.stringify(eventId)}`, () => {
    const result = read(payload);
    assert.is(result.ok, false);
    if (result.ok) return;
    assert.is(result.eventId, eventId);
    assert.is(result.fault.code, 400);
    assert.match(result.fault.reason, reason);
  });
}

test('an event id that is no text is as good as none', () => {
  assert.is(eventIdOf({ event_id: 7 }), '');
  assert.is(eventIdOf({ event_id: null }), '');
  assert.is(eventIdOf({}), '');
});

test('keys are matched without regard to case, as Go does', () => {
  const body = accepted('{"Event_ID":"e","TWIN":{"p":{"Actual":{"VALUE":"5"}}}}');
  assert.equal(body.get('p'), { actual: { value: '5' } });
});

test('null and {} are no value, null is a deletion, and misspelt or extra keys are ignored', () => {
  const body = accepted(
    '{"twin":{"a":null,"b":{"actual":null,"expected":{}},"c":{"actual":{"value":null},"tyep":1,"metadata":{"x":1}}},"z":1}',
  );
  assert.equal(
    [...body],
    [
      ['a', null],
      ['b', {}],
      ['c', {}],
    ],
  );
});

test('the time of a sender is ignored, versions are read as whole numbers or not at all', () => {
  const body = accepted(
    '{"twin":{"a":{"actual":{"value":"1","metadata":{"timestamp":"soon"}},"actual_version":{"cloud":3}},"b":{"expected_version":{"cloud":1e999,"edge":0}},"c":{"expected_version":"7"}}}',
  );
  assert.equal(body.get('a'), { actual: { value: '1' }, actual_version: { cloud: 3, edge: 0 } });
  assert.equal(body.get('b'), {});
  assert.equal(body.get('c'), {});
});

test('__proto__, constructor and toString are names like any other', () => {
  const body = accepted('{"twin":{"__proto__":{"actual":{"value":"1"}},"constructor":{"actual":{"value":"2"}},"toString":{}}}');
  assert.equal([...body.keys()], ['__proto__', 'constructor', 'toString']);
  assert.is(body.get('__proto__')?.actual?.value, '1');
  assert.is(({} as { actual?: unknown }).actual, undefined, 'nothing was polluted');
});

test('a value may hold blanks, units, quotes and any script (defect T12); the strict mode takes what KubeEdge takes', () => {
  const one = (value: string): string => JSON.stringify({ twin: { p: { actual: { value } } } });
  for (const value of ['23.5 °C', '50 %', '"quoted"', '温度', 'a\u0000b', '😀']) {
    assert.is(accepted(one(value)).get('p')?.actual?.value, value);
    assert.is(read(one(value), strict).ok, false);
  }
  for (const value of ['', '25C', 'a-b_c.d,e:f/g@h#i', 'v'.repeat(512)])
    assert.is(accepted(one(value), strict).get('p')?.actual?.value, value);
  assert.is(read(one('v'.repeat(513)), strict).ok, false);
});

test('half of a surrogate pair becomes U+FFFD, as in Go: memory and disk must not differ', () => {
  const body = accepted('{"event_id":"e","twin":{"p":{"actual":{"value":"a\\ud800b"},"metadata":{"type":"s\\udfff"}}}}');
  assert.is(body.get('p')?.actual?.value, 'a\ufffdb');
  assert.is(body.get('p')?.metadata?.type, 's\ufffd');
  const state = readState(Buffer.from('{"state":"online","reason":"\\ud800"}'));
  assert.is(state.ok && state.body.reason, '\ufffd');
  assert.equal(readAttributes({ 'k\ud800': { value: '\udc00' } }).get('k\ufffd'), { value: '\ufffd' });
});

test('a twin map of the cloud is read key by key: one that cannot be used does not take the others with it', () => {
  const skipped: string[] = [];
  const twins = readTwins({ good: { expected: { value: '1' } }, 'not good': {}, number: 7, __proto__x: null }, free, (key) =>
    skipped.push(key),
  );
  assert.ok(twins instanceof Map);
  assert.equal([...twins.keys()], ['good', '__proto__x']);
  assert.equal(skipped, ['not good', 'number']);
});

test('a request is any JSON object; its answer names what was sent', () => {
  const good = readRequest(Buffer.from('{"event_id":"q"}'), 'twin info');
  assert.equal(good, { ok: true, eventId: 'q', body: { ours: false } });
  for (const [payload, reason] of [
    ['', 'Unmarshal twin info  failed , err: &json.SyntaxError{msg:"unexpected end of JSON input", Offset:0}'],
    ['x', `Unmarshal twin info x failed , err: &json.SyntaxError{msg:"invalid character 'x' looking for beginning of value", Offset:1}`],
    ['[]', 'Unmarshal twin info [] failed , err: the payload is not a JSON object'],
  ] as const) {
    const bad = readRequest(Buffer.from(payload), 'twin info');
    assert.equal(bad, { ok: false, eventId: '', fault: { code: 400, reason } });
  }
});

test('a huge bad request is not repeated in full in its answer', () => {
  const bad = readRequest(Buffer.from(`x${'y'.repeat(200_000)}`), 'twin info');
  assert.ok(!bad.ok && bad.fault.reason.length < 500);
});

test('a state is a word and may have a reason; anything else is a 400', () => {
  const good = readState(Buffer.from('{"event_id":"s","state":"OK","reason":"all well","attributes":null}'));
  assert.equal(good, { ok: true, eventId: 's', body: { state: 'OK', reason: 'all well' } });
  for (const payload of ['', '[]', '{"state":""}', '{"state":5}', '{"state":["online"]}', '{}']) {
    const bad = readState(Buffer.from(payload));
    assert.ok(!bad.ok && bad.fault.code === 400, payload);
  }
  const long = readState(Buffer.from(JSON.stringify({ state: 'error', reason: 'r'.repeat(5000) })));
  assert.is(long.ok && long.body.reason?.length, 1024);
});

test('attributes that are none are left out', () => {
  assert.equal(
    [...readAttributes({ a: { value: '1' }, b: 5, c: null, d: { value: 5, optional: true, metadata: { type: 'int' } } })],
    [
      ['a', { value: '1' }],
      ['c', null],
      ['d', { value: '', optional: true, metadata: { type: 'int' } }],
    ],
  );
  for (const input of [null, 5, 'x', [1], undefined]) assert.is(readAttributes(input).size, 0);
});

test('what cannot be decoded has one reason', () => {
  const result = read('{"twin":{"p":{"actual":{"value":5}}}}');
  assert.is(!result.ok && result.fault.reason, undecodable);
});

test.run();

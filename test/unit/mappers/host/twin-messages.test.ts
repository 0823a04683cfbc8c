/** Proves the messages that a mapper sends, to the byte, and that no message of others confuses it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dataUpdate, parseDelta, parseGetResult, stateUpdate, twinGet, twinUpdate } from '#mappers/host/twin-messages.ts';

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

test('a report has the exact shape of reference/mqtt-topics.md 6.2', () => {
  const values = [
    { name: 'pressure', text: '79', type: 'int', at: 1640067600120 },
    { name: 'level', text: '1.5', type: 'float', at: 1640067600123 },
  ];
  assert.is(
    twinUpdate(values, 1640067600123),
    '{"event_id":"","timestamp":1640067600123,"twin":{' +
      '"pressure":{"actual":{"value":"79","metadata":{"timestamp":1640067600120}},"metadata":{"type":"int"}},' +
      '"level":{"actual":{"value":"1.5","metadata":{"timestamp":1640067600123}},"metadata":{"type":"float"}}}}',
  );
});

test('what is no longer good says why, with or without a value', () => {
  const doubt = { word: 'bad', reason: 'ILLEGAL DATA ADDRESS' } as const;
  assert.is(
    twinUpdate([{ name: 'level', type: 'float', at: 3, doubt }], 5),
    '{"event_id":"","timestamp":5,"twin":{"level":{"metadata":{"type":"float"},"quality":{"word":"bad","reason":"ILLEGAL DATA ADDRESS"}}}}',
  );
  const message = JSON.parse(twinUpdate([{ name: 'level', text: '2', type: 'float', at: 3, doubt }], 5)) as object;
  assert.equal(message, {
    event_id: '',
    timestamp: 5,
    twin: { level: { actual: { value: '2', metadata: { timestamp: 3 } }, metadata: { type: 'float' }, quality: doubt } },
  });
});

test('a twin may be called __proto__', () => {
  assert.is(
    twinUpdate([{ name: '__proto__', text: '1', type: 'int', at: 5 }], 5),
    '{"event_id":"","timestamp":5,"twin":{"__proto__":{"actual":{"value":"1","metadata":{"timestamp":5}},"metadata":{"type":"int"}}}}',
  );
});

test('states, time series and the question have their shapes', () => {
  assert.is(stateUpdate({ word: 'online' }, 7), '{"event_id":"","timestamp":7,"state":"online"}');
  assert.is(
    stateUpdate({ word: 'offline', reason: 'no answer' }, 7),
    '{"event_id":"","timestamp":7,"state":"offline","reason":"no answer"}',
  );
  assert.is(
    dataUpdate('pressure', { text: '79', type: 'int', at: 1640067600123 }, 1640067600124),
    '{"event_id":"","timestamp":1640067600124,"data":{"pressure":{"value":"79","metadata":{"timestamp":1640067600123,"type":"int"}}}}',
  );
  assert.is(twinGet('mapper-1', 7), '{"event_id":"mapper-1","timestamp":7,"hivelet":1}');
});

const twin = {
  setpoint: {
    expected: { value: '23', metadata: { timestamp: 5, settled: true } },
    actual: { value: '23', metadata: { timestamp: 6 } },
    metadata: { type: 'float' },
  },
  mode: { expected: { value: 'AUTO' } },
  temperature: { actual: { value: '21' } },
  broken: { expected: { value: 5 } },
  deleted: null,
};

test('the answer to our question tells what is desired and what was settled', () => {
  const result = parseGetResult(json({ event_id: 'q', timestamp: 1, twin }), 'q');
  assert.equal(result, {
    twins: new Map<string, unknown>([
      ['setpoint', { expected: { text: '23', stamp: 5, settled: true }, actual: '23' }],
      ['mode', { expected: { text: 'AUTO', stamp: 0, settled: false } }],
      ['temperature', { actual: '21' }],
      ['broken', {}],
      ['deleted', {}],
    ]),
  });
});

test('answers to other questions are not ours, and an unknown device is told from an empty one', () => {
  assert.is(parseGetResult(json({ event_id: 'other', twin }), 'q'), undefined);
  assert.equal(parseGetResult(json({ event_id: 'q', code: 404, reason: 'Device x not found while getting twin' }), 'q'), { unknown: true });
  assert.equal(parseGetResult(json({ event_id: 'q', twin: {} }), 'q'), { twins: new Map() });
});

test('a delta names what differs, with its time, and everything that is desired', () => {
  const delta = parseDelta(json({ event_id: 'x', twin, delta: { setpoint: '23', mode: 'AUTO' } }));
  assert.equal(delta, {
    wanted: new Map([
      ['setpoint', { text: '23', stamp: 5 }],
      ['mode', { text: 'AUTO', stamp: 0 }],
    ]),
    expected: new Set(['setpoint', 'mode']),
  });
});

test('a delta without its twin part still counts', () => {
  assert.equal(parseDelta(json({ delta: { setpoint: '23', bad: 5 } })), {
    wanted: new Map([['setpoint', { text: '23', stamp: 0 }]]),
    expected: new Set(['setpoint', 'bad']),
  });
});

for (const garbage of ['', 'null', '[]', '{', '"text"', '{"delta":[]}', '{"delta":null}', '{"delta":"x"}', '{"twin":{}}', '\u{fffd}']) {
  test(`${JSON.stringify(garbage)} is no delta and no answer`, () => {
    assert.is(parseDelta(Buffer.from(garbage)), undefined);
    assert.is(parseGetResult(Buffer.from(garbage), 'q'), undefined);
  });
}

test.run();

/** Owns the proof of what devicetwin publishes: shapes of mqtt-topics.md sections 4 to 6, any key a twin may have. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Twin } from '#edge/store/twin-table.ts';
import {
  attributesUpdated,
  errorResult,
  partOf,
  stateResult,
  twinDelta,
  twinDocument,
  twinGetResult,
  twinResult,
} from '#edge/devicetwin/publications.ts';

const envelope = { eventId: 'e', now: 5 };
const STAMP = 1_800_000_000_003;
const side = (value: string): { value: string; timestamp: number } => ({ value, timestamp: STAMP });
const shown = (value: string): { value: string; metadata: { timestamp: number } } => ({ value, metadata: { timestamp: STAMP } });

function twin(name: string, rest: Partial<Twin> = {}): Twin {
  return {
    name,
    type: 'int',
    optional: false,
    expected: side('80'),
    actual: side('78'),
    expectedVersion: { cloud: 7, edge: 0 },
    actualVersion: { cloud: 0, edge: 1 },
    cloudText: '80',
    settled: true,
    ...rest,
  };
}

const body = ({ payload }: { payload: string }): Record<string, unknown> => JSON.parse(payload) as Record<string, unknown>;
const whole = { expected: shown('80'), actual: shown('78'), optional: false, metadata: { type: 'int' } };

test('__proto__ survives as the name of a twin in every publication', () => {
  const odd = twin('__proto__');
  const text = '"__proto__":';
  const publications = [
    twinResult('d', envelope, new Map([['__proto__', partOf(odd, ['actual'])]])),
    twinDocument('d', envelope, new Map([['__proto__', { before: odd, after: odd }]])),
    twinDelta('d', 5, { twins: [odd], toleranceOf: () => 0 }),
    twinGetResult('d', envelope, { twins: [odd], ours: false }),
    attributesUpdated('d', envelope, new Map([['__proto__', { value: '1' }]])),
  ];
  for (const publication of publications) assert.ok(publication?.payload.includes(text), publication?.topic);
  assert.is(publications[2]?.payload.split(text).length, 3, 'in twin and in delta');
});

test('no publication shows a version, what the cloud wants, or whether it was reached', () => {
  const publications = [
    twinResult('d', envelope, new Map([['p', partOf(twin('p'), ['expected', 'actual'])]])),
    twinDocument('d', envelope, new Map([['p', { before: twin('p'), after: twin('p') }]])),
    twinDelta('d', 5, { twins: [twin('p')], toleranceOf: () => 0 }),
    twinGetResult('d', envelope, { twins: [twin('p')], ours: false }),
  ];
  for (const publication of publications) assert.not.match(publication?.payload ?? '', /version|cloudText|settled/);
});

test('a result shows the sides that were written, with type and optional; a deleted key is null', () => {
  const parts = new Map([
    ['a', partOf(twin('a'), ['actual'])],
    ['b', null],
  ]);
  assert.equal(body(twinResult('d', envelope, parts)), {
    event_id: 'e',
    timestamp: 5,
    twin: { a: { actual: shown('78'), optional: false, metadata: { type: 'int' } }, b: null },
  });
});

test('a document shows before and after, null for a twin that was not or is no longer there', () => {
  const gone = twin('c', { type: 'deleted', expected: undefined, actual: undefined });
  const { topic, payload } = twinDocument(
    'd',
    envelope,
    new Map([
      ['a', { before: undefined, after: twin('a') }],
      ['b', { before: twin('b'), after: gone }],
      ['c', { before: gone, after: twin('c') }],
    ]),
  );
  assert.is(topic, '$hw/events/device/d/twin/update/document');
  assert.equal(body({ payload }), {
    event_id: 'e',
    timestamp: 5,
    twin: { a: { last: null, current: whole }, b: { last: whole, current: null }, c: { last: null, current: whole } },
  });
});

test('a delta lists every twin with an expected value and names those that differ; its event id is fresh', () => {
  const twins = [
    twin('differs'),
    twin('equal', { actual: side('80') }),
    twin('never', { actual: undefined }),
    twin('nothing', { expected: undefined }),
    twin('gone', { type: 'deleted' }),
    twin('near', { type: 'float', actual: side('79.96') }),
  ];
  const delta = twinDelta('d', 5, { twins, toleranceOf: (name) => (name === 'near' ? 0.05 : 0) });
  if (delta === undefined) throw new Error('no delta');
  const parsed = body(delta) as { event_id: string; twin: object; delta: object };
  assert.equal(Object.keys(parsed.twin), ['differs', 'equal', 'never', 'near']);
  assert.equal(parsed.delta, { differs: '80', never: '80' });
  assert.match(parsed.event_id, /^[0-9a-f-]{36}$/);
});

test('there is no delta when nothing differs', () => {
  assert.is(
    twinDelta('d', 5, { twins: [twin('p', { actual: side('80') }), twin('q', { expected: undefined })], toleranceOf: () => 0 }),
    undefined,
  );
});

test('twin/get shows every living twin; the own host is told what was reached', () => {
  const twins = [twin('p'), twin('gone', { type: 'deleted' })];
  assert.equal(body(twinGetResult('d', envelope, { twins, ours: false })), { event_id: 'e', timestamp: 5, twin: { p: whole } });
  const ours = body(twinGetResult('d', envelope, { twins, ours: true })) as { twin: { p: { expected: { metadata: object } } } };
  assert.equal(ours.twin.p.expected.metadata, { timestamp: STAMP, settled: true });
  assert.equal(body(twinGetResult('d', envelope, { twins: [], ours: false })).twin, {});
});

test('an error has code and reason beside the echoed event id', () => {
  assert.equal(body(errorResult('t', envelope, { code: 404, reason: 'r' })), { event_id: 'e', timestamp: 5, code: 404, reason: 'r' });
});

test('the answer to a state is not retained', () => {
  assert.equal(body(stateResult('t', envelope, { name: 'd', state: 'online' })), {
    event_id: 'e',
    timestamp: 5,
    device: { name: 'd', state: 'online' },
  });
  assert.not('retain' in stateResult('t', envelope, { name: 'd', state: 'online' }));
});

test.run();

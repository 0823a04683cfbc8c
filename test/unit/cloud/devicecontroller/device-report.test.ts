/** Which report is newer: the edge's counters decide, a new database of the edge starts them afresh. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DeviceReport, MAX_TWINS, MAX_VALUE_LENGTH } from '#cloud/devicecontroller/device-report.ts';

const none: ReadonlyMap<string, string> = new Map();

function actual(value: string, edge?: number, type = 'int'): Record<string, unknown> {
  return {
    actual: { value, metadata: { timestamp: 5 } },
    metadata: { type },
    ...(edge === undefined ? {} : { actual_version: { cloud: 0, edge } }),
  };
}

function take(report: DeviceReport, twin: unknown, from: { store?: string; desired?: ReadonlyMap<string, string> } = {}): unknown {
  return report.takeTwins(twin, { store: 'store-1', desired: none, ...from });
}

const valueOf = (report: DeviceReport, name = 'a'): string | undefined => report.twins.get(name)?.value;

for (const [what, first, second, stays] of [
  ['a higher version', 5, 6, 'new'],
  ['the same version (sent again)', 5, 5, 'new'],
  ['a lower version', 5, 4, 'old'],
  ['no version', 5, undefined, 'new'],
] as const) {
  test(`${what} leaves the ${stays} value`, () => {
    const report = new DeviceReport();
    take(report, { a: actual('old', first) });
    assert.equal(take(report, { a: actual('new', second) }), { taken: stays === 'new' ? ['a'] : [] });
    assert.is(valueOf(report), stays);
  });
}

test('why a value is missing is taken; the last one that was told stands with its time', () => {
  const report = new DeviceReport();
  const why = { metadata: { type: 'float' }, quality: { word: 'bad', reason: 'NO' } };
  assert.equal(take(report, { a: why, b: { metadata: { type: 'int' } } }), { taken: ['a'] });
  assert.equal(report.twins.get('a'), { value: undefined, type: 'float', timestampMs: 0, version: -1, doubt: why.quality });
  take(report, { a: actual('21', 1, 'float') });
  assert.equal(report.twins.get('a'), { value: '21', type: 'float', timestampMs: 5, version: 1 });
  take(report, { a: why }, { store: 'store-2' });
  assert.equal(report.twins.get('a'), { value: '21', type: 'float', timestampMs: 5, version: -1, doubt: why.quality });
});

test('a new database of the edge starts the comparison afresh, and the old one cannot come back behind it', () => {
  const report = new DeviceReport();
  take(report, { a: actual('old', 500), b: actual('kept', 7) });
  assert.equal(take(report, { a: actual('new', 1) }, { store: 'store-2' }), { taken: ['a'] });
  assert.is(valueOf(report), 'new');
  assert.is(valueOf(report, 'b'), 'kept');
  assert.equal(take(report, { a: actual('older', 0) }, { store: 'store-2' }), { taken: [] });
});

test('each property has its own order', () => {
  const report = new DeviceReport();
  take(report, { a: actual('a9', 9) });
  assert.equal(take(report, { a: actual('a3', 3), b: actual('b4', 4) }), { taken: ['b'] });
});

test('keeps type and time-stamp of the edge; a report without a type keeps the last one', () => {
  const report = new DeviceReport();
  take(report, { a: actual('1', 1, 'float') });
  assert.equal({ ...report.twins.get('a'), version: 0 }, { value: '1', type: 'float', timestampMs: 5, version: 0 });
  take(report, { a: { actual: { value: '2' }, actual_version: { edge: 2 } } });
  assert.equal({ ...report.twins.get('a'), version: 0 }, { value: '2', type: 'float', timestampMs: 0, version: 0 });
});

test('parts without an actual value say nothing; a deleted twin is forgotten', () => {
  const report = new DeviceReport();
  take(report, { a: actual('1', 1) });
  assert.equal(take(report, { a: { metadata: { type: 'int' } } }), { taken: [] });
  assert.is(valueOf(report), '1');
  take(report, { a: null });
  assert.is(valueOf(report), undefined);
});

for (const [what, twin, reason] of [
  ['a part that is no object', { a: 5 }, 'twin "a" is not an object'],
  ['a value that is no text', { a: { actual: { value: 7 } } }, 'twin "a": actual.value is not a text'],
  ['a huge value', { a: actual('x'.repeat(MAX_VALUE_LENGTH + 1)) }, `twin "a": actual.value is longer than ${MAX_VALUE_LENGTH} characters`],
] as const) {
  test(`${what} refuses the whole message and takes nothing of it`, () => {
    const report = new DeviceReport();
    assert.equal(take(report, { good: actual('1', 1), ...twin }), { refused: reason });
    assert.is(report.twins.size, 0);
  });
}

test('a message without twins, a hostile name and too many names do no harm', () => {
  const report = new DeviceReport();
  assert.equal(take(report, undefined), { taken: [] });
  assert.equal(take(report, JSON.parse('{"__proto__":{"actual":{"value":"1"}}}')), { taken: ['__proto__'] });
  assert.is(valueOf(report, '__proto__'), '1');
  for (let index = 0; index < 2 * MAX_TWINS; index++) take(report, { [`name-${index}`]: actual('1', 1) });
  assert.is(report.twins.size, MAX_TWINS);
});

test('a local override holds until the text of the API changes or the edge says that it is over', () => {
  const report = new DeviceReport();
  const desired = new Map([['a', '21']]);
  take(report, { a: { override: true, expected: { value: '25' } } }, { desired });
  assert.equal([...report.overrides(desired)], [['a', '25']]);
  assert.equal([...report.overrides(new Map([['a', '22']]))], []);
  take(report, { a: { ...actual('1', 1), override: true, expected: { value: '26' } } }, { desired });
  assert.equal([...report.overrides(desired)], [['a', '26']]);
  take(report, { a: { ...actual('2', 2), override: false } }, { desired });
  assert.equal([...report.overrides(desired)], []);
});

test('states are ordered by their version within one database', () => {
  const report = new DeviceReport();
  const state = (text: string, version: number | undefined, store = 'store-1'): boolean =>
    report.takeState({ state: text }, { store, version });
  assert.is(state('online', 4), true);
  assert.is(state('offline', 3), false);
  assert.is(state('offline', 4), false);
  assert.is(report.state?.state, 'online');
  assert.is(state('unhealthy', 1, 'store-2'), true);
  assert.is(state('OK', undefined, 'store-2'), true, 'KubeEdge peers send none: the last one counts');
  assert.is(report.state?.state, 'OK');
});

test.run();

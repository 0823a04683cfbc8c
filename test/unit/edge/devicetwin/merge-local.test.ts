/** Owns the proof of the rules for messages of MQTT clients: what `twin/update` does to one twin (mqtt-topics.md 6.2 to 6.7). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { MsgTwin } from '#wire/device-messages.ts';
import type { Twin } from '#edge/store/twin-table.ts';
import { differs, isOverride, mergeLocal, type Merge } from '#edge/devicetwin/twin.ts';

const NOW = 2000;
const EARLIER = 1000;

/** A stored twin: type, expected text, actual text. */
function stored(...[type, expected, actual, rest]: [type: string, expected?: string, actual?: string, rest?: Partial<Twin>]): Twin {
  return {
    name: 'p',
    type,
    optional: false,
    ...(expected === undefined ? {} : { expected: { value: expected, timestamp: EARLIER }, expectedVersion: { cloud: 7, edge: 0 } }),
    ...(actual === undefined ? {} : { actual: { value: actual, timestamp: EARLIER }, actualVersion: { cloud: 0, edge: 3 } }),
    cloudText: expected,
    settled: false,
    ...rest,
  };
}

const says = (actual?: string, expected?: string, rest: MsgTwin = {}): MsgTwin => ({
  ...(actual === undefined ? {} : { actual: { value: actual } }),
  ...(expected === undefined ? {} : { expected: { value: expected } }),
  ...rest,
});

const merge = (current: Twin | undefined, message: MsgTwin | null, tolerance = 0): Merge =>
  mergeLocal('p', { current, message }, { now: NOW, tolerance });

function written(result: Merge): Extract<Merge, { kind: 'written' }> {
  if (result.kind !== 'written') throw new Error(`it was ${result.kind}${'reason' in result ? `: ${result.reason}` : ''}`);
  return result;
}

const texts = ({ expected, actual }: Twin): (string | undefined)[] => [expected?.value, actual?.value];

test('a report writes the actual value, stamps it and counts its edge version', () => {
  const { twin, changed, answered } = written(merge(stored('int', '80', '78'), says('79')));
  assert.equal(twin.actual, { value: '79', timestamp: NOW });
  assert.equal(twin.actualVersion, { cloud: 0, edge: 4 });
  assert.equal(twin.expectedVersion, { cloud: 7, edge: 0 }, 'the other side is untouched');
  assert.equal([changed, answered], [['actual'], ['actual']]);
});

test('a local command writes the expected value and is an override of what the cloud wants', () => {
  const { twin, changed } = written(merge(stored('int', '80', '80', { settled: true }), says(undefined, '90')));
  assert.equal(texts(twin), ['90', '80']);
  assert.equal(twin.expectedVersion, { cloud: 7, edge: 1 });
  assert.is(twin.cloudText, '80');
  assert.is(isOverride(twin), true);
  assert.is(twin.settled, false, 'a new expected value starts over');
  assert.equal(changed, ['expected']);
});

test('both sides in one message are both written and counted separately', () => {
  const { twin, changed, answered } = written(merge(stored('int', '1', '1'), says('2', '3')));
  assert.equal(texts(twin), ['3', '2']);
  assert.equal(
    [twin.expectedVersion, twin.actualVersion],
    [
      { cloud: 7, edge: 1 },
      { cloud: 0, edge: 4 },
    ],
  );
  assert.equal(
    [changed, answered],
    [
      ['expected', 'actual'],
      ['expected', 'actual'],
    ],
  );
});

test('versions in a message of an MQTT client are ignored', () => {
  const { twin } = written(merge(stored('int', '1', '1'), says('2', undefined, { actual_version: { cloud: 900, edge: 900 } })));
  assert.equal(twin.actualVersion, { cloud: 0, edge: 4 });
});

test('an equal report changes nothing but the stamp, and is answered', () => {
  const { twin, changed, answered } = written(merge(stored('float', '5', '5', { settled: true }), says('5')));
  assert.equal(changed, []);
  assert.equal(answered, ['actual']);
  assert.equal(twin.actual, { value: '5', timestamp: NOW });
  assert.equal(twin.actualVersion, { cloud: 0, edge: 3 });
  assert.is(twin.settled, true);
});

test('an equal number in another spelling is a change of the text, and no difference for the delta', () => {
  const { twin, changed } = written(merge(stored('float', '23.4375', '23.0'), says('23.437500')));
  assert.equal(changed, ['actual']);
  assert.is(differs(twin, 0), false);
  assert.is(twin.settled, true);
});

for (const [type, message] of [
  ['string', says('on')],
  ['int', says('5', undefined, { metadata: { type: 'int' } })],
  ['float', says(undefined, '5.5', { metadata: { type: 'float' } })],
  ['double', says('5.5', undefined, { metadata: { type: 'double' } })],
] as const) {
  test(`a key that the device lacks becomes an optional twin of type ${type}`, () => {
    const { twin, changed } = written(merge(undefined, message));
    assert.equal([twin.type, twin.optional, twin.name], [type, true, 'p']);
    assert.ok(changed.includes('meta'));
    assert.is(twin.cloudText, undefined);
  });
}

test('a new twin may be made with optional false, and without any value', () => {
  const { twin, changed, answered } = written(merge(undefined, { optional: false, metadata: { type: 'int' } }));
  assert.equal([twin.type, twin.optional, texts(twin)], ['int', false, [undefined, undefined]]);
  assert.equal([changed, answered], [['meta'], []]);
});

test('optional goes from true to false only', () => {
  assert.is(written(merge(stored('int', '1', '1', { optional: true }), { optional: false })).twin.optional, false);
  const kept = written(merge(stored('int', '1', '1'), { optional: true }));
  assert.equal([kept.twin.optional, kept.changed], [false, []]);
});

test('the type in a message is ignored for a twin that exists: old mappers send "Updated"', () => {
  const { twin } = written(merge(stored('int', '1', '1'), says('2', undefined, { metadata: { type: 'Updated' } })));
  assert.equal([twin.type, twin.actual?.value], ['int', '2']);
});

const invalid: [what: string, current: Twin | undefined, message: MsgTwin, reason: string][] = [
  ['a text for an int twin', stored('int', '1', '1'), says('warm'), 'the value is not int or integer'],
  ['a text beyond int64', stored('integer', '1', '1'), says('9223372036854775808'), 'the value is not int or integer'],
  ['a text for a float twin', stored('float', '1', '1'), says(undefined, 'warm'), 'the value is not float'],
  ['a number beyond float64', stored('double', '1', '1'), says('1e999'), 'the value is not float'],
  ['TRUE for a boolean twin', stored('boolean', 'true', undefined), says('TRUE'), 'the bool value must be true or false'],
  ['the first value of a side (defect T11)', stored('int', undefined, undefined), says('warm'), 'the value is not int or integer'],
  ['the second side of two', stored('int', '1', '1'), says('2', 'x'), 'the value is not int or integer'],
  ['an empty text for a number', stored('float', '1', '1'), says(undefined, ''), 'the value is not float'],
  ['an empty text for a new int twin', undefined, says('', undefined, { metadata: { type: 'int' } }), 'the value is not int or integer'],
  ['a type that does not exist', undefined, says('1', undefined, { metadata: { type: 'Updated' } }), 'the value type is not allowed'],
  ['a new twin of type deleted', undefined, says('1', undefined, { metadata: { type: 'deleted' } }), 'the value type is not allowed'],
];
for (const [what, current, message, reason] of invalid) {
  test(`${what} is refused: ${reason}`, () => assert.equal(merge(current, message), { kind: 'invalid', reason }));
}

test('an empty text is a value of a string', () => {
  const { twin } = written(merge(stored('string', 'a', 'b'), says('', '')));
  assert.equal(texts(twin), ['', '']);
});

test('wider values than those of KubeEdge: bytes like string, double like float, Inf and NaN', () => {
  for (const [type, value] of [
    ['bytes', '00 ff'],
    ['double', '1e3'],
    ['float', 'Inf'],
    ['float', 'NaN'],
  ] as const)
    assert.is(written(merge(stored(type, undefined, undefined), says(value))).twin.actual?.value, value);
});

test('null deletes an optional twin and leaves a tombstone that counts on', () => {
  const result = merge(stored('int', '1', '2', { optional: true }), null);
  if (result.kind !== 'deleted') throw new Error(result.kind);
  assert.equal([result.twin.type, ...texts(result.twin)], ['deleted', undefined, undefined]);
  assert.equal(
    [result.twin.expectedVersion, result.twin.actualVersion],
    [
      { cloud: 7, edge: 1 },
      { cloud: 0, edge: 4 },
    ],
  );
});

for (const [what, current] of [
  ['a twin of the cloud', stored('int', '1', '1')],
  ['a key that does not exist (defect T9)', undefined],
  ['a tombstone', stored('deleted', undefined, undefined, { optional: true })],
] as const) {
  test(`null for ${what} does nothing`, () => assert.equal(merge(current, null), { kind: 'untouched' }));
}

test('a tombstone comes back to life with the type of the message and counts on', () => {
  const gone = stored('deleted', undefined, undefined, { optional: true, actualVersion: { cloud: 0, edge: 9 } });
  const { twin, changed } = written(merge(gone, says('5', undefined, { metadata: { type: 'int' } })));
  assert.equal([twin.type, twin.optional, twin.actualVersion], ['int', true, { cloud: 0, edge: 10 }]);
  assert.equal(changed, ['meta', 'actual']);
  assert.is(written(merge(gone, says('5'))).twin.type, 'string');
  assert.is(merge(gone, says('x', undefined, { metadata: { type: 'int' } })).kind, 'invalid');
});

const settling: [what: string, current: Twin, message: MsgTwin, tolerance: number, settled: boolean][] = [
  ['a report that meets the expected value', stored('int', '5', '4'), says('5'), 0, true],
  ['a report that does not', stored('int', '5', '4'), says('3'), 0, false],
  ['a report within half a step', stored('float', '21.5', '20'), says('21.45'), 0.05, true],
  ['a report just beyond it', stored('float', '21.5', '20'), says('21.44'), 0.05, false],
  ['a value that was reached and then changed at the device', stored('int', '5', '5', { settled: true }), says('9'), 0, true],
  ['a new expected value that the device has already', stored('int', '5', '7'), says(undefined, '7'), 0, true],
  ['the same expected value again', stored('int', '5', '9', { settled: true }), says(undefined, '5'), 0, true],
];
for (const [what, current, message, tolerance, settled] of settling) {
  test(`${what}: ${settled ? 'settled' : 'not settled'}`, () =>
    assert.is(written(merge(current, message, tolerance)).twin.settled, settled));
}

const deltas: [twin: Twin, tolerance: number, differs: boolean][] = [
  [stored('float', '1.0', '1'), 0, false],
  [stored('int', '+5', '5'), 0, false],
  [stored('int', '9007199254740993', '9007199254740992'), 0, true],
  [stored('float', '21.5', '21.46'), 0.05, false],
  [stored('string', '1.0', '1'), 0, true],
  [stored('string', 'a', undefined), 0, true],
  [stored('string', '', 'a'), 0, true],
  [stored('string', undefined, 'a'), 0, false],
  [stored('deleted', 'a', undefined), 0, false],
];
for (const [twin, tolerance, wanted] of deltas) {
  test(`${twin.type} expected ${JSON.stringify(twin.expected?.value)}, actual ${JSON.stringify(twin.actual?.value)} (+-${tolerance}): ${wanted ? 'a' : 'no'} delta`, () =>
    assert.is(differs(twin, tolerance), wanted));
}

for (const [what, message] of [
  ['a changed report', says('2')],
  ['a deletion', null],
] as const) {
  test(`${what} starts above all versions that a run before may have told`, () => {
    const before = stored('string', undefined, '1', { optional: true });
    const result = mergeLocal('p', { current: before, message }, { now: NOW, tolerance: 0, versionBase: 2 ** 32 });
    assert.equal('twin' in result ? result.twin.actualVersion : result.kind, { cloud: 0, edge: 2 ** 32 + 1 });
  });
}

test.run();

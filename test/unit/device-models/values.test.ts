/** Owns the proof of bounds, aliases and typed equality of value texts. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { booleanOf, compareNumbers, lookupText, sameValue, withinBounds } from '#device-models/values.ts';
import type { ValueType } from '#device-models/values.ts';

const bounds: [type: ValueType, text: string, minimum: string | undefined, maximum: string | undefined, within: boolean][] = [
  ['int', '5', '5', '35', true],
  ['int', '4', '5', '35', false],
  ['int', '36', '5', '35', false],
  ['int', '36', '5', undefined, true],
  ['int', '-1', undefined, undefined, true],
  ['int', '9223372036854775807', '0', '9223372036854775806', false],
  ['int', '9223372036854775806', '0', '9223372036854775806', true],
  ['int', '3', '2.5', '3.5', true],
  ['int', 'x', '0', '1', false],
  ['float', '35.0', '5', '35', true],
  ['float', '35.01', '5', '35', false],
  ['double', '1e400', '0', '1', false],
  ['float', 'NaN', '0', '1', false],
  ['float', 'Inf', '0', undefined, true],
  ['float', '7', 'low', 'high', true],
  ['string', 'anything', '0', '1', true],
  ['boolean', 'true', '0', '0', true],
];
for (const [type, text, minimum, maximum, within] of bounds) {
  test(`${type} ${text} in ${minimum ?? '-'} to ${maximum ?? '-'}: ${within}`, () => {
    assert.is(withinBounds(type, text, { minimum, maximum }), within);
  });
}

test('integers compare exactly, others as floats, and a text not at all', () => {
  assert.is(compareNumbers('9007199254740993', '9007199254740992'), 1);
  assert.is(compareNumbers('1.0', '1'), 0);
  assert.is(compareNumbers('-2', '1e3'), -1);
  assert.is(compareNumbers('a', '1'), undefined);
});

test('ON, yes and 1 are true, off, No and 0 are false, others neither', () => {
  for (const text of ['true', 'ON', 'on', 'Yes', '1', ' TRUE ']) assert.is(booleanOf(text), true, text);
  for (const text of ['false', 'OFF', 'No', '0']) assert.is(booleanOf(text), false, text);
  for (const text of ['', '2', 'y', 'enabled']) assert.is(booleanOf(text), undefined, text);
});

const dataWrite = { ON: 'a', OFF: 'b' };
const lookups: [entries: Record<string, string>, text: string, expected: string | undefined][] = [
  [dataWrite, 'ON', 'a'],
  [dataWrite, 'on', 'a'],
  [dataWrite, 'true', 'a'],
  [dataWrite, 'yes', 'a'],
  [dataWrite, 'false', 'b'],
  [dataWrite, 'blink', undefined],
  [{ true: 'a', false: 'b' }, 'ON', 'a'],
  [{ true: 'a', false: 'b' }, 'off', 'b'],
  [{ true: 'a', on: 'c' }, 'on', 'c'],
  [dataWrite, 'constructor', undefined],
];
for (const [entries, text, expected] of lookups) {
  test(`${text} in ${JSON.stringify(entries)}`, () => assert.is(lookupText(entries, text), expected));
}

test('two numbers within the tolerance are the same value', () => {
  assert.ok(sameValue('float', '21.3', '21.30', 0));
  assert.ok(sameValue('float', '21.34', '21.3', 0.05));
  assert.not(sameValue('float', '21.36', '21.3', 0.05));
  assert.ok(sameValue('float', '0.30000001', '0.3'), 'one number of 32 bits');
  assert.not(sameValue('double', '0.30000001', '0.3'));
  assert.ok(sameValue('int', '+5', '5', 0.5));
  assert.not(sameValue('int', '6', '5', 0.5));
  assert.not(sameValue('int', '9223372036854775807', '9223372036854775806', 0.5));
});

test.run();

/** Proves the way between a device's value and a twin's text: type, scale, bounds, access mode. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHiveletError } from '#beehive/errors.ts';
import type { PropertyProfile } from '#device-models/device-profile.ts';
import { sameValue, type ValueType } from '#device-models/values.ts';
import type { PropertyValue } from '#mappers/contract.ts';
import { normalised, readScale, toDevice, toText } from '#mappers/host/convert.ts';
import { dividedToNearest, parseDecimal, plainText, truncated, type Decimal } from '#mappers/host/decimal.ts';

const scaled = (text: string): Decimal => parseDecimal(text)!;

const texts: [type: ValueType, value: PropertyValue, scale: string, text: string][] = [
  ['int', 65_535n, '1', '65535'],
  ['int', 217n, '0.1', '21'],
  ['int', -217n, '0.1', '-21'],
  ['int', 9_007_199_254_740_993n, '1', '9007199254740993'],
  ['int', 9_223_372_036_854_775_807n, '1', '9223372036854775807'],
  ['int', 3n, '100', '300'],
  ['int', 21.9, '1', '21'],
  ['int', true, '1', '1'],
  ['float', 215n, '0.1', '21.5'],
  ['float', 3n, '0.1', '0.3'],
  ['double', 3n, '0.1', '0.3'],
  ['float', 1n, '1e-7', '0.0000001'],
  ['float', 0.10000000149011612, '1', '0.1'],
  ['double', 0.10000000149011612, '1', '0.10000000149011612'],
  ['float', 12.5, '1', '12.5'],
  ['float', 3.4028234663852886e38, '1', '340282350000000000000000000000000000000'],
  ['double', 1e21, '1', '1000000000000000000000'],
  ['double', -0.5, '2', '-1'],
  ['float', 16_777_217n, '1', '16777216'],
  ['boolean', 1n, '1', 'true'],
  ['boolean', 256n, '1', 'true'],
  ['boolean', 0n, '1', 'false'],
  ['boolean', 'ON', '1', 'true'],
  ['string', 'A-1', '1', 'A-1'],
  ['string', 7n, '1', '7'],
  ['bytes', Uint8Array.of(0, 255), '1', '00ff'],
];
for (const [type, value, scale, text] of texts) {
  test(`${String(value)} with scale ${scale} is the ${type} ${text}`, () => assert.is(toText(type, value, scaled(scale)), text));
}

const noTexts: [type: ValueType, value: PropertyValue, scale: string][] = [
  ['float', NaN, '1'],
  ['int', Infinity, '1'],
  ['int', 18_446_744_073_709_551_615n, '1'],
  ['boolean', 'maybe', '1'],
  ['int', 'warm', '1'],
];
for (const [type, value, scale] of noTexts) {
  test(`${String(value)} is no ${type}`, () =>
    assert.throws(
      () => toText(type, value, scaled(scale)),
      (error: unknown) => isHiveletError(error, 'VALUE_INVALID'),
    ));
}

const property = (more: Partial<PropertyProfile> = {}): PropertyProfile => ({
  name: 'setpoint',
  type: 'float',
  accessMode: 'ReadWrite',
  collectCycleMs: 1000,
  reportCycleMs: 0,
  tolerance: 0,
  ...more,
});

const written: [desired: string, type: ValueType, scale: string, value: PropertyValue][] = [
  ['23', 'float', '1', 23],
  ['21', 'int', '0.1', 210n],
  ['-21', 'int', '0.1', -210n],
  ['7', 'int', '2', 4n],
  ['-7', 'int', '2', -4n],
  ['1', 'int', '0.3', 3n],
  ['300', 'int', '100', 3n],
  ['9223372036854775807', 'int', '1', 9_223_372_036_854_775_807n],
  ['true', 'boolean', '1', true],
  ['on', 'boolean', '1', true],
  ['No', 'boolean', '1', false],
  ['AUTO', 'string', '1', 'AUTO'],
  ['', 'string', '1', ''],
];
for (const [desired, type, scale, value] of written) {
  test(`the desired ${type} ${JSON.stringify(desired)} with scale ${scale} is ${String(value)} in the device`, () =>
    assert.is(toDevice(property({ type }), desired, scaled(scale)), value));
}

test('a scaled float comes near enough to be rounded right', () => {
  const value = toDevice(property(), '21.3', scaled('0.1'));
  assert.is(Math.round(Number(value)), 213);
});

test('bytes are taken as hexadecimal or base64', () => {
  assert.equal(toDevice(property({ type: 'bytes' }), '00ff', scaled('1')), Buffer.of(0, 255));
  assert.equal(toDevice(property({ type: 'bytes' }), 'AP8=', scaled('1')), Buffer.of(0, 255));
});

const refused: [what: string, property: PropertyProfile, desired: string, says: RegExp][] = [
  ['a read-only property', property({ accessMode: 'ReadOnly' }), '23', /of setpoint is not written: the property is ReadOnly$/],
  [
    'a value above the maximum',
    property({ minimum: '5', maximum: '35' }),
    '35.1',
    /"35.1" of setpoint is not written: it is outside 5 to 35$/,
  ],
  ['a value below a minimum without a maximum', property({ minimum: '5' }), '4', /outside 5 to ∞$/],
  ['an int64 one above its maximum', property({ type: 'int', maximum: '9007199254740992' }), '9007199254740993', /outside/],
  ['a text for a number', property(), 'warm', /it is no float$/],
  ['a fraction for an int', property({ type: 'int' }), '21.5', /it is no int$/],
  ['an empty text for a number', property(), '', /it is no float$/],
  ['an unknown word for a boolean', property({ type: 'boolean' }), 'maybe', /it is no boolean$/],
  ['NaN where there are bounds', property({ minimum: '5' }), 'NaN', /outside/],
];
for (const [what, which, desired, says] of refused) {
  test(`${what} is not written, and says why`, () =>
    assert.throws(
      () => toDevice(which, desired, scaled('1')),
      (error: Error) => isHiveletError(error, 'VALUE_INVALID') && says.test(error.message),
    ));
}

test('what is written is the same when it is read back, whatever the scale', () => {
  for (const scale of ['1', '0.1', '0.5', '2', '-0.01', '100', '0.3']) {
    for (const desired of ['0', '1', '20', '-7', '250', '12345']) {
      const raw = toDevice(property({ type: 'int' }), desired, scaled(scale));
      const text = toText('int', raw, scaled(scale));
      // Towards zero: an int can lose up to one step more than the rounding of the register.
      assert.ok(
        sameValue('int', text, desired, Math.max(Math.abs(Number(scale)) / 2, 1)),
        `${desired} × ${scale} -> ${String(raw)} -> ${text}`,
      );
    }
  }
});

test('a scale is read from the visitor in any spelling; 0 and nothing are the default', () => {
  assert.equal(readScale({ Scale: '0.1' }, 'v'), scaled('0.1'));
  assert.equal(readScale({ scale: 0.1 }, 'v'), scaled('0.1'));
  assert.equal(readScale({ scale: 0 }, 'v'), scaled('1'));
  assert.equal(readScale({}, 'v', 0.001), scaled('0.001'));
  assert.throws(() => readScale({ scale: 'tenth' }, 'visitor of p'), /^visitor of p\.scale: "tenth" is no number/);
});

test('booleans are compared in one spelling', () => {
  assert.equal([normalised('boolean', 'ON'), normalised('boolean', 'no'), normalised('string', 'ON')], ['true', 'false', 'ON']);
});

test('decimals are exact', () => {
  assert.is(truncated(scaled('-2.999')), -2n);
  assert.is(truncated(scaled('3e2')), 300n);
  assert.is(dividedToNearest(5n, scaled('10')), 1n);
  assert.is(dividedToNearest(-5n, scaled('10')), -1n);
  assert.is(dividedToNearest(1n, scaled('-0.5')), -2n);
  assert.is(parseDecimal('1.2.3'), undefined);
  assert.is(parseDecimal('.'), undefined);
  assert.equal(
    [plainText(1.5e-7), plainText(-1e21), plainText(0.1 + 0.2), plainText(Math.fround(0.3), true)],
    ['0.00000015', '-1000000000000000000000', '0.30000000000000004', '0.3'],
  );
});

test.run();

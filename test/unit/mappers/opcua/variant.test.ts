/** Proves what values of OPC UA become, and what is written in the node's own type. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHiveletError } from '#beehive/errors.ts';
import type { ValueType } from '#device-models/values.ts';
import { BUILT_IN, decodeVariant, encodeVariant, stampOf } from '#mappers/opcua/variant.ts';

const decoded = (name: keyof typeof BUILT_IN, value: unknown, type: ValueType = 'string'): unknown => {
  const result = decodeVariant({ dataType: BUILT_IN[name], value }, type);
  return 'value' in result ? result.value : result.fault;
};

test('whole numbers are exact to 64 bits, from their halves', () => {
  assert.is(decoded('Int64', [0xffff_ffff, 0xffff_fffb]), -5n);
  assert.is(decoded('UInt64', [0xffff_ffff, 0xffff_fffb]), 18_446_744_073_709_551_611n);
  assert.is(decoded('Int64', [0x20_0000, 1]), 2n ** 53n + 1n);
  assert.is(decoded('Byte', 255), 255n);
});

test('a Float is the shortest decimal that it is', () => {
  assert.is(decoded('Float', Math.fround(0.1)), 0.1);
  assert.is(decoded('Float', Math.fround(16_777_217)), 16_777_216);
  assert.ok(Number.isNaN(decoded('Float', NaN)));
});

test('times, texts and bytes have the form of the property', () => {
  const time = new Date('2026-01-31T12:00:00Z');
  assert.is(decoded('DateTime', time), '2026-01-31T12:00:00.000Z');
  assert.is(decoded('DateTime', time, 'int'), BigInt(time.getTime()));
  assert.is(decoded('LocalizedText', { locale: 'de', text: 'warm' }), 'warm');
  assert.is(decoded('LocalizedText', { text: null }), '');
  assert.equal(decoded('ByteString', Uint8Array.of(1, 2), 'bytes'), Uint8Array.of(1, 2));
});

test('lists are texts of JSON, bytes, or one value; what is no value says why', () => {
  assert.is(decoded('Double', Float64Array.of(1, 2.5)), '[1,2.5]');
  assert.is(decoded('String', ['a"b', 'c']), '["a\\"b","c"]');
  assert.is(
    decoded('Int64', [
      [0, 1],
      [0, 2],
    ]),
    '[1,2]',
  );
  assert.is(decoded('Double', [7], 'double'), 7);
  assert.equal(decoded('Byte', Uint8Array.of(1, 2), 'bytes'), Uint8Array.of(1, 2));
  assert.is(
    decoded('Double', [1, 2], 'double'),
    "the node holds a list of 2 Double: make the property a string, or name one element's node",
  );
  assert.is(decoded('Double', null), 'the node holds no value');
  const structure = decodeVariant({ dataType: 22, value: {} }, 'string');
  assert.equal(structure, { fault: 'the node holds a structure, which no property can' });
});

test('values are written in the type of the node, and refused when it does not hold them', () => {
  const value = (name: keyof typeof BUILT_IN, from: Parameters<typeof encodeVariant>[2]): unknown =>
    encodeVariant('ns=1;i=1', BUILT_IN[name], from).value;
  assert.equal(value('Int64', -5n), [0xffff_ffff, 0xffff_fffb]);
  assert.equal(value('UInt64', 2n ** 64n - 1n), [0xffff_ffff, 0xffff_ffff]);
  assert.is(value('Int16', 215.00000000000003), 215);
  assert.is(value('Boolean', 'on'), true);
  assert.is(value('String', 5n), '5');
  assert.equal(value('LocalizedText', 'hot'), { text: 'hot' });
  assert.equal(value('DateTime', 0n), new Date(0));
  const refusal = (name: keyof typeof BUILT_IN, from: Parameters<typeof encodeVariant>[2]): string => {
    try {
      value(name, from);
    } catch (error) {
      return isHiveletError(error) ? `${error.code} ${error.message}` : String(error);
    }
    return '';
  };
  assert.is(refusal('UInt16', -1n), 'VALUE_INVALID ns=1;i=1: "-1" is outside 0 to 65535, which is what UInt16 holds');
  assert.is(refusal('Float', 1e39), 'VALUE_INVALID ns=1;i=1: "1e+39" is larger than a Float holds');
  assert.is(refusal('DateTime', 'soon'), 'VALUE_INVALID ns=1;i=1: "soon" is no time: write one such as 2026-01-31T12:00:00Z');
  assert.match(refusal('NodeId', 'i=1'), /^POINT_REJECTED ns=1;i=1: the node takes a NodeId, which cannot be written/);
});

test('stamps of 1601 are none', () => {
  assert.is(stampOf(new Date('1601-01-01T00:00:00Z')), undefined);
  assert.is(stampOf(null), undefined);
  assert.is(stampOf(new Date(5000)), 5000);
});

test.run();

/** Proves what values of OPC UA become, and what is written in the node's own type. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHiveletError } from '#beehive/errors.ts';
import type { ValueType } from '#device-models/values.ts';
import { encodeList } from '#mappers/opcua/list.ts';
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
  assert.is(decoded('String', null), '', 'many servers have no other empty text');
  assert.equal(decoded('ByteString', null, 'bytes'), new Uint8Array());
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
  assert.equal(value('UInt64', '18446744073709551615'), [0xffff_ffff, 0xffff_ffff], 'a UInt64 is a string property');
  assert.is(value('Int16', 215.00000000000003), 215);
  assert.is(value('Boolean', 'on'), true);
  assert.is(value('String', 5n), '5');
  assert.equal(value('LocalizedText', 'hot'), { text: 'hot' });
  assert.equal(value('DateTime', 0n), new Date(0));
  assert.is(value('Guid', '72962b91-fa75-4ae6-8d28-b404dc7daf63'), '72962B91-FA75-4AE6-8D28-B404DC7DAF63', 'as it is read');
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

test('a list is written from what it is read as, exact to 64 bits', () => {
  const list = (name: keyof typeof BUILT_IN, from: Parameters<typeof encodeList>[2]): unknown =>
    encodeList('ns=1;i=1', BUILT_IN[name], from).value;
  assert.equal(list('Double', '[1, 2.5,-3e2]'), [1, 2.5, -300]);
  assert.equal(list('Int64', '[9007199254740993, -1]'), [
    [0x20_0000, 1],
    [0xffff_ffff, 0xffff_ffff],
  ]);
  assert.equal(list('String', '["a,b","[c]"]'), ['a,b', '[c]']);
  assert.equal(list('Boolean', '[true,false]'), [true, false]);
  assert.equal(list('ByteString', '["01ff"]'), [Buffer.from([1, 255])]);
  assert.equal(list('Byte', Uint8Array.of(1, 255)), [1, 255]);
  assert.equal(list('Int16', '[]'), []);
  assert.equal(list('Int16', 7n), [7], 'a list of one is read as that one');
  for (const text of ['[1,', '[1,,2]', '[[1]]', '[null]', `[${'1,'.repeat(1000)}1]`])
    assert.throws(() => list('Int16', text), /is no list of Int16: write one such as \[1, 2\]/);
  assert.throws(() => list('Byte', '[1,256]'), /"256" is outside 0 to 255/);
});

test('a value is as old as the answer or as its change, never of 1601 and never of the future', () => {
  const [none, early, late] = [new Date('1601-01-01T00:00:00Z'), new Date(5000), new Date(8000)];
  const at = (how: 'read' | 'pushed', sourceTimestamp: Date | null, serverTimestamp: Date | null): unknown =>
    stampOf({ sourceTimestamp, serverTimestamp }, { how, latestMs: 9000 });
  assert.is(at('read', early, late), 8000);
  assert.is(at('pushed', early, late), 5000);
  assert.is(at('pushed', none, late), 8000);
  assert.is(at('pushed', new Date('2099-01-01T00:00:00Z'), late), 8000, 'the clock of the source is ahead');
  assert.is(at('read', early, new Date(9001)), 5000);
  assert.is(at('read', null, none), undefined);
  assert.is(at('pushed', new Date(NaN), null), undefined);
});

test.run();

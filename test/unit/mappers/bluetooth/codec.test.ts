/** Proves what bytes of a characteristic mean, and which bytes a value becomes. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHiveletError } from '#beehive/errors.ts';
import type { ValueType } from '#device-models/values.ts';
import type { PropertyValue } from '#mappers/contract.ts';
import { readAccess } from '#mappers/bluetooth/access.ts';
import { bytesOf, valueOf, type BluetoothPoint } from '#mappers/bluetooth/codec.ts';

function point(type: ValueType, visitor: object = {}): BluetoothPoint {
  return { name: 'p', type, access: readAccess({ characteristicUUID: '2a19', ...visitor }, 'p', { name: 'p', type }) };
}
const bytes = (hex: string): Uint8Array => Buffer.from(hex, 'hex');
type Operation = readonly [type: string, value: number | string];
const converter = (
  startIndex: number,
  endIndex: number,
  { operations = [], ...more }: { operations?: Operation[]; shiftLeft?: number; shiftRight?: number } = {},
): object => ({
  dataConverter: {
    startIndex,
    endIndex,
    orderOfOperations: operations.map(([operationType, operationValue]) => ({ operationType, operationValue })),
    ...more,
  },
});

for (const [what, type, visitor, hex, expected] of [
  ['the published IR temperature', 'float', converter(1, 0, { shiftRight: 2, operations: [['Multiply', 0.03125]] }), 'ac0b', 23.34375],
  ['the published pressure', 'float', converter(3, 5, { operations: [['Divide', 100]] }), '000000018a92', 1010.1],
  ['the pressure of a genuine sensor', 'float', converter(5, 3, { operations: [['Divide', 100]] }), '150900cd8b01', 1013.25],
  ['bytes from the first on', 'int', converter(0, 1), '0a05', 0x0a05n],
  ['bytes downwards', 'int', converter(1, 0), '0a05', 0x050an],
  ['one byte in the middle', 'int', converter(1, 1), '0a0b0c', 11n],
  ['a shift to the left', 'int', converter(0, 0, { shiftLeft: 4 }), 'ff', 0xff0n],
  ['both shifts: the left one', 'int', converter(0, 0, { shiftLeft: 1, shiftRight: 3 }), '08', 16n],
  [
    'operations in their order',
    'int',
    converter(0, 0, {
      operations: [
        ['Add', 2],
        ['Multiply', 3],
        ['Subtract', 1],
      ],
    }),
    '04',
    17n,
  ],
  ['operations in another case', 'int', converter(0, 0, { operations: [['DIVIDE', '2']] }), '08', 4n],
  ['an unknown operation is passed over', 'int', converter(0, 0, { operations: [['Modulo', 2]] }), '08', 8n],
  ['no error of binary fractions', 'int', converter(1, 0, { operations: [['Multiply', 0.1]] }), '2e09', 235n],
  ['a negative number', 'float', { ...converter(1, 0, { shiftRight: 2, operations: [['Multiply', 0.03125]] }), signed: true }, '00fc', -8n],
  ['a 64-bit number', 'int', converter(0, 7), 'ffffffffffffffff', 2n ** 64n - 1n],
  ['no converter: the first byte', 'int', {}, '5a01', 90n],
  ['no converter, signed', 'int', { signed: true }, 'ff', -1n],
  ['an empty converter is none', 'int', { dataConverter: {} }, '5a', 90n],
  ['a text', 'string', {}, '54492d434300', 'TI-CC'],
  ['bytes that are no text', 'string', {}, '0001ff', '0001ff'],
  ['a truth', 'boolean', {}, '0002', true],
] as [string, ValueType, object, string, PropertyValue][])
  test(what, () => assert.equal(valueOf(point(type, visitor), bytes(hex)), expected));

test('raw bytes stay as they are', () => assert.equal(valueOf(point('bytes'), bytes('0001')), bytes('0001')));

test('an index beyond the data is an error of this property', () => {
  assert.match(
    refusal(() => valueOf(point('int', converter(3, 5)), bytes('0102'))),
    /has 2 bytes, but the dataConverter reads byte 5/,
  );
});

const SWITCH = { dataWrite: { ON: [1], OFF: 'AA==' } };

test('what a switch holds reads as its text', () => {
  assert.is(valueOf(point('string', SWITCH), bytes('01')), 'ON');
  assert.is(valueOf(point('string', SWITCH), bytes('00')), 'OFF');
  assert.is(valueOf(point('string', SWITCH), bytes('07')), '07');
  assert.is(valueOf(point('boolean', SWITCH), bytes('01')), true);
});

test('a text that YAML made a boolean of is found, and read back as it was written', () => {
  for (const text of ['ON', 'on', 'true', 'yes']) {
    const written = bytesOf(point('string', SWITCH), text);
    assert.equal([...written.bytes], [1]);
    assert.is(valueOf(point('string', SWITCH), written.bytes, written.text), text);
  }
  assert.is(valueOf(point('string', SWITCH), bytes('00'), 'true'), 'OFF', 'unless the device holds something else by now');
  const folded = point('string', { dataWrite: { true: [1], false: [0] } });
  assert.equal([...bytesOf(folded, 'ON').bytes], [1]);
});

test('a text without bytes is refused with those that there are', () => {
  assert.match(
    refusal(() => bytesOf(point('string', SWITCH), 'BLINK')),
    /dataWrite has no bytes for "BLINK" \(it has ON, OFF\)/,
  );
});

for (const [what, type, visitor, value, hex] of [
  ['dataWrite for a number', 'int', { dataWrite: { 5: [9] } }, 5n, '09'],
  ['a number is one byte', 'int', {}, 200n, 'c8'],
  ['a negative one', 'int', { signed: true }, -2n, 'fe'],
  ['a period of 10 ms units', 'int', converter(0, 0, { operations: [['Multiply', 10]] }), 500n, '32'],
  ['little endian, divided, shifted', 'float', converter(1, 0, { shiftRight: 2, operations: [['Multiply', 0.03125]] }), 23.34375, 'ac0b'],
  ['a text', 'string', {}, 'abc', '616263'],
  ['a truth', 'boolean', {}, true, '01'],
  ['bytes', 'bytes', {}, bytes('0102'), '0102'],
] as [string, ValueType, object, PropertyValue, string][])
  test(`${what} is written`, () => assert.is(Buffer.from(bytesOf(point(type, visitor), value).bytes).toString('hex'), hex));

for (const [what, type, visitor, value, why] of [
  ['a number beyond its byte', 'int', {}, 256n, /is one byte, from 0 to 255, which 256 is not/],
  ['a fraction without a converter', 'float', {}, 1.5, /which 1\.5 is not/],
  ['a number beyond its bytes', 'int', converter(1, 0), 65_536n, /65536 does not fit into the 2 bytes/],
  ['a part of a characteristic', 'int', converter(1, 1), 1n, /reads a part of the characteristic only/],
  ['what was multiplied by 0', 'int', converter(0, 0, { operations: [['Multiply', 0]] }), 1n, /cannot be undone/],
] as [string, ValueType, object, PropertyValue, RegExp][])
  test(`${what} is refused`, () =>
    assert.match(
      refusal(() => bytesOf(point(type, visitor), value)),
      why,
    ));

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(isHiveletError(error, 'VALUE_INVALID'), String(error));
    return error.message;
  }
  throw new Error('it was accepted');
}

test.run();

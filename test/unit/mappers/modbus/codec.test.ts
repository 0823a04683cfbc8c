/** Proves how values lie in registers and bits: the tables of reference/mappers.md 2.2 and 2.3, in both directions. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHiveletError } from '#beehive/errors.ts';
import type { PropertyValue } from '#mappers/contract.ts';
import type { ModbusAccess } from '#mappers/modbus/access.ts';
import { decode, encode } from '#mappers/modbus/codec.ts';

const registers = (count: number, rest: Partial<ModbusAccess> = {}): ModbusAccess => ({
  space: 'holding',
  address: 0,
  count,
  encoding: 'unsigned',
  swapBytes: false,
  swapRegisters: false,
  ...rest,
});
const bits = (count: number): ModbusAccess => registers(count, { space: 'coil', encoding: 'bits' });
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

const bothWays: { what: string; access: ModbusAccess; wire: string; value: PropertyValue }[] = [
  { what: '16 bits unsigned', access: registers(1), wire: 'ffff', value: 65_535n },
  { what: '16 bits signed', access: registers(1, { encoding: 'signed' }), wire: 'ffff', value: -1n },
  { what: '32 bits unsigned', access: registers(2), wire: 'ffff fffe', value: 4_294_967_294n },
  { what: '32 bits signed', access: registers(2, { encoding: 'signed' }), wire: '8000 0000', value: -2_147_483_648n },
  { what: '48 bits unsigned', access: registers(3), wire: '0001 0000 0000', value: 4_294_967_296n },
  { what: '48 bits signed', access: registers(3, { encoding: 'signed' }), wire: 'ffff ffff fffe', value: -2n },
  { what: '64 bits unsigned', access: registers(4), wire: 'ffff ffff ffff ffff', value: 18_446_744_073_709_551_615n },
  { what: '64 bits signed', access: registers(4, { encoding: 'signed' }), wire: '8000 0000 0000 0001', value: -9_223_372_036_854_775_807n },
  {
    what: '64 bits signed, beyond 2^53',
    access: registers(4, { encoding: 'signed' }),
    wire: '0020 0000 0000 0001',
    value: 9_007_199_254_740_993n,
  },
  { what: 'float, ABCD', access: registers(2, { encoding: 'float' }), wire: '4148 0000', value: 12.5 },
  { what: 'float, CDAB', access: registers(2, { encoding: 'float', swapRegisters: true }), wire: '0000 4148', value: 12.5 },
  { what: 'float, BADC', access: registers(2, { encoding: 'float', swapBytes: true }), wire: '4841 0000', value: 12.5 },
  {
    what: 'float, DCBA',
    access: registers(2, { encoding: 'float', swapBytes: true, swapRegisters: true }),
    wire: '0000 4841',
    value: 12.5,
  },
  { what: 'double', access: registers(4, { encoding: 'float' }), wire: '3ff0 0000 0000 0001', value: 1.0000000000000002 },
  {
    what: 'double, r3 r2 r1 r0',
    access: registers(4, { encoding: 'float', swapRegisters: true }),
    wire: '0001 0000 0000 3ff0',
    value: 1.0000000000000002,
  },
  { what: 'integer, CDAB', access: registers(2, { swapRegisters: true }), wire: '0002 0001', value: 65_538n },
  { what: 'integer, BADC', access: registers(2, { swapBytes: true }), wire: '0100 0200', value: 65_538n },
  { what: 'integer, DCBA', access: registers(2, { swapBytes: true, swapRegisters: true }), wire: '0200 0100', value: 65_538n },
  { what: 'text', access: registers(3, { encoding: 'text' }), wire: '4142 4300 0000', value: 'ABC' },
  { what: 'text with bytes exchanged', access: registers(2, { encoding: 'text', swapBytes: true }), wire: '4241 0043', value: 'ABC' },
  { what: 'empty text', access: registers(1, { encoding: 'text' }), wire: '0000', value: '' },
  { what: 'text of two-byte characters', access: registers(2, { encoding: 'text' }), wire: 'c2b0 4300', value: '°C' },
  { what: 'one bit', access: bits(1), wire: '01', value: 1n },
  { what: 'nine bits, the first is the lowest', access: bits(9), wire: '01 01', value: 257n },
];

for (const { what, access, wire, value } of bothWays) {
  test(`${what} is read from the wire and written back the same`, () => {
    assert.is(decode(access, hex(wire)), value);
    assert.equal(Uint8Array.from(encode(access, value)), hex(wire));
  });
}

test('bytes come as they are', () => {
  const access = registers(2, { encoding: 'bytes' });
  assert.equal(decode(access, hex('00ff 1000')), hex('00ff1000'));
  assert.equal(Uint8Array.from(encode(access, hex('00ff10'))), hex('00ff1000'));
});

test('a bit beyond the wanted ones does not count', () => {
  assert.is(decode(bits(2), hex('ff')), 3n);
});

test('numbers from a scaled float are rounded into an integer register', () => {
  assert.equal(Uint8Array.from(encode(registers(1), 213.00000000000003)), hex('00d5'));
  assert.equal(Uint8Array.from(encode(registers(1), 0.6)), hex('0001'));
});

test('booleans fill a register as 1 and 0', () => {
  assert.equal(Uint8Array.from(encode(registers(1), true)), hex('0001'));
  assert.equal(Uint8Array.from(encode(registers(1), false)), hex('0000'));
});

const refused: { what: string; access: ModbusAccess; value: PropertyValue; says: RegExp }[] = [
  { what: '65536 in one register', access: registers(1), value: 65_536n, says: /65536 does not fit into 16 bits$/ },
  { what: '-1 in an unsigned register', access: registers(1), value: -1n, says: /negative minimum/ },
  { what: '32768 in a signed register', access: registers(1, { encoding: 'signed' }), value: 32_768n, says: /16 bits$/ },
  { what: '2 in a coil', access: bits(1), value: 2n, says: /2 does not fit into 1 bit$/ },
  {
    what: 'a text that is too long',
    access: registers(1, { encoding: 'text' }),
    value: 'ABC',
    says: /3 bytes do not fit into 1 registers/,
  },
  { what: '1e39 in a 32-bit float', access: registers(2, { encoding: 'float' }), value: 1e39, says: /32-bit float/ },
  { what: 'infinity in an integer', access: registers(1), value: Infinity, says: /no whole number/ },
  { what: 'a text in an integer', access: registers(1), value: 'warm', says: /warm is no number/ },
];

for (const { what, access, value, says } of refused) {
  test(`${what} is refused`, () => {
    assert.throws(
      () => encode(access, value),
      (error: Error) => isHiveletError(error, 'VALUE_INVALID') && says.test(error.message),
    );
  });
}

test.run();

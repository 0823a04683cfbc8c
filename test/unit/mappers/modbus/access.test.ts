/** Proves where a visitor of any generation points, and how its value is read. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHiveletError } from '#beehive/errors.ts';
import type { ValueType } from '#device-models/values.ts';
import { readAccess, type ModbusAccess } from '#mappers/modbus/access.ts';

const read = (input: Record<string, unknown>, type: ValueType = 'int', minimum?: string): ModbusAccess =>
  readAccess(input, 'visitor', { name: 'p', type, ...(minimum === undefined ? {} : { minimum }) });
const holding = (more: Record<string, unknown> = {}): Record<string, unknown> => ({ register: 'HoldingRegister', offset: 2, ...more });

test('offset is the address and limit the count', () => {
  assert.equal(read(holding({ limit: 2, isSwap: true, isRegisterSwap: 'true' })), {
    space: 'holding',
    address: 2,
    count: 2,
    encoding: 'unsigned',
    swapBytes: true,
    swapRegisters: true,
  });
});

test('the oldest mapper called the address index and the count offset', () => {
  const access = read({ register: 'InputRegister', index: 30, offset: 2 });
  assert.is(access.address, 30);
  assert.is(access.count, 2);
});

test('keys are read in any spelling, numbers also as texts', () => {
  const access = read({ Register: 'coilregister', Offset: '7', LIMIT: '3' });
  assert.equal([access.space, access.address, access.count, access.encoding], ['coil', 7, 3, 'bits']);
});

const encodings: [type: ValueType, limit: number | undefined, count: number, encoding: string][] = [
  ['int', undefined, 1, 'unsigned'],
  ['boolean', undefined, 1, 'unsigned'],
  ['float', undefined, 2, 'float'],
  ['double', undefined, 4, 'float'],
  ['float', 1, 1, 'unsigned'],
  ['double', 2, 2, 'float'],
  ['float', 3, 3, 'unsigned'],
  ['string', 8, 8, 'text'],
  ['bytes', 8, 8, 'bytes'],
];
for (const [type, limit, count, encoding] of encodings) {
  test(`a ${type} in ${limit ?? 'no stated number of'} registers is ${count} as ${encoding}`, () => {
    const access = read(holding(limit === undefined ? {} : { limit }), type);
    assert.equal([access.count, access.encoding], [count, encoding]);
  });
}

test('registers are signed when the minimum is negative or signed says so', () => {
  assert.is(read(holding(), 'int', '-40').encoding, 'signed');
  assert.is(read(holding(), 'int', '0').encoding, 'unsigned');
  assert.is(read(holding({ signed: true }), 'int').encoding, 'signed');
  assert.is(read(holding({ customizedValues: { signed: 'true' } }), 'int').encoding, 'signed');
  assert.is(read(holding({ signed: false }), 'int', '-40').encoding, 'unsigned');
});

const refused: [what: string, input: Record<string, unknown>, says: RegExp][] = [
  ['no register kind', { offset: 1 }, /^visitor\.register: undefined is no register kind/],
  ['an unknown register kind', { register: 'Holding Register', offset: 1 }, /is no register kind/],
  ['a limit of 0', holding({ limit: 0 }), /^visitor\.limit: 0 is not possible: write 1 to 125$/],
  ['a limit of 126', holding({ limit: 126 }), /write 1 to 125$/],
  ['an integer of 5 registers', holding({ limit: 5 }), /hold no number: write 1 to 4/],
  ['an offset of -1', holding({ offset: -1 }), /^visitor\.offset: -1 is no whole number from 0 to 65535$/],
  ['a range beyond the last address', holding({ offset: 65_535, limit: 2 }), /reaches beyond 65535/],
];
for (const [what, input, says] of refused) {
  test(`${what} is refused with its field`, () =>
    assert.throws(
      () => read(input),
      (error: Error) => isHiveletError(error, 'PROFILE_INVALID') && says.test(error.message),
    ));
}

test.run();

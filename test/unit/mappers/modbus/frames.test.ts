/** Proves the bytes of requests and answers (examples of the Modbus specification) and what is no answer. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHiveletError } from '#beehive/errors.ts';
import { answerLength, ModbusException, readAnswer, readRequest, writeRequest, type Space } from '#mappers/modbus/frames.ts';
import { findAnswer, withCrc } from '#mappers/modbus/rtu.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const at = (space: Space, address: number, count: number): { space: Space; address: number; count: number } => ({ space, address, count });

const reads: [space: Space, address: number, count: number, request: string, answer: string, data: string][] = [
  ['coil', 0x13, 0x13, '01 0013 0013', '01 03 cd6b05', 'cd6b05'],
  ['discrete', 0xc4, 0x16, '02 00c4 0016', '02 03 acdb35', 'acdb35'],
  ['holding', 0x6b, 3, '03 006b 0003', '03 06 022b00000064', '022b00000064'],
  ['input', 8, 1, '04 0008 0001', '04 02 000a', '000a'],
];
for (const [space, address, count, request, answer, data] of reads) {
  test(`a read of ${space} is asked and answered as the specification shows`, () => {
    assert.equal(readRequest(at(space, address, count)), hex(request));
    assert.is(answerLength(hex(request)), hex(answer).length);
    assert.equal(Buffer.from(readAnswer(hex(request), hex(answer))), hex(data));
  });
}

test('writes are asked as the specification shows', () => {
  assert.equal(writeRequest(at('coil', 0xac, 1), Uint8Array.of(1)), hex('05 00ac ff00'));
  assert.equal(writeRequest(at('coil', 0xac, 1), Uint8Array.of(0)), hex('05 00ac 0000'));
  assert.equal(writeRequest(at('holding', 1, 1), hex('0003')), hex('06 0001 0003'));
  assert.equal(writeRequest(at('coil', 0x13, 10), hex('cd01')), hex('0f 0013 000a 02 cd01'));
  assert.equal(writeRequest(at('holding', 1, 2), hex('000a0102')), hex('10 0001 0002 04 000a0102'));
  assert.equal(writeRequest(at('holding', 1, 1), hex('000a'), { asMany: true }), hex('10 0001 0001 02 000a'));
});

test('an exception has the name of the specification', () => {
  const caught = (code: number): ModbusException => {
    try {
      readAnswer(hex('03 0000 0001'), Uint8Array.of(0x83, code));
    } catch (error) {
      if (error instanceof ModbusException) return error;
    }
    throw new Error('no exception');
  };
  assert.is(caught(2).message, 'ILLEGAL DATA ADDRESS');
  assert.is(caught(99).message, 'EXCEPTION 99');
  assert.equal([caught(11).fromGateway, caught(2).fromGateway, caught(6).passing, caught(2).passing], [true, false, true, false]);
});

const noAnswers: [what: string, answer: string][] = [
  ['another function', '04 02 000a'],
  ['too few bytes', '03 02 00'],
  ['a wrong byte count', '03 04 000a'],
];
for (const [what, answer] of noAnswers) {
  test(`${what} is no answer`, () =>
    assert.throws(
      () => readAnswer(hex('03 0008 0001'), hex(answer)),
      (error: unknown) => isHiveletError(error, 'DEVICE_UNREACHABLE'),
    ));
}

test('the echo of a write must be that write', () => {
  assert.is(readAnswer(hex('06 0001 0003'), hex('06 0001 0003')).length, 0);
  assert.throws(() => readAnswer(hex('06 0001 0003'), hex('06 0001 0004')), /echo/);
});

test('a serial frame ends with its checksum, low byte first', () => {
  assert.equal(withCrc(hex('0103 0000 000a')), hex('0103 0000 000a c5cd'));
});

test('an answer on a serial line is found behind noise, and not in a broken frame', () => {
  const request = { unit: 1, pdu: hex('03 0008 0001') };
  const frame = withCrc(hex('01 03 02 000a'));
  assert.equal(findAnswer(frame, request), hex('03 02 000a'));
  assert.equal(findAnswer(Buffer.concat([hex('ff01030000'), frame]), request), hex('03 02 000a'));
  assert.is(findAnswer(frame.subarray(0, 6), request), undefined);
  assert.is(findAnswer(Buffer.concat([frame.subarray(0, 5), hex('0000')]), request), undefined);
  assert.is(findAnswer(withCrc(hex('02 03 02 000a')), request), undefined, 'another unit');
  assert.equal(findAnswer(withCrc(hex('01 83 02')), request), hex('83 02'));
});

test.run();

/** Proves how the YAML of a Bluetooth device is read: addresses, UUIDs and desired texts in all their spellings. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHiveletError } from '#beehive/errors.ts';
import { parse } from 'yaml';
import { readAccess } from '#mappers/bluetooth/access.ts';
import { linkKeyOf, readLink } from '#mappers/bluetooth/link.ts';
import { localNameOf, uuidFromNoble, uuidOf, uuidText } from '#mappers/bluetooth/uuid.ts';

const TI = 'f000aa4204514000b000000000000000';
const BATTERY = '00002a1900001000800000805f9b34fb';

for (const [written, expected] of [
  ['f000aa4204514000b000000000000000', TI],
  ['F000AA42-0451-4000-B000-000000000000', TI],
  [' {f000aa42-0451-4000-b000-000000000000} ', TI],
  ['urn:uuid:f000aa42-0451-4000-b000-000000000000', TI],
  ['2a19', BATTERY],
  ['0x2A19', BATTERY],
  ['00002a19', BATTERY],
  ['00002A19-0000-1000-8000-00805F9B34FB', BATTERY],
  [2902, '0000290200001000800000805f9b34fb'],
] as const)
  test(`${JSON.stringify(written)} is a UUID`, () => assert.is(uuidOf(written, 'p'), expected));

for (const written of ['', '2a1', 'heart rate', 10_777, 2e10, null, ['2a19']])
  test(`${JSON.stringify(written)} is no UUID`, () => {
    const error = failure(() => uuidOf(written, 'visitor of p.characteristicUUID'));
    assert.match(error, /^visitor of p\.characteristicUUID: .* is no UUID: /);
  });

test('noble writes short UUIDs without zeros in front', () => {
  assert.is(uuidFromNoble('1800'), uuidOf('1800', 'p'));
  assert.is(uuidFromNoble('18'), uuidOf('0018', 'p'));
  assert.is(uuidText(BATTERY), '2a19');
  assert.is(uuidText(TI), 'f000aa42-0451-4000-b000-000000000000');
});

for (const written of ['A0:E6:F8:00:00:01', 'a0-e6-f8-00-00-01', 'A0E6F8000001'])
  test(`${written} is an address`, () => assert.is(readLink({ macAddress: written }, 'p').address, 'a0:e6:f8:00:00:01'));

test('without an address the name counts, however it is spelt; with one it does not', () => {
  const link = readLink({ macAddress: '', localName: ' CC2650-SensorTag ' }, 'p');
  assert.equal([link.address, link.localName], ['', 'cc2650 sensortag']);
  assert.is(localNameOf('CC2650 SensorTag'), link.localName);
  assert.is(linkKeyOf(link), '"cc2650 sensortag"');
  const both = readLink({ macAddress: 'A0E6F8000001', localName: 'CC2650-SensorTag' }, 'p');
  assert.equal([both.address, both.localName, linkKeyOf(both)], ['a0:e6:f8:00:00:01', '', 'a0:e6:f8:00:00:01']);
});

test('what is no address says what to write', () => {
  assert.match(
    failure(() => readLink({}, 'spec.protocol')),
    /^spec\.protocol\.bluetooth\.macAddress is missing: write one such as/,
  );
  assert.match(
    failure(() => readLink({ macAddress: 'kitchen' }, 'spec.protocol')),
    /"kitchen" is no address/,
  );
  // YAML 1.1 counts in sixties where an address has decimal digits only.
  const { macAddress } = parse('macAddress: 11:22:33:44:55:06', { version: '1.1' }) as { macAddress: unknown };
  assert.match(
    failure(() => readLink({ macAddress }, 'spec.protocol')),
    /write it in quotes/,
  );
});

test('a time-out of its own is taken, an absurd one refused', () => {
  assert.is(readLink({ macAddress: 'a0:e6:f8:00:00:01', timeout: '1500' }, 'p').timeoutMs, 1500);
  assert.match(
    failure(() => readLink({ macAddress: 'a0:e6:f8:00:00:01', timeout: 5 }, 'p')),
    /p\.timeout: 5 is no time-out/,
  );
});

test('dataWrite takes lists of numbers and base64, and keys that YAML made booleans of', () => {
  const visitor = parse(`characteristicUUID: ${TI}\ndataWrite: {ON: [1], OFF: "AA==", Both: ["0x01", 255]}`, { version: '1.1' }) as Record<
    string,
    unknown
  >;
  const { dataWrite } = readAccess(visitor, 'p', { name: 'x', type: 'string' });
  assert.equal(
    Object.entries(dataWrite ?? {}).map(([text, bytes]) => [text, [...bytes]]),
    [
      ['true', [1]],
      ['false', [0]],
      ['Both', [1, 255]],
    ],
  );
});

for (const [dataWrite, fault] of [
  [{ ON: [256] }, /p\.dataWrite\.ON: \[256\] are no bytes/],
  [{ ON: 'on!' }, /p\.dataWrite\.ON: "on!" are no bytes/],
  [{ ON: [1.5] }, /are no bytes/],
  ['ON', /p\.dataWrite must map texts to bytes/],
] as const)
  test(`dataWrite ${JSON.stringify(dataWrite)} is refused`, () =>
    assert.match(
      failure(() => readAccess({ characteristicUUID: '2a19', dataWrite }, 'p', { name: 'x', type: 'string' })),
      fault,
    ));

test('a number has a sign when its minimum is negative, or when the visitor says so', () => {
  const signed = (more: object, minimum?: string): boolean =>
    readAccess({ characteristicUUID: '2a19', ...more }, 'p', { name: 'x', type: 'float', ...(minimum === undefined ? {} : { minimum }) })
      .signed;
  assert.equal(
    [
      signed({}),
      signed({}, '-40'),
      signed({ signed: true }),
      signed({ dataConverter: { signed: 'true' } }),
      signed({ signed: false }, '-40'),
    ],
    [false, true, true, true, false],
  );
});

function failure(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(isHiveletError(error, 'PROFILE_INVALID'), String(error));
    return error.message;
  }
  throw new Error('it was accepted');
}

test.run();

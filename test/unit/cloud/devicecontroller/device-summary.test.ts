/** The short texts that tables show of a device. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { summaryOf } from '#cloud/devicecontroller/device-summary.ts';
import type { DeviceProfile, PropertyProfile } from '#device-models/device-profile.ts';

/** name -> [desired, reported, tolerance]. */
type Values = Record<string, [desired?: string | undefined, reported?: string | undefined, tolerance?: number]>;

function summarise(values: Values, over: Partial<DeviceProfile> = {}, reason?: string) {
  const properties = Object.entries(values).map(([name, [desired, , tolerance = 0]]): PropertyProfile => {
    const base = { name, type: 'float', accessMode: 'ReadWrite', collectCycleMs: 1000, reportCycleMs: 0, tolerance } as const;
    return desired === undefined ? base : { ...base, desired: { value: desired } };
  });
  const profile: DeviceProfile = { uid: 'u', namespace: 'default', name: 'd', model: 'm', protocol: '', protocolConfig: {}, properties };
  return summaryOf({ profile: { ...profile, ...over }, reported: (name) => values[name]?.[1], reason });
}

const many = (count: number, value: (index: number) => Values[string]): Values =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`property-${index + 1}`, value(index)]));

const texts: [what: string, values: Values, text: string | undefined, pending?: string][] = [
  ['nothing known', { a: [] }, undefined],
  ['a reading', { temperature: [undefined, '21.5'] }, 'temperature 21.5'],
  ['a reached value', { setpoint: ['23', '22.9', 0.1] }, 'setpoint 23 -> 22.9'],
  ['a value that was not reported yet', { setpoint: ['23'] }, 'setpoint 23 -> ?', 'setpoint'],
  ['an empty text', { label: ['x', ''] }, 'label x -> ""', 'label'],
  [
    'what is not reached first, readings last',
    { temperature: [undefined, '21'], setpoint: ['23', '23'], mode: ['1', '0'] },
    'mode 1 -> 0, setpoint 23 -> 23, temperature 21',
    'mode',
  ],
  ['readings that do not fit', many(20, () => [undefined, '1234567']), 'property-1 1234567, property-2 1234567 +18'],
  ['twenty reached values', many(20, () => ['5', '5']), '20/20 reached'],
  [
    'twenty values of which one is not reached',
    many(20, (index) => ['5', index === 7 ? '4' : '5']),
    'property-8 5 -> 4 (19/20 reached)',
    'property-8',
  ],
  [
    'twenty values of which none is reached',
    many(20, () => ['5', '4']),
    'property-1 5 -> 4, property-2 5 -> 4 (0/20 reached)',
    'property-1, property-2, property-3 +17',
  ],
  ['line breaks and long texts', { text: [undefined, 'a\n\tb\u001b[31mccccccccccccccccc'] }, 'text a b [31mccc…'],
];
for (const [what, values, text, pending] of texts) {
  test(`${what}: ${text ?? 'nothing'}`, () => {
    const summary = summarise(values);
    assert.is(summary.values, text);
    assert.is(summary.pending, pending);
    assert.ok((summary.values ?? '').length <= 56);
  });
}

const places: [config: Record<string, unknown>, address: string | undefined][] = [
  [{ slaveID: 3, ip: '192.0.2.40', port: 502 }, '192.0.2.40:502/3'],
  [{ slaveID: '3', serialPort: '/dev/ttyUSB0', baudRate: 9600 }, '/dev/ttyUSB0/3'],
  [{ serialName: '/dev/ttyS0' }, '/dev/ttyS0'],
  [{ url: 'opc.tcp://user:secret@plc:4840/x' }, 'opc.tcp://plc:4840/x'],
  [{ macAddress: 'BC:6A:29:AE:CC:96' }, 'BC:6A:29:AE:CC:96'],
  [{ macAddress: '', localName: 'cc2650-sensortag' }, 'cc2650-sensortag'],
  [{ name: 'dht11' }, 'dht11'],
  [{}, undefined],
];
for (const [protocolConfig, address] of places)
  test(`the address ${address ?? 'of nothing'}`, () => assert.is(summarise({}, { protocolConfig }).address, address));

test('what is known stands there, what is not is left out', () => {
  assert.equal(summarise({}, { node: 'pi', protocol: 'modbus' }, 'x'.repeat(200)), {
    node: 'pi',
    protocol: 'modbus',
    reason: `${'x'.repeat(99)}…`,
  });
  assert.equal(summarise({}), {});
});

test.run();

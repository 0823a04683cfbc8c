/** Owns the proof that every published Device and DeviceModel becomes the same internal profile. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sentenceOf } from '#device-models/problem.ts';
import { readModel, readProfile } from '#device-models/read-profile.ts';
import { small, told } from './small-device.ts';
import { yamlDocuments, yamlFixture } from '#test/support/yaml-fixture.ts';

function fixture(name: string, version?: '1.1' | '1.2'): { model: Record<string, unknown>; device: Record<string, unknown> } {
  const [model = {}, device = {}] = yamlFixture(name, version);
  return { model, device };
}

function pair(model: string, device: string, version?: '1.1' | '1.2'): { model: Record<string, unknown>; device: Record<string, unknown> } {
  return { model: yamlFixture(model, version)[0] ?? {}, device: yamlFixture(device, version)[0] ?? {} };
}

test('the v1alpha2 press has its visitor in the device and its cycle in nanoseconds', () => {
  const { model, device } = fixture('v1alpha2-press.yaml');
  const { profile, problems } = readProfile(device, model);
  assert.equal(problems, []);
  assert.equal(profile, {
    uid: '',
    namespace: 'default',
    name: 'press-07',
    description: 'hydraulic-press',
    node: 'edge-17',
    model: 'press-model',
    protocol: 'modbus',
    protocolConfig: { slaveID: 3, ip: '192.0.2.40', port: 502 },
    properties: [
      {
        name: 'pressure',
        description: 'oil pressure',
        type: 'int',
        accessMode: 'ReadWrite',
        minimum: '0',
        maximum: '250',
        unit: 'bar',
        visitor: {
          protocol: 'modbus',
          config: { register: 'HoldingRegister', offset: 10, limit: 1, scale: 1, isSwap: false, isRegisterSwap: false },
        },
        collectCycleMs: 1000,
        reportCycleMs: 0,
        tolerance: 0.5,
        desired: { value: '80', type: 'int' },
      },
    ],
    data: { topic: '$ke/events/device/press-07/data/update', properties: ['pressure'] },
  });
});

test('the v1beta1 boiler has visitors and desired values per property, texts for numbers and keys in any case', () => {
  const { model, device } = fixture('v1beta1-boiler.yaml');
  const { profile, problems } = readProfile(device, model);
  assert.equal(problems.map(sentenceOf), ['spec.propertyVisitors: "runs" has no visitor, so no mapper reads it: add one']);
  assert.equal(profile, {
    uid: '0b1e',
    namespace: 'plant',
    name: 'boiler',
    node: 'edge-17',
    model: 'boiler-model',
    protocol: 'modbus',
    protocolConfig: { communicateMode: 'TCP', ip: '192.0.2.41', port: '502', slaveID: '1' },
    properties: [
      {
        name: 'setpoint',
        description: 'wanted water temperature',
        type: 'float',
        accessMode: 'ReadWrite',
        minimum: '5',
        maximum: '80.5',
        unit: '°C',
        visitor: {
          protocol: 'modbus',
          config: { dataType: 'float', REGISTER: 'HoldingRegister', offset: '0', limit: 1, SCALE: '0.1' },
        },
        collectCycleMs: 2000,
        reportCycleMs: 60000,
        tolerance: 0.05,
        desired: { value: '21.5', type: 'float' },
      },
      {
        name: 'burner',
        type: 'boolean',
        accessMode: 'ReadOnly',
        visitor: { protocol: 'modbus', config: { register: 'CoilRegister', offset: 0, limit: 1 } },
        collectCycleMs: 1000,
        reportCycleMs: 0,
        tolerance: 0,
      },
      { name: 'runs', type: 'int', accessMode: 'ReadOnly', collectCycleMs: 1000, reportCycleMs: 0, tolerance: 0 },
    ],
  });
});

for (const version of ['1.1', '1.2'] as const) {
  test(`the published SensorTag mixes modbus and bluetooth visitors in its model, read as YAML ${version}`, () => {
    const { model, device } = pair('v1alpha1-sensor-tag-model.yaml', 'v1alpha1-sensor-tag01.yaml', version);
    const { profile, problems } = readProfile(device, model);
    assert.is(profile.node, 'node1');
    assert.is(profile.protocol, 'modbus');
    assert.equal(profile.protocolConfig, { serialPort: '1', baudRate: 115200, dataBits: 8, parity: 'even', stopBits: 1, slaveID: 1 });
    assert.equal(
      profile.properties.map(({ name, type, accessMode, visitor }) => [name, type, accessMode, visitor?.config['register']]),
      [
        ['temperature', 'int', 'ReadOnly', 'CoilRegister'],
        ['temperature-enable', 'string', 'ReadWrite', 'DiscreteInputRegister'],
        ['pressure', 'int', 'ReadOnly', undefined],
        ['pressure-enable', 'string', 'ReadWrite', undefined],
      ],
    );
    const [temperature, enable] = profile.properties;
    assert.is(temperature?.maximum, '100');
    assert.is(temperature?.minimum, undefined);
    assert.equal(enable?.desired, { value: version === '1.1' ? 'false' : 'OFF', type: 'string' });
    const expected = ['condition model:spec.propertyVisitors[3]', 'condition model:spec.propertyVisitors[2]'];
    assert.equal(told(problems), version === '1.1' ? ['warn status.twins[0].desired.value', ...expected] : expected);
    assert.equal(readModel(model).problems, []);
  });
}

test('the published DHT11 has no protocol and no visitors: its twins are there, and nobody reads them', () => {
  const { model, device } = pair('v1alpha2-dht11-model.yaml', 'v1alpha2-dht11.yaml');
  const { profile, problems } = readProfile(device, model);
  assert.equal(problems, []);
  assert.is(profile.protocol, '');
  assert.is(profile.node, 'ke-edge03');
  assert.is(profile.description, 'temperature-humidity');
  assert.equal(
    profile.properties.map(({ name, type, visitor, desired }) => ({ name, type, visitor, desired })),
    ['temperature', 'humidity'].map((name) => ({ name, type: 'string', visitor: undefined, desired: { value: '', type: 'string' } })),
  );
});

test('a device whose model is not there yet keeps its twins, reads nothing and says why', () => {
  const { device } = fixture('v1alpha2-press.yaml');
  const { profile, problems } = readProfile(device, undefined);
  assert.equal(told(problems), ['condition spec.deviceModelRef.name']);
  assert.equal(profile.properties, [
    {
      name: 'pressure',
      type: 'int',
      accessMode: 'ReadWrite',
      collectCycleMs: 1000,
      reportCycleMs: 0,
      tolerance: 0,
      desired: { value: '80', type: 'int' },
    },
  ]);
});

test('all three shapes of a visitor in one device are read, the device before its model', () => {
  const [model = {}, device = {}] = yamlDocuments(`
spec:
  properties: [{name: a, type: {int: {}}}, {name: b, type: INT, visitors: {protocolName: modbus, configData: {register: HoldingRegister, offset: 20}}}, {name: c, type: {integer: {}}}]
  propertyVisitors: [{propertyName: a, modbus: {register: HoldingRegister, offset: 10}}, {propertyName: b, modbus: {register: HoldingRegister, offset: 11}}, {propertyName: c, modbus: {register: HoldingRegister, offset: 12}}]
---
spec:
  deviceModelRef: {name: m}
  nodeName: n
  protocol: {modbus: {tcp: {ip: 192.0.2.1, port: 502, slaveID: '7'}}}
  propertyVisitors: [{propertyName: c, collectCycle: 5000}]
  properties: [{name: a, collectCycle: 250, visitors: {protocolName: Modbus, configData: {register: HoldingRegister, offset: 30}}}]
`);
  const { profile, problems } = readProfile(device, model);
  assert.equal(
    profile.properties.map(({ name, visitor, collectCycleMs }) => [name, visitor?.config['offset'], collectCycleMs]),
    [
      ['a', 30, 250],
      ['b', 20, 1000],
      ['c', 12, 5000],
    ],
  );
  assert.equal(profile.protocolConfig, { ip: '192.0.2.1', port: 502, slaveID: '7' });
  assert.equal(told(problems), ['condition model:spec.properties[2].type']);
});

test('a customized protocol is known by its name, and its configData are its settings', () => {
  const { profile, problems } = small({
    type: 'float: {accessMode: ReadOnly}',
    protocol: 'customizedProtocol: {protocolName: iio, configData: {name: dht11@0}}, common: {customizedValues: {room: "4"}}',
    visitor: 'customizedProtocol: {configData: {channel: in_temp_input}}, customizedValues: {x: 1}',
  });
  assert.equal(problems, []);
  assert.is(profile.protocol, 'iio');
  assert.equal(profile.protocolConfig, { room: '4', name: 'dht11@0' });
  assert.equal(profile.properties[0]?.visitor, { protocol: 'iio', config: { x: 1, channel: 'in_temp_input' } });
});

test('a serial port and RS-485 in the common block reach the protocol settings, and the serial port wins over an address', () => {
  const { profile } = small({
    protocol:
      'modbus: {slaveID: 4}, common: {collectTimeout: 3, com: {serialPort: /dev/ttyS0, baudRate: 9600, parity: EVEN}, tcp: {ip: 192.0.2.1, port: 502}, customizedValues: {serialType: RS485}}',
  });
  assert.equal(profile.protocolConfig, {
    serialType: 'RS485',
    ip: '192.0.2.1',
    port: 502,
    serialPort: '/dev/ttyS0',
    baudRate: 9600,
    parity: 'EVEN',
    collectTimeout: 3,
    slaveID: 4,
  });
});

test('the newest models hold a template of the protocol that the device overlays', () => {
  const [model = {}, device = {}] = yamlDocuments(`
spec: {protocol: modbus, protocolConfigData: {port: 502, slaveID: 1}, properties: [{name: a, type: INT}]}
---
spec: {deviceModelRef: {name: m}, nodeName: n, protocol: {configData: {ip: 192.0.2.1, slaveID: 9}}}
`);
  const { profile } = readProfile(device, model);
  assert.is(profile.protocol, 'modbus');
  assert.equal(profile.protocolConfig, { port: 502, slaveID: 9, ip: '192.0.2.1' });
});

const desiredCases: [type: string, twin: string, value: string | undefined, problems: string[]][] = [
  ['int', '{desired: {value: "5"}}', '5', []],
  ['int', '{desired: {value: 5}}', '5', []],
  ['int', '{desired: {value: ""}}', undefined, []],
  ['int', '{}', undefined, []],
  ['int', '{desired: {metadata: {type: integer}, value: "7"}}', '7', []],
  ['int', '{desired: {value: warm}}', 'warm', ['condition status.twins[0].desired.value']],
  ['int', '{desired: {value: {a: 1}}}', undefined, ['condition status.twins[0].desired.value']],
  ['string', '{desired: {value: ""}}', '', []],
  ['string', '{desired: {value: true}}', 'true', ['warn status.twins[0].desired.value']],
  ['boolean', '{desired: {value: "ON"}}', 'true', []],
  ['boolean', '{desired: {value: "0"}}', 'false', []],
  ['boolean', '{desired: {value: "maybe"}}', 'maybe', ['condition status.twins[0].desired.value']],
  ['double', '{desired: {value: 1.25, metadata: {type: Updated}}}', '1.25', ['warn status.twins[0].desired.metadata.type']],
];
for (const [type, twin, value, problems] of desiredCases) {
  test(`desired of a ${type} twin ${twin} is ${value ?? 'absent'}`, () => {
    const read = small({ type: `${type}: {}`, twins: `[{propertyName: p, ${twin.slice(1)}]`.replace(', }', '}') });
    assert.is(read.profile.properties[0]?.desired?.value, value);
    assert.equal(told(read.problems), problems);
  });
}

test('a desired value outside the range or on a read-only property is told and kept', () => {
  const read = small({
    type: 'float: {accessMode: ReadOnly, minimum: 5, maximum: "35.5"}',
    twins: '[{propertyName: p, desired: {value: "36"}}]',
  });
  assert.is(read.profile.properties[0]?.desired?.value, '36');
  assert.equal(told(read.problems), ['condition status.twins[0].desired.value', 'condition status.twins[0].desired.value']);
  assert.is(read.problems[0]?.message, '36 is outside 5 to 35.5: write a value within');
});

test.run();

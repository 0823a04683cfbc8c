/** Owns the proof that each fault of a Device or DeviceModel is told at its field, and that no shape makes the reader throw. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readModel, readProfile } from '#device-models/read-profile.ts';
import { yamlDocuments } from '#test/support/yaml-fixture.ts';
import { small, told } from './small-device.ts';

const refused: [what: string, parts: Parameters<typeof small>[0], path: string][] = [
  ['limit 0', { visitor: 'modbus: {register: HoldingRegister, offset: 0, limit: 0}' }, 'spec.propertyVisitors[0].modbus.limit'],
  ['an unknown register kind', { visitor: 'modbus: {register: Coil, offset: 0, limit: 1}' }, 'spec.propertyVisitors[0].modbus.register'],
  ['two protocols in one visitor', { visitor: 'modbus: {offset: 0}, opcua: {nodeID: i=1}' }, 'spec.propertyVisitors[0]'],
  ['an impossible baud rate', { protocol: 'modbus: {slaveID: 1}, common: {com: {baudRate: 9601}}' }, 'spec.protocol.common.com.baudRate'],
  ['an impossible parity in v1alpha1', { protocol: 'modbus: {rtu: {parity: mark}}' }, 'spec.protocol.modbus.rtu.parity'],
  ['a slave id beyond a byte', { protocol: 'modbus: {slaveID: 256}' }, 'spec.protocol.modbus.slaveID'],
];
for (const [what, parts, path] of refused) {
  test(`${what} is refused with the field's path`, () => assert.equal(told(small(parts).problems), [`refuse ${path}`]));
}

const modelCases: [what: string, property: string, expected: string[]][] = [
  ['minimum above maximum', '{name: p, type: {int: {minimum: 10, maximum: 5}}}', ['refuse spec.properties[0].type.int.minimum']],
  ['minimum above maximum as text', '{name: p, type: FLOAT, minimum: "10", maximum: "9.5"}', ['refuse spec.properties[0].minimum']],
  ['an unknown type', '{name: p, type: NUMBER}', ['refuse spec.properties[0].type']],
  ['an unknown access mode', '{name: p, type: {int: {accessMode: Write}}}', ['refuse spec.properties[0].type.int.accessMode']],
  ['the access mode of the JS mapper', '{name: p, type: {int: {accessMode: rw}}}', []],
  ['both int and string', '{name: p, type: {string: {}, int: {}}}', ['warn spec.properties[0].type']],
  ['a bound that is no number', '{name: p, type: {int: {maximum: high}}}', ['condition spec.properties[0].type.int.maximum']],
  ['no name', '{type: {int: {}}}', ['condition spec.properties[0].name']],
  ['a stream', '{name: p, type: STREAM}', ['condition spec.properties[0].type']],
];
for (const [what, property, expected] of modelCases) {
  test(`a model property with ${what}`, () => {
    const [model = {}] = yamlDocuments(`spec: {properties: [${property}]}`);
    assert.equal(told(readModel(model).problems), expected);
    const throughDevice = readProfile({ spec: { deviceModelRef: { name: 'm' }, nodeName: 'n' } }, model).problems;
    assert.equal(
      told(throughDevice),
      expected.map((line) => line.replace('refuse', 'condition').replace(' spec', ' model:spec')),
    );
  });
}

test('a visitor and a twin for a property that the model lacks are told, the twin is kept', () => {
  const [device = {}, model = {}] = yamlDocuments(`
spec: {deviceModelRef: {name: m}, nodeName: n, protocol: {modbus: {}}, propertyVisitors: [{propertyName: a, modbus: {register: HoldingRegister, offset: 1}}]}
status: {twins: [{propertyName: b, desired: {value: "1", metadata: {type: int}}}]}
---
spec: {properties: [{name: c, type: {int: {}}}]}`);
  const { profile, problems } = readProfile(device, model);
  assert.equal(
    profile.properties.map(({ name, type }) => [name, type]),
    [
      ['c', 'int'],
      ['b', 'int'],
    ],
  );
  assert.equal(told(problems), ['condition spec.propertyVisitors[0]', 'warn status.twins[0]', 'condition spec.propertyVisitors']);
});

test('a device without a usable node selector is bound to no node', () => {
  for (const selector of ['', 'nodeSelector: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}']) {
    const [device = {}] = yamlDocuments(`spec: {deviceModelRef: {name: m}, ${selector}}`);
    const { profile, problems } = readProfile(device, { spec: {} });
    assert.is(profile.node, undefined);
    assert.match(problems[0]?.path ?? '', /^spec\.nodeSelector/);
    assert.is(problems[0]?.severity, 'condition');
  }
});

test('names such as __proto__ and constructor are properties like others', () => {
  const [model = {}] = yamlDocuments('spec: {properties: [{name: constructor, type: {int: {}}}]}');
  const device = JSON.parse(
    '{"spec":{"deviceModelRef":{"name":"m"},"nodeName":"n","protocol":{"protocolName":"x","configData":{"__proto__":{"ip":"1"}}}},"status":{"twins":[{"propertyName":"__proto__"}]}}',
  ) as Record<string, unknown>;
  const { profile } = readProfile(device, model);
  assert.equal(
    profile.properties.map(({ name }) => name),
    ['constructor', '__proto__'],
  );
  assert.is(profile.protocolConfig['ip'], undefined);
});

test('an object of wrong shapes everywhere is read without a throw', () => {
  for (const junk of [1, 'x', null, [], [null], [[1]], { a: 1 }, true]) {
    const device = {
      metadata: junk,
      spec: { protocol: junk, properties: junk, propertyVisitors: junk, nodeSelector: junk, data: junk, deviceModelRef: junk },
      status: { twins: junk },
    };
    const { profile } = readProfile(device, { spec: { properties: junk, propertyVisitors: junk } });
    assert.equal(profile.properties, []);
    readProfile({ metadata: junk, spec: junk, status: junk }, { spec: junk });
  }
});

test.run();

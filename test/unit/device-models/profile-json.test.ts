/** Proves deviceProfile.json: KubeEdge's own form for KubeEdge's own example, and what a mapper of either generation needs of other devices. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAllDocuments } from 'yaml';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { fieldsOf, listOf, type Fields } from '#device-models/fields.ts';
import { profileJson, type ProfileLayout } from '#device-models/profile-json.ts';
import { readProfile } from '#device-models/read-profile.ts';
import { property } from '#test/simulators/profiles.ts';

/** reference/crds.md 2.3. */
const press = `
apiVersion: devices.kubeedge.io/v1alpha2
kind: DeviceModel
metadata: {name: press-model, namespace: default}
spec:
  properties:
  - name: pressure
    description: oil pressure
    type: {int: {accessMode: ReadWrite, minimum: 0, maximum: 250, unit: bar}}
---
apiVersion: devices.kubeedge.io/v1alpha2
kind: Device
metadata: {name: press-07, namespace: default}
spec:
  deviceModelRef: {name: press-model}
  nodeSelector: {nodeSelectorTerms: [{matchExpressions: [{key: '', operator: In, values: [edge-17]}]}]}
  protocol:
    modbus: {slaveID: 3}
    common: {tcp: {ip: 192.0.2.40, port: 502}}
  propertyVisitors:
  - propertyName: pressure
    collectCycle: 1000000000
    modbus: {register: HoldingRegister, offset: 10, limit: 1, scale: 1, isSwap: false, isRegisterSwap: false}
  data:
    dataTopic: $ke/events/device/+/data/update
    dataProperties: [{propertyName: pressure, metadata: {type: int}}]
status:
  twins: [{propertyName: pressure, desired: {metadata: {type: int}, value: "80"}}]
`;

function profileOf(yaml: string): DeviceProfile {
  const objects = parseAllDocuments(yaml).map((document) => fieldsOf(document.toJS()) ?? {});
  const of = (kind: string): Fields | undefined => objects.find((object) => object['kind'] === kind);
  return readProfile(of('Device') ?? {}, of('DeviceModel')).profile;
}

interface File {
  deviceInstances: Fields[];
  deviceModels: Fields[];
  protocols: Fields[];
  propertyVisitors: Fields[];
}

function fileOf(profiles: readonly DeviceProfile[], layout: ProfileLayout = 'v1alpha2', desired = ''): File {
  return JSON.parse(profileJson(profiles, { layout, desired: () => desired })) as File;
}

test("KubeEdge's example becomes KubeEdge's file", () => {
  assert.equal(fileOf([profileOf(press)], 'v1alpha2', '80'), {
    deviceInstances: [
      {
        id: 'press-07',
        name: 'press-07',
        protocol: 'modbus-press-07',
        model: 'press-model',
        twins: [
          {
            propertyName: 'pressure',
            desired: { value: '80', metadata: { type: 'int' } },
            reported: { value: '', metadata: { type: 'int' } },
          },
        ],
        data: {
          dataProperties: [{ propertyName: 'pressure', metadata: { type: 'int' } }],
          dataTopic: '$ke/events/device/+/data/update',
        },
        propertyVisitors: [
          {
            name: 'pressure',
            propertyName: 'pressure',
            modelName: 'press-model',
            protocol: 'modbus',
            collectCycle: 1_000_000_000,
            visitorConfig: { register: 'HoldingRegister', offset: 10, limit: 1, scale: 1 },
          },
        ],
      },
    ],
    deviceModels: [
      {
        name: 'press-model',
        properties: [
          {
            name: 'pressure',
            dataType: 'int',
            description: 'oil pressure',
            accessMode: 'ReadWrite',
            defaultValue: 0,
            minimum: 0,
            maximum: 250,
            unit: 'bar',
          },
        ],
      },
    ],
    protocols: [
      {
        name: 'modbus-press-07',
        protocol: 'modbus',
        protocolConfig: { slaveID: 3 },
        protocolCommonConfig: { tcp: { ip: '192.0.2.40', port: 502 } },
      },
    ],
  });
});

test('the default values of the model are there, in JSON of their type; without one 0, false or ""', () => {
  const yaml = `
apiVersion: devices.kubeedge.io/v1alpha2
kind: DeviceModel
metadata: {name: press-model, namespace: default}
spec:
  properties:
  - {name: count, type: {int: {accessMode: ReadWrite, defaultValue: 7}}}
  - {name: level, type: {double: {accessMode: ReadWrite, defaultValue: -2.25}}}
  - {name: level32, type: {float: {accessMode: ReadWrite, defaultValue: NaN}}}
  - {name: motor, type: {boolean: {accessMode: ReadWrite, defaultValue: true}}}
  - {name: io, type: {string: {accessMode: ReadWrite, defaultValue: 'OFF'}}}
  - {name: text, type: {string: {accessMode: ReadWrite}}}
  - {name: off, type: {boolean: {accessMode: ReadWrite}}}
  - {name: wrong, type: {int: {accessMode: ReadWrite, defaultValue: many}}}
${press.slice(press.indexOf('---'))}`;
  for (const layout of ['v1alpha2', 'v1alpha1'] as const) {
    const [model] = fileOf([profileOf(yaml)], layout).deviceModels;
    assert.equal(
      listOf(model?.['properties'])
        .map((each) => fieldsOf(each)?.['defaultValue'])
        .slice(0, 8),
      [7, -2.25, 0, true, 'OFF', '', false, 0],
    );
  }
});

test('the earliest layout has visitors beside the devices, and addresses as its Modbus mapper reads them', () => {
  const file = fileOf([profileOf(press)], 'v1alpha1', '80');
  assert.equal(file.deviceInstances, [{ id: 'press-07', name: 'press-07', protocol: 'modbus-tcp-press-07', model: 'press-model' }]);
  assert.equal(file.propertyVisitors, [
    {
      name: 'pressure',
      propertyName: 'pressure',
      modelName: 'press-model',
      protocol: 'modbus-tcp',
      visitorConfig: { register: 'HoldingRegister', scale: 1, index: 10, offset: 1, limit: 1 },
    },
  ]);
  const config = { ip: '192.0.2.40', port: 502, slaveID: '3' };
  assert.equal(file.protocols, [{ name: 'modbus-tcp-press-07', protocol: 'modbus-tcp', protocol_config: config, protocolConfig: config }]);
  const [model] = file.deviceModels as { properties: Fields[] }[];
  assert.equal([model?.properties[0]?.['dataType'], model?.properties[0]?.['datatype']], ['int', 'int']);
});

const base = profileOf(press);

test('a missing scale and limit are written, fractions of bounds rounded outwards, properties without a visitor left out', () => {
  const { visitor: _none, ...unvisited } = property('modbus', 'label', { type: 'string' });
  const file = fileOf([
    {
      ...base,
      properties: [
        property('modbus', 'level', { minimum: '-0.5', maximum: '9.5', config: { register: 'HoldingRegister', offset: 4 } }),
        unvisited,
      ],
      data: { topic: '$ke/events/device/press-07/data/update', properties: ['level', 'label'] },
    },
  ]);
  const [instance] = file.deviceInstances as { twins: Fields[]; data: { dataProperties: Fields[] }; propertyVisitors: Fields[] }[];
  assert.equal(instance?.propertyVisitors[0]?.['visitorConfig'], { register: 'HoldingRegister', offset: 4, limit: 2, scale: 1 });
  assert.equal(
    [instance?.twins, instance?.data.dataProperties].map((list) => list?.map((entry) => entry['propertyName'])),
    [['level'], ['level']],
  );
  const [model] = file.deviceModels as { properties: Fields[] }[];
  assert.equal(
    model?.properties.map(({ name, minimum, maximum }) => [name, minimum, maximum]),
    [
      ['level', -1, 10],
      ['label', undefined, undefined],
    ],
  );
});

test('serial lines, free values, dataWrite as base64 and customized protocols are where a mapper looks for them', () => {
  const line: DeviceProfile = {
    ...base,
    name: 'line',
    protocolConfig: { slaveID: '7', serialName: '/dev/ttyUSB0', baudRate: '9600', parity: 'even', serialType: 'RS485' },
  };
  const tag: DeviceProfile = {
    ...base,
    name: 'tag',
    model: 'tag-model',
    protocol: 'bluetooth',
    protocolConfig: { macAddress: 'A0:E6:F8:00:00:01' },
    properties: [
      property('bluetooth', 'on', { type: 'string', config: { characteristicUUID: 'aa02', dataWrite: { ON: [1], OFF: 'AA==' } } }),
    ],
  };
  const own: DeviceProfile = {
    ...base,
    name: 'own',
    model: 'own-model',
    protocol: 'virtual',
    protocolConfig: { deviceID: 5 },
    properties: [property('virtual', 'x')],
  };
  const { protocols, deviceInstances } = fileOf([line, tag, own]);
  assert.equal(protocols, [
    {
      name: 'modbus-line',
      protocol: 'modbus',
      protocolConfig: { slaveID: 7 },
      protocolCommonConfig: {
        com: { serialPort: '/dev/ttyUSB0', baudRate: 9600, parity: 'even' },
        customizedValues: { serialType: 'RS485' },
      },
    },
    {
      name: 'customized-protocol-own',
      protocol: 'customized-protocol',
      protocolConfig: { protocolName: 'virtual', configData: { deviceID: 5 } },
      protocolCommonConfig: null,
    },
    { name: 'bluetooth-tag', protocol: 'bluetooth', protocolConfig: { macAddress: 'A0:E6:F8:00:00:01' }, protocolCommonConfig: null },
  ]);
  const visitors = deviceInstances.map((instance) => (instance['propertyVisitors'] as Fields[])[0]?.['visitorConfig']);
  assert.equal(visitors.slice(1), [
    { protocolName: 'virtual', configData: { key: 'x' } },
    { characteristicUUID: 'aa02', dataWrite: { ON: 'AQ==', OFF: 'AA==' }, dataConverter: {} },
  ]);
  assert.is(fileOf([line], 'v1alpha1').protocols[0]?.['protocol'], 'modbus-rtu');
});

test('devices of one model share it; one that differs has a model of its own; the order of devices does not matter', () => {
  const other: DeviceProfile = { ...base, name: 'press-08' };
  const odd: DeviceProfile = { ...base, name: 'press-09', properties: base.properties.map((each) => ({ ...each, maximum: '100' })) };
  const { deviceModels, deviceInstances } = fileOf([base, other, odd]);
  assert.equal(
    deviceModels.map(({ name }) => name),
    ['press-model', 'press-model-press-09'],
  );
  assert.equal(
    deviceInstances.map(({ model }) => model),
    ['press-model', 'press-model', 'press-model-press-09'],
  );
  const options = { layout: 'v1alpha2', desired: () => '' } as const;
  assert.is(profileJson([odd, base, other], options), profileJson([base, other, odd], options));
});

test.run();

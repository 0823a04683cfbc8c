/** Proves that Bluetooth devices written as in KubeEdge's own documents work: slipped indentation, no address, switches that are called int. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { protocolParts } from '#device-models/profile-parts.ts';
import { readProfile } from '#device-models/read-profile.ts';
import { validateYaml } from '#device-models/validate.ts';

const MODEL = `
apiVersion: devices.kubeedge.io/v1alpha1
kind: DeviceModel
metadata: {name: cc2650-sensortag, namespace: default}
spec:
  properties:
    - {name: temperature, type: {int: {accessMode: ReadOnly, maximum: 100}}}
    - {name: temperature-enable, type: {string: {accessMode: ReadWrite, defaultValue: 'ON'}}}
    - {name: io-config, type: {int: {accessMode: ReadWrite, defaultValue: 1}}}
    - {name: io-data, type: {int: {accessMode: ReadWrite, defaultValue: 0}}}
    - {name: steps, type: {int: {accessMode: ReadWrite}}}
`;
const device = (protocol: string, visitors: string): string => `
apiVersion: devices.kubeedge.io/v1alpha1
kind: Device
metadata: {name: tag, namespace: default}
spec:
  deviceModelRef: {name: cc2650-sensortag}
  nodeSelector: {nodeSelectorTerms: [{matchExpressions: [{key: '', operator: In, values: [pi]}]}]}
  protocol: ${protocol}
  propertyVisitors:
${visitors}
status: {twins: [{propertyName: io-data, desired: {metadata: {type: string}, value: Red}}]}
`;
/** As in the published sample: what belongs below dataConverter and dataWrite stands beside them. */
const SLIPPED = `
    - propertyName: temperature
      bluetooth:
        characteristicUUID: aa01
        dataConverter:
        startIndex: 1
        endIndex: 0
        shiftRight: 2
        orderOfOperations: [{operationType: Multiply, operationValue: 0.03125}]
    - propertyName: temperature-enable
      bluetooth:
        characteristicUUID: aa02
        dataWrite:
        "ON": [1]
        "OFF": [0]
    - propertyName: io-config
      bluetooth: {characteristicUUID: aa66}
    - propertyName: io-data
      bluetooth:
        characteristicUUID: aa65
        dataWrite:
        Red: [1]
        Buzzer: [4]
    - propertyName: steps
      bluetooth: {characteristicUUID: aa67, dataWrite: {1: [1], 2: [2]}}
`;
const ADDRESS = '{bluetooth: {macAddress: "BC:6A:29:AE:CC:96"}}';

const profileOf = (text: string): ReturnType<typeof readProfile> =>
  readProfile(parse(text) as Record<string, unknown>, parse(MODEL) as Record<string, unknown>);
const read = (protocol: string, visitors: string): ReturnType<typeof readProfile> => profileOf(device(protocol, visitors));

test('what slipped out of dataConverter and dataWrite is found, and told once with its remedy', () => {
  const { profile, problems } = read(ADDRESS, SLIPPED);
  assert.equal(
    profile.properties.map(({ visitor }) => visitor?.config),
    [
      {
        characteristicUUID: 'aa01',
        dataConverter: {
          startIndex: 1,
          endIndex: 0,
          shiftRight: 2,
          orderOfOperations: [{ operationType: 'Multiply', operationValue: 0.03125 }],
        },
      },
      { characteristicUUID: 'aa02', dataWrite: { ON: [1], OFF: [0] } },
      { characteristicUUID: 'aa66' },
      { characteristicUUID: 'aa65', dataWrite: { Red: [1], Buzzer: [4] } },
      { characteristicUUID: 'aa67', dataWrite: { 1: [1], 2: [2] } },
    ],
  );
  assert.equal(
    problems.map(({ severity, path }) => [severity, path]),
    [
      ['warn', 'spec.propertyVisitors[0].bluetooth.startIndex'],
      ['warn', 'spec.propertyVisitors[1].bluetooth.ON'],
      ['warn', 'spec.propertyVisitors[3].bluetooth.Red'],
    ],
  );
  assert.match(problems[0]?.message ?? '', /^belongs into spec\.propertyVisitors\[0\]\.bluetooth\.dataConverter, .*: indent it$/);
  const files = [MODEL, device(ADDRESS, SLIPPED)].map((text, index) => ({ file: `${index}.yaml`, text }));
  assert.is(validateYaml(files).findings.length, 3, 'nobody is told to remove them');
});

test('a property whose dataWrite has texts that are no numbers is a string, and what is desired of it fits', () => {
  const { profile } = read(ADDRESS, SLIPPED);
  assert.equal(
    profile.properties.map(({ name, type, desired }) => [name, type, desired?.value]),
    [
      ['temperature', 'int', undefined],
      ['temperature-enable', 'string', undefined],
      ['io-config', 'int', undefined],
      ['io-data', 'string', 'Red'],
      ['steps', 'int', undefined],
    ],
  );
});

test('a visitor that says it at the right place, or one level too high, is read as before', () => {
  const { profile, problems } = read(
    ADDRESS,
    `
    - propertyName: temperature
      bluetooth: {characteristicUUID: aa01}
      dataConverter: {startIndex: 1}
    - {propertyName: io-config, bluetooth: {characteristicUUID: aa66, serviceUUID: aa64, signed: true, dataConverter: {startIndex: 2, signed: true}}}`,
  );
  assert.equal(profile.properties[0]?.visitor?.config, { characteristicUUID: 'aa01', dataConverter: { startIndex: 1 } });
  assert.equal(profile.properties[2]?.visitor?.config['dataConverter'], { startIndex: 2, signed: true });
  assert.equal(
    problems.filter(({ severity }) => severity === 'warn').map(({ path }) => path),
    ['spec.propertyVisitors[0].dataConverter'],
  );
});

test('fields that only we know are no slips', () => {
  const visitor = '    - {propertyName: io-config, bluetooth: {characteristicUUID: aa66, serviceUUID: aa64, signed: true, scale: 2}}';
  const text = device('{bluetooth: {macAddress: "BC:6A:29:AE:CC:96", timeout: 500}}', visitor);
  const { findings } = validateYaml([{ file: 'device.yaml', text }]);
  assert.equal(
    findings.filter(({ message }) => message.includes('no such field')),
    [],
  );
});

for (const protocol of ['{bluetooth: {}}', '{bluetooth: {macAddress: ""}}'])
  test(`without an address (${protocol}) the name of the model is looked for, which is told`, () => {
    const { profile, problems } = read(protocol, SLIPPED);
    assert.is(profile.protocolConfig['localName'], 'cc2650-sensortag');
    const [missing] = problems.filter(({ path }) => path === 'spec.protocol.bluetooth.macAddress');
    assert.match(missing?.message ?? '', /^is missing, so the first device in the air that calls itself "cc2650-sensortag" is taken/);
    assert.is(missing?.severity, 'warn');
    assert.is(protocolParts(profile).common, null, 'mappers of others are not told');
  });

test('with an address nothing else is looked for', () => {
  const { profile } = read(ADDRESS, SLIPPED);
  assert.equal(profile.protocolConfig, { macAddress: 'BC:6A:29:AE:CC:96' });
});

test.run();

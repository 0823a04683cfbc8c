/** Owns the proof that `hivelet validate` tells each fault once, at its place, with what to do. */
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { nearestName } from '#device-models/nearest-name.ts';
import { formatFinding, validateYaml } from '#device-models/validate.ts';

const model = `apiVersion: devices.kubeedge.io/v1alpha2
kind: DeviceModel
metadata: {name: m}
spec:
  properties:
  - name: p
    type:
      int: {accessMode: ReadWrite, minimum: 0, maximum: 10}
`;
const device = `apiVersion: devices.kubeedge.io/v1alpha2
kind: Device
metadata: {name: d}
spec:
  deviceModelRef: {name: m}
  nodeName: n
  protocol:
    modbus: {slaveID: 1}
  propertyVisitors:
  - propertyName: p
    modbus:
      register: HoldingRegister
      offset: 0
      limit: 1
`;

const linesOf = (...texts: string[]): string[] =>
  validateYaml(texts.map((text, index) => ({ file: `${index + 1}.yaml`, text }))).findings.map(formatFinding);

test('a good pair in two files has no finding, in either order', () => {
  assert.equal(linesOf(model, device), []);
  assert.equal(linesOf(device, model), []);
  const { devices, models } = validateYaml([{ file: 'all.yaml', text: `${model}---\n${device}` }]);
  assert.equal([devices, models], [1, 1]);
});

test('a device whose model is in none of the files is a condition at its reference', () => {
  assert.equal(linesOf(device), [
    '1.yaml:5:20: condition: spec.deviceModelRef.name: DeviceModel "m" is in none of these files, so its properties are not checked: name its file too',
  ]);
});

const cases: [what: string, texts: string[], lines: string[]][] = [
  [
    'minimum above maximum',
    [model.replace('minimum: 0', 'minimum: 11')],
    ['1.yaml:8:36: refused: spec.properties[0].type.int.minimum: 11 is more than maximum 10, so no value fits: exchange them'],
  ],
  [
    'limit 0',
    [model, device.replace('limit: 1', 'limit: 0')],
    ['2.yaml:14:7: refused: spec.propertyVisitors[0].modbus.limit: 0 reads nothing: write the number of registers, 1 to 125'],
  ],
  [
    'an unknown register, and a second document',
    [`${model}---\n${device.replace('HoldingRegister', 'Holding')}`],
    [
      '1.yaml:21:7: refused: spec.propertyVisitors[0].modbus.register: "Holding" is no register kind: write one of CoilRegister, DiscreteInputRegister, InputRegister, HoldingRegister',
    ],
  ],
  [
    'two protocols in one visitor',
    [model, `${device}    opcua: {nodeID: i=1}\n`],
    ['2.yaml:10:5: refused: spec.propertyVisitors[0]: names opcua and modbus: a visitor has one protocol, keep one'],
  ],
  [
    'a slip in a field name',
    [model, device.replace('offset', 'ofset').replace('slaveID', 'slave')],
    [
      '2.yaml:8:14: warning: spec.protocol.modbus.slave: no such field, nothing reads it: did you mean slaveID?',
      '2.yaml:13:7: warning: spec.propertyVisitors[0].modbus.ofset: no such field, nothing reads it: did you mean offset?',
    ],
  ],
  [
    'a bare ON',
    [
      model.replace('int', 'string').replace(', minimum: 0, maximum: 10', ''),
      `${device}status: {twins: [{propertyName: p, desired: {value: ON}}]}\n`,
    ],
    [
      '2.yaml:15:46: warning: status.twins[0].desired.value: true is a boolean in YAML (so are ON, OFF, yes and no): write the text in quotes',
    ],
  ],
  [
    'a missing node',
    [model, device.replace('  nodeName: n\n', '')],
    ['2.yaml:4:1: condition: spec.nodeSelector: names no node, so no node runs the device: write the name of one'],
  ],
  [
    'a wrong apiVersion',
    [model.replace('v1alpha2', 'v2')],
    [
      '1.yaml:1:1: refused: apiVersion: "devices.kubeedge.io/v2" has no DeviceModel: write devices.kubeedge.io/v1alpha1, v1alpha2 or v1beta1',
    ],
  ],
  [
    'a name with capitals',
    [model.replace('name: m', 'name: M')],
    ['1.yaml:3:12: refused: metadata.name: "M" is no name of an object: write small letters, digits, - and .'],
  ],
  [
    'the same object twice',
    [model, model],
    ['2.yaml:3:12: warning: metadata.name: DeviceModel default/m is there twice and the last one wins: remove one'],
  ],
  ['other kinds', ['apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n'], []],
  [
    'text that is no object',
    ['# only\n---\n- 1\n'],
    ['1.yaml:3:1: refused: this is no Kubernetes object: write a mapping with apiVersion, kind, metadata and spec'],
  ],
];
for (const [what, texts, lines] of cases) test(`${what} is told at its place`, () => assert.equal(linesOf(...texts), lines));

test('a fault of the YAML itself is refused where it is', () => {
  const [line = ''] = linesOf('a: {b: [1, 2}\n');
  assert.match(line, /^1\.yaml:1:\d+: refused: this is no YAML: /);
});

test('a visitor of the model for another protocol is told at the device, once', () => {
  const lines = linesOf(
    `${model}  propertyVisitors: [{propertyName: p, bluetooth: {characteristicUUID: f000}}]\n`,
    device.slice(0, device.indexOf('  propertyVisitors')),
  );
  assert.equal(lines, [
    '2.yaml:7:3: condition: model:spec.propertyVisitors[0]: is for bluetooth but the Device speaks modbus, so "p" is not read',
  ]);
});

test('objects in a List are checked at their place', () => {
  const inList = (text: string): string =>
    text
      .trimEnd()
      .split('\n')
      .map((line, index) => (index === 0 ? `- ${line}` : `  ${line}`))
      .join('\n');
  const list = `apiVersion: v1\nkind: List\nitems:\n${inList(model)}\n${inList(device.replace('limit: 1', 'limit: -1'))}\n`;
  assert.match(linesOf(list)[0] ?? '', /^1\.yaml:25:9: refused: spec\.propertyVisitors\[0\]\.modbus\.limit: -1 /);
});

test('addresses and times are not taken for the numbers and dates of YAML 1.1', () => {
  const text = device
    .replace('modbus: {slaveID: 1}', 'bluetooth: {macAddress: 11:22:33:44:55:06}')
    .replace(/ {4}modbus:[^]*$/, '    bluetooth: {characteristicUUID: 2022-01-01}\n');
  assert.equal(linesOf(model, text), []);
});

test('no published sample and no sample of ours is refused', () => {
  for (const folder of ['../../fixtures/yaml/', '../../../device-models/samples/', '../../../device-models/samples/as-in-kubeedge/']) {
    const url = new URL(folder, import.meta.url);
    const names = readdirSync(url).filter((file) => file.endsWith('.yaml'));
    const files = names.map((file) => ({ file, text: readFileSync(new URL(file, url), 'utf8') }));
    const { findings, devices } = validateYaml(files);
    assert.ok(devices >= 1);
    assert.equal(findings.filter(({ severity }) => severity === 'refuse').map(formatFinding), []);
  }
});

test('the nearest name forgives a letter, two swapped ones and capitals, and no more', () => {
  const names = ['setpoint', 'temperature', 'heating'];
  assert.is(nearestName('setpiont', names), 'setpoint');
  assert.is(nearestName('Temprature', names), 'temperature');
  assert.is(nearestName('pressure', names), undefined);
  assert.is(nearestName('x', ['a']), undefined);
});

test.run();

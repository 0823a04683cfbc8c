/** Proves the YAML of what was found: names that Kubernetes takes, one model for all that are alike, and nothing that validation refuses. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAllDocuments } from 'yaml';
import { fieldsAt, fieldsOf, type Fields } from '#device-models/fields.ts';
import { validateYaml } from '#device-models/validate.ts';
import type { FoundDevice } from '#mappers/contract.ts';
import { FoundYaml } from '../../../bin/commands/discover/found-yaml.ts';
import { objectName, propertyName, unusedName } from '../../../bin/commands/discover/names.ts';

const options = { protocol: 'modbus', node: 'board', namespace: 'default' };

const pump: FoundDevice = {
  name: 'Pümpe № 4 / Halle',
  protocol: { modbus: { slaveID: 4 } },
  common: { tcp: { ip: '10.0.0.4', port: 502 } },
  properties: [
    {
      name: 'flow rate (l/min)',
      type: 'float',
      accessMode: 'ReadOnly',
      description: 'line one\nline two',
      unit: 'l/min',
      visitor: { register: 'InputRegister', offset: 0, limit: 2 },
    },
    {
      name: 'flow rate (l/min)',
      type: 'int',
      accessMode: 'ReadWrite',
      minimum: '-9223372036854775808',
      maximum: '9223372036854775807',
      visitor: { register: 'HoldingRegister', offset: 0, limit: 4 },
    },
    { name: '!', type: 'string', accessMode: 'ReadOnly', unit: 'none', visitor: { register: 'HoldingRegister', offset: 9, limit: 2 } },
  ],
  remarks: ['a remark\n---\nkind: Secret'],
};

function documents(text: string): Fields[] {
  return parseAllDocuments(text).map((document) => {
    assert.equal(document.errors, []);
    return fieldsOf(document.toJS({ maxAliasCount: 0 })) ?? {};
  });
}

test('whatever a device calls itself, the YAML is valid and says no more than it should', () => {
  const text = new FoundYaml(options).add(pump);
  const { findings, devices, models } = validateYaml([{ file: 'found.yaml', text }]);
  assert.equal([findings, devices, models], [[], 1, 1]);
  const objects = documents(text);
  assert.equal(
    objects.map((object) => [object['kind'], fieldsAt(object, 'metadata')?.['name']]),
    [
      ['DeviceModel', 'pumpe-no-4-halle-model'],
      ['Device', 'pumpe-no-4-halle'],
    ],
  );
  assert.ok(text.startsWith('# a remark --- kind: Secret\n---\n'));
  assert.match(text, /minimum: -9223372036854775808\n/);
  assert.match(text, /maximum: 9223372036854775807\n/);
  const visitors = fieldsAt(objects[1], 'spec')?.['propertyVisitors'] as Fields[];
  assert.equal(
    visitors.map((visitor) => visitor['propertyName']),
    ['flow-rate-l-min', 'flow-rate-l-min-2', 'value'],
  );
});

test('texts are texts for kubectl too, which reads YAML 1.1', () => {
  const text = new FoundYaml({ ...options, protocol: 'bluetooth' }).add({
    name: 'tag',
    protocol: { macAddress: '11:22:33:44:55:06' },
    properties: [
      {
        name: 'y',
        type: 'string',
        accessMode: 'ReadWrite',
        description: 'off',
        visitor: { characteristicUUID: '2a19', dataWrite: { ON: 'AQ==', OFF: 'AA==' } },
      },
    ],
    remarks: [],
  });
  const [model, device] = parseAllDocuments(text, { version: '1.1' }).map((document) => fieldsOf(document.toJS()) ?? {});
  const [property] = fieldsAt(model, 'spec')?.['properties'] as Fields[];
  assert.equal([property?.['name'], property?.['description']], ['y', 'off']);
  assert.equal(fieldsAt(device, 'spec')?.['protocol'], { bluetooth: { macAddress: '11:22:33:44:55:06' } });
  const [visitor] = fieldsAt(device, 'spec')?.['propertyVisitors'] as Fields[];
  assert.equal(visitor?.['bluetooth'], { characteristicUUID: '2a19', dataWrite: { ON: 'AQ==', OFF: 'AA==' } });
});

test('devices that are alike share a model; those of one name are told apart', () => {
  const yaml = new FoundYaml(options);
  const first = documents(yaml.add(pump));
  const second = documents(yaml.add(pump));
  const other = documents(yaml.add({ ...pump, properties: pump.properties.slice(0, 1) }));
  const named = (objects: Fields[]): unknown[] => objects.map((object) => fieldsAt(object, 'metadata')?.['name']);
  assert.equal(
    [named(first), named(second), named(other)],
    [['pumpe-no-4-halle-model', 'pumpe-no-4-halle'], ['pumpe-no-4-halle-2'], ['pumpe-no-4-halle-3-model', 'pumpe-no-4-halle-3']],
  );
  assert.is(fieldsAt(second[0], 'spec', 'deviceModelRef')?.['name'], 'pumpe-no-4-halle-model');
  assert.is(yaml.devices, 3);
});

test('a protocol block is taken with its kind around it or without; other protocols are customized ones', () => {
  const bare = documents(new FoundYaml({ ...options, protocol: 'opcua' }).add({ ...pump, protocol: { url: 'opc.tcp://a' } }));
  assert.equal(fieldsAt(bare[1], 'spec', 'protocol', 'opcua'), { url: 'opc.tcp://a' });
  const own = documents(new FoundYaml({ ...options, protocol: 'thermo' }).add({ ...pump, protocol: { host: 'a' } }));
  assert.equal(fieldsAt(own[1], 'spec', 'protocol', 'customizedProtocol'), { protocolName: 'thermo', configData: { host: 'a' } });
  const [visitor] = fieldsAt(own[1], 'spec')?.['propertyVisitors'] as Fields[];
  assert.is(fieldsAt(visitor, 'customizedProtocol')?.['protocolName'], 'thermo');
});

test('names', () => {
  assert.equal([objectName('A.B_c'), objectName('--'), objectName(`${'x'.repeat(62)}-y`)], ['a-b-c', 'device', 'x'.repeat(62)]);
  assert.equal([propertyName('Temp °C'), propertyName('...'), propertyName('a.b')], ['Temp-C', 'value', 'a.b']);
  const taken = new Set(['a', 'a-2']);
  assert.equal([unusedName('a', taken), unusedName('b', taken), unusedName('a', taken)], ['a-3', 'b', 'a-4']);
});

test.run();

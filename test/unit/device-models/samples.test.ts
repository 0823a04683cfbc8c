/** Owns the proof that the samples are without fault and say what the simulators play. */
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { readModel, readProfile } from '#device-models/read-profile.ts';
import { yamlDocuments } from '#test/support/yaml-fixture.ts';

const folder = new URL('../../../device-models/samples/', import.meta.url);

function sample(name: string): Record<string, unknown> {
  return yamlDocuments(readFileSync(new URL(`${name}.yaml`, folder), 'utf8'), '1.1')[0] ?? {};
}

/** The profile of a pair that must have no problem at all. */
function profileOf(device: string, model: string): DeviceProfile {
  assert.equal(readModel(sample(model)).problems, []);
  const { profile, problems } = readProfile(sample(device), sample(model));
  assert.equal(problems, []);
  return profile;
}

const visitorOf = (profile: DeviceProfile, name: string): unknown =>
  profile.properties.find((property) => property.name === name)?.visitor?.config;

test('each sample is a device with its model, bound to the board of the demo, and without a status', () => {
  const devices = readdirSync(folder).filter((name) => name.endsWith('.yaml') && !name.includes('-model'));
  assert.ok(devices.length >= 2);
  for (const file of devices) {
    const name = file.replace('.yaml', '');
    const profile = profileOf(name, `${name}-model`);
    assert.is(profile.node, 'demo-board');
    assert.is(profile.model, `${name}-model`);
    assert.is(sample(name)['status'], undefined);
  }
});

test('the SensorTag has the switches of the KubeEdge documents, in both generations', () => {
  const profile = profileOf('sensortag', 'sensortag-model');
  assert.equal([profile.protocol, profile.protocolConfig], ['bluetooth', { macAddress: 'a0:e6:f8:00:00:01' }]);
  const [model = {}, device = {}] = yamlDocuments(readFileSync(new URL('as-in-kubeedge/cc2650-sensortag.yaml', folder), 'utf8'), '1.1');
  const { profile: first, problems } = readProfile(device, model);
  assert.equal(problems, []);
  for (const name of ['temperature', 'humidity', 'pressure']) {
    const { dataConverter, ...other } = visitorOf(profile, name) as { dataConverter: object };
    assert.equal(visitorOf(first, name), { ...other, dataConverter });
    assert.equal(Object.keys((visitorOf(first, `${name}-enable`) as { dataWrite: object }).dataWrite), ['ON', 'OFF']);
    assert.equal((visitorOf(profile, `${name}-enable`) as { dataWrite: object }).dataWrite, { ON: 'AQ==', OFF: 'AA==' });
  }
  assert.equal(
    first.properties.flatMap(({ name, desired }) => (desired === undefined ? [] : [[name, desired.value]])),
    [
      ['temperature-enable', 'ON'],
      ['humidity-enable', 'ON'],
      ['pressure-enable', 'OFF'],
    ],
  );
});

test('the thermostat has the register map of the simulator, read each half second', () => {
  const profile = profileOf('modbus-thermostat', 'modbus-thermostat-model');
  assert.is(profile.name, 'thermostat');
  assert.is(profile.protocol, 'modbus');
  assert.equal(profile.protocolConfig, { ip: '127.0.0.1', port: 1502, slaveID: 1 });
  assert.equal(visitorOf(profile, 'setpoint'), { register: 'HoldingRegister', offset: 0, limit: 1, scale: 0.1 });
  assert.equal(visitorOf(profile, 'temperature'), { register: 'HoldingRegister', offset: 1, limit: 1, scale: 0.1 });
  assert.equal(visitorOf(profile, 'heating'), { register: 'DiscreteInputRegister', offset: 0, limit: 1 });
  assert.equal(
    profile.properties.map(({ type, accessMode, minimum, maximum, collectCycleMs, tolerance }) => [
      type,
      accessMode,
      minimum,
      maximum,
      collectCycleMs,
      tolerance,
    ]),
    [
      ['float', 'ReadWrite', '5', '35', 500, 0.05],
      ['float', 'ReadOnly', undefined, undefined, 500, 0.05],
      ['boolean', 'ReadOnly', undefined, undefined, 500, 0],
    ],
  );
});

test('the DHT11 is read through the files of the kernel, each 2 s', () => {
  const profile = profileOf('dht11', 'dht11-model');
  assert.is(profile.protocol, 'iio');
  assert.equal(profile.protocolConfig, { name: 'dht11@0' });
  assert.equal(visitorOf(profile, 'temperature'), { channel: 'in_temp_input' });
  assert.equal(visitorOf(profile, 'humidity'), { channel: 'in_humidityrelative_input' });
  assert.equal(new Set(profile.properties.map(({ collectCycleMs }) => collectCycleMs)), new Set([2000]));
});

test.run();

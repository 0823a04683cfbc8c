/** Proves that a mapper process can speak, hear and ask only for the devices that it was given. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Permissions } from '#mappers/isolation/permissions.ts';
import { profile, property } from '#test/simulators/profiles.ts';

function given(): Permissions {
  const permissions = new Permissions();
  permissions.give({
    ...profile('pump', {
      protocol: 'opcua',
      config: { url: 'opc.tcp://192.0.2.1', password: 'pump.password', certificate: { key: ' secret:default/pump#key ' } },
      properties: [property('opcua', 'speed', { config: { nodeID: 'ns=2;s=speed', pin: 'pump.pin' } })],
    }),
    data: { topic: '$ke/events/device/pump/customized/update', properties: ['speed'] },
  });
  permissions.give({
    ...profile('forger', { protocol: 'opcua', config: {}, properties: [] }),
    data: { topic: '$hw/events/device/valve/twin/update', properties: [] },
  });
  return permissions;
}

const publishes: [topic: string, allowed: boolean][] = [
  ['$hw/events/device/pump/twin/update', true],
  ['$hw/events/device/pump/twin/get', true],
  ['$hw/events/device/pump/state/update', true],
  ['$ke/events/device/pump/customized/update', true],
  ['$hw/events/device/pump/twin/cloud_updated', false],
  ['$hw/events/device/pump/twin/update/delta', false],
  ['$hw/events/device/pump/twin/update/result', false],
  ['$hw/events/device/valve/twin/update', false],
  ['$hw/events/device/pump', false],
  ['$hw/events/device//twin/update', false],
  ['$hw/events/device/pump/../valve/twin/update', false],
  ['$hw/events/device/__proto__/twin/update', false],
  ['$hw/events/node/edge-1/membership/get', false],
  ['$hw/events/upload/x', false],
  ['SYS/dis/upload_records', false],
  ['default/user/x', false],
  ['', false],
];
for (const [topic, allowed] of publishes) {
  test(`${topic === '' ? 'an empty topic' : topic} is ${allowed ? 'published' : 'refused'}`, () => {
    assert.is(given().mayPublish(topic), allowed);
  });
}

const filters: [filter: string, device: string | undefined][] = [
  ['$hw/events/device/pump/twin/update/delta', 'pump'],
  ['$hw/events/device/pump/twin/get/result', 'pump'],
  ['$hw/events/device/valve/twin/update/delta', undefined],
  ['$hw/events/device/+/twin/update/delta', undefined],
  ['$hw/events/device/pump/#', undefined],
  ['$hw/events/device/pump/+/update', undefined],
  ['$hw/#', undefined],
  ['#', undefined],
  ['$ke/events/device/pump/customized/update', undefined],
];
for (const [filter, device] of filters) {
  test(`${filter} is ${device === undefined ? 'refused' : `heard for ${device}`}`, () => {
    assert.is(given().subscribable(filter), device);
  });
}

test('after a device is taken away nothing is left to it', () => {
  const permissions = given();
  permissions.take('pump');
  assert.not(permissions.mayPublish('$hw/events/device/pump/twin/update'));
  assert.not(permissions.mayPublish('$ke/events/device/pump/customized/update'));
  assert.is(permissions.subscribable('$hw/events/device/pump/twin/update/delta'), undefined);
  assert.not(permissions.mayResolve('pump.password'));
});

const secrets: [reference: string, allowed: boolean][] = [
  ['pump.password', true],
  ['secret:default/pump#key', true],
  ['pump.pin', true],
  ['valve.password', false],
  ['pump', false],
  ['', false],
];
for (const [reference, allowed] of secrets) {
  test(`the secret ${JSON.stringify(reference)} is ${allowed ? 'named by a device' : 'nobody’s'}`, () => {
    assert.is(given().mayResolve(reference), allowed);
  });
}

test.run();

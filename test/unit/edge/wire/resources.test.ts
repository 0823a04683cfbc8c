/** The grammar of resources on the link. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deviceResource, nodeResource, nodeStatusResource, parseDeviceResource, type DeviceResource } from '#wire/resources.ts';

const resources: [resource: string, parsed: DeviceResource | undefined][] = [
  ['device/led/twin/cloud_updated', { id: 'led', kind: 'cloud_updated' }],
  ['device/led/twin/edge_updated', { id: 'led', kind: 'edge_updated' }],
  ['device/led/state/update', { id: 'led', kind: 'state' }],
  ['device/led', { id: 'led', kind: 'attributes' }],
  ['device/device/twin/edge_updated', { id: 'device', kind: 'edge_updated' }],
  ['device/membership/state/update', { id: 'membership', kind: 'state' }],
  ['device/__proto__', { id: '__proto__', kind: 'attributes' }],
  ['device/', undefined],
  ['device', undefined],
  ['device//twin/edge_updated', undefined],
  ['device/led/twin', undefined],
  ['device/led/twin/edge_updated/', undefined],
  ['device/led/twin/edge_updated/x', undefined],
  ['device/led/', undefined],
  ['devices/led/state/update', undefined],
  ['/device/led/state/update', undefined],
  ['node/n/device/led/state/update', undefined],
  ['membership', undefined],
  ['membership/detail', undefined],
  ['', undefined],
];
for (const [resource, parsed] of resources) {
  test(`${JSON.stringify(resource)} is ${parsed === undefined ? 'about no device' : `${parsed.kind} of ${parsed.id}`}`, () =>
    assert.equal(parseDeviceResource(resource), parsed));
}

test('what is built is what is parsed', () => {
  assert.equal(parseDeviceResource(deviceResource.cloudUpdated('a.b')), { id: 'a.b', kind: 'cloud_updated' });
  assert.equal(parseDeviceResource(deviceResource.edgeUpdated('a.b')), { id: 'a.b', kind: 'edge_updated' });
  assert.equal(parseDeviceResource(deviceResource.stateUpdate('a.b')), { id: 'a.b', kind: 'state' });
});

test('nodes are named as KubeEdge names them, the namespace first', () => {
  assert.is(nodeStatusResource('default', 'edge-1'), 'default/nodestatus/edge-1');
  assert.is(nodeResource('default', 'edge-1'), 'default/node/edge-1');
});

test.run();

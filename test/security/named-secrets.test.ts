/** Secrets that Devices name reach the node of the Device, if they are meant for devices and of its namespace; no others do, whatever a Device says. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deviceModels, devices, namespaces, secrets } from '#cloud/store/kube-api.ts';
import { startTestCloud, type TestCloud } from '#test/support/cloud.ts';
import { thermostatModel } from '#test/support/device-objects.ts';
import { told } from '#test/support/down-cloud.ts';
import { createNode, said } from '#test/support/down-objects.ts';
import type { FakeEdge } from '#test/support/fake-edge.ts';

const VALUE = 'c2VjcmV0';
let cloud: TestCloud;
let press: FakeEdge;
let other: FakeEdge;

function device(name: string, node: string, password: string) {
  return {
    metadata: { name, namespace: 'default' },
    spec: {
      deviceModelRef: { name: 'therm' },
      nodeSelector: { nodeSelectorTerms: [{ matchExpressions: [{ key: '', operator: 'In', values: [node] }] }] },
      protocol: { opcua: { url: 'opc.tcp://192.0.2.1:4840', userName: 'x', password } },
    },
  };
}

const secret = (name: string, labels: Record<string, string> = {}, namespace = 'default') => ({
  metadata: { name, namespace, labels },
  data: { key: VALUE },
});
const MEANT = { 'hivelet.dev/for-devices': 'true' };
const ask = (edge: FakeEdge, resource: string) => edge.ask({ source: 'edged', group: 'meta', operation: 'query', resource });

test.before(async () => {
  cloud = await startTestCloud();
  await cloud.api.create(deviceModels, { ...thermostatModel(), metadata: { name: 'therm', namespace: 'default' } });
  for (const node of ['press', 'other']) await createNode(cloud.api, node);
  [press, other] = [await cloud.edge('press'), await cloud.edge('other')];
});
test.after(() => cloud.close());

test('a Secret that is meant for devices reaches the node whose Device names it, and leaves it with the Device', async () => {
  await cloud.api.create(secrets, secret('meant', MEANT));
  await cloud.api.create(devices, device('p1', 'press', 'secret:default/meant#key'));
  const down = await told(press, 'update default/secret/meant');
  assert.equal((down.content as { data: unknown }).data, { key: VALUE });
  assert.is((await ask(press, 'default/secret/meant')).route.operation, 'response');
  assert.is((await ask(other, 'default/secret/meant')).content, 'no pod of node other uses secret default/meant');
  await cloud.api.delete(devices, { name: 'p1', namespace: 'default' });
  await told(press, 'delete default/secret/meant');
});

test('one that is not meant for devices, or of another namespace, never leaves the cloud, until its label says so', async () => {
  await cloud.api.create(namespaces, { metadata: { name: 'hall' } });
  await cloud.api.create(secrets, secret('private'));
  await cloud.api.create(secrets, secret('no', { 'hivelet.dev/for-devices': 'false' }));
  await cloud.api.create(secrets, secret('theirs', MEANT, 'hall'));
  const named = ['secret:default/private#key', 'secret:default/no#key', 'secret:hall/theirs#key', 'secret:kube-system/x#key'];
  for (const [index, reference] of named.entries()) await cloud.api.create(devices, device(`p${String(index + 2)}`, 'press', reference));
  await cloud.api.create(secrets, secret('barrier', MEANT));
  await cloud.api.create(devices, device('p9', 'press', 'secret:default/barrier#key'));
  await told(press, 'update default/secret/barrier');
  for (const resource of ['default/secret/private', 'default/secret/no', 'hall/secret/theirs', 'kube-system/secret/x']) {
    assert.match(String((await ask(press, resource)).content), /^no pod of node press uses secret /, resource);
  }
  assert.equal(
    said(press).filter((text) => /secret\/(?!meant|barrier)/.test(text)),
    [],
  );
  await cloud.api.patch(secrets, { name: 'private', namespace: 'default' }, { type: 'merge', body: { metadata: { labels: MEANT } } });
  await told(press, 'update default/secret/private');
  await cloud.api.patch(
    secrets,
    { name: 'private', namespace: 'default' },
    { type: 'merge', body: { metadata: { labels: { 'hivelet.dev/for-devices': null } } } },
  );
  await told(press, 'delete default/secret/private');
});

test.run();

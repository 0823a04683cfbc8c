/** The access rules of conf/kubernetes: every test with a cloud in its process ends with a look at them; here that look itself is proved. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { nodes } from '#cloud/store/kube-api.ts';
import { allows, askedOf, readAccessRules, watchRequests, type AskedRequest } from '../support/access-rules.ts';
import { startTestCloud } from '../support/cloud.ts';
import { until } from '../support/until.ts';

const requests: [method: string, path: string, asked: AskedRequest | undefined][] = [
  ['GET', '/api/v1/nodes?limit=500', { verb: 'list', group: '', resource: 'nodes' }],
  ['GET', '/api/v1/nodes?watch=true', { verb: 'watch', group: '', resource: 'nodes' }],
  ['PATCH', '/api/v1/nodes/pi/status', { verb: 'patch', group: '', resource: 'nodes/status', name: 'pi' }],
  ['GET', '/api/v1/namespaces/kube-system', { verb: 'get', group: '', resource: 'namespaces', name: 'kube-system' }],
  ['POST', '/api/v1/namespaces', { verb: 'create', group: '', resource: 'namespaces' }],
  ['DELETE', '/api/v1/namespaces/default/pods/a', { verb: 'delete', group: '', resource: 'pods', namespace: 'default', name: 'a' }],
  [
    'PUT',
    '/apis/coordination.k8s.io/v1/namespaces/kubeedge/leases/cloudcore',
    { verb: 'update', group: 'coordination.k8s.io', resource: 'leases', namespace: 'kubeedge', name: 'cloudcore' },
  ],
  ['DELETE', '/apis/devices.kubeedge.io/v1alpha2/devices', { verb: 'deletecollection', group: 'devices.kubeedge.io', resource: 'devices' }],
  ['GET', '/version', undefined],
];
for (const [method, path, asked] of requests) {
  test(`${method} ${path} is read as Kubernetes does`, () => assert.equal(askedOf(method, path), asked));
}

test('a rule holds for its namespace and its names only', () => {
  const rules = readAccessRules();
  const lease = { group: 'coordination.k8s.io', resource: 'leases' };
  assert.ok(allows(rules, { ...lease, verb: 'update', namespace: 'kubeedge', name: 'cloudcore' }));
  assert.not(allows(rules, { ...lease, verb: 'update', namespace: 'kubeedge', name: 'another' }));
  assert.ok(allows(rules, { ...lease, verb: 'update', namespace: 'kube-node-lease', name: 'another' }));
  assert.not(allows(rules, { ...lease, verb: 'list' }));
  assert.ok(allows(rules, { verb: 'create', group: '', resource: 'secrets', namespace: 'kubeedge' }));
  assert.not(allows(rules, { verb: 'create', group: '', resource: 'secrets', namespace: 'default' }));
  assert.not(allows(rules, { verb: 'delete', group: '', resource: 'secrets', namespace: 'kubeedge' }));
  assert.not(allows(rules, { verb: 'get', group: '', resource: 'namespaces', name: 'default' }));
});

test('no rule gives all of anything', () => {
  for (const { apiGroups, resources, verbs } of readAccessRules()) assert.not.ok([...apiGroups, ...resources, ...verbs].includes('*'));
});

test('a run without one of the rules is noticed', async () => {
  const without = readAccessRules().filter(({ resources }) => !resources.includes('nodes/status'));
  const [strict, right] = [watchRequests(without), watchRequests()];
  const site = await startTestCloud();
  await site.api.create(nodes, { metadata: { name: 'pi', labels: { 'node-role.kubernetes.io/edge': '' } } });
  await site.edge('pi');
  await until(() => right.asked.has('patch /nodes/status'), { what: 'a status of the node' });
  await site.close();
  strict.end();
  right.end();
  assert.equal([...right.refused], []);
  assert.ok([...strict.refused].some((line) => line.includes('"resource":"nodes/status"')));
  for (const expected of ['list /secrets', 'get /namespaces', 'create coordination.k8s.io/leases', 'watch devices.kubeedge.io/devices']) {
    assert.ok(right.asked.has(expected), expected);
  }
});

test.run();

/** What users may do in the embedded API: roles and bindings, built-in roles, questions about all of it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DEVICES, RBAC, maps, startRightsWorld, type RightsWorld, type Rule } from '../support/api-rights.ts';
import { ADMIN_TOKEN, startApiServer } from '../support/api-server.ts';
import { within } from '../support/until.ts';

let world: RightsWorld;
const { as, ask, admin, grant }: Pick<RightsWorld, 'as' | 'ask' | 'admin' | 'grant'> = {
  as: (...args) => world.as(...args),
  ask: (request) => world.ask(request),
  admin: (...args) => world.admin(...args),
  grant: (...args) => world.grant(...args),
};

test.before(async () => {
  world = await startRightsWorld(['low', 'ann', 'bob', 'op', 'viewer', 'editor']);
});
test.after(() => world.api.close());

test('without a rule everything is refused, in the words of a real server', async () => {
  const refusals: [string, string, string][] = [
    ['GET', '/api/v1/nodes', 'nodes is forbidden: User "low" cannot list resource "nodes" in API group "" at the cluster scope'],
    [
      'GET',
      `${DEVICES}/x`,
      'devices.devices.kubeedge.io "x" is forbidden: User "low" cannot get resource "devices" in API group "devices.kubeedge.io" in the namespace "default"',
    ],
    [
      'PATCH',
      `${DEVICES}/x`,
      'devices.devices.kubeedge.io "x" is forbidden: User "low" cannot patch resource "devices" in API group "devices.kubeedge.io" in the namespace "default"',
    ],
    [
      'GET',
      '/api/v1/namespaces/hall',
      'namespaces "hall" is forbidden: User "low" cannot get resource "namespaces" in API group "" in the namespace "hall"',
    ],
    [
      'PUT',
      '/api/v1/nodes/n/status',
      'nodes "n" is forbidden: User "low" cannot update resource "nodes/status" in API group "" at the cluster scope',
    ],
    [
      'DELETE',
      maps('hall'),
      'configmaps is forbidden: User "low" cannot deletecollection resource "configmaps" in API group "" in the namespace "hall"',
    ],
    [
      'GET',
      `${maps('hall')}?watch=1`,
      'configmaps is forbidden: User "low" cannot watch resource "configmaps" in API group "" in the namespace "hall"',
    ],
    [
      'GET',
      '/api/v1/watch/configmaps',
      'configmaps is forbidden: User "low" cannot watch resource "configmaps" in API group "" at the cluster scope',
    ],
    [
      'GET',
      '/apis/no.such.group/v1/things',
      'things.no.such.group is forbidden: User "low" cannot list resource "things" in API group "no.such.group" at the cluster scope',
    ],
    ['GET', '/metrics', 'forbidden: User "low" cannot get path "/metrics"'],
  ];
  for (const [method, path, wanted] of refusals) {
    const { status, message, body } = await as('low').send(method, path);
    assert.equal([status, message, body['reason']], [403, wanted, 'Forbidden']);
  }
  assert.equal((await as('low').send('GET', `${DEVICES}/x`)).body['details'], { name: 'x', group: 'devices.kubeedge.io', kind: 'devices' });
});

test('a role holds in its namespace and for its verbs, from the next request on, and ends with its binding', async () => {
  const rule = { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list'] };
  const take = await grant('low', [rule], 'hall');
  assert.is(await as('low').code('GET', `${maps('hall')}/a`), 200);
  assert.is(await as('low').code('GET', maps('hall')), 200);
  assert.is(await as('low').code('GET', `${maps('hall')}?watch=1`), 403);
  assert.is(await as('low').code('GET', maps('default')), 403);
  assert.is(await as('low').code('GET', '/api/v1/configmaps'), 403);
  assert.is(await as('low').code('DELETE', `${maps('hall')}/a`), 403);
  assert.is(await as('low').code('GET', '/api/v1/namespaces/hall/secrets'), 403);
  assert.is(await as('ann').code('GET', maps('hall')), 403);
  await take();
  assert.is(await as('low').code('GET', maps('hall')), 403);
});

test('names, subresources, wildcards and paths count as on a real server', async () => {
  const end = [
    await grant('ann', [
      { apiGroups: [''], resources: ['configmaps'], resourceNames: ['a'], verbs: ['get', 'list', 'watch', 'patch'] },
      { apiGroups: [''], resources: ['nodes/status'], verbs: ['*'] },
      { apiGroups: ['apps'], resources: ['*/scale'], verbs: ['get'] },
      { nonResourceURLs: ['/metrics', '/debug/*'], verbs: ['get'] },
    ]),
  ];
  assert.is(await as('ann').code('GET', `${maps('default')}/a`), 200);
  assert.is(await as('ann').code('GET', `${maps('default')}/b`), 403);
  assert.is(await as('ann').code('GET', maps('default')), 403);
  const one = await as('ann').send('GET', `${maps('default')}?fieldSelector=metadata.name%3Da`);
  assert.equal([one.status, (one.body['items'] as unknown[]).length], [200, 1]);
  assert.is(await as('ann').code('GET', `${maps('default')}?fieldSelector=metadata.name!%3Da`), 403);
  assert.is(await as('ann').code('GET', `${maps('default')}?fieldSelector=metadata.name%3Db`), 403);
  assert.is(await as('ann').code('GET', '/api/v1/nodes/n/status'), 404);
  assert.is(await as('ann').code('GET', '/api/v1/nodes/n'), 403);
  assert.is(await as('ann').code('GET', '/apis/apps/v1/namespaces/default/deployments/d/scale'), 404);
  assert.is(await as('ann').code('GET', '/apis/apps/v1/namespaces/default/deployments/d'), 403);
  assert.is(await as('ann').code('GET', '/metrics'), 404);
  assert.is(await as('ann').code('GET', '/debug/x'), 404);
  assert.is(await as('ann').code('GET', '/debugger'), 403);
  for (const take of end) await take();
});

test('groups and service accounts are subjects too, and a ClusterRole holds where a RoleBinding binds it', async () => {
  await admin('POST', `${RBAC}/clusterroles`, {
    metadata: { name: 'maps' },
    rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }],
  });
  const roleRef = { kind: 'ClusterRole', name: 'maps' };
  const subjects = [
    { kind: 'Group', name: 'people' },
    { kind: 'Group', name: 'system:serviceaccounts:hall' },
    { kind: 'ServiceAccount', name: 'robot', namespace: 'default' },
  ];
  await admin('POST', `${RBAC}/namespaces/hall/rolebindings`, { metadata: { name: 'maps' }, roleRef, subjects });
  assert.is(await as('bob').code('GET', `${maps('hall')}/a`), 200);
  assert.is(await as('bob').code('GET', `${maps('default')}/a`), 403);
  for (const [namespace, name, wanted] of [
    ['default', 'robot', 200],
    ['default', 'other', 403],
    ['hall', 'other', 200],
  ] as const) {
    await admin('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name } });
    const { body } = await ask({
      method: 'POST',
      path: `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`,
      contentType: 'application/json',
      body: { spec: {} },
    });
    assert.is(await as(String(body.status['token'])).code('GET', `${maps('hall')}/a`), wanted, name);
  }
  await admin('DELETE', `${RBAC}/clusterroles/maps`);
  const { message } = await as('bob').send('GET', `${maps('hall')}/a`);
  assert.match(message, 'in the namespace "hall": RBAC: clusterrole.rbac.authorization.k8s.io "maps" not found');
  await admin('DELETE', `${RBAC}/namespaces/hall/rolebindings/maps`);
});

test('who may update or apply may not create by it', async () => {
  const end = [
    await grant('low', [
      { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['update', 'patch'] },
      { apiGroups: [''], resources: ['configmaps'], verbs: ['patch'] },
    ]),
  ];
  const lease = '/apis/coordination.k8s.io/v1/namespaces/default/leases/l';
  const { status, message } = await as('low').send('PUT', lease, { metadata: { name: 'l' }, spec: {} });
  assert.equal([status, /cannot create resource "leases"/.test(message)], [403, true]);
  const apply = {
    method: 'PATCH',
    token: 'low',
    contentType: 'application/apply-patch+yaml',
    body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'new' } },
  };
  assert.is((await ask({ ...apply, path: `${maps('default')}/new?fieldManager=x` })).status, 403);
  const known = { ...apply.body, metadata: { name: 'a' } };
  assert.is((await ask({ ...apply, body: known, path: `${maps('default')}/a?fieldManager=x` })).status, 200);
  for (const take of end) await take();
});

test('the built-in roles: view sees devices and no secrets, edit changes them and no roles, device-operator sets desired values', async () => {
  const bind = (user: string, role: string): Promise<void> =>
    admin('POST', `${RBAC}/namespaces/default/rolebindings`, {
      metadata: { name: role },
      roleRef: { kind: 'ClusterRole', name: role },
      subjects: [{ kind: 'User', name: user }],
    });
  await bind('viewer', 'view');
  await bind('editor', 'edit');
  await bind('op', 'device-operator');
  const secrets = '/api/v1/namespaces/default/secrets';
  const models = '/apis/devices.kubeedge.io/v1alpha2/namespaces/default/devicemodels';
  const device = {
    apiVersion: 'devices.kubeedge.io/v1alpha2',
    kind: 'Device',
    metadata: { name: 'd' },
    spec: { deviceModelRef: { name: 'm' } },
  };
  const expected: [string, string, string, Record<string, number>][] = [
    ['GET', DEVICES, '', { viewer: 200, editor: 200, op: 200 }],
    ['POST', DEVICES, 'device', { viewer: 403, op: 403, editor: 201 }],
    ['PATCH', `${DEVICES}/d`, 'patch', { viewer: 403, editor: 200, op: 200 }],
    ['GET', `${DEVICES}/d`, '', { viewer: 200, editor: 200, op: 200 }],
    ['GET', models, '', { viewer: 200, editor: 200, op: 200 }],
    ['GET', secrets, '', { viewer: 403, editor: 200, op: 403 }],
    ['GET', maps('default'), '', { viewer: 200, editor: 200, op: 403 }],
    ['GET', maps('hall'), '', { viewer: 403, editor: 403, op: 403 }],
    ['GET', `${RBAC}/namespaces/default/roles`, '', { viewer: 403, editor: 403, op: 403 }],
    ['GET', '/api/v1/nodes', '', { viewer: 403, editor: 403, op: 403 }],
    ['DELETE', `${DEVICES}/d`, '', { viewer: 403, op: 403, editor: 200 }],
  ];
  const patch = { status: { twins: [{ propertyName: 'p', desired: { value: '1', metadata: { type: 'string' } } }] } };
  for (const [method, path, body, users] of expected) {
    for (const [user, wanted] of Object.entries(users)) {
      const content = body === 'device' ? device : body === 'patch' ? patch : undefined;
      const { status, message } = await as(user).send(method, path, content);
      assert.is(status, wanted, `${user} ${method} ${path}: ${message}`);
    }
  }
});

test('rules of users join the built-in roles by label, and leave them again', async () => {
  const labels = { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' };
  const rule = { apiGroups: ['probe.io'], resources: ['gadgets'], verbs: ['get'] };
  const rulesOf = async (role: string): Promise<string> =>
    JSON.stringify((await as(ADMIN_TOKEN).send('GET', `${RBAC}/clusterroles/${role}`)).body['rules']);
  const settled = async (role: string, has: boolean): Promise<void> => {
    const deadline = performance.now() + 5000;
    while ((await rulesOf(role)).includes('probe.io') !== has) assert.ok(performance.now() < deadline, `${role} ${String(has)}`);
  };
  await admin('POST', `${RBAC}/clusterroles`, { metadata: { name: 'gadget-viewer', labels }, rules: [rule] });
  for (const role of ['view', 'edit', 'admin']) await settled(role, true);
  assert.is((await world.api.raw({ path: '/apis/probe.io/v1/namespaces/default/gadgets/x', token: 'viewer' })).status, 404);
  await admin('DELETE', `${RBAC}/clusterroles/gadget-viewer`);
  for (const role of ['view', 'edit', 'admin']) await settled(role, false);
});

test('questions about access are answered by the same rules', async () => {
  const allowed = async (token: string, spec: unknown): Promise<unknown[]> => {
    const { body } = await as(token).send('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', { spec });
    return [body.status['allowed'], body.status['reason']];
  };
  const attributes = { verb: 'get', group: 'devices.kubeedge.io', resource: 'devices', namespace: 'default' };
  assert.equal(await allowed('op', { resourceAttributes: attributes }), [
    true,
    'RBAC: allowed by RoleBinding "device-operator/default" of ClusterRole "device-operator" to User "op"',
  ]);
  assert.equal(await allowed('op', { resourceAttributes: { ...attributes, namespace: 'hall' } }), [false, undefined]);
  assert.equal(await allowed('op', { resourceAttributes: { ...attributes, verb: 'delete' } }), [false, undefined]);
  assert.is((await allowed('op', { nonResourceAttributes: { verb: 'get', path: '/apis/apps' } }))[0], true);
  const others = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
  assert.is(await as('op').code('POST', others, { spec: { user: 'ann', resourceAttributes: attributes } }), 403);
  const other = await as(ADMIN_TOKEN).send('POST', others, { spec: { user: 'op', resourceAttributes: attributes } });
  assert.is(other.body.status['allowed'], true);
  const rules = await as('op').send('POST', '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', { spec: { namespace: 'default' } });
  const { resourceRules, nonResourceRules, incomplete } = rules.body.status as {
    resourceRules: Rule[];
    nonResourceRules: Rule[];
    incomplete: boolean;
  };
  assert.ok(resourceRules.some((rule) => rule.resources?.includes('devices') === true && rule.verbs.includes('patch')));
  assert.ok(nonResourceRules.some((rule) => rule.nonResourceURLs?.includes('/apis/*') === true));
  assert.is(incomplete, false);
});

test('a watch ends soon after the right to it', async () => {
  const take = await grant('low', [{ apiGroups: [''], resources: ['configmaps'], verbs: ['watch'] }]);
  const path = `${maps('hall')}?watch=1`;
  let taken: Promise<void> | undefined;
  const onText = (): boolean => {
    taken ??= take();
    return false;
  };
  const ended = world.api.raw({ path, token: 'low', enough: onText });
  const { status, text } = await within(ended, { what: 'the end of the watch', deadlineMs: 15_000 });
  assert.equal([status, text.includes('"ADDED"')], [200, true]);
  await taken;
  assert.is(await as('low').code('GET', path), 403);
});

test('roles hold over a restart, and built-in ones that were deleted come back', async () => {
  const first = await startApiServer({ tokens: [{ token: 'op', user: 'op', groups: [] }] });
  const send = (path: string, body: unknown): Promise<{ status: number }> =>
    first.raw({ method: 'POST', path, contentType: 'application/json', body });
  const subjects = [{ kind: 'User', name: 'op' }];
  await send(`${RBAC}/clusterrolebindings`, { metadata: { name: 'b' }, roleRef: { kind: 'ClusterRole', name: 'view' }, subjects });
  await first.raw({ method: 'DELETE', path: `${RBAC}/clusterroles/device-operator` });
  await first.close();
  const second = await startApiServer({ dataDir: first.dataDir, tokens: [{ token: 'op', user: 'op', groups: [] }] });
  assert.is((await second.raw({ path: '/api/v1/configmaps', token: 'op' })).status, 200);
  assert.is((await second.raw({ path: `${RBAC}/clusterroles/device-operator` })).status, 200);
  await second.close();
});

test.run();

/** How users of the embedded API cannot get more rights than they have: giving them away, acting as others. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RBAC, maps, startRightsWorld, type RightsWorld, type Rule } from '../support/api-rights.ts';

const GROUP = 'rbac.authorization.k8s.io';
let world: RightsWorld;
const { as, ask, admin, grant }: Pick<RightsWorld, 'as' | 'ask' | 'admin' | 'grant'> = {
  as: (...args) => world.as(...args),
  ask: (request) => world.ask(request),
  admin: (...args) => world.admin(...args),
  grant: (...args) => world.grant(...args),
};

test.before(async () => {
  world = await startRightsWorld(['ann', 'bob', 'eve']);
});
test.after(() => world.api.close());

test('nobody gives away what they do not have', async () => {
  const held: Rule = { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list'] };
  const take = await grant('eve', [held, { apiGroups: [GROUP], resources: ['*'], verbs: ['create', 'update', 'patch', 'get'] }], 'hall');
  const roles = `${RBAC}/namespaces/hall/roles`;
  const role = (name: string, rules: Rule[]): unknown => ({ metadata: { name }, rules });
  const secrets: Rule = { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'list'] };
  assert.is(await as('eve').code('POST', roles, role('same', [held])), 201);
  const { status, message } = await as('eve').send('POST', roles, role('more', [held, secrets]));
  assert.is(status, 403);
  assert.is(
    message,
    'roles.rbac.authorization.k8s.io "more" is forbidden: user "eve" (groups=["people" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}',
  );
  assert.is(await as('eve').code('PATCH', `${roles}/same`, { rules: [held, secrets] }), 403);
  assert.is(await as('eve').code('PATCH', `${roles}/same`, { rules: [{ ...held, verbs: ['*'] }] }), 403);
  assert.is(await as('eve').code('PATCH', `${roles}/same`, { rules: [{ ...held, resources: ['*'] }] }), 403);
  assert.is(await as('eve').code('PATCH', `${roles}/same`, { rules: [{ ...held, resourceNames: ['a'], verbs: ['get'] }] }), 200);
  const bindings = `${RBAC}/namespaces/hall/rolebindings`;
  const binding = (name: string, roleRef: unknown): unknown => ({ metadata: { name }, roleRef, subjects: [{ kind: 'User', name: 'bob' }] });
  assert.is(await as('eve').code('POST', bindings, binding('ok', { kind: 'Role', name: 'same' })), 201);
  assert.is(await as('eve').code('POST', bindings, binding('no', { kind: 'ClusterRole', name: 'cluster-admin' })), 403);
  const absent = await as('eve').send('POST', bindings, binding('no', { kind: 'ClusterRole', name: 'absent' }));
  assert.equal([absent.status, absent.message], [404, 'clusterroles.rbac.authorization.k8s.io "absent" not found']);
  assert.is(await as('eve').code('POST', `${RBAC}/clusterrolebindings`, binding('no', { kind: 'ClusterRole', name: 'view' })), 403);
  const apply = { apiVersion: `${GROUP}/v1`, kind: 'Role', ...(role('applied', [secrets]) as object) };
  const path = `${roles}/applied?fieldManager=x`;
  assert.is((await ask({ method: 'PATCH', path, token: 'eve', contentType: 'application/apply-patch+yaml', body: apply })).status, 403);
  const bind = await grant(
    'eve',
    [{ apiGroups: [GROUP], resources: ['clusterroles'], resourceNames: ['cluster-admin'], verbs: ['bind'] }],
    'hall',
  );
  assert.is(await as('eve').code('POST', bindings, binding('now', { kind: 'ClusterRole', name: 'cluster-admin' })), 201);
  const escalate = await grant('eve', [{ apiGroups: [GROUP], resources: ['roles'], verbs: ['escalate'] }], 'hall');
  assert.is(await as('eve').code('POST', roles, role('more', [secrets])), 201);
  for (const back of [take, bind, escalate]) await back();
  for (const name of ['ok', 'now']) await admin('DELETE', `${bindings}/${name}`);
});

test('a role that nobody could compare is refused, not pondered', async () => {
  const take = await grant('eve', [{ apiGroups: [GROUP], resources: ['roles'], verbs: ['create'] }], 'hall');
  const many = Array.from({ length: 200 }, (_each, index) => `r${String(index)}`);
  const rules = [{ apiGroups: many, resources: many, verbs: many }];
  const startedMs = performance.now();
  const { status, message } = await as('eve').send('POST', `${RBAC}/namespaces/hall/roles`, { metadata: { name: 'huge' }, rules });
  assert.equal([status, /grant less at a time/.test(message)], [403, true]);
  assert.ok(performance.now() - startedMs < 1000);
  await take();
});

test('acting as another needs the right to it, and gives no more than that one has', async () => {
  const headers = (user: string, more: Record<string, string> = {}): Record<string, string> => ({ 'Impersonate-User': user, ...more });
  const path = `${maps('hall')}/a`;
  const refused = await as('eve', headers('ann')).send('GET', path);
  assert.is(
    refused.message,
    'users "ann" is forbidden: User "eve" cannot impersonate resource "users" in API group "" at the cluster scope',
  );
  const end = [
    await grant('eve', [{ apiGroups: [''], resources: ['users'], resourceNames: ['ann'], verbs: ['impersonate'] }]),
    await grant('eve', [{ apiGroups: [''], resources: ['serviceaccounts'], verbs: ['impersonate'] }], 'hall'),
    await grant('ann', [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }]),
  ];
  assert.is(await as('eve').code('GET', path), 403);
  assert.is(await as('eve', headers('ann')).code('GET', path), 200);
  assert.is(await as('eve', headers('bob')).code('GET', path), 403);
  const groups = await as('eve', headers('ann', { 'Impersonate-Group': 'system:masters' })).send('GET', path);
  assert.match(groups.message, 'groups "system:masters" is forbidden: User "eve" cannot impersonate resource "groups"');
  const extra = await as('eve', headers('ann', { 'Impersonate-Extra-Scopes': 'x' })).send('GET', path);
  assert.match(
    extra.message,
    'userextras.authentication.k8s.io "x" is forbidden: User "eve" cannot impersonate resource "userextras/scopes"',
  );
  assert.match(
    (await as('eve', headers('ann', { 'Impersonate-Uid': '7' })).send('GET', path)).message,
    'cannot impersonate resource "uids"',
  );
  assert.is(await as('eve', { 'Impersonate-Group': 'people' }).code('GET', path), 500);
  const review = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const robot = await as('eve', headers('system:serviceaccount:hall:robot')).send('POST', review, {});
  assert.equal(robot.body.status['userInfo'], {
    username: 'system:serviceaccount:hall:robot',
    groups: ['system:serviceaccounts', 'system:serviceaccounts:hall', 'system:authenticated'],
  });
  assert.is(await as('eve', headers('system:serviceaccount:default:robot')).code('POST', review, {}), 403);
  for (const take of end) await take();
});

test.run();

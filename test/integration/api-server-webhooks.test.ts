/** Owns the proof that the embedded API asks admission webhooks as Kubernetes does: who is asked what, and what comes of the answer. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { configmaps, devices, type KubeObjectInput } from '#cloud/store/kube-api.ts';
import type { RawAnswer } from '#test/support/api-server.ts';
import { NAME, RULE, configMap, failure, startWebhookRig, type WebhookRig } from '#test/support/webhook-rig.ts';
import { webhookConfigurations } from '#test/support/webhook-server.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';

let rig: WebhookRig;

test.before(async () => {
  rig = await startWebhookRig();
});
test.after(() => rig.close());

const asked = (): string[] => rig.hook.asked.map(({ request: { operation, name } }) => `${operation} ${name}`);
const warningsOf = ({ headers }: RawAnswer): unknown => headers['warning'];

test('each change is asked about with old and new object, user, options and a uid of its own', async () => {
  await rig.configured({});
  await rig.api.client.create(configmaps, configMap({ a: '1' }), { fieldManager: 'tester' });
  await rig.api.client.patch(configmaps, NAME, { type: 'merge', body: { data: { a: '2' } } });
  await rig.api.client.delete(configmaps, NAME);
  assert.equal(asked(), ['CREATE c', 'UPDATE c', 'DELETE c']);
  const [created, updated, deleted] = rig.hook.asked.map(({ request }) => request);
  assert.ok(created);
  const { uid, object, userInfo, ...rest } = created;
  assert.match(uid, /^[0-9a-f-]{36}$/);
  assert.equal(rest, {
    kind: { group: '', version: 'v1', kind: 'ConfigMap' },
    resource: { group: '', version: 'v1', resource: 'configmaps' },
    requestKind: { group: '', version: 'v1', kind: 'ConfigMap' },
    requestResource: { group: '', version: 'v1', resource: 'configmaps' },
    name: 'c',
    namespace: 'default',
    operation: 'CREATE',
    oldObject: null,
    dryRun: false,
    options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1', fieldManager: 'tester' },
  });
  assert.equal((object as { data: unknown }).data, { a: '1' });
  assert.equal(userInfo, { username: 'admin', groups: ['system:masters', 'system:authenticated'] });
  assert.equal(
    [updated?.oldObject, updated?.object].map((each) => (each as { data: unknown }).data),
    [{ a: '1' }, { a: '2' }],
  );
  assert.is((updated?.options as { kind: string }).kind, 'PatchOptions');
  assert.equal([deleted?.object, (deleted?.oldObject as { data: unknown }).data], [null, { a: '2' }]);
  assert.is(rig.hook.asked[0]?.path, '/check?timeout=10s');
  assert.is(new Set(rig.hook.asked.map(({ request }) => request.uid)).size, 3);
});

const refusals: [what: string, response: Record<string, unknown>, code: number, reason: string, message: string][] = [
  [
    'with a status',
    { allowed: false, status: { code: 422, reason: 'Invalid', message: 'spec.a: is bad' } },
    422,
    'Invalid',
    'admission webhook "check.test.dev" denied the request: spec.a: is bad',
  ],
  [
    'with a reason only',
    { allowed: false, status: { reason: 'NotToday' } },
    400,
    'NotToday',
    'admission webhook "check.test.dev" denied the request: NotToday',
  ],
  ['without a word', { allowed: false }, 400, '', 'admission webhook "check.test.dev" denied the request without explanation'],
  [
    'with a code that is no failure',
    { allowed: false, status: { code: 200, message: 'no' } },
    400,
    '',
    'admission webhook "check.test.dev" denied the request: no',
  ],
];
for (const [what, response, code, reason, message] of refusals) {
  test(`a refusal ${what} is told in the words of Kubernetes, and nothing is stored`, async () => {
    await rig.configured({}, { response });
    const error = await failure(rig.api.client.create(configmaps, configMap()));
    assert.equal([error.code, error.reason, error.message], [code, reason, message]);
    assert.is((await rig.api.client.list(configmaps, { namespace: 'default' })).items.length, 0);
  });
}

test('warnings are headers, of a refusal too', async () => {
  await rig.configured({}, { response: { allowed: true, warnings: ['spec.b: is odd', 'spec.c: "x"'] } });
  const post = (): Promise<RawAnswer> =>
    rig.api.raw({
      method: 'POST',
      path: MAPS,
      contentType: 'application/json',
      body: { apiVersion: 'v1', kind: 'ConfigMap', ...configMap() },
    });
  const made = await post();
  assert.equal([made.status, warningsOf(made)], [201, '299 - "spec.b: is odd", 299 - "spec.c: \\"x\\""']);
  rig.hook.answer = { response: { allowed: false, warnings: ['and this'], status: { message: 'no' } } };
  const refused = await rig.api.raw({ method: 'DELETE', path: `${MAPS}/c` });
  assert.equal([refused.status, warningsOf(refused)], [400, '299 - "and this"']);
});

test('a dry run asks and stores nothing, and asks nobody with side effects', async () => {
  await rig.configured({ sideEffects: 'NoneOnDryRun' });
  await rig.api.client.create(configmaps, configMap(), { dryRun: true });
  assert.is(rig.hook.asked[0]?.request['dryRun'], true);
  assert.equal((rig.hook.asked[0]?.request['options'] as { dryRun: unknown }).dryRun, ['All']);
  assert.is((await rig.api.client.list(configmaps, { namespace: 'default' })).items.length, 0);
});

for (const [what, parts, expected] of [
  ['another group', { rules: [{ ...RULE, apiGroups: ['apps'] }] }, 0],
  ['another operation', { rules: [{ ...RULE, operations: ['UPDATE', 'DELETE'] }] }, 0],
  ['another resource', { rules: [{ ...RULE, resources: ['secrets', 'configmaps/status'] }] }, 0],
  [
    'the second RULE',
    {
      rules: [
        { ...RULE, resources: ['secrets'] },
        { ...RULE, apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*'] },
      ],
    },
    1,
  ],
  ['namespaced objects', { rules: [{ ...RULE, scope: 'Namespaced' }] }, 1],
  ['objects of the cluster', { rules: [{ ...RULE, scope: 'Cluster' }] }, 0],
  ['a label that the object has', { objectSelector: { matchLabels: { app: 'x' } } }, 1],
  ['a label that it has not', { objectSelector: { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['x'] }] } }, 0],
  ['a label that the namespace has', { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'default' } } }, 1],
  ['a label that the namespace has not', { namespaceSelector: { matchExpressions: [{ key: 'team', operator: 'Exists' }] } }, 0],
] as const) {
  test(`a webhook for ${what} is asked ${expected === 0 ? 'not at all' : 'once'}`, async () => {
    await rig.configured(parts);
    await rig.api.client.create(configmaps, configMap({}, { app: 'x' }));
    assert.is(rig.hook.asked.length, expected);
  });
}

test('a webhook for one version sees requests in another one in its own, unless it matches exactly', async () => {
  const device = (name: string): KubeObjectInput => ({ metadata: { namespace: 'default', name }, spec: { nodeName: 'n' } });
  const rules = [{ apiGroups: ['devices.kubeedge.io'], apiVersions: ['v1alpha2'], operations: ['*'], resources: ['devices'] }];
  await rig.configured({ rules });
  await rig.api.client.create({ ...devices, version: 'v1beta1' }, device('d1'));
  const [seen] = rig.hook.asked.map(({ request }) => request);
  assert.equal((seen?.object as { apiVersion: string }).apiVersion, 'devices.kubeedge.io/v1alpha2');
  assert.equal(
    [seen?.['kind'], seen?.['requestKind']].map((kind) => (kind as { version: string }).version),
    ['v1alpha2', 'v1beta1'],
  );
  await rig.configured({ rules, matchPolicy: 'Exact' });
  await rig.api.client.create({ ...devices, version: 'v1beta1' }, device('d2'));
  assert.is(rig.hook.asked.length, 0);
});

for (const [what, parts, field] of [
  [
    'conditions in CEL',
    { matchConditions: [{ name: 'a', expression: 'true' }] },
    'webhooks[0].matchConditions: Forbidden: CEL is not evaluated here',
  ],
  ['side effects in a dry run', { sideEffects: 'Some' }, 'webhooks[0].sideEffects: Unsupported value: "Some"'],
  ['an old review only', { admissionReviewVersions: ['v1beta1'] }, 'webhooks[0].admissionReviewVersions: Invalid value'],
  ['plain http', { clientConfig: { url: 'http://127.0.0.1/' } }, 'webhooks[0].clientConfig.url: Invalid value'],
] as const) {
  test(`a configuration with ${what} is refused, because it could not be served`, async () => {
    const error = await failure(rig.configured(parts));
    assert.is(error.code, 422);
    assert.ok(error.message.includes(field), error.message);
  });
}

test('webhook configurations themselves are beyond webhooks', async () => {
  await rig.configured(
    { rules: [{ apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*', '*/*'] }] },
    { response: { allowed: false } },
  );
  await rig.api.client.delete(webhookConfigurations, { name: 'check' });
  await rig.api.client.create(configmaps, configMap());
});

test.run();

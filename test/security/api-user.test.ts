/** An API user with `view`, and one with a board's certificate, try everything that discovery names: nothing changes, and nothing secret is read. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ADMIN_TOKEN,
  installDefinitions,
  startApiServer,
  userCertificate,
  type RawAnswer,
  type RawRequest,
  type TestApiServer,
} from '#test/support/api-server.ts';
import { RBAC } from '#test/support/api-rights.ts';

const SECRET = 'c2VjcmV0LW9mLXRoZS1oYWxs';
/** What `view` shows, by group and resource. */
const VISIBLE = new Set(
  [
    [
      'configmaps',
      'endpoints',
      'events',
      'namespaces',
      'namespaces/status',
      'pods',
      'pods/log',
      'pods/status',
      'serviceaccounts',
      'services',
      'services/status',
    ],
    [
      'controllerrevisions',
      'daemonsets',
      'daemonsets/status',
      'deployments',
      'deployments/scale',
      'deployments/status',
      'replicasets',
      'replicasets/scale',
      'replicasets/status',
    ].map((each) => `${each}.apps`),
    ['poddisruptionbudgets', 'poddisruptionbudgets/status'].map((each) => `${each}.policy`),
    [
      'networkpolicies.networking.k8s.io',
      'endpointslices.discovery.k8s.io',
      'devices.devices.kubeedge.io',
      'devicemodels.devices.kubeedge.io',
    ],
  ].flat(),
);
/** What everybody may ask about themselves. */
const QUESTIONS = new Set(['selfsubjectaccessreviews', 'selfsubjectrulesreviews', 'selfsubjectreviews']);

interface Resource {
  name: string;
  namespaced: boolean;
  group: string;
  /** Of the collection. */
  base: string;
}

let api: TestApiServer;
let resources: Resource[];

test.before(async () => {
  api = await startApiServer({ tokens: [{ token: 'viewer', user: 'viewer', groups: [] }] });
  await installDefinitions(api.client);
  const post = (path: string, body: unknown): Promise<RawAnswer> =>
    api.raw({ method: 'POST', path, contentType: 'application/json', body });
  await post('/api/v1/namespaces/default/secrets', { metadata: { name: 'x' }, data: { key: SECRET } });
  await post('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'x' } });
  await post('/api/v1/namespaces/default/configmaps', { metadata: { name: 'x' } });
  const subjects = [{ kind: 'User', name: 'viewer' }];
  await post(`${RBAC}/clusterrolebindings`, { metadata: { name: 'viewer' }, roleRef: { kind: 'ClusterRole', name: 'view' }, subjects });
  resources = await discovered();
});
test.after(() => api.close());

async function json(path: string): Promise<Record<string, unknown>> {
  return JSON.parse((await api.raw({ path })).text) as Record<string, unknown>;
}

async function discovered(): Promise<Resource[]> {
  const groups = (await json('/apis'))['groups'] as { versions: { groupVersion: string }[] }[];
  const versions = ['v1', ...groups.flatMap((group) => group.versions.map(({ groupVersion }) => groupVersion))];
  const found: Resource[] = [];
  for (const version of versions) {
    const root = version === 'v1' ? '/api/v1' : `/apis/${version}`;
    for (const { name, namespaced } of (await json(root))['resources'] as { name: string; namespaced: boolean }[]) {
      found.push({ name, namespaced, group: version === 'v1' ? '' : (version.split('/')[0] ?? ''), base: root });
    }
  }
  return found;
}

/** The paths of a resource: of a subresource only below an object. */
function pathsOf({ name, namespaced, base }: Resource): string[] {
  const [plural = '', subresource] = name.split('/');
  const homes = namespaced ? [`${base}/namespaces/default`, `${base}/namespaces/kube-system`] : [base];
  if (subresource !== undefined) return homes.map((home) => `${home}/${plural}/x/${subresource}`);
  return [...homes.flatMap((home) => [`${home}/${plural}`, `${home}/${plural}/x`]), `${base}/${plural}`, `${base}/watch/${plural}`];
}

const keyOf = ({ name, group }: Resource): string => (group === '' ? name : `${name}.${group}`);
const refused = ({ status }: RawAnswer): boolean => status === 403;
const first = (text: string): boolean => text.length > 0;

test('reading: what view does not show is refused, by every path and every way to ask', async () => {
  const ways = ['', '?watch=1', '?fieldSelector=metadata.name%3Dx', '?limit=1', '?resourceVersion=0&resourceVersionMatch=NotOlderThan'];
  for (const resource of resources.filter((each) => !VISIBLE.has(keyOf(each)))) {
    for (const path of pathsOf(resource)) {
      for (const method of ['GET', 'HEAD']) {
        for (const way of ways) {
          const answer = await api.raw({ method, path: `${path}${way}`, token: 'viewer', enough: first });
          assert.ok(refused(answer), `${method} ${path}${way}: ${String(answer.status)} ${answer.text.slice(0, 200)}`);
        }
      }
    }
  }
});

test('writing: nothing is, not even as a trial', async () => {
  const before = api.server.stats.revision;
  const body = { metadata: { name: 'x' }, roleRef: {}, subjects: [], spec: {} };
  for (const resource of resources) {
    for (const path of pathsOf(resource)) {
      for (const [method, contentType] of [
        ['POST', 'application/json'],
        ['PUT', 'application/json'],
        ['PATCH', 'application/merge-patch+json'],
        ['PATCH', 'application/apply-patch+yaml'],
        ['DELETE', 'application/json'],
      ] as const) {
        if (path.includes('/watch/') || (method === 'POST' && QUESTIONS.has(resource.name))) continue;
        for (const way of ['', '?dryRun=All']) {
          const content = method === 'DELETE' ? {} : { body };
          const answer = await api.raw({ method, path: `${path}${way}`, contentType, token: 'viewer', ...content });
          assert.ok(refused(answer), `${method} ${path}${way}: ${String(answer.status)} ${answer.text.slice(0, 200)}`);
        }
      }
    }
  }
  assert.is(api.server.stats.revision, before);
});

test('ways around: other names, other methods, other spellings', async () => {
  const secret = '/api/v1/namespaces/default/secrets/x';
  const trick = (headers: Record<string, string>): RawRequest => ({ path: secret, headers });
  const tricks: RawRequest[] = [
    trick({ 'Impersonate-User': 'admin' }),
    trick({ 'Impersonate-User': 'viewer', 'Impersonate-Group': 'system:masters' }),
    trick({ 'Impersonate-User': 'system:serviceaccount:default:x' }),
    trick({ 'X-Remote-User': 'admin', 'X-Remote-Group': 'system:masters' }),
    trick({ 'X-HTTP-Method-Override': 'GET', 'X-Forwarded-User': 'admin' }),
    { path: '/api/v1/namespaces/default/configmaps/../secrets/x' },
    { path: '/api/v1/namespaces/default/configmaps/%2e%2e/secrets/x' },
    { path: '/api/v1/namespaces/default/configmaps%2F..%2Fsecrets/x' },
    { path: '/api/v1//namespaces//default//secrets//x' },
    { path: '/API/v1/namespaces/default/secrets/x' },
    { path: '/healthz/../api/v1/namespaces/default/secrets/x' },
    { path: '/api/v1/watch/namespaces/default/secrets/x' },
    { path: '/api/v1/namespaces/default/secrets/x/status' },
    { method: 'POST', path: '/api/v1/namespaces/default/serviceaccounts/x/token', contentType: 'application/json', body: { spec: {} } },
    {
      method: 'POST',
      path: '/api/v1/namespaces/default/configmaps',
      contentType: 'application/json',
      body: { kind: 'Secret', metadata: { name: 'y' } },
    },
  ];
  for (const attack of tricks) {
    const { status, text } = await api.raw({ token: 'viewer', enough: first, ...attack });
    assert.ok(status >= 400, `${JSON.stringify(attack)}: ${String(status)}`);
    assert.is(text.includes(SECRET), false, JSON.stringify(attack));
  }
});

test('a board with its certificate is a user without any role: it may not even ask what there is', async () => {
  const certificate = await userCertificate('system:node:pi', ['system:nodes']);
  for (const path of [
    '/api',
    '/api/v1',
    '/apis',
    '/openapi/v2',
    '/openapi/v3',
    '/metrics',
    '/api/v1/nodes/pi',
    '/api/v1/pods',
    '/api/v1/namespaces/default/secrets/x',
    '/apis/devices.kubeedge.io/v1alpha2',
    '/apis/devices.kubeedge.io/v1alpha2/devices',
  ]) {
    const { status, text } = await api.raw({ path, certificate });
    assert.is(status, 403, path);
    assert.match(text, /system:node:pi/);
  }
  const review = { method: 'POST', contentType: 'application/json', certificate, body: { spec: {} } };
  for (const question of QUESTIONS) {
    const group = question === 'selfsubjectreviews' ? 'authentication' : 'authorization';
    assert.is((await api.raw({ ...review, path: `/apis/${group}.k8s.io/v1/${question}` })).status, 403, question);
  }
  assert.is((await api.raw({ path: '/version', certificate })).status, 200);
});

test('nobody and a wrong token get nothing of it at all', async () => {
  for (const resource of resources) {
    for (const path of pathsOf(resource)) {
      assert.is((await api.raw({ path, token: null })).status, 403, path);
      assert.is((await api.raw({ path, token: `${ADMIN_TOKEN}x` })).status, 401, path);
    }
  }
});

test.run();

/** The built-in kinds beside nodes, pods and configmaps: defaults, checks, tables, scale, discovery, questions about access. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { startApiServer, type RawRequest, type TestApiServer } from '../support/api-server.ts';

type Body = Record<string, unknown>;

const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io';
const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const SERVICES = '/api/v1/namespaces/default/services';
const RBAC = '/apis/rbac.authorization.k8s.io/v1';

let api: TestApiServer;

test.before(async () => {
  api = await startApiServer({ tokens: [{ token: 'low', user: 'low', groups: ['people'] }] });
});
test.after(() => api.close());

interface Answer {
  status: number;
  body: Body;
}

async function ask(request: RawRequest): Promise<Answer> {
  const { status, text } = await api.raw(request);
  return { status, body: JSON.parse(text) as Body };
}

const get = (where: string, more: Partial<RawRequest> = {}): Promise<Answer> => ask({ path: where, ...more });
const post = (where: string, body: unknown, more: Partial<RawRequest> = {}): Promise<Answer> =>
  ask({ method: 'POST', path: where, body, contentType: 'application/json', ...more });

async function create(where: string, body: unknown): Promise<Body> {
  const answer = await post(where, body);
  assert.is(answer.status, 201, JSON.stringify(answer.body));
  return answer.body;
}

async function causes(where: string, body: unknown): Promise<string[]> {
  const answer = await post(where, body);
  assert.is(answer.status, 422, JSON.stringify(answer.body));
  const { causes: found } = answer.body['details'] as { causes: { field: string; message: string }[] };
  return found.map(({ field, message }) => `${field}: ${message}`);
}

/** Headers and the cells of the first row, without the age. */
async function table(where: string): Promise<{ columns: string[]; wide: string[]; cells: unknown[] }> {
  const { body } = await get(where, { accept: TABLE });
  const columns = body['columnDefinitions'] as { name: string; priority: number }[];
  const [row] = body['rows'] as { cells: unknown[] }[];
  const named = (priority: number): string[] => columns.filter((column) => column.priority === priority).map(({ name }) => name);
  const cells = (row?.cells ?? []).filter((_cell, index) => columns[index]?.name !== 'Age' && columns[index]?.name !== 'Created At');
  return { columns: named(0), wide: named(1), cells };
}

const template = (labels: Body): Body => ({
  metadata: { labels },
  spec: { nodeSelector: { zone: 'a' }, containers: [{ name: 'main', image: 'registry.example/web:1' }] },
});

const workload = (name: string, more: Body = {}): Body => ({
  metadata: { name },
  spec: { selector: { matchLabels: { app: name } }, template: template({ app: name }), ...more },
});

test('a deployment has the defaults of a real server, a generation, and a scale', async () => {
  const made = await create(DEPLOYMENTS, { ...workload('web'), status: { replicas: 7 } });
  const spec = made['spec'] as Body;
  assert.is(spec['replicas'], 1);
  assert.equal(spec['strategy'], { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } });
  assert.equal([spec['revisionHistoryLimit'], spec['progressDeadlineSeconds']], [10, 600]);
  assert.equal(made['status'], {});
  const scale = await get(`${DEPLOYMENTS}/web/scale`);
  assert.equal(scale.body['status'], { replicas: 0, selector: 'app=web' });
  const scaled = await ask({
    method: 'PATCH',
    path: `${DEPLOYMENTS}/web/scale`,
    contentType: 'application/merge-patch+json',
    body: { spec: { replicas: 3 } },
  });
  assert.equal(scaled.body['spec'], { replicas: 3 });
  const now = await get(`${DEPLOYMENTS}/web`);
  assert.is((now.body['metadata'] as Body)['generation'], 2);
  assert.equal(await table(DEPLOYMENTS), {
    columns: ['Name', 'Ready', 'Up-to-date', 'Available', 'Age'],
    wide: ['Containers', 'Images', 'Selector'],
    cells: ['web', '0/3', 0, 0, 'main', 'registry.example/web:1', 'app=web'],
  });
});

test('a status of a workload is written on its own path and leaves the generation', async () => {
  const status = { observedGeneration: 2, replicas: 3, readyReplicas: 2, updatedReplicas: 3, availableReplicas: 2 };
  const put = await ask({
    method: 'PUT',
    path: `${DEPLOYMENTS}/web/status`,
    body: { metadata: { name: 'web' }, status },
    contentType: 'application/json',
  });
  assert.is(put.status, 200);
  assert.is((put.body['metadata'] as Body)['generation'], 2);
  assert.equal((await table(DEPLOYMENTS)).cells.slice(0, 4), ['web', '2/3', 3, 2]);
});

test('a workload that could never run is refused with the field', async () => {
  assert.equal(await causes(DEPLOYMENTS, { metadata: { name: 'x' }, spec: {} }), [
    'spec.selector: Required value',
    'spec.template.spec: Required value',
  ]);
  assert.equal(await causes(DEPLOYMENTS, workload('x', { template: template({ app: 'other' }), replicas: -1 })), [
    'spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    'spec.template.metadata.labels: Invalid value: "{\\"app\\":\\"other\\"}": `selector` does not match template `labels`',
  ]);
  const once = { ...template({ app: 'x' }), spec: { containers: [{ name: 'a', image: 'b' }], restartPolicy: 'Never' } };
  assert.equal(await causes(DEPLOYMENTS, workload('x', { template: once })), [
    'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
  ]);
});

test('daemon sets and replica sets show their columns', async () => {
  await create('/apis/apps/v1/namespaces/default/daemonsets', workload('agent'));
  await create('/apis/apps/v1/namespaces/default/replicasets', workload('copies', { replicas: 2 }));
  assert.equal(await table('/apis/apps/v1/namespaces/default/daemonsets'), {
    columns: ['Name', 'Desired', 'Current', 'Ready', 'Up-to-date', 'Available', 'Node Selector', 'Age'],
    wide: ['Containers', 'Images', 'Selector'],
    cells: ['agent', 0, 0, 0, 0, 0, 'zone=a', 'main', 'registry.example/web:1', 'app=agent'],
  });
  assert.equal((await table('/apis/apps/v1/namespaces/default/replicasets')).cells.slice(0, 4), ['copies', 2, 0, 0]);
});

test('a service gets type, protocol and target port; an address is not allocated', async () => {
  const made = await create(SERVICES, { metadata: { name: 'web' }, spec: { selector: { app: 'web' }, ports: [{ port: 80 }] } });
  assert.equal(made['spec'], {
    selector: { app: 'web' },
    ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
    type: 'ClusterIP',
    sessionAffinity: 'None',
    internalTrafficPolicy: 'Cluster',
    ipFamilies: ['IPv4'],
    ipFamilyPolicy: 'SingleStack',
  });
  assert.equal(await table(SERVICES), {
    columns: ['Name', 'Type', 'Cluster-IP', 'External-IP', 'Port(s)', 'Age'],
    wide: ['Selector'],
    cells: ['web', 'ClusterIP', '<none>', '<none>', '80/TCP', 'app=web'],
  });
  const two = [{ port: 80 }, { port: 80, name: 'b', protocol: 'SMTP' }];
  assert.equal(await causes(SERVICES, { metadata: { name: 'x' }, spec: { type: 'Other', ports: two } }), [
    'spec.type: Unsupported value: "Other": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    'spec.ports[0].name: Required value',
    'spec.ports[1].protocol: Unsupported value: "SMTP": supported values: "SCTP", "TCP", "UDP"',
  ]);
  assert.equal(await causes(SERVICES, { metadata: { name: 'x' } }), ['spec.ports: Required value']);
  assert.match((await causes(SERVICES, { metadata: { name: '1x' }, spec: { ports: [{ port: 1 }] } }))[0] ?? '', /DNS-1035 label/);
});

test('endpoints and endpoint slices name their addresses', async () => {
  const addresses = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'];
  const subsets = [{ addresses: addresses.map((ip) => ({ ip })), ports: [{ port: 80 }] }];
  await create('/api/v1/namespaces/default/endpoints', { metadata: { name: 'web' }, subsets });
  const shown = await table('/api/v1/namespaces/default/endpoints');
  assert.equal(shown.cells, ['web', '192.0.2.1:80,192.0.2.2:80,192.0.2.3:80 + 1 more...']);
  const slice = { metadata: { name: 'web-1' }, addressType: 'IPv4', endpoints: [{ addresses: ['192.0.2.1'] }], ports: [{ port: 80 }] };
  await create('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', slice);
  assert.equal((await table('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices')).cells, ['web-1', 'IPv4', '80', '192.0.2.1']);
});

test('roles and bindings are stored with their checks; names may have colons', async () => {
  await create(`${RBAC}/clusterroles`, { metadata: { name: 'system:x' }, rules: [{ verbs: ['get'], nonResourceURLs: ['/healthz'] }] });
  assert.equal(await causes(`${RBAC}/namespaces/default/roles`, { metadata: { name: 'x' }, rules: [{ resources: ['pods'] }] }), [
    'rules[0].verbs: Required value: verbs must contain at least one value',
    'rules[0].apiGroups: Required value: resource rules must supply at least one api group',
  ]);
  const binding = {
    metadata: { name: 'b' },
    roleRef: { kind: 'ClusterRole', name: 'system:x' },
    subjects: [
      { kind: 'User', name: 'ann' },
      { kind: 'ServiceAccount', name: 'sa', namespace: 'default' },
    ],
  };
  const made = await create(`${RBAC}/namespaces/default/rolebindings`, binding);
  assert.is((made['roleRef'] as Body)['apiGroup'], 'rbac.authorization.k8s.io');
  assert.equal(await table(`${RBAC}/namespaces/default/rolebindings`), {
    columns: ['Name', 'Role', 'Age'],
    wide: ['Users', 'Groups', 'ServiceAccounts'],
    cells: ['b', 'ClusterRole/system:x', 'ann', '', 'default/sa'],
  });
  const other = await ask({
    method: 'PUT',
    path: `${RBAC}/namespaces/default/rolebindings/b`,
    contentType: 'application/json',
    body: { ...binding, roleRef: { kind: 'Role', name: 'y' } },
  });
  assert.is(other.status, 422);
  assert.match(String(other.body['message']), /cannot change roleRef/);
});

test('network policies, disruption budgets and webhook configurations are stored objects', async () => {
  const policy = await create('/apis/networking.k8s.io/v1/namespaces/default/networkpolicies', {
    metadata: { name: 'p' },
    spec: { podSelector: { matchLabels: { app: 'web' } }, egress: [{}] },
  });
  assert.equal((policy['spec'] as Body)['policyTypes'], ['Ingress', 'Egress']);
  await create('/apis/policy/v1/namespaces/default/poddisruptionbudgets', { metadata: { name: 'p' }, spec: { maxUnavailable: '50%' } });
  assert.equal((await table('/apis/policy/v1/namespaces/default/poddisruptionbudgets')).cells, ['p', 'N/A', '50%', 0]);
  const hooks = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
  assert.equal(await causes(hooks, { metadata: { name: 'w' }, webhooks: [{ name: 'w', clientConfig: { url: 'http://x.example' } }] }), [
    'webhooks[0].name: Invalid value: "w": should be a domain with at least three segments separated by dots',
    'webhooks[0].sideEffects: Unsupported value: "": supported values: "None", "NoneOnDryRun"',
    'webhooks[0].admissionReviewVersions: Required value: must specify one of v1',
    'webhooks[0].clientConfig.url: Invalid value: "http://x.example": \'https\' is the only allowed URL scheme',
  ]);
});

test('both forms of discovery name the same resources', async () => {
  const plain = new Set<string>();
  const { body: list } = await get('/apis');
  const versions = (list['groups'] as { versions: { groupVersion: string }[] }[]).flatMap((group) => group.versions);
  for (const where of ['/api/v1', ...versions.map(({ groupVersion }) => `/apis/${groupVersion}`)]) {
    const { body } = await get(where);
    for (const resource of body['resources'] as Body[]) {
      plain.add(
        `${String(body['groupVersion'])} ${String(resource['name'])} ${String(resource['kind'])} ${JSON.stringify(resource['verbs'])}`,
      );
    }
  }
  const aggregated = new Set<string>();
  for (const where of ['/api', '/apis']) {
    const { body } = await get(where, { accept: AGGREGATED });
    for (const item of body['items'] as Aggregated[]) {
      for (const { version, resources } of item.versions) {
        const at = item.metadata.name === undefined ? version : `${item.metadata.name}/${version}`;
        for (const { resource, responseKind, verbs, subresources = [] } of resources) {
          aggregated.add(`${at} ${resource} ${responseKind.kind} ${JSON.stringify(verbs)}`);
          for (const each of subresources) {
            aggregated.add(`${at} ${resource}/${each.subresource} ${each.responseKind.kind} ${JSON.stringify(each.verbs)}`);
          }
        }
      }
    }
  }
  assert.equal([...aggregated].sort(), [...plain].sort());
  for (const wanted of ['v1 pods/eviction Eviction', 'v1 pods/log Pod', 'apps/v1 deployments/scale Scale', 'v1 serviceaccounts/token']) {
    assert.ok(
      [...plain].some((line) => line.startsWith(wanted)),
      wanted,
    );
  }
});

interface Aggregated {
  metadata: { name?: string };
  versions: {
    version: string;
    resources: {
      resource: string;
      responseKind: { kind: string };
      verbs: string[];
      subresources?: { subresource: string; responseKind: { kind: string }; verbs: string[] }[];
    }[];
  }[];
}

test('questions about access are answered as the rules are: the admin may do everything, others nothing', async () => {
  const review = { spec: { resourceAttributes: { verb: 'get', resource: 'pods', namespace: 'default' } } };
  const self = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
  const allowed = async (where: string, body: unknown, token?: string): Promise<unknown> => {
    const { status, body: answer } = await post(where, body, token === undefined ? {} : { token });
    assert.is(status, 201, JSON.stringify(answer));
    return (answer['status'] as Body)['allowed'];
  };
  assert.is(await allowed(self, review), true);
  assert.is(await allowed(self, review, 'low'), false);
  assert.is(await allowed(self, { spec: { nonResourceAttributes: { path: '/healthz', verb: 'get' } } }, 'low'), true);
  const others = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
  assert.is(await allowed(others, { spec: { ...review.spec, user: 'ann', groups: ['system:masters'] } }), true);
  assert.is(await allowed(others, { spec: { ...review.spec, user: 'ann' } }), false);
  assert.is((await post(others, { spec: { ...review.spec, user: 'ann' } }, { token: 'low' })).status, 403);
  assert.is((await post(self, review, { token: null })).status, 403);
  assert.equal(await causes(self, { spec: {} }), [
    'spec.resourceAttributes: Invalid value: "null": exactly one of nonResourceAttributes or resourceAttributes must be specified',
  ]);
  const who = await post('/apis/authentication.k8s.io/v1/selfsubjectreviews', {}, { token: 'low' });
  assert.equal(who.body['status'], { userInfo: { username: 'low', groups: ['people', 'system:authenticated'] } });
});

test('the admin may act as another, who may do what he may', async () => {
  const headers = { 'Impersonate-User': 'ann' };
  assert.is((await get('/api/v1/nodes', { headers })).status, 403);
  assert.is((await get('/api/v1/nodes', { headers: { ...headers, 'Impersonate-Group': 'system:masters' } })).status, 200);
  const refused = await get('/healthz', { headers, token: 'low' });
  assert.is(refused.status, 403);
  assert.match(String(refused.body['message']), /users "ann" is forbidden: User "low" cannot impersonate resource "users"/);
});

test.run();

/**
 * What kube-apiserver 1.20 answers to the siblings of the recorded steps: the same questions about other kinds, with the definitions of
 * KubeEdge v1.9.1. Each row is a request and what must be in its answer.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { namespaces, type KubeObjectInput } from '#cloud/store/kube-api.ts';
import { installDefinitions, startApiServer, type TestApiServer } from '../support/api-server.ts';
import { loadRecorded } from '../support/recorded-api/steps.ts';

const SYNCS = '/apis/reliablesyncs.kubeedge.io/v1alpha1';
const HERE = `${SYNCS}/namespaces/golden/objectsyncs`;
const CORE = '/api/v1/namespaces/golden';
const RBAC = '/apis/rbac.authorization.k8s.io/v1/namespaces/golden';
const MERGE = 'application/merge-patch+json';

interface Row {
  ask: string;
  body?: unknown;
  type?: string;
  status: number;
  reason?: string;
  /** The message of a Status, or its beginning where it ends in `…`. */
  says?: string;
  /** Fields of the causes, in order. */
  fields?: string[];
  /** Members of the body. */
  has?: Record<string, unknown>;
  text?: string;
}

const objectSync = (name: string, rest: object = {}): object => ({
  apiVersion: 'reliablesyncs.kubeedge.io/v1alpha1',
  kind: 'ObjectSync',
  metadata: { name },
  spec: { objectAPIVersion: 'v1', objectKind: 'configmaps', objectName: 'cm1' },
  ...rest,
});
const clusterSync = (name: string, metadata: object = {}): object => ({
  ...objectSync(name),
  kind: 'ClusterObjectSync',
  metadata: { name, ...metadata },
});
const core = (kind: string, name: string, rest: object = {}): object => ({ apiVersion: 'v1', kind, metadata: { name }, ...rest });
const configMap = (data: object, metadata: object = {}): object => core('ConfigMap', 'cm', { metadata: { name: 'cm', ...metadata }, data });
const pod = (container: object): object => core('Pod', 'p', { spec: { containers: [{ name: 'c', image: 'i', ...container }] } });
const NOT_FOUND = '404 page not found\n';

const customPaths: Row[] = [
  { ask: `POST ${HERE}`, body: objectSync('a', { status: { objectResourceVersion: '1' } }), status: 201, has: { status: undefined } },
  { ask: `POST ${HERE}/a`, body: objectSync('a'), status: 409, reason: 'AlreadyExists' },
  { ask: `POST ${HERE}/a`, body: objectSync('b'), status: 201 },
  { ask: `PUT ${HERE}`, body: objectSync('a'), status: 400, reason: 'BadRequest', says: 'name must be provided' },
  { ask: `PATCH ${HERE}`, body: {}, status: 400, reason: 'BadRequest', says: 'name must be provided' },
  { ask: `PATCH ${HERE}`, body: {}, type: 'text/plain', status: 415, reason: 'UnsupportedMediaType' },
  { ask: `POST ${SYNCS}/objectsyncs`, body: objectSync('x'), status: 404, text: NOT_FOUND },
  { ask: `DELETE ${SYNCS}/objectsyncs`, status: 404, text: NOT_FOUND },
  { ask: `GET ${SYNCS}/objectsyncs/a`, status: 404, text: NOT_FOUND },
  { ask: `GET ${SYNCS}/namespaces/golden/clusterobjectsyncs`, status: 404, text: NOT_FOUND },
  { ask: `GET ${HERE}/a/scale`, status: 404, says: 'objectsyncs.reliablesyncs.kubeedge.io "a" not found' },
  {
    ask: `POST ${HERE}/a/status`,
    body: {},
    status: 405,
    reason: 'MethodNotAllowed',
    says: 'create is not supported on resources of kind "objectsyncs.reliablesyncs.kubeedge.io"',
  },
  { ask: `DELETE ${HERE}/a/status`, status: 405, says: 'delete is not supported on resources of kind …' },
  { ask: `HEAD ${HERE}/a`, status: 200, text: '' },
  { ask: `HEAD ${CORE}/configmaps`, status: 405, text: '' },
  { ask: 'GET /apis/apps/v9/deployments', status: 404, reason: 'NotFound', says: 'the server could not find the requested resource' },
  { ask: `GET ${HERE}?timeoutSeconds=soon`, status: 400, says: 'strconv.ParseInt: parsing "soon": invalid syntax' },
  { ask: `GET ${HERE}?continue=abc`, status: 400, says: "invalid continue token: continue key is not valid: invalid character 'i' …" },
  { ask: `GET ${HERE}?continue=a*c`, status: 400, says: 'invalid continue token: continue key is not valid: illegal base64 data …' },
];

const objectSyncs: Row[] = [
  { ask: `PATCH ${HERE}/a/status`, body: { status: { objectResourceVersion: '2' }, spec: { objectName: 'no' } }, status: 200 },
  {
    ask: `GET ${HERE}/a`,
    status: 200,
    has: { spec: { objectAPIVersion: 'v1', objectKind: 'configmaps', objectName: 'cm1' }, status: { objectResourceVersion: '2' } },
  },
  {
    ask: `PATCH ${HERE}/a`,
    body: { status: { objectResourceVersion: '3' } },
    status: 200,
    has: { status: { objectResourceVersion: '2' } },
  },
  {
    ask: `PATCH ${HERE}/a`,
    body: { metadata: { labels: { a: 'b c' } } },
    status: 422,
    fields: ['metadata.labels', 'metadata.labels', 'metadata.labels'],
  },
  { ask: `PATCH ${HERE}/a`, body: { metadata: { name: null } }, status: 400, says: 'the name of the object (a based on URL) was …' },
  { ask: `PUT ${HERE}/a`, body: objectSync('a', { metadata: {} }), status: 400, says: 'the name of the object (a based on URL) was …' },
  {
    ask: `PUT ${HERE}/a`,
    body: objectSync('a', { metadata: { name: 'a', resourceVersion: 'abc' } }),
    status: 400,
    says: 'strconv.ParseUint: parsing "abc": invalid syntax',
  },
  {
    ask: `POST ${HERE}`,
    body: objectSync('x', { metadata: { name: 5 } }),
    status: 400,
    says: 'ObjectSync in version "v1alpha1" cannot be handled as a ObjectSync: json: cannot unmarshal number into Go struct field ObjectMeta.name of type string',
  },
  { ask: `POST ${HERE}`, body: objectSync('x', { metadata: { name: 'x', finalizers: ['bare'] } }), status: 201 },
  { ask: `POST ${SYNCS}/clusterobjectsyncs`, body: clusterSync('c', { namespace: 'golden' }), status: 201 },
  { ask: `PATCH ${SYNCS}/clusterobjectsyncs/c`, body: { metadata: { namespace: 'golden' } }, status: 200 },
  { ask: 'POST /api/v1/nodes', body: { ...core('Node', 'n'), metadata: { name: 'n', namespace: 'golden' } }, status: 201 },
];

const checks: Row[] = [
  { ask: `POST ${CORE}/configmaps`, body: core('ConfigMap', 'nulls', { data: { a: null } }), status: 201, has: { data: { a: '' } } },
  {
    ask: `POST ${CORE}/configmaps`,
    body: { ...configMap({ a: '1' }), binaryData: { a: 'YQ==' } },
    status: 422,
    fields: ['data[a]', 'binaryData[a]'],
  },
  { ask: `POST ${CORE}/configmaps`, body: configMap({ '..': '1' }), status: 422, says: "…must not be '..'" },
  { ask: `POST ${CORE}/configmaps`, body: configMap({ '..a': '1' }), status: 422, says: "…must not start with '..'" },
  {
    ask: `POST ${CORE}/configmaps`,
    body: configMap({ ['x'.repeat(254)]: '1' }),
    status: 422,
    says: '…must be no more than 253 characters',
  },
  {
    ask: `POST ${CORE}/configmaps`,
    body: configMap({}, { finalizers: ['bare'] }),
    status: 422,
    says: '…name is neither a standard finalizer name nor is it fully qualified',
  },
  {
    ask: `POST ${CORE}/configmaps`,
    body: { metadata: { generateName: 'Bad_' } },
    status: 422,
    fields: ['metadata.generateName', 'metadata.name'],
  },
  { ask: `POST ${CORE}/configmaps`, body: { metadata: { generateName: 'x'.repeat(300) } }, status: 422, fields: ['metadata.generateName'] },
  {
    ask: `POST ${CORE}/configmaps`,
    body: 'not json',
    status: 400,
    says: "…invalid character 'o' in literal null (expecting 'u') (not json)",
  },
  {
    ask: `POST ${CORE}/configmaps`,
    body: '{"a":1,}',
    status: 400,
    says: "…invalid character '}' looking for beginning of object key string …",
  },
  {
    ask: `POST ${CORE}/secrets`,
    body: core('Secret', 's', { type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': 'YQ==' } }),
    status: 422,
    fields: ['data[.dockerconfigjson]'],
  },
  {
    ask: `POST ${CORE}/pods`,
    body: pod({ resources: { requests: { cpu: '2' }, limits: { cpu: '500m' } } }),
    status: 422,
    says: '…spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit',
  },
  { ask: `POST ${CORE}/pods`, body: pod({ resources: { limits: { cpu: 'lots' } } }), status: 400, reason: 'BadRequest' },
  { ask: 'POST /api/v1/nodes', body: core('Node', 'q', { status: { capacity: { cpu: 'lots' } } }), status: 400, reason: 'BadRequest' },
  { ask: 'POST /api/v1/nodes', body: core('Node', 'q', { spec: { taints: [{ key: 'a', effect: 'No' }] } }), status: 422 },
  { ask: `POST ${CORE}/services`, body: core('Service', 's', { spec: { clusterIP: 'x', ports: [{ port: 80 }] } }), status: 422 },
  { ask: `POST ${CORE}/endpoints`, body: core('Endpoints', 'e', { subsets: [{ addresses: [{ ip: 'x' }] }] }), status: 422 },
  {
    ask: 'POST /apis/coordination.k8s.io/v1/namespaces/golden/leases',
    body: { metadata: { name: 'l' }, spec: { renewTime: 'yesterday' } },
    status: 400,
    reason: 'BadRequest',
  },
  {
    ask: `POST ${RBAC}/rolebindings`,
    body: { metadata: { name: 'b' }, roleRef: { apiGroup: 'x', kind: 'Role', name: 'r' } },
    status: 422,
    fields: ['roleRef.apiGroup'],
  },
  { ask: `PUT ${RBAC}/roles/new`, body: { metadata: { name: 'new' }, rules: [] }, status: 201 },
  { ask: `PUT ${CORE}/endpoints/new`, body: core('Endpoints', 'new'), status: 201 },
  { ask: `PUT ${CORE}/secrets/new`, body: core('Secret', 'new'), status: 404, reason: 'NotFound' },
  { ask: `POST ${CORE}/configmaps`, body: configMap({ k: 'v' }, { selfLink: '/x', clusterName: 'y' }), status: 201 },
  {
    ask: `PATCH ${CORE}/configmaps/cm`,
    body: '[{"op":',
    type: 'application/json-patch+json',
    status: 400,
    says: 'unexpected end of JSON input',
  },
  {
    ask: `PATCH ${CORE}/configmaps/cm`,
    body: Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/kind', value: 'ConfigMap' })),
    type: 'application/json-patch+json',
    status: 413,
    says: 'Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001',
  },
];

let api: TestApiServer;

test.before(async () => {
  api = await startApiServer();
  await api.client.create(namespaces, { metadata: { name: 'golden' } });
  const names = ['objectsync', 'clusterobjectsync'];
  await installDefinitions(
    api.client,
    names.map((name) => loadRecorded(`crds/${name}.json`) as KubeObjectInput),
  );
});
test.after(() => api.close());

async function play(row: Row): Promise<void> {
  const [method = '', path = ''] = row.ask.split(' ');
  const type = row.type ?? (method === 'PATCH' ? MERGE : 'application/json');
  const answer = await api.raw({ method, path, ...(row.body === undefined ? {} : { body: row.body, contentType: type }) });
  assert.is(answer.status, row.status, answer.text.slice(0, 400));
  if (row.text !== undefined) return assert.is(answer.text, row.text);
  const body = JSON.parse(answer.text) as Record<string, unknown> & { message?: string; details?: { causes?: { field: string }[] } };
  if (row.reason !== undefined) assert.is(body['reason'], row.reason);
  if (row.says !== undefined) assert.ok(says(body.message ?? '', row.says), `${body.message ?? ''}\nis not\n${row.says}`);
  if (row.fields !== undefined)
    assert.equal(
      body.details?.causes?.map(({ field }) => field),
      row.fields,
    );
  for (const [key, value] of Object.entries(row.has ?? {})) assert.equal(body[key], value, key);
}

/** `…` at either end stands for the rest. */
function says(message: string, wanted: string): boolean {
  const text = wanted.replace(/^…|…$/g, '');
  if (wanted.startsWith('…')) return wanted.endsWith('…') ? message.includes(text) : message.endsWith(text);
  return wanted.endsWith('…') ? message.startsWith(text) : message === text;
}

for (const row of [...customPaths, ...objectSyncs, ...checks]) test(`${row.ask} is ${row.status} ${row.says ?? ''}`, () => play(row));

test('a list of large objects is made as it is sent, not held whole for who does not read', async () => {
  for (const name of ['large-1', 'large-2']) {
    const body = core('ConfigMap', name, { data: { text: 'x'.repeat(200_000) } });
    assert.is((await api.raw({ method: 'POST', path: `${CORE}/configmaps`, body, contentType: 'application/json' })).status, 201);
  }
  const answer = await api.raw({ path: `${CORE}/configmaps` });
  assert.is(answer.headers['content-length'], undefined);
  const names = (JSON.parse(answer.text) as { items: { metadata: { name: string } }[] }).items.map(({ metadata }) => metadata.name);
  assert.equal(
    names.filter((name) => name.startsWith('large')),
    ['large-1', 'large-2'],
  );
});

test('what is wrong in a hundred thousand places is told of the first', async () => {
  const labels = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`k ${index}`, 'v v']));
  const body = core('ConfigMap', 'wrong', { metadata: { name: 'wrong', labels } });
  const answer = await api.raw({ method: 'POST', path: `${CORE}/configmaps`, body, contentType: 'application/json' });
  assert.is(answer.status, 422);
  assert.is((JSON.parse(answer.text) as { details: { causes: unknown[] } }).details.causes.length, 200);
});

test.run();

/** Protobuf bodies: what kubectl 1.32 sent is read as its YAML says; bytes that are no message are refused, never more. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeProtobuf } from '#cloud/store/embedded/protobuf/decode.ts';
import { KubeError } from '#cloud/store/kube-api.ts';

/** Bodies by resource, in base64, recorded from `kubectl create`, `auth` and `create token`. */
const recorded = JSON.parse(readFileSync(path.join(import.meta.dirname, '../../../fixtures/protobuf/kubectl-1.32.json'), 'utf8')) as Record<
  string,
  string
>;

const bodyOf = (resource: string): Buffer => Buffer.from(recorded[resource] ?? '', 'base64');
const rbac = 'rbac.authorization.k8s.io';
const authorization = 'authorization.k8s.io/v1';

const expected: Record<string, Record<string, unknown>> = {
  configmaps: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c1' }, data: { a: 'b', empty: '' } },
  secrets: { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's1' }, data: { p: 'aHVudGVyMg==' } },
  namespaces: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n1' }, spec: {}, status: {} },
  serviceaccounts: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'sa1' } },
  deployments: {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd1', labels: { app: 'd1' } },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'd1' } },
      strategy: {},
      template: {
        metadata: { labels: { app: 'd1' } },
        spec: { containers: [{ name: 'nginx', image: 'nginx', ports: [{ containerPort: 80 }], resources: {} }] },
      },
    },
    status: {},
  },
  services: {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 's', labels: { app: 's' } },
    spec: { ports: [{ name: '80-8080', protocol: 'TCP', port: 80, targetPort: 8080 }], selector: { app: 's' }, type: 'ClusterIP' },
    status: { loadBalancer: {} },
  },
  roles: {
    apiVersion: `${rbac}/v1`,
    kind: 'Role',
    metadata: { name: 'r' },
    rules: [{ verbs: ['get', 'list'], apiGroups: [''], resources: ['configmaps'] }],
  },
  rolebindings: {
    apiVersion: `${rbac}/v1`,
    kind: 'RoleBinding',
    metadata: { name: 'rb' },
    subjects: [
      { kind: 'User', apiGroup: rbac, name: 'u' },
      { kind: 'ServiceAccount', name: 'sa1', namespace: 'default' },
    ],
    roleRef: { apiGroup: rbac, kind: 'Role', name: 'r' },
  },
  selfsubjectaccessreviews: {
    apiVersion: authorization,
    kind: 'SelfSubjectAccessReview',
    metadata: {},
    spec: { resourceAttributes: { namespace: 'default', verb: 'get', resource: 'pods' } },
    status: {},
  },
  selfsubjectrulesreviews: {
    apiVersion: authorization,
    kind: 'SelfSubjectRulesReview',
    metadata: {},
    spec: { namespace: 'default' },
    status: {},
  },
  token: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', metadata: {}, spec: {}, status: {} },
};

for (const [resource, object] of Object.entries(expected)) {
  test(`${resource} as kubectl sent it`, () => assert.equal(decodeProtobuf(bodyOf(resource)), object));
}

function refusal(bytes: Uint8Array): KubeError {
  try {
    decodeProtobuf(bytes);
  } catch (error) {
    assert.instance(error, KubeError);
    return error as KubeError;
  }
  throw new Error(`should be refused: ${Buffer.from(bytes).toString('base64')}`);
}

test('a kind that is not read from protobuf is refused with the way out', () => {
  const { status } = refusal(bodyOf('jobs'));
  assert.is(status.code, 415);
  assert.match(status.message ?? '', /Job of batch\/v1 is not read from protobuf.*use -f with a file, or --dry-run=client -o yaml/);
});

/** A message with these fields, all of wire type 2. */
function message(...fields: [number, Uint8Array | string][]): Buffer {
  const parts = fields.flatMap(([number, value]) => {
    const bytes = Buffer.from(value);
    return [Buffer.from([...varint((number << 3) | 2), ...varint(bytes.length)]), bytes];
  });
  return Buffer.concat(parts);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

function frame(apiVersion: string, kind: string, raw: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('k8s\0'), message([1, message([1, apiVersion], [2, kind])], [2, raw])]);
}

test('options of a deletion keep a grace of zero', () => {
  const options = decodeProtobuf(frame('v1', 'DeleteOptions', Buffer.concat([Buffer.from([0x08, 0x00]), message([4, 'Background'])])));
  assert.equal(options, { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0, propagationPolicy: 'Background' });
});

test('times, quantities, ports by name and embedded members take their JSON form', () => {
  const probe = message([1, message([2, message([2, Buffer.concat([Buffer.from([0x08, 0x01]), message([3, 'http'])])])])]);
  const container = message([1, 'c'], [8, message([1, message([1, 'cpu'], [2, message([1, '500m'])])])], [10, probe]);
  const volume = message([1, 'v'], [2, message([2, message()])]);
  const metadata = message([1, 'p'], [8, Buffer.from([0x08, ...varint(1_700_006_400)])]);
  assert.equal(decodeProtobuf(frame('v1', 'Pod', message([1, metadata], [2, message([1, volume], [2, container])]))), {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', creationTimestamp: '2023-11-15T00:00:00Z' },
    spec: {
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [{ name: 'c', resources: { limits: { cpu: '500m' } }, livenessProbe: { httpGet: { port: 'http' } } }],
    },
  });
});

test('a member that has no row is refused rather than lost', () => {
  const volume = message([1, 'v'], [2, message([8, message([1, 'target'])])]);
  assert.is(refusal(frame('v1', 'Pod', message([2, message([1, volume])]))).status.code, 415);
});

test('__proto__ as a key is a key', () => {
  const data = message([1, '__proto__'], [2, 'x']);
  const object = decodeProtobuf(frame('v1', 'ConfigMap', message([2, data])));
  assert.is(JSON.stringify(object['data']), '{"__proto__":"x"}');
});

test('what is no frame, has another encoding or names no kind is 400 with the reason', () => {
  assert.match(refusal(Buffer.from('{"kind":"ConfigMap"}')).message, /expected prefix/);
  assert.match(refusal(Buffer.from('k8s\0')).message, /names no kind and version/);
  assert.match(refusal(Buffer.concat([frame('v1', 'ConfigMap', Buffer.alloc(0)), message([3, 'gzip'])])).message, /encoding gzip/);
  for (const bytes of [Buffer.alloc(0), Buffer.from('k8s\0'), Buffer.from('{}')]) assert.is(refusal(bytes).status.code, 400);
});

test('a body of nothing but tags ends at a bound', () => {
  const many = Buffer.alloc(2_500_000, Buffer.from([0x0a, 0x00]));
  const { status } = refusal(frame('v1', 'Pod', message([2, many])));
  assert.is(status.code, 400);
  assert.match(status.message ?? '', /more than 200000 fields/);
});

test('truncated bodies are read or refused with 400, nothing else', () => {
  for (const resource of Object.keys(expected)) {
    const whole = bodyOf(resource);
    for (let length = 0; length < whole.length; length += 1) isReadOrRefused(whole.subarray(0, length));
  }
});

test('garbage in the bytes is read or refused, nothing else', () => {
  let seed = 20261121;
  const random = (below: number): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return Math.floor((seed / 2147483648) * below);
  };
  for (let round = 0; round < 4000; round += 1) {
    const resources = Object.keys(expected);
    const bytes = bodyOf(resources[random(resources.length)] ?? '');
    for (let count = 1 + random(6); count > 0; count -= 1) bytes[4 + random(bytes.length - 4)] = random(256);
    isReadOrRefused(bytes);
  }
});

function isReadOrRefused(bytes: Uint8Array): void {
  try {
    decodeProtobuf(bytes);
  } catch (error) {
    assert.instance(error, KubeError);
    assert.ok([400, 415].includes((error as KubeError).status.code ?? 0), String(error));
  }
}

test.run();

/** Pods of the embedded API server: what is filled in, what is refused, binding, eviction, grace, and the streams that are not offered. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

type Body = Record<string, unknown>;

const PODS = '/api/v1/namespaces/default/pods';
let api: TestApiServer;

test.before(async () => {
  api = await startApiServer();
});
test.after(() => api.close());

const podOf = (name: string, spec: Body = {}): Body => ({
  metadata: { name },
  spec: { containers: [{ name: 'main', image: 'registry.example/app:1' }], ...spec },
});

async function call(method: string, path: string, body?: unknown): Promise<{ status: number; body: Body }> {
  const { status, text } = await api.raw({ method, path, ...(body === undefined ? {} : { body, contentType: 'application/json' }) });
  return { status, body: JSON.parse(text) as Body };
}

async function created(name: string, spec: Body = {}): Promise<void> {
  assert.is((await call('POST', PODS, podOf(name, spec))).status, 201);
}

const metadataOf = (body: Body): Body => body['metadata'] as Body;

function causesOf(body: Body): string[] {
  const { causes = [] } = body['details'] as { causes?: { field: string; message: string }[] };
  return causes.map(({ field, message }) => `${field}: ${message}`);
}

test('a pod gets the defaults of a real server and no status but its phase', async () => {
  const { status, body } = await call('POST', PODS, {
    metadata: { name: 'defaults' },
    spec: {
      containers: [
        {
          name: 'main',
          image: 'registry.example:5000/app',
          ports: [{ containerPort: 80 }],
          livenessProbe: { httpGet: { port: 80 } },
          resources: { limits: { cpu: 0.5 } },
        },
      ],
      volumes: [{ name: 'a' }, { name: 'b', configMap: { name: 'c' } }],
    },
    status: { phase: 'Running' },
  });
  assert.is(status, 201);
  assert.equal(body['spec'], {
    containers: [
      {
        name: 'main',
        image: 'registry.example:5000/app',
        ports: [{ containerPort: 80, protocol: 'TCP' }],
        livenessProbe: {
          httpGet: { port: 80, path: '/', scheme: 'HTTP' },
          timeoutSeconds: 1,
          periodSeconds: 10,
          successThreshold: 1,
          failureThreshold: 3,
        },
        resources: { limits: { cpu: '500m' }, requests: { cpu: '500m' } },
        imagePullPolicy: 'Always',
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
      },
    ],
    volumes: [
      { name: 'a', emptyDir: {} },
      { name: 'b', configMap: { name: 'c', defaultMode: 420 } },
    ],
    restartPolicy: 'Always',
    dnsPolicy: 'ClusterFirst',
    terminationGracePeriodSeconds: 30,
    schedulerName: 'default-scheduler',
    enableServiceLinks: true,
    securityContext: {},
  });
  assert.equal(body['status'], { phase: 'Pending', qosClass: 'Burstable' });
});

test('plain mistakes are refused with the field', async () => {
  assert.equal(causesOf((await call('POST', PODS, { metadata: { name: 'x' }, spec: {} })).body), ['spec.containers: Required value']);
  const { status, body } = await call('POST', PODS, {
    metadata: { name: 'x' },
    spec: {
      restartPolicy: 'Sometimes',
      containers: [
        { name: 'one', image: 'a', ports: [{ containerPort: 70000 }], volumeMounts: [{ name: 'v', mountPath: '/v' }] },
        { name: 'one', readinessProbe: {} },
        { image: 'a' },
      ],
    },
  });
  assert.is(status, 422);
  assert.equal(causesOf(body), [
    'spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive',
    'spec.containers[0].volumeMounts[0].name: Not found: "v"',
    'spec.containers[1].name: Duplicate value: "one"',
    'spec.containers[1].image: Required value',
    'spec.containers[1].readinessProbe: Required value: must specify a handler type',
    'spec.containers[2].name: Required value',
    'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"',
  ]);
});

test('an amount that is none cannot be read', async () => {
  const { status, body } = await call(
    'POST',
    PODS,
    podOf('much', { containers: [{ name: 'main', image: 'a', resources: { limits: { memory: 'much' } } }] }),
  );
  assert.is(status, 400);
  assert.match(String(body['message']), /spec\.containers\[0\]\.resources\.limits\[memory\]: Invalid value: "much": quantities must match/);
});

test('an unknown field is refused when the client is strict', async () => {
  const body = podOf('typo', { containers: [{ name: 'main', imag: 'a' }] });
  const { status, body: answer } = await call('POST', `${PODS}?fieldValidation=Strict`, body);
  assert.is(status, 400);
  assert.match(String(answer['message']), /strict decoding error: unknown field "spec.containers\[0\].imag"/);
});

test('a living pod keeps what it is, and takes another image', async () => {
  await created('fixed');
  const { body } = await call('GET', `${PODS}/fixed`);
  const spec = body['spec'] as { containers: Body[]; hostNetwork?: boolean };
  const image = { ...spec, containers: [{ ...spec.containers[0], image: 'registry.example/app:2' }] };
  assert.is((await call('PUT', `${PODS}/fixed`, { ...body, spec: image })).status, 200);
  const moved = await call('PUT', `${PODS}/fixed`, { metadata: { name: 'fixed' }, spec: { ...image, hostNetwork: true } });
  assert.is(moved.status, 422);
  assert.match(causesOf(moved.body)[0] ?? '', /^spec: Forbidden: pod updates may not change fields other than/);
});

test('a binding puts a pod on a node, once', async () => {
  await created('bound');
  const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'bound' }, target: { kind: 'Node', name: 'edge-1' } };
  const first = await call('POST', `${PODS}/bound/binding`, binding);
  assert.is(first.status, 201);
  assert.is(first.body['status'], 'Success');
  const { body } = await call('GET', `${PODS}/bound`);
  assert.is((body['spec'] as Body)['nodeName'], 'edge-1');
  const [condition] = (body['status'] as { conditions: Body[] }).conditions;
  assert.equal([condition?.['type'], condition?.['status']], ['PodScheduled', 'True']);
  const second = await call('POST', `${PODS}/bound/binding`, binding);
  assert.is(second.status, 409);
  assert.match(String(second.body['message']), /pod bound is already assigned to node "edge-1"/);
  assert.is((await call('POST', `${PODS}/bound/binding`, { ...binding, target: { kind: 'Node' } })).status, 422);
  assert.is((await call('POST', `${PODS}/none/binding`, { target: { name: 'edge-1' } })).status, 404);
  await created('bound-too');
  const bindings = '/api/v1/namespaces/default/bindings';
  assert.is((await call('POST', bindings, { ...binding, metadata: { name: 'bound-too' } })).status, 201);
  assert.is((((await call('GET', `${PODS}/bound-too`)).body['spec'] ?? {}) as Body)['nodeName'], 'edge-1');
  assert.is((await call('GET', bindings)).status, 405);
});

test('a pod on a node goes when its node says so; its grace can be cut short, not lengthened', async () => {
  await created('graceful', { nodeName: 'edge-1' });
  const first = await call('DELETE', `${PODS}/graceful`);
  assert.is(first.body['kind'], 'Pod');
  assert.is(metadataOf(first.body)['deletionGracePeriodSeconds'], 30);
  const longer = await call('DELETE', `${PODS}/graceful`, { gracePeriodSeconds: 60 });
  assert.is(metadataOf(longer.body)['deletionGracePeriodSeconds'], 30);
  const shorter = await call('DELETE', `${PODS}/graceful`, { gracePeriodSeconds: 5 });
  assert.is(metadataOf(shorter.body)['deletionGracePeriodSeconds'], 5);
  assert.ok(String(metadataOf(shorter.body)['deletionTimestamp']) < String(metadataOf(first.body)['deletionTimestamp']));
  const status = { ...first.body, metadata: { name: 'graceful' }, status: { phase: 'Running' } };
  assert.is((await call('PUT', `${PODS}/graceful/status`, status)).status, 200, 'its node still reports');
  assert.is((await call('GET', `${PODS}/graceful`)).status, 200);
  const last = await call('DELETE', `${PODS}/graceful`, { gracePeriodSeconds: 0 });
  assert.equal([last.status, last.body['kind']], [200, 'Pod']);
  assert.is((await call('GET', `${PODS}/graceful`)).status, 404);
});

test('a pod without a node, or one that has ended, goes at once', async () => {
  await created('nowhere');
  assert.is((await call('DELETE', `${PODS}/nowhere`)).status, 200);
  assert.is((await call('GET', `${PODS}/nowhere`)).status, 404);
  await created('ended', { nodeName: 'edge-1' });
  await call('PUT', `${PODS}/ended/status`, { metadata: { name: 'ended' }, status: { phase: 'Succeeded' } });
  await call('DELETE', `${PODS}/ended`);
  assert.is((await call('GET', `${PODS}/ended`)).status, 404);
});

test('a namespace waits for the pods on nodes', async () => {
  await call('POST', '/api/v1/namespaces', { metadata: { name: 'hall' } });
  const path = '/api/v1/namespaces/hall/pods';
  assert.is((await call('POST', path, podOf('slow', { nodeName: 'edge-1' }))).status, 201);
  await call('DELETE', '/api/v1/namespaces/hall');
  assert.is((await call('GET', '/api/v1/namespaces/hall')).status, 200);
});

test('an eviction is a deletion', async () => {
  const eviction = (name: string): Body => ({ apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace: 'default' } });
  await created('evicted', { nodeName: 'edge-1' });
  const { status, body } = await call('POST', `${PODS}/evicted/eviction`, {
    ...eviction('evicted'),
    deleteOptions: { gracePeriodSeconds: 9 },
  });
  assert.equal([status, body['kind'], body['status']], [201, 'Status', 'Success']);
  assert.is(metadataOf((await call('GET', `${PODS}/evicted`)).body)['deletionGracePeriodSeconds'], 9);
  assert.is((await call('POST', `${PODS}/none/eviction`, eviction('none'))).status, 404);
  assert.is((await call('POST', `${PODS}/evicted/eviction`, eviction('other'))).status, 400);
  assert.is((await call('GET', `${PODS}/evicted/eviction`)).status, 405);
});

test('streams are 501 with a sentence, 404 without a pod', async () => {
  await created('quiet');
  for (const [path, what] of Object.entries({ log: 'logs', exec: 'exec', attach: 'attach', portforward: 'port-forward' })) {
    const { status, body } = await call('GET', `${PODS}/quiet/${path}`);
    assert.equal([status, body['reason']], [501, 'NotImplemented']);
    assert.match(String(body['message']), new RegExp(`^${what} of pod "quiet" cannot be had from this server yet`));
  }
  assert.is((await call('GET', `${PODS}/none/log`)).status, 404);
  assert.is((await call('GET', `${PODS}/quiet/ephemeralcontainers`)).status, 404);
});

test.run();

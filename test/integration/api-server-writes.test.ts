/** Writes: tries that store nothing, preconditions, finalizers, generated names, immutable fields, and namespaces on their way out. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { startApiServer, type RawRequest, type TestApiServer } from '../support/api-server.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { until } from '../support/until.ts';

const COLLECTION = '/api/v1/namespaces/default/configmaps';
const UID = '11111111-2222-3333-4444-555555555555';

interface Body {
  kind: string;
  reason?: string;
  message?: string;
  metadata: {
    name: string;
    uid: string;
    resourceVersion?: string;
    generateName?: string;
    labels?: Record<string, string>;
    finalizers?: string[];
    deletionTimestamp?: string;
  };
  data?: Record<string, string>;
  spec?: { finalizers?: string[] };
  status?: { phase: string; conditions?: { type: string; status: string; message: string }[] } | string;
  details?: { name?: string; kind?: string; uid?: string; causes?: { reason?: string; message?: string; field?: string }[] };
  items?: unknown[];
}

interface Answer {
  status: number;
  body: Body;
}

interface World {
  api: TestApiServer;
  clock: FakeClock;
}

async function inWorld(play: (world: World) => Promise<void>): Promise<void> {
  const clock = new FakeClock();
  const api = await startApiServer({ clock });
  try {
    await play({ api, clock });
  } finally {
    await api.close();
  }
}

async function ask(api: TestApiServer, request: RawRequest): Promise<Answer> {
  const { status, text } = await api.raw({ contentType: 'application/json', ...request });
  return { status, body: JSON.parse(text) as Body };
}

const post = (api: TestApiServer, body: unknown, path = COLLECTION): Promise<Answer> => ask(api, { method: 'POST', path, body });
const put = (api: TestApiServer, path: string, body: unknown): Promise<Answer> => ask(api, { method: 'PUT', path, body });
const get = (api: TestApiServer, path: string): Promise<Answer> => ask(api, { path });
const remove = (api: TestApiServer, path: string, body?: unknown): Promise<Answer> =>
  ask(api, { method: 'DELETE', path, ...(body === undefined ? {} : { body }) });
const merge = (api: TestApiServer, path: string, body: unknown): Promise<Answer> =>
  ask(api, { method: 'PATCH', path, contentType: 'application/merge-patch+json', body });

test('dryRun=All answers every verb as if it were done, and stores nothing', () =>
  inWorld(async ({ api }) => {
    const { body: kept } = await post(api, { metadata: { name: 'kept' }, data: { a: '1' } });
    const at = `${COLLECTION}/kept`;
    const before = api.server.stats.revision;
    const created = await post(api, { metadata: { name: 'new' } }, `${COLLECTION}?dryRun=All`);
    assert.equal([created.status, created.body.metadata.resourceVersion], [201, undefined]);
    assert.is((await post(api, { metadata: { name: 'kept' } }, `${COLLECTION}?dryRun=All`)).status, 409);
    const updated = await put(api, `${at}?dryRun=All`, { metadata: { name: 'kept' }, data: { a: '2' } });
    assert.equal([updated.status, updated.body.data], [200, { a: '2' }]);
    const patched = await merge(api, `${at}?dryRun=All`, { data: { b: '3' } });
    assert.equal([patched.status, patched.body.data], [200, { a: '1', b: '3' }]);
    assert.is((await remove(api, `${at}?dryRun=All`)).status, 200);
    assert.is((await remove(api, at, { dryRun: ['All'] })).status, 200);
    assert.is(
      (await remove(api, at, { dryRun: ['All'], propagationPolicy: 'Foreground' })).body.metadata.finalizers?.[0],
      'foregroundDeletion',
    );
    assert.is((await remove(api, `${COLLECTION}?dryRun=All`)).body.items?.length, 1);
    assert.is((await remove(api, '/api/v1/namespaces/default?dryRun=All')).status, 403);
    assert.is(
      (await put(api, '/apis/coordination.k8s.io/v1/namespaces/default/leases/l?dryRun=All', { metadata: { name: 'l' } })).status,
      201,
    );
    assert.is(api.server.stats.revision, before);
    assert.equal((await get(api, at)).body, kept);
    for (const [method, query] of [
      ['POST', COLLECTION],
      ['PUT', at],
      ['DELETE', at],
    ] as const) {
      const { status, body } = await ask(api, {
        method,
        path: `${query}?dryRun=Maybe`,
        body: method === 'DELETE' ? {} : { metadata: { name: 'kept' } },
      });
      assert.equal([status, body.details?.causes?.[0]?.field], [422, 'dryRun']);
    }
  }));

test('preconditions of a deletion are checked', () =>
  inWorld(async ({ api }) => {
    const { body: made } = await post(api, { metadata: { name: 'a' } });
    const at = `${COLLECTION}/a`;
    for (const preconditions of [{ uid: UID }, { resourceVersion: '1' }]) {
      const { status, body } = await remove(api, at, { preconditions });
      assert.equal([status, body.reason], [409, 'Conflict']);
    }
    const { uid, resourceVersion } = made.metadata;
    const { status, body } = await remove(api, at, { preconditions: { uid, resourceVersion } });
    assert.equal([status, body.status, body.details?.uid], [200, 'Success', uid]);
    assert.is((await remove(api, at)).status, 404);
  }));

test('a version in the body must be the newest one, a uid the same one', () =>
  inWorld(async ({ api }) => {
    const at = `${COLLECTION}/a`;
    const { body: first } = await post(api, { metadata: { name: 'a' } });
    await merge(api, at, { data: { n: '1' } });
    const { name, resourceVersion } = first.metadata;
    const answers = [
      await put(api, at, { metadata: { name, resourceVersion } }),
      await merge(api, at, { metadata: { resourceVersion } }),
      await put(api, at, { metadata: { name, uid: UID } }),
      await merge(api, at, { metadata: { uid: UID } }),
    ];
    assert.equal(
      answers.map(({ status, body }) => [status, body.reason]),
      answers.map(() => [409, 'Conflict']),
    );
    assert.equal((await get(api, at)).body.data, { n: '1' });
  }));

test('what the server keeps of metadata cannot be written, and an unchanged object keeps its version', () =>
  inWorld(async ({ api }) => {
    const at = `${COLLECTION}/a`;
    const { body: first } = await post(api, {
      metadata: { name: 'a', uid: UID, creationTimestamp: '1999-01-01T00:00:00Z', deletionTimestamp: '1999-01-01T00:00:00Z' },
    });
    assert.is.not(first.metadata.uid, UID);
    assert.is(first.metadata.deletionTimestamp, undefined);
    const { body: same } = await merge(api, at, { metadata: { generation: 7, deletionTimestamp: '1999-01-01T00:00:00Z', selfLink: '/x' } });
    assert.equal(same, first);
    assert.is((await put(api, at, { metadata: { name: 'b' } })).status, 400);
    assert.is((await merge(api, at, { metadata: { namespace: 'elsewhere' } })).status, 400);
  }));

test('a deleted object waits for its finalizers and takes no new ones', () =>
  inWorld(async ({ api }) => {
    const at = `${COLLECTION}/held`;
    await post(api, { metadata: { name: 'held', finalizers: ['probe.io/a', 'probe.io/b'] }, data: { n: '0' } });
    const { body: going } = await remove(api, at);
    assert.ok(going.metadata.deletionTimestamp !== undefined);
    const { body: again } = await remove(api, at);
    assert.equal(again, going, 'a second deletion changes nothing');
    const more = await merge(api, at, { metadata: { finalizers: ['probe.io/a', 'probe.io/b', 'probe.io/c'] } });
    assert.equal([more.status, more.body.details?.causes?.[0]?.reason], [422, 'FieldValueForbidden']);
    const { body: changed } = await merge(api, at, { metadata: { finalizers: ['probe.io/b'] }, data: { n: '1' } });
    assert.equal([changed.data, changed.metadata.finalizers], [{ n: '1' }, ['probe.io/b']]);
    assert.is((await post(api, { metadata: { name: 'held' } })).status, 409);
    assert.is((await merge(api, at, { metadata: { finalizers: null } })).status, 200);
    assert.is((await get(api, at)).status, 404);
  }));

test('the policy of a later deletion decides about the finalizers of the garbage collector', () =>
  inWorld(async ({ api }) => {
    const at = `${COLLECTION}/a`;
    await post(api, { metadata: { name: 'a', finalizers: ['probe.io/a'] } });
    const finalizers = async (body: unknown): Promise<string[] | undefined> => (await remove(api, at, body)).body.metadata.finalizers;
    assert.equal(await finalizers({ propagationPolicy: 'Foreground' }), ['probe.io/a', 'foregroundDeletion']);
    assert.equal(await finalizers({}), ['probe.io/a', 'foregroundDeletion']);
    assert.equal(await finalizers({ orphanDependents: true }), ['probe.io/a', 'orphan']);
    assert.equal(await finalizers({ propagationPolicy: 'Background' }), ['probe.io/a']);
    assert.is((await remove(api, at, { propagationPolicy: 'Background', orphanDependents: true })).status, 422);
    assert.is((await remove(api, at, { propagationPolicy: 'Sideways' })).status, 422);
  }));

test('owner references are checked', () =>
  inWorld(async ({ api }) => {
    const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'o', uid: UID };
    const wrong = [
      [{ ...owner, uid: '' }],
      [{ apiVersion: 'v1', name: 'o', uid: UID }],
      [{ ...owner, kind: 'Event' }],
      [
        { ...owner, controller: true },
        { ...owner, uid: UID.replaceAll('1', '2'), controller: true },
      ],
    ];
    for (const ownerReferences of wrong) {
      const { status, body } = await post(api, { metadata: { name: 'x', ownerReferences } });
      assert.is(status, 422, JSON.stringify(ownerReferences));
      assert.match(body.details?.causes?.[0]?.field ?? '', 'metadata.ownerReferences');
    }
    assert.is((await post(api, { metadata: { name: 'x', ownerReferences: ['o'] } })).status, 400);
  }));

test('generateName adds five letters that stay', () =>
  inWorld(async ({ api }) => {
    const long = 'n'.repeat(80);
    const names = [];
    for (const generateName of ['gen-', 'gen-', long]) {
      const { status, body } = await post(api, { metadata: { generateName } });
      assert.equal([status, body.metadata.generateName], [201, generateName]);
      names.push(body.metadata.name);
    }
    assert.match(names[0] ?? '', /^gen-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
    assert.is.not(names[0], names[1]);
    assert.is(names[2]?.length, 63);
    assert.is((await post(api, { metadata: { generateName: 'gen-', name: 'named' } })).body.metadata.name, 'named');
    assert.is((await post(api, { metadata: {} })).status, 422);
  }));

test('what is immutable stays', () =>
  inWorld(async ({ api }) => {
    await post(api, { metadata: { name: 'fixed' }, data: { a: '1' }, immutable: true });
    const at = `${COLLECTION}/fixed`;
    for (const body of [{ data: { a: '2' } }, { immutable: false }, { immutable: null }, { binaryData: { b: 'AQ==' } }]) {
      const { status, body: answer } = await merge(api, at, body);
      assert.equal([status, answer.details?.causes?.[0]?.reason], [422, 'FieldValueForbidden'], JSON.stringify(body));
    }
    assert.is((await merge(api, at, { metadata: { labels: { a: 'b' } } })).status, 200);
    const secrets = '/api/v1/namespaces/default/secrets';
    await post(api, { metadata: { name: 's' }, stringData: { k: 'v' } }, secrets);
    const { status, body } = await merge(api, `${secrets}/s`, { type: 'kubernetes.io/tls' });
    assert.equal([status, body.details?.causes?.some(({ field }) => field === 'type')], [422, true]);
  }));

test('a namespace that ends takes no new content, loses what it has, and says what holds it', () =>
  inWorld(async ({ api, clock }) => {
    const { body: made } = await post(api, { metadata: { name: 'ending' } }, '/api/v1/namespaces');
    assert.equal([made.spec?.finalizers, made.status], [['kubernetes'], { phase: 'Active' }]);
    const maps = '/api/v1/namespaces/ending/configmaps';
    await post(api, { metadata: { name: 'plain' } }, maps);
    await post(api, { metadata: { name: 'held', finalizers: ['probe.io/hold'] } }, maps);
    await post(api, { metadata: { name: 's' } }, '/api/v1/namespaces/ending/secrets');
    const { status, body: going } = await remove(api, '/api/v1/namespaces/ending');
    assert.equal([status, going.kind, going.status], [200, 'Namespace', { phase: 'Terminating' }]);
    const refused = await post(api, { metadata: { name: 'late' } }, maps);
    assert.equal([refused.status, refused.body.reason], [403, 'Forbidden']);
    const because = 'unable to create new content in namespace ending because it is being terminated';
    assert.is(refused.body.message, `configmaps "late" is forbidden: ${because}`);
    assert.equal(refused.body.details?.causes, [
      { reason: 'NamespaceTerminating', message: 'namespace ending is being terminated', field: 'metadata.namespace' },
    ]);
    assert.is((await merge(api, '/api/v1/namespaces/ending', { metadata: { labels: { a: 'b' } } })).status, 200, 'and it can be labelled');
    const conditions = await until(
      async () => {
        await clock.advance(1000);
        const { body } = await get(api, '/api/v1/namespaces/ending');
        return typeof body.status === 'object' ? body.status.conditions : undefined;
      },
      { what: 'the conditions' },
    );
    assert.equal(
      conditions.map(({ type, status: is, message }) => [type, is, message]),
      [
        ['NamespaceContentRemaining', 'True', 'Some resources are remaining: configmaps. has 1 resource instances'],
        [
          'NamespaceFinalizersRemaining',
          'True',
          'Some content in the namespace has finalizers remaining: probe.io/hold in 1 resource instances',
        ],
      ],
    );
    assert.is((await get(api, '/api/v1/namespaces/ending/secrets')).body.items?.length, 0);
    await merge(api, `${maps}/held`, { metadata: { finalizers: null } });
    await until(
      async () => {
        await clock.advance(1000);
        return (await get(api, '/api/v1/namespaces/ending')).status === 404;
      },
      { what: 'the namespace to go' },
    );
    assert.is((await post(api, { metadata: { name: 'ending' } }, '/api/v1/namespaces')).status, 201);
    assert.is((await get(api, maps)).body.items?.length, 0);
  }));

test('the finalizers of a namespace change on a path of their own', () =>
  inWorld(async ({ api }) => {
    const at = '/api/v1/namespaces/own';
    await post(api, { metadata: { name: 'own' } }, '/api/v1/namespaces');
    assert.equal((await merge(api, at, { spec: { finalizers: [] } })).body.spec?.finalizers, ['kubernetes']);
    await remove(api, at);
    assert.is((await ask(api, { method: 'GET', path: `${at}/finalize` })).status, 405);
    const { status, body } = await put(api, `${at}/finalize`, { metadata: { name: 'own' }, spec: { finalizers: [] } });
    assert.equal([status, body.kind], [200, 'Namespace']);
    assert.is((await get(api, at)).status, 404);
    for (const name of ['default', 'kube-system', 'kube-public']) assert.is((await remove(api, `/api/v1/namespaces/${name}`)).status, 403);
  }));

test('a missing namespace, another one in the body, and a version on a new object are refused', () =>
  inWorld(async ({ api }) => {
    const missing = await post(api, { metadata: { name: 'x' } }, '/api/v1/namespaces/nowhere/configmaps');
    assert.equal([missing.status, missing.body.details?.kind, missing.body.details?.name], [404, 'namespaces', 'nowhere']);
    assert.is((await post(api, { metadata: { name: 'x', namespace: 'elsewhere' } })).status, 400);
    assert.is((await post(api, { metadata: { name: 'x', resourceVersion: '5' } })).status, 500);
  }));

test.run();

/** Watches: where they start, what selectors see, bookmarks, ends, and what is told when the past is forgotten. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { startApiServer, type RawAnswer, type TestApiServer } from '../support/api-server.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { until } from '../support/until.ts';

const COLLECTION = '/api/v1/namespaces/default/configmaps';
const WINDOW = { events: 20, size: 1024 * 1024, ageMs: 600_000 };
const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io';
const PARTIAL = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io';

interface Meta {
  name: string;
  resourceVersion: string;
  labels?: Record<string, string>;
  creationTimestamp?: string | null;
}

interface Event {
  type: string;
  object: {
    kind: string;
    apiVersion: string;
    code?: number;
    reason?: string;
    message?: string;
    metadata: Meta;
    data?: Record<string, string>;
    columnDefinitions?: unknown[] | null;
    rows?: { cells: unknown[]; object: { metadata: Meta } }[];
  };
}

interface Stream {
  readonly events: Event[];
  readonly ended: boolean;
  readonly status: number;
  /** `TYPE name` of each event. */
  names(): string[];
}

interface World {
  api: TestApiServer;
  clock: FakeClock;
  watch(query: Record<string, string>, options?: { accept?: string; path?: string }): Promise<Stream>;
}

async function inWorld(play: (world: World) => Promise<void>): Promise<void> {
  const clock = new FakeClock();
  const api = await startApiServer({ clock, window: WINDOW });
  try {
    await play({
      api,
      clock,
      watch: async (query, options = {}) => {
        const before = api.server.stats.watches;
        const stream = openStream(api, query, options);
        await until(() => api.server.stats.watches > before || stream.ended, { what: 'the stream' });
        return stream;
      },
    });
  } finally {
    await api.close();
  }
}

function openStream(
  api: TestApiServer,
  query: Record<string, string>,
  { accept, path = COLLECTION }: { accept?: string; path?: string },
): Stream {
  let text = '';
  let answer: RawAnswer | undefined;
  const enough = (so: string): boolean => {
    text = so;
    return false;
  };
  const search = new URLSearchParams({ watch: 'true', ...query }).toString();
  // What is still open ends with its server.
  void api
    .raw({ path: `${path}?${search}`, enough, ...(accept === undefined ? {} : { accept }) })
    .then((whole) => void (answer = whole))
    .catch(() => undefined);
  const events = (): Event[] =>
    (answer?.text ?? text)
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Event);
  return {
    get events() {
      return events();
    },
    get ended() {
      return answer !== undefined;
    },
    get status() {
      return answer?.status ?? 200;
    },
    names: () => events().map(({ type, object }) => `${type} ${object.metadata.name ?? object.rows?.[0]?.object.metadata.name ?? ''}`),
  };
}

async function create(api: TestApiServer, name: string, labels: Record<string, string> = {}): Promise<Meta> {
  const body = { metadata: { name, labels }, data: { n: '0' } };
  const { text } = await api.raw({ method: 'POST', path: COLLECTION, contentType: 'application/json', body });
  return (JSON.parse(text) as { metadata: Meta }).metadata;
}

async function change(api: TestApiServer, name: string, body: unknown): Promise<Meta> {
  const { text } = await api.raw({ method: 'PATCH', path: `${COLLECTION}/${name}`, contentType: 'application/merge-patch+json', body });
  return (JSON.parse(text) as { metadata: Meta }).metadata;
}

const remove = (api: TestApiServer, name: string): Promise<RawAnswer> => api.raw({ method: 'DELETE', path: `${COLLECTION}/${name}` });
const labelled = (labels: Record<string, string | null>): unknown => ({ metadata: { labels } });

async function seen(stream: Stream, expected: readonly string[]): Promise<void> {
  await until(() => stream.names().length >= expected.length, { what: expected.join(', ') }).catch((error: unknown) => {
    throw new Error(`${String(error)}; seen: ${stream.names().join(', ')}`);
  });
  assert.equal(stream.names(), [...expected]);
}

test('from a version: what happened after it, each once, then what happens', () =>
  inWorld(async ({ api, watch }) => {
    await create(api, 'a');
    const { resourceVersion } = await create(api, 'b');
    await create(api, 'c');
    await change(api, 'a', { data: { n: '1' } });
    const stream = await watch({ resourceVersion });
    await change(api, 'a', {});
    await remove(api, 'b');
    await seen(stream, ['ADDED c', 'MODIFIED a', 'DELETED b']);
    const versions = stream.events.map(({ object }) => Number(object.metadata.resourceVersion));
    assert.equal(
      versions,
      [...versions].sort((a, b) => a - b),
    );
    assert.equal(stream.events[2]?.object.data, { n: '0' }, 'the last state');
    assert.ok((versions[2] ?? 0) > (versions[1] ?? 0), 'under the version of the deletion');
  }));

test('from 0, or from nothing: what there is, then what happens', () =>
  inWorld(async ({ api, watch }) => {
    await create(api, 'a');
    await create(api, 'b');
    await remove(api, 'a');
    for (const query of [{ resourceVersion: '0' }, {}] as Record<string, string>[]) {
      const stream = await watch(query);
      await seen(stream, ['ADDED b']);
    }
    const over = await watch({ fieldSelector: 'metadata.namespace=default' }, { path: '/api/v1/configmaps' });
    await create(api, 'c');
    await seen(over, ['ADDED b', 'ADDED c']);
  }));

test('with a selector, entering is ADDED and leaving is DELETED with the last state that fitted', () =>
  inWorld(async ({ api, watch }) => {
    const { resourceVersion } = await create(api, 'x', { w: 'n' });
    const stream = await watch({ resourceVersion, labelSelector: 'w=y' });
    await change(api, 'x', { data: { n: '1' } });
    await change(api, 'x', labelled({ w: 'y' }));
    await change(api, 'x', { data: { n: '2' } });
    const { resourceVersion: left } = await change(api, 'x', { ...(labelled({ w: 'n' }) as object), data: { n: '3' } });
    await seen(stream, ['ADDED x', 'MODIFIED x', 'DELETED x']);
    const last = stream.events[2]?.object;
    assert.equal([last?.data, last?.metadata.labels, last?.metadata.resourceVersion], [{ n: '2' }, { w: 'y' }, left]);
    await create(api, 'y', { w: 'y' });
    const named = await watch({ resourceVersion: '0', fieldSelector: 'metadata.name=y' });
    await change(api, 'x', labelled({ w: 'y' }));
    await remove(api, 'y');
    await seen(named, ['ADDED y', 'DELETED y']);
  }));

test('an object that goes with the change that takes its last finalizer is DELETED for who knew it', () =>
  inWorld(async ({ api, watch }) => {
    const body = { metadata: { name: 'held', labels: { w: 'y' }, finalizers: ['probe.io/hold'] } };
    await api.raw({ method: 'POST', path: COLLECTION, contentType: 'application/json', body });
    const stream = await watch({ resourceVersion: '0', labelSelector: 'w=y' });
    await remove(api, 'held');
    await change(api, 'held', { metadata: { labels: { w: 'n' }, finalizers: null } });
    await seen(stream, ['ADDED held', 'MODIFIED held', 'DELETED held']);
  }));

test('as tables the columns come once, as metadata the rest is left out', () =>
  inWorld(async ({ api, watch }) => {
    await create(api, 'a');
    const table = await watch({ resourceVersion: '0' }, { accept: TABLE });
    const partial = await watch({ resourceVersion: '0' }, { accept: PARTIAL });
    await change(api, 'a', { data: { n: '1' } });
    await seen(table, ['ADDED a', 'MODIFIED a']);
    assert.equal(
      table.events.map(({ object }) => [object.kind, Array.isArray(object.columnDefinitions), object.rows?.[0]?.cells[1]]),
      [
        ['Table', true, 1],
        ['Table', false, 1],
      ],
    );
    await seen(partial, ['ADDED a', 'MODIFIED a']);
    for (const { object } of partial.events)
      assert.equal([object.kind, object.apiVersion, object.data], ['PartialObjectMetadata', 'meta.k8s.io/v1', undefined]);
  }));

test('bookmarks come once a minute and two seconds before the end, in the form that was asked for', () =>
  inWorld(async ({ api, clock, watch }) => {
    await create(api, 'a');
    const query = { resourceVersion: '0', allowWatchBookmarks: 'true', timeoutSeconds: '130' };
    const streams = await Promise.all([watch(query), watch(query, { accept: PARTIAL }), watch(query, { accept: TABLE })]);
    const silent = await watch({ resourceVersion: '0', timeoutSeconds: '130' });
    const short = await watch({ ...query, timeoutSeconds: '5' });
    await clock.advance(10_000);
    await until(() => short.ended, { what: 'the short one to end' });
    assert.equal(short.names(), ['ADDED a']);
    await clock.advance(121_000);
    for (const [index, stream] of [...streams, silent].entries()) {
      await until(() => stream.ended, { what: 'the end' });
      const marks = stream.events.filter(({ type }) => type === 'BOOKMARK').map(({ object }) => object);
      assert.is(marks.length, stream === silent ? 0 : 3);
      assert.ok(marks.every(({ kind }) => kind === ['ConfigMap', 'PartialObjectMetadata', 'Table'][index]));
      assert.ok(
        marks.every(
          ({ metadata }) => metadata.resourceVersion === String(api.server.stats.revision) && metadata.creationTimestamp === null,
        ),
      );
    }
  }));

test('without a time-out of the client a stream ends after half an hour to an hour', () =>
  inWorld(async ({ clock, watch }) => {
    const stream = await watch({});
    await clock.advance(30 * 60_000 - 1000);
    assert.is(stream.ended, false);
    await clock.advance(31 * 60_000);
    await until(() => stream.ended, { what: 'the end' });
  }));

test('a version that is forgotten is told in the stream, also after a restart and as a table', async () => {
  let version = '';
  let dataDir = '';
  await inWorld(async ({ api, watch }) => {
    ({ resourceVersion: version } = await create(api, 'a'));
    for (let n = 1; n <= WINDOW.events + 1; n += 1) await change(api, 'a', { data: { n: String(n) } });
    const stream = await watch({ resourceVersion: version });
    await until(() => stream.ended, { what: 'the end' });
    assert.is(stream.status, 200);
    const [event] = stream.events;
    assert.equal([stream.events.length, event?.type, event?.object.code, event?.object.reason], [1, 'ERROR', 410, 'Expired']);
    assert.match(event?.object.message ?? '', `too old resource version: ${version} (`);
    dataDir = api.dataDir;
    ({ resourceVersion: version } = await change(api, 'a', { data: { n: 'last' } }));
  });
  const again = await startApiServer({ dataDir });
  try {
    for (const accept of ['application/json', TABLE]) {
      const { status, text } = await again.raw({ path: `${COLLECTION}?watch=1&resourceVersion=${version}`, accept });
      const event = JSON.parse(text) as Event;
      assert.equal([status, event.type, event.object.kind, event.object.code], [200, 'ERROR', 'Status', 410]);
    }
    const { text } = await again.raw({ path: COLLECTION });
    const from = (JSON.parse(text) as { metadata: Meta }).metadata.resourceVersion;
    const watching = again.raw({ path: `${COLLECTION}?watch=1&resourceVersion=${from}`, enough: (so) => so.includes('\n') });
    await until(() => again.server.stats.watches === 1, { what: 'the watch' });
    await create(again, 'after');
    assert.equal((JSON.parse((await watching).text) as Event).object.metadata.name, 'after');
  } finally {
    await again.close();
  }
});

test('a version of the future just waits', () =>
  inWorld(async ({ api, clock, watch }) => {
    const { resourceVersion } = await create(api, 'a');
    const stream = await watch({ resourceVersion: String(Number(resourceVersion) + 2), timeoutSeconds: '1' });
    await create(api, 'b');
    await create(api, 'c');
    await create(api, 'd');
    await seen(stream, ['ADDED d']);
    await clock.advance(1000);
    await until(() => stream.ended, { what: 'the end' });
  }));

test('what is wrong is refused before the stream', () =>
  inWorld(async ({ api }) => {
    const wrong: [string, number][] = [
      ['labelSelector=a%3D%3D%3Db', 400],
      ['fieldSelector=data.a%3D1', 400],
      ['resourceVersion=abc', 400],
      ['timeoutSeconds=soon', 400],
      ['sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true', 422],
      ['resourceVersion=0&resourceVersionMatch=Exact', 422],
    ];
    for (const [query, expected] of wrong) {
      const { status, text } = await api.raw({ path: `${COLLECTION}?watch=true&${query}` });
      assert.is(status, expected, query);
      assert.is((JSON.parse(text) as { kind: string }).kind, 'Status');
    }
    assert.is((await api.raw({ path: `${COLLECTION}?watch=false` })).status, 200);
    assert.is((JSON.parse((await api.raw({ path: `${COLLECTION}?watch=0` })).text) as { kind: string }).kind, 'ConfigMapList');
  }));

test.run();

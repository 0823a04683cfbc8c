/** Lists: pages of one version, versions of the past and of the future, and what is told when the past is forgotten. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { startApiServer, type RawAnswer, type TestApiServer } from '../support/api-server.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { until } from '../support/until.ts';

const COLLECTION = '/api/v1/namespaces/default/configmaps';
const WINDOW = { events: 20, size: 1024 * 1024, ageMs: 60_000 };

interface ListBody {
  kind: string;
  reason?: string;
  message?: string;
  metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
  items: { metadata: { name: string; resourceVersion: string; labels?: Record<string, string> }; data?: Record<string, string> }[];
  details?: { causes?: { reason?: string; message?: string; field?: string }[]; retryAfterSeconds?: number };
}

interface World {
  api: TestApiServer;
  clock: FakeClock;
}

async function inWorld(names: readonly string[], play: (world: World) => Promise<void>): Promise<void> {
  const clock = new FakeClock();
  const api = await startApiServer({ clock, window: WINDOW });
  try {
    for (const name of names) await put(api, name);
    await play({ api, clock });
  } finally {
    await api.close();
  }
}

async function put(api: TestApiServer, name: string, labels: Record<string, string> = {}): Promise<string> {
  const body = { metadata: { name, labels }, data: { of: name } };
  const { text } = await api.raw({ method: 'POST', path: COLLECTION, contentType: 'application/json', body });
  return (JSON.parse(text) as ListBody).metadata.resourceVersion;
}

const change = (api: TestApiServer, name: string, body: unknown): Promise<RawAnswer> =>
  api.raw({ method: 'PATCH', path: `${COLLECTION}/${name}`, contentType: 'application/merge-patch+json', body });
const remove = (api: TestApiServer, name: string): Promise<RawAnswer> => api.raw({ method: 'DELETE', path: `${COLLECTION}/${name}` });

async function list(
  api: TestApiServer,
  query: string | Record<string, string | undefined>,
): Promise<ListBody & { status: number; names: string[] }> {
  const parts =
    typeof query === 'string' ? [query] : Object.entries(query).map(([key, value = '']) => `${key}=${encodeURIComponent(value)}`);
  const { status, text } = await api.raw({ path: `${COLLECTION}?${parts.join('&')}` });
  const body = JSON.parse(text) as ListBody;
  return { ...body, status, names: (body.items ?? []).map(({ metadata }) => metadata.name) };
}

/** Turns the window over, so that nothing of before is known any more. */
async function forget(api: TestApiServer): Promise<void> {
  for (let count = 0; count <= WINDOW.events; count += 1) await change(api, 'z-busy', { data: { count: String(count) } });
}

test('pages show the version of the first one, whatever is written between them', () =>
  inWorld(['a', 'b', 'c', 'd', 'e'], async ({ api }) => {
    const first = await list(api, { limit: '2' });
    assert.equal(first.names, ['a', 'b']);
    assert.is(first.metadata.remainingItemCount, 3);
    await put(api, 'bb');
    await remove(api, 'c');
    await change(api, 'd', { data: { of: 'changed' } });
    const second = await list(api, { limit: '2', continue: first.metadata.continue ?? '' });
    assert.equal(second.names, ['c', 'd']);
    assert.equal(second.items[1]?.data, { of: 'd' });
    assert.is(second.metadata.remainingItemCount, 1);
    assert.is(second.metadata.resourceVersion, first.metadata.resourceVersion);
    const third = await list(api, { limit: '2', continue: second.metadata.continue ?? '', resourceVersion: '0' });
    assert.equal(third.names, ['e']);
    assert.is(third.metadata.continue, undefined);
    assert.is(third.metadata.remainingItemCount, undefined);
    assert.equal((await list(api, {})).names, ['a', 'b', 'bb', 'd', 'e']);
  }));

test('with a selector nobody counts what remains', () =>
  inWorld([], async ({ api }) => {
    for (const name of ['a', 'b', 'c']) await put(api, name, { kept: name === 'b' ? 'no' : 'yes' });
    const first = await list(api, { limit: '1', labelSelector: 'kept=yes' });
    assert.equal(first.names, ['a']);
    assert.is(first.metadata.remainingItemCount, undefined);
    const second = await list(api, { limit: '1', labelSelector: 'kept=yes', continue: first.metadata.continue ?? '' });
    assert.equal(second.names, ['c']);
    assert.is(second.metadata.continue, undefined);
  }));

test('pages are one list as tables, as metadata, and over all namespaces', () =>
  inWorld(['a', 'b', 'c'], async ({ api }) => {
    for (const as of ['Table', 'PartialObjectMetadataList']) {
      const accept = `application/json;as=${as};v=v1;g=meta.k8s.io`;
      const page = async (query: string): Promise<ListBody & { rows?: unknown[] }> =>
        JSON.parse((await api.raw({ path: `/api/v1/configmaps?limit=2${query}`, accept })).text) as ListBody & { rows?: unknown[] };
      const first = await page('');
      assert.is(first.kind, as);
      assert.is((first.rows ?? first.items).length, 2);
      assert.is(first.metadata.remainingItemCount, 1);
      const second = await page(`&continue=${first.metadata.continue ?? ''}`);
      assert.is((second.rows ?? second.items).length, 1);
      assert.is(second.metadata.resourceVersion, first.metadata.resourceVersion);
    }
  }));

test('a token that is none, or that comes with a version, is refused', () =>
  inWorld(['a', 'b'], async ({ api }) => {
    for (const token of ['garbage', 'e30', Buffer.from('{"rv":"x","start":1}').toString('base64url')]) {
      const { status, reason, message } = await list(api, { continue: token });
      assert.equal([status, reason], [400, 'BadRequest']);
      assert.match(message ?? '', 'continue key is not valid');
    }
    const { metadata } = await list(api, { limit: '1' });
    const both = await list(api, { limit: '1', continue: metadata.continue ?? '', resourceVersion: metadata.resourceVersion });
    assert.equal([both.status, both.reason], [400, 'BadRequest']);
    for (const query of ['limit=many', 'resourceVersion=abc']) assert.is((await list(api, query)).status, 400);
  }));

test('a forgotten token is answered with one that goes on with what there is now', () =>
  inWorld(['a', 'b', 'c', 'z-busy'], async ({ api }) => {
    const first = await list(api, { limit: '2' });
    await put(api, 'bb');
    await forget(api);
    const late = await list(api, { limit: '2', continue: first.metadata.continue ?? '' });
    assert.equal([late.status, late.reason], [410, 'Expired']);
    const fresh = await list(api, { limit: '2', continue: late.metadata.continue ?? '' });
    assert.equal(fresh.names, ['bb', 'c']);
    const rest = await list(api, { limit: '2', continue: fresh.metadata.continue ?? '' });
    assert.equal(rest.names, ['z-busy']);
    assert.is(rest.metadata.resourceVersion, fresh.metadata.resourceVersion);
  }));

test('a version means: any (0), not older (N), exactly this (Exact, and N with a limit)', () =>
  inWorld(['a', 'b'], async ({ api }) => {
    const { metadata } = await list(api, {});
    const then = metadata.resourceVersion;
    await put(api, 'c');
    const zero = await list(api, { resourceVersion: '0', limit: '1' });
    assert.equal(zero.names, ['a', 'b', 'c'], 'the limit does not count');
    assert.equal((await list(api, { resourceVersion: then })).names, ['a', 'b', 'c']);
    assert.equal((await list(api, { resourceVersion: then, resourceVersionMatch: 'NotOlderThan', limit: '2' })).names, ['a', 'b']);
    const exact = await list(api, { resourceVersion: then, resourceVersionMatch: 'Exact' });
    assert.equal(exact.names, ['a', 'b']);
    assert.is(exact.metadata.resourceVersion, then);
    const paged = await list(api, { resourceVersion: then, limit: '1' });
    assert.equal([paged.names, paged.metadata.remainingItemCount], [['a'], 1]);
    assert.equal((await list(api, { limit: '1', continue: paged.metadata.continue ?? '' })).names, ['b']);
  }));

test('matches that make no sense are 422 and name the field', () =>
  inWorld(['a'], async ({ api }) => {
    const { metadata } = await list(api, {});
    for (const query of [
      { resourceVersionMatch: 'Exact' },
      { resourceVersionMatch: 'Newest', resourceVersion: metadata.resourceVersion },
      { resourceVersionMatch: 'Exact', resourceVersion: '0' },
    ]) {
      const { status, reason, details } = await list(api, query);
      assert.equal([status, reason], [422, 'Invalid'], JSON.stringify(query));
      assert.is(details?.causes?.[0]?.field, 'resourceVersionMatch');
    }
  }));

test('a version of the past that is forgotten is 410, also after a restart', async () => {
  let then = '';
  let token = '';
  let dataDir = '';
  await inWorld(['a', 'b', 'z-busy'], async ({ api }) => {
    const page = await list(api, { limit: '1' });
    then = page.metadata.resourceVersion;
    await forget(api);
    for (const query of [
      { resourceVersion: then, resourceVersionMatch: 'Exact' },
      { resourceVersion: then, limit: '1' },
    ]) {
      const { status, reason } = await list(api, query);
      assert.equal([status, reason], [410, 'Expired']);
    }
    const last = await list(api, { limit: '1' });
    [then, token, dataDir] = [last.metadata.resourceVersion, last.metadata.continue ?? '', api.dataDir];
  });
  const again = await startApiServer({ dataDir });
  try {
    assert.is((await list(again, { resourceVersion: then, resourceVersionMatch: 'Exact' })).status, 410);
    const late = await list(again, { limit: '5', continue: token });
    assert.is(late.status, 410);
    assert.equal((await list(again, { limit: '5', continue: late.metadata.continue ?? '' })).names, ['b', 'z-busy']);
    const now = await list(again, { resourceVersion: then });
    assert.is(now.status, 200);
    assert.ok(Number(now.metadata.resourceVersion) > Number(then), 'versions go on');
  } finally {
    await again.close();
  }
});

test('a version of the future is waited for, three seconds long', () =>
  inWorld(['a'], async ({ api, clock }) => {
    const { metadata } = await list(api, {});
    const next = String(Number(metadata.resourceVersion) + 1);
    const waiting = list(api, { resourceVersion: next });
    await put(api, 'b');
    await clock.advance(100);
    assert.equal((await waiting).names, ['a', 'b']);

    for (const path of [`${COLLECTION}?resourceVersion=999999999`, `${COLLECTION}/a?resourceVersion=999999999`]) {
      let answered: RawAnswer | undefined;
      void api.raw({ path }).then((answer) => (answered = answer));
      const started = clock.monotonic();
      const { status, text } = await until(
        async () => {
          await clock.advance(100);
          return answered;
        },
        { what: 'the answer' },
      );
      assert.ok(clock.monotonic() - started >= 3000, 'three seconds');
      const { reason, details } = JSON.parse(text) as ListBody;
      assert.equal([status, reason, details?.retryAfterSeconds], [504, 'Timeout', 1]);
      assert.equal(details?.causes, [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }]);
    }
  }));

test('the past is bounded by age too', () =>
  inWorld(['a'], async ({ api, clock }) => {
    const { metadata } = await list(api, {});
    await put(api, 'b');
    assert.is((await list(api, { resourceVersion: metadata.resourceVersion, resourceVersionMatch: 'Exact' })).status, 200);
    assert.is(api.server.stats.events > 0, true);
    await clock.advance(WINDOW.ageMs + 120_000);
    assert.is(api.server.stats.events, 0);
    assert.is((await list(api, { resourceVersion: metadata.resourceVersion, resourceVersionMatch: 'Exact' })).status, 410);
  }));

test('selectors choose by labels and fields, and bad ones are 400', () =>
  inWorld([], async ({ api }) => {
    await put(api, 'a', { tier: 'edge', x: '1' });
    await put(api, 'b', { tier: 'cloud' });
    await put(api, 'c');
    const chosen = async (query: Record<string, string>): Promise<string[]> => (await list(api, query)).names;
    assert.equal(await chosen({ labelSelector: 'tier=edge' }), ['a']);
    assert.equal(await chosen({ labelSelector: 'tier==edge,x=1' }), ['a']);
    assert.equal(await chosen({ labelSelector: 'tier!=edge' }), ['b', 'c']);
    assert.equal(await chosen({ labelSelector: 'tier in (edge, cloud)' }), ['a', 'b']);
    assert.equal(await chosen({ labelSelector: 'tier notin (edge)' }), ['b', 'c']);
    assert.equal(await chosen({ labelSelector: 'tier' }), ['a', 'b']);
    assert.equal(await chosen({ labelSelector: '!tier' }), ['c']);
    assert.equal(await chosen({ fieldSelector: 'metadata.name=b' }), ['b']);
    assert.equal(await chosen({ fieldSelector: 'metadata.name!=b,metadata.namespace==default' }), ['a', 'c']);
    for (const query of [
      { labelSelector: 'a===b' },
      { labelSelector: 'in (' },
      { fieldSelector: 'data.a=1' },
      { fieldSelector: 'metadata.name' },
    ])
      assert.is((await list(api, query)).status, 400, JSON.stringify(query));
  }));

test('a collection is deleted by selector, tried first, and never over all namespaces', () =>
  inWorld([], async ({ api }) => {
    for (const name of ['a', 'b', 'c']) await put(api, name, { kept: name === 'b' ? 'yes' : 'no' });
    const deletion = async (query: string, body?: unknown): Promise<RawAnswer> =>
      api.raw({
        method: 'DELETE',
        path: `${COLLECTION}${query}`,
        contentType: 'application/json',
        ...(body === undefined ? {} : { body }),
      });
    const tried = await deletion('?labelSelector=kept%3Dno&dryRun=All');
    assert.equal(
      (JSON.parse(tried.text) as ListBody).items.map(({ metadata }) => metadata.name),
      ['a', 'c'],
    );
    assert.equal((await list(api, {})).names, ['a', 'b', 'c']);
    assert.is((await deletion('?labelSelector=a%3D%3D%3Db')).status, 400);
    assert.is((await deletion('?fieldSelector=metadata.name%3Da')).status, 200);
    assert.equal((await list(api, {})).names, ['b', 'c']);
    assert.is((await deletion('', { propagationPolicy: 'Sideways' })).status, 422);
    assert.is((await deletion('?labelSelector=kept%3Dno')).status, 200);
    assert.equal((await list(api, {})).names, ['b']);
    assert.is((await api.raw({ method: 'DELETE', path: '/api/v1/configmaps' })).status, 405);
    assert.is((await api.raw({ method: 'DELETE', path: '/api/v1/namespaces' })).status, 405);
  }));

test.run();

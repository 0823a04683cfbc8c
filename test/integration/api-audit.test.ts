/** The audit log of the embedded API: who changed what, with which outcome, in a bounded number of files. */
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { createLogger } from '#beehive/log.ts';
import { ADMIN_TOKEN, startApiServer, type RawRequest, type TestApiServer } from '../support/api-server.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const tokens = [{ token: 'low', user: 'low', groups: [] }];

interface World {
  api: TestApiServer;
  file: string;
  send(method: string, where: string, more?: Partial<RawRequest>): Promise<number>;
}

async function open({ controllers = false, maxBytes = 1_000_000, maxFiles = 3 } = {}): Promise<World> {
  const file = path.join(tempDir(), 'cloud', 'audit.log');
  const api = await startApiServer({ tokens, audit: { file, maxBytes, maxFiles, controllers } });
  const send: World['send'] = async (method, where, { body, ...more } = {}) => {
    const contentType = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const { status } = await api.raw({ method, path: where, ...(body === undefined ? {} : { body, contentType }), ...more });
    return status;
  };
  return { api, file, send };
}

type Line = Record<string, unknown>;

/** Without times, which must be there. */
function linesOf(file: string): Line[] {
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const { time, ...rest } = JSON.parse(line) as Line;
      assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      return rest;
    });
}

test('writes are recorded with who, what and the outcome, and never with a body', async () => {
  const { api, file, send } = await open();
  const secrets = '/api/v1/namespaces/default/secrets';
  const headers = { 'User-Agent': 'kubectl/v1.32.5' };
  await send('POST', secrets, { body: { metadata: { name: 's' }, stringData: { password: 'hunter2' } }, headers });
  await send('PATCH', `${secrets}/s?dryRun=All`, { body: { stringData: { password: 'hunter3' } } });
  await send('GET', `${secrets}/s`);
  await send('DELETE', `${secrets}/s`, { token: 'low' });
  await send('DELETE', `${secrets}/s`, { headers: { 'Impersonate-User': 'ann' } });
  await send('POST', MAPS, { body: { metadata: { generateName: 'cm-' } } });
  await send('DELETE', `${secrets}/s`, { token: null });
  await send('DELETE', `${secrets}/s`, { token: 'wrong' });
  await send('POST', '/api/v1/namespaces/default/serviceaccounts', { body: { metadata: { name: 'a' } } });
  await send('POST', '/api/v1/namespaces/default/serviceaccounts/a/token', { body: { spec: {} } });
  await send('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
    body: { spec: { nonResourceAttributes: { path: '/' } } },
  });
  await api.close();
  const secret = { resource: 'secrets', namespace: 'default', name: 's' };
  const source = '127.0.0.1';
  const [first, ...lines] = linesOf(file);
  assert.equal(first, { user: 'admin', verb: 'create', ...secret, userAgent: 'kubectl/v1.32.5', source, code: 201 });
  const generated = lines[3]?.['name'];
  assert.match(String(generated), /^cm-[a-z0-9]{5}$/);
  const account = { resource: 'serviceaccounts', namespace: 'default', name: 'a' };
  assert.equal(lines, [
    { user: 'admin', verb: 'patch', ...secret, source, code: 200, dryRun: true },
    { user: 'low', verb: 'delete', ...secret, reason: 'Forbidden', source, code: 403 },
    { user: 'admin', as: 'ann', verb: 'delete', ...secret, reason: 'Forbidden', source, code: 403 },
    { user: 'admin', verb: 'create', resource: 'configmaps', namespace: 'default', name: generated, source, code: 201 },
    { user: 'admin', verb: 'create', ...account, source, code: 201 },
    { user: 'admin', verb: 'create', ...account, subresource: 'token', source, code: 201 },
  ]);
  const text = readFileSync(file, 'utf8');
  for (const hidden of ['hunter', ADMIN_TOKEN, 'eyJ']) assert.is(text.includes(hidden), false, hidden);
  assert.is((statSync(file).mode & 0o777).toString(8), '600');
});

test('what is written is on disk within a second, without a stop', async () => {
  const { api, file, send } = await open();
  await send('POST', MAPS, { body: { metadata: { name: 'a' } } });
  await until(() => existsSync(file) && linesOf(file).length === 1, { what: 'the line', deadlineMs: 3000 });
  await api.close();
});

const controller = { headers: { 'User-Agent': 'cloudcore/1' } };
const lease = { body: { metadata: { name: 'l' }, spec: {} } };

async function chatter({ send }: World): Promise<void> {
  const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
  const involvedObject = { namespace: 'default', name: 'x', kind: 'Pod' };
  await send('POST', leases, lease);
  await send('POST', '/api/v1/namespaces/default/events', { body: { metadata: { name: 'e' }, involvedObject } });
  await send('POST', '/api/v1/nodes', { body: { metadata: { name: 'n' } } });
  await send('PATCH', '/api/v1/nodes/n/status', { body: { status: { phase: 'x' } }, ...controller });
  await send('PATCH', '/api/v1/nodes/n', {
    body: { metadata: { labels: { a: 'b' } } },
    headers: { ...controller.headers, 'X-Hivelet-Persist': 'later' },
  });
}

test('leases, events and the reports of cloudcore are left out, and taken in on demand', async () => {
  const [quiet, loud] = [await open(), await open({ controllers: true })];
  for (const world of [quiet, loud]) {
    await chatter(world);
    await world.api.close();
  }
  const shown = (file: string): string[] => linesOf(file).map(({ verb, resource }) => `${String(verb)} ${String(resource)}`);
  assert.equal(shown(quiet.file), ['create nodes']);
  assert.equal(shown(loud.file), ['create leases', 'create events', 'create nodes', 'patch nodes', 'patch nodes']);
});

test('nobody else hides behind the name of cloudcore', async () => {
  const world = await open();
  const headers = { ...controller.headers, 'X-Hivelet-Persist': 'later' };
  await world.send('PATCH', '/api/v1/nodes/n/status', { body: {}, token: 'low', headers });
  await world.send('PATCH', '/api/v1/nodes/n', { body: {}, token: 'low', headers });
  await world.send('PATCH', '/api/v1/nodes/n/status', { body: {}, headers: { 'User-Agent': 'kubectl/1' } });
  await world.api.close();
  assert.equal(
    linesOf(world.file).map(({ user }) => user),
    ['low', 'low', 'admin'],
  );
});

test('files are of bounded size and number, the newest first', async () => {
  const world = await open({ maxBytes: 2000, maxFiles: 3 });
  const folder = path.dirname(world.file);
  for (let round = 0; round < 8; round += 1) {
    for (let each = 0; each < 5; each += 1) await world.send('DELETE', `${MAPS}/r${String(round)}-${String(each)}`);
    const last = `r${String(round)}-4`;
    await until(() => existsSync(world.file) && readFileSync(world.file, 'utf8').includes(`"${last}"`), { what: last });
  }
  await world.api.close();
  assert.equal(readdirSync(folder).sort(), ['audit.log', 'audit.log.1', 'audit.log.2']);
  for (const name of readdirSync(folder)) assert.ok(statSync(path.join(folder, name)).size <= 2000, name);
  const first = (name: string): number => Number(/^r(\d+)/.exec(String(linesOf(path.join(folder, name))[0]?.['name']))?.[1]);
  assert.ok(first('audit.log') > first('audit.log.1') && first('audit.log.1') > first('audit.log.2'));
});

test('an earlier file is continued', async () => {
  const world = await open();
  await world.send('DELETE', `${MAPS}/a`);
  await world.api.close();
  const audit = { file: world.file, maxBytes: 1_000_000, maxFiles: 3, controllers: false };
  const again = await startApiServer({ audit });
  await again.raw({ method: 'DELETE', path: `${MAPS}/b` });
  await again.close();
  assert.equal(
    linesOf(world.file).map(({ name }) => name),
    ['a', 'b'],
  );
});

test('a log that cannot be written stops nothing, and says so once', async () => {
  const folder = tempDir();
  writeFileSync(path.join(folder, 'cloud'), 'a file');
  const said: string[] = [];
  const log = createLogger({ clock: systemClock, write: ({ event }) => void said.push(event) });
  const audit = { file: path.join(folder, 'cloud', 'audit.log'), maxBytes: 1000, maxFiles: 2, controllers: false };
  const api = await startApiServer({ audit, log });
  for (const name of ['a', 'b']) {
    assert.is((await api.raw({ method: 'DELETE', path: `${MAPS}/${name}` })).status, 404);
    await until(() => said.includes('api.audit.failed'), { what: 'the failure' });
  }
  await api.close();
  assert.is(said.filter((event) => event === 'api.audit.failed').length, 1);
});

test.run();

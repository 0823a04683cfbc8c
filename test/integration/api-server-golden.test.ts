/** Plays the steps recorded from a real kube-apiserver 1.20 against the embedded one; every difference must be listed with its reason. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { installDefinitions, startApiServer, type RawAnswer, type RawRequest, type TestApiServer } from '../support/api-server.ts';
import { namespaces, type KubeObjectInput } from '#cloud/store/kube-api.ts';

interface Recorded {
  method: string;
  path: string;
  accept?: string;
  contentType?: string;
  body?: unknown;
  token?: string;
  during?: { method: string; path: string; contentType?: string; body?: unknown }[];
}

interface Step {
  id: string;
  note?: string;
  needs?: string;
  request?: Recorded;
  response: { status: number; body?: unknown; events?: unknown };
}

const folder = path.join(import.meta.dirname, '../golden/kube-apiserver-1.20');
const load = (name: string): unknown => JSON.parse(readFileSync(path.join(folder, name), 'utf8'));

/** Steps whose status, kind or reason differ on purpose. */
const expectedDifferences: Record<string, Record<string, string>> = {
  devices: {},
  nodes: {},
  configmaps: {
    'json-patch-replace-missing': '1.20 lets a replace of a missing path pass; RFC 6902 and later servers refuse it (422)',
    'merge-patch-malformed': '1.20 answers 500 without a reason; an unreadable body is 400',
  },
  crds: {},
  discovery: {
    'resources-apps': 'deployments and their kin come with the next issue',
    'group-reliablesyncs': 'ObjectSync comes with the next issue',
    'resources-reliablesyncs': 'ObjectSync comes with the next issue',
    'openapi-v3': 'absent before 1.23',
    'openapi-v2-device': 'OpenAPI v2 is not offered: kubectl since 1.29 does without',
  },
  watch: {
    'watch-garbage-rv': '1.20 answers 500; a version that is no number is 400',
  },
};

/** Answers that later steps refer to as `${x}`: step id -> name. */
const bindings: Record<string, Record<string, string>> = {
  devices: { create: 'rv1', label: 'rv2' },
  nodes: { create: 'rv1' },
  configmaps: { create: 'rv1' },
};

function bodyOf({ body }: { body?: unknown }): unknown {
  if (body === '<crds/device.json>') return load('crds/device.json');
  if (body === '<1.1 MB of data>') return configMapOf('big', 1_100_000);
  if (body === '<3.3 MB of data>') return configMapOf('big', 3_300_000);
  if (body === '<protobuf>') return 'k8s\0';
  return body;
}

function configMapOf(name: string, size: number): unknown {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { a: 'x'.repeat(size) } };
}

interface Essence {
  status: number;
  kind?: unknown;
  reason?: unknown;
  types?: unknown[];
}

/** Level 1: status, kind, reason, event types, as far as the recording keeps them. */
function recordedEssence({ response }: Step): Essence {
  const { status, body, events } = response;
  if (Array.isArray(events)) return { status, types: eventTypes(events) };
  const fields = body as Record<string, unknown> | undefined;
  const whole = typeof fields === 'object' && typeof fields?.kind === 'string' && typeof fields.apiVersion === 'string';
  return whole ? { status, kind: fields.kind, reason: fields.reason } : { status };
}

function eventTypes(events: unknown[]): unknown[] {
  return events.map((event): unknown =>
    Array.isArray(event) ? event[0] : typeof event === 'string' ? event : (event as { type?: unknown }).type,
  );
}

function ourEssence(answer: RawAnswer, recorded: Essence): Essence {
  if (recorded.types !== undefined) return { status: answer.status, types: linesOf(answer.text).map((event) => event.type) };
  if (!('kind' in recorded)) return { status: answer.status };
  if (!answer.text.startsWith('{')) return { status: answer.status, kind: 'text' };
  const body = JSON.parse(answer.text) as Record<string, unknown>;
  return { status: answer.status, kind: body.kind, reason: body.reason };
}

function linesOf(text: string): { type?: unknown }[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as { type?: unknown });
}

async function play(
  api: TestApiServer,
  step: Step,
  values: Map<string, string>,
): Promise<{ answer: RawAnswer; ours: Essence; theirs: Essence }> {
  const { request = { method: 'GET', path: '/' } } = step;
  const theirs = recordedEssence(step);
  const fill = (text: string): string => text.replace(/\$\{(\w+)\}/g, (_all, name: string) => values.get(name) ?? '');
  const body = bodyOf(request);
  const wanted: RawRequest = {
    method: request.method,
    path: fill(request.path),
    ...(request.accept === undefined ? {} : { accept: request.accept }),
    ...(request.contentType === undefined ? {} : { contentType: request.contentType }),
    ...(body === undefined || body === null ? {} : { body: typeof body === 'string' ? body : fill(JSON.stringify(body)) }),
    ...(request.token === undefined || request.token === null ? {} : { token: request.token === '<none>' ? null : request.token }),
  };
  const expected = theirs.types?.length;
  const open = expected === undefined ? {} : { enough: (text: string) => linesOf(complete(text)).length >= expected };
  const answering = api.raw({ ...wanted, ...open });
  for (const write of request.during ?? []) await api.raw({ contentType: 'application/json', ...write });
  const answer = await answering;
  return { answer, ours: ourEssence(answer, theirs), theirs };
}

/** Without a line that is still coming. */
function complete(text: string): string {
  return text.slice(0, text.lastIndexOf('\n') + 1);
}

async function replay(name: string, setUp: (api: TestApiServer) => Promise<void>): Promise<void> {
  const tokens = [{ token: 'lowtoken', user: 'low', groups: [] }];
  let api = await startApiServer({ tokens });
  try {
    await api.client.create(namespaces, { metadata: { name: 'golden' } });
    await setUp(api);
    const values = new Map([['rv', String(api.server.stats.revision)]]);
    const found = new Map<string, string>();
    let played = 0;
    for (const step of load(`${name}.json`) as Step[]) {
      if (step.id === 'restart') {
        await api.close();
        api = await startApiServer({ tokens, dataDir: api.dataDir });
      }
      if (step.request === undefined || skipped(step)) continue;
      played += 1;
      const { answer, ours, theirs } = await play(api, step, values);
      bind(name, { step, answer, values, api });
      if (JSON.stringify(ours) !== JSON.stringify(theirs)) {
        found.set(step.id, `recorded ${JSON.stringify(theirs)}, ours ${JSON.stringify(ours)} ${answer.text.slice(0, 300)}`);
      }
    }
    process.stdout.write(`${name}: ${played - found.size} of ${played} recorded steps answered the same\n`);
    const listed = Object.keys(expectedDifferences[name] ?? {});
    const surprises = [...found].filter(([id]) => !listed.includes(id)).map(([id, text]) => `${id}: ${text}`);
    assert.equal(surprises, [], surprises.join('\n'));
    const settled = listed.filter((id) => !found.has(id));
    assert.equal(settled, [], 'these listed differences are none');
  } finally {
    await api.close();
  }
}

/** Remembers what later steps refer to. */
function bind(
  name: string,
  { step, answer, values, api }: { step: Step; answer: RawAnswer; values: Map<string, string>; api: TestApiServer },
): void {
  const bound = bindings[name]?.[step.id];
  if (bound !== undefined)
    values.set(bound, (JSON.parse(answer.text) as { metadata: { resourceVersion: string } }).metadata.resourceVersion);
  // The next watch was recorded from the version before the deletion that ended this one.
  if (step.id === 'watch-from-rv') values.set('rv', String(api.server.stats.revision - 1));
}

/** An endless stream of which nothing is to come cannot be waited for without a time; our own tests cover it. */
function skipped({ id, response }: Step): boolean {
  return id === 'watch-protobuf-only' || id === 'watch-future' || (id === 'watch-bookmarks' && Array.isArray(response.events));
}

const deviceDefinitions = (): KubeObjectInput[] => [
  load('crds/device.json') as KubeObjectInput,
  load('crds/devicemodel.json') as KubeObjectInput,
];

test('devices are served as recorded, with the definitions of KubeEdge v1.9.1', () =>
  replay('devices', (api) => installDefinitions(api.client, deviceDefinitions())));

test('nodes are served as recorded', () => replay('nodes', async () => undefined));

test('configmaps are served as recorded', () => replay('configmaps', async () => undefined));

test('definitions are served as recorded', () => replay('crds', async () => undefined));

test('discovery is served as recorded', () => replay('discovery', (api) => installDefinitions(api.client, deviceDefinitions())));

test('watches are served as recorded', () =>
  replay('watch', async (api) => {
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'w0', labels: { w: 'y' } }, data: { a: '0' } };
    await api.raw({ method: 'POST', path: '/api/v1/namespaces/golden/configmaps', contentType: 'application/json', body });
  }));

test.run();

// timeout: 180s
/** A board that somebody took over, with its own good certificate, tries everything on another's: it is refused in words, and nothing changes. */
import { readFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { routes, type Route, type Touch } from '#cloud/cloudhub/routes.ts';
import {
  configmaps,
  deviceModels,
  devices,
  leases,
  nodes,
  objectSyncs,
  pods,
  secrets,
  services,
  type KubeObject,
} from '#cloud/store/kube-api.ts';
import { startTestCloud, type TestCloud } from '#test/support/cloud.ts';
import { configmap, createNode, podOf } from '#test/support/down-objects.ts';
import { told } from '#test/support/down-cloud.ts';
import { thermostat, thermostatModel } from '#test/support/device-objects.ts';
import { Refused, type FakeEdge } from '#test/support/fake-edge.ts';
import { askDoor } from '#test/support/cert-door.ts';
import { createRequest } from '#cloud/pki/certificates.ts';
import { until } from '#test/support/until.ts';

const SECRET = 'c2VjcmV0LW9mLXRoZS12aWN0aW0=';
let cloud: TestCloud;
let mallory: FakeEdge;
let victim: FakeEdge;

const own = { node: 'mallory', device: 'lamp', pod: 'shell', name: 'own', namespace: 'default' };
const theirs = { node: 'victim', device: 'press', pod: 'web', name: 'theirs', namespace: 'default' };

test.before(async () => {
  cloud = await startTestCloud();
  const { api } = cloud;
  const { metadata: _model, ...model } = thermostatModel();
  await api.create(deviceModels, { ...model, metadata: { name: 'therm', namespace: 'default' } });
  for (const { node, device, pod, name } of [own, theirs]) {
    await createNode(api, node);
    await api.create(configmaps, configmap(name, `of ${node}`));
    await api.create(secrets, { metadata: { name, namespace: 'default' }, data: { key: SECRET } });
    await api.create(pods, podOf(pod, node, { secrets: [name] }));
    const { metadata: _made, ...rest } = thermostat({ node });
    await api.create(devices, { ...rest, metadata: { name: device, namespace: 'default' } });
  }
  await api.create(secrets, { metadata: { name: 'used-by-nobody', namespace: 'kube-system' }, data: { key: SECRET } });
  victim = await cloud.edge('victim');
  await told(victim, 'insert default/pod/web');
  assert.is((await victim.ask(report('press', '21', 1))).content, 'OK', 'the owner may');
  mallory = await cloud.edge('mallory');
  await told(mallory, 'insert default/pod/shell');
  assert.is((await mallory.ask(report('lamp', '21', 1))).content, 'OK');
});
test.before(async () => {
  // The cloud says of each node that it is there, a moment later.
  for (const name of ['victim', 'mallory']) {
    const status = async (): Promise<string> => JSON.stringify((await cloud.api.get(nodes, { name }))['status']);
    await until(async () => (await status()).includes('"Ready","status":"True"'), { what: `${name} to be Ready`, deadlineMs: 30_000 });
  }
  const press = async (): Promise<string> =>
    JSON.stringify((await cloud.api.get(devices, { name: 'press', namespace: 'default' }))['status']);
  await until(async () => (await press()).includes('"reported"'), { what: 'the report of the press', deadlineMs: 30_000 });
});
test.after(() => cloud.close());

function report(device: string, value: string, edge: number) {
  const twin = {
    setpoint: { actual: { value, metadata: { timestamp: 1 } }, metadata: { type: 'int' }, actual_version: { cloud: 0, edge } },
  };
  const route = { source: 'twin', group: 'resource', operation: 'update', resource: `device/${device}/twin/edge_updated` };
  return { ...route, content: { event_id: 'e', timestamp: 1, twin } };
}

const KINDS = [nodes, pods, configmaps, secrets, services, devices, deviceModels, objectSyncs, leases];
/** What goes on by itself. */
const RESTLESS =
  /"(?:resourceVersion|managedFields|renewTime|lastHeartbeatTime|lastTransitionTime|lastOnlineTime|timestamp|acquireTime)":(?:"[^"]*"|\[[^\]]*\]),?/g;

/** Every object that is not of this board alone. */
async function others(): Promise<string[]> {
  const lists = await Promise.all(
    KINDS.map(async (kind) => (await cloud.api.list(kind)).items.map((object) => shown(kind.plural, object))),
  );
  return lists.flat().filter((text) => !/"name":"(?:mallory|lamp|shell|own|node-mallory|mallory\.[0-9a-f-]+)"/.test(text));
}

function shown(kind: string, object: KubeObject): string {
  const { managedFields: _fields, ...metadata } = object.metadata as KubeObject['metadata'] & { managedFields?: unknown };
  return `${kind} ${JSON.stringify({ ...object, metadata }).replace(RESTLESS, '')}`;
}

/** As it is when nothing moves any more. */
async function settled(): Promise<string[]> {
  let before = await others();
  return until(
    async () => {
      const now = await others();
      const same = JSON.stringify(now) === JSON.stringify(before);
      before = now;
      return same ? now : undefined;
    },
    { what: 'a quiet API', everyMs: 1500 },
  );
}

const contents: Readonly<Record<Touch, unknown>> = {
  link: 'OK',
  'own records': { node: 'victim', objects: { 'default/secret/theirs': ['x', '1'] }, cluster_uid: '' },
  'own node': {
    metadata: { name: 'victim', labels: { 'node-role.kubernetes.io/edge': null, owned: 'yes' } },
    Status: { phase: 'owned' },
    UID: '',
  },
  'bound device': { event_id: 'e', twin: report('press', '66', 9).content.twin, device: { name: 'press', state: 'owned' } },
  'bound devices': { ages: { press: 1 } },
  'own pod': { Name: 'web', UID: '', Status: { phase: 'Failed', message: 'owned' } },
  'own pods': [{ Name: 'web', UID: '', Status: { phase: 'Failed', message: 'owned' } }],
  'used object': null,
};

const filled = (pattern: string): string => pattern.replace(/<(\w+)>/g, (_whole, name: string) => theirs[name as keyof typeof theirs]);
const needsOwner = ({ touches }: Route): boolean => touches !== 'link' && touches !== 'own records';

test('every route, about the objects of another board: an error with the reason, and the API is as before', async () => {
  const before = await settled();
  const frames = victim.frames.length;
  for (const route of routes.filter(needsOwner)) {
    for (const operation of route.operations) {
      // In the name of the pod's own uid, where it is one that counts.
      const uid = (await cloud.api.get(pods, { namespace: 'default', name: 'web' })).metadata.uid;
      const content = operation === 'delete' ? uid : contents[route.touches];
      const source = route.source ?? 'edged';
      const answer = await mallory.ask({ source, group: 'resource', operation, resource: filled(route.resource), content });
      const said = `${answer.route.operation} ${JSON.stringify(answer.content)}`;
      if (route.touches === 'bound devices') assert.is(said, 'response "OK"', 'ages of devices of others are left out');
      else assert.match(said, /^error ".*(?:not bound to node mallory|may not speak for|no pod of node mallory uses)/, route.name);
      assert.is(JSON.stringify(answer).includes(SECRET), false);
    }
  }
  assert.equal(await settled(), before);
  assert.is(victim.frames.length, frames, 'the other board noticed nothing');
  assert.is(victim.socket.readyState, victim.socket.OPEN);
});

test('what no route names: leases, other kinds, other verbs, the words of the cloud', async () => {
  const before = await settled();
  for (const [source, operation, resource] of [
    ['edged', 'insert', 'kube-node-lease/lease/victim'],
    ['edged', 'update', 'kube-node-lease/lease/victim'],
    ['edged', 'delete', 'default/node/victim'],
    ['edged', 'delete', 'default/secret/theirs'],
    ['edged', 'update', 'default/secret/theirs'],
    ['edged', 'insert', 'default/pod/planted'],
    ['edged', 'podpatch', 'default/pod/web'],
    ['edged', 'nodepatch', 'default/nodepatch/victim'],
    ['edged', 'query', 'kube-system/serviceaccounttoken/admin'],
    ['edged', 'query', 'default/persistentvolume/x'],
    ['edged', 'query', 'default/secret'],
    ['edged', 'query', 'kube-system/secret/used-by-nobody'],
    ['edged', 'query', 'default/secret/own/../theirs'],
    ['metaserver', 'null', 'null'],
    ['twin', 'update', 'membership'],
    ['twin', 'update', 'device/press/twin/cloud_updated'],
    ['devicecontroller', 'update', 'device/press/twin/cloud_updated'],
    ['edgecontroller', 'update', 'default/configmap/theirs'],
    ['cloudhub', 'connected', 'node/victim'],
    ['synccontroller', 'update', 'default/objectsync/x'],
    ['router', 'publish', 'node/victim/x'],
  ] as const) {
    const { route, content } = await mallory.ask({ source, group: 'resource', operation, resource, content: { metadata: { name: 'x' } } });
    assert.is(route.operation, 'error', `${operation} ${resource}: ${JSON.stringify(content)}`);
    assert.match(String(content), /is not served by this cloud|a node may not speak as|no pod of node mallory uses/);
  }
  assert.equal(await settled(), before);
});

test('refusals are counted and logged once a minute, whatever the board makes up', async () => {
  const lines = (): number => cloud.log.filter(({ event }) => event === 'message.refused').length;
  const before = lines();
  for (let count = 0; count < 3000; count++) {
    mallory.send({ source: 'edged', group: 'resource', operation: 'query', resource: `default/secret/guess-${String(count)}` });
    mallory.send({ source: `s${String(count)}`, group: 'resource', operation: `o${String(count)}`, resource: `x/${String(count)}` });
  }
  await mallory.ask(report('lamp', '22', 2));
  assert.ok(lines() - before <= 2, `${String(lines() - before)} lines`);
});

test('the name of another board on the link, by header and by path, is refused', async () => {
  const files = await cloud.certificate('mallory');
  const refusal = async (node: string): Promise<string> => {
    try {
      (await cloud.edge(node, { files })).close();
      return 'in';
    } catch (error) {
      return error instanceof Refused ? `${String(error.status)} ${error.message}` : String(error);
    }
  };
  assert.is(await refusal('victim'), '403 the certificate is system:node:mallory, not system:node:victim');
  for (const node of ['../victim', 'victim/', 'mallory\tvictim', 'VICTIM', '.', 'a'.repeat(254), '%76ictim']) {
    assert.match(await refusal(node), /^40[03] |Invalid character|Error/, node);
  }
  assert.is(victim.socket.readyState, victim.socket.OPEN);
});

test('the certificate port gives it no other name, and tells it of no other node', async () => {
  const { readFileSync: read } = await import('node:fs');
  const files = await cloud.certificate('mallory');
  const [cert, key] = [read(files.certificate, 'utf8'), read(files.key, 'utf8')];
  const port = cloud.cloud.httpsPort;
  const { request } = await createRequest('system:node:victim');
  for (const NodeName of ['victim', '../victim', 'system:masters', 'VICTIM']) {
    const { status, body } = await askDoor({ port, body: request, headers: { NodeName }, cert, key });
    assert.ok(status >= 400 && status < 500, `${NodeName}: ${String(status)}`);
    assert.is(body.includes(Buffer.from([0x30, 0x82])), false, 'no certificate in it');
  }
  const about = await askDoor({ port, path: '/hivelet/node?node=victim', cert, key });
  assert.match(about.text, /"node":"mallory"/);
  assert.is((await askDoor({ port, path: '/hivelet/uploads', cert, key })).status, 401);
});

test('uploads are filed under the board that sent them, whatever they say', async () => {
  const upload = { source: 'bus', group: 'user', operation: 'upload', resource: 'node/victim/$hw/events/upload/x', content: 'mine' };
  assert.is((await mallory.ask(upload)).route.operation, 'response');
  const token = readFileSync(`${cloud.dataDir}/cloud/admin-token`, 'utf8').trim();
  const { text } = await askDoor({ port: cloud.cloud.httpsPort, path: '/hivelet/uploads', headers: { Authorization: `Bearer ${token}` } });
  const stored = text.split('\n').map((line) => JSON.parse(line) as { node: string; payload: string });
  assert.equal(
    stored.map(({ node, payload }) => [node, payload]),
    [['mallory', 'mine']],
  );
});

test('the API gives a board nothing but health and version', async () => {
  const files = await cloud.certificate('mallory');
  const { port } = new URL(cloud.cloud.api);
  const ask = (path: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const credentials = { ca: readFileSync(files.authority), cert: readFileSync(files.certificate), key: readFileSync(files.key) };
      const request = httpsRequest({ host: '127.0.0.1', port, path, agent: false, ...credentials }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      request.on('error', reject);
      request.end();
    });
  for (const path of [
    '/api',
    '/apis',
    '/api/v1/nodes/mallory',
    '/api/v1/secrets',
    '/api/v1/namespaces/default/secrets/own',
    '/openapi/v2',
  ]) {
    assert.is(await ask(path), 403, path);
  }
  assert.is(await ask('/version'), 200);
});

test.run();

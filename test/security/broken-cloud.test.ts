// timeout: 240s
/** Broken TLS, HTTP, websocket frames, messages and tokens neither crash the cloud nor stay in it, and a board and a user beside them notice nothing. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { connect as connectTls } from 'node:tls';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { configmaps, deviceModels, devices, nodes } from '#cloud/store/kube-api.ts';
import { createMessage } from '#wire/message.ts';
import { askDoor, newRequest } from '#test/support/cert-door.ts';
import { startTestCloud, type TestCloud } from '#test/support/cloud.ts';
import { createNode } from '#test/support/down-objects.ts';
import { thermostat, thermostatModel } from '#test/support/device-objects.ts';
import type { FakeEdge } from '#test/support/fake-edge.ts';
import { broken, generator, pick } from '#test/support/seeded.ts';
import { firstBytes, inBatches, throwAt } from '#test/support/thrown.ts';
import { until } from '#test/support/until.ts';

let cloud: TestCloud;
let good: FakeEdge;
let ports: { hub: number; certificates: number; api: number };
let bad: { cert: string; key: string };
const random = generator(11);
const warnings: string[] = [];
process.on('warning', ({ message }) => void warnings.push(message));

test.before(async () => {
  cloud = await startTestCloud();
  ports = { hub: cloud.cloud.hubPort, certificates: cloud.cloud.httpsPort, api: Number(new URL(cloud.cloud.api).port) };
  const at = (name: string) => ({ name, namespace: 'default' });
  await cloud.api.create(deviceModels, { ...thermostatModel(), metadata: at('therm') });
  await cloud.api.create(devices, { ...thermostat({ node: 'good' }), metadata: at('lamp') });
  await createNode(cloud.api, 'good');
  good = await cloud.edge('good');
  const files = await cloud.certificate('bad');
  bad = { cert: readFileSync(files.certificate, 'utf8'), key: readFileSync(files.key, 'utf8') };
  await works();
});
test.after(() => cloud.close());

let round = 0;
let slowestMs = 0;
/** The board beside it asks and is answered, the user writes and reads: both over what they had open all the time. */
async function works(): Promise<void> {
  const startedMs = performance.now();
  const value = String(++round);
  const { content } = await good.ask({ source: 'edged', group: 'meta', operation: 'query', resource: 'default/node/good' });
  assert.is((content as { metadata: { name: string } }).metadata.name, 'good');
  const name = `c-${value}`;
  await cloud.api.create(configmaps, { metadata: { name, namespace: 'default' }, data: { value } });
  assert.equal((await cloud.api.get(configmaps, { name, namespace: 'default' })).data, { value });
  await cloud.api.delete(configmaps, { name, namespace: 'default' });
  assert.is(good.socket.readyState, good.socket.OPEN);
  slowestMs = Math.max(slowestMs, performance.now() - startedMs);
}

/** `act` for each index, while the others work. */
async function meanwhile(count: number, act: (index: number) => Promise<unknown>): Promise<void> {
  let busy = true;
  const working = (async () => {
    while (busy) {
      await works();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  try {
    await inBatches(count, act);
  } finally {
    busy = false;
    await working;
  }
}

test('handshakes: a thousand broken ones on three ports', async () => {
  const hello = await firstBytes((port) => connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }).on('error', () => undefined));
  const all = Object.values(ports);
  await meanwhile(1000, (index) => throwAt(all[index % all.length] ?? 0, index % 10 === 0 ? noise() : broken(hello, random)));
});

function noise(): Buffer {
  return Buffer.from(Array.from({ length: 1 + Math.floor(random() * 600) }, () => Math.floor(random() * 256)));
}

test('HTTP: a thousand broken requests inside good TLS', async () => {
  const { request } = await newRequest();
  const admin = readFileSync(path.join(cloud.dataDir, 'cloud/admin-token'), 'utf8').trim();
  const head = (first: string, ...lines: string[]): string => [first, 'Host: x', ...lines, '', ''].join('\r\n');
  const body = '{"metadata":{"name":"x"},"data":{"a":"b"}}';
  const json = ['Content-Type: application/json', `Content-Length: ${String(body.length)}`];
  const asks: [port: number, bytes: Buffer][] = [
    [
      ports.certificates,
      Buffer.concat([Buffer.from(head('GET /edge.crt HTTP/1.1', 'NodeName: pi', `Content-Length: ${String(request.length)}`)), request]),
    ],
    [ports.certificates, Buffer.from(head('GET /hivelet/uploads?after=1&follow=1 HTTP/1.1', 'Authorization: Bearer x'))],
    [ports.api, Buffer.from(head('GET /api/v1/namespaces/default/configmaps?watch=1&resourceVersion=1 HTTP/1.1'))],
    [
      ports.api,
      Buffer.from(head('POST /api/v1/namespaces/default/configmaps?dryRun=All HTTP/1.1', ...json, `Authorization: Bearer ${admin}`) + body),
    ],
    [
      ports.api,
      Buffer.from(
        head(
          'PATCH /api/v1/nodes/good?dryRun=All HTTP/1.1',
          'Content-Type: application/apply-patch+yaml',
          'Transfer-Encoding: chunked',
          `Authorization: Bearer ${admin}`,
        ) + '5\r\nabcde\r\n0\r\n\r\n',
      ),
    ],
    [ports.api, Buffer.from(head('GET /openapi/v3 HTTP/1.1', 'Upgrade: websocket', 'Connection: Upgrade', 'Expect: 100-continue'))],
  ];
  await meanwhile(1000, (index) => {
    const [port, bytes] = asks[index % asks.length] ?? [0, Buffer.alloc(0)];
    return throwAt(port, broken(bytes, random), {});
  });
});

const upgrade = Buffer.from(
  'GET /p/bad/events HTTP/1.1\r\nHost: x\r\nnode_id: bad\r\nproject_id: p\r\nConnectionUse: msg\r\nhivelet-protocol: 1\r\nhivelet-store: 0d1088f6-ce5e-4d19-bead-2bc2f6b0f20e\r\n' +
    'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
);

/** A masked text frame (mask 0). */
function frame(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length =
    bytes.length < 126 ? Buffer.from([0x81, 0x80 | bytes.length]) : Buffer.from([0x81, 0xfe, bytes.length >> 8, bytes.length & 255]);
  return Buffer.concat([length, Buffer.alloc(4), bytes]);
}

test('websocket: five hundred broken upgrades and frames of a board with a good certificate', async () => {
  const said = JSON.stringify(
    createMessage(1, { source: 'edged', group: 'meta', operation: 'update', resource: 'default/nodestatus/bad', content: { Status: {} } }),
  );
  await meanwhile(500, (index) => {
    const bytes =
      index % 3 === 0 ? broken(upgrade, random) : Buffer.concat([upgrade, frame(said), broken(frame(said), random), frame(said)]);
    return throwAt(ports.hub, bytes, bad);
  });
});

test('messages: three thousand broken ones over one link, which holds', async () => {
  const edge = await cloud.edge('bad');
  const contents = [
    null,
    5,
    'x',
    [],
    {},
    '[',
    'e30=',
    { twin: 5 },
    { twin: { a: { actual: null } } },
    { ages: [] },
    { objects: { x: 1 } },
    { Status: [] },
    [{ Name: {} }],
    '['.repeat(150),
  ];
  const resources = [
    'default/nodestatus/bad',
    'default/node/bad',
    'default/podstatus',
    'default/podstatus/x',
    'default/pod/x',
    'objects/held',
    'membership/detail',
    'devices/last-seen',
    'device/lamp/twin/edge_updated',
    'default/secret/x',
    '__proto__/constructor/toString',
    '',
  ];
  await meanwhile(60, async () => {
    for (let count = 0; count < 50; count++) {
      const text = JSON.stringify(
        createMessage(1, {
          source: pick(random, ['twin', 'edged', 'metaManager', '']),
          group: pick(random, ['resource', 'meta', 'user', '__proto__']),
          operation: pick(random, ['insert', 'update', 'get', 'query', 'delete', 'response', 'error', 'upload', 'keepalive']),
          resource: pick(random, resources),
          content: pick(random, contents),
          parentId: pick(random, ['', 'x']),
        }),
      );
      edge.raw(random() < 0.5 ? text : broken(Buffer.from(text), random).toString('latin1'));
    }
    await new Promise((resolve) => setImmediate(resolve));
  });
  await edge.ask({ source: 'edged', group: 'meta', operation: 'query', resource: 'default/secret/barrier' });
  assert.is(edge.socket.readyState, edge.socket.OPEN);
  edge.close();
});

test('tokens: a thousand broken ones of accounts and of boards open nothing', async () => {
  const account = { metadata: { name: 'robot', namespace: 'default' } };
  const call = async (line: string, token: string, content?: unknown): Promise<{ status: number; text: string }> => {
    const [method = '', where = ''] = line.split(' ');
    const text = content === undefined ? undefined : Buffer.from(JSON.stringify(content));
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
    return askDoor({ port: ports.api, method, path: where, headers, ...(text === undefined ? {} : { body: text }) });
  };
  const admin = readFileSync(path.join(cloud.dataDir, 'cloud/admin-token'), 'utf8').trim();
  assert.is((await call('POST /api/v1/namespaces/default/serviceaccounts', admin, account)).status, 201);
  const made = await call('POST /api/v1/namespaces/default/serviceaccounts/robot/token', admin, { spec: {} });
  const { token } = (JSON.parse(made.text) as { status: { token: string } }).status;
  assert.is((await call('GET /api', token)).status, 200);
  const texts = new Set<string>();
  const printable = (bytes: Buffer): string => bytes.toString('latin1').replace(/[^\x21-\x7e]/g, '.');
  const parts = token.split('.');
  const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const headers = [{ alg: 'none' }, { alg: 'HS256' }, { alg: 'ES256', kid: '../x' }, {}, [], 5, null, { alg: 'ES256', crit: ['x'] }].map(
    encoded,
  );
  await meanwhile(1000, async (index) => {
    const [, payload = '', signature = ''] = parts;
    const forged = `${pick(random, headers)}.${payload}.${pick(random, [signature, '', 'AAAA'])}`;
    const attempt = index % 4 === 0 ? forged : printable(broken(Buffer.from(pick(random, [token, admin])), random));
    if (attempt === token || attempt === admin || attempt === '') return;
    const { status, text } = await call('GET /api', attempt);
    assert.is(status, 401, attempt);
    texts.add(text.slice(0, 200));
  });
  assert.ok(texts.size <= 2, 'every refusal reads the same');
  for (let count = 0; count < 50; count++) {
    const { request } = await newRequest();
    const answer = await askDoor({
      port: ports.certificates,
      body: request,
      headers: { Authorization: `Bearer ${printable(broken(Buffer.from(token), random))}`, NodeName: 'pi' },
    });
    assert.ok([400, 401, 429].includes(answer.status), answer.text);
  }
});

test('nothing grew, nothing was said twice, nobody was added', async () => {
  const again = async (): Promise<void> => {
    const hello = await firstBytes((port) =>
      connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }).on('error', () => undefined),
    );
    await meanwhile(400, (index) => throwAt(index % 2 === 0 ? ports.hub : ports.api, broken(hello, random)));
    await meanwhile(200, () => throwAt(ports.hub, Buffer.concat([upgrade, broken(frame('{"header":{"msg_id":"x"}}'), random)]), bad));
  };
  await again();
  const before = process.memoryUsage().rss;
  for (let count = 0; count < 3; count++) await again();
  const grown = (process.memoryUsage().rss - before) / 1_048_576;
  process.stdout.write(`resident +${grown.toFixed(1)} MiB; the slowest round of the others took ${slowestMs.toFixed(0)} ms\n`);
  assert.ok(grown < 48, `the process grew by ${grown.toFixed(1)} MiB`);
  assert.ok(slowestMs < 5000, 'the others waited for the broken ones');
  assert.equal(warnings, []);
  const faults = cloud.log.filter(({ event }) => /message\.failed|internal/.test(event));
  assert.equal(faults, []);
  const told = cloud.log.filter(({ event }) => /refused|malformed|narrowed|unasked/.test(event));
  assert.ok(told.length < 150, `${String(told.length)} lines tell of it`);
  await until(async () => (await cloud.api.list(nodes)).items.every(({ metadata }) => ['good', 'bad'].includes(metadata.name)), {
    what: 'no other node',
  });
});

test.run();

/** The Kubernetes client against servers that misbehave: busy, failing, cut off, not Kubernetes at all. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { configmaps, isKubeError, nodes, type WatchEvent } from '#cloud/store/kube-api.ts';
import { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { within } from '../support/until.ts';

type Answering = (response: ServerResponse, request: IncomingMessage) => void;

interface Fake {
  client: KubeClient;
  /** Method and path of each request. */
  asked: string[];
  close(): void;
}

/** Plain HTTP; answers in turn, the last one again and again. */
async function fake(...answers: Answering[]): Promise<Fake> {
  const asked: string[] = [];
  const server: Server = createServer((request, response) => {
    asked.push(`${request.method ?? ''} ${request.url ?? ''}`);
    request.resume();
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    answer?.(response, request);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new KubeClient({
    access: { server: url, namespace: 'default' },
    clock: { ...systemClock, random: () => 0.01 },
    timeoutMs: 2000,
  });
  return {
    client,
    asked,
    close: () => {
      client.close();
      server.closeAllConnections();
      server.close();
    },
  };
}

const reply =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answering =>
  (response) => {
    response.writeHead(status, headers);
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'pi', resourceVersion: '7' } };
const lines =
  (...events: unknown[]): Answering =>
  (response) => {
    response.writeHead(200);
    for (const event of events) response.write(`${JSON.stringify(event)}\n`);
    response.end();
  };

async function failure(promise: Promise<unknown>): Promise<Error> {
  try {
    await within(promise, { what: 'the failure' });
  } catch (error) {
    return error as Error;
  }
  throw new Error('did not fail');
}

async function all(watch: AsyncIterable<WatchEvent>): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of watch)
    seen.push(event.type === 'bookmark' ? `bookmark ${event.resourceVersion}` : `${event.type} ${event.object.metadata.name}`);
  return seen;
}

test('a busy server is asked again, whatever the method', async () => {
  const { client, asked, close } = await fake(reply(429, 'busy', { 'Retry-After': '0' }), reply(503, 'starting'), reply(201, node));
  assert.equal(await within(client.create(nodes, { metadata: { name: 'pi' } }), { what: 'the answer' }), node);
  assert.equal(asked, ['POST /api/v1/nodes', 'POST /api/v1/nodes', 'POST /api/v1/nodes']);
  close();
});

test('a failing server is asked again for reads only', async () => {
  const reading = await fake(reply(500, 'oops'), reply(502, 'oops'), reply(200, node));
  assert.equal(await within(reading.client.get(nodes, { name: 'pi' }), { what: 'the answer' }), node);
  reading.close();
  const writing = await fake(reply(500, 'oops'));
  const error = await failure(writing.client.create(nodes, { metadata: { name: 'pi' } }));
  assert.ok(isKubeError(error));
  assert.is(error.code, 500);
  assert.is(writing.asked.length, 1);
  writing.close();
});

test('a server that stays busy is given up with its own words', async () => {
  const status = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    reason: 'TooManyRequests',
    message: 'slow down',
    code: 429,
  };
  const { client, asked, close } = await fake(reply(429, status));
  const error = await failure(client.get(nodes, { name: 'pi' }));
  assert.ok(isKubeError(error, 'TooManyRequests'));
  assert.is(error.message, 'slow down');
  assert.is(asked.length, 5);
  close();
});

test('a write whose connection broke is not sent twice', async () => {
  const { client, asked, close } = await fake((response) => response.destroy());
  const error = await failure(client.create(nodes, { metadata: { name: 'pi' } }));
  assert.match(error.message, /no answer from http/);
  assert.is(asked.length, 1);
  close();
});

test('nor is one whose kept connection broke: the server may have done it', async () => {
  let count = 0;
  const { client, asked, close } = await fake((response) => {
    count += 1;
    if (count === 1) reply(200, node)(response, undefined as never);
    else response.destroy();
  });
  await client.get(nodes, { name: 'pi' });
  await failure(client.create(nodes, { metadata: { name: 'pi' } }));
  assert.is(asked.length, 2);
  close();
});

test('a connection that the server closed between two requests is opened again', async () => {
  const { client, close } = await fake((response) => {
    response.on('finish', () => setImmediate(() => response.socket?.destroy()));
    reply(200, node)(response, undefined as never);
  });
  for (let count = 0; count < 5; count += 1) assert.equal(await within(client.get(nodes, { name: 'pi' }), { what: 'the answer' }), node);
  close();
});

test('answers that are not JSON are one sentence', async () => {
  const { client, close } = await fake(reply(200, '<html>'));
  assert.match((await failure(client.get(nodes, { name: 'pi' }))).message, /not JSON/);
  close();
  const missing = await fake(reply(404, '404 page not found\n'));
  const error = await failure(missing.client.list(configmaps));
  assert.ok(isKubeError(error, 'NotFound'));
  missing.close();
});

test('a server that never answers is given up in time', async () => {
  const { client, close } = await fake(() => undefined);
  const error = await failure(client.create(nodes, { metadata: { name: 'pi' } }));
  assert.match(error.message, /no answer within 2000 ms/);
  close();
});

test('a watch reads events that come in pieces, and knows bookmarks and errors', async () => {
  const text = `${JSON.stringify({ type: 'ADDED', object: node })}\n`;
  const pieces = await fake((response) => {
    response.writeHead(200);
    for (const piece of text.match(/.{1,5}|\n/gs) ?? []) response.write(piece);
    response.end(`${JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } })}\n{"type":"NEW","object":{}}\n`);
  });
  assert.equal(await all(pieces.client.watch(nodes, { resourceVersion: '5', labelSelector: 'a in (b,c)' })), ['added pi', 'bookmark 9']);
  assert.equal(pieces.asked, ['GET /api/v1/nodes?watch=true&allowWatchBookmarks=true&labelSelector=a+in+%28b%2Cc%29&resourceVersion=5']);
  pieces.close();
  const status = { kind: 'Status', status: 'Failure', reason: 'Expired', code: 410, message: 'too old' };
  const gone = await fake(lines({ type: 'ERROR', object: status }));
  assert.ok(isKubeError(await failure(all(gone.client.watch(nodes))), 'Expired'));
  gone.close();
  const refused = await fake(reply(403, { ...status, reason: 'Forbidden', code: 403 }));
  assert.ok(isKubeError(await failure(all(refused.client.watch(nodes))), 'Forbidden'));
  refused.close();
});

test('items of a list of a built-in kind get their kind back', async () => {
  const { client, close } = await fake(
    reply(200, { metadata: { resourceVersion: '5', continue: '' }, items: [{ metadata: { name: 'pi' } }] }),
  );
  const list = await client.list(nodes);
  assert.equal(list, { resourceVersion: '5', items: [{ metadata: { name: 'pi' }, apiVersion: 'v1', kind: 'Node' }] });
  close();
});

test.run();

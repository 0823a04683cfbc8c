/** Uploads of nodes: stored before they are acknowledged, bounded, shown over HTTPS to the admin only. */
import { readFileSync } from 'node:fs';
import { get, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import { UploadStore, type NewUpload } from '#cloud/cloudhub/upload-store.ts';
import { cloudFiles } from '#cloud/pki/init.ts';
import { startTestCloud, type TestCloud } from '#test/support/cloud.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

function open(folder: string, kept?: { count: number; bytes: number }): UploadStore {
  return new UploadStore({ file: path.join(folder, 'uploads.db'), log: silentLogger(), ...(kept === undefined ? {} : { kept }) });
}

function upload(index: number, over: Partial<NewUpload> = {}): NewUpload {
  return { node: 'pi', id: `id-${index}`, topic: 't', payload: Buffer.from(`p${index}`), receivedMs: index, ...over };
}

function store(uploads: UploadStore, ...news: NewUpload[]): (string | undefined)[] {
  const answers: (string | undefined)[] = [];
  for (const one of news) uploads.append(one, (fault) => answers.push(fault));
  uploads.flush();
  return answers;
}

const texts = (uploads: UploadStore, query = {}): string[] => uploads.list(query).map(({ payload }) => payload.toString());

test('uploads survive a restart, in order; one that is sent again is stored once', () => {
  const folder = tempDir();
  const first = open(folder);
  assert.equal(store(first, upload(1), upload(2)), [undefined, undefined]);
  assert.equal(store(first, upload(2)), [undefined], 'it is acknowledged again');
  first.close();
  const second = open(folder);
  store(second, upload(3), upload(3, { node: 'other', payload: Buffer.from('of another node') }));
  assert.equal(texts(second), ['p1', 'p2', 'p3', 'of another node']);
  assert.equal(texts(second, { node: 'other' }), ['of another node']);
  assert.equal(texts(second, { afterSeq: second.startOfLast(2, 'pi'), node: 'pi' }), ['p2', 'p3']);
  assert.is(second.startOfLast(100), 0);
  second.close();
});

test('the oldest make room, by number and by size', () => {
  const uploads = open(tempDir(), { count: 3, bytes: 1000 });
  store(uploads, ...[1, 2, 3, 4, 5].map((index) => upload(index)));
  assert.equal(texts(uploads), ['p3', 'p4', 'p5']);
  store(uploads, upload(6, { payload: Buffer.alloc(997, 'x') }));
  assert.equal(uploads.stats, { count: 2, bytes: 999 });
  store(uploads, upload(7, { payload: Buffer.alloc(5000, 'y') }));
  assert.equal(uploads.stats, { count: 0, bytes: 0 }, 'one that is larger than all the room is not kept');
  uploads.close();
});

test('followers see what is new, once', () => {
  const uploads = open(tempDir());
  const seen: string[] = [];
  const stop = uploads.follow(({ payload }) => seen.push(payload.toString()));
  store(uploads, upload(1), upload(1), upload(2));
  stop();
  store(uploads, upload(3));
  assert.equal(seen, ['p1', 'p2']);
  uploads.close();
});

test('a second cloud on the same file is told whose it is', () => {
  const folder = tempDir();
  const first = open(folder);
  assert.throws(() => open(folder), /belongs to a cloud that runs already/);
  first.close();
});

function request(cloud: TestCloud, target: string, token?: string): Promise<IncomingMessage> {
  const options: RequestOptions = {
    host: '127.0.0.1',
    port: cloud.cloud.httpsPort,
    path: target,
    ca: readFileSync(cloudFiles(cloud.dataDir).authority.certificate),
    agent: false,
    ...(token === undefined ? {} : { headers: { Authorization: `Bearer ${token}` } }),
  };
  return new Promise((resolve, reject) => {
    get(options, resolve).on('error', reject);
  });
}

async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

test('an edge uploads texts and bytes, and the admin watches them come in', async () => {
  const cloud = await startTestCloud();
  const token = readFileSync(cloudFiles(cloud.dataDir).adminToken, 'utf8').trim();
  const edge = await cloud.edge('pi');
  const route = { source: 'bus', group: 'user', operation: 'upload' };
  const answer = await edge.ask({ ...route, resource: '$hw/events/upload/alarm', content: 'hot' });
  assert.is(answer.content, 'OK');
  const stream = await request(cloud, '/hivelet/uploads?follow=1', token);
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await edge.ask({ ...route, resource: 'default/user/x', content: '/wA=', encoding: 'base64' });
  const lines = await until(() => text.split('\n').length === 3 && text.trim().split('\n'), { what: 'two lines' });
  assert.equal(
    lines.map((line) => {
      const { time, ...rest } = JSON.parse(line) as Record<string, unknown>;
      assert.match(String(time), /^\d{4}-\d\d-\d\dT/);
      return rest;
    }),
    [
      { seq: 1, node: 'pi', topic: '$hw/events/upload/alarm', payload: 'hot' },
      { seq: 2, node: 'pi', topic: 'default/user/x', payload_base64: '/wA=' },
    ],
  );
  const [last] = (await bodyOf(await request(cloud, '/hivelet/uploads?last=1', token))).toString().trim().split('\n');
  assert.match(last ?? '', /"seq":2/);
  stream.destroy();
  await cloud.close();
});

test('nobody else reads them; the CA certificate and the health are for everybody', async () => {
  const cloud = await startTestCloud();
  for (const token of [undefined, 'wrong']) assert.is((await request(cloud, '/hivelet/uploads', token)).statusCode, 401);
  assert.is((await request(cloud, '/elsewhere')).statusCode, 404);
  const ca = await bodyOf(await request(cloud, '/ca.crt'));
  assert.is(ca[0], 0x30, 'DER, as KubeEdge edges expect it');
  const health = await request(cloud, '/healthz');
  assert.is(health.statusCode, 200);
  const { ok, modules } = JSON.parse((await bodyOf(health)).toString()) as { ok: boolean; modules: Record<string, unknown> };
  assert.is(ok, true);
  assert.is(Object.keys(modules)[0], 'https');
  for (const name of ['devicecontroller', 'edgecontroller', 'cloudhub']) assert.ok(name in modules, name);
  await cloud.close();
});

test.run();

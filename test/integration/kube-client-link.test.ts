/** The Kubernetes client's way to its server: renewed certificates, wrong ones, gateways, watches that fall silent, lists that are forgotten. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createPlain } from 'node:http';
import { createServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { writeFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { silentLogger } from '#beehive/log.ts';
import { createAuthority, issueNode, issueServer, type Credential } from '#cloud/pki/certificates.ts';
import { KubeError, configmaps, nodes, retryOnConflict, type KubeList } from '#cloud/store/kube-api.ts';
import { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { readKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { Reflector } from '#cloud/store/kubeconfig/reflector.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until, within } from '../support/until.ts';

const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'pi', resourceVersion: '7' } };
const answerNode = (_request: IncomingMessage, response: ServerResponse): void => void response.end(JSON.stringify(node));

async function listening(tls: ServerOptions | undefined, answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = tls === undefined ? createPlain(answer) : createServer(tls, answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  return { port, close, server };
}

async function failure(promise: Promise<unknown>): Promise<Error> {
  try {
    await within(promise, { what: 'the failure', deadlineMs: 30_000 });
  } catch (error) {
    return error as Error;
  }
  throw new Error('did not fail');
}

/** A file of others appears at once, never half written. */
function renew(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

async function pki(): Promise<{ authority: Credential; server: Credential }> {
  const now = Date.now();
  const authority = await createAuthority(now);
  return { authority, server: await issueServer(authority, { commonName: 'api', addresses: ['127.0.0.1'], now }) };
}

const hasty = { ...systemClock, random: () => 0.01 };

test('client certificates and the authority are used anew when their files change, also where the new pair comes in two steps', async () => {
  const [old, next] = await Promise.all([pki(), pki()]);
  const people = await Promise.all(['a', 'b'].map((name) => issueNode(old.authority, { node: name, now: Date.now() })));
  const [a, b] = people as [Credential, Credential];
  const seen: string[] = [];
  const options = { cert: old.server.certificate, key: old.server.key, ca: old.authority.certificate, requestCert: true };
  const { port, close, server } = await listening(options, answerNode);
  if ('setSecureContext' in server) {
    server.on('secureConnection', (socket) => seen.push(String(socket.getPeerCertificate().subject.CN).split(':').at(-1) ?? ''));
  }
  const folder = tempDir();
  const files = { ca: path.join(folder, 'ca.crt'), cert: path.join(folder, 'tls.crt'), key: path.join(folder, 'tls.key') };
  renew(files.ca, old.authority.certificate);
  renew(files.cert, a.certificate);
  renew(files.key, a.key);
  const kubeconfig = path.join(folder, 'config');
  const cluster = { server: `https://127.0.0.1:${port}`, 'certificate-authority': files.ca };
  const user = { 'client-certificate': files.cert, 'client-key': files.key };
  const named = { name: 'x', cluster, user, context: { cluster: 'x', user: 'x' } };
  writeFileSync(kubeconfig, JSON.stringify({ 'current-context': 'x', clusters: [named], users: [named], contexts: [named] }));
  const client = new KubeClient({ access: readKubeconfig(kubeconfig), clock: hasty });
  await client.get(nodes, { name: 'pi' });
  renew(files.cert, b.certificate);
  await client.get(nodes, { name: 'pi' });
  renew(files.key, b.key);
  await client.get(nodes, { name: 'pi' });
  assert.equal(seen, ['a', 'b']);
  // Both authorities for a while, then the server is given a certificate of the new one.
  renew(files.ca, old.authority.certificate + next.authority.certificate);
  if ('setSecureContext' in server) server.setSecureContext({ ...options, cert: next.server.certificate, key: next.server.key });
  server.closeAllConnections();
  await client.get(nodes, { name: 'pi' });
  assert.equal(seen, ['a', 'b', 'b']);
  client.close();
  close();
});

test('a server of another authority is one sentence that names the field', async () => {
  const [ours, theirs] = await Promise.all([pki(), pki()]);
  const { port, close } = await listening({ cert: theirs.server.certificate, key: theirs.server.key }, answerNode);
  const access = { server: `https://127.0.0.1:${port}`, ca: ours.authority.certificate, namespace: 'default' };
  const client = new KubeClient({ access, clock: hasty });
  const error = await failure(client.get(nodes, { name: 'pi' }));
  assert.match(error.message, /^no answer from https:\/\/127\.0\.0\.1:\d+: .*\(certificate-authority of the kubeconfig is not the one/);
  client.close();
  const named = new KubeClient({ access: { ...access, ca: theirs.authority.certificate, serverName: 'other' }, clock: hasty });
  assert.match((await failure(named.get(nodes, { name: 'pi' }))).message, /tls-server-name/);
  named.close();
  const trusting = new KubeClient({ access: { ...access, insecureSkipTlsVerify: true }, clock: hasty });
  assert.equal(await trusting.get(nodes, { name: 'pi' }), node);
  trusting.close();
  const pair = { cert: ours.server.certificate, key: theirs.server.key };
  const broken = new KubeClient({ access: { ...access, ...pair }, clock: hasty });
  assert.match((await failure(broken.get(nodes, { name: 'pi' }))).message, /certificates for https.* cannot be used/);
  broken.close();
  close();
});

test('a server behind a path is asked there, and no token goes over plain HTTP', async () => {
  const asked: unknown[] = [];
  const { port, close } = await listening(undefined, (request, response) => {
    asked.push(request.url, request.headers.authorization);
    answerNode(request, response);
  });
  const access = { server: `http://127.0.0.1:${port}/k8s/clusters/c-1`, token: () => 'secret', namespace: 'default' };
  const client = new KubeClient({ access, clock: hasty });
  await client.get(nodes, { name: 'pi' }, { subresource: 'status' });
  assert.equal(asked, ['/k8s/clusters/c-1/api/v1/nodes/pi/status', undefined]);
  client.close();
  close();
});

test('a watch on which nothing comes any more is given up and resumed where it was', async () => {
  const asked: string[] = [];
  const { port, close } = await listening(undefined, (request, response) => {
    const url = new URL(request.url ?? '', 'http://x');
    if (!url.searchParams.has('watch')) return void response.end(JSON.stringify({ metadata: { resourceVersion: '5' }, items: [] }));
    asked.push(url.searchParams.get('resourceVersion') ?? '');
    response.write(`${JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: String(asked.length + 8) } } })}\n`);
    return undefined;
  });
  const client = new KubeClient({ access: { server: `http://127.0.0.1:${port}`, namespace: 'default' }, clock: hasty, stallMs: 50 });
  const reflector = new Reflector({ api: client, type: configmaps, clock: hasty, log: silentLogger() });
  reflector.start();
  await until(() => asked.length >= 3, { what: 'three watches' });
  assert.equal(asked.slice(0, 3), ['5', '9', '10']);
  await reflector.stop();
  client.close();
  close();
});

test('Retry-After is obeyed within reason, in seconds, from the header or the Status', async () => {
  const clock = new FakeClock();
  const answers: [Record<string, string>, string][] = [
    [{ 'Retry-After': '7' }, ''],
    [{}, '{"kind":"Status","details":{"retryAfterSeconds":9}}'],
    [{ 'Retry-After': '86400' }, ''],
    [{ 'Retry-After': 'Sat, 21 Nov 2026 00:00:00 GMT' }, ''],
  ];
  let asked = 0;
  const { port, close } = await listening(undefined, (request, response) => {
    const answer = answers[asked++];
    if (answer === undefined) return answerNode(request, response);
    response.writeHead(429, answer[0]);
    response.end(answer[1]);
  });
  const client = new KubeClient({ access: { server: `http://127.0.0.1:${port}`, namespace: 'default' }, clock, timeoutMs: 1e9 });
  const got = client.get(nodes, { name: 'pi' });
  const waitedMs: number[] = [];
  for (let count = 1; count <= 4; count++) {
    // The attempt's own limit is the one timer while it runs, the pause the only one after it.
    await until(() => asked === count && (clock.nextInMs ?? 1e9) < 1e8, { what: `pause ${count}` });
    waitedMs.push(clock.nextInMs ?? 0);
    await clock.advanceToNext();
  }
  assert.equal(await within(got, { what: 'the answer' }), node);
  assert.equal(waitedMs.slice(0, 3), [7000, 9000, 60_000]);
  assert.ok((waitedMs[3] ?? 0) <= 5000);
  client.close();
  close();
});

test('a list whose later pages were forgotten by the server is taken at once and whole', async () => {
  const expired = new KubeError({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason: 'Expired', code: 410 });
  const object = (name: string) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'default', resourceVersion: '1' },
  });
  const asked: string[] = [];
  const list = async (_type: unknown, options: { limit?: number; continue?: string } = {}): Promise<KubeList> => {
    asked.push(`${options.limit ?? 'all'} ${options.continue ?? ''}`.trim());
    if (options.continue !== undefined) throw expired;
    if (options.limit !== undefined) return { resourceVersion: '5', continue: 'more', items: [object('old'), object('kept')] };
    return { resourceVersion: '9', items: [object('kept'), object('new')] };
  };
  const clock = new FakeClock();
  const watched: unknown[] = [];
  const reflector = new Reflector({
    api: {
      list,
      watch: async function* (_type, { resourceVersion = '', signal } = {}) {
        watched.push(resourceVersion);
        await new Promise((resolve) => signal?.addEventListener('abort', resolve));
        yield { type: 'bookmark', resourceVersion };
      },
    },
    type: configmaps,
    clock,
    log: silentLogger(),
  });
  reflector.start();
  await reflector.synced();
  await clock.settle();
  assert.equal(asked, ['500', '500 more', 'all']);
  assert.equal([[...reflector.objects.keys()], watched], [['default/kept', 'default/new'], ['9']]);
  await reflector.stop();
});

test('a conflict is tried again from what is there now, five times at most', async () => {
  const clock = new FakeClock();
  const conflict = new KubeError({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason: 'Conflict', code: 409 });
  let left = 3;
  const eventually = retryOnConflict(() => (left-- > 0 ? Promise.reject(conflict) : Promise.resolve('written')), { clock });
  await clock.advance(10_000);
  assert.is(await eventually, 'written');
  let tried = 0;
  const never = failure(retryOnConflict(() => ((tried += 1), Promise.reject(conflict)), { clock }));
  await clock.advance(10_000);
  assert.is(await never, conflict);
  assert.is(tried, 5);
  const other = new Error('other');
  assert.is(await failure(retryOnConflict(() => Promise.reject(other), { clock })), other);
});

test.run();

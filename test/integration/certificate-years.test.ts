// timeout: 120s
/** Two years of a board that is never joined again: virtual time for schedules, real certificates dated in the past, a real handshake at the end. */
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { connect as tlsConnect, createServer } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createLogger, silentLogger, type LogLine } from '#beehive/log.ts';
import { Enrolment } from '#cloud/enrolment/enrolment.ts';
import { NodeLists } from '#cloud/enrolment/node-lists.ts';
import { TokenStore } from '#cloud/enrolment/token-store.ts';
import { createAuthority, issueNode, issueServer, type Credential } from '#cloud/pki/certificates.ts';
import { NodeSigner } from '#cloud/pki/node-signer.ts';
import { CertificateRenewal } from '#edge/edgehub/certificate-renewal.ts';
import type { DoorRequest } from '#edge/edgehub/certificate-door.ts';
import { planOf } from '#edge/edgehub/renewal-plan.ts';
import { createMessage, responseTo } from '#wire/message.ts';
import { DAY_MS } from '#test/support/aged-board.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { MemoryKubeApi } from '#test/support/memory-kube-api.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const GRACE_MS = 90 * DAY_MS;

interface Rig {
  clock: FakeClock;
  renewal: CertificateRenewal;
  lists: NodeLists;
  authority: Credential;
  files: { caFile: string; certFile: string; keyFile: string };
  log: LogLine[];
  /** How it was asked, in turn. */
  asked: string[];
  relinked: number;
  setLinked(linked: boolean): void;
  current(): X509Certificate;
  stop(): Promise<void>;
}

/** A board with a certificate of that day, and a cloud, on one clock; the link hands over messages and nothing else. */
async function rig(startMs: number, seed = 1): Promise<Rig> {
  const clock = new FakeClock({ wallMs: startMs, seed });
  const api = new MemoryKubeApi();
  const lists = new NodeLists({ api, clock, graceMs: GRACE_MS });
  const authority = await createAuthority(startMs);
  const signer = new NodeSigner({ clock });
  const enrolment = new Enrolment({
    api,
    lists,
    tokens: new TokenStore({ api, clock }),
    sign: (_purpose, asked) => signer.sign({ ...authority, name: 'ca.key' }, asked),
    graceMs: GRACE_MS,
    clock,
    log: silentLogger(),
  });
  const folder = tempDir();
  const files = { caFile: path.join(folder, 'ca.crt'), certFile: path.join(folder, 'node.crt'), keyFile: path.join(folder, 'node.key') };
  const first = await issueNode(authority, { node: 'pi', now: startMs });
  writeFileSync(files.caFile, authority.certificate);
  writeFileSync(files.certFile, first.certificate);
  writeFileSync(files.keyFile, first.key);
  const current = (): X509Certificate => new X509Certificate(readFileSync(files.certFile));
  const log: LogLine[] = [];
  const asked: string[] = [];
  let isLinked = true;
  const answer = async (body: Buffer): Promise<Buffer> => {
    const given = await enrolment.renew({ node: 'pi', certificate: current(), address: 'test', body });
    if (typeof given.body === 'string') throw new Error(given.body);
    return given.body;
  };
  const it = { relinked: 0 };
  const link = {
    get peer() {
      return isLinked ? ('hivelet' as const) : ('offline' as const);
    },
    takesCertificates: true,
    message: (fields: Parameters<typeof createMessage>[1]) => createMessage(clock.now(), fields),
    offer: (entry: Parameters<ConstructorParameters<typeof CertificateRenewal>[0]['link']['offer']>[0]) => {
      asked.push('link');
      const message = entry.make();
      if (message === undefined) return false;
      void answer(Buffer.from(String(message.content), 'base64')).then(
        (der) => entry.onAck?.(responseTo(message, clock.now(), { content: { certificate: der.toString('base64') } })),
        (error: Error) => entry.onError?.(responseTo(message, clock.now(), { operation: 'error', content: error.message })),
      );
      return true;
    },
    relink: () => void (it.relinked += 1),
  };
  const ask = async ({ body }: DoorRequest): Promise<X509Certificate> => {
    asked.push('door');
    return new X509Certificate(await answer(body));
  };
  const renewal = new CertificateRenewal({ node: 'pi', files, door: 'https://cloud:10002', link, renews: true, ask });
  const abort = new AbortController();
  const logger = createLogger({ clock, level: 'info', write: (line) => void log.push(line) });
  await renewal.start({ clock, log: logger, signal: abort.signal, failed: () => undefined });
  const stop = async (): Promise<void> => {
    abort.abort(new Error('stopped'));
    await renewal.stop();
  };
  const setLinked = (linked: boolean): void => void (isLinked = linked);
  return Object.assign(it, { clock, renewal, lists, authority, files, log, asked, setLinked, current, stop });
}

/** Renewal works on the disk and with keys, which virtual time does not wait for. */
async function renewed({ current }: Rig, before: X509Certificate): Promise<void> {
  await until(() => current().fingerprint256 !== before.fingerprint256, { what: 'the next certificate', deadlineMs: 30_000 });
}

async function canLink({ authority, files }: Rig): Promise<string> {
  const server = await issueServer(authority, { commonName: 'hub', addresses: ['127.0.0.1'], now: Date.now() });
  const hub = createServer(
    {
      ca: authority.certificate,
      cert: server.certificate,
      key: server.key,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.3',
    },
    (socket) => void socket.end(socket.getPeerX509Certificate()?.subject ?? ''),
  );
  await new Promise<void>((resolve) => void hub.listen(0, '127.0.0.1', resolve));
  const [ca, cert, key] = [files.caFile, files.certFile, files.keyFile].map((file) => readFileSync(file));
  const said = await new Promise<string>((resolve, reject) => {
    const socket = tlsConnect({ host: '127.0.0.1', port: (hub.address() as AddressInfo).port, ca, cert, key });
    let text = '';
    socket.on('data', (data: Buffer) => (text += data.toString()));
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
  });
  await new Promise<void>((resolve) => void hub.close(() => resolve()));
  return said;
}

test('two years with a link: three renewals, each near two thirds of a life, none sooner; the last one links today', async () => {
  const board = await rig(Date.now() - 731 * DAY_MS);
  const { clock, asked, current } = board;
  for (let count = 1; count <= 3; count += 1) {
    const before = current();
    const { dueMs } = planOf(before);
    await clock.advance(dueMs - clock.now() - DAY_MS);
    assert.is(asked.length, count - 1);
    // Where the third one is due later than today, time goes on a little: the authority is good for ten years.
    await clock.advance(1.5 * DAY_MS);
    await renewed(board, before);
    const days = (Date.parse(current().validTo) - clock.now()) / DAY_MS;
    assert.ok(days > 363 && days <= 365, String(days));
  }
  assert.equal(asked, ['link', 'link', 'link']);
  assert.is(board.relinked, 3);
  assert.ok(clock.now() > Date.now() - 60 * DAY_MS, new Date(clock.now()).toISOString());
  assert.ok(((await board.lists.read('pi'))?.certificates.length ?? 0) <= 4);
  assert.match(await canLink(board), /CN=system:node:pi$/);
  await board.stop();
});

test('six months away: whatever the day on which it went, it is let in again without anybody', async () => {
  for (const wentAway of [1, 120, 224]) {
    const board = await rig(Date.now() - (wentAway + 183) * DAY_MS, wentAway);
    await board.clock.advance(wentAway * DAY_MS);
    board.setLinked(false);
    const before = board.current();
    await board.clock.advance(182 * DAY_MS);
    const hasEnded = Date.parse(before.validTo) <= board.clock.now();
    if (hasEnded) await renewed(board, before);
    else {
      board.setLinked(true);
      board.renewal.connected({ ours: true, clusterUid: '', features: [], cloudNowMs: board.clock.now() });
      const isDue = planOf(before).dueMs <= board.clock.now();
      await board.clock.advance(1000);
      if (isDue) await renewed(board, before);
    }
    assert.match(await canLink(board), /CN=system:node:pi$/, `away since day ${String(wentAway)}`);
    await board.stop();
  }
});

test('refused past the grace: told once a day, tried again all the same, and nothing on the disk has changed', async () => {
  const board = await rig(Date.now() - 470 * DAY_MS);
  board.setLinked(false);
  const before = board.current();
  // Asleep all the time: its process starts only now.
  await board.stop();
  await board.clock.advance(470 * DAY_MS);
  const abort = new AbortController();
  const logger = createLogger({ clock: board.clock, level: 'info', write: (line) => void board.log.push(line) });
  await board.renewal.start({ clock: board.clock, log: logger, signal: abort.signal, failed: () => undefined });
  await board.clock.advance(1);
  await until(() => board.log.some(({ event }) => event === 'certificate.waits'), { what: 'the sentence' });
  for (let hour = 0; hour < 20; hour += 1) {
    const asked = board.asked.length;
    await board.clock.advance(60 * 60_000);
    await until(() => board.asked.length > asked, { what: 'another try' });
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.is(board.log.filter(({ event }) => event === 'certificate.waits').length, 1);
  assert.match(board.renewal.health().detail ?? '', /more than 90 days ago .*: join again with a token/);
  assert.is(board.current().fingerprint256, before.fingerprint256);
  abort.abort(new Error('stopped'));
  await board.renewal.stop();
});

test('in 1970 a board waits for the clock of its cloud, and says so once', async () => {
  const board = await rig(0);
  await board.clock.advance(10 * DAY_MS);
  assert.is(board.log.filter(({ event }) => event === 'certificate.waits').length, 1);
  assert.equal(board.asked, []);
  const before = board.current();
  board.renewal.connected({ ours: true, clusterUid: '', features: [], cloudNowMs: planOf(before).dueMs + 1 });
  await board.clock.advance(1);
  await renewed(board, before);
  await board.stop();
});

test.run();

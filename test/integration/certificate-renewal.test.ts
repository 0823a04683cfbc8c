// timeout: 120s
/** A board's certificate over the years: renewed before it ends, after its end within the grace, and what a board is told that came too late. */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock, type Clock } from '#beehive/clock.ts';
import { NodeLists } from '#cloud/enrolment/node-lists.ts';
import { TokenStore } from '#cloud/enrolment/token-store.ts';
import { splitToken } from '#cloud/enrolment/join-token.ts';
import { authorityHash } from '#cloud/pki/node-signer.ts';
import { secrets } from '#cloud/store/kube-api.ts';
import { DAY_MS, agedBoard, type AgedBoard } from '#test/support/aged-board.ts';
import { askDoor, newRequest } from '#test/support/cert-door.ts';
import { startTestCloud, type TestCloud } from '#test/support/cloud.ts';
import { connectFakeEdge } from '#test/support/fake-edge.ts';
import { ask, startTestEdge, watchMqtt, type TestEdge } from '#test/support/edge.ts';
import { until } from '#test/support/until.ts';
import { commonFlags, parseCommandLine } from '../../bin/commands/command.ts';
import { command as join } from '../../bin/commands/join.ts';

let cloud: TestCloud;
let lists: NodeLists;
const edges: TestEdge[] = [];

test.before(async () => {
  cloud = await startTestCloud();
  lists = new NodeLists({ api: cloud.api, clock: systemClock });
});
test.after.each(async () => {
  for (const { edge } of edges.splice(0)) await edge.stop();
});
test.after(() => cloud.close());

const aged = (node: string, issuedDaysAgo: number): Promise<AgedBoard> =>
  agedBoard({ node, cloudDir: cloud.dataDir, issuedDaysAgo, api: cloud.api });

async function start({ node, dataDir }: AgedBoard, clock: Clock = systemClock): Promise<TestEdge> {
  const { hubPort, httpsPort } = cloud.cloud;
  const sets = [`modules.edgeHub.httpServer=https://127.0.0.1:${String(httpsPort)}`, 'modules.mapperHost.enable=false'];
  const edge = await startTestEdge({ dataDir, node, hub: `127.0.0.1:${String(hubPort)}`, sets, clock });
  edges.push(edge);
  return edge;
}

const logged = ({ log }: { log: readonly { event: string }[] }, event: string): number => log.filter((line) => line.event === event).length;
const detailOf = ({ edge }: TestEdge): string => edge.health().modules['certificates']?.detail ?? '';

/** What is on the disk is a pair, private, and nothing of the way there is left. */
function assertWhole({ files, certificate }: AgedBoard): void {
  assert.ok(certificate().checkPrivateKey(createPrivateKey(readFileSync(files.key))));
  assert.is(statSync(files.key).mode & 0o777, 0o600);
  // A join makes those of the broker beside them.
  const names = readdirSync(path.dirname(files.key)).filter((name) => !/^mqtt(-ca)?\.(crt|key)$/.test(name));
  assert.equal(names.sort(), ['ca.crt', 'node.crt', 'node.key']);
}

test('past two thirds of its life it is replaced over the link, and the next link stands on the new one', async () => {
  const board = await aged('pi-due', 300);
  const before = readFileSync(board.files.key, 'utf8');
  const edge = await start(board);
  await until(() => logged(edge, 'link.up') === 2, { what: 'the link with the new certificate', deadlineMs: 30_000 });
  assert.is.not(board.certificate().fingerprint256, board.first.fingerprint256);
  assert.ok(Date.parse(board.certificate().validTo) > Date.now() + 360 * DAY_MS);
  assert.is.not(readFileSync(board.files.key, 'utf8'), before);
  assertWhole(board);
  const list = await lists.read('pi-due');
  assert.is(list?.certificates.length, 2);
  const { fields } = edge.log.find(({ event }) => event === 'certificate.renewed') ?? {};
  assert.is((fields as { by?: string }).by, 'link');
});

test('before two thirds of its life nothing is asked for', async () => {
  const board = await aged('pi-young', 200);
  const edge = await start(board);
  await until(() => logged(edge, 'link.up') === 1, { what: 'the link' });
  await edge.edge.stop();
  edges.splice(0);
  assert.is(logged(edge, 'certificate.renewed'), 0);
  assert.is(board.certificate().fingerprint256, board.first.fingerprint256);
});

test('a board that was away while it ended gets another one at the certificate port, which is logged, and links', async () => {
  // Six months away: 243 days in use, then 182 in a cupboard.
  const board = await aged('pi-away', 425);
  const edge = await start(board);
  await until(() => logged(edge, 'link.up') === 1, { what: 'the link', deadlineMs: 30_000 });
  assertWhole(board);
  const late = cloud.log.find(({ event, fields }) => event === 'enrolment.late' && (fields as { node?: string }).node === 'pi-away');
  assert.is((late?.fields as { ended?: string }).ended, new Date(Date.parse(board.first.validTo)).toISOString().slice(0, 10));
});

test('so does one whose clock says 1970, once the cloud has refused what it believes to be good', async () => {
  const since1970: Clock = { ...systemClock, now: () => Math.round(systemClock.monotonic()) };
  const board = await aged('pi-1970', 400);
  const edge = await start(board, since1970);
  await until(() => logged(edge, 'link.up') === 1, { what: 'the link', deadlineMs: 30_000 });
  assert.is.not(board.certificate().fingerprint256, board.first.fingerprint256);
});

test('past the grace one sentence says to join again, and the edge works on', async () => {
  const board = await aged('pi-late', 460);
  const edge = await start(board);
  await until(() => detailOf(edge), { what: 'the sentence', deadlineMs: 30_000 });
  assert.match(
    detailOf(edge),
    /refused: the certificate of pi-late ended on \d{4}-\d\d-\d\d, more than 90 days ago \(modules\.cloudHub\.certificateGrace\): join again with a token \(`hivelet token create --node pi-late`\)$/,
  );
  assert.is(logged(edge, 'certificate.waits'), 1);
  const mqtt = await watchMqtt(edge.port, ['$hw/#']);
  const answer = await ask(mqtt, '$hw/events/node/pi-late/membership/get', {});
  assert.equal(answer['devices'], []);
  await mqtt.close();
  assert.is(board.certificate().fingerprint256, board.first.fingerprint256);
});

async function askWith({ files, node }: AgedBoard): Promise<{ status: number; text: string }> {
  const { request } = await newRequest(node);
  const [cert, key] = [readFileSync(files.certificate, 'utf8'), readFileSync(files.key, 'utf8')];
  return askDoor({ port: cloud.cloud.httpsPort, body: request, cert, key });
}

test('the same board joins again with a token, and needs no reset for it', async () => {
  const board = await aged('pi-again', 500);
  const ca = readFileSync(path.join(cloud.dataDir, 'pki/ca.crt'), 'utf8');
  const tokens = new TokenStore({ api: cloud.api, clock: systemClock });
  const { text: token } = await tokens.create({ authority: authorityHash(ca), ttlMs: 60_000, node: 'pi-again' });
  const { hubPort, httpsPort } = cloud.cloud;
  const wishes = ['--cloud', `127.0.0.1:${String(hubPort)}`, '--cert-port', String(httpsPort), '--node-name', 'pi-again', '--no-service'];
  const { args, flags } = parseCommandLine({ ...commonFlags, ...join.flags }, [...wishes, '--token', token]);
  const io = { out: () => undefined, error: () => undefined, terminal: false };
  const run = async (): Promise<number> =>
    join.run({ args, flags, io, env: {}, clock: systemClock, signal: new AbortController().signal, dataDir: board.dataDir });
  await until(async () => (await run()) === 0, { what: 'the join', deadlineMs: 30_000, everyMs: 500 });
  const fresh = board.certificate();
  assert.ok(Date.parse(fresh.validTo) > Date.now() + 360 * DAY_MS);
  assert.match(
    readFileSync(path.join(board.dataDir, 'edge/edgecore.yaml'), 'utf8'),
    new RegExp(`httpServer: https://127.0.0.1:${String(httpsPort)}`),
  );
  // A second run keeps what is good.
  assert.is(await run(), 0);
  assert.is(board.certificate().fingerprint256, fresh.fingerprint256);
  assertWhole(board);
});

test('over its link a board gets a certificate for itself, whatever name it asks for, and only for a request', async () => {
  const board = await aged('pi-link', 10);
  const link = await connectFakeEdge({ port: cloud.cloud.hubPort, node: 'pi-link', files: board.files });
  const query = { source: 'websocket', group: 'resource', operation: 'query', resource: 'certificates/node' };
  const { request } = await newRequest('pi-other');
  const answer = await link.ask({ ...query, content: request.toString('base64') });
  const { certificate } = answer.content as { certificate: string };
  assert.match(new X509Certificate(Buffer.from(certificate, 'base64')).subject, /^O=system:nodes\nCN=system:node:pi-link$/);
  for (const content of ['', 'AAAA', 'x'.repeat(100_000), 7, null, { certificate }]) {
    const { route } = await link.ask({ ...query, content });
    assert.is(route.operation, 'error', JSON.stringify(content).slice(0, 20));
  }
  link.close();
});

test('a link that names its node by a header only gets none', async () => {
  const loose = await startTestCloud({ sets: ['modules.cloudHub.allowUnboundCertificates=true'] });
  const files = await loose.certificate('somebody');
  const link = await connectFakeEdge({ port: loose.cloud.hubPort, node: 'pi-1', files });
  const query = { source: 'websocket', group: 'resource', operation: 'query', resource: 'certificates/node' };
  const { route, content } = await link.ask({ ...query, content: (await newRequest('pi-1')).request.toString('base64') });
  assert.equal([route.operation, content], ['error', 'the client certificate is that of somebody, not of pi-1']);
  link.close();
  await loose.close();
});

test('what was revoked gets none after its end either', async () => {
  const board = await aged('pi-revoked', 400);
  await lists.revoke('pi-revoked');
  const { status, text } = await askWith(board);
  assert.is(status, 403);
  assert.match(text, /^the certificate of pi-revoked was revoked: join again with a token/);
});

test('nor does the one before when another board has taken the name by a token', async () => {
  const board = await aged('pi-taken', 400);
  const ca = readFileSync(path.join(cloud.dataDir, 'pki/ca.crt'), 'utf8');
  const { text: token } = await new TokenStore({ api: cloud.api, clock: systemClock }).create({
    authority: authorityHash(ca),
    ttlMs: 60_000,
  });
  const headers = { Authorization: `Bearer ${splitToken(token)?.bearer ?? ''}`, NodeName: 'pi-taken' };
  assert.is((await askDoor({ port: cloud.cloud.httpsPort, headers, body: (await newRequest()).request })).status, 200);
  assert.match((await askWith(board)).text, /was revoked/);
});

test('nor does one of another authority, whose end excuses nothing', async () => {
  const other = await startTestCloud();
  const board = await agedBoard({ node: 'pi-foreign', cloudDir: other.dataDir, issuedDaysAgo: 400 });
  await other.close();
  const { status, text } = await askWith(board);
  assert.is(status, 401);
  assert.match(text, /^the client certificate is not valid: /);
});

test('a certificate that ended opens nothing else: neither a link nor the state of the node', async () => {
  const board = await aged('pi-only', 400);
  const [cert, key] = [readFileSync(board.files.certificate, 'utf8'), readFileSync(board.files.key, 'utf8')];
  assert.is((await askDoor({ port: cloud.cloud.httpsPort, path: '/hivelet/node', cert, key })).status, 401);
});

test('a list that cannot be read allows no certificate of that node, and is told', async () => {
  const board = await aged('pi-broken', 10);
  const name = { namespace: 'kubeedge', name: 'hivelet-node-pi-broken' };
  for (const data of [{ certificates: 'bm90IGpzb24=' }, { node: '' }]) {
    const from = cloud.log.length;
    await cloud.api.patch(secrets, name, { type: 'merge', body: { data } });
    await until(() => cloud.log.slice(from).some(({ event }) => event === 'node.list.unreadable'), { what: 'the log' });
    assert.is((await askWith(board)).status, 403);
  }
  const edge = await start(board);
  await until(() => edge.log.find(({ event }) => event === 'link.down'), { what: 'the refusal' });
  const { fields } = edge.log.find(({ event }) => event === 'link.down') ?? {};
  assert.match((fields as { reason: string }).reason, /HTTP 403: the certificate of pi-broken was revoked or replaced/);
});

test('the certificate that was shown is never pushed off the list by those that were asked for with it', async () => {
  const board = await agedBoard({ node: 'pi-eager', cloudDir: cloud.dataDir, issuedDaysAgo: 10, api: cloud.api });
  for (let count = 0; count < 6; count += 1) {
    // Those that were refused above have made the door slow.
    await until(async () => (await askWith(board)).status === 200, { what: 'a certificate', deadlineMs: 30_000, everyMs: 500 });
  }
  const list = await lists.read('pi-eager');
  const first = board.first.fingerprint256.replaceAll(':', '').toLowerCase();
  assert.ok(list?.certificates.some(({ fingerprint }) => fingerprint === first));
  assert.is(list?.certificates.length, 4);
  assert.is(new X509Certificate(readFileSync(board.files.certificate)).fingerprint256, board.first.fingerprint256);
});

test.run();

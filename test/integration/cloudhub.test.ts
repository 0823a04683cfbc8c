/** The hub over real websockets and TLS: who gets in, what garbage does, when a link ends. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { once } from 'node:events';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createLogger, type LogLine } from '#beehive/log.ts';
import { CloudHub, type CloudHubOptions } from '#cloud/cloudhub/cloudhub.ts';
import type { NodeLink } from '#cloud/cloudhub/node-link.ts';
import { cloudFiles, initCloud } from '#cloud/pki/init.ts';
import { systemClock, type Clock } from '#beehive/clock.ts';
import type { BeehiveMessage } from '#wire/message.ts';
import { nodeCertificate } from '#test/support/cloud.ts';
import { Refused, connectFakeEdge, type FakeEdge, type FakeEdgeOptions } from '#test/support/fake-edge.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const dataDir = tempDir();
const MESSAGE = { source: 'twin', group: 'resource', operation: 'update', resource: 'device/x/twin/edge_updated', content: {} };

interface TestHub {
  hub: CloudHub;
  links: NodeLink[];
  taken: BeehiveMessage[];
  log: LogLine[];
  edge(node: string, more?: Partial<FakeEdgeOptions>): Promise<FakeEdge>;
  close(): Promise<void>;
}

async function startHub(over: Partial<CloudHubOptions> = {}, clock: Clock = systemClock): Promise<TestHub> {
  await initCloud({ dataDir, advertise: [], clock: systemClock });
  const files = cloudFiles(dataDir);
  const read = (file: string): string => readFileSync(file, 'utf8');
  const log: LogLine[] = [];
  const links: NodeLink[] = [];
  const taken: BeehiveMessage[] = [];
  const hub = new CloudHub({
    listen: { host: '127.0.0.1', port: 0 },
    tls: { ca: read(files.authority.certificate), cert: read(files.hub.certificate), key: read(files.hub.key) },
    nodeLimit: 10,
    keepaliveLimitMs: 30_000,
    writeLimitMs: 30_000,
    allowUnbound: false,
    clusterUid: () => 'cluster-1',
    connected: (link) => void links.push(link),
    handlers: {
      device: (_link, message) => {
        taken.push(message);
        if (message.route.resource.includes('poison')) throw new Error('a fault of ours');
        return undefined;
      },
      node: () => ({ refused: 'not served' }),
      object: () => ({ refused: 'not served' }),
      held: () => ({ refused: 'not served' }),
      certificate: () => ({ refused: 'not served' }),
      upload: (_link, _message, stored) => stored(),
      heard: () => undefined,
    },
    owns: { device: (_node, id) => id !== 'foreign', object: () => false, podElsewhere: () => false },
    ...over,
  });
  const edges: FakeEdge[] = [];
  const abort = new AbortController();
  await hub.start({
    clock,
    log: createLogger({ clock, level: 'debug', write: (line) => void log.push(line) }),
    signal: abort.signal,
    failed: (error) => {
      throw error;
    },
  });
  return {
    hub,
    links,
    taken,
    log,
    edge: async (node, more = {}) => {
      const edge = await connectFakeEdge({ port: hub.port, node, files: await nodeCertificate(dataDir, node), ...more });
      edges.push(edge);
      return edge;
    },
    close: async () => {
      for (const edge of edges) edge.close();
      abort.abort();
      await hub.stop();
    },
  };
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'accepted';
  } catch (error) {
    return error instanceof Refused ? `${error.status} ${error.message}` : (error as Error).message;
  }
}

test('our edges are greeted with protocol, cluster and features; KubeEdge edges with none of it', async () => {
  const world = await startHub();
  const ours = await world.edge('pi-1');
  const theirs = await world.edge('pi-2', { peer: 'kubeedge' });
  const shown = ({ greeting }: FakeEdge): unknown[] =>
    ['hivelet-protocol', 'hivelet-cluster', 'hivelet-features'].map((name) => greeting[name]);
  assert.equal(shown(ours), ['1', 'cluster-1', 'uploads,objects,certificates']);
  assert.equal(shown(theirs), [undefined, undefined, undefined]);
  assert.equal(
    world.links.map(({ node, peer }) => `${node} ${peer}`),
    ['pi-1 hivelet', 'pi-2 kubeedge'],
  );
  assert.match(world.links[1]?.store ?? '', /^link /, 'the link itself orders what a KubeEdge peer reports');
  await world.close();
});

test('a certificate is good for its own node only, and none is good for nothing', async () => {
  const world = await startHub();
  const files = await nodeCertificate(dataDir, 'pi-1');
  assert.is(await refusal(world.edge('pi-2', { files })), '403 the certificate is system:node:pi-1, not system:node:pi-2');
  const { files: _none, ...bare } = { files, port: world.hub.port, node: 'pi-1' };
  assert.match(await refusal(connectFakeEdge(bare)), /certificate required|socket hang up|ECONNRESET|closed/i);
  const stranger = await nodeCertificate(tempDir(), 'pi-1');
  const foreign = { ...stranger, authority: files.authority };
  assert.match(await refusal(world.edge('pi-1', { files: foreign })), /unknown ca|decrypt|alert|ECONNRESET|socket hang up/i);
  assert.is(world.links.length, 0);
  await world.close();
  const lenient = await startHub({ allowUnbound: true });
  await lenient.edge('pi-2', { files, peer: 'kubeedge' });
  assert.is(lenient.links[0]?.node, 'pi-2');
  await lenient.close();
});

test('TLS below 1.3 is refused', async () => {
  const world = await startHub();
  const files = await nodeCertificate(dataDir, 'pi-1');
  const socket = connect({
    host: '127.0.0.1',
    port: world.hub.port,
    ca: readFileSync(files.authority),
    cert: readFileSync(files.certificate),
    key: readFileSync(files.key),
    maxVersion: 'TLSv1.2',
  });
  const [error] = (await once(socket, 'error')) as [Error];
  assert.match(error.message, /protocol version|alert/i);
  await world.close();
});

test('while the API has not answered nobody gets in; beyond the limit only known nodes do', async () => {
  const closed = await startHub({ clusterUid: () => undefined });
  assert.match(await refusal(closed.edge('pi-1')), /^503 the cloud is not ready/);
  await closed.close();
  const world = await startHub({ nodeLimit: 1 });
  await world.edge('pi-1');
  assert.match(await refusal(world.edge('pi-2')), /^503 modules\.cloudHub\.nodeLimit of 1 nodes is reached/);
  await world.edge('pi-1');
  assert.is(world.links.length, 2);
  await world.close();
});

test('a second link of a node ends the first', async () => {
  const world = await startHub();
  const first = await world.edge('pi-1');
  const second = await world.edge('pi-1');
  assert.is(await first.closed(), 1000);
  assert.is(world.links[0]?.signal.aborted, true);
  second.send(MESSAGE);
  await until(() => world.taken.length === 1, { what: 'a message over the second link' });
  assert.is(world.links[1]?.signal.aborted, false);
  await world.close();
});

test('garbage is counted and logged once, and the link lives on', async () => {
  const world = await startHub();
  const edge = await world.edge('pi-1');
  const deep = `{"header":{"msg_id":"d"},"content":${'['.repeat(50_000)}${']'.repeat(50_000)}}`;
  const garbage = ['', 'x', '[]', '5', 'null', '{}', '{"header":5}', '{"header":{"msg_id":7}}', '{"header":{"msg_id":""}}', '"text"', deep];
  for (let round = 0; round < 20; round++) for (const text of garbage) edge.raw(text);
  edge.raw(Buffer.from([0xff, 0xfe, 0x00, 0x80]));
  for (let count = 0; count < 10_000; count++) edge.send({ ...MESSAGE, source: 'edged', resource: `default/thing-${count}/x` });
  edge.raw('{"header":{"msg_id":"a"}}');
  edge.raw('{"header":{"msg_id":"b"},"route":{"source":5,"operation":["update"],"resource":{}}}');
  edge.raw(Buffer.from(JSON.stringify({ header: { msg_id: 'binary' }, route: MESSAGE })));
  await until(() => world.taken.some(({ header }) => header.msg_id === 'binary'), { what: 'the good frame behind the garbage' });
  assert.ok(world.hub.dropped >= 10_000 + 20 * 10, String(world.hub.dropped));
  assert.ok(world.log.length < 100, `${world.log.length} lines`);
  await world.close();
});

test('a frame that is too large ends its own link and no other', async () => {
  const world = await startHub();
  const bad = await world.edge('pi-1');
  const good = await world.edge('pi-2');
  bad.raw(Buffer.alloc(17 * 1024 * 1024, 0x20));
  assert.is(await bad.closed(), 1009);
  good.send(MESSAGE);
  await until(() => world.taken.length === 1, { what: 'a message of the other node' });
  await world.close();
});

test('refusals are answered with their reason; a fault of ours costs one message', async () => {
  const world = await startHub();
  const edge = await world.edge('pi-1');
  const answerTo = async (fields: Partial<typeof MESSAGE>): Promise<string> => {
    const { route, content } = await edge.ask({ ...MESSAGE, ...fields });
    return `${route.operation} ${String(content)}`;
  };
  assert.is(await answerTo({ resource: 'device/foreign/twin/edge_updated' }), 'error device foreign is not bound to node pi-1');
  assert.is(await answerTo({ resource: 'device/poison/twin/edge_updated' }), 'error the cloud failed on this message');
  assert.is(await answerTo({ source: 'devicecontroller' }), 'error a node may not speak as devicecontroller');
  assert.is(await answerTo({ source: 'bus', group: 'user', operation: 'upload' }), 'response OK');
  const theirs = await world.edge('pi-2', { peer: 'kubeedge' });
  theirs.send({ ...MESSAGE, resource: 'device/foreign/twin/edge_updated' });
  const query = await theirs.ask({ ...MESSAGE, source: 'edged', operation: 'query', resource: 'default/configmap/x' });
  assert.is(query.route.operation, 'error', 'an edge waits 60 s for an answer to a query');
  assert.is(theirs.frames.length, 1);
  await world.close();
});

/** Steps of virtual time, with real turns in between for the sockets. */
async function pass(clock: FakeClock, ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 1000) {
    await clock.advance(1000);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('a half-open link is noticed within 20 s, a link that answers pings lives', async () => {
  const clock = new FakeClock();
  const world = await startHub({}, clock);
  const dead = await world.edge('pi-1', { socket: { autoPong: false } });
  const alive = await world.edge('pi-2');
  await pass(clock, 20_000);
  assert.is(world.links[0]?.signal.aborted, true);
  assert.is(world.links[1]?.signal.aborted, false);
  assert.is(await dead.closed(), 1006);
  await pass(clock, 60_000);
  assert.is(alive.socket.readyState, alive.socket.OPEN);
  await world.close();
  await until(() => clock.pending === 0, { what: 'the last timer' });
});

test('an admitted node is served when it answers a ping of then, and what it said before is taken in order', async () => {
  let admitted = (_may: boolean): void => undefined;
  const world = await startHub({ admit: () => new Promise((resolve) => (admitted = resolve)) });
  const edge = await world.edge('pi-1', { socket: { autoPong: false } });
  const pinged = once(edge.socket, 'ping') as Promise<[Buffer]>;
  edge.send({ ...MESSAGE, resource: 'device/x/twin/edge_updated', content: { n: 1 } });
  admitted(true);
  const [proof] = await pinged;
  // Of the ticks, an answer to which proves nothing.
  edge.socket.pong(Buffer.from('an older one'));
  edge.send({ ...MESSAGE, resource: 'device/y/twin/edge_updated', content: { n: 2 } });
  const other = await world.edge('pi-2', { socket: { autoPong: false } });
  const otherPinged = once(other.socket, 'ping');
  admitted(true);
  await otherPinged;
  assert.equal([world.links.length, world.taken.length], [0, 0], 'it may have gone over to another cloudcore while it waited');
  edge.socket.pong(proof);
  edge.send({ ...MESSAGE, resource: 'device/z/twin/edge_updated', content: { n: 3 } });
  await until(() => world.taken.length === 3, { what: 'three messages' });
  assert.equal(
    world.taken.map(({ content }) => content),
    [{ n: 1 }, { n: 2 }, { n: 3 }],
  );
  assert.equal(
    world.links.map(({ node }) => node),
    ['pi-1'],
  );
  await world.close();
});

test('an admitted node that does not answer is not served', async () => {
  const clock = new FakeClock();
  const world = await startHub({ admit: () => Promise.resolve(true) }, clock);
  const edge = await world.edge('pi-1', { socket: { autoPong: false } });
  edge.send(MESSAGE);
  await pass(clock, 11_000);
  assert.is(await edge.closed(), 1006);
  assert.equal([world.links.length, world.taken.length], [0, 0]);
  assert.ok(world.log.some(({ fields }) => fields['reason'] === 'did not answer when it was to be served'));
  await world.close();
});

test('a KubeEdge edge must send keepalives, ours need not', async () => {
  const clock = new FakeClock();
  const world = await startHub({}, clock);
  await world.edge('pi-1', { peer: 'kubeedge' });
  const good = await world.edge('pi-2', { peer: 'kubeedge' });
  await world.edge('pi-3');
  for (let count = 0; count < 4; count++) {
    good.send({ source: 'websocket', group: 'resource', operation: 'keepalive', resource: 'node', content: 'ping' });
    await pass(clock, 10_000);
  }
  assert.equal(
    world.links.map(({ signal }) => signal.aborted),
    [true, false, false],
  );
  await world.close();
});

test('a stop says good-bye and closes everything', async () => {
  const world = await startHub();
  const edge = await world.edge('pi-1');
  await world.close();
  assert.ok([1001, 1006].includes(await edge.closed()));
  assert.is(world.hub.port, 0);
});

test.run();

/** Owns the proof of the link to the cloud: comes back at once, notices a dead peer, survives what a peer may do (DESIGN sections 4, 6). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeClock } from '#test/support/fake-clock.ts';
import { startTestEdge, watchMqtt, ask } from '#test/support/edge.ts';
import { entry, startHiveletHub } from '#test/support/hivelet-hub.ts';
import { closeAll, closeLater, startLinkedEdge } from '#test/support/linked-edge.ts';
import { freePort } from '#test/support/ports.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

test.after.each(closeAll);

test('after a cut the link is back within 2 s', async () => {
  const { hub } = await startLinkedEdge([]);
  const from = performance.now();
  hub.cut();
  await hub.connected(2);
  assert.ok(performance.now() - from < 2000);
});

test('after a restart of the cloud the link is back within 2 s, and the state is told again', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: undefined })]);
  await here.report('d1', '21');
  const port = Number(here.hub.server.split(':')[1]);
  await here.hub.close();
  const from = performance.now();
  const hub = await startHiveletHub({ dataDir: here.dataDir, node: 'edge-node', port });
  closeLater(() => hub.close());
  hub.detail = () => ({ hivelet: { cluster_uid: 'cluster-1', unchanged: ['d1'], removed: [] } });
  await hub.report('d1/temperature', (told) => told?.actual?.value === '21');
  assert.ok(performance.now() - from < 2000);
});

test('the link is dialled with a back-off that has jitter, under 1 s at first', async () => {
  const clock = new FakeClock();
  const edge = await startTestEdge({ dataDir: tempDir(), hub: `127.0.0.1:${String(await freePort())}`, clock });
  closeLater(() => edge.edge.stop());
  const faults = (): number => edge.log.filter(({ event }) => event === 'link.down').length;
  await until(() => faults() === 1, { what: 'the first fault' });
  assert.ok((clock.nextInMs ?? Infinity) <= 500);
  assert.match(edge.edge.health().modules['websocket']?.detail ?? '', /no link to the cloud: cannot read .*ca\.crt/);
});

test('a half-open link is noticed within 20 s and replaced', async () => {
  const clock = new FakeClock();
  const { hub, edge } = await startLinkedEdge([], { clock });
  hub.freeze();
  const from = clock.monotonic();
  await until(
    async () => {
      await clock.advance(250);
      return edge.log.some(({ event, fields }) => event === 'link.down' && String(fields['reason']).includes('silent'));
    },
    { what: 'the dead link', everyMs: 1 },
  );
  assert.ok(clock.monotonic() - from <= 20_000, `after ${String(clock.monotonic() - from)} ms`);
  await until(() => clock.advance(100).then(() => hub.connections.length === 2), { what: 'the next link' });
});

test('without certificates, and without a cloud, everything local works', async () => {
  const edge = await startTestEdge({ dataDir: tempDir(), hub: `127.0.0.1:${String(await freePort())}`, seed: 'd:1' });
  const mqtt = await watchMqtt(edge.port, ['$hw/#']);
  closeLater(() => edge.edge.stop());
  closeLater(() => mqtt.close());
  const answer = await ask(mqtt, '$hw/events/device/d1/twin/update', { twin: { temperature: { actual: { value: '1' } } } });
  assert.is(answer['code'], undefined);
  assert.is(edge.edge.health().ok, true, 'an absent cloud is no fault of the edge');
});

for (const server of ['cloud.example', 'https://cloud.example:10000', 'cloud.example:0', '']) {
  test(`an address of the cloud such as ${JSON.stringify(server)} is refused at the start, with the setting and how to write it`, async () => {
    const message = await startTestEdge({ dataDir: tempDir(), hub: server }).then(
      ({ edge }) => edge.stop().then(() => 'it started'),
      (error: Error) => error.message,
    );
    assert.match(
      message,
      /^modules\.edgeHub\.websocket\.server is ".*": write HOST:PORT of the cloud, for instance cloud\.example:10000, or set/,
    );
  });
}

test('an edge with the certificates of another authority links to nobody, and says why', async () => {
  const theirs = await startHiveletHub({ dataDir: tempDir(), node: 'edge-node' });
  const dataDir = tempDir();
  const ours = await startHiveletHub({ dataDir, node: 'edge-node' });
  closeLater(() => theirs.close());
  closeLater(() => ours.close());
  const edge = await startTestEdge({ dataDir, hub: theirs.server });
  closeLater(() => edge.edge.stop());
  const down = await until(() => edge.log.find(({ event }) => event === 'link.down'), { what: 'the refusal' });
  assert.match(String(down.fields['reason']), /is not the cloud that this board has joined .+: check modules\.edgeHub\.websocket\.server/);
  assert.is(theirs.connections.length, 0);
});

test('a flood of the cloud is taken piece by piece: every object is stored and acknowledged in order', async () => {
  const { hub } = await startLinkedEdge([]);
  const count = 5000;
  const from = hub.frames.length;
  for (let number = 0; number < count; number++) {
    hub.send({
      header: { msg_id: `o${String(number)}`, timestamp: 1 },
      route: { source: 'edgecontroller', group: 'resource', operation: 'update', resource: `default/configmap/c${String(number)}` },
      content: { number },
    });
  }
  const answers = (): (string | undefined)[] =>
    hub.frames.slice(from).flatMap(({ header }) => (header.parent_msg_id?.startsWith('o') === true ? [header.parent_msg_id] : []));
  await until(() => answers().length === count, { what: 'every acknowledgement', deadlineMs: 30_000 });
  assert.equal(
    answers(),
    Array.from({ length: count }, (_, number) => `o${String(number)}`),
  );
});

test.run();

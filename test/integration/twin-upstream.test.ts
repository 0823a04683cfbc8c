/** Owns the proof of what the edge tells our own cloud: once, the newest, until acknowledged (DESIGN section 4). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { MsgTwin } from '#wire/device-messages.ts';
import { responseTo } from '#wire/message.ts';
import { deviceTopic } from '#wire/topics.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { entry, startHiveletHub } from '#test/support/hivelet-hub.ts';
import { closeAll, closeLater, startLinkedEdge } from '#test/support/linked-edge.ts';
import { until } from '#test/support/until.ts';

test.after.each(closeAll);

test('the edge introduces itself, and asks for the differences with what it knows', async () => {
  const first = await startLinkedEdge([entry('d1', { temperature: undefined }, { hash: 'h1' }), entry('d2', {}, { hash: 'h2' })]);
  const headers = first.hub.connections[0]?.headers ?? {};
  assert.equal([headers['hivelet-protocol'], headers['node_id']], ['1', 'edge-node']);
  assert.match(String(headers['hivelet-store']), /^[0-9a-f-]{36}$/);
  assert.equal(first.hub.details()[0]?.hivelet, { cluster_uid: '', known: {}, version: 0 });
  await first.members();
  await first.stop();
  const second = await startLinkedEdge([], { hub: first.hub, dataDir: first.dataDir });
  assert.equal(second.hub.details()[1]?.hivelet, { cluster_uid: 'cluster-1', known: { 'uid-d1': 'h1', 'uid-d2': 'h2' }, version: 1 });
  assert.is(second.hub.connections[1]?.headers['hivelet-store'], headers['hivelet-store'], 'the same store');
});

test('the detail is applied and acknowledged, then the full state is told once, one message a device', async () => {
  const here = await startLinkedEdge(() => undefined, { seed: 'd:2' });
  await here.update('d1', { temperature: { actual: { value: '21' } }, humidity: { actual: { value: '40' } } });
  const devices = [entry('d1', { temperature: '22' }), entry('d2', { temperature: undefined })];
  const from = here.hub.frames.length;
  const answer = await here.hub.tell('membership/detail', {
    event_id: 'x',
    timestamp: 1,
    devices,
    hivelet: { cluster_uid: 'cluster-1', unchanged: [], removed: [] },
  });
  assert.equal([answer.route.operation, answer.content], ['response', 'OK']);
  await here.hub.report('d2/temperature', () => true, from);
  await here.hub.report('d1/humidity', () => true, from);
  const told = here.hub.frames.slice(from).filter(({ route }) => route.resource.endsWith('/edge_updated'));
  assert.equal(told.map(({ route }) => route.resource).sort(), ['device/d1/twin/edge_updated', 'device/d2/twin/edge_updated']);
  const [message] = here.hub.reports('d1').slice(-1);
  assert.equal(Object.keys(message?.twin ?? {}).sort(), ['humidity', 'temperature']);
  assert.equal(message?.hivelet, { uid: 'uid-d1', cluster_uid: 'cluster-1' });
  assert.equal(message?.twin['temperature']?.actual?.value, '21');
  assert.equal(message?.twin['temperature']?.actual_version, { cloud: 0, edge: 1 });
  assert.equal(message?.twin['temperature']?.expected_version, { cloud: 1, edge: 0 });
  assert.is(message?.twin['temperature']?.override, false);
});

test('the outcome of a write goes up at once, and after a restart of the edge once more; MQTT clients see it in the metadata', async () => {
  const devices = [entry('d1', { temperature: '22' })];
  const here = await startLinkedEdge(devices);
  const stamp = (await here.twins('d1'))['temperature']?.expected?.metadata?.timestamp ?? 0;
  const write = { desired: '22', stamp, result: 'refused', reason: 'ILLEGAL DATA ADDRESS', ms: 3 } as const;
  const documents = (): number => here.mqtt.seen.filter(({ topic }) => topic.endsWith('/document')).length;
  const before = documents();
  const shown = { timestamp: stamp, write: { result: 'refused', reason: 'ILLEGAL DATA ADDRESS', ms: 3 } };
  await here.update('d1', { temperature: { write } });
  const told = await here.hub.report('d1/temperature', (twin) => twin?.write !== undefined);
  assert.equal(told?.write, write);
  assert.equal([documents(), (await here.twins('d1'))['temperature']?.expected?.metadata], [before + 1, shown]);
  await here.update('d1', { temperature: { write: { ...write, ms: 9 } } });
  assert.is(documents(), before + 1, 'the same again is no news');
  await here.stop();
  const again = await startLinkedEdge(devices, { hub: here.hub, dataDir: here.dataDir });
  assert.equal((await again.hub.report('d1/temperature', (twin) => twin?.write !== undefined))?.write, write);
});

test('how good a value is goes up without a new version, and comes again with the whole state', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: undefined })]);
  await here.report('d1', '21');
  const before = await here.hub.report('d1/temperature', (twin) => twin?.actual?.value === '21');
  await here.update('d1', { temperature: { quality: { word: 'bad', reason: 'NO' } } });
  const told = await here.hub.report('d1/temperature', (twin) => twin?.quality !== undefined);
  assert.equal(
    [told?.quality, told?.actual, told?.actual_version],
    [{ word: 'bad', reason: 'NO' }, before?.actual, before?.actual_version],
  );
  const documents = here.mqtt.seen.filter(({ topic }) => topic.endsWith('/document'));
  assert.match(JSON.stringify(documents.at(-1)), /quality.{3,8}bad/);
  const from = here.hub.frames.length;
  here.hub.cut();
  await here.hub.report('d1/temperature', (twin) => twin?.quality?.word === 'bad', from);
  await here.report('d1', '21');
  await here.hub.report('d1/temperature', (twin) => twin !== null && twin?.quality === undefined, from);
});

test('why a property has no value yet goes up as well, and comes again with the whole state', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: undefined })]);
  const why = { word: 'bad', reason: 'ILLEGAL DATA ADDRESS' } as const;
  await here.update('d1', { temperature: { quality: why } });
  const told = await here.hub.report('d1/temperature', (twin) => twin?.quality !== undefined);
  assert.equal([told?.quality, told?.actual], [why, undefined]);
  const shown = (await here.twins('d1'))['temperature'];
  assert.equal([shown?.quality, shown?.actual], [why, undefined]);
  const from = here.hub.frames.length;
  here.hub.cut();
  await here.hub.report('d1/temperature', (twin) => twin?.quality?.reason === why.reason, from);
  await here.report('d1', '21');
  await here.hub.report('d1/temperature', (twin) => twin?.actual?.value === '21' && twin.quality === undefined, from);
});

test('after a restart the values of a device that was offline are stale until it reports', async () => {
  const devices = [entry('d1', { temperature: undefined })];
  const here = await startLinkedEdge(devices);
  await here.report('d1', '21');
  here.mqtt.publish('$hw/events/device/d1/state/update', JSON.stringify({ state: 'offline', reason: 'no answer' }));
  await here.mqtt.message('the state', ({ topic }) => topic.endsWith('/state/update/result'));
  await here.stop();
  const again = await startLinkedEdge(devices, { hub: here.hub, dataDir: here.dataDir });
  assert.equal((await again.twins('d1'))['temperature']?.actual?.metadata, {
    timestamp: (await again.twins('d1'))['temperature']?.actual?.metadata?.timestamp,
    quality: 'stale',
    reason: 'no answer',
  });
  await again.report('d1', '21');
  await again.hub.report('d1/temperature', (twin) => twin !== null && twin?.actual !== undefined && twin.quality === undefined);
});

test('an object of another module is acknowledged too', async () => {
  const here = await startLinkedEdge([]);
  for (const operation of ['insert', 'update', 'delete']) {
    const route = { source: 'edgecontroller', group: 'resource', operation, resource: 'default/configmap/c' };
    here.hub.send({ header: { msg_id: operation, timestamp: 1 }, route, content: { kind: 'ConfigMap' } });
    const answer = await here.hub.frame('the answer', ({ header }) => header.parent_msg_id === operation);
    assert.is(answer.route.operation, 'response');
  }
});

test('while the cloud does not acknowledge, reports coalesce: at most one is on its way, then the newest', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: undefined })]);
  await here.hub.report('d1/temperature', () => true);
  here.hub.acking = false;
  const from = here.hub.frames.length;
  for (let value = 1; value <= 50; value++) await here.report('d1', String(value));
  const sent = (): (string | undefined)[] =>
    here.hub.frames
      .slice(from)
      .filter(({ route }) => route.resource === 'device/d1/twin/edge_updated')
      .map(({ content }) => (content as { twin: Record<string, MsgTwin> }).twin['temperature']?.actual?.value);
  assert.equal(sent(), ['1']);
  here.hub.acking = true;
  const unanswered = here.hub.frames.slice(from).find(({ route }) => route.resource === 'device/d1/twin/edge_updated');
  assert.ok(unanswered);
  here.hub.send(responseTo(unanswered, 1));
  await until(() => sent().length === 2, { what: 'the newest value' });
  assert.equal(sent(), ['1', '50']);
});

test('what was not acknowledged is told after a reconnect, in its newest form', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: undefined })]);
  await here.hub.report('d1/temperature', () => true);
  here.hub.acking = false;
  await here.report('d1', '1');
  await here.hub.report('d1/temperature', (told) => told?.actual?.value === '1');
  here.hub.cut();
  await here.report('d1', '2');
  const from = here.hub.frames.length;
  here.hub.acking = true;
  await here.hub.report('d1/temperature', (told) => told?.actual?.value === '2', from);
});

test('what was reported while the link was down, and before a restart, is told', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: undefined })]);
  await here.members();
  const { server } = here.hub;
  await here.hub.close();
  for (const value of ['1', '2', '3']) await here.report('d1', value);
  await here.stop();
  const hub = await startHiveletHub({ dataDir: here.dataDir, node: 'edge-node', port: Number(server.split(':')[1]) });
  closeLater(() => hub.close());
  const again = await startLinkedEdge(() => ({ devices: [], hivelet: { cluster_uid: 'cluster-1', unchanged: ['d1'], removed: [] } }), {
    hub,
    dataDir: here.dataDir,
  });
  const told = await again.hub.report('d1/temperature', () => true);
  assert.equal([told?.actual?.value, told?.actual_version], ['3', { cloud: 0, edge: 3 }]);
  assert.is(hub.reports('d1').length, 1, 'once');
});

test('an equal report sends nothing upstream', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: undefined })]);
  await here.report('d1', '1');
  await here.hub.report('d1/temperature', (told) => told?.actual?.value === '1');
  for (let count = 0; count < 5; count++) await here.report('d1', '1');
  await here.report('d1', '2');
  await here.hub.report('d1/temperature', (told) => told?.actual?.value === '2');
  const values = here.hub.reports('d1').map(({ twin: told }) => told['temperature']?.actual?.value);
  assert.equal(values.filter((value) => value === '1').length, 1);
});

test('a report that the cloud does not want from this node is dropped, others go on', async () => {
  const here = await startLinkedEdge([entry('d1', { temperature: undefined }), entry('d2', { temperature: undefined })]);
  await here.hub.report('d2/temperature', () => true);
  here.hub.answer = (frame) =>
    frame.route.resource.startsWith('device/d1/')
      ? responseTo(frame, 1, { operation: 'error', content: 'd1 is not bound to edge-node' })
      : responseTo(frame, 1);
  await here.report('d1', '1');
  await here.hub.report('d1/temperature', (told) => told?.actual?.value === '1');
  await here.report('d2', '1');
  await here.hub.report('d2/temperature', (told) => told?.actual?.value === '1');
  await until(() => here.edge.log.some(({ event }) => event === 'twin.report.refused'), { what: 'the log event' });
  assert.match(here.detail('twin'), /0 values wait/);
});

test('an error of the cloud is no acknowledgement: the newest state is told again, with back-off', async () => {
  const clock = new FakeClock();
  const here = await startLinkedEdge([entry('d1', { temperature: undefined })], { clock });
  await here.hub.report('d1/temperature', () => true);
  here.hub.answer = (frame) =>
    responseTo(frame, 1, frame.route.resource === 'device/d1/twin/edge_updated' ? { operation: 'error', content: 'the API is away' } : {});
  await here.report('d1', '1');
  await here.hub.report('d1/temperature', (told) => told?.actual?.value === '1');
  await here.report('d1', '2');
  here.hub.answer = (frame) => responseTo(frame, 1);
  await until(
    async () => {
      await clock.advance(100);
      return here.hub.reports('d1').at(-1)?.twin['temperature']?.actual?.value === '2';
    },
    { what: 'the newest state' },
  );
});

test('the cloud sees state with a version that counts changes, once each', async () => {
  const here = await startLinkedEdge([entry('d1', {})]);
  const states = (): { device: object; hivelet: { version: number } }[] =>
    here.hub.frames
      .filter(({ route }) => route.resource === 'device/d1/state/update')
      .map(({ content }) => JSON.parse(content as string) as never);
  for (const state of ['online', 'online', 'offline']) {
    here.mqtt.publish(deviceTopic.stateUpdate('d1'), JSON.stringify({ state }));
    await here.members();
  }
  await until(() => states().at(-1)?.hivelet.version === 2, { what: 'the newest state' });
  assert.equal(
    states()
      .map(({ hivelet: { version } }) => version)
      .filter((version, index, all) => all.indexOf(version) === index),
    [1, 2],
  );
});

test('last-seen goes up batched, every minute, as ages', async () => {
  const clock = new FakeClock();
  const here = await startLinkedEdge([entry('d1', { temperature: undefined }), entry('d2', {})], { clock });
  await here.report('d1', '1');
  await clock.advance(60_000);
  const told = await here.hub.frame('last-seen', ({ route }) => route.resource === 'devices/last-seen');
  assert.equal(Object.keys((told.content as { ages: object }).ages), ['d1']);
});

test('large twins of one device are told in several messages: no frame grows over what the peer takes', async () => {
  const here = await startLinkedEdge([entry('d1', {})]);
  const value = 'v'.repeat(16_000);
  for (let batch = 0; batch < 30; batch++) {
    await here.update(
      'd1',
      Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`n${String(batch * 10 + index)}`, { actual: { value } }])),
    );
  }
  here.hub.cut();
  const from = here.hub.frames.length;
  const told = new Set<string>();
  await until(
    () => {
      for (const { route, content } of here.hub.frames.slice(from))
        if (route.resource === 'device/d1/twin/edge_updated') {
          assert.ok(JSON.stringify(content).length < 1_200_000);
          for (const name of Object.keys((content as { twin: object }).twin)) told.add(name);
        }
      return told.size === 300;
    },
    { what: 'all 300 twins' },
  );
});

test.run();

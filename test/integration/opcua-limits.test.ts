// timeout: 120s
/** Proves that an OPC UA server that does little at once is served: asked for less, and noticed when it forgets what it pushed. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { silentLogger } from '#beehive/log.ts';
import { closeAll, connect, plugin, point, serve, stop, subscribe } from '#test/simulators/opcua-rig.ts';
import { until } from '#test/support/until.ts';

test('a server that does little at once is asked for little at once', async () => {
  const field = await serve({ count: 60, operationLimits: { maxNodesPerRead: 12, maxNodesPerBrowse: 12, maxMonitoredItemsPerCall: 7 } });
  const { connection, link } = await connect(field.url);
  const names = Array.from({ length: 60 }, (_, index) => `value-${index}`);
  const points = names.map((name) => point(name));
  const readings = await connection.read(link, points, { signal: stop.signal });
  assert.equal(
    readings.map((reading) => ('value' in reading ? reading.value : reading)),
    names.map((_, index) => index),
  );
  const [pushed, taken] = await subscribe(connection, link, points);
  assert.is(taken.size, 60);
  await until(() => pushed.latest.size === 60, { what: 'all first values' });
  const found: number[] = [];
  assert.ok(plugin.discover);
  for await (const device of plugin.discover({ url: field.url }, { clock: systemClock, log: silentLogger(), signal: stop.signal }))
    found.push(device.properties.length);
  assert.ok((found[0] ?? 0) >= 60, `it found ${found.join()}`);
});

test('a subscription that comes back empty after a restart makes the connection end', async () => {
  // The client asks for twelve limits at once before it makes the items anew, and says nothing when it is refused.
  const limits = { operationLimits: { maxNodesPerRead: 10 } };
  const first = await serve(limits);
  const { connection, link } = await connect(first.url);
  let isLost = false;
  void connection.lost.then(() => (isLost = true));
  const [pushed] = await subscribe(connection, link, [point('Double')]);
  await until(() => pushed.latest.size === 1, { what: 'the first value' });
  await first.kill();
  await serve({ port: first.port, ...limits });
  await until(() => isLost, { what: 'the connection to be given up', deadlineMs: 30_000 });
  await connection.close();
});

test.after(closeAll);
test.run();

/** An edge that knows several cloudcores. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { startTestEdge } from '#test/support/edge.ts';
import { startHiveletHub } from '#test/support/hivelet-hub.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

test('a link that breaks goes to the next cloudcore of the list, and back when that one is gone too', async () => {
  const dataDir = tempDir();
  const hubs = [await startHiveletHub({ dataDir, node: 'edge-node' }), await startHiveletHub({ dataDir, node: 'edge-node' })] as const;
  const { edge } = await startTestEdge({ dataDir, hub: hubs.map(({ server }) => server).join(' , ') });
  try {
    const asked = (): number[] => hubs.map((hub) => hub.details().length);
    await until(() => asked().includes(1), { what: 'the first link' });
    const first = asked()[0] === 1 ? 0 : 1;
    hubs[first].cut();
    await until(() => asked()[1 - first] === 1, { what: 'the link to the other one' });
    assert.is(asked()[first], 1);
    hubs[first === 0 ? 1 : 0].cut();
    await until(() => asked()[first] === 2, { what: 'the link to the first one again' });
  } finally {
    await edge.stop();
    for (const hub of hubs) await hub.close();
  }
});

test.run();

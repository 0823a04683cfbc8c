/** kill -9 of the API server under load: what was answered is there, in the order of its versions. */
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { configmaps } from '#cloud/store/kube-api.ts';
import { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { ADMIN_TOKEN, startApiServer } from '../support/api-server.ts';
import { spawnProcess } from '../support/processes.ts';
import { tempDir } from '../support/temp-dir.ts';

const program = path.join(import.meta.dirname, '../support/api-server-process.ts');
const ROUNDS = 3;
const WRITERS = 16;

/** Each writer counts up in an object of its own; returns the last value of each that was answered. */
async function writeUntilKilled(client: KubeClient, killed: AbortSignal): Promise<{ answered: Map<string, number>; versions: number[] }> {
  const answered = new Map<string, number>();
  const versions: number[] = [];
  const writer = async (index: number): Promise<void> => {
    const name = `writer-${index}`;
    await client.create(configmaps, { metadata: { name, namespace: 'default' }, data: { n: '0' } }).catch(() => undefined);
    for (let n = 1; !killed.aborted; n += 1) {
      try {
        const change = { type: 'merge', body: { data: { n: String(n) } }, signal: killed } as const;
        const { metadata } = await client.patch(configmaps, { namespace: 'default', name }, change);
        answered.set(name, n);
        versions.push(Number(metadata.resourceVersion));
      } catch {
        return;
      }
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, (_each, index) => writer(index)));
  return { answered, versions };
}

test('no answered write is lost, and versions only go up', async () => {
  const dataDir = tempDir();
  let highest = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const server = spawnProcess({ command: process.execPath, args: ['--import', 'tsx', program, dataDir] });
    const { url, ca } = JSON.parse(await server.line('{"url"')) as { url: string; ca: string };
    const client = new KubeClient({ access: { server: url, ca, token: () => ADMIN_TOKEN, namespace: 'default' }, clock: systemClock });
    const killed = new AbortController();
    const writing = writeUntilKilled(client, killed.signal);
    setTimeout(
      () => {
        server.kill();
        killed.abort(new Error('killed'));
      },
      300 + round * 170,
    );
    const { answered, versions } = await writing;
    client.close();
    await server.exited;
    assert.ok(answered.size > 0, 'some writes were answered');
    assert.ok(Math.min(...versions) > highest, 'versions of a restarted server are newer');
    highest = Math.max(...versions);
    const again = await startApiServer({ dataDir });
    for (const [name, n] of answered) {
      const { data, metadata } = await again.client.get(configmaps, { namespace: 'default', name });
      // One write more may have been committed without its answer getting out.
      assert.ok(Number((data as { n: string }).n) >= n, `${name} has ${(data as { n: string }).n}, ${n} was answered`);
      assert.ok(Number(metadata.resourceVersion) < again.server.stats.revision);
    }
    highest = Math.max(highest, again.server.stats.revision);
    await again.close();
  }
});

test.run();

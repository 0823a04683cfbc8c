// timeout: 180s
/** A configmap and a pod from the user's own kubectl to the database of a board, over a power cut, and their end. */
import path from 'node:path';
import Database from 'better-sqlite3';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createKubectl } from '#test/support/kubectl.ts';
import { needing } from '#test/support/peers.ts';
import { createSite } from '#test/support/programs.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const manifest = `
apiVersion: v1
kind: ConfigMap
metadata: {name: app-cfg}
data: {greeting: hello}
---
apiVersion: v1
kind: Pod
metadata: {name: app}
spec:
  nodeName: edge-1
  containers:
  - {name: app, image: 'app:1', envFrom: [{configMapRef: {name: app-cfg}}]}
`;

/** What the board has on its disk, without the process that owns it. */
function stored(dataDir: string): Map<string, { data?: { greeting?: string } }> {
  const sqlite = new Database(path.join(dataDir, 'edge', 'edgecore.db'), { readonly: true });
  const rows = sqlite.prepare<[], { key: string; value: string }>(`SELECT key, value FROM meta WHERE type IN ('pod', 'configmap')`).all();
  sqlite.close();
  return new Map(rows.map(({ key, value }) => [key, JSON.parse(value) as { data?: { greeting?: string } }]));
}

needing(test, 'kubectl')(
  'what kubectl applies for a node is on its disk, also after a power cut, and what it deletes is gone',
  async () => {
    const site = await createSite(tempDir());
    const cloud = await site.cloud();
    const kubectl = createKubectl(path.join(site.dataDir, 'kubeconfig'));
    let edge = await site.edge();
    await kubectl.run('wait', '--for=condition=Ready', 'node/edge-1', '--timeout=60s');
    await kubectl.pipe(manifest, 'apply', '-f', '-');
    const shows = (...lines: RegExp[]): Promise<unknown> =>
      until(
        async () => {
          const table = await kubectl.run('get', 'objectsyncs', '--no-headers');
          return lines.every((line) => line.test(table)) && table.trim().split('\n').length === lines.length;
        },
        { what: `the records ${lines.join(', ')}`, deadlineMs: 30_000, everyMs: 200 },
      );
    await shows(/^edge-1\.\S+ +ConfigMap +app-cfg +\d+ /m, /^edge-1\.\S+ +Pod +app +\d+ /m);
    edge.signal('SIGKILL');
    await edge.exited;
    assert.equal([...stored(site.dataDir).keys()].sort(), ['default/configmap/app-cfg', 'default/pod/app']);
    await kubectl.run('patch', 'configmap', 'app-cfg', '--type=merge', '-p', '{"data":{"greeting":"good-bye"}}');
    edge = await site.edge();
    const version = await kubectl.run('get', 'configmap', 'app-cfg', '-o', 'jsonpath={.metadata.resourceVersion}');
    await shows(new RegExp(`^edge-1\\.\\S+ +ConfigMap +app-cfg +${version} `, 'm'), /Pod +app /);
    await edge.stop();
    assert.is(stored(site.dataDir).get('default/configmap/app-cfg')?.data?.greeting, 'good-bye');
    edge = await site.edge();
    await kubectl.pipe(manifest, 'delete', '-f', '-', '--timeout=60s');
    await until(async () => (await kubectl.run('get', 'objectsyncs', '-o', 'name')).trim() === '', {
      what: 'the end of the records',
      deadlineMs: 30_000,
    });
    await edge.stop();
    assert.equal([...stored(site.dataDir).keys()], []);
    await cloud.stop();
  },
);

test.run();

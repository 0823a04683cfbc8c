// timeout: 120s
/** What the user's own kubectl shows of nodes, and what it changes of them that a board must not change back. Cloud and edge are real. */
import Database from 'better-sqlite3';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { NodeLists } from '#cloud/enrolment/node-lists.ts';
import { initCloud } from '#cloud/pki/init.ts';
import { NODE_VERSION } from '#edge/version.ts';
import { startTestCloud, type TestCloud } from '#test/support/cloud.ts';
import { startTestEdge, type TestEdge } from '#test/support/edge.ts';
import { createKubectl, type Kubectl } from '#test/support/kubectl.ts';
import { needing } from '#test/support/peers.ts';
import { until } from '#test/support/until.ts';

const kubectlTest = needing(test, 'kubectl');
let cloud: TestCloud;
let edge: TestEdge;
let kubectl: Kubectl;

const startEdge = (): Promise<TestEdge> =>
  startTestEdge({
    dataDir: cloud.dataDir,
    node: 'pi',
    hub: `127.0.0.1:${cloud.cloud.hubPort}`,
    sets: ['modules.edged.labels.board=pi-4', 'modules.edged.labels.room=hall'],
  });

const path = async (expression: string): Promise<string> => kubectl.run('get', 'node', 'pi', '-o', `jsonpath=${expression}`);

test.before(async () => {
  cloud = await startTestCloud();
  kubectl = createKubectl(cloud.kubeconfig);
  await initCloud({ dataDir: cloud.dataDir, advertise: [], clock: systemClock, nodeName: 'pi' });
  edge = await startEdge();
  await kubectl.run('wait', '--for=create', 'node/pi', '--timeout=20s');
  await kubectl.run('wait', '--for=condition=Ready', 'node/pi', '--timeout=20s');
});

test.after(async () => {
  await edge.edge.stop();
  await cloud.close();
});

kubectlTest('get nodes shows status, roles, age and version, -o wide the board', async () => {
  const [head, line = ''] = (await kubectl.run('get', 'nodes')).split('\n');
  assert.match(head ?? '', /^NAME +STATUS +ROLES +AGE +VERSION$/);
  const [name, status, roles, age, version] = line.split(/ +/);
  assert.equal([name, status, roles, version], ['pi', 'Ready', 'agent,edge', NODE_VERSION]);
  assert.match(NODE_VERSION, /^v1\.32\.0-kubeedge-v1\.9\.1-hivelet-/);
  assert.match(age ?? '', /^\d+[smh]/);
  const wide = await kubectl.run('get', 'nodes', '-o', 'wide');
  assert.match(wide, /INTERNAL-IP +EXTERNAL-IP +OS-IMAGE +KERNEL-VERSION +CONTAINER-RUNTIME/);
  assert.match(wide, /pi +Ready .* \d+\.\d+\.\d+\.\d+ +<none> +\S.* +none:\/\/0/);
});

kubectlTest('describe node shows capacity, addresses, conditions, the Lease and what happened', async () => {
  const described = (): Promise<string> => kubectl.run('describe', 'node', 'pi');
  const text = await until(
    async () => {
      const shown = await described();
      return shown.includes('NodeReady') && shown.includes('RegisteredNode') ? shown : undefined;
    },
    { what: 'the Events of the node', everyMs: 200 },
  );
  for (const pattern of [
    /Lease:\n +HolderIdentity: +\S+\n +AcquireTime: .*\n +RenewTime: +\w{3}, /,
    /MemoryPressure +(True|False) .*Edge/,
    /DiskPressure +(True|False) .*Edge/,
    /PIDPressure +(True|False) .*Edge/,
    /Ready +True .*EdgeReady +edge is posting ready status/,
    /InternalIP: +\S+\n +Hostname: +pi/,
    /Capacity:\n +cpu: +\d+\n +ephemeral-storage: +\d+Ki\n +memory: +\d+Ki\n +pods: +0/,
    /Allocatable:\n +cpu: /,
    new RegExp(`Kubelet Version: +${NODE_VERSION.replaceAll('.', '\\.')}`),
    /Normal +RegisteredNode .* edgecontroller +node pi registered with its certificate/,
    /Normal +NodeReady /,
  ]) {
    assert.match(text, pattern);
  }
});

kubectlTest('labels, taints, annotations and a cordon go down to the board, and survive its registration', async () => {
  await kubectl.run('label', 'node', 'pi', 'room=cellar', '--overwrite');
  await kubectl.run('label', 'node', 'pi', 'floor=2', 'board-');
  await kubectl.run('annotate', 'node', 'pi', 'owner=ops');
  await kubectl.run('taint', 'node', 'pi', 'slow=yes:NoSchedule');
  await kubectl.run('cordon', 'pi');
  assert.match(await kubectl.run('get', 'nodes'), /pi +Ready,SchedulingDisabled +agent,edge/);
  const version = await path('{.metadata.resourceVersion}');
  await edge.edge.stop();
  edge = await startEdge();
  await until(() => cloud.log.filter(({ event }) => event === 'node.connected').length >= 2, { what: 'the board to be back' });
  await until(async () => (await path('{.status.nodeInfo.bootID}')) !== '', { what: 'its status' });
  const settled = (): Promise<string> => path('{.metadata.labels.room} {.metadata.labels.floor} {.metadata.labels.board} {.spec}');
  const expected = 'cellar 2  {"taints":[{"effect":"NoSchedule","key":"slow","value":"yes"}],"unschedulable":true}';
  // The registration is answered only after whatever it writes.
  await until(() => edge.edge.health().modules['edged']?.detail === 'registered', { what: 'the registration' });
  assert.is(await settled(), expected);
  assert.is(await path('{.metadata.annotations.owner}'), 'ops');
  assert.ok(Number(await path('{.metadata.resourceVersion}')) >= Number(version));
  await edge.edge.stop();
  const database = new Database(join(cloud.dataDir, 'edge', 'edgecore.db'), { readonly: true });
  const row = database.prepare<[string], { value: string }>('SELECT value FROM meta WHERE key = ?').get('default/node/pi');
  database.close();
  const stored = JSON.parse(row?.value ?? '{}') as { metadata?: { labels?: Record<string, string> }; spec?: unknown };
  assert.equal(
    [stored.metadata?.labels?.['room'], stored.spec],
    ['cellar', { taints: [{ effect: 'NoSchedule', key: 'slow', value: 'yes' }], unschedulable: true }],
  );
  edge = await startEdge();
  await kubectl.run('uncordon', 'pi');
  await kubectl.run('taint', 'node', 'pi', 'slow-');
  assert.is(await path('{.spec}'), '{}');
});

kubectlTest('a node that is deleted while it runs is out; once it is allowed again it comes back with its own labels', async () => {
  await until(() => edge.edge.health().modules['edged']?.detail === 'registered', { what: 'the registration' });
  await kubectl.run('delete', 'node', 'pi');
  await until(() => edge.edge.health().modules['websocket']?.detail?.includes('no link to the cloud'), { what: 'the end of the link' });
  await edge.edge.stop();
  assert.ok(await new NodeLists({ api: cloud.api, clock: systemClock }).release('pi'));
  edge = await startEdge();
  await kubectl.run('wait', '--for=create', 'node/pi', '--timeout=20s');
  await kubectl.run('wait', '--for=condition=Ready', 'node/pi', '--timeout=20s');
  assert.is(await path('{.metadata.labels.room} {.metadata.labels.board}{.metadata.labels.floor}'), 'hall pi-4');
});

test.run();

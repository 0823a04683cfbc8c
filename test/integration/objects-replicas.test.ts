// timeout: 120s
/** Objects and the real edge: over restarts of either side, and with two cloudcores between which the node moves while everything changes. */
import { cpSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock, type Clock } from '#beehive/clock.ts';
import { loadConfig } from '#beehive/config-file.ts';
import { silentLogger } from '#beehive/log.ts';
import { cloudSchema } from '#cloud/config.ts';
import { serveApi } from '#cloud/kube-access.ts';
import { initCloud } from '#cloud/pki/init.ts';
import { configmaps, objectSyncs, pods, type KubeApi, type KubeObject } from '#cloud/store/kube-api.ts';
import { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { readKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { startTestCloud, type TestCloud } from '#test/support/cloud.ts';
import { configmap, createNode, podOf, removePod, setValue } from '#test/support/down-objects.ts';
import { startTestEdge, type TestEdge } from '#test/support/edge.ts';
import { freePort } from '#test/support/ports.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

/** A door that leads to one cloud or the other. */
interface Door {
  readonly server: string;
  /** Leads there from now on; who is inside has to come in again. */
  leadTo(port: number): void;
  close(): Promise<void>;
}

async function openDoor(): Promise<Door> {
  let to = 0;
  const inside = new Set<Socket>();
  const server = createServer((socket) => {
    const far = connect(to, '127.0.0.1');
    for (const [one, other] of [
      [socket, far],
      [far, socket],
    ] as const) {
      inside.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        inside.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const leave = (): void => [...inside].forEach((socket) => socket.destroy());
  return {
    server: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    leadTo: (port) => {
      to = port;
      leave();
    },
    close: async () => {
      leave();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Dials again at once. */
const impatient: Clock = { ...systemClock, random: () => 0.01 };

interface World {
  api: KubeApi;
  cloud(name: string): Promise<TestCloud>;
  edge(hub: string): Promise<TestEdge>;
  close(): Promise<void>;
}

/** One API; clouds and edges of one authority. */
async function world(): Promise<World> {
  const dataDir = tempDir();
  const port = await freePort();
  await initCloud({ dataDir, advertise: ['127.0.0.1'], clock: systemClock, nodeName: 'pi' });
  const config = loadConfig(cloudSchema, { sets: [`modules.apiServer.listen=127.0.0.1:${port}`] });
  const { server } = await serveApi({ config, dataDir, clock: systemClock, log: silentLogger() });
  const api = new KubeClient({ access: readKubeconfig(`${dataDir}/kubeconfig`), clock: systemClock });
  const kubeconfig = `${dataDir}/kubeconfig`;
  return {
    api,
    cloud: async () => {
      const own = tempDir();
      cpSync(join(dataDir, 'pki'), join(own, 'pki'), { recursive: true });
      return startTestCloud({ dataDir: own, kubeconfig, sets: [`kubeAPIConfig.kubeConfig=${kubeconfig}`] });
    },
    edge: (hub) => startTestEdge({ dataDir, node: 'pi', hub, clock: impatient }),
    close: async () => {
      api.close();
      await server.close();
    },
  };
}

const valueAt = (edge: TestEdge, name: string): string | undefined =>
  (edge.edge.objects.get('configmap', { namespace: 'default', name }) as { data?: { value?: string } } | undefined)?.data?.value;

/** Follows the edge's store: an object whose version goes back, or that comes back after its deletion, is a fault. */
function witness(edge: TestEdge): { faults: string[] } {
  const seen = new Map<string, number>();
  const uids = new Map<string, string>();
  const gone = new Set<string>();
  const faults: string[] = [];
  edge.edge.objects.onChange(({ key, object }) => {
    const { uid = '', resourceVersion = '' } = (object?.['metadata'] ?? {}) as Partial<KubeObject['metadata']>;
    const version = Number(resourceVersion);
    if (object === undefined) return void gone.add(uids.get(key) ?? '');
    if (version < (seen.get(key) ?? 0)) faults.push(`${key} went back from ${seen.get(key) ?? 0} to ${version}`);
    if (gone.has(uid)) faults.push(`${key} came back`);
    seen.set(key, version);
    uids.set(key, uid);
  });
  return { faults };
}

test('objects outlive a restart of the edge and of the cloud, and follow what happened meanwhile', async () => {
  const { api, cloud, edge, close } = await world();
  const first = await cloud('a');
  await createNode(api, 'pi');
  for (const name of ['a', 'b']) await api.create(configmaps, configmap(name, '1'));
  await api.create(pods, podOf('web', 'pi', { configmaps: ['a', 'b'] }));
  const board = await edge(`127.0.0.1:${first.cloud.hubPort}`);
  await until(() => board.edge.objects.get('pod', { namespace: 'default', name: 'web' }), { what: 'the pod at the edge' });
  assert.equal([valueAt(board, 'a'), valueAt(board, 'b')], ['1', '1']);
  assert.equal(
    board.edge.objects.list('configmap', 'default').map(({ key }) => key),
    ['default/configmap/a', 'default/configmap/b'],
  );
  await until(async () => (await api.list(objectSyncs)).items.length === 3, { what: 'the records' });
  await board.edge.stop();
  await first.close();
  await setValue(api, 'a', '2');
  await removePod(api, 'web');
  await api.create(pods, podOf('other', 'pi', { configmaps: ['a'] }));
  const second = await cloud('a');
  const again = await edge(`127.0.0.1:${second.cloud.hubPort}`);
  assert.is(again.edge.objects.list('configmap').length, 2, 'it knows what it had');
  await until(() => valueAt(again, 'a') === '2' && valueAt(again, 'b') === undefined, { what: 'the new state' });
  await until(() => again.edge.objects.get('pod', { namespace: 'default', name: 'web' }) === undefined, { what: 'the end of the pod' });
  await until(async () => (await api.list(objectSyncs)).items.length === 2, { what: 'the records' });
  await again.edge.stop();
  await second.close();
  await close();
});

test('a pod that is deleted gracefully is over when the edge has heard of it', async () => {
  const { api, cloud, edge, close } = await world();
  const only = await cloud('a');
  await createNode(api, 'pi');
  await api.create(pods, podOf('web', 'pi'));
  const board = await edge(`127.0.0.1:${only.cloud.hubPort}`);
  await until(() => board.edge.objects.get('pod', { namespace: 'default', name: 'web' }), { what: 'the pod at the edge' });
  await api.delete(pods, { namespace: 'default', name: 'web' }, { gracePeriodSeconds: 30 });
  await until(async () => (await api.list(pods)).items.length === 0, { what: 'the end of the pod in the API' });
  await until(() => board.edge.objects.get('pod', { namespace: 'default', name: 'web' }) === undefined, { what: 'its end at the edge' });
  await board.edge.stop();
  await only.close();
  await close();
});

test('between two cloudcores nothing goes back, nothing comes back and nothing is lost', async () => {
  const { api, cloud, edge, close } = await world();
  const clouds = [await cloud('a'), await cloud('b')];
  const door = await openDoor();
  const [one, two] = clouds;
  door.leadTo(one?.cloud.hubPort ?? 0);
  await createNode(api, 'pi');
  const names = Array.from({ length: 20 }, (_, index) => `m${index}`);
  for (const name of names) await api.create(configmaps, configmap(name, '0'));
  await api.create(pods, podOf('web', 'pi', { configmaps: names }));
  const board = await edge(door.server);
  const { faults } = witness(board);
  await until(() => board.edge.objects.list('configmap').length === names.length, { what: 'the objects at the edge' });
  let changing = true;
  const latest = new Map<string, string>();
  const change = async (): Promise<void> => {
    for (let round = 1; changing; round++) {
      const name = names[round % names.length] ?? '';
      if (round % 7 === 0) {
        await api.delete(configmaps, { namespace: 'default', name });
        await api.create(configmaps, configmap(name, String(round)));
      } else await setValue(api, name, String(round));
      latest.set(name, String(round));
    }
  };
  const changes = change();
  for (let move = 0; move < 12; move++) {
    const [from, to] = move % 2 === 0 ? [one, two] : [two, one];
    const seen = to?.log.length ?? 0;
    door.leadTo(to?.cloud.hubPort ?? 0);
    await until(() => to?.log.slice(seen).some(({ event }) => event === 'node.connected'), {
      what: 'the node at the other cloud',
      deadlineMs: 40_000,
    });
    assert.ok(from !== to);
    const applied = valueAt(board, 'm1');
    await until(() => valueAt(board, 'm1') !== applied, { what: 'a change through it', deadlineMs: 20_000 });
  }
  changing = false;
  await changes;
  await until(() => names.every((name) => valueAt(board, name) === latest.get(name)), { what: 'the last state at the edge' });
  assert.equal(faults, []);
  await until(
    async () => {
      const records = (await api.list(objectSyncs)).items;
      const versions = new Map(
        (await api.list(configmaps)).items.map(({ metadata }) => [`pi.${metadata.uid ?? ''}`, metadata.resourceVersion]),
      );
      const own = records.filter(({ spec }) => (spec as { objectKind: string }).objectKind === 'ConfigMap');
      const right = own.filter(({ metadata, status }) => {
        return (status as { objectResourceVersion?: string } | undefined)?.objectResourceVersion === versions.get(metadata.name);
      });
      if (right.length === names.length && own.length === names.length) return true;
      throw new Error(`${right.length} of ${own.length} records are right`);
    },
    { what: 'the records to say the same', deadlineMs: 30_000 },
  );
  await board.edge.stop();
  await door.close();
  for (const each of clouds) await each.close();
  await close();
});

test.run();

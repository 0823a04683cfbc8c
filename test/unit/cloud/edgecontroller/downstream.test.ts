/** The copy of what edge nodes are to have: bounded to what is used, and never sure of what it has not read. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import { Downstream } from '#cloud/edgecontroller/downstream/downstream.ts';
import { configmaps, nodes, pods, type KubeObjectInput } from '#cloud/store/kube-api.ts';
import { EDGE_LABELS, configmap, podOf } from '#test/support/down-objects.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { MemoryKubeApi } from '#test/support/memory-kube-api.ts';

const node = (name: string, labels: Record<string, string> = EDGE_LABELS): KubeObjectInput => ({ metadata: { name, labels } });

async function rig(fill: (api: MemoryKubeApi) => void = () => undefined) {
  const api = new MemoryKubeApi();
  const clock = new FakeClock();
  fill(api);
  const told: string[] = [];
  const downstream = new Downstream({
    api,
    changed: (name, key) => told.push(`${name} ${key}`),
    nodeChanged: (name, isEdge) => told.push(`${name} ${isEdge ? 'is' : 'is not'} of the edge`),
  });
  const stop = new AbortController();
  const started = downstream.start({ clock, log: silentLogger(), signal: stop.signal, failed: () => undefined });
  await clock.settle();
  await started;
  const close = async (): Promise<void> => {
    stop.abort();
    await downstream.stop();
  };
  const news = async (): Promise<string[]> => {
    await clock.settle();
    return told.splice(0);
  };
  await news();
  return { api, clock, downstream, close, news };
}

const held = (downstream: Downstream): string | undefined => downstream.health().detail;

test('of many objects only those are held that a pod of an edge node uses', async () => {
  const { downstream, close } = await rig((api) => {
    api.put(nodes, node('pi'));
    for (let index = 0; index < 100; index++) {
      api.put(nodes, node(`server-${index}`, {}));
      api.put(configmaps, configmap(`m${index}`, 'x'));
      api.put(pods, podOf(`p${index}`, `server-${index}`, { configmaps: [`m${index}`] }));
    }
    api.put(pods, podOf('web', 'pi', { configmaps: ['m7'] }));
  });
  assert.is(held(downstream), '3 objects are held for edge nodes');
  assert.equal([...downstream.keys('pi')], ['default/node/pi', 'default/configmap/m7', 'default/pod/web']);
  assert.equal([...downstream.keys('server-1')], []);
  assert.equal(downstream.look('server-1', 'default/pod/p1'), { state: 'unknown' }, 'it says nothing of nodes that are none of ours');
  await close();
});

test('what a new pod uses is read, and the pod waits for it; what nobody uses any more is let go', async () => {
  const { api, clock, downstream, news, close } = await rig((filled) => {
    filled.put(nodes, node('pi'));
    filled.put(configmaps, configmap('m', 'x'));
  });
  let answer: () => void = () => undefined;
  api.before = ({ verb }) => (verb === 'get' ? new Promise((resolve) => (answer = resolve)) : undefined);
  api.put(pods, podOf('web', 'pi', { configmaps: ['m'] }));
  await clock.settle();
  assert.equal(
    [downstream.look('pi', 'default/configmap/m').state, downstream.look('pi', 'default/pod/web').state],
    ['unknown', 'unknown'],
  );
  await news();
  answer();
  assert.equal(await news(), ['pi default/configmap/m', 'pi default/configmap/m', 'pi default/pod/web']);
  assert.equal([downstream.look('pi', 'default/configmap/m').state, downstream.look('pi', 'default/pod/web').state], ['wanted', 'wanted']);
  api.before = () => undefined;
  api.put(pods, podOf('web', 'pi', { configmaps: ['missing'] }));
  await news();
  assert.equal(downstream.look('pi', 'default/configmap/m'), { state: 'unwanted' }, 'it is there, but of no use');
  assert.is(downstream.look('pi', 'default/configmap/missing').state, 'unwanted');
  assert.is(downstream.look('pi', 'default/pod/web').state, 'wanted', 'what does not exist is not waited for');
  assert.is(held(downstream), '2 objects are held for edge nodes');
  api.remove(pods, { namespace: 'default', name: 'web' });
  await clock.settle();
  const gone = downstream.look('pi', 'default/pod/web');
  assert.ok(gone.state === 'unwanted' && Number(gone.version) > 0, 'with the version it was gone at');
  await close();
});

test('a failure of the API while something is read says nothing and is tried again', async () => {
  const { api, clock, downstream, close } = await rig((filled) => void filled.put(nodes, node('pi')));
  api.put(configmaps, configmap('m', 'x'));
  let failures = 3;
  api.before = ({ verb }) => {
    if (verb === 'get' && failures-- > 0) throw MemoryKubeApi.failure(500, 'InternalError');
  };
  api.put(pods, podOf('web', 'pi', { configmaps: ['m'] }));
  await clock.settle();
  assert.is(downstream.look('pi', 'default/configmap/m').state, 'unknown');
  await clock.advance(10_000);
  assert.is(downstream.look('pi', 'default/configmap/m').state, 'wanted');
  await close();
});

test('pods that were bound before their node was known come with it; until they are read nothing is unwanted', async () => {
  const { api, clock, downstream, news, close } = await rig((filled) => void filled.put(pods, podOf('early', 'pi')));
  let answer: () => void = () => undefined;
  api.before = ({ verb, type }) => (verb === 'list' && type === 'pods' ? new Promise((resolve) => (answer = resolve)) : undefined);
  api.put(nodes, node('pi'));
  await clock.settle();
  assert.is(downstream.look('pi', 'default/pod/early').state, 'unknown');
  await news();
  answer();
  const told = await news();
  assert.ok(told.includes('pi default/pod/early') && told.at(-1) === 'pi is of the edge');
  assert.is(downstream.look('pi', 'default/pod/early').state, 'wanted');
  api.put(nodes, node('pi', {}));
  assert.equal((await news()).at(-1), 'pi is not of the edge');
  assert.equal([downstream.look('pi', 'default/pod/early').state, held(downstream)], ['unknown', '0 objects are held for edge nodes']);
  await close();
});

test('the API itself is asked what a node is not to have', async () => {
  const { api, downstream, close } = await rig((filled) => {
    filled.put(nodes, node('pi'));
    for (const name of ['used', 'unused']) filled.put(configmaps, configmap(name, 'x'));
    filled.put(pods, podOf('web', 'pi', { configmaps: ['used', 'missing'] }));
  });
  const keys = ['configmap/used', 'configmap/unused', 'configmap/missing', 'pod/web', 'pod/gone', 'node/pi', 'service/s'].map(
    (key) => `default/${key}`,
  );
  const unwanted = await downstream.confirmUnwanted('pi', keys, new AbortController().signal);
  assert.equal(
    [...unwanted],
    ['configmap/unused', 'configmap/missing', 'pod/gone', 'service/s'].map((key) => `default/${key}`),
  );
  const { metadata } = api.put(configmaps, configmap('later', 'x'));
  assert.equal([downstream.covers('1'), downstream.covers(String(Number(metadata.resourceVersion) + 1))], [true, false]);
  await close();
});

test('a kind that cannot be read does not keep the others from the nodes', async () => {
  const api = new MemoryKubeApi();
  const clock = new FakeClock();
  api.put(nodes, node('pi'));
  api.put(pods, podOf('web', 'pi', { secrets: ['key'] }));
  api.before = ({ type }) => {
    if (type === 'secrets') throw MemoryKubeApi.failure(403, 'Forbidden');
  };
  const downstream = new Downstream({ api, changed: () => undefined, nodeChanged: () => undefined });
  const stop = new AbortController();
  const started = downstream.start({ clock, log: silentLogger(), signal: stop.signal, failed: () => undefined });
  await clock.advance(5000);
  await started;
  assert.equal([downstream.look('pi', 'default/pod/web').state, downstream.look('pi', 'default/secret/key').state], ['wanted', 'unknown']);
  stop.abort();
  await downstream.stop();
});

test.run();

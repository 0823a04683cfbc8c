/** ObjectSyncs: their form, their writing at a bounded rate and never backwards, and the collection of those of deleted nodes. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import { clusterObjectSyncs, nodes, objectSyncs, type KubeObject } from '#cloud/store/kube-api.ts';
import { SyncController } from '#cloud/synccontroller/synccontroller.ts';
import { SyncRecords } from '#cloud/synccontroller/sync-records.ts';
import { acknowledged, hashOf, newRecord, readRecord, type Acknowledged, type SyncRecord } from '#cloud/synccontroller/sync-record.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { MemoryKubeApi } from '#test/support/memory-kube-api.ts';
import { keyOf, mapObject } from '#test/support/node-objects-rig.ts';

const word = (name: string, version: number, node = 'pi'): Acknowledged => acknowledged(node, keyOf(name), mapObject(name, version));
const versionOf = (object: KubeObject | undefined): unknown =>
  (object?.['status'] as { objectResourceVersion?: string } | undefined)?.objectResourceVersion;

async function rig(perSecond = 1000) {
  const api = new MemoryKubeApi();
  const clock = new FakeClock();
  const stop = new AbortController();
  const seen: SyncRecord[] = [];
  const gone: SyncRecord[] = [];
  const records = new SyncRecords({
    api,
    clock,
    log: silentLogger(),
    signal: stop.signal,
    perSecond,
    onSeen: (record) => seen.push(record),
    onGone: (record) => gone.push(record),
  });
  await records.start();
  const close = async (): Promise<void> => {
    stop.abort();
    await records.stop();
  };
  const at = (name: string, node = 'pi') => api.peek(objectSyncs, { namespace: 'default', name: `${node}.uid-${name}` });
  return { api, clock, records, seen, gone, close, at };
}

test('a record has the form of KubeEdge, and is read back, also with the plural of v1.9.1 and a node with dots', () => {
  const made = newRecord(word('a', 5, 'pi.of.mine'));
  assert.equal(
    [made.metadata, made['spec']],
    [
      { name: 'pi.of.mine.uid-a', namespace: 'default' },
      { objectAPIVersion: 'v1', objectKind: 'ConfigMap', objectName: 'a' },
    ],
  );
  const object: KubeObject = {
    apiVersion: 'x/v1',
    kind: 'ObjectSync',
    ...made,
    metadata: { name: '', ...made.metadata, resourceVersion: '9' },
  };
  assert.equal(readRecord(object), { ...word('a', 5, 'pi.of.mine'), recordedAt: '9' });
  const old = readRecord({ ...object, spec: { objectAPIVersion: 'v1', objectKind: 'configmaps', objectName: 'a' }, status: {} });
  assert.equal([old?.key, old?.version, old?.hash], [keyOf('a'), '', undefined]);
  assert.is(readRecord({ ...object, metadata: { name: 'nodots' } }), undefined);
  const own = acknowledged('pi', 'default/node/pi', {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'pi', uid: 'u', resourceVersion: '3' },
  });
  assert.equal(newRecord(own).metadata, { name: 'pi.u' });
});

test('the hash is of the content, whatever the order of its fields, without version and status', () => {
  const one = mapObject('a', 1, { value: 'x' });
  const { kind, ...rest } = mapObject('a', 2, { value: 'x' });
  assert.is(hashOf(one), hashOf({ ...rest, status: { phase: 'Running' }, kind }));
  assert.is.not(hashOf(one), hashOf(mapObject('a', 1, { value: 'y' })));
});

test('a record is created, then raised, and never lowered, not even over one that another replica wrote', async () => {
  const { api, clock, records, close, at } = await rig();
  records.put(word('a', 5));
  await clock.settle();
  assert.is(versionOf(at('a')), '5');
  records.put(word('a', 7));
  await clock.settle();
  records.put(word('a', 6));
  await clock.settle();
  assert.is(versionOf(at('a')), '7');
  // The other one writes between our look and our write.
  let raced = false;
  api.before = ({ verb }) => {
    if (verb !== 'patch' || raced) return;
    raced = true;
    const present = at('a');
    if (present !== undefined) api.put(objectSyncs, { ...present, status: { objectResourceVersion: '20' } });
  };
  records.put(word('a', 9));
  await clock.settle();
  assert.equal([raced, versionOf(at('a'))], [true, '20']);
  records.remove(word('a', 9));
  await clock.settle();
  assert.is(at('a'), undefined);
  await close();
});

test('the newest word on a record is written, at a bounded rate', async () => {
  const { api, clock, records, close, at } = await rig(10);
  await clock.advance(5000);
  for (let version = 1; version <= 3; version++) {
    for (let index = 0; index < 100; index++) records.put(word(`m${index}`, version));
  }
  await clock.advance(1000);
  const created = (): number => api.calls.filter(({ verb, type }) => verb === 'create' && type === 'objectsyncs').length;
  assert.ok(created() >= 10 && created() <= 24, `${created()} in the first second`);
  await clock.advance(10_000);
  assert.equal([created(), records.waiting, versionOf(at('m99'))], [100, 0, '3']);
  await close();
});

test('an API that is down loses nothing; a namespace that takes nothing more is let go', async () => {
  const { api, clock, records, close, at } = await rig();
  let up = false;
  api.before = () => {
    if (!up) throw MemoryKubeApi.failure(500, 'InternalError');
  };
  records.put(word('a', 5));
  await clock.advance(2500);
  up = true;
  await clock.advance(2500);
  assert.is(versionOf(at('a')), '5');
  api.before = ({ verb }) => {
    if (verb === 'create') throw MemoryKubeApi.failure(403, 'Forbidden');
  };
  records.put(word('b', 5));
  await clock.advance(5000);
  assert.equal([records.waiting, api.calls.filter(({ verb, name }) => verb === 'create' && name === 'pi.uid-b').length], [0, 1]);
  await close();
});

async function controller({ leads = () => true }: { leads?: () => boolean } = {}) {
  const api = new MemoryKubeApi();
  const clock = new FakeClock();
  const edgeNodes = new Set<string>();
  for (const node of ['there', 'deleted', 'unlabelled']) {
    api.put(objectSyncs, { ...newRecord(word('a', 5, node)) });
    api.put(clusterObjectSyncs, {
      metadata: { name: `${node}.u` },
      spec: { objectAPIVersion: 'v1', objectKind: 'Node', objectName: node },
    });
  }
  edgeNodes.add('there');
  api.put(nodes, { metadata: { name: 'there' } });
  api.put(nodes, { metadata: { name: 'unlabelled' } });
  const stop = new AbortController();
  const sync = new SyncController({
    api,
    source: {
      isEdge: (node) => edgeNodes.has(node),
      keys: () => [],
      look: () => ({ state: 'unknown' }),
      covers: () => true,
      confirmUnwanted: async () => new Set(),
    },
    leads,
    compares: true,
    writesPerSecond: 100,
    clusterUid: () => 'c',
    dropLinks: () => undefined,
  });
  await sync.start({ clock, log: silentLogger(), signal: stop.signal, failed: () => undefined });
  const left = async (): Promise<string[]> => {
    const all = await Promise.all([api.list(objectSyncs), api.list(clusterObjectSyncs)]);
    return all.flatMap(({ items }) => items.map(({ metadata }) => metadata.name)).sort();
  };
  const close = async (): Promise<void> => {
    stop.abort();
    await sync.stop();
  };
  return { api, clock, sync, edgeNodes, left, close };
}

test('records of deleted nodes are collected after the start; a node that has lost its label only keeps them', async () => {
  const { clock, left, close } = await controller();
  await clock.advance(7000);
  assert.equal(await left(), ['there.u', 'there.uid-a', 'unlabelled.u', 'unlabelled.uid-a']);
  await close();
});

test('only the one that leads collects, as soon as it does, and on the deletion of a node', async () => {
  let leads = false;
  const { api, clock, sync, edgeNodes, left, close } = await controller({ leads: () => leads });
  await clock.advance(600_000);
  assert.is((await left()).length, 6);
  leads = true;
  await clock.advance(7000);
  assert.is((await left()).length, 4);
  api.remove(nodes, { name: 'there' });
  edgeNodes.delete('there');
  sync.nodeChanged('there', false);
  await clock.advance(1000);
  assert.equal(await left(), ['unlabelled.u', 'unlabelled.uid-a']);
  await close();
});

test.run();

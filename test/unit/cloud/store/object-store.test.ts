/** The store: one revision counter, commit before anybody sees it, and the window of past events. */
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import { isHiveletError } from '#beehive/errors.ts';
import { ObjectStore } from '#cloud/store/embedded/object-store.ts';
import { ObjectStorage, type RowChange } from '#cloud/store/embedded/storage.ts';
import { WatchWindow, type StoreEvent } from '#cloud/store/embedded/watch-window.ts';
import type { KubeObject } from '#cloud/store/kube-api.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const RESOURCE = 'configmaps';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function configMap(name: string, data: Record<string, string> = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default', uid: `uid-${name}` }, data };
}

interface Opened {
  storage: ObjectStorage;
  store: ObjectStore;
  clock: FakeClock;
  events: string[];
  close(): Promise<void>;
}

function open(file = path.join(tempDir(), 'kubernetes.db')): Opened & { file: string } {
  const clock = new FakeClock();
  const storage = new ObjectStorage({ file });
  const store = new ObjectStore({ storage, clock, log: silentLogger() });
  const events: string[] = [];
  store.subscribe(RESOURCE, ({ type, object, revision }) => events.push(`${type} ${object.name} ${revision - first}`));
  const first = store.revision;
  return {
    file,
    storage,
    store,
    clock,
    events,
    close: async () => {
      await store.close();
      storage.close();
    },
  };
}

test('writes of one turn share one commit and are published in order after it', async () => {
  const { store, events, close } = open();
  const writes = ['b', 'a', 'c'].map((name) => store.write({ resource: RESOURCE, object: configMap(name) }).done);
  assert.equal(events, []);
  assert.ok(store.pending !== undefined);
  await Promise.all(writes);
  assert.is(store.stats.commits, 1);
  assert.equal(events, ['ADDED b 1', 'ADDED a 2', 'ADDED c 3']);
  assert.equal(
    store.list(RESOURCE).map(({ name }) => name),
    ['a', 'b', 'c'],
  );
  assert.is(store.pending, undefined);
  await close();
});

test('what was answered is there after a restart, under revisions that go on', async () => {
  const first = open();
  const { stored, done } = first.store.write({ resource: RESOURCE, object: configMap('kept', { a: '1' }) });
  await done;
  await first.store.write({ resource: RESOURCE, object: configMap('gone') }).done;
  await first.store.write({ resource: RESOURCE, object: configMap('gone'), remove: true }).done;
  const before = first.store.revision;
  await first.close();
  const second = open(first.file);
  assert.equal(second.store.list(RESOURCE), [stored]);
  assert.ok(second.store.revision > before);
  assert.is(second.store.window.after(before), undefined, 'a watch from before the restart has to list again');
  await second.close();
});

test('a commit that fails leaves nothing behind and tells every writer', async () => {
  const { store, storage, events, close } = open();
  await store.write({ resource: RESOURCE, object: configMap('a', { v: '1' }) }).done;
  const commit = storage.commit.bind(storage);
  storage.commit = (): never => {
    throw new Error('the disk is full');
  };
  const writes = [
    store.write({ resource: RESOURCE, object: configMap('a', { v: '2' }) }).done,
    store.write({ resource: RESOURCE, object: configMap('b') }).done,
    store.write({ resource: RESOURCE, object: configMap('a'), remove: true }).done,
  ];
  for (const write of writes)
    await write.then(
      () => assert.unreachable(),
      (error: Error) => assert.match(error.message, /disk is full/),
    );
  storage.commit = commit;
  assert.is(events.length, 1);
  assert.equal(
    store.list(RESOURCE).map(({ text }) => (JSON.parse(text) as { data: unknown }).data),
    [{ v: '1' }],
  );
  await store.write({ resource: RESOURCE, object: configMap('a', { v: '3' }) }).done;
  assert.is(events.length, 2);
  await close();
});

test('what may be written later is shown at once and written within five minutes; leases never', async () => {
  const { store, storage, clock, close } = open();
  const rows: RowChange[][] = [];
  const commit = storage.commit.bind(storage);
  storage.commit = (changes: Iterable<RowChange>, ceiling?: number): void => {
    rows.push([...changes]);
    commit(changes, ceiling);
  };
  await store.write({ resource: RESOURCE, object: configMap('a', { v: '1' }) }).done;
  await store.write({ resource: 'leases', object: configMap('lease'), persistence: 'never' }).done;
  for (const v of ['2', '3']) await store.write({ resource: RESOURCE, object: configMap('a', { v }), persistence: 'later' }).done;
  assert.is(rows.length, 1);
  assert.match(store.get(RESOURCE, 'default', 'a')?.text ?? '', '"v":"3"');
  await clock.advance(300_000);
  assert.is(rows.length, 2);
  assert.match(rows[1]?.[0]?.body ?? '', '"v":"3"');
  await store.write({ resource: RESOURCE, object: configMap('a', { v: '4' }), persistence: 'later' }).done;
  await close();
  assert.match(rows[2]?.[0]?.body ?? '', '"v":"4"', 'the stop writes what is left');
});

test('a list can be had as it was', async () => {
  const { store, close } = open();
  await store.write({ resource: RESOURCE, object: configMap('a', { v: '1' }) }).done;
  await store.write({ resource: RESOURCE, object: configMap('b') }).done;
  const then = store.revision;
  await store.write({ resource: RESOURCE, object: configMap('a', { v: '2' }) }).done;
  await store.write({ resource: RESOURCE, object: configMap('c') }).done;
  await store.write({ resource: RESOURCE, object: configMap('b'), remove: true }).done;
  const past = store.listAt(RESOURCE, then) ?? [];
  assert.equal(
    past.map(({ name }) => name),
    ['a', 'b'],
  );
  assert.match(past[0]?.text ?? '', '"v":"1"');
  assert.equal(
    store.list(RESOURCE).map(({ name }) => name),
    ['a', 'c'],
  );
  await close();
});

test('a second owner is told the pid of the first', async () => {
  const { file, close } = open();
  assert.throws(
    () => new ObjectStorage({ file }),
    (error: unknown) => isHiveletError(error, 'STORE_LOCKED') && error.message.includes(`process ${process.pid}`),
  );
  await close();
});

function event(revision: number, size = 10): StoreEvent {
  const object = {
    namespace: '',
    name: 'x',
    uid: '',
    revision,
    labels: undefined,
    owners: undefined,
    deleting: false,
    text: 'x'.repeat(size),
    metadataEnd: 0,
    managers: [],
  };
  return { revision, resource: 'x', type: 'MODIFIED', object, previous: undefined, atMs: revision };
}

test('the window forgets by count, by size and by age, and says from where it is complete', () => {
  const window = new WatchWindow(100, { events: 3, size: 1000, ageMs: 50 });
  for (const revision of [101, 102, 103, 104]) window.push(event(revision));
  assert.is(window.floor, 101);
  assert.is(window.after(100), undefined);
  assert.equal(
    window.after(102)?.map(({ revision }) => revision),
    [103, 104],
  );
  assert.equal(window.after(104), []);
  window.push(event(105, 995));
  assert.equal(window.after(104)?.length, 1);
  assert.is(window.length, 1);
  window.expire(150);
  assert.is(window.length, 1);
  window.expire(156);
  assert.is(window.length, 0);
  assert.is(window.floor, 105);
});

test('what the window forgot is garbage', async () => {
  const window = new WatchWindow(0, { events: 100, size: 1_000_000, ageMs: 50 });
  const kept: WeakRef<StoreEvent>[] = [];
  for (let revision = 1; revision <= 140; revision++) {
    const each = event(revision);
    kept.push(new WeakRef(each));
    window.push(each);
  }
  // A WeakRef holds its target until the task ends that made it.
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  const alive = kept.filter((each) => each.deref() !== undefined).length;
  assert.is(window.length, 100);
  assert.ok(alive <= 115, `${String(alive)} events are alive`);
});

test.run();

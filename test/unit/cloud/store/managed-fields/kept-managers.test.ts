/** Managers in the database: sets once, rows small, everything there after a restart, files of earlier releases too. */
import path from 'node:path';
import Database from 'better-sqlite3';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import { ObjectStore } from '#cloud/store/embedded/object-store.ts';
import { ObjectStorage } from '#cloud/store/embedded/storage.ts';
import { copyOf, textIn } from '#cloud/store/embedded/stored-object.ts';
import type { KubeObject, ManagedFieldsEntry } from '#cloud/store/kube-api.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const entry = (manager: string, key: string, subresource?: string): ManagedFieldsEntry => ({
  manager,
  operation: 'Update',
  apiVersion: 'v1',
  time: '2026-01-01T00:00:00Z',
  fieldsType: 'FieldsV1',
  fieldsV1: { 'f:data': { '.': {}, [`f:${key}`]: {} } },
  ...(subresource === undefined ? {} : { subresource }),
});

function thing(name: string, managedFields: ManagedFieldsEntry[]): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default', uid: name, managedFields }, data: { a: '1' } };
}

interface Opened {
  store: ObjectStore;
  close(): Promise<void>;
}

function open(file: string): Opened {
  const storage = new ObjectStorage({ file });
  const store = new ObjectStore({ storage, clock: new FakeClock(), log: silentLogger() });
  return {
    store,
    close: async () => {
      await store.close();
      storage.close();
    },
  };
}

const file = (): string => path.join(tempDir(), 'kubernetes.db');

function query<T>(path: string, sql: string): T[] {
  const db = new Database(path, { readonly: true });
  const rows = db.prepare<[], T>(sql).all();
  db.close();
  return rows;
}

test('objects with the same owners share their sets, and have them after a restart', async () => {
  const at = file();
  const first = open(at);
  const managers = [entry('alice', 'a'), entry('bob', 'b', 'status')];
  for (let count = 0; count < 20; count += 1) first.store.write({ resource: 'configmaps', object: thing(`c${count}`, managers) });
  await first.close();
  assert.is(query(at, 'SELECT id FROM field_sets').length, 2);
  const [row] = query<{ body: string }>(at, 'SELECT body FROM objects');
  assert.not.match(row?.body ?? '', 'managedFields');
  const second = open(at);
  const stored = second.store.get('configmaps', 'default', 'c7');
  assert.ok(stored !== undefined);
  assert.equal(copyOf(stored).metadata.managedFields, managers);
  assert.equal((JSON.parse(textIn(stored, 'v1')) as KubeObject).metadata.managedFields, managers, 'and in the text that is sent');
  assert.match(textIn(stored, 'v1'), /"fieldsV1":\{"f:data":\{".":\{\},"f:b":\{\}\}\},"subresource":"status"\}\]\},"data":\{"a":"1"\}\}$/);
  await second.close();
});

test('sets that nobody has any more go', async () => {
  const at = file();
  const { store, close } = open(at);
  for (let count = 0; count < 450; count += 1)
    await store.write({ resource: 'configmaps', object: thing('c', [entry('alice', `k${count}`)]) }).done;
  await close();
  const left = query(at, 'SELECT id FROM field_sets').length;
  assert.ok(left > 0 && left < 250, `${left} sets of one object`);
  const again = open(at);
  const stored = again.store.get('configmaps', 'default', 'c');
  assert.equal(stored === undefined ? undefined : copyOf(stored).metadata.managedFields, [entry('alice', 'k449')]);
  await again.close();
});

test('a set of a write that failed is written with the next one', async () => {
  const at = file();
  const storage = new ObjectStorage({ file: at });
  const managers = [
    { head: { manager: 'a', operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV1' }, subresource: undefined, fields: '{"f:a":{}}' },
  ] as const;
  const change = { resource: 'configmaps', namespace: '', name: 'x', body: '{}', managers };
  const broken = { ...change, ...(JSON.parse('{"name":null}') as { name: string }) };
  assert.throws(() => storage.commit([change, broken]));
  storage.commit([change]);
  assert.equal(
    [...storage.load()].map(({ managers: read }) => read),
    [managers],
  );
  storage.close();
});

test('a file of an earlier release opens, whether its rows have managers in their text or none', async () => {
  const at = file();
  const db = new Database(at);
  db.exec(
    'CREATE TABLE objects(id INTEGER PRIMARY KEY, resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, UNIQUE(resource, namespace, name))',
  );
  const add = db.prepare("INSERT INTO objects(resource, namespace, name, body) VALUES ('configmaps', 'default', ?, ?)");
  const { managedFields: _none, ...metadata } = thing('old', []).metadata;
  add.run('old', JSON.stringify({ ...thing('old', []), metadata: { ...metadata, resourceVersion: '5' } }));
  add.run('with', JSON.stringify({ ...thing('with', [entry('alice', 'a')]) }));
  db.close();
  const { store, close } = open(at);
  const managers = (name: string): unknown => {
    const stored = store.get('configmaps', 'default', name);
    return stored === undefined ? 'missing' : copyOf(stored).metadata.managedFields;
  };
  assert.equal([managers('old'), managers('with')], [undefined, [entry('alice', 'a')]]);
  await close();
});

test.run();

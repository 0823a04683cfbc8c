/** The tables of twins, devices, attributes, objects and topics: what is put in comes out, after a restart too. */
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import { openDatabase } from '#edge/store/database.ts';
import { createMetaTable, createSubTopicTable } from '#edge/store/meta-table.ts';
import { createObjectVersionTable } from '#edge/store/object-versions.ts';
import { createTwinTable, type DeviceRow, type Twin, type TwinTable } from '#edge/store/twin-table.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const opened = () => openDatabase(path.join(tempDir(), 'edge.db'), silentLogger());

/** Runs the work on a table, then looks at it after the database was closed and opened again. */
function afterRestart<T>(work: (table: TwinTable) => void, look: (table: TwinTable) => T): T {
  const file = path.join(tempDir(), 'edge.db');
  const first = openDatabase(file, silentLogger());
  work(createTwinTable(first.sqlite));
  first.close();
  const again = openDatabase(file, silentLogger());
  const seen = look(createTwinTable(again.sqlite));
  again.close();
  return seen;
}

const nothing: Omit<Twin, 'name'> = {
  type: 'string',
  optional: false,
  expected: undefined,
  actual: undefined,
  expectedVersion: undefined,
  actualVersion: undefined,
  cloudText: undefined,
  settled: false,
};

const twins: [title: string, twin: Twin][] = [
  ['nothing but a name', { name: 'empty', ...nothing }],
  [
    'everything',
    {
      name: 'temperature',
      type: 'float',
      optional: true,
      expected: { value: '21.5', timestamp: 1640067600000 },
      actual: { value: '20', timestamp: 12 },
      expectedVersion: { cloud: 9007199254740991, edge: 3 },
      actualVersion: { cloud: 0, edge: 1 },
      cloudText: '21.50',
      settled: true,
      write: { desired: '21.5', stamp: 1640067600000, result: 'differs', observed: '20', ms: 5000, reason: 'it is "slow"' },
    },
  ],
  ['empty texts, which are not the same as none', { name: 'texts', ...nothing, expected: { value: '', timestamp: 0 }, cloudText: '' }],
  ['only an actual value', { name: 'half', ...nothing, actual: { value: '', timestamp: 1 }, actualVersion: { cloud: 0, edge: 7 } }],
  ['the name __proto__', { name: '__proto__', ...nothing, actual: { value: 'constructor', timestamp: 1 } }],
  [
    'quotes and other letters',
    { name: `it's "ü" \u{1f40d}`, ...nothing, expected: { value: '\'"; DROP TABLE device_twin; \u0000é', timestamp: 1 } },
  ],
];
for (const [title, twin] of twins) {
  test(`a twin with ${title} comes back as it was`, () => {
    assert.equal(
      afterRestart(
        (table) => table.putTwin('dev', twin),
        (table) => table.twins('dev'),
      ),
      [twin],
    );
  });
}

test('a twin that is put again is replaced where it stands, in all its parts', () => {
  const { sqlite, close } = opened();
  const table = createTwinTable(sqlite);
  const full = twins[1]?.[1] as Twin;
  for (const name of ['b', 'a', 'c']) table.putTwin('dev', { ...full, name });
  table.putTwin('dev', { name: 'b', ...nothing });
  assert.equal(
    table.twins('dev').map(({ name }) => name),
    ['b', 'a', 'c'],
  );
  assert.equal(table.twins('dev')[0], { name: 'b', ...nothing });
  table.deleteTwin('dev', 'a');
  table.deleteTwin('other', 'b');
  assert.equal(
    table.twins('dev').map(({ name }) => name),
    ['b', 'c'],
  );
  close();
});

const device: DeviceRow = {
  id: 'press-07',
  name: 'press-07',
  description: null,
  state: null,
  last_online: null,
  state_reason: null,
  state_version: 0,
  uid: '',
  cluster_uid: '',
  hash: '',
  unlisted_at: null,
};
const known: DeviceRow = {
  ...device,
  description: '',
  state: 'online',
  last_online: '2021-12-21 07:20:00',
  state_reason: 'no answer',
  state_version: 4,
  uid: 'u',
  cluster_uid: 'c',
  hash: 'h',
  unlisted_at: 1640067600000,
};

test('devices come back as they were, in the order of their ids', () => {
  const rows = afterRestart(
    (table) => {
      table.putDevice({ ...device, id: 'z' });
      table.putDevice(device);
      table.putDevice(known);
    },
    (table) => [table.devices(), table.device('press-07'), table.device('nobody')],
  );
  assert.equal(rows, [[known, { ...device, id: 'z' }], known, undefined]);
});

test('a device goes with its twins and attributes, and only they', () => {
  const { sqlite, close } = opened();
  const table = createTwinTable(sqlite);
  for (const id of ['one', 'two']) {
    table.putDevice({ ...device, id });
    table.putTwin(id, { name: 'x', ...nothing });
    table.putAttribute({ deviceid: id, name: 'site', value: '', optional: 1, attr_type: 'string' });
  }
  table.deleteDevice('one');
  assert.equal(
    table.devices().map(({ id }) => id),
    ['two'],
  );
  assert.equal([table.twins('one'), table.attributes('one')], [[], []]);
  assert.equal([table.twins('two').length, table.attributes('two').length], [1, 1]);
  close();
});

test('attributes are replaced by name and removed by name', () => {
  const { sqlite, close } = opened();
  const table = createTwinTable(sqlite);
  const put = (name: string, value: string): void => table.putAttribute({ deviceid: 'dev', name, value, optional: 0, attr_type: 'int' });
  put('b', '1');
  put('__proto__', '2');
  put('b', '3');
  assert.equal(table.attributes('dev'), [
    { deviceid: 'dev', name: 'b', value: '3', optional: 0, attr_type: 'int' },
    { deviceid: 'dev', name: '__proto__', value: '2', optional: 0, attr_type: 'int' },
  ]);
  table.deleteAttribute('dev', 'b');
  assert.equal(
    table.attributes('dev').map(({ name }) => name),
    ['__proto__'],
  );
  close();
});

test('objects of the cloud are kept by their key and listed by their type', () => {
  const { sqlite, close } = opened();
  const meta = createMetaTable(sqlite);
  meta.put('default/configmap/b', 'configmap', '{"v":1}');
  meta.put('default/configmap/a', 'configmap', '{}');
  meta.put('default/secret/a', 'secret', 'null');
  meta.put('default/configmap/b', 'configmap', '{"v":2}');
  assert.equal(meta.list('configmap'), [
    { key: 'default/configmap/a', value: '{}' },
    { key: 'default/configmap/b', value: '{"v":2}' },
  ]);
  meta.delete('default/configmap/a');
  meta.delete('default/configmap/never');
  assert.equal([meta.get('default/configmap/a'), meta.get('default/secret/a'), meta.list('pod')], [undefined, 'null', []]);
  close();
});

test('versions of objects are kept by key; of deletions the newest thousand are remembered', () => {
  const { sqlite, close } = opened();
  const versions = createObjectVersionTable(sqlite);
  const version = (number: number, gone = false) => ({ cluster: 'c', uid: `uid-${String(number)}`, version: number, gone });
  versions.put('default/pod/a', version(1));
  versions.put('default/pod/a', version(2));
  for (let number = 0; number < 1002; number++) versions.put(`default/pod/gone-${String(number)}`, version(number, true));
  assert.equal(versions.list(), [{ key: 'default/pod/a', ...version(2) }]);
  assert.equal([versions.get('default/pod/gone-1'), versions.get('default/pod/gone-2')], [undefined, version(2, true)]);
  versions.put('default/pod/gone-2', version(2000));
  versions.put('default/pod/last', version(3000, true));
  assert.equal(versions.get('default/pod/gone-2'), version(2000), 'it came back and counts as there');
  versions.forget('default/pod/a');
  assert.equal([versions.get('default/pod/a'), versions.list().length], [undefined, 1]);
  close();
});

test('topics of cloud rules are a set', () => {
  const { sqlite, close } = opened();
  const topics = createSubTopicTable(sqlite);
  for (const topic of ['b/#', 'a', 'b/#']) topics.add(topic);
  assert.equal(topics.list(), ['a', 'b/#']);
  topics.delete('a');
  topics.delete('never');
  assert.equal(topics.list(), ['b/#']);
  close();
});

test.run();

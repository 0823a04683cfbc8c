/** Who owns fields: entries of updates and of appliers, conflicts, removal, the way from client-side apply. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ApplyConflictError, LAST_APPLIED, applied, type Applied } from '#cloud/store/embedded/managed-fields/apply.ts';
import { changesBetween } from '#cloud/store/embedded/managed-fields/extract.ts';
import { pathText, sameFields } from '#cloud/store/embedded/managed-fields/field-set.ts';
import { managerOf, newEntry, readManagers, startOf, type Managers } from '#cloud/store/embedded/managed-fields/managers.ts';
import { rootOf } from '#cloud/store/embedded/managed-fields/place.ts';
import { emptyObject, recorded } from '#cloud/store/embedded/managed-fields/record.ts';
import type { FieldSet, ManagedFieldsEntry } from '#cloud/store/kube-api.ts';
import { FakeClock } from '#test/support/fake-clock.ts';

const place = rootOf({
  custom: false,
  schema: {
    type: 'object',
    properties: {
      data: { type: 'object', additionalProperties: { type: 'string' } },
      list: { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' },
    },
  },
});

type Thing = Record<string, unknown>;
const thing = (data: Thing, metadata: Thing = {}): Thing => ({
  apiVersion: 'v1',
  kind: 'Thing',
  metadata: { name: 'x', ...metadata },
  data,
});
const seconds = (count: number): string => new Date(Date.UTC(2026, 0, 1, 0, 0, count)).toISOString().replace('.000', '');
const updater = (name: string, subresource?: string): { name: string; apiVersion: string; subresource: string | undefined } => ({
  name,
  apiVersion: 'v1',
  subresource,
});

class World {
  object: Thing = {};
  managers: Managers = [];
  #second = 0;

  update(name: string, object: Thing, subresource?: string): this {
    const before = Object.keys(this.object).length === 0 ? emptyObject(place, object) : this.object;
    this.managers = recorded(this.managers, changesBetween(place, before, object), {
      manager: updater(name, subresource),
      time: seconds((this.#second += 1)),
    });
    this.object = object;
    return this;
  }

  apply(name: string, wanted: Thing, force = false): this {
    const made: Applied = applied({
      place,
      live: this.object,
      wanted,
      managers: this.managers,
      manager: updater(name),
      force,
      time: seconds((this.#second += 1)),
    });
    this.object = made.object;
    this.managers = made.managers;
    return this;
  }

  conflicts(name: string, wanted: Thing): string[] {
    try {
      this.apply(name, wanted);
    } catch (error) {
      if (error instanceof ApplyConflictError) return error.conflicts.map(({ manager, path }) => `${manager.manager} ${pathText(path)}`);
      throw error;
    }
    return [];
  }

  get data(): unknown {
    return this.object['data'];
  }

  fieldsOf(manager: string, operation: ManagedFieldsEntry['operation'] = 'Update'): FieldSet | undefined {
    return this.managers.find((entry) => entry.manager === manager && entry.operation === operation)?.fieldsV1;
  }
}

test('who creates owns everything, and its entry has the form of a real server', () => {
  const { managers } = new World().update('alice', thing({ a: '1' }, { labels: { l: 'x' } }));
  assert.is(
    JSON.stringify(managers),
    '[{"manager":"alice","operation":"Update","apiVersion":"v1","time":"2026-01-01T00:00:01Z","fieldsType":"FieldsV1",' +
      '"fieldsV1":{"f:data":{".":{},"f:a":{}},"f:metadata":{"f:labels":{".":{},"f:l":{}}}}}]',
  );
});

test('an update takes what it changes and nothing else', () => {
  const world = new World().update('alice', thing({ a: '1', b: '1' })).update('bob', thing({ a: '1', b: '2', c: '3' }));
  assert.equal(world.fieldsOf('alice'), { 'f:data': { '.': {}, 'f:a': {} } });
  assert.equal(world.fieldsOf('bob'), { 'f:data': { 'f:b': {}, 'f:c': {} } });
  assert.is(world.managers[0]?.time, seconds(1), 'who loses a field did not write');
  assert.is(world.managers[1]?.time, seconds(2));
});

test('what is removed is nobody’s', () => {
  const world = new World().update('alice', thing({ a: '1', b: '1' })).update('bob', thing({ a: '1' }));
  assert.equal(world.fieldsOf('alice'), { 'f:data': { '.': {}, 'f:a': {} } });
  assert.is(world.fieldsOf('bob'), undefined, 'who only removes owns nothing');
});

test('an update that changes nothing leaves the entries as they are', () => {
  const world = new World().update('alice', thing({ a: '1' }));
  const before = world.managers;
  assert.is(world.update('bob', thing({ a: '1' })).managers, before);
});

test('entries of one manager are one per path and version', () => {
  const world = new World()
    .update('alice', thing({ a: '1' }))
    .update('alice', thing({ a: '1', b: '2' }))
    .update('alice', thing({ a: '1', b: '3' }), 'status');
  assert.equal(
    world.managers.map(({ manager, subresource }) => [manager, subresource]),
    [
      ['alice', undefined],
      ['alice', 'status'],
    ],
  );
  assert.equal(world.managers[0]?.fieldsV1, { 'f:data': { '.': {}, 'f:a': {} } });
});

test('of more than ten updaters the oldest become one entry', () => {
  const world = new World().update('first', thing({}));
  const data: Record<string, string> = {};
  for (let count = 0; count < 13; count += 1) {
    data[`k${count}`] = 'x';
    world.update(`manager-${count}`, thing({ ...data }));
  }
  const updaters = world.managers.filter(({ operation }) => operation === 'Update');
  assert.is(updaters.length, 10);
  const ancient = world.managers.find(({ manager }) => manager === 'ancient-changes');
  assert.equal(Object.keys(ancient?.fieldsV1['f:data'] ?? {}), ['.', 'f:k0', 'f:k1', 'f:k2', 'f:k3']);
  assert.is(ancient?.time, seconds(5), 'the time of the last of them');
});

test('apply creates, and applying the same again changes nothing', () => {
  const world = new World().apply('alice', thing({ a: '1' }));
  assert.equal(world.data, { a: '1' });
  assert.equal(world.fieldsOf('alice', 'Apply'), { 'f:data': { 'f:a': {} } });
  const before = world.managers;
  assert.is(world.apply('alice', thing({ a: '1' })).managers, before);
});

test('a field that its only owner no longer lists goes, one that another lists too stays', () => {
  const world = new World().apply('alice', thing({ a: '1', b: '1', c: '1' })).apply('bob', thing({ b: '1' }));
  assert.equal(world.apply('alice', thing({ a: '1' })).data, { a: '1', b: '1' });
  assert.equal(world.apply('bob', thing({})).data, { a: '1' });
});

test('a field that somebody updated since stays when its applier drops it', () => {
  const world = new World().apply('alice', thing({ a: '1', b: '1' })).update('bob', thing({ a: '1', b: '2' }));
  assert.equal(world.apply('alice', thing({ a: '1' })).data, { a: '1', b: '2' });
});

test('a map that becomes empty goes with its last key', () => {
  const world = new World().apply('alice', { ...thing({ a: '1' }), list: ['x'] });
  assert.is(world.apply('alice', { ...thing({}), list: ['x'] }).fieldsOf('alice', 'Apply')?.['f:list']?.['v:"x"'] === undefined, false);
  const { data: _data, ...rest } = thing({});
  assert.is(world.apply('alice', { ...rest, list: ['x'] }).data, undefined);
});

test('a value of another is a conflict, the same value is shared', () => {
  const world = new World().apply('alice', thing({ a: '1', b: '1' })).update('bob', thing({ a: '1', b: '2' }));
  assert.equal(world.conflicts('carol', thing({ a: '2', b: '3' })), ['alice .data.a', 'bob .data.b']);
  assert.equal(world.data, { a: '1', b: '2' }, 'nothing is applied');
  assert.equal(world.conflicts('carol', thing({ a: '1', b: '2' })), []);
  assert.equal(world.fieldsOf('carol', 'Apply'), { 'f:data': { 'f:a': {}, 'f:b': {} } });
  assert.equal(world.fieldsOf('alice', 'Apply'), { 'f:data': { 'f:a': {} } });
});

test('force takes the fields away from their owners', () => {
  const world = new World().apply('alice', thing({ a: '1', b: '1' })).apply('bob', thing({ a: '2' }), true);
  assert.equal(world.data, { a: '2', b: '1' });
  assert.equal(world.fieldsOf('alice', 'Apply'), { 'f:data': { 'f:b': {} } });
  assert.equal(world.conflicts('alice', thing({ a: '1', b: '1' })), ['bob .data.a']);
});

test('what was there before anybody was recorded belongs to somebody then', () => {
  const world = new World();
  world.object = thing({ a: '1', b: '1' });
  assert.equal(world.conflicts('alice', thing({ a: '2' })), ['before-first-apply .data.a']);
  world.apply('alice', thing({ a: '1' }));
  assert.equal(world.fieldsOf('before-first-apply'), { 'f:data': { '.': {}, 'f:a': {}, 'f:b': {} } });
});

test('kubectl goes from client-side to server-side apply without conflicts, as long as nobody else wrote', () => {
  const last = thing({ a: '1', b: '1' });
  const annotations = { [LAST_APPLIED]: JSON.stringify(last) };
  const world = new World().update('kubectl-client-side-apply', thing({ a: '1', b: '1' }, { annotations }));
  assert.equal(world.conflicts('other', thing({ a: '2' })), ['kubectl-client-side-apply .data.a']);
  assert.equal(world.conflicts('kubectl', thing({ a: '2', b: '1' })), []);
  assert.equal(world.data, { a: '2', b: '1' });
  const metadata = world.object['metadata'] as { annotations: Record<string, string> };
  assert.is(metadata.annotations[LAST_APPLIED], `${JSON.stringify(thing({ a: '2', b: '1' }))}\n`, 'the annotation is kept in step');
  world.update('bob', { ...world.object, data: { a: '2', b: '9' } });
  assert.equal(world.conflicts('kubectl', thing({ a: '2', b: '1' })), ['bob .data.b']);
});

test('entries of a client count where they make sense', () => {
  const live = new World().update('alice', thing({ a: '1' })).managers;
  const other = newEntry(updater('bob'), 'Apply', { 'f:data': { 'f:a': {} } });
  assert.equal(startOf(live, [{ ...other, time: '2026-01-01T00:00:00Z' }], undefined)[0]?.manager, 'bob');
  assert.is(startOf(live, [other], 'status'), live, 'not by the path of a subresource');
  assert.equal(startOf(live, [{}], undefined), [], 'one empty entry resets');
  for (const garbage of [
    undefined,
    null,
    [],
    'x',
    [1],
    [{ ...other, operation: 'Steal' }],
    [{ ...other, fieldsV1: { a: {} } }],
    [{ ...other, fieldsType: 'V2' }],
  ]) {
    assert.is(startOf(live, garbage, undefined), live, JSON.stringify(garbage));
  }
  assert.equal(readManagers([other, { ...other, fieldsV1: {} }])?.length, 1, 'one entry for one manager');
});

test('a manager without a name is called by its User-Agent', () => {
  assert.is(managerOf('mine', 'kubectl/v1.32'), 'mine');
  assert.is(managerOf('', 'kubectl/v1.32 (linux)'), 'kubectl');
  assert.is(managerOf('', ''), 'unknown');
  assert.is(managerOf('', 'a\u0007b'.repeat(200)).length, 128);
});

test('random appliers: each finds its values, nobody’s fields are gone, all again changes nothing', () => {
  const clock = new FakeClock();
  const random = (): number => clock.random();
  for (let round = 0; round < 200; round += 1) {
    const world = new World();
    const wanted = new Map<string, Record<string, string>>();
    for (let step = 0; step < 8; step += 1) {
      const name = ['alice', 'bob', 'carol'][Math.floor(random() * 3)] ?? '';
      const data = Object.fromEntries(['a', 'b', 'c', 'd'].filter(() => random() < 0.5).map((key) => [key, random() < 0.7 ? '1' : '2']));
      if (world.conflicts(name, thing(data)).length > 0) world.apply(name, thing(data), true);
      for (const [key, value] of Object.entries(data))
        for (const [other, theirs] of wanted) if (other !== name && theirs[key] !== value) delete theirs[key];
      wanted.set(name, data);
      const all: Record<string, string> = Object.assign({}, ...wanted.values()) as Record<string, string>;
      assert.equal(
        Object.fromEntries(Object.entries((world.data ?? {}) as Record<string, string>).sort()),
        Object.fromEntries(Object.entries(all).sort()),
      );
    }
    const before = world.managers;
    for (const [name, data] of wanted) {
      const fields = world.fieldsOf(name, 'Apply');
      if (fields !== undefined && sameFields(fields, { 'f:data': Object.fromEntries(Object.keys(data).map((key) => [`f:${key}`, {}])) }))
        world.apply(name, thing(data));
    }
    assert.equal(world.managers, before);
  }
});

test.run();

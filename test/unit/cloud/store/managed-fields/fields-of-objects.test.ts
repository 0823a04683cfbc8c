/** Fields of objects by schema: extraction, comparison, removal, merging. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { faultsOf } from '#cloud/store/embedded/managed-fields/check.ts';
import { changesBetween, fieldsOf } from '#cloud/store/embedded/managed-fields/extract.ts';
import { includes, isEmpty, sameFields, union } from '#cloud/store/embedded/managed-fields/field-set.ts';
import { merged } from '#cloud/store/embedded/managed-fields/merge.ts';
import { rootOf, type Place } from '#cloud/store/embedded/managed-fields/place.ts';
import { withNamedFields, withoutFields } from '#cloud/store/embedded/managed-fields/remove.ts';
import type { Schema } from '#cloud/store/embedded/schema/schema.ts';
import type { FieldSet } from '#cloud/store/kube-api.ts';
import { FakeClock } from '#test/support/fake-clock.ts';

const text: Schema = { type: 'string' };
const spec: Schema = {
  type: 'object',
  properties: {
    plain: text,
    map: { type: 'object', additionalProperties: text },
    whole: { type: 'object', 'x-kubernetes-map-type': 'atomic', properties: { a: text, b: text } },
    list: { type: 'array', items: text },
    set: { type: 'array', items: text, 'x-kubernetes-list-type': 'set' },
    items: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name', 'kind'],
      items: { type: 'object', properties: { name: text, kind: { type: 'string', default: 'X' }, value: text } },
    },
    free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
  },
};
const custom = rootOf({ custom: true, schema: { type: 'object', properties: { spec } } });
/** Nothing is known of the kind but that it is built in. */
const builtin = rootOf({
  custom: false,
  schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { spec: { ...spec, type: 'object' } } },
});
const envelope = { apiVersion: 'v1', kind: 'Thing', metadata: { name: 'x', uid: 'u', resourceVersion: '1', creationTimestamp: 't' } };

const extracted: [string, Place, Record<string, unknown>, FieldSet][] = [
  ['what the server sets is nobody’s', custom, envelope, {}],
  [
    'labels one by one, finalizers by value, owners by uid and whole',
    custom,
    { metadata: { labels: { a: '1' }, annotations: {}, finalizers: ['f'], ownerReferences: [{ uid: 'u', name: 'n' }] } },
    {
      'f:metadata': {
        'f:labels': { 'f:a': {} },
        'f:annotations': {},
        'f:finalizers': { 'v:"f"': {} },
        'f:ownerReferences': { 'k:{"uid":"u"}': {} },
      },
    },
  ],
  ['a plain field', custom, { spec: { plain: 'x' } }, { 'f:spec': { 'f:plain': {} } }],
  ['a map by its keys', custom, { spec: { map: { a: '1', b: '2' } } }, { 'f:spec': { 'f:map': { 'f:a': {}, 'f:b': {} } } }],
  ['an empty map as itself', custom, { spec: { map: {} } }, { 'f:spec': { 'f:map': {} } }],
  ['an atomic map as itself', custom, { spec: { whole: { a: '1' } } }, { 'f:spec': { 'f:whole': {} } }],
  ['a list without a type as itself', custom, { spec: { list: ['a', 'b'] } }, { 'f:spec': { 'f:list': {} } }],
  ['a set by its values', custom, { spec: { set: ['a', 'b'] } }, { 'f:spec': { 'f:set': { 'v:"a"': {}, 'v:"b"': {} } } }],
  [
    'items by their keys, with the default of a key, and themselves',
    custom,
    { spec: { items: [{ name: 'n', value: '1' }] } },
    { 'f:spec': { 'f:items': { 'k:{"kind":"X","name":"n"}': { '.': {}, 'f:name': {}, 'f:value': {} } } } },
  ],
  ['items without a key as one list', custom, { spec: { items: [{ value: '1' }] } }, { 'f:spec': { 'f:items': {} } }],
  [
    'unknown fields: maps by their keys and themselves, lists whole',
    custom,
    { spec: { free: { a: { b: 1 }, c: [{ name: 'n' }], d: null } } },
    { 'f:spec': { 'f:free': { 'f:a': { '.': {}, 'f:b': {} }, 'f:c': {}, 'f:d': {} } } },
  ],
  [
    '__proto__ is a name like others',
    custom,
    JSON.parse('{"spec":{"map":{"__proto__":"1"}}}') as Record<string, unknown>,
    { 'f:spec': { 'f:map': { 'f:__proto__': {} } } },
  ],
  [
    'containers and their ports by the keys that are published',
    builtin,
    { spec: { containers: [{ name: 'c', ports: [{ containerPort: 80 }], args: ['x'] }] } },
    {
      'f:spec': {
        'f:containers': {
          '.': {},
          'k:{"name":"c"}': {
            '.': {},
            'f:name': {},
            'f:args': {},
            'f:ports': { '.': {}, 'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} } },
          },
        },
      },
    },
  ],
  [
    'taints whole, selectors whole',
    builtin,
    { spec: { taints: [{ key: 'a' }], selector: { a: 'b' } } },
    { 'f:spec': { 'f:taints': {}, 'f:selector': {} } },
  ],
];
for (const [name, place, object, fields] of extracted) {
  test(`owned are ${name}`, () => {
    const found = fieldsOf(place, object);
    assert.ok(sameFields(found, fields), JSON.stringify(found));
  });
}

const changed: [string, unknown, unknown, { added?: FieldSet; modified?: FieldSet; removed?: FieldSet }][] = [
  ['nothing', { plain: 'a', list: [1] }, { list: [1], plain: 'a' }, {}],
  ['a value', { plain: 'a' }, { plain: 'b' }, { modified: { 'f:plain': {} } }],
  ['a new map with its keys', {}, { map: { a: '1' } }, { added: { 'f:map': { '.': {}, 'f:a': {} } } }],
  ['a key that goes', { map: { a: '1', b: '2' } }, { map: { a: '1' } }, { removed: { 'f:map': { 'f:b': {} } } }],
  ['an atomic list', { list: ['a'] }, { list: ['a', 'b'] }, { modified: { 'f:list': {} } }],
  ['a set', { set: ['a', 'b'] }, { set: ['b', 'c'] }, { added: { 'f:set': { 'v:"c"': {} } }, removed: { 'f:set': { 'v:"a"': {} } } }],
  ['the order of items only', { items: [{ name: 'a' }, { name: 'b' }] }, { items: [{ name: 'b' }, { name: 'a' }] }, {}],
  [
    'a value in an item, an item that comes',
    { items: [{ name: 'a', value: '1' }] },
    { items: [{ name: 'a', value: '2' }, { name: 'b' }] },
    {
      added: { 'f:items': { 'k:{"kind":"X","name":"b"}': { '.': {}, 'f:name': {} } } },
      modified: { 'f:items': { 'k:{"kind":"X","name":"a"}': { 'f:value': {} } } },
    },
  ],
  [
    'a map that becomes a text',
    { free: { a: { b: 1 } } },
    { free: { a: 'x' } },
    { modified: { 'f:free': { 'f:a': {} } }, removed: { 'f:free': { 'f:a': { 'f:b': {} } } } },
  ],
];
for (const [name, before, after, { added = {}, modified = {}, removed = {} }] of changed) {
  test(`changes: ${name}`, () => {
    const found = changesBetween(custom, { spec: before }, { spec: after });
    const under = (set: FieldSet): FieldSet => (isEmpty(set) ? {} : { 'f:spec': set });
    assert.equal(found, { added: under(added), modified: under(modified), removed: under(removed) });
  });
}

test('what the server sets is no change', () => {
  const later = { ...envelope, metadata: { ...envelope.metadata, resourceVersion: '2', generation: 3 } };
  assert.equal(changesBetween(custom, envelope, later), { added: {}, modified: {}, removed: {} });
});

test('fields are taken out, and containers that become empty with them', () => {
  const object = { spec: { plain: 'a', map: { a: '1' }, items: [{ name: 'a', value: '1' }, { name: 'b' }], set: ['x', 'y'] } };
  const set = {
    'f:spec': {
      'f:map': { 'f:a': {} },
      'f:items': { 'k:{"kind":"X","name":"a"}': { 'f:value': {} }, 'k:{"kind":"X","name":"b"}': {} },
      'f:set': { 'v:"x"': {} },
    },
  };
  assert.equal(withoutFields(custom, object, set), { spec: { plain: 'a', items: [{ name: 'a' }], set: ['y'] } });
  assert.is(object.spec.items.length, 2, 'the object itself stays');
});

test('the fields on the way are added by name, keys and items are not', () => {
  const set = { 'f:spec': { 'f:map': { 'f:a': {} }, 'f:items': { 'k:{"kind":"X","name":"a"}': { 'f:value': {} } } } };
  assert.equal(withNamedFields(custom, set), {
    'f:spec': { '.': {}, 'f:map': { '.': {}, 'f:a': {} }, 'f:items': { '.': {}, 'k:{"kind":"X","name":"a"}': { 'f:value': {} } } },
  });
});

const item = (name: string, value?: string): Record<string, string> => (value === undefined ? { name } : { name, value });
const mergedRows: [string, unknown, unknown, unknown][] = [
  ['maps by their keys', { map: { a: '1', b: '2' } }, { map: { b: '3' } }, { map: { a: '1', b: '3' } }],
  ['lists whole', { list: ['a'] }, { list: ['b'] }, { list: ['b'] }],
  ['atomic maps whole', { whole: { a: '1' } }, { whole: { b: '2' } }, { whole: { b: '2' } }],
  ['sets by their values', { set: ['a', 'b'] }, { set: ['c', 'b'] }, { set: ['a', 'c', 'b'] }],
  [
    'items by their keys',
    { items: [item('a', '1'), item('b')] },
    { items: [item('c'), item('a', '2')] },
    { items: [item('c'), item('a', '2'), item('b')] },
  ],
  [
    'items in the order wanted',
    { items: [item('a'), item('b'), item('c')] },
    { items: [item('c'), item('a')] },
    { items: [item('b'), item('c'), item('a')] },
  ],
  ['null leaves a map as it is', { map: { a: '1' } }, { map: null }, { map: { a: '1' } }],
];
for (const [name, live, wanted, result] of mergedRows) {
  test(`merged are ${name}`, () => assert.equal(merged(custom, { spec: live }, { spec: wanted }), { spec: result }));
}

test('what cannot be applied is told', () => {
  assert.equal(faultsOf(custom, { spec: { plain: 'a', free: { b: 1 }, map: { any: 'x' } } }), []);
  assert.equal(faultsOf(custom, { spec: { nosuch: 1, items: [{ name: 'a' }, { name: 'a', kind: 'X' }, { value: '1' }] } }), [
    '.spec.nosuch: field not declared in schema',
    '.spec.items: duplicate entries for key [kind="X",name="a"]',
    '.spec.items: element 2: associative list with keys has an element that omits key field "name" or "kind" (and doesn\'t have default value)',
  ]);
});

function randomSpec(random: () => number): Record<string, unknown> {
  const some = <T>(values: T[]): T[] => values.filter(() => random() < 0.5);
  const pick = (): string => (random() < 0.5 ? '1' : '2');
  const all: Record<string, unknown> = {
    plain: pick(),
    map: Object.fromEntries(some(['a', 'b', 'c']).map((key) => [key, pick()])),
    whole: { a: pick() },
    list: some(['a', 'b']),
    set: some(['a', 'b', 'c']),
    items: some(['a', 'b', 'c']).map((name) => (random() < 0.5 ? { name, value: pick() } : { name })),
    free: { a: { b: pick() }, c: some(['x']) },
  };
  return Object.fromEntries(Object.entries(all).filter(() => random() < 0.7));
}

test('random objects: merging brings the wanted fields, changes lead from one to the other', () => {
  const clock = new FakeClock();
  const random = (): number => clock.random();
  for (let round = 0; round < 300; round += 1) {
    const live = { spec: randomSpec(random) };
    const wanted = { spec: randomSpec(random) };
    const object = merged(custom, live, wanted);
    assert.ok(includes(fieldsOf(custom, object), withoutEmpty(fieldsOf(custom, wanted), object)), 'what is wanted is there');
    assert.equal(
      changesBetween(custom, object, merged(custom, object, wanted)),
      { added: {}, modified: {}, removed: {} },
      'merging twice is merging once',
    );
    const { added, modified, removed } = changesBetween(custom, live, wanted);
    const back = changesBetween(custom, wanted, live);
    assert.equal([back.removed, back.modified, back.added], [added, modified, removed], 'the way back is the same way');
    assert.equal(
      withoutFields(custom, live, union(fieldsOf(custom, live), withNamedFields(custom, fieldsOf(custom, live)))),
      {},
      'all fields are all there is',
    );
  }
});

/** An empty map that is wanted is a field only while nothing else is in it. */
function withoutEmpty(set: FieldSet, object: Record<string, unknown>): FieldSet {
  const there = fieldsOf(custom, object);
  const map = there['f:spec']?.['f:map'];
  if (set['f:spec']?.['f:map'] === undefined || map === undefined || isEmpty(map) || !isEmpty(set['f:spec']['f:map'])) return set;
  const { 'f:map': _map, ...others } = set['f:spec'];
  return isEmpty(others) ? {} : { ...set, 'f:spec': others };
}

test.run();

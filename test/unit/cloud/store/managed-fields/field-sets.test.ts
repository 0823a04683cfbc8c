/** Sets of fields: their algebra, their laws on random sets, their texts. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  difference,
  includes,
  intersection,
  intersects,
  isEmpty,
  pathText,
  pathsOf,
  readFieldSet,
  sameFields,
  setOf,
  sorted,
  union,
} from '#cloud/store/embedded/managed-fields/field-set.ts';
import type { FieldSet } from '#cloud/store/kube-api.ts';
import { FakeClock } from '#test/support/fake-clock.ts';

const a: FieldSet = { 'f:data': { '.': {}, 'f:a': {}, 'f:b': {} } };
const b: FieldSet = { 'f:data': { 'f:b': {}, 'f:c': {} }, 'f:kind': {} };

const rows: [string, FieldSet, FieldSet][] = [
  ['a union has the fields of both', union(a, b), { 'f:data': { '.': {}, 'f:a': {}, 'f:b': {}, 'f:c': {} }, 'f:kind': {} }],
  [
    'a field that has children in the other set keeps itself',
    union({ 'f:x': {} }, { 'f:x': { 'f:y': {} } }),
    { 'f:x': { '.': {}, 'f:y': {} } },
  ],
  ['a difference takes the field and leaves the others', difference(a, b), { 'f:data': { '.': {}, 'f:a': {} } }],
  ['a difference takes a parent without its children', difference(a, { 'f:data': {} }), { 'f:data': { 'f:a': {}, 'f:b': {} } }],
  ['a difference leaves a parent whose children go', difference(a, { 'f:data': { 'f:a': {}, 'f:b': {} } }), { 'f:data': {} }],
  ['a difference leaves no empty containers', difference({ 'f:x': { 'f:y': {} } }, { 'f:x': { 'f:y': {} } }), {}],
  ['an intersection has what is in both', intersection(a, b), { 'f:data': { 'f:b': {} } }],
];
for (const [name, found, wanted] of rows) test(name, () => assert.equal(found, wanted));

const ELEMENTS = ['f:a', 'f:b', 'f:__proto__', 'k:{"name":"x"}', 'v:1'];

function randomSet(random: () => number, depth = 0): FieldSet {
  const set: FieldSet = {};
  for (const element of ELEMENTS) {
    if (random() < 0.5) continue;
    const children = depth < 3 && random() < 0.5 ? randomSet(random, depth + 1) : {};
    set[element] = !isEmpty(children) && random() < 0.5 ? { '.': {}, ...children } : children;
  }
  return set;
}

test('the laws of sets hold for random sets', () => {
  const clock = new FakeClock();
  const random = (): number => clock.random();
  for (let round = 0; round < 500; round += 1) {
    const [x, y, z] = [randomSet(random), randomSet(random), randomSet(random)];
    assert.ok(sameFields(union(x, y), union(y, x)), 'union commutes');
    assert.ok(sameFields(union(union(x, y), z), union(x, union(y, z))), 'union associates');
    assert.ok(sameFields(union(x, x), x) && isEmpty(difference(x, x)), 'a set with itself');
    assert.ok(sameFields(union(difference(x, y), intersection(x, y)), x), 'the parts make the whole');
    assert.ok(isEmpty(intersection(difference(x, y), y)), 'nothing of what was taken is left');
    assert.ok(sameFields(difference(x, union(y, z)), difference(difference(x, y), z)), 'taking both at once or in turn');
    assert.is(intersects(x, y), !isEmpty(intersection(x, y)));
    assert.is(includes(x, y), isEmpty(difference(y, x)));
    assert.ok(sameFields(setOf(pathsOf(x)), x), 'a set is its paths');
    assert.equal(readFieldSet(JSON.parse(JSON.stringify(sorted(x)))), sorted(x));
  }
});

test('paths are named as Kubernetes names them', () => {
  assert.is(pathText(['f:spec', 'f:containers', 'k:{"name":"a"}', 'f:image']), '.spec.containers[name="a"].image');
  assert.is(pathText(['f:ports', 'k:{"containerPort":80,"protocol":"TCP"}']), '.ports[containerPort=80,protocol="TCP"]');
  assert.is(pathText(['f:finalizers', 'v:"x"']), '.finalizers[="x"]');
  assert.is(pathText(['f:list', 'i:3']), '.list[3]');
});

test('a set of a client is read with what is known of it, or not at all', () => {
  assert.equal(readFieldSet({ 'f:a': { '.': {}, 'x:later': {} } }), { 'f:a': { '.': {} } });
  for (const garbage of [null, 1, 'x', [], { a: {} }, { 'f:a': 1 }, { 'k:{': {} }, { 'k:1': {} }, { 'i:x': {} }, { 'v:{"': {} }]) {
    assert.is(readFieldSet(garbage), undefined, JSON.stringify(garbage));
  }
});

test.run();

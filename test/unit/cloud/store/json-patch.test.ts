/** JSON Patch: the operations and refusals of RFC 6902, the pointers of RFC 6901. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { JsonPatchError, applyJsonPatch, parsePointer } from '#cloud/store/embedded/patch/json.ts';
import type { JsonPatchOperation } from '#cloud/store/kube-api.ts';

interface Row {
  name: string;
  document: unknown;
  patch: JsonPatchOperation[];
  result?: unknown;
}

const device = { status: { twins: [{ propertyName: 'setpoint', desired: { value: '20' } }] } };

const rows: Row[] = [
  { name: 'adds a member', document: { a: 1 }, patch: [{ op: 'add', path: '/b', value: 2 }], result: { a: 1, b: 2 } },
  { name: 'add replaces a member', document: { a: 1 }, patch: [{ op: 'add', path: '/a', value: 2 }], result: { a: 2 } },
  { name: 'inserts into a list', document: [1, 3], patch: [{ op: 'add', path: '/1', value: 2 }], result: [1, 2, 3] },
  { name: 'appends with -', document: [1], patch: [{ op: 'add', path: '/-', value: 2 }], result: [1, 2] },
  { name: 'refuses an index beyond the end', document: [1], patch: [{ op: 'add', path: '/3', value: 2 }] },
  { name: 'refuses an index with a leading zero', document: [1, 2], patch: [{ op: 'remove', path: '/01' }] },
  { name: 'refuses to add below a missing parent', document: {}, patch: [{ op: 'add', path: '/a/b', value: 1 }] },
  { name: 'removes a member', document: { a: 1, b: 2 }, patch: [{ op: 'remove', path: '/a' }], result: { b: 2 } },
  { name: 'refuses to remove what is missing', document: {}, patch: [{ op: 'remove', path: '/a' }] },
  { name: 'replaces', document: { a: [1, 2] }, patch: [{ op: 'replace', path: '/a/0', value: 9 }], result: { a: [9, 2] } },
  { name: 'refuses to replace what is missing', document: {}, patch: [{ op: 'replace', path: '/a', value: 1 }] },
  { name: 'replaces the whole document', document: { a: 1 }, patch: [{ op: 'replace', path: '', value: 7 }], result: 7 },
  { name: 'moves', document: { a: 1 }, patch: [{ op: 'move', from: '/a', path: '/b' }], result: { b: 1 } },
  { name: 'refuses to move into itself', document: { a: { b: 1 } }, patch: [{ op: 'move', from: '/a', path: '/a/b' }] },
  {
    name: 'copies',
    document: { a: [1] },
    patch: [
      { op: 'copy', from: '/a', path: '/b' },
      { op: 'add', path: '/b/-', value: 2 },
    ],
    result: { a: [1], b: [1, 2] },
  },
  {
    name: 'unescapes ~1 and ~0',
    document: { 'a/b': 1, 'm~n': 2 },
    patch: [
      { op: 'remove', path: '/a~1b' },
      { op: 'test', path: '/m~0n', value: 2 },
    ],
    result: { 'm~n': 2 },
  },
  { name: 'test is typed: 1 is not "1"', document: { a: 1 }, patch: [{ op: 'test', path: '/a', value: '1' }] },
  {
    name: 'test ignores the order of members',
    document: { a: { x: 1, y: [2] } },
    patch: [{ op: 'test', path: '/a', value: { y: [2], x: 1 } }],
    result: { a: { x: 1, y: [2] } },
  },
  { name: 'test of a list is ordered', document: { a: [1, 2] }, patch: [{ op: 'test', path: '/a', value: [2, 1] }] },
  { name: 'null is a value', document: { a: null }, patch: [{ op: 'test', path: '/a', value: null }], result: { a: null } },
  { name: 'an operation without a value is refused', document: {}, patch: [{ op: 'add', path: '/a' }] },
  { name: 'a pointer needs its slash', document: {}, patch: [{ op: 'add', path: 'a', value: 1 }] },
  {
    name: 'test and replace of a desired value',
    document: device,
    patch: [
      { op: 'test', path: '/status/twins/0/propertyName', value: 'setpoint' },
      { op: 'replace', path: '/status/twins/0/desired/value', value: '23' },
    ],
    result: { status: { twins: [{ propertyName: 'setpoint', desired: { value: '23' } }] } },
  },
];

for (const { name, document, patch, result } of rows) {
  test(name, () => {
    const given = structuredClone(document);
    if (result === undefined)
      assert.throws(
        () => applyJsonPatch(given, patch),
        (error: unknown) => error instanceof JsonPatchError,
      );
    else assert.equal(applyJsonPatch(given, patch), result);
  });
}

test('a member named __proto__ is an ordinary member', () => {
  const result = applyJsonPatch(JSON.parse('{"a":{}}'), [{ op: 'add', path: '/a/__proto__', value: { polluted: true } }]) as { a: object };
  assert.is(JSON.stringify(result), '{"a":{"__proto__":{"polluted":true}}}');
  assert.is(({} as { polluted?: boolean }).polluted, undefined);
  assert.throws(() => applyJsonPatch({}, [{ op: 'test', path: '/constructor', value: 1 }]), /no member/);
});

test('a pointer is read into its parts', () => {
  assert.equal(parsePointer('/a~1b/~01/0'), ['a/b', '~1', '0']);
  assert.equal(parsePointer(''), []);
});

test('copies that double the document again and again are refused', () => {
  const patch = [
    { op: 'add', path: '/x', value: { text: 'x'.repeat(1000) } },
    ...Array.from({ length: 40 }, (_, index) => ({ op: 'copy', from: '/x', path: `/x/n${index}` })),
  ] as JsonPatchOperation[];
  assert.throws(() => applyJsonPatch({}, patch), /copies of more than/);
});

test('a document does not get deeper than a body may be', () => {
  const patch = Array.from({ length: 300 }, (_, index) => ({ op: 'add', path: '/a'.repeat(index + 1), value: {} })) as JsonPatchOperation[];
  assert.throws(() => applyJsonPatch({}, patch), /nested deeper than/);
});

test.run();

/** Merge patch (RFC 7386) and strategic merge patch. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { applyMergePatch } from '#cloud/store/embedded/patch/merge.ts';
import { StrategicPatchError, applyStrategicPatch } from '#cloud/store/embedded/patch/strategic.ts';

const merges: [string, unknown, unknown, unknown][] = [
  ['sets and removes', { a: 1, b: 2 }, { a: null, c: 3 }, { b: 2, c: 3 }],
  ['goes down', { a: { b: 1, c: 2 } }, { a: { b: null } }, { a: { c: 2 } }],
  ['replaces lists whole', { a: [1, 2] }, { a: [3] }, { a: [3] }],
  ['replaces a scalar by an object, without its nulls', { a: 1 }, { a: { b: null, c: 1 } }, { a: { c: 1 } }],
];
for (const [name, target, patch, result] of merges) test(`merge patch ${name}`, () => assert.equal(applyMergePatch(target, patch), result));

const ready = { type: 'Ready', status: 'True' };
const strategics: [string, unknown, unknown, unknown][] = [
  [
    'merges conditions by type',
    { conditions: [ready] },
    {
      conditions: [
        { type: 'Ready', status: 'False' },
        { type: 'Disk', status: 'True' },
      ],
    },
    {
      conditions: [
        { type: 'Ready', status: 'False' },
        { type: 'Disk', status: 'True' },
      ],
    },
  ],
  [
    'keeps items that the patch does not name',
    {
      addresses: [
        { type: 'A', address: '1' },
        { type: 'B', address: '2' },
      ],
    },
    { addresses: [{ type: 'B', address: '3' }] },
    {
      addresses: [
        { type: 'A', address: '1' },
        { type: 'B', address: '3' },
      ],
    },
  ],
  [
    'deletes an item by directive',
    { addresses: [{ type: 'A' }, { type: 'B' }] },
    { addresses: [{ $patch: 'delete', type: 'A' }] },
    { addresses: [{ type: 'B' }] },
  ],
  ['replaces lists without a key', { taints: [{ key: 'a' }] }, { taints: [{ key: 'b' }] }, { taints: [{ key: 'b' }] }],
  ['adds to sets once', { finalizers: ['a'] }, { finalizers: ['a', 'b'] }, { finalizers: ['a', 'b'] }],
  ['takes out of sets', { finalizers: ['a', 'b'] }, { '$deleteFromPrimitiveList/finalizers': ['a'] }, { finalizers: ['b'] }],
  ['replaces a map by directive', { labels: { a: '1' } }, { labels: { $patch: 'replace', b: '2' } }, { labels: { b: '2' } }],
  ['removes by null', { a: { b: 1, c: 2 } }, { a: { b: null } }, { a: { c: 2 } }],
  [
    'keeps only retained keys',
    { strategy: { type: 'Rolling', rolling: {} } },
    { strategy: { $retainKeys: ['type'], type: 'Recreate' } },
    { strategy: { type: 'Recreate' } },
  ],
  [
    'tells ports of containers and services apart',
    { ports: [{ port: 80, name: 'a' }] },
    { ports: [{ port: 80, name: 'b' }, { port: 81 }] },
    { ports: [{ port: 80, name: 'b' }, { port: 81 }] },
  ],
  [
    'puts items in the wanted order',
    { containers: [{ name: 'a' }, { name: 'b' }] },
    { $setElementOrder: 1, '$setElementOrder/containers': [{ name: 'c' }, { name: 'b' }, { name: 'a' }], containers: [{ name: 'c' }] },
    { containers: [{ name: 'c' }, { name: 'b' }, { name: 'a' }] },
  ],
];
for (const [name, target, patch, result] of strategics) {
  test(`strategic patch ${name}`, () => assert.equal(applyStrategicPatch(structuredClone(target), patch), result));
}

test('a strategic patch without the merge key is refused', () => {
  assert.throws(
    () => applyStrategicPatch({ conditions: [ready] }, { conditions: [{ status: 'True' }] }),
    (error: unknown) => error instanceof StrategicPatchError,
  );
});

test('neither patch changes prototypes', () => {
  const patch: unknown = JSON.parse('{"__proto__":{"x":1}}');
  assert.is(JSON.stringify(applyMergePatch({}, patch)), '{"__proto__":{"x":1}}');
  assert.is(JSON.stringify(applyStrategicPatch({}, patch)), '{"__proto__":{"x":1}}');
  assert.is(({} as { x?: number }).x, undefined);
});

test.run();

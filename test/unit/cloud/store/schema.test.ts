/** Structural schemas: pruning, defaults, validation, and which schemas are structural. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultAndPrune, type Schema } from '#cloud/store/embedded/schema/schema.ts';
import { structuralFaults } from '#cloud/store/embedded/schema/structural.ts';
import { validate } from '#cloud/store/embedded/schema/validate.ts';

const schema: Schema = {
  type: 'object',
  required: ['spec'],
  properties: {
    spec: {
      type: 'object',
      required: ['size'],
      properties: {
        size: { type: 'integer', minimum: 1, maximum: 10 },
        color: { type: 'string', default: 'red', pattern: '^[a-z]+$' },
        port: { 'x-kubernetes-int-or-string': true },
        mode: { type: 'string', enum: ['on', 'off'] },
        free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        any: { 'x-kubernetes-preserve-unknown-fields': true },
        tags: { type: 'array', maxItems: 2, items: { type: 'string', maxLength: 4 } },
        list: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['k'],
          items: { type: 'object', required: ['k'], properties: { k: { type: 'string' }, v: { type: 'string' } } },
        },
        when: { type: 'string', format: 'date-time' },
        ratio: { type: 'number' },
        note: { type: 'string', nullable: true },
        map: { type: 'object', additionalProperties: { type: 'string' } },
      },
    },
  },
};

function messages(spec: unknown): string[] {
  return validate(schema, { spec }).causes.map(({ field, message }) => `${field ?? ''}: ${message ?? ''}`);
}

test('unknown fields go and are named, except where they are kept', () => {
  const object = {
    apiVersion: 'v',
    kind: 'K',
    metadata: { extra: 1 },
    spec: { size: 1, junk: 1, free: { a: { b: 1 } }, list: [{ k: 'a', x: 1 }] },
    top: 1,
  };
  const unknown = defaultAndPrune(schema, object);
  assert.equal(unknown.sort(), ['spec.junk', 'spec.list[0].x', 'top']);
  assert.equal(object, {
    apiVersion: 'v',
    kind: 'K',
    metadata: { extra: 1 },
    spec: { size: 1, free: { a: { b: 1 } }, list: [{ k: 'a' }], color: 'red' },
  });
});

test('null counts as absent unless the field is nullable', () => {
  const object = { spec: { size: null, color: null, note: null, any: null } };
  defaultAndPrune(schema, object);
  assert.equal(object, { spec: { color: 'red', note: null, any: null } });
});

test('a default is a copy', () => {
  const withList: Schema = { type: 'object', properties: { a: { type: 'array', items: { type: 'string' }, default: ['x'] } } };
  const first: { a?: string[] } = {};
  const second: { a?: string[] } = {};
  defaultAndPrune(withList, first);
  first.a?.push('y');
  defaultAndPrune(withList, second);
  assert.equal(second, { a: ['x'] });
});

const faults: [string, unknown, string[]][] = [
  ['a fitting object', { size: 3, port: 'http', ratio: 1, map: { a: 'b' } }, []],
  ['a missing field', {}, ['spec.size: Required value']],
  ['a wrong type', { size: 'x' }, ['spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"']],
  ['a fraction for an integer', { size: 1.5 }, ['spec.size: Invalid value: "number": spec.size in body must be of type integer: "number"']],
  ['a number that is too large', { size: 11 }, ['spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10']],
  ['a pattern', { size: 1, color: 'RED' }, ['spec.color: Invalid value: "RED": spec.color in body should match \'^[a-z]+$\'']],
  ['an enum', { size: 1, mode: 'x' }, ['spec.mode: Unsupported value: "x": supported values: "on", "off"']],
  [
    'neither int nor string',
    { size: 1, port: true },
    ['spec.port: Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"'],
  ],
  [
    'a format',
    { size: 1, when: 'yesterday' },
    ['spec.when: Invalid value: "yesterday": spec.when in body must be of type date-time: "yesterday"'],
  ],
  [
    'a map value',
    { size: 1, map: { a: 1 } },
    ['spec.map.a: Invalid value: "integer": spec.map.a in body must be of type string: "integer"'],
  ],
  ['twice the same key', { size: 1, list: [{ k: 'a' }, { k: 'a' }] }, ['spec.list[1]: Duplicate value: map[string]interface {}{"k":"a"}']],
  [
    'list lengths',
    { size: 1, tags: ['a', 'b', 'toolong'] },
    [
      'spec.tags: Invalid value: 3: spec.tags in body should have at most 2 items',
      'spec.tags: Invalid value: "toolong": spec.tags in body should be at most 4 chars long',
    ],
  ],
];
for (const [name, spec, expected] of faults) test(`validation finds ${name}`, () => assert.equal(messages(spec), expected));

test('a schema needs a type on every node, and patterns that compile', () => {
  assert.equal(structuralFaults(schema, 's'), []);
  const faulty = { type: 'object', properties: { a: { properties: {} }, b: { type: 'string', pattern: '(' }, c: { type: 'array' } } };
  assert.equal(
    structuralFaults(faulty, 's').map(({ field }) => field),
    ['s.properties[a].type', 's.properties[b].pattern', 's.properties[c].items'],
  );
});

test.run();

/** Owns the proof of the judgement on Devices and DeviceModels: what is refused, warned of or shown as a condition, at creation and change. */
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Fields } from '#device-models/fields.ts';
import { sentenceOf } from '#device-models/problem.ts';
import { review, type ReviewContext } from '#device-models/review.ts';
import { formatFinding, validateYaml } from '#device-models/validate.ts';
import { yamlDocuments } from '#test/support/yaml-fixture.ts';

const model = (property = '{name: p, type: {int: {accessMode: ReadWrite, minimum: 0, maximum: 10}}}'): Fields =>
  parsed(`metadata: {name: m}\nspec: {properties: [${property}]}`);
const device = (parts: { visitor?: string; desired?: string; labels?: string; more?: string } = {}): Fields => {
  const { visitor = 'modbus: {register: HoldingRegister, offset: 0, limit: 1}', desired = '"5"', labels = '{}', more = '' } = parts;
  return parsed(`
metadata: {name: d, namespace: hall, uid: u2, creationTimestamp: '2026-02-02T00:00:00Z', labels: ${labels}}
spec: {deviceModelRef: {name: m}, nodeName: n, protocol: {modbus: {slaveID: 1}}, propertyVisitors: [{propertyName: p, ${visitor}}${more}]}
status: {twins: [{propertyName: p, desired: {value: ${desired}}}]}`);
};

function parsed(text: string): Fields {
  return yamlDocuments(text)[0] ?? {};
}

function context(over: Partial<ReviewContext> = {}): ReviewContext {
  return {
    model: (key) => (key === 'hall/m' ? model() : undefined),
    nodeKnown: () => true,
    rival: () => undefined,
    users: () => [],
    ...over,
  };
}

const told = (found: ReturnType<typeof review>): string[] => found.map((problem) => `${problem.severity} ${sentenceOf(problem)}`);
const created = (object: Fields, over: Partial<ReviewContext> = {}): string[] => told(review({ kind: 'Device', object }, context(over)));
const changed = (previous: Fields, object: Fields, over: Partial<ReviewContext> = {}): string[] =>
  told(review({ kind: 'Device', object, previous }, context(over)));

const LIMIT_0 = 'spec.propertyVisitors[0].modbus.limit: 0 reads nothing: write the number of registers, 1 to 125';
const bad = 'modbus: {register: HoldingRegister, offset: 0, limit: 0}';

test('a good device has no findings', () => assert.equal(created(device()), []));

const rival = { namespace: 'attic', name: 'd', node: 'n', uid: 'u1' };
for (const [what, found, expected] of [
  ['limit 0', created(device({ visitor: bad })), [`refuse ${LIMIT_0}`]],
  [
    'an unknown model',
    created(device(), { model: () => undefined }),
    ['condition spec.deviceModelRef.name: there is no DeviceModel m in namespace hall: create it'],
  ],
  [
    'an unknown node',
    created(device(), { nodeKnown: () => false }),
    ['condition spec.nodeName: there is no node n (yet): join it or name another one'],
  ],
  [
    'a name that an older device has',
    created(device(), { rival: () => ({ ...rival, created: '2026-02-01T00:00:00Z' }) }),
    ['condition metadata.name: attic/d is older and has the name d on node n: rename one'],
  ],
  [
    'a name that it takes from a younger device',
    created(device(), { rival: () => ({ ...rival, created: '2026-02-03T00:00:00Z' }) }),
    ['warn metadata.name: attic/d is younger and loses the name d on node n: rename one'],
  ],
  [
    'a property without visitor',
    created(device(), { model: () => parsed('spec: {properties: [{name: p, type: {int: {}}}, {name: q, type: {int: {}}}]}') }),
    ['condition spec.propertyVisitors: "q" has no visitor, so no mapper reads it: add one'],
  ],
  [
    'a visitor for a property that the model lacks',
    created(device({ more: ', {propertyName: q, modbus: {register: HoldingRegister, offset: 1}}' })),
    ['condition spec.propertyVisitors[1]: the DeviceModel has no property "q", so nothing is read: add it there or correct the name'],
  ],
  [
    'a visitor of another protocol',
    created(device({ visitor: 'opcua: {nodeID: i=1}' })),
    ['condition spec.propertyVisitors[0]: is for opcua but the Device speaks modbus, so "p" is not read'],
  ],
  [
    'a desired value outside the range',
    created(device({ desired: '"11"' })),
    ['condition status.twins[0].desired.value: 11 is outside 0 to 10: write a value within'],
  ],
  [
    'a desired value of another type',
    created(device({ desired: '"warm"' })),
    ['condition status.twins[0].desired.value: "warm" is no int: write one'],
  ],
  [
    'a desired value for a ReadOnly property',
    created(device(), { model: () => model('{name: p, type: {int: {accessMode: ReadOnly}}}') }),
    ['condition status.twins[0].desired.value: "p" is ReadOnly, so the value is never written: remove it'],
  ],
  [
    'more registers than a number has',
    created(device({ visitor: 'modbus: {register: HoldingRegister, offset: 0, limit: 5}' })),
    ['condition spec.propertyVisitors[0].modbus.limit: 5 registers are no int: write 1 to 4, or make the property string or bytes'],
  ],
  [
    'a slip in the name of a field',
    created(device({ visitor: 'modbus: {register: HoldingRegister, ofset: 0, limit: 1}' })),
    ['warn spec.propertyVisitors[0].modbus.ofset: no such field, nothing reads it: did you mean offset?'],
  ],
] satisfies [string, string[], string[]][]) {
  test(`${what} is told in one sentence with the field`, () => assert.equal(found, expected));
}

for (const [what, property, expected] of [
  [
    'a default outside the range',
    '{name: p, type: {int: {minimum: 0, maximum: 10, defaultValue: 11}}}',
    'condition spec.properties[0].type.int.defaultValue: 11 is outside 0 to 10: write a value within',
  ],
  [
    'a default of another type',
    '{name: p, type: {float: {defaultValue: warm}}}',
    'condition spec.properties[0].type.float.defaultValue: "warm" is no float: write one',
  ],
  [
    'a minimum above the maximum',
    '{name: p, type: {int: {minimum: 11, maximum: 10}}}',
    'refuse spec.properties[0].type.int.minimum: 11 is more than maximum 10, so no value fits: exchange them',
  ],
] as const) {
  test(`a model with ${what}`, () => assert.equal(told(review({ kind: 'DeviceModel', object: model(property) }, context())), [expected]));
}

test('what was wrong before the change is not refused again: the object stays editable', () => {
  const before = device({ visitor: bad });
  assert.equal(changed(before, device({ visitor: bad, desired: '"6"' })), [`condition ${LIMIT_0}`]);
  assert.equal(changed(device(), device({ visitor: bad })), [`refuse ${LIMIT_0}`]);
  // It is the same fault when the entry moved, and another one when a second entry has it.
  const moved = device({ visitor: bad });
  const spec = moved['spec'] as { propertyVisitors: Fields[] };
  spec.propertyVisitors.unshift({ propertyName: 'q', modbus: { register: 'HoldingRegister', limit: 1 } });
  assert.equal(
    changed(before, moved).filter((line) => line.startsWith('refuse')),
    [],
  );
  spec.propertyVisitors[0] = { propertyName: 'q', modbus: { register: 'HoldingRegister', limit: 0 } };
  assert.equal(
    changed(before, moved).filter((line) => line.startsWith('refuse')),
    [`refuse ${LIMIT_0}`],
  );
});

test('labels, finalizers and reports of a bad device are nobody’s business, and no deletion is refused', () => {
  const before = device({ visitor: bad, desired: '"99"' });
  assert.equal(changed(before, device({ visitor: bad, desired: '"99"', labels: '{a: b}' })), []);
  const reported = device({ visitor: bad, desired: '"99"' });
  reported['status'] = {
    twins: [
      { propertyName: 'p', reported: { value: '1' }, desired: { value: '99' } },
      { propertyName: 'r', reported: {} },
    ],
  };
  assert.equal(changed(before, reported), []);
  assert.equal(told(review({ kind: 'Device', previous: before }, context())), []);
});

test('a model that changes or goes says which of its devices it breaks', () => {
  const users = (): Fields[] => [device(), { ...device(), metadata: { name: 'e', namespace: 'hall' } }];
  const change = (object?: Fields): string[] =>
    told(review({ kind: 'DeviceModel', previous: model(), ...(object === undefined ? {} : { object }) }, context({ users })));
  assert.equal(change(model('{name: p, type: {int: {minimum: 0, maximum: 4}}}')), [
    'warn spec: Device hall/d does not fit any more: status.twins[0].desired.value: 5 is outside 0 to 4: write a value within; and 1 more of its devices have faults by this change',
  ]);
  assert.equal(change(model('{name: p, type: {int: {minimum: 0, maximum: 100}}}')), []);
  assert.equal(change(), ['warn the DeviceModel is still used by "hall/d", "hall/e": remove them too, or create it again']);
});

test('no shape of an object makes it throw', () => {
  for (const junk of [1, 'x', null, [], [null], [[1]], { a: 1 }, true]) {
    const object = { metadata: junk, spec: { properties: junk, propertyVisitors: junk, protocol: junk }, status: { twins: junk } };
    for (const kind of ['Device', 'DeviceModel'] as const) {
      review({ kind, object }, context());
      review({ kind, object: { metadata: junk, spec: junk, status: junk }, previous: object }, context({ users: () => [object] }));
    }
  }
});

test('each file of the corpus is refused, warned of or a condition, as its first line says', () => {
  const folder = new URL('../../fixtures/admission/', import.meta.url);
  const files = readdirSync(folder).sort();
  assert.ok(files.length >= 25, `${files.length} files`);
  for (const file of files) {
    const text = readFileSync(new URL(file, folder), 'utf8');
    const expected = /^# (.*)$/m.exec(text)?.[1];
    const found = validateYaml([{ file, text }]).findings.map((finding) => formatFinding(finding).replace(/^[^ ]+ /, ''));
    assert.equal(found, [expected], file);
  }
});

test.run();

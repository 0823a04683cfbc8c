/** Label and field selectors. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseFieldSelector, parseLabelSelector } from '#cloud/store/embedded/selectors.ts';

const labels = { tier: 'edge', 'node-role.kubernetes.io/edge': '', n: '2' };

const matches: [string, boolean][] = [
  ['tier=edge', true],
  ['tier==edge', true],
  ['tier!=edge', false],
  ['missing!=x', true],
  ['tier in (edge, cloud)', true],
  ['tier notin (edge)', false],
  ['missing notin (x)', true],
  ['missing in (x)', false],
  ['tier', true],
  ['!tier', false],
  ['! missing', true],
  ['node-role.kubernetes.io/edge', true],
  ['node-role.kubernetes.io/edge=', true],
  ['tier=edge,n=2', true],
  ['tier in (a,edge),n!=2', false],
  ['constructor', false],
];
for (const [text, expected] of matches) test(`${text} is ${expected}`, () => assert.is(parseLabelSelector(text)?.(labels), expected));

test('an empty selector matches everything', () => assert.is(parseLabelSelector(' '), undefined));

for (const text of ['a===b', '=b', 'a in x', 'a in (x', 'a b', '!a=b']) {
  test(`${text} is refused`, () => assert.throws(() => parseLabelSelector(text), /unable to parse requirement/));
}

test('a field selector is a list of requirements', () => {
  assert.equal(parseFieldSelector('metadata.name=a,spec.x!=b,status.phase=='), [
    { field: 'metadata.name', equal: true, value: 'a' },
    { field: 'spec.x', equal: false, value: 'b' },
    { field: 'status.phase', equal: true, value: '' },
  ]);
  assert.equal(parseFieldSelector(''), []);
  assert.throws(() => parseFieldSelector('metadata.name'), /can't understand 'metadata.name'/);
});

test.run();

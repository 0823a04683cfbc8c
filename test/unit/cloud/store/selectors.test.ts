/** Label and field selectors. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseLabelSelector } from '#cloud/store/embedded/label-selector.ts';
import { parseFieldSelector } from '#cloud/store/embedded/selectors.ts';

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
  ['n>1', true],
  ['n<2', false],
  ['tier>1', false],
  ['missing<1', false],
  ['tier in (in,notin,edge)', true],
  ['node-role.kubernetes.io/edge in (,x)', true],
  ['node-role.kubernetes.io/edge in ()', true],
];
for (const [text, expected] of matches) test(`${text} is ${expected}`, () => assert.is(parseLabelSelector(text)?.(labels), expected));

test('an empty selector matches everything', () => assert.is(parseLabelSelector(' '), undefined));

const BINARY = 'in, notin, =, ==, !=, gt, lt';
const refusals: [string, string][] = [
  ['a===b', "unable to parse requirement: found '=', expected: identifier"],
  ['=b', "found '=', expected: !, identifier, or 'end of string'"],
  ['a in x', "unable to parse requirement: found 'x' expected: '('"],
  ['a in (x', "unable to parse requirement: found '', expected: ',' or ')'"],
  ['a in (x y)', "unable to parse requirement: found 'y', expected: ',' or ')'"],
  ['a b', `unable to parse requirement: found 'b', expected: ${BINARY}`],
  ['!a=b', "found '=', expected: ',' or 'end of string'"],
  ['a,,b', "found ',', expected: identifier after ','"],
  ['a,', "found '', expected: identifier after ','"],
  ['a>b', "unable to parse requirement: for 'Gt', 'Lt' operators, the value must be an integer"],
  ['a=b c', "found 'c', expected: ',' or 'end of string'"],
];
for (const [text, message] of refusals) {
  test(`${text} is refused: ${message}`, () =>
    assert.throws(
      () => parseLabelSelector(text),
      (error: Error) => error.message === message,
    ));
}

for (const text of ['a/b/c', '-a', 'a=-b', `a=${'x'.repeat(64)}`, 'A/=b', 'a in (-b)']) {
  test(`${text.slice(0, 20)} names no label`, () => assert.throws(() => parseLabelSelector(text), /invalid label (key|value)/));
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

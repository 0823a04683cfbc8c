/** What one rule of a role allows, and which rules cover which. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EVERYTHING, ruleAllows, ruleText, uncovered, type PolicyRule } from '#cloud/store/embedded/access/rules.ts';

const rule = (groups: string, resources: string, verbs: string): PolicyRule => ({
  apiGroups: groups.split(' '),
  resources: resources.split(' ').filter((each) => each !== ''),
  verbs: verbs.split(' '),
  resourceNames: [],
  nonResourceURLs: [],
});
const only = (names: string, of: PolicyRule): PolicyRule => ({ ...of, resourceNames: names.split(' ') });
const url = (urls: string, verbs = 'get'): PolicyRule => ({
  ...rule('', '', verbs),
  apiGroups: [],
  nonResourceURLs: urls.split(' '),
});
const asked = (verb: string, what: string, name = ''): Parameters<typeof ruleAllows>[1] => {
  const [resource = '', subresource = ''] = what.split('/');
  return { verb, group: '', resource, subresource, namespace: 'x', name };
};

test('resources, subresources and names are matched as on a real server', () => {
  const allowed: [PolicyRule, Parameters<typeof ruleAllows>[1], boolean][] = [
    [rule('', 'pods', 'get'), asked('get', 'pods'), true],
    [rule('', 'pods', 'get'), asked('list', 'pods'), false],
    [rule('', 'pods', 'get'), asked('get', 'pods/log'), false],
    [rule('', 'pods/log', 'get'), asked('get', 'pods/log'), true],
    [rule('', 'pods/log', 'get'), asked('get', 'pods'), false],
    [rule('', '*/log', 'get'), asked('get', 'pods/log'), true],
    [rule('', '*/log', 'get'), asked('get', 'pods'), false],
    [rule('', '*', '*'), asked('delete', 'pods/exec'), true],
    [rule('apps', '*', '*'), asked('get', 'pods'), false],
    [rule('*', 'pods', 'get'), asked('get', 'pods'), true],
    [only('a b', rule('', 'pods', 'get')), asked('get', 'pods', 'b'), true],
    [only('a', rule('', 'pods', 'get')), asked('get', 'pods', 'b'), false],
    [only('a', rule('', 'pods', 'list')), asked('list', 'pods'), false],
    [rule('', 'pods', 'get'), { verb: 'get', path: '/pods' }, false],
    [url('/metrics /debug/*'), { verb: 'get', path: '/metrics' }, true],
    [url('/metrics /debug/*'), { verb: 'get', path: '/metrics/x' }, false],
    [url('/metrics /debug/*'), { verb: 'get', path: '/debug/x/y' }, true],
    [url('/metrics /debug/*'), { verb: 'get', path: '/debug' }, false],
    [url('*'), { verb: 'get', path: '/any' }, true],
    [url('*'), { verb: 'post', path: '/any' }, false],
  ];
  for (const [given, attempt, wanted] of allowed)
    assert.is(ruleAllows(given, attempt), wanted, `${ruleText(given)} ${JSON.stringify(attempt)}`);
});

test('single rights that nothing covers are found and joined by verb', () => {
  const held = [rule('', 'pods configmaps', 'get list'), rule('apps', '*', 'get'), only('a', rule('', 'secrets', 'get')), url('/debug/*')];
  const missing = (...wanted: PolicyRule[]): string[] => (uncovered(held, wanted) ?? []).map(ruleText);
  assert.equal(missing(rule('', 'pods', 'get'), rule('apps', 'deployments deployments/scale', 'get'), url('/debug/x')), []);
  assert.equal(missing(rule('', 'pods secrets', 'get list')), ['{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}']);
  assert.equal(missing(only('a', rule('', 'secrets', 'get'))), []);
  assert.equal(missing(only('a b', rule('', 'secrets', 'get'))), [
    '{APIGroups:[""], Resources:["secrets"], ResourceNames:["b"], Verbs:["get"]}',
  ]);
  assert.equal(missing(rule('', 'pods', '*')), ['{APIGroups:[""], Resources:["pods"], Verbs:["*"]}']);
  assert.equal(missing(rule('', '*', 'get')), ['{APIGroups:[""], Resources:["*"], Verbs:["get"]}']);
  assert.equal(missing(rule('', 'pods/exec', 'get')), ['{APIGroups:[""], Resources:["pods/exec"], Verbs:["get"]}']);
  assert.equal(missing(url('/debug')), ['{NonResourceURLs:["/debug"], Verbs:["get"]}']);
  assert.equal(missing(url('*')), ['{NonResourceURLs:["*"], Verbs:["get"]}']);
  assert.is(missing(...EVERYTHING).length, 2);
  assert.equal(uncovered(EVERYTHING, [rule('a b', 'c/d', 'e'), url('/x')]), []);
});

test('two rules may cover together what neither does alone', () => {
  const held = [rule('', 'pods', 'get'), rule('', 'configmaps', 'get list'), rule('', 'pods', 'list')];
  assert.equal(uncovered(held, [rule('', 'pods configmaps', 'get list')]), []);
});

test('more rights than can be looked at are not looked at', () => {
  const many = Array.from({ length: 30 }, (_each, index) => `r${String(index)}`).join(' ');
  assert.is(uncovered([], [rule(many, many, many)]), undefined);
});

test.run();

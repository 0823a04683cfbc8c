/** Owns the table of topic names and filters. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { filterFault, matches, topicFault } from '#edge/broker/topic.ts';
import { TopicTrie } from '#edge/broker/topic-trie.ts';
import { FakeClock } from '#test/support/fake-clock.ts';

const pairs: readonly [filter: string, topic: string, matches: boolean][] = [
  ['a/b', 'a/b', true],
  ['a/b', 'a/b/c', false],
  ['a/+', 'a/b', true],
  ['a/+', 'a', false],
  ['a/+', 'a/', true],
  ['a/+', 'a/b/c', false],
  ['+', 'a', true],
  ['+', '/a', false],
  ['+/+', '/a', true],
  ['/+', '/a', true],
  ['a/#', 'a', true],
  ['a/#', 'a/b/c', true],
  ['a/#', 'ab', false],
  ['#', 'a/b', true],
  ['+/b/#', 'a/b', true],
  ['a//b', 'a//b', true],
  ['a/+/b', 'a//b', true],
  ['#', '$hw/events/device/d/twin/update', false],
  ['+/events/#', '$hw/events/device/d/twin/update', false],
  ['+/user/#', '$hw/user/x', false],
  ['$hw/#', '$hw/events/device/d/twin/update', true],
  ['$hw/events/device/+/twin/update', '$hw/events/device/d/twin/update', true],
  ['$hw/events/device/+/twin/+', '$hw/events/device/d/twin/update/result', false],
  ['a/#', 'a/$x', true],
  ['a/+', 'a/$x', true],
];

for (const [filter, topic, expected] of pairs) {
  test(`${filter} ${expected ? 'matches' : 'does not match'} ${topic}`, () => {
    assert.is(matches(filter, topic), expected);
    const trie = new TopicTrie<string>();
    trie.set(filter, 'client', filter);
    assert.equal(trie.match(topic), expected ? [filter] : []);
  });
}

test('the lookup by topic agrees with the rule for a thousand random pairs, also after half of the filters are gone', () => {
  const clock = new FakeClock();
  const pick = (from: readonly string[]): string => from[Math.floor(clock.random() * from.length)] ?? '';
  const path = (parts: readonly string[]): string =>
    Array.from({ length: 1 + Math.floor(clock.random() * 4) }, () => pick(parts)).join('/');
  const filters = Array.from({ length: 200 }, () => path(['a', 'b', '', '$c', '+'])).map((filter) =>
    clock.random() < 0.3 ? `${filter}/#` : filter,
  );
  const trie = new TopicTrie<string>();
  const wanted = new Map<string, string>();
  for (const [index, filter] of filters.entries()) {
    trie.set(filter, `client ${index % 7}`, `${index % 7} ${filter}`);
    wanted.set(`${index % 7} ${filter}`, filter);
  }
  for (const [index, filter] of filters.entries()) {
    if (index % 2 === 0) continue;
    trie.delete(filter, `client ${index % 7}`);
    wanted.delete(`${index % 7} ${filter}`);
  }
  assert.is(trie.size, wanted.size);
  for (let i = 0; i < 1_000; i++) {
    const topic = path(['a', 'b', '', '$c', 'd']);
    const expected = [...wanted].filter(([, filter]) => matches(filter, topic)).map(([key]) => key);
    assert.equal(trie.match(topic).sort(), expected.sort(), topic);
  }
});

test('a filter that was never set can be deleted; the last deletion leaves nothing', () => {
  const trie = new TopicTrie<number>();
  trie.delete('a/b', 'x');
  trie.set('a/b', 'x', 1);
  trie.set('a/b', 'x', 2);
  assert.equal([trie.size, trie.match('a/b')], [1, [2]]);
  trie.delete('a/b', 'y');
  trie.delete('a/b', 'x');
  assert.equal([trie.size, trie.match('a/b')], [0, []]);
});

test('names of topics are checked', () => {
  assert.is(topicFault('$hw/events/device/d/twin/update'), undefined);
  assert.is(topicFault('/'), undefined);
  assert.match(topicFault('') ?? '', /empty/);
  assert.match(topicFault('a/#') ?? '', /wildcard/);
  assert.match(topicFault('a/+/b') ?? '', /wildcard/);
  assert.match(topicFault('a\0') ?? '', /NUL/);
  assert.match(topicFault('/'.repeat(100)) ?? '', /levels/);
  assert.is(topicFault('/'.repeat(99)), undefined);
});

test('filters are checked', () => {
  for (const good of ['#', '+', 'a/#', '+/+/#', '/', '$hw/+/x']) assert.is(filterFault(good), undefined, good);
  for (const bad of ['', 'a#', 'a/#/b', '#/a', 'a+', '+a/b', 'a/b+', 'a\0b', `${'a/'.repeat(100)}b`])
    assert.type(filterFault(bad), 'string', bad);
});

test.run();

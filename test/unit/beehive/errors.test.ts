/** The catalogue of errors, and the message of whatever was thrown. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HiveletError, catalogue, isHiveletError, messageOf } from '#beehive/errors.ts';

test('every row says who retries, what exit status it means, and something for a person', () => {
  for (const [code, { retry, exit, text }] of Object.entries(catalogue)) {
    assert.match(code, /^[A-Z]+(_[A-Z]+)*$/);
    assert.ok(['never', 'later'].includes(retry), code);
    assert.is(exit, code === 'USAGE' ? 2 : 1, code);
    assert.match(text, /^[a-z].*[^.]$/, code);
  }
});

test('an error without words of its own has those of the catalogue', () => {
  const error = new HiveletError('STORE_FULL');
  assert.equal(
    [error.name, error.code, error.message, error.facts, error.cause],
    ['HiveletError', 'STORE_FULL', 'the disk is full', {}, undefined],
  );
});

test('an error keeps its facts and its cause', () => {
  const cause = new Error('ENOSPC');
  const error = new HiveletError('STORE_FULL', 'the card is full: free some space', { facts: { path: '/x' }, cause });
  assert.equal([error.message, error.facts, error.cause], ['the card is full: free some space', { path: '/x' }, cause]);
});

test('it is told from other errors, with its code or without', () => {
  const error = new HiveletError('USAGE');
  assert.equal(
    [isHiveletError(error), isHiveletError(error, 'USAGE'), isHiveletError(error, 'INTERNAL'), isHiveletError(new Error('USAGE'))],
    [true, true, false, false],
  );
});

const thrown: [unknown, string][] = [
  [new Error('plain'), 'plain'],
  ['a text', 'a text'],
  [undefined, 'undefined'],
  [404, '404'],
  [new TypeError(''), 'TypeError'],
  [
    new AggregateError([new Error('connect ECONNREFUSED ::1:1'), new Error('connect ECONNREFUSED 127.0.0.1:1')]),
    'connect ECONNREFUSED ::1:1; connect ECONNREFUSED 127.0.0.1:1',
  ],
  [new AggregateError([new Error('same'), new Error('same')]), 'same'],
  [new AggregateError([]), 'AggregateError'],
  [new AggregateError([new Error('part')], 'its own'), 'its own'],
];
for (const [value, message] of thrown) {
  test(`the message of ${value instanceof Error ? `${value.name}(${JSON.stringify(value.message)})` : JSON.stringify(value)} is ${message}`, () =>
    assert.is(messageOf(value), message));
}

test.run();

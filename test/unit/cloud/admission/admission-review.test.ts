/** Owns the proof of how findings become the answer of a webhook. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { answerReview, readReview } from '#cloud/admission/admission-review.ts';
import type { Problem } from '#device-models/problem.ts';

const review = (request: unknown): unknown => ({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', request });
const problem = (severity: Problem['severity'], path: string): Problem => ({ severity, path, message: 'is odd' });
const responseTo = (problems: Problem[]): unknown => answerReview('u', problems)['response'];

test('a question names the change; kinds of others are nobody’s business', () => {
  const kind = { group: 'devices.kubeedge.io', version: 'v1beta1', kind: 'Device' };
  assert.equal(readReview(review({ uid: 'u', kind, object: { a: 1 }, oldObject: null })), {
    uid: 'u',
    change: { kind: 'Device', object: { a: 1 } },
  });
  assert.equal(readReview(review({ uid: 'u', kind, object: null, oldObject: { a: 1 } })).change, { kind: 'Device', previous: { a: 1 } });
  for (const other of [{ ...kind, group: '' }, { ...kind, kind: 'Rule' }, undefined, 'Device'])
    assert.is(readReview(review({ uid: 'u', kind: other })).change, undefined);
});

for (const [what, body, why] of [
  ['nothing', undefined, 'the body is no AdmissionReview'],
  ['a list', [], 'the body is no AdmissionReview'],
  ['another kind', { kind: 'Pod' }, 'the body is no AdmissionReview'],
  [
    'an old version',
    { kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1beta1' },
    'the version of the AdmissionReview is not admission.k8s.io/v1',
  ],
  ['no request', review(undefined), 'request.uid is missing'],
  ['an empty uid', review({ uid: '' }), 'request.uid is missing'],
] as const) {
  test(`${what} is no question`, () =>
    assert.throws(
      () => readReview(body),
      (error: Error) => error.message === why,
    ));
}

test('refusals are one message, everything else is a warning', () => {
  assert.equal(responseTo([]), { uid: 'u', allowed: true });
  assert.equal(responseTo([problem('warn', 'a'), problem('condition', 'b')]), {
    uid: 'u',
    allowed: true,
    warnings: ['a: is odd', 'b: is odd'],
  });
  assert.equal(responseTo([problem('refuse', 'a'), problem('warn', 'b'), problem('refuse', 'c')]), {
    uid: 'u',
    allowed: false,
    warnings: ['b: is odd'],
    status: { code: 422, reason: 'Invalid', message: 'a: is odd; c: is odd' },
  });
});

test('of very many findings the first ones are told and the others counted', () => {
  const many = Array.from({ length: 40 }, (_, index) => problem(index % 2 === 0 ? 'warn' : 'refuse', `p${index}`));
  const { warnings, status } = responseTo(many) as { warnings: string[]; status: { message: string } };
  assert.equal([warnings.length, warnings.at(-1)], [16, 'and 5 more']);
  assert.match(status.message, /^p1: is odd; .*; p9: is odd; and 15 more$/);
});

test.run();

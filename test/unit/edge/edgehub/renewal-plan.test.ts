/** When a certificate is renewed: at two thirds of its life give or take, and early enough for a board that is away for half a year. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { planOf, standingOf } from '#edge/edgehub/renewal-plan.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const issuedMs = Date.UTC(2026, 0, 1);
const endsMs = issuedMs + 365 * DAY_MS;
const certificate = (digits: string, validFrom = 'Jan  1 00:00:00 1970 GMT') => ({
  validFrom,
  validTo: new Date(endsMs).toUTCString(),
  fingerprint256: digits.padEnd(64, '0').replace(/(..)(?=.)/g, '$1:'),
});
const dueDay = (digits: string, from?: string): number => (planOf(certificate(digits, from)).dueMs - issuedMs) / DAY_MS;

test('a certificate of our cloud, which says 1970 for its beginning, is due at two thirds of a year, give or take 18 days', () => {
  assert.is(Math.round(dueDay('80000000')), 243);
  assert.is(Math.round(dueDay('00000000')), 225);
  assert.is(Math.round(dueDay('ffffffff')), 262);
});

test('one that says when it began has that life: ten days are due after a week', () => {
  const from = new Date(endsMs - 10 * DAY_MS).toUTCString();
  assert.ok(Math.abs((endsMs - planOf(certificate('80000000', from)).dueMs) / DAY_MS - 10 / 3) < 0.01);
});

test('a fleet that joined in one hour spreads over weeks, each board always to the same time', () => {
  const days = Array.from({ length: 100 }, (_, index) => Math.floor(dueDay((index * 0x28f5c28).toString(16).padStart(8, '0'))));
  assert.ok(new Set(days).size > 30, String(new Set(days).size));
  assert.is(dueDay('12345678'), dueDay('12345678'));
});

test('a board that goes away at any time for six months comes back within the grace of 90 days', () => {
  for (const digits of ['00000000', '80000000', 'ffffffff']) {
    const lastDay = dueDay(digits);
    // Until then it is on the first one; the day after, it has another year.
    for (let day = 0; day <= lastDay; day += 1) assert.ok(day + 184 < 365 + 90, `${digits} on day ${String(day)}`);
  }
});

test('what stands is told by the time; without one nobody knows', () => {
  const plan = planOf(certificate('80000000'));
  assert.equal(
    [plan.dueMs - 1, plan.dueMs, plan.endsMs - 1, plan.endsMs, undefined].map((nowMs) => standingOf(plan, nowMs)),
    ['good', 'due', 'due', 'ended', 'unknown'],
  );
});

test.run();

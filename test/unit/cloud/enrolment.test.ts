/** Join tokens as text, and slowing down who guesses them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { idOf, splitToken, tokenText } from '#cloud/enrolment/join-token.ts';
import { Throttle } from '#cloud/enrolment/throttle.ts';
import { parseLife } from '#cloud/enrolment/token-store.ts';
import { FakeClock } from '#test/support/fake-clock.ts';

const authority = 'ab'.repeat(32);
const token = tokenText({ authority, id: 'abcdefgh1234', expiresMs: 1_800_000_000_500, node: 'pi', secret: Buffer.alloc(32, 7) });

test('a token has four parts: the authority, and a JWT that says until when and for whom', () => {
  const [first, header = '', claims = '', signature = ''] = token.split('.');
  const json = (part: string): unknown => JSON.parse(Buffer.from(part, 'base64url').toString());
  assert.is(first, authority);
  assert.equal(json(header), { alg: 'HS256', typ: 'JWT' });
  assert.equal(json(claims), { exp: 1_800_000_000, jti: 'abcdefgh1234', sub: 'system:node:pi' });
  assert.is(Buffer.from(signature, 'base64url').length, 32);
});

test('a token is taken apart as KubeEdge does, also with white space around it', () => {
  assert.equal(splitToken(` ${token}\n`), { authority, bearer: token.slice(65) });
  assert.is(idOf(token.slice(65)), 'abcdefgh1234');
});

for (const garbage of [
  '',
  'x',
  'a.b.c.d',
  token.slice(0, -44),
  `${token}.x`,
  token.replace('a', 'g'),
  `${authority}.a.b.c d`,
  'a'.repeat(5000),
]) {
  test(`${JSON.stringify(garbage.slice(0, 30))} (${String(garbage.length)}) is no join token`, () =>
    assert.is(splitToken(garbage), undefined));
}

for (const claims of [
  'null',
  '[]',
  '{}',
  '{"jti":1}',
  '{"jti":"../../x"}',
  '{"jti":"ABCDEFGH1234"}',
  '{',
  '{"__proto__":{"jti":"abcdefgh1234"}}',
]) {
  test(`claims ${claims} name no token`, () => assert.is(idOf(`a.${Buffer.from(claims).toString('base64url')}.c`), undefined));
}

test('a life is a number with a unit', () => {
  assert.equal(['90s', '30m', '24h', '7d'].map(parseLife), [90_000, 1_800_000, 86_400_000, 604_800_000]);
  for (const bad of ['', '24', '1w', '0h', '366d', '-1h', '1.5h']) assert.throws(() => parseLife(bad), /^--ttl .*: write how long/);
});

test('three failures are free, then each doubles the wait up to a minute; a success or ten quiet minutes clear it', async () => {
  const clock = new FakeClock();
  const throttle = new Throttle(clock);
  const waits: number[] = [];
  for (let count = 0; count < 11; count += 1) {
    throttle.failed('10.0.0.1');
    waits.push(throttle.waitMs('10.0.0.1') / 1000);
  }
  assert.equal(waits, [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60]);
  assert.is(throttle.waitMs('10.0.0.2'), 0);
  assert.is(throttle.waitMs('::ffff:10.0.0.1'), 60_000);
  await clock.advance(60_000);
  assert.is(throttle.waitMs('10.0.0.1'), 0);
  await clock.advance(600_000);
  throttle.failed('10.0.0.1');
  assert.is(throttle.waitMs('10.0.0.1'), 0);
  throttle.succeeded('10.0.0.1');
  assert.is(throttle.size, 0);
});

test('a network of IPv6 counts as one, and the table is bounded', () => {
  const throttle = new Throttle(new FakeClock());
  for (const address of ['2001:db8::1', '2001:db8:0:0:1::2', '2001:db8::3%eth0', '2001:0db8::4'.replace('0db8', 'db8')])
    throttle.failed(address);
  assert.is(throttle.waitMs('2001:db8::ffff'), 1000);
  assert.is(throttle.waitMs('2001:db8:0:1::1'), 0);
  for (let count = 0; count < 3000; count += 1) throttle.failed(`10.${String(count >> 8)}.${String(count & 255)}.1`);
  assert.is(throttle.size, 1000);
});

test.run();

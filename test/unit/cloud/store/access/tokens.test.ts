/** Tokens of service accounts under garbage: nothing but what was signed here is taken, and nothing throws. */
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { AccountTokens, ISSUER } from '#cloud/store/embedded/access/account-tokens.ts';
import { TokenKey } from '#cloud/store/embedded/access/jwt.ts';
import type { ObjectStore } from '#cloud/store/embedded/object-store.ts';
import { storeObject } from '#cloud/store/embedded/stored-object.ts';
import { isHiveletError } from '#beehive/errors.ts';
import { FakeClock } from '#test/support/fake-clock.ts';

const account = storeObject({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'a', namespace: 'x', uid: 'u1' } }, 1);
const store: Pick<ObjectStore, 'get'> = { get: (resource) => (resource === 'serviceaccounts' ? account : undefined) };

function tokens(): AccountTokens {
  return new AccountTokens({ key: undefined, store: store as ObjectStore, clock: new FakeClock() });
}

/** mulberry32. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test('3,000 damaged tokens are nobody', () => {
  const mine = tokens();
  const { token } = mine.issue({ account, audiences: [ISSUER], lifeSeconds: 600 });
  assert.is(mine.userOf(token)?.name, 'system:serviceaccount:x:a');
  const draw = random(7);
  const letters = 'ABCxyz019-_.={}"\u0000é ';
  for (let round = 0; round < 3000; round += 1) {
    const at = Math.floor(draw() * token.length);
    const letter = letters[Math.floor(draw() * letters.length)] ?? '';
    const ways = [
      `${token.slice(0, at)}${letter}${token.slice(at + 1)}`,
      `${token.slice(0, at)}${letter}${token.slice(at)}`,
      token.slice(0, at),
      token.slice(at + 1),
      `${token}${letter}`,
    ];
    const damaged = ways[Math.floor(draw() * ways.length)] ?? '';
    if (damaged !== token) assert.is(mine.userOf(damaged), undefined, damaged);
  }
});

test('a signed token that lacks what it needs is nobody', () => {
  const pem = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const key = new TokenKey(pem);
  const mine = new AccountTokens({ key: pem, store: store as ObjectStore, clock: new FakeClock() });
  const place = { namespace: 'x', serviceaccount: { name: 'a', uid: 'u1' } };
  const good = { iss: ISSUER, aud: [ISSUER], 'kubernetes.io': place };
  assert.is(mine.userOf(key.sign(good))?.uid, 'u1');
  const bad: Record<string, unknown>[] = [
    { ...good, iss: 'other' },
    { ...good, aud: ISSUER },
    { ...good, aud: [] },
    { ...good, exp: 1 },
    { ...good, 'kubernetes.io': { ...place, serviceaccount: { name: 'a', uid: 'u2' } } },
    { ...good, 'kubernetes.io': { ...place, serviceaccount: { name: 'a' } } },
    { ...good, 'kubernetes.io': { ...place, pod: { name: 'p', uid: 'u' } } },
    { ...good, 'kubernetes.io': { ...place, secret: 'p' } },
    {},
  ];
  for (const claims of bad) assert.is(mine.userOf(key.sign(claims)), undefined, JSON.stringify(claims));
});

test('a key that cannot be used is named with the way out', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  for (const pem of ['', 'garbage', rsa]) {
    assert.throws(
      () => new TokenKey(pem),
      (error: unknown) => isHiveletError(error, 'CERTIFICATES_UNUSABLE') && /accounts\.key.*remove it/.test(error.message),
    );
  }
});

test.run();

/** Owns the proof of where admission is placed, and that it is not where no API server could reach it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { covers, placementOf } from '#cloud/admission/placement.ts';
import { createAuthority, issueServer } from '#cloud/pki/certificates.ts';

const CLUSTER = 'https://203.0.113.7:6443';
const place = (parts: Partial<Parameters<typeof placementOf>[0]>): unknown =>
  placementOf({ address: '127.0.0.1', service: '', server: 'https://127.0.0.1:6443', advertise: [], ...parts });

for (const [what, parts, expected] of [
  ['an embedded API calls loopback', {}, { name: '127.0.0.1' }],
  ['an API on the loopback of IPv6 is on this machine too', { server: 'https://[::1]:6443' }, { name: '127.0.0.1' }],
  ['a wildcard is no address to dial', { address: '0.0.0.0' }, { name: '127.0.0.1' }],
  [
    'a cluster calls the Service',
    { service: 'kubeedge/cloudcore', server: CLUSTER },
    { service: { namespace: 'kubeedge', name: 'cloudcore' }, name: 'cloudcore.kubeedge.svc' },
  ],
  ['a cluster calls an address that is no loopback', { address: '192.0.2.4', server: CLUSTER }, { name: '192.0.2.4' }],
  ['a cluster calls what boards dial', { address: '::', server: CLUSTER, advertise: ['cloud.example'] }, { name: 'cloud.example' }],
] as const) {
  test(what, () => assert.equal(place({ ...parts, advertise: 'advertise' in parts ? [...parts.advertise] : [] }), expected));
}

test('a cluster cannot call our loopback, and that is said', () => {
  for (const parts of [{}, { address: 'localhost' }, { address: '0.0.0.0' }, { address: '0.0.0.0', advertise: ['127.0.0.1'] }]) {
    assert.match(JSON.stringify(place({ ...parts, server: CLUSTER })), /set modules\.admission\.service/);
  }
});

test('a Service is named with its namespace', () => {
  for (const service of ['cloudcore', 'a/b/c', '/x', 'x/']) assert.throws(() => place({ service }), /write namespace\/name$/);
});

test('a certificate is good for the names in it', async () => {
  const now = Date.now();
  const { certificate } = await issueServer(await createAuthority(now), {
    commonName: 'hub',
    addresses: ['cloudcore.kubeedge.svc', '127.0.0.1'],
    now,
  });
  assert.equal(
    ['cloudcore.kubeedge.svc', '127.0.0.1', '127.0.0.2', 'other.kubeedge.svc'].map((name) => covers(certificate, name)),
    [true, true, false, false],
  );
  assert.is(covers('nonsense', 'x'), false);
});

test.run();

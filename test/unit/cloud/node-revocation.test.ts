/** What revokes a node: a deletion that was seen, by name and uid, once; never the mere absence of its Node or of its list. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { silentLogger } from '#beehive/log.ts';
import { NodeCertificates } from '#cloud/enrolment/node-certificates.ts';
import { NodeLists, type ListedCertificate } from '#cloud/enrolment/node-lists.ts';
import { configmaps, secrets, type KubeObject, type WatchEvent } from '#cloud/store/kube-api.ts';
import { Reflector } from '#cloud/store/kubeconfig/reflector.ts';
import { MemoryKubeApi } from '#test/support/memory-kube-api.ts';
import { until } from '#test/support/until.ts';

const later = Date.now() + 86_400_000;
const entry = (name: string): ListedCertificate => ({ fingerprint: name.repeat(64), key: name.repeat(64), endsMs: later, by: 'token' });
const take = (): { replace: boolean; known: [] } => ({ replace: false, known: [] });

interface Rig {
  api: MemoryKubeApi;
  lists: NodeLists;
  certificates: NodeCertificates;
  changed: string[];
}

async function rig(work: (rig: Rig) => Promise<void>): Promise<void> {
  const api = new MemoryKubeApi();
  const lists = new NodeLists({ api, clock: systemClock });
  const changed: string[] = [];
  const certificates = new NodeCertificates({ api, lists, changed: (node) => void changed.push(node) });
  const abort = new AbortController();
  await certificates.start({ clock: systemClock, log: silentLogger(), signal: abort.signal, failed: () => undefined });
  try {
    await work({ api, lists, certificates, changed });
  } finally {
    abort.abort();
    await certificates.stop();
  }
}

test('a node without a list may use any certificate; with one only those on it; an empty one allows none', () =>
  rig(async ({ lists, certificates, changed }) => {
    assert.is(certificates.refusal('pi', 'a'.repeat(64)), undefined);
    await lists.add('pi', entry('a'), take);
    await until(() => changed.length === 1, { what: 'the list' });
    assert.is(certificates.refusal('pi', 'a'.repeat(64)), undefined);
    assert.match(certificates.refusal('pi', 'b'.repeat(64)) ?? '', /^the certificate of pi was revoked or replaced: join again/);
    await lists.revoke('pi');
    await until(() => changed.length === 2, { what: 'the empty list' });
    assert.match(certificates.refusal('pi', 'a'.repeat(64)) ?? '', /revoked/);
  }));

test('a list that is gone revokes nobody', () =>
  rig(async ({ api, lists, certificates, changed }) => {
    await lists.add('pi', entry('a'), take);
    await until(() => changed.length === 1, { what: 'the list' });
    api.remove(secrets, { namespace: 'kubeedge', name: 'hivelet-node-pi' });
    await until(() => changed.length === 2, { what: 'its end' });
    assert.is(certificates.refusal('pi', 'b'.repeat(64)), undefined);
  }));

test('a deletion empties once: a replica that hears of it late does not throw out who joined since', () =>
  rig(async ({ lists, certificates }) => {
    certificates.nodeDeleted('pi', 'uid-1');
    await until(async () => (await lists.read('pi'))?.revokedUid === 'uid-1', { what: 'the empty list' });
    await lists.add('pi', entry('c'), take);
    await lists.revoke('pi', 'uid-1');
    assert.is((await lists.read('pi'))?.certificates.length, 1);
    await lists.revoke('pi', 'uid-2');
    assert.is((await lists.read('pi'))?.certificates.length, 0);
  }));

test('a deletion is written again and again until the API takes it', () =>
  rig(async ({ api, lists, certificates }) => {
    let faults = 2;
    api.before = ({ verb }) => {
      if (verb === 'create' && faults-- > 0) throw MemoryKubeApi.failure(503, 'ServiceUnavailable');
    };
    certificates.nodeDeleted('pi', 'uid-1');
    await until(async () => (await lists.read('pi'))?.revokedUid === 'uid-1', { what: 'the empty list' });
    assert.is(faults, -1);
  }));

test('a list holds four certificates at most, the newest', () =>
  rig(async ({ lists }) => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await lists.add('pi', entry(name), take);
    const list = await lists.read('pi');
    assert.equal(
      list?.certificates.map(({ fingerprint }) => fingerprint[0]),
      ['b', 'c', 'd', 'e'],
    );
  }));

test('an object that an event deletes is seen to go; one that a list no longer has is missing', async () => {
  const object = (name: string, version: string): KubeObject => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'default', uid: `uid-${name}`, resourceVersion: version },
  });
  const lists = [['a', 'b'], []];
  const gone: string[] = [];
  const reflector = new Reflector({
    api: {
      list: () => Promise.resolve({ resourceVersion: '100', items: (lists.shift() ?? []).map((name) => object(name, '1')) }),
      async *watch(_type, { signal } = {}): AsyncGenerator<WatchEvent> {
        if (lists.length === 1) {
          yield { type: 'deleted', object: object('a', '101') };
          throw MemoryKubeApi.failure(410, 'Expired');
        }
        await new Promise((resolve) => signal?.addEventListener('abort', resolve));
      },
    },
    type: configmaps,
    clock: systemClock,
    log: silentLogger(),
    onDelete: ({ metadata }, how) => void gone.push(`${metadata.name} ${how}`),
  });
  reflector.start();
  await until(() => gone.length === 2, { what: 'both to be gone' });
  await reflector.stop();
  assert.equal(gone, ['a seen', 'b missing']);
});

test.run();

/** Which node is to have what: references of pods, services that select them, and the bookkeeping of both. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LocationCache } from '#cloud/edgecontroller/downstream/location-cache.ts';
import { referencesOf, selects } from '#cloud/edgecontroller/downstream/references.ts';
import type { KubeObject } from '#cloud/store/kube-api.ts';

const pod = (name: string, spec: object, labels: Record<string, string> = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default', labels },
  spec,
});
const using = (name: string, node: string, ...maps: string[]): KubeObject =>
  pod(name, { nodeName: node, volumes: maps.map((map) => ({ configMap: { name: map } })) }, { app: name });
const service = (name: string, selector?: Record<string, string>): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: selector === undefined ? {} : { selector },
});

test('every place where a pod can name a configmap or a secret is read', () => {
  const env = (from: object): object => ({ name: 'X', valueFrom: from });
  const spec = {
    volumes: [
      { configMap: { name: 'volume' } },
      { secret: { secretName: 'volume' } },
      { projected: { sources: [{ configMap: { name: 'projected' } }, { secret: { name: 'projected' } }, { downwardAPI: {} }] } },
      { csi: { nodePublishSecretRef: { name: 'csi' } } },
      { cephfs: { secretRef: { name: 'ceph' } } },
      { azureFile: { secretName: 'azure' } },
      { emptyDir: {} },
    ],
    initContainers: [{ envFrom: [{ configMapRef: { name: 'init' } }, { secretRef: { name: 'init' } }] }],
    containers: [
      {
        env: [
          env({ configMapKeyRef: { name: 'env', key: 'k' } }),
          env({ secretKeyRef: { name: 'env', key: 'k' } }),
          { name: 'Y', value: '1' },
        ],
      },
      { envFrom: [{ configMapRef: { name: 'volume' } }] },
    ],
    ephemeralContainers: [{ envFrom: [{ secretRef: { name: 'debug' } }] }],
    imagePullSecrets: [{ name: 'pull' }, {}],
  };
  assert.equal(referencesOf(pod('p', spec)).sort(), [
    'default/configmap/env',
    'default/configmap/init',
    'default/configmap/projected',
    'default/configmap/volume',
    'default/secret/azure',
    'default/secret/ceph',
    'default/secret/csi',
    'default/secret/debug',
    'default/secret/env',
    'default/secret/init',
    'default/secret/projected',
    'default/secret/pull',
    'default/secret/volume',
  ]);
  assert.equal(referencesOf(pod('p', { volumes: 'x', containers: [null, 1] })), []);
});

test('a service selects by all of its labels; without any it selects nothing', () => {
  const web = pod('web', {}, { app: 'web', tier: 'front' });
  const selectors: (Record<string, string> | undefined)[] = [
    { app: 'web' },
    { app: 'web', tier: 'front' },
    { app: 'web', tier: 'back' },
    {},
    undefined,
  ];
  assert.equal(
    selectors.map((selector) => selects(service('s', selector), web)),
    [true, true, false, false, false],
  );
});

function rig() {
  const events: string[] = [];
  const cache = new LocationCache({
    changed: (node, key) => events.push(`${node} ${key}`),
    wanted: (key) => events.push(`+${key}`),
    unwanted: (key) => events.push(`-${key}`),
    namespace: (namespace, used) => events.push(`${used ? '+' : '-'}${namespace}`),
  });
  const news = (): string[] => events.splice(0);
  return { cache, news };
}

test('what the first pod uses is wanted, what the last one used no more is let go; the pod comes last and goes first', () => {
  const { cache, news } = rig();
  cache.putPod(using('a', 'n1', 'shared', 'own'));
  assert.equal(news(), [
    '+default/configmap/shared',
    'n1 default/configmap/shared',
    '+default/configmap/own',
    'n1 default/configmap/own',
    '+default/pod/a',
    'n1 default/pod/a',
    '+default',
  ]);
  cache.putPod(using('b', 'n2', 'shared'));
  assert.equal(news(), ['n2 default/configmap/shared', '+default/pod/b', 'n2 default/pod/b']);
  assert.equal([...cache.users('default/configmap/shared')], ['n1', 'n2']);
  cache.putPod(using('a', 'n1', 'shared'));
  assert.equal(news(), ['n1 default/configmap/own', '-default/configmap/own']);
  assert.equal([...cache.keys('n1')], ['default/configmap/shared', 'default/pod/a']);
  cache.removePod(using('a', 'n1'));
  assert.equal(news(), ['n1 default/pod/a', '-default/pod/a', 'n1 default/configmap/shared']);
  cache.removePod(using('b', 'n2'));
  assert.equal(news(), ['n2 default/pod/b', '-default/pod/b', 'n2 default/configmap/shared', '-default/configmap/shared', '-default']);
  assert.equal([[...cache.keys('n1')], [...cache.users('default/configmap/shared')], cache.isUsed('default')], [[], [], false]);
});

test('what two pods of a node use is let go with the second of them', () => {
  const { cache, news } = rig();
  cache.putPod(using('a', 'n1', 'shared'));
  cache.putPod(using('b', 'n1', 'shared'));
  news();
  cache.removePod(using('a', 'n1'));
  assert.equal(news(), ['n1 default/pod/a', '-default/pod/a']);
  cache.removePod(using('b', 'n1'));
  assert.ok(news().includes('-default/configmap/shared'));
});

test('a service counts for the nodes of the pods it selects, with its endpoints, as long as it does', () => {
  const { cache, news } = rig();
  cache.putPod(using('a', 'n1'));
  news();
  cache.putService(service('s', { app: 'a' }));
  assert.equal(news(), ['+default/service/s', 'n1 default/service/s', '+default/endpoints/s', 'n1 default/endpoints/s']);
  cache.putPod(using('b', 'n2'));
  cache.putService(service('other', { app: 'none' }));
  assert.equal([cache.uses('n1', 'default/service/s'), cache.uses('n2', 'default/service/s')], [true, false]);
  news();
  cache.putService(service('s', { app: 'b' }));
  assert.equal([...cache.users('default/service/s')], ['n2']);
  cache.removeService(service('s'));
  assert.equal([...cache.users('default/service/s')], []);
  assert.equal(cache.podsUsing('default/pod/b').length, 1);
});

test.run();

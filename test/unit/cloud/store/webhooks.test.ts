/** Owns the proof that a write which no webhook is for costs no look at any object, and that selectors mean what they mean in Kubernetes. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import { KindRegistry } from '#cloud/store/embedded/kinds/registry.ts';
import type { ObjectStore } from '#cloud/store/embedded/object-store.ts';
import { storeObject } from '#cloud/store/embedded/stored-object.ts';
import { labelsTest } from '#cloud/store/embedded/label-selector-object.ts';
import { Webhooks } from '#cloud/store/embedded/webhooks/webhooks.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { webhookConfiguration } from '#test/support/webhook-server.ts';

function webhooks(parts?: Record<string, unknown>): Webhooks {
  const written = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    ...webhookConfiguration(parts ?? {}),
  };
  const stored = storeObject({ ...written, metadata: { ...written.metadata, name: 'check' } }, 1);
  const store: Pick<ObjectStore, 'list' | 'subscribe' | 'get'> = {
    list: () => (parts === undefined ? [] : [stored]),
    subscribe: () => () => undefined,
    get: () => {
      throw new Error('an object was read');
    },
  };
  return new Webhooks({ store: store as ObjectStore, registry: new KindRegistry(), clock: new FakeClock(), log: silentLogger() });
}

const asked = (hooks: Webhooks, plural: string): unknown => {
  const kind = new KindRegistry().find('', 'v1', plural);
  assert.ok(kind);
  return hooks.admit({
    kind,
    subresource: undefined,
    namespace: 'default',
    name: 'c',
    operation: 'DELETE',
    user: { name: 'admin', groups: [] },
    get previous(): never {
      throw new Error('the object was parsed');
    },
    dryRun: false,
    options: {},
  });
};

test('nothing is read, parsed or awaited where nobody is to be asked', () => {
  assert.is(asked(webhooks(), 'configmaps'), undefined);
  assert.is(asked(webhooks({ clientConfig: { url: 'https://127.0.0.1:1/' } }), 'secrets'), undefined);
  assert.throws(
    () => asked(webhooks({ clientConfig: { url: 'https://127.0.0.1:1/' }, objectSelector: { matchLabels: { a: 'b' } } }), 'configmaps'),
    /parsed/,
  );
});

for (const [what, selector, labels, expected] of [
  ['a label that is equal', { matchLabels: { a: '1' } }, { a: '1' }, true],
  ['all labels', { matchLabels: { a: '1', b: '2' } }, { a: '1' }, false],
  ['one of the values', { matchExpressions: [{ key: 'a', operator: 'In', values: ['0', '1'] }] }, { a: '1' }, true],
  ['none of the values, an absent label too', { matchExpressions: [{ key: 'a', operator: 'NotIn', values: ['1'] }] }, {}, true],
  ['a label that exists', { matchExpressions: [{ key: 'a', operator: 'Exists' }] }, { a: '' }, true],
  ['a label that does not', { matchExpressions: [{ key: 'a', operator: 'DoesNotExist' }] }, { a: '' }, false],
  ['no inherited name', { matchExpressions: [{ key: 'constructor', operator: 'Exists' }] }, {}, false],
  ['an operator that nobody knows', { matchExpressions: [{ key: 'a', operator: 'Near' }] }, { a: '1' }, false],
] as const) {
  test(`a selector for ${what}`, () => assert.is(labelsTest(selector)?.(labels), expected));
}

test('an empty selector is none: everything matches', () => {
  for (const selector of [undefined, {}, { matchLabels: {} }, { matchExpressions: [] }]) assert.is(labelsTest(selector), undefined);
});

test.run();

/** Owns the proof that the embedded API calls admission webhooks as Kubernetes does: failures, time-outs, Services, overtaking, connections. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { configmaps } from '#cloud/store/kube-api.ts';
import { startApiServer } from '#test/support/api-server.ts';
import { until } from '#test/support/until.ts';
import { NAME, RULE, configMap, coreType, failure, startWebhookRig, type WebhookRig } from '#test/support/webhook-rig.ts';
import { ALLOWED, startWebhook, webhookConfiguration, webhookConfigurations, type Reply } from '#test/support/webhook-server.ts';

let rig: WebhookRig;

test.before(async () => {
  rig = await startWebhookRig();
});
test.after(() => rig.close());

const broken: [what: string, answer: Reply, why: RegExp][] = [
  [
    'a status of 500',
    { status: 500, text: 'boom' },
    /failed to call webhook: an error on the server \("boom"\) has prevented the request from succeeding$/,
  ],
  ['a status of 404', { status: 404, text: '' }, /failed to call webhook: the server could not find the requested resource$/],
  [
    'another uid',
    { whole: { kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', response: { uid: 'x', allowed: true } } },
    /expected response\.uid="[^"]+", got "x"$/,
  ],
  ['no response', { whole: { kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1' } }, /webhook response was absent$/],
  [
    'another version',
    { whole: { kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1beta1' } },
    /expected webhook response of admission\.k8s\.io\/v1, Kind=AdmissionReview, got admission\.k8s\.io\/v1beta1/,
  ],
  ['something else', { whole: 'hello' }, /expected webhook response of/],
];
for (const [what, answer, why] of broken) {
  test(`a webhook that answers with ${what} fails the request, or not, as its policy says`, async () => {
    await rig.configured({}, answer);
    const error = await failure(rig.api.client.create(configmaps, configMap()));
    assert.equal([error.code, error.reason], [500, 'InternalError']);
    assert.match(error.message, /^Internal error occurred: failed calling webhook "check\.test\.dev": /);
    assert.match(error.message, why);
    await rig.configured({ failurePolicy: 'Ignore' }, answer);
    await rig.api.client.create(configmaps, configMap());
    const told = rig.lines.filter(({ event }) => event === 'webhook.failed');
    assert.is(told.length, 0, 'it was told a moment ago');
  });
}

test('one that cannot be reached or is not trusted is ignored or fails, and is told of once', async () => {
  const gone = await startWebhook();
  await gone.close();
  await rig.configured({ clientConfig: { url: gone.url, caBundle: gone.caBundle }, name: 'gone.test.dev' });
  const refused = await failure(rig.api.client.create(configmaps, configMap()));
  assert.is(
    refused.message,
    `Internal error occurred: failed calling webhook "gone.test.dev": failed to call webhook: Post "${gone.url}?timeout=10s": dial tcp 127.0.0.1:${gone.port}: connect: connection refused`,
  );
  for (let count = 0; count < 5; count += 1) await failure(rig.api.client.create(configmaps, configMap()));
  assert.is(rig.lines.filter(({ event }) => event === 'webhook.failed').length, 1);
  await rig.configured({ clientConfig: { url: rig.hook.url, caBundle: gone.caBundle }, name: 'foreign.test.dev' });
  assert.match((await failure(rig.api.client.create(configmaps, configMap()))).message, /certificate/);
  assert.is(rig.hook.asked.length, 0);
});

test('one that does not answer in time fails, and does not hold the request longer', async () => {
  let answer: (reply: Reply) => void = () => undefined;
  await rig.configured({ timeoutSeconds: 1 }, () => new Promise<Reply>((resolve) => (answer = resolve)));
  const started = performance.now();
  const error = await failure(rig.api.client.create(configmaps, configMap()));
  assert.match(error.message, /context deadline exceeded$/);
  assert.ok(performance.now() - started < 5000);
  answer(ALLOWED);
});

test('a patch that is overtaken while it is judged is judged again with the object as it is then', async () => {
  await rig.configured({ rules: [{ ...RULE, operations: ['UPDATE'] }] });
  await rig.api.client.create(configmaps, configMap({ a: '1' }));
  let first = true;
  let round = 1;
  rig.hook.answer = async () => {
    if (first) {
      first = false;
      await rig.api.client.patch(configmaps, NAME, { type: 'merge', body: { data: { b: String((round += 1)) } } });
    }
    return ALLOWED;
  };
  const written = await rig.api.client.patch(configmaps, NAME, { type: 'merge', body: { data: { a: '3' } } });
  assert.equal(written['data'], { a: '3', b: '2' });
  assert.equal(
    rig.hook.asked.map(({ request }) => (request.object as { data: unknown }).data),
    [{ a: '3' }, { a: '1', b: '2' }, { a: '3', b: '2' }],
  );
  // Who names a version hears of the conflict.
  const { metadata } = written;
  first = true;
  const error = await failure(
    rig.api.client.update(configmaps, { metadata: { ...NAME, resourceVersion: metadata.resourceVersion ?? '' }, data: { a: '4' } }),
  );
  assert.equal([error.code, error.reason], [409, 'Conflict']);
});

test('a Service is dialled at its endpoints, under its own name', async () => {
  await rig.clean();
  await rig.api.client.create(coreType('namespaces', 'Namespace', false), { metadata: { name: 'tools' } });
  await rig.api.client.create(coreType('services', 'Service'), {
    metadata: { namespace: 'tools', name: 'check' },
    spec: { ports: [{ port: 443 }] },
  });
  const clientConfig = { service: { namespace: 'tools', name: 'check', path: '/there' }, caBundle: rig.hook.caBundle };
  await rig.configured({ clientConfig });
  const subsets = [{ addresses: [{ ip: '127.0.0.1' }], ports: [{ port: rig.hook.port }] }];
  await rig.api.client.create(coreType('endpoints', 'Endpoints'), { metadata: { namespace: 'tools', name: 'check' }, subsets });
  await rig.api.client.create(configmaps, configMap());
  assert.equal(
    rig.hook.asked.map(({ path }) => path),
    ['/there?timeout=10s'],
  );
  await rig.configured({ clientConfig: { ...clientConfig, service: { ...clientConfig.service, name: 'none' } } });
  assert.match((await failure(rig.api.client.create(configmaps, configMap()))).message, /service "none" not found$/);
});

test('many at once share few connections, and all matching webhooks are asked at once', async () => {
  await rig.configured({});
  const second = await startWebhook();
  await rig.api.client.create(
    webhookConfigurations,
    webhookConfiguration({ clientConfig: { url: second.url, caBundle: second.caBundle } }, 'other'),
  );
  const before = rig.hook.connections;
  await Promise.all(
    Array.from({ length: 100 }, (_, index) => rig.api.client.create(configmaps, { metadata: { namespace: 'default', name: `c${index}` } })),
  );
  assert.equal([rig.hook.asked.length, second.asked.length], [100, 100]);
  assert.ok(rig.hook.connections - before <= 16, `${rig.hook.connections - before} connections`);
  second.answer = { response: { allowed: false, status: { message: 'the other one says no' } } };
  assert.match(
    (await failure(rig.api.client.create(configmaps, configMap()))).message,
    /webhook "other\.test\.dev" denied the request: the other one says no$/,
  );
  await second.close();
});

test('a handler of this process is called without a socket, as long as it is there', async () => {
  await rig.configured({});
  const seen: unknown[] = [];
  const end = rig.api.server.webhooks.serve(rig.hook.url, (review) => {
    const { uid } = review['request'] as { uid: string };
    seen.push(review);
    return Promise.resolve({
      kind: 'AdmissionReview',
      apiVersion: 'admission.k8s.io/v1',
      response: { uid, allowed: false, status: { message: 'here' } },
    });
  });
  assert.match((await failure(rig.api.client.create(configmaps, configMap()))).message, /denied the request: here$/);
  assert.equal([seen.length, rig.hook.asked.length], [1, 0]);
  end();
  await rig.api.client.create(configmaps, configMap());
  assert.equal([seen.length, rig.hook.asked.length], [1, 1]);
});

test('configurations are there again after a restart', async () => {
  await rig.configured({ rules: [{ ...RULE, operations: ['CREATE'] }] });
  await rig.api.close();
  rig.api = await startApiServer({ dataDir: rig.api.dataDir });
  await rig.api.client.create(configmaps, configMap());
  await until(() => rig.hook.asked.length === 1, { what: 'the webhook to be asked' });
});

test.run();

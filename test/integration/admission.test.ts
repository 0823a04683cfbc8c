/** Owns the proof of the admission module: what it serves over HTTPS, and the configuration that it keeps in the API. */
import { request as httpsRequest } from 'node:https';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import { Admission, type AdmissionOptions } from '#cloud/admission/admission.ts';
import { CONFIGURATION, webhookConfigurations } from '#cloud/admission/configuration.ts';
import { createAuthority, issueServer } from '#cloud/pki/certificates.ts';
import { deviceModels, devices, isKubeError, type KubeObject } from '#cloud/store/kube-api.ts';
import { installDefinitions, startApiServer, type TestApiServer } from '#test/support/api-server.ts';
import { thermostat, thermostatModel } from '#test/support/device-objects.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { until } from '#test/support/until.ts';

let api: TestApiServer;
let tls: AdmissionOptions['tls'];

test.before(async () => {
  api = await startApiServer();
  await installDefinitions(api.client);
  const now = Date.now();
  const authority = await createAuthority(now);
  const { certificate: cert, key } = await issueServer(authority, { commonName: 'hub', addresses: ['127.0.0.1'], now });
  tls = { ca: authority.certificate, cert, key };
});
test.after(() => api.close());

interface Running {
  admission: Admission;
  clock: FakeClock;
  url: string;
}

async function withAdmission(parts: Partial<AdmissionOptions>, act: (running: Running) => Promise<void>): Promise<void> {
  const clock = new FakeClock();
  const context = { model: () => thermostatModel(), nodeKnown: () => true, rival: () => undefined, users: () => [] };
  const listen = { host: '127.0.0.1', port: 0 };
  const admission = new Admission({ api: api.client, listen, tls, name: '127.0.0.1', context: () => context, ...parts });
  const abort = new AbortController();
  try {
    await admission.start({ clock, log: silentLogger(), signal: abort.signal, failed: (error) => assert.unreachable(String(error)) });
    await act({ admission, clock, url: `https://127.0.0.1:${admission.port}/validate` });
  } finally {
    abort.abort(new Error('the test is over'));
    await admission.stop();
  }
}

async function withoutConfiguration(): Promise<void> {
  await api.client.delete(webhookConfigurations, { name: CONFIGURATION }).catch((error: unknown) => {
    if (!isKubeError(error, 'NotFound')) throw error;
  });
}

const configuration = (): Promise<KubeObject> => api.client.get(webhookConfigurations, { name: CONFIGURATION });
const webhookOf = (object: KubeObject): Record<string, unknown> => (object['webhooks'] as Record<string, unknown>[])[0] ?? {};
const urlIn = async (): Promise<unknown> => (webhookOf(await configuration())['clientConfig'] as { url?: string }).url;

function call(url: string, { method = 'POST', body = '' }: { method?: string; body?: string }): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(
      url,
      { method, ca: tls.ca, agent: false, headers: { 'Content-Length': Buffer.byteLength(body) } },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

test('a review over HTTPS is answered with the findings', async () => {
  await withAdmission({}, async ({ url }) => {
    const kind = { group: 'devices.kubeedge.io', version: 'v1alpha2', kind: 'Device' };
    const request = { uid: 'u-1', kind, object: thermostat({ desired: '101' }), oldObject: null };
    const { status, text } = await call(url, {
      body: JSON.stringify({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', request }),
    });
    assert.equal(
      [status, JSON.parse(text)],
      [
        200,
        {
          kind: 'AdmissionReview',
          apiVersion: 'admission.k8s.io/v1',
          response: {
            uid: 'u-1',
            allowed: true,
            warnings: ['status.twins[0].desired.value: 101 is outside 0 to 100: write a value within'],
          },
        },
      ],
    );
  });
});

test('what is no review is answered with a sentence, and the next one is served', async () => {
  await withAdmission({}, async ({ url }) => {
    assert.match(await call(url, { body: 'nonsense' }).then(({ status, text }) => `${status} ${text}`), /^400 the body is no JSON: /);
    assert.equal(await call(url, { body: '{"kind":"Pod"}' }), { status: 400, text: 'the body is no AdmissionReview\n' });
    assert.equal(await call(url, { body: '' }).then(({ status }) => status), 400);
    assert.equal(await call(url, { method: 'GET' }), { status: 405, text: 'only POST is served here\n' });
    assert.equal(await call(url.replace('/validate', '/other'), {}), { status: 404, text: 'there is nothing here\n' });
    const deep = `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`;
    assert.is((await call(url, { body: deep })).status, 400);
    const long = await call(url, { body: ' '.repeat(9 * 1024 * 1024) }).catch((error: NodeJS.ErrnoException) => ({
      status: error.code ?? '',
      text: '',
    }));
    assert.ok([413, 'ECONNRESET', 'EPIPE'].includes(long.status), String(long.status));
    const review = {
      kind: 'AdmissionReview',
      apiVersion: 'admission.k8s.io/v1',
      request: { uid: 'u', object: [], kind: { group: 'devices.kubeedge.io', kind: 'Device' } },
    };
    assert.is((await call(url, { body: JSON.stringify(review) })).status, 200);
  });
});

test('the configuration is written once, tuned by whoever likes to, and written again when it was deleted', async () => {
  await withoutConfiguration();
  await withAdmission({}, async ({ url, clock }) => {
    const written = await configuration();
    const { clientConfig, failurePolicy, rules, sideEffects } = webhookOf(written);
    assert.equal(clientConfig, { url, caBundle: Buffer.from(tls.ca).toString('base64') });
    assert.equal([failurePolicy, sideEffects, (rules as unknown[]).length], ['Ignore', 'None', 2]);
    await api.client.patch(
      webhookConfigurations,
      { name: CONFIGURATION },
      {
        type: 'json',
        operations: [{ op: 'replace', path: '/webhooks/0/failurePolicy', value: 'Fail' }],
      },
    );
    await clock.advance(120_000);
    assert.is(webhookOf(await configuration())['failurePolicy'], 'Fail');
    const elsewhere = { op: 'replace', path: '/webhooks/0/clientConfig/url', value: 'https://192.0.2.1/' } as const;
    await api.client.patch(webhookConfigurations, { name: CONFIGURATION }, { type: 'json', operations: [elsewhere] });
    const restored = async (): Promise<boolean> => {
      await clock.advance(61_000);
      return (await urlIn()) === url;
    };
    await until(restored, { what: 'our address in place of another one' });
    await withoutConfiguration();
    await until(restored, { what: 'the configuration' });
  });
});

test('of several cloudcores the one that leads writes its address, and who leads next writes its own', async () => {
  await withoutConfiguration();
  let leader = 'first';
  await withAdmission({ leads: () => leader === 'first' }, async (first) => {
    await withAdmission({ leads: () => leader === 'second' }, async (second) => {
      assert.is(await urlIn(), first.url);
      await second.clock.advance(120_000);
      assert.is(await urlIn(), first.url);
      leader = 'second';
      await until(
        async () => {
          await first.clock.advance(1000);
          await second.clock.advance(1000);
          return (await urlIn()) === second.url;
        },
        { what: 'the address of the second' },
      );
    });
  });
});

test('through a Service the address is that of the Service', async () => {
  await withoutConfiguration();
  await withAdmission({ service: { namespace: 'kubeedge', name: 'cloudcore' } }, async () => {
    const { service, url } = webhookOf(await configuration())['clientConfig'] as Record<string, unknown>;
    assert.equal([service, url], [{ namespace: 'kubeedge', name: 'cloudcore', path: '/validate', port: 443 }, undefined]);
  });
});

test('an API that refuses the configuration keeps nobody from starting, and health says it', async () => {
  const refusing = Object.assign(Object.create(api.client) as typeof api.client, {
    get: () => Promise.reject(new Error('forbidden: no rights on validatingwebhookconfigurations')),
  });
  await withAdmission({ api: refusing }, async ({ admission, url }) => {
    assert.match(admission.health().detail ?? '', /cannot be written: forbidden/);
    assert.is(admission.health().ok, true);
    assert.is((await call(url, { method: 'GET' })).status, 405);
  });
});

test('what an API in the same process has is found as it would answer', async () => {
  const { spec } = thermostatModel();
  const created = await api.client.create(deviceModels, { metadata: { name: 'therm', namespace: 'default' }, spec });
  assert.equal(api.server.find(deviceModels, { namespace: 'default', name: 'therm' }), created);
  assert.is(api.server.find(deviceModels, { namespace: 'default', name: 'nobody' }), undefined);
});

test('a device is created while admission is stopped, and refused again when it runs', async () => {
  await withoutConfiguration();
  const broken = { ...thermostat(), spec: { propertyVisitors: [{ propertyName: 'p', modbus: {}, opcua: {} }] } };
  const create = (): Promise<KubeObject> =>
    api.client.create(devices, { metadata: { name: 'b', namespace: 'default' }, spec: broken.spec }, { dryRun: true });
  await withAdmission({ serveLocally: (url, handler) => api.server.webhooks.serve(url, handler) }, async () => {
    const error = await create().catch((cause: unknown) => cause);
    assert.ok(isKubeError(error, 'Invalid'), String(error));
    assert.match(
      error.message,
      /^admission webhook "devices\.hivelet\.dev" denied the request: spec\.propertyVisitors\[0\]: names opcua and modbus/,
    );
  });
  await create();
});

test.run();

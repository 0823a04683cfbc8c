/** Owns the proof of admission by two cloudcores on one API: the leader's address is in the configuration, and the next one's after it. */
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CONFIGURATION, webhookConfigurations } from '#cloud/admission/configuration.ts';
import { deviceModels, isKubeError } from '#cloud/store/kube-api.ts';
import { writeKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { ADMIN_TOKEN, startApiServer } from '#test/support/api-server.ts';
import { startTestCloud, type TestCloud } from '#test/support/cloud.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

test('whichever of two cloudcores leads, a bad model is refused; and none is while both are gone', async () => {
  const api = await startApiServer();
  const kubeconfig = join(tempDir(), 'kubeconfig');
  writeKubeconfig(kubeconfig, { server: api.url, ca: api.ca, token: ADMIN_TOKEN });
  const clouds: TestCloud[] = [];
  const url = async (): Promise<string> => {
    const [webhook] = (await api.client.get(webhookConfigurations, { name: CONFIGURATION }))['webhooks'] as {
      clientConfig: { url: string };
    }[];
    return webhook?.clientConfig.url ?? '';
  };
  const bounds = { int: { minimum: 2, maximum: 1 } };
  const model = { metadata: { namespace: 'default', name: 'm' }, spec: { properties: [{ name: 'p', type: bounds }] } };
  const refusal = async (): Promise<string> => {
    const error = await api.client.create(deviceModels, model, { dryRun: true }).catch((cause: unknown) => cause);
    return isKubeError(error) ? error.message : '';
  };
  try {
    for (let count = 0; count < 2; count += 1) {
      clouds.push(await startTestCloud({ kubeconfig, sets: [`kubeAPIConfig.kubeConfig=${kubeconfig}`] }));
    }
    const first = await until(url, { what: 'the configuration' });
    const said =
      'admission webhook "devices.hivelet.dev" denied the request: spec.properties[0].type.int.minimum: 2 is more than maximum 1, so no value fits: exchange them';
    await until(async () => (await refusal()) === said, { what: 'the refusal' });
    await clouds[0]?.close();
    await until(async () => (await url()) !== first, { what: 'the address of the other one', deadlineMs: 30_000 });
    assert.is(await refusal(), said);
    await clouds[1]?.close();
    assert.is(await refusal(), '');
  } finally {
    for (const cloud of clouds) await cloud.close();
    await api.close();
  }
});

test.run();

/** Checks of secrets and leases that a client may run into on a cluster. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { startApiServer } from '../support/api-server.ts';

interface Body {
  details?: { causes?: { field?: string }[] };
}

test('secrets and leases are checked as a real server does', async () => {
  const api = await startApiServer();
  const post = async (path: string, body: unknown): Promise<{ status: number; fields: unknown }> => {
    const { status, text } = await api.raw({ method: 'POST', path, contentType: 'application/json', body });
    return { status, fields: (JSON.parse(text) as Body).details?.causes?.map(({ field }) => field) };
  };
  try {
    const secrets = '/api/v1/namespaces/default/secrets';
    const metadata = { name: 's' };
    assert.is((await post(secrets, { metadata, data: { k: 'not base64!' } })).status, 400);
    for (const [type, data, fields] of [
      ['kubernetes.io/tls', { 'tls.crt': '' }, ['data[tls.key]']],
      ['kubernetes.io/dockerconfigjson', {}, ['data[.dockerconfigjson]']],
      ['kubernetes.io/basic-auth', {}, ['data[username]', 'data[password]']],
      ['kubernetes.io/service-account-token', {}, ['metadata.annotations[kubernetes.io/service-account.name]']],
    ] as const) {
      assert.equal(await post(secrets, { metadata, type, data }), { status: 422, fields });
    }
    assert.is((await post(secrets, { metadata, type: 'kubernetes.io/basic-auth', stringData: { username: 'u' } })).status, 201);
    const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
    assert.is((await post(leases, { metadata, spec: { leaseDurationSeconds: 0 } })).status, 422);
    assert.is((await post(leases, { metadata, spec: { leaseDurationSeconds: 15, leaseTransitions: 0 } })).status, 201);
  } finally {
    await api.close();
  }
});

test.run();

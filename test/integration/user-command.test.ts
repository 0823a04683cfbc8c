/** `hivelet user`: a kubeconfig for somebody with one role, by the API and nothing else. */
import { statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { configmaps, devices, namespaces, nodes } from '#cloud/store/kube-api.ts';
import { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { readKubeconfig, writeKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { command } from '../../bin/commands/user.ts';
import { commonFlags, parseCommandLine } from '../../bin/commands/command.ts';
import { ADMIN_TOKEN, installDefinitions, startApiServer, type TestApiServer } from '../support/api-server.ts';
import { tempDir } from '../support/temp-dir.ts';

let api: TestApiServer;
const folder = tempDir();
const admin = path.join(folder, 'admin');

test.before(async () => {
  api = await startApiServer();
  await installDefinitions(api.client);
  await api.client.create(namespaces, { metadata: { name: 'hall' } });
  writeKubeconfig(admin, { server: api.url, ca: api.ca, token: ADMIN_TOKEN });
});
test.after(() => api.close());

/** What it prints. */
async function user(...argv: string[]): Promise<string> {
  const { args, flags } = parseCommandLine({ ...commonFlags, ...command.flags }, [...argv, '--kubeconfig', admin]);
  const lines: string[] = [];
  const io = { out: (line: string) => void lines.push(line), error: () => undefined, terminal: false };
  const rest = { env: {}, clock: systemClock, signal: new AbortController().signal, dataDir: folder };
  assert.is(await command.run({ args, flags, io, ...rest }), 0);
  return lines.join('\n');
}

const reason = (failing: Promise<unknown>): Promise<string> =>
  failing.then(
    () => 'nothing',
    (error: Error) => error.message,
  );

test('a user may do what the role says, where it says', async () => {
  const out = path.join(folder, 'anna');
  const said = await user('anna', '--role', 'view', '-n', 'hall', '--out', out, '--for', '2h');
  assert.match(said, new RegExp(`^${out} is the kubeconfig of anna: role view, until \\d{4}-`));
  assert.is((statSync(out).mode & 0o777).toString(8), '600');
  const client = new KubeClient({ access: readKubeconfig(out), clock: systemClock });
  assert.is((await client.list(configmaps, { namespace: 'hall' })).items.length, 0);
  assert.is((await client.list(devices, { namespace: 'hall' })).items.length, 0);
  assert.match(
    await reason(client.list(configmaps, { namespace: 'default' })),
    'configmaps is forbidden: User "system:serviceaccount:hall:anna"',
  );
  client.close();
});

test('again it renews the token and adds a role; deleting the account ends both tokens', async () => {
  const files = ['one', 'two'].map((name) => path.join(folder, name));
  await user('bob', '--role', 'view', '-A', '--out', files[0] ?? '');
  await user('bob', '--role', 'device-operator', '--out', files[1] ?? '');
  const clients = files.map((file) => new KubeClient({ access: readKubeconfig(file), clock: systemClock }));
  for (const client of clients) {
    await client.list(configmaps);
    assert.match(await reason(client.list(nodes)), 'is forbidden');
    assert.match(await reason(client.patch(devices, { name: 'x', namespace: 'default' }, { type: 'merge', body: {} })), 'not found');
  }
  await api.raw({ method: 'DELETE', path: '/api/v1/namespaces/default/serviceaccounts/bob' });
  for (const client of clients) {
    assert.is(await reason(client.list(configmaps)), 'Unauthorized');
    client.close();
  }
});

test('what cannot be is said in one sentence', async () => {
  assert.match(await reason(user('carl')), 'name what the user may do with --role');
  assert.match(await reason(user('carl', '--role', 'view', '--for', 'long')), '--for long: write a time such as 30m, 12h or 90d');
  assert.match(await reason(user('carl', '--role', 'viewer')), 'clusterroles.rbac.authorization.k8s.io "viewer" not found');
  assert.match(await reason(user('carl', '--role', 'view', '--for', '5m')), 'may not specify a duration less than 10 minutes');
  assert.match(await reason(user('carl', '--role', 'view', '-n', 'nowhere')), 'namespaces "nowhere" not found');
});

test.run();

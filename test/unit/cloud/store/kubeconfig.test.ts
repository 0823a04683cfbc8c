/** Kubeconfig files: what we write, what we read, what we say about broken ones. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readInClusterAccess, readKubeconfig, writeKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { tempDir } from '../../../support/temp-dir.ts';

test('what we write is for the owner only and can be read', () => {
  const file = path.join(tempDir(), 'deep', 'kubeconfig');
  writeKubeconfig(file, { server: 'https://127.0.0.1:6443', ca: 'PEM', token: 'secret' });
  assert.is(statSync(file).mode & 0o777, 0o600);
  const access = readKubeconfig(file);
  assert.is(access.server, 'https://127.0.0.1:6443');
  assert.is(access.ca, 'PEM');
  assert.is(access.token?.(), 'secret');
  assert.is(access.namespace, 'default');
  writeKubeconfig(file, { server: 'https://127.0.0.1:7443', ca: 'PEM', token: 'other' });
  assert.is(readKubeconfig(file).token?.(), 'other');
});

test('paths are relative to the file, client certificates and namespaces are read', () => {
  const folder = tempDir();
  writeFileSync(path.join(folder, 'ca.pem'), 'CA');
  writeFileSync(path.join(folder, 'token'), 'abc\n');
  const file = path.join(folder, 'config');
  const config = {
    'current-context': 'two',
    clusters: [{ name: 'c', cluster: { server: 'https://k/', 'certificate-authority': 'ca.pem', 'tls-server-name': 'kube' } }],
    users: [{ name: 'u', user: { tokenFile: 'token', 'client-certificate-data': Buffer.from('CERT').toString('base64') } }],
    contexts: [{ name: 'one' }, { name: 'two', context: { cluster: 'c', user: 'u', namespace: 'plant' } }],
  };
  writeFileSync(file, JSON.stringify(config));
  const access = readKubeconfig(file);
  assert.is(access.server, 'https://k');
  assert.is(access.ca, 'CA');
  assert.is(access.cert, 'CERT');
  assert.is(access.serverName, 'kube');
  assert.is(access.namespace, 'plant');
  assert.is(access.token?.(), 'abc');
  writeFileSync(path.join(folder, 'token'), 'def');
  assert.is(access.token?.(), 'def', 'a renewed token is used');
});

const broken: [string, string, RegExp][] = [
  ['no YAML', '{', /is not YAML/],
  ['a missing context', 'current-context: x\ncontexts: []', /contexts has no entry named "x"/],
  [
    'an exec plugin',
    JSON.stringify({
      'current-context': 'a',
      contexts: [{ name: 'a', context: { cluster: 'a', user: 'a' } }],
      clusters: [{ name: 'a', cluster: { server: 's' } }],
      users: [{ name: 'a', user: { exec: {} } }],
    }),
    /exec plugin/,
  ],
];
for (const [name, text, message] of broken) {
  test(`${name} is one sentence with the file`, () => {
    const file = path.join(tempDir(), 'config');
    writeFileSync(file, text);
    assert.throws(() => readKubeconfig(file), message);
    assert.throws(() => readKubeconfig(file), new RegExp(file));
  });
}

test('inside a cluster the service account is used', () => {
  const folder = path.join(tempDir(), 'serviceaccount');
  mkdirSync(folder);
  for (const [name, text] of [
    ['token', 't'],
    ['ca.crt', 'CA'],
    ['namespace', 'kubeedge'],
  ] as const)
    writeFileSync(path.join(folder, name), text);
  const access = readInClusterAccess({ KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }, folder);
  assert.is(access.server, 'https://[fd00::1]:443');
  assert.is(access.namespace, 'kubeedge');
  assert.is(access.token?.(), readFileSync(path.join(folder, 'token'), 'utf8'));
  assert.throws(() => readInClusterAccess({}), /not inside a cluster/);
});

test.run();

/** Kubeconfig files: what we write, what we read, what we say about broken ones. */
import { mkdirSync, readFileSync, renameSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readInClusterAccess, readKubeconfig, writeKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const PEM = '-----BEGIN CERTIFICATE-----';

test('what we write is for the owner only and can be read', () => {
  const file = path.join(tempDir(), 'deep', 'kubeconfig');
  writeKubeconfig(file, { server: 'https://127.0.0.1:6443', ca: PEM, token: 'secret' });
  assert.is(statSync(file).mode & 0o777, 0o600);
  const access = readKubeconfig(file);
  assert.is(access.server, 'https://127.0.0.1:6443');
  assert.is(access.ca, PEM);
  assert.is(access.token?.(), 'secret');
  assert.is(access.namespace, 'default');
  writeKubeconfig(file, { server: 'https://127.0.0.1:7443', ca: PEM, token: 'other' });
  assert.is(readKubeconfig(file).token?.(), 'other');
});

/** A file of one context, its cluster and its user. */
function configFile({ cluster = {}, user = {}, context = {} }: { cluster?: object; user?: object; context?: object }): string {
  const file = path.join(tempDir(), 'config');
  const config = {
    'current-context': 'two',
    clusters: [{ name: 'c', cluster: { server: 'https://k/', ...cluster } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'one' }, { name: 'two', context: { cluster: 'c', user: 'u', ...context } }],
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

test('paths are relative to the file, client certificates and namespaces are read', () => {
  const file = configFile({
    cluster: { 'certificate-authority': 'ca.pem', 'tls-server-name': 'kube' },
    user: { token: 'old', tokenFile: 'token', 'client-certificate-data': base64(`${PEM} C`), 'client-key-data': base64(`${PEM} K`) },
    context: { namespace: 'plant' },
  });
  const beside = (name: string): string => path.join(path.dirname(file), name);
  assert.throws(() => readKubeconfig(file), /clusters\[c\]\.cluster\.certificate-authority: cannot read .*ca\.pem/);
  writeFileSync(beside('ca.pem'), PEM);
  writeFileSync(beside('token'), 'abc\n');
  const access = readKubeconfig(file);
  assert.is(access.server, 'https://k');
  assert.equal([access.ca, access.cert, access.key], [PEM, `${PEM} C`, `${PEM} K`]);
  assert.is(access.serverName, 'kube');
  assert.is(access.namespace, 'plant');
  assert.is(access.token?.(), 'abc');
});

test('files that are renewed are read anew, and a moment without them does no harm', () => {
  const file = configFile({ cluster: { 'certificate-authority': 'ca.pem' }, user: { tokenFile: 'token' } });
  const beside = (name: string): string => path.join(path.dirname(file), name);
  writeFileSync(beside('ca.pem'), PEM);
  writeFileSync(beside('token'), 'abc');
  const access = readKubeconfig(file);
  writeFileSync(beside('token'), 'def');
  writeFileSync(beside('ca.pem'), `${PEM} 2`);
  assert.equal([access.token?.(), access.ca], ['def', `${PEM} 2`]);
  writeFileSync(beside('token'), '');
  unlinkSync(beside('ca.pem'));
  assert.equal([access.token?.(), access.ca], ['def', `${PEM} 2`]);
  // As a mounted volume does it: the name is given another file.
  writeFileSync(beside('token.new'), 'ghi');
  renameSync(beside('token.new'), beside('token'));
  assert.is(access.token?.(), 'ghi');
});

test('a server may be behind a path, and may be named without https', () => {
  assert.is(
    readKubeconfig(configFile({ cluster: { server: 'https://ranch/k8s/clusters/c-1/' } })).server,
    'https://ranch/k8s/clusters/c-1',
  );
  assert.is(readKubeconfig(configFile({ cluster: { server: 'localhost:8080' } })).server, 'http://localhost:8080');
  assert.is(readKubeconfig(configFile({ cluster: { server: 'https://[fd00::1]:6443' } })).server, 'https://[fd00::1]:6443');
  assert.is(readKubeconfig(configFile({ cluster: { 'insecure-skip-tls-verify': true } })).insecureSkipTlsVerify, true);
});

const faults: [string, () => string, RegExp][] = [
  ['no YAML', () => written('{'), /is not YAML/],
  ['no current context', () => written('contexts: []'), /current-context is missing: name one of contexts/],
  ['a missing context', () => written('current-context: x\ncontexts: []'), /contexts has no entry named "x"/],
  ['a missing cluster', () => configFile({ context: { cluster: 'd' } }), /clusters has no entry named "d"/],
  ['a missing user', () => configFile({ context: { user: 'd' } }), /users has no entry named "d"/],
  ['no server', () => configFile({ cluster: { server: '' } }), /clusters\[c\]\.cluster\.server is missing/],
  [
    'an impossible server',
    () => configFile({ cluster: { server: 'ftp://k' } }),
    /cluster\.server is "ftp:\/\/k": write it as https:\/\/host:port/,
  ],
  [
    'an exec plugin',
    () => configFile({ user: { exec: {} } }),
    /users\[u\]\.user\.exec: programs that make credentials are not run; use a token/,
  ],
  ['an auth provider', () => configFile({ user: { 'auth-provider': {} } }), /users\[u\]\.user\.auth-provider: .*use a token/],
  ['a password', () => configFile({ user: { username: 'a', password: 'b' } }), /users\[u\]\.user\.username: Kubernetes knows no passwords/],
  ['an impersonation', () => configFile({ user: { as: 'root' } }), /users\[u\]\.user\.as: impersonation is not supported/],
  ['a proxy', () => configFile({ cluster: { 'proxy-url': 'http://p' } }), /clusters\[c\]\.cluster\.proxy-url: a proxy is not supported/],
  [
    'text that is no PEM',
    () => configFile({ cluster: { 'certificate-authority-data': 'eA==' } }),
    /certificate-authority-data is not PEM in base64/,
  ],
  [
    'a certificate without key',
    () => configFile({ user: { 'client-certificate-data': base64(PEM) } }),
    /has a client-certificate but no client-key/,
  ],
  [
    'a key without certificate',
    () => configFile({ user: { 'client-key-data': base64(PEM) } }),
    /has a client-key but no client-certificate/,
  ],
  ['a missing token file', () => configFile({ user: { tokenFile: '/nowhere' } }), /users\[u\]\.user\.tokenFile: cannot read \/nowhere/],
  [
    'a CA that nobody looks at',
    () => configFile({ cluster: { 'certificate-authority-data': base64(PEM), 'insecure-skip-tls-verify': true } }),
    /has both insecure-skip-tls-verify and a certificate-authority/,
  ],
];

function written(text: string): string {
  const file = path.join(tempDir(), 'config');
  writeFileSync(file, text);
  return file;
}

for (const [name, make, message] of faults) {
  test(`${name} is one sentence with the file and the field`, () => {
    const file = make();
    assert.throws(() => readKubeconfig(file), message);
    assert.throws(() => readKubeconfig(file), new RegExp(file));
  });
}

test('inside a cluster the service account is used', () => {
  const folder = path.join(tempDir(), 'serviceaccount');
  mkdirSync(folder);
  for (const [name, text] of [
    ['token', 't'],
    ['ca.crt', PEM],
    ['namespace', 'kubeedge'],
  ] as const)
    writeFileSync(path.join(folder, name), text);
  const access = readInClusterAccess({ KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }, folder);
  assert.is(access.server, 'https://[fd00::1]:443');
  assert.is(access.namespace, 'kubeedge');
  assert.is(access.token?.(), readFileSync(path.join(folder, 'token'), 'utf8'));
  // The kubelet renews it about every hour.
  writeFileSync(path.join(folder, 'token'), 'renewed');
  assert.equal([access.token?.(), access.ca], ['renewed', PEM]);
  assert.throws(() => readInClusterAccess({}), /not inside a cluster/);
});

test('an authority inside the kubeconfig is read anew too, when the file was written again; a file that is half written does no harm', () => {
  const file = path.join(tempDir(), 'kubeconfig');
  writeKubeconfig(file, { server: 'https://127.0.0.1:6443', ca: PEM, token: 'abc' });
  const access = readKubeconfig(file);
  writeKubeconfig(file, { server: 'https://127.0.0.1:6443', ca: `${PEM}${PEM}`, token: 'abc' });
  assert.is(access.ca, `${PEM}${PEM}`);
  writeFileSync(file, 'clusters: [');
  assert.is(access.ca, `${PEM}${PEM}`);
  writeKubeconfig(file, { server: 'https://127.0.0.1:6443', ca: PEM, token: 'abc' });
  assert.is(access.ca, PEM);
});

test.run();

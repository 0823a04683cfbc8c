/** The settings of cloudcore: KubeEdge's files load, ours have our defaults. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadConfig } from '#beehive/config-file.ts';
import { cloudSchema, parseListen } from '#cloud/config.ts';
import { tempDir } from '#test/support/temp-dir.ts';

function load(yaml: string, sets: readonly string[] = []) {
  const file = path.join(tempDir(), 'cloudcore.yaml');
  writeFileSync(file, yaml);
  return loadConfig(cloudSchema, { file, sets });
}

/** What `cloudcore --defaultconfig` of KubeEdge v1.9 prints, shortened where it repeats. */
const kubeedge = `
apiVersion: cloudcore.config.kubeedge.io/v1alpha1
kind: CloudCore
commonConfig: {tunnelPort: 10350}
kubeAPIConfig: {burst: 200, contentType: application/vnd.kubernetes.protobuf, kubeConfig: /root/.kube/config, master: "", qps: 100}
modules:
  cloudHub:
    advertiseAddress: [192.0.2.10]
    dnsNames: [""]
    edgeCertSigningDuration: 365
    enable: true
    https: {address: 0.0.0.0, enable: true, port: 10002}
    keepaliveInterval: 30
    nodeLimit: 1000
    quic: {address: 0.0.0.0, enable: false, maxIncomingStreams: 10000, port: 10001}
    tlsCAFile: /etc/kubeedge/ca/rootCA.crt
    tlsCAKeyFile: /etc/kubeedge/ca/rootCA.key
    tlsCertFile: /etc/kubeedge/certs/server.crt
    tlsPrivateKeyFile: /etc/kubeedge/certs/server.key
    tokenRefreshDuration: 12
    unixsocket: {address: unix:///var/lib/kubeedge/kubeedge.sock, enable: true}
    websocket: {address: 0.0.0.0, enable: true, port: 10000}
    writeTimeout: 30
  cloudStream: {enable: false, streamPort: 10003, tunnelPort: 10004}
  deviceController:
    buffer: {deviceEvent: 1, deviceModelEvent: 1, updateDeviceStatus: 1024}
    enable: true
    load: {updateDeviceStatusWorkers: 1}
  dynamicController: {enable: false}
  edgeController:
    buffer: {configMapEvent: 1}
    context: {receiveModule: edgecontroller}
    enable: true
    load: {UpdateRuleStatusWorkers: 4}
    nodeUpdateFrequency: 10
  iptablesManager: {enable: true, mode: internal}
  router: {address: 0.0.0.0, enable: false, port: 9443, restTimeout: 60}
  syncController: {enable: true}
`;

test('a file of KubeEdge loads; what we do not have is named in one warning', () => {
  const config = load(kubeedge);
  assert.is(config.kubeedgeFile, true);
  assert.is(config.get('kubeAPIConfig.kubeConfig'), '/root/.kube/config');
  assert.equal(config.get('modules.cloudHub.advertiseAddress'), ['192.0.2.10']);
  assert.is(config.get('modules.cloudHub.nodeLimit'), 1000);
  assert.is(config.warnings.length, 1);
  for (const part of ['modules.cloudStream', 'modules.router', 'commonConfig.tunnelPort', 'modules.cloudHub.quic.enable']) {
    assert.match(config.warnings[0] ?? '', part);
  }
});

test('without a file the API is embedded and listens on loopback', () => {
  const config = loadConfig(cloudSchema, {});
  assert.is(config.get('kubeAPIConfig.kubeConfig'), '');
  assert.is(config.get('modules.apiServer.enable'), true);
  assert.is(config.get('modules.apiServer.listen'), '127.0.0.1:6443');
  assert.is(config.get('modules.cloudHub.websocket.port'), 10000);
  assert.is(config.get('modules.cloudHub.https.port'), 10002);
  assert.is(config.get('modules.cloudHub.allowUnboundCertificates'), false);
});

test('a key that nobody knows is a fault with the nearest known one', () => {
  assert.throws(
    () => load('kind: CloudCore\nmodules:\n  cloudHub:\n    nodeLimits: 5\n'),
    /cloudcore\.yaml:4: modules\.cloudHub\.nodeLimits is not a setting; did you mean modules\.cloudHub\.nodeLimit\?/,
  );
});

for (const [text, expected] of [
  ['127.0.0.1:6443', { host: '127.0.0.1', port: 6443 }],
  ['[::1]:0', { host: '::1', port: 0 }],
  [':6443', { host: '0.0.0.0', port: 6443 }],
  ['cloud.example:443', { host: 'cloud.example', port: 443 }],
] as const) {
  test(`the address ${text}`, () => assert.equal(parseListen(text, 'p'), expected));
}

for (const text of ['6443', '127.0.0.1', '127.0.0.1:65536', '::1:5', 'x:y']) {
  test(`the address ${text} is told to be none`, () => assert.throws(() => parseListen(text, 'modules.x'), /^modules\.x is "/));
}

test.run();

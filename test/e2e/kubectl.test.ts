/** The user's own kubectl on the embedded API: nodes, models and devices from files, tables, patches, watches, refusals. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { devices, events } from '#cloud/store/kube-api.ts';
import { ADMIN_TOKEN, startApiServer, type TestApiServer } from '../support/api-server.ts';
import { needing, peerPath } from '../support/peers.ts';
import { runProcess, spawnProcess, type Finished, type TestProcess } from '../support/processes.ts';
import { tempDir } from '../support/temp-dir.ts';

const root = path.join(import.meta.dirname, '../..');
const fixtures = path.join(root, 'test/fixtures/yaml');
const home = tempDir();
const kubeconfig = path.join(home, 'kubeconfig');
const kubectlTest = needing(test, 'kubectl');

let api: TestApiServer;

test.before(async () => {
  api = await startApiServer();
  writeKubeconfig(kubeconfig, { server: api.url, ca: api.ca, token: ADMIN_TOKEN });
});
test.after(() => api.close());

const environment = (): { command: string; env: Record<string, string> } => ({
  command: peerPath('kubectl'),
  env: { HOME: home, KUBECONFIG: kubeconfig, KUBECACHEDIR: path.join(home, 'cache') },
});

/** Standard output of a kubectl that succeeds. */
async function kubectl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await attempt(args);
  assert.is(code, 0, `kubectl ${args.join(' ')}: ${stderr}`);
  return stdout;
}

function attempt(args: string[], input?: string): Promise<Finished> {
  return runProcess({ ...environment(), args, ...(input === undefined ? {} : { input }) });
}

async function refused(message: RegExp, ...args: string[]): Promise<void> {
  const { code, stderr } = await attempt(args);
  assert.is(code, 1, `kubectl ${args.join(' ')} should fail`);
  assert.match(stderr, message);
}

function watching(...args: string[]): TestProcess {
  return spawnProcess({ ...environment(), args });
}

function file(name: string, text: string): string {
  const made = path.join(home, name);
  writeFileSync(made, text);
  return made;
}

const node = file('node.yaml', 'apiVersion: v1\nkind: Node\nmetadata:\n  name: edge-17\n  labels: {node-role.kubernetes.io/edge: ""}\n');

kubectlTest('version and api-resources name the server and its kinds', async () => {
  assert.match(await kubectl('version'), 'Server Version: v1.32.0');
  assert.match(await kubectl('apply', '-f', path.join(root, 'device-models/crds')), 'devices.devices.kubeedge.io created');
  assert.not.match(await kubectl('apply', '-f', path.join(root, 'device-models/crds')), /created|configured/);
  await kubectl('wait', '--for=condition=established', 'crd/devices.devices.kubeedge.io');
  const resources = await kubectl('api-resources');
  assert.match(resources, /^devices +devices\.kubeedge\.io\/v1beta1 +true +Device$/m);
  assert.match(resources, /^nodes +no +v1 +false +Node$/m);
});

kubectlTest('a file applied twice changes nothing the second time', async () => {
  const files = ['v1alpha1-sensor-tag-model', 'v1alpha1-sensor-tag01', 'v1alpha2-dht11-model', 'v1alpha2-dht11', 'v1alpha2-press'];
  const args = ['apply', '-f', node, ...files.flatMap((name) => ['-f', path.join(fixtures, `${name}.yaml`)])];
  const first = await kubectl(...args);
  assert.is(first.split('\n').filter((line) => line.endsWith(' created')).length, 7, first);
  const before = await api.client.list(devices);
  const second = await kubectl(...args);
  assert.is(second.split('\n').filter((line) => line.endsWith(' unchanged')).length, 7, second);
  const after = await api.client.list(devices);
  assert.equal(after, before);
});

kubectlTest('samples of this repository are admitted', async () => {
  assert.match(await kubectl('apply', '--dry-run=server', '-f', path.join(root, 'device-models/samples')), 'server dry run');
});

kubectlTest('nodes and devices are shown as tables', async () => {
  const table = await kubectl('get', 'nodes,devices');
  assert.match(table, /^node\/edge-17 +Unknown +edge +/m);
  assert.match(table, /^NAME +MODEL +NODE +PROTOCOL +STATE +LAST SEEN +DESIRED -> REPORTED +AGE$/m);
  assert.match(table, /^device\.devices\.kubeedge\.io\/press-07 +press-model +edge-17 +/m);
  const wide = /^NAMESPACE +NAME +MODEL +NODE +PROTOCOL +STATE +LAST SEEN +DESIRED -> REPORTED +AGE +ADDRESS +PENDING +REASON$/m;
  assert.match(await kubectl('get', 'devices', '-A', '-o', 'wide'), wide);
  assert.is(
    await kubectl('get', 'devices', '-o', 'name', '--chunk-size=1'),
    ['dht11', 'press-07', 'sensor-tag01'].map((name) => `device.devices.kubeedge.io/${name}\n`).join(''),
  );
  assert.match(await kubectl('get', 'devices', '-l', 'description=hydraulic-press'), 'press-07');
  assert.match(await kubectl('get', 'devices', '--field-selector', 'metadata.name=dht11', '--no-headers'), /^dht11 /);
});

kubectlTest('yaml, json and jsonpath show the object in the version asked for', async () => {
  assert.match(
    await kubectl('get', 'devices.v1alpha2.devices.kubeedge.io', 'press-07', '-o', 'yaml'),
    'apiVersion: devices.kubeedge.io/v1alpha2',
  );
  const shown = JSON.parse(await kubectl('get', 'device', 'press-07', '-o', 'json')) as { spec: { protocol: unknown } };
  assert.equal(shown.spec.protocol, { modbus: { slaveID: 3 }, common: { tcp: { ip: '192.0.2.40', port: 502 } } });
  assert.is(await kubectl('get', 'device', 'press-07', '-o', 'jsonpath={.status.twins[0].desired.value}'), '80');
});

kubectlTest('a desired value is set by JSON patch, tested on the name of its twin', async () => {
  const patch = (name: string, value: string): string =>
    JSON.stringify([
      { op: 'test', path: '/status/twins/0/propertyName', value: name },
      { op: 'replace', path: '/status/twins/0/desired/value', value },
    ]);
  assert.match(await kubectl('patch', 'device', 'press-07', '--type', 'json', '-p', patch('pressure', '95')), 'press-07 patched');
  assert.match(await kubectl('patch', 'device', 'press-07', '--type', 'json', '-p', patch('pressure', '95')), 'patched (no change)');
  await refused(
    /the server rejected our request due to an error in our request/,
    'patch',
    'device',
    'press-07',
    '--type',
    'json',
    '-p',
    patch('temperature', '1'),
  );
  assert.is(await kubectl('get', 'device', 'press-07', '-o', 'jsonpath={.status.twins[0].desired.value}'), '95');
  await kubectl(
    'patch',
    'device',
    'press-07',
    '--type',
    'merge',
    '-p',
    '{"status":{"state":"online","lastOnlineTime":"2026-01-01T00:00:00Z"}}',
  );
  assert.match(await kubectl('get', 'device', 'press-07'), /^press-07 +press-model +edge-17 +online +\d+[dy]/m);
  await refused(/unknown format|UnsupportedMediaType/, 'patch', 'device', 'press-07', '--type', 'strategic', '-p', '{}');
});

kubectlTest('a watch shows a change when it happens', async () => {
  const watch = watching('get', 'device', 'dht11', '-w', '-o', 'jsonpath={.status.state}{"\\n"}');
  await watch.line(/^$/);
  await kubectl('patch', 'device', 'dht11', '--type', 'merge', '-p', '{"status":{"state":"unhealthy"}}');
  assert.is(await watch.line('unhealthy'), 'unhealthy');
  watch.kill();
  const table = watching('get', 'devices', '-w');
  await table.line('sensor-tag01');
  await kubectl('patch', 'device', 'dht11', '--type', 'merge', '-p', '{"status":{"state":"offline"}}');
  assert.match(await table.line(/^dht11 .*offline/), 'dht11-model');
  assert.is(table.lines.filter((line) => line.startsWith('press-07')).length, 1, 'what was listed is not repeated');
  table.kill();
});

kubectlTest('describe shows the object and its events', async () => {
  const { uid = '' } = (await api.client.get(devices, { namespace: 'default', name: 'press-07' })).metadata;
  assert.match(await kubectl('describe', 'device', 'press-07'), /^Events: +<none>$/m);
  await api.client.create(events, {
    metadata: { name: 'press-07.1', namespace: 'default' },
    involvedObject: { kind: 'Device', namespace: 'default', name: 'press-07', uid },
    reason: 'DesiredWritten',
    message: 'desired 95 written, observed 95 in 41 ms',
    type: 'Normal',
    source: { component: 'devicecontroller' },
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:00:00Z',
    count: 1,
  });
  assert.match(
    await kubectl('describe', 'device', 'press-07'),
    /Normal +DesiredWritten +.* +devicecontroller +desired 95 written, observed 95 in 41 ms/,
  );
  assert.match(await kubectl('get', 'events'), /Normal +DesiredWritten +device\/press-07 +desired 95 written/);
  assert.match(await kubectl('describe', 'node', 'edge-17'), /^Roles: +edge$/m);
});

kubectlTest('label, annotate, edit by replace, cordon and taint', async () => {
  await kubectl('label', 'device', 'press-07', 'hall=3');
  await kubectl('annotate', 'device', 'press-07', 'note=checked');
  assert.match(await kubectl('get', 'devices', '-l', 'hall=3', '-L', 'hall'), /press-07 .* 3$/m);
  const shown = JSON.parse(await kubectl('get', 'device', 'press-07', '-o', 'json')) as { spec: { nodeName?: string } };
  shown.spec.nodeName = 'edge-18';
  await kubectl('replace', '-f', file('replaced.json', JSON.stringify(shown)));
  await refused(/the object has been modified/, 'replace', '-f', file('replaced.json', JSON.stringify(shown)));
  assert.match(await kubectl('get', 'device', 'press-07'), /press-07 +press-model +edge-18 /);
  await kubectl('cordon', 'edge-17');
  assert.match(await kubectl('get', 'node', 'edge-17'), 'Unknown,SchedulingDisabled');
  await kubectl('uncordon', 'edge-17');
  await kubectl('taint', 'node', 'edge-17', 'kind=edge:NoSchedule');
  assert.is(await kubectl('get', 'node', 'edge-17', '-o', 'jsonpath={.spec.taints[0].key}'), 'kind');
});

kubectlTest('explain tells the fields', async () => {
  assert.match(await kubectl('explain', 'device.spec.propertyVisitors.modbus'), /register\s+<string>/);
  assert.match(await kubectl('explain', 'node.spec'), /unschedulable\s+<boolean>/);
  assert.match(await kubectl('explain', 'devicemodel.spec.properties'), /accessMode\s+<string>/);
});

kubectlTest('refusals are said in the words of Kubernetes', async () => {
  await refused(/Error from server \(NotFound\): devices\.devices\.kubeedge\.io "nosuch" not found/, 'get', 'device', 'nosuch');
  await refused(/the server doesn't have a resource type "nosuch"/, 'get', 'nosuch');
  const bad = file(
    'bad.yaml',
    'apiVersion: devices.kubeedge.io/v1alpha2\nkind: Device\nmetadata: {name: bad}\nspec: {protocol: {common: {com: {baudRate: 1234}}}}\n',
  );
  await refused(/spec\.protocol\.common\.com\.baudRate: Unsupported value: 1234/, 'apply', '-f', bad);
  const strict = file('strict.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: strict}\ndatas: {}\n');
  await refused(/strict decoding error: unknown field "datas"/, 'apply', '-f', strict);
  const wrong = path.join(home, 'wrong');
  writeKubeconfig(wrong, { server: api.url, ca: api.ca, token: 'wrong' });
  await refused(/You must be logged in|Unauthorized/, '--kubeconfig', wrong, 'get', 'nodes');
});

kubectlTest('wait and delete come to their end', async () => {
  await kubectl('wait', '--for=jsonpath={.status.state}=offline', 'device/dht11', '--timeout=10s');
  assert.match(await kubectl('delete', 'device', 'dht11'), 'deleted');
  await refused(/NotFound/, 'get', 'device', 'dht11');
  await kubectl('delete', 'devices', '--all');
  assert.is(await kubectl('get', 'devices', '-o', 'name'), '');
  await kubectl('delete', 'node', 'edge-17');
  assert.match(await kubectl('delete', 'crd', 'devices.devices.kubeedge.io'), 'deleted');
  await refused(/resource type "devices"|could not find the requested resource/, 'get', 'devices');
});

test.run();

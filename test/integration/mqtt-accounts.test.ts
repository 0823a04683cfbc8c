// timeout: 120s
/** Owns the proof of `hivelet mqtt account` beside a running edge: a device comes in over TLS, reports itself, and cannot touch another. */
import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type MqttClient } from 'mqtt';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createTestAuthority } from '#test/support/certificates.ts';
import { ask, startTestEdge, watchMqtt, type TestEdge } from '#test/support/edge.ts';
import { closeAll, closeLater } from '#test/support/linked-edge.ts';
import { runProcess, type Finished } from '#test/support/processes.ts';
import { needing, peerPath } from '#test/support/peers.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until, within } from '#test/support/until.ts';

test.after.each(closeAll);

const program = ['--import', 'tsx', join(import.meta.dirname, '../../bin/hivelet.ts')];
const tlsTest = needing(test, 'openssl');
const authority = createTestAuthority();
const topic = (device: string, rest: string): string => `$hw/events/device/${device}/${rest}`;
const report = (value: string, more: object = {}): string =>
  JSON.stringify({ event_id: `e${value}`, twin: { temperature: { actual: { value }, metadata: { type: 'float' }, ...more } } });

function account(dataDir: string, ...args: string[]): Promise<Finished> {
  return runProcess({ command: process.execPath, args: [...program, 'mqtt', 'account', ...args, '--data-dir', dataDir] });
}

/** The password that was printed. */
async function addAccount(dataDir: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await account(dataDir, 'add', ...args);
  assert.is(code, 0, stderr);
  return /^password \(shown this once\): (\S+)$/m.exec(stdout)?.[1] ?? '';
}

function siteWithTls(): string {
  const dataDir = tempDir();
  const server = authority.issue('board', { server: true });
  mkdirSync(join(dataDir, 'edge', 'pki'), { recursive: true });
  copyFileSync(server.certFile, join(dataDir, 'edge', 'pki', 'mqtt.crt'));
  copyFileSync(server.keyFile, join(dataDir, 'edge', 'pki', 'mqtt.key'));
  return dataDir;
}

async function edgeAt(dataDir: string, ...sets: string[]): Promise<TestEdge> {
  const edge = await startTestEdge({ dataDir, seed: 'd:2', sets: ['modules.eventBus.listeners=mqtts://0.0.0.0:0', ...sets] });
  closeLater(() => edge.edge.stop());
  return edge;
}

function dial({ edge }: TestEdge, username: string, password: string): MqttClient {
  const client = connect((edge.mqtt[1] ?? '').replace('0.0.0.0', '127.0.0.1'), {
    protocolVersion: 4,
    reconnectPeriod: 0,
    ca: authority.cert,
    username,
    password,
  });
  client.on('error', () => undefined);
  closeLater(() => client.endAsync(true));
  return client;
}

const connected = (client: MqttClient): Promise<unknown> =>
  within(new Promise((resolve) => client.once('connect', resolve)), { what: 'CONNACK' });

tlsTest('without an account the edge does not listen for others; the sentence tells the command that makes one', async () => {
  const dataDir = siteWithTls();
  try {
    await edgeAt(dataDir);
    assert.unreachable();
  } catch (error) {
    assert.match(
      (error as Error).message,
      /listeners\[0\] is mqtts:\/\/0\.0\.0\.0:0, but nobody has an account.*`hivelet mqtt account add NAME`/,
    );
  }
  await addAccount(dataDir, 'd1');
  await edgeAt(dataDir);
});

tlsTest(
  'a device with the account of its name reports itself and gets its answers; the twin of another stays as it is, whoever plays the cloud',
  async () => {
    const dataDir = siteWithTls();
    const password = await addAccount(dataDir, 'd1');
    const edge = await edgeAt(dataDir);
    const witness = await watchMqtt(edge.port, ['$hw/events/device/+/twin/get/result', '$hw/events/device/+/twin/update/result']);
    closeLater(() => witness.close());
    const device = dial(edge, 'd1', password);
    await connected(device);
    const answers: string[] = [];
    device.on('message', (_topic, payload) => void answers.push(payload.toString()));
    await device.subscribeAsync(topic('d1', 'twin/update/result'), { qos: 1 });
    await device.publishAsync(topic('d2', 'twin/update'), report('66'), { qos: 1 });
    await device.publishAsync(
      topic('d1', 'twin/cloud_updated'),
      report('1', { expected: { value: '77' }, expected_version: { cloud: 9_999_999, edge: 0 } }),
      { qos: 1 },
    );
    await device.publishAsync(topic('d1', 'twin/update'), report('21.5'), { qos: 1 });
    await until(() => answers.some((answer) => answer.includes('"e21.5"')), { what: 'the answer to its own report' });
    const twinOf = async (id: string): Promise<unknown> => (await ask(witness, topic(id, 'twin/get'), {}))['twin'];
    assert.not.match(JSON.stringify(await twinOf('d2')), /66/);
    const own = JSON.stringify(await twinOf('d1'));
    assert.match(own, /21\.5/);
    assert.not.match(own, /77/);
    assert.match(edge.edge.health().modules['broker']?.detail ?? '', /1 denied/);
  },
);

tlsTest(
  'accounts are made, listed, changed and removed beside the running edge, and no password is in the file, the log or the list',
  async () => {
    const dataDir = siteWithTls();
    const first = await addAccount(dataDir, 'd1');
    const edge = await edgeAt(dataDir);
    writeFileSync(join(dataDir, 'secret'), 'from a file\nnot this\n');
    assert.is(await addAccount(dataDir, 'panel', '--app', '--mapper-of', '+', '--password-file', join(dataDir, 'secret')), '');
    const panel = dial(edge, 'panel', 'from a file');
    await connected(panel);
    assert.is((await panel.subscribeAsync('$hw/events/device/+/twin/update/delta'))[0]?.qos, 0);
    const device = dial(edge, 'd1', first);
    await connected(device);
    const second = /: (\S+)$/m.exec((await account(dataDir, 'passwd', 'd1')).stdout)?.[1] ?? '';
    await until(() => !device.connected, { what: 'the device to be asked again' });
    assert.ok(panel.connected, 'others stay');
    await connected(dial(edge, 'd1', second));
    const { stdout } = await account(dataDir, 'list');
    assert.match(stdout, /^d1 +device +password +- +-$/m);
    assert.match(stdout, /^panel +app +password +\$hw/m);
    assert.is((await account(dataDir, 'remove', 'panel')).code, 0);
    await until(() => !panel.connected, { what: 'the panel to be closed' });
    const file = join(dataDir, 'edge', 'mqtt-accounts.json');
    assert.is(statSync(file).mode & 0o777, 0o600);
    for (const text of [readFileSync(file, 'utf8'), JSON.stringify(edge.log), stdout]) {
      for (const secret of [first, second, 'from a file']) assert.not.ok(text.includes(secret));
    }
  },
);

tlsTest('what makes no sense is refused with one sentence and exit code 2; an account that is not there with 1', async () => {
  const dataDir = tempDir();
  for (const [args, sentence] of [
    [['add', 'Upper'], /"Upper" cannot be the name of a device/],
    [['add', 'x', '--app', '--publish', 'a/#/b'], /"a\/#\/b" is not a topic pattern/],
    [['add', 'x', '--mapper-of', 'y'], /--mapper-of is for mappers: add --app/],
    [['add', 'x', '--password-file', '/nowhere'], /\/nowhere cannot be read/],
    [['add'], /takes one name/],
    [['frobnicate'], /there is no `hivelet mqtt account frobnicate`/],
  ] as const) {
    const { code, stderr } = await account(dataDir, ...args);
    assert.is(code, 2, stderr);
    assert.match(stderr, sentence);
  }
  assert.is((await account(dataDir, 'remove', 'x')).code, 1);
});

const mosquittoTest = needing(test, 'mosquitto_pub', 'openssl');

function certificate(dataDir: string, ...args: string[]): Promise<Finished> {
  return runProcess({ command: process.execPath, args: [...program, 'mqtt', 'certificate', ...args, '--data-dir', dataDir] });
}

mosquittoTest(
  'with the certificate that `hivelet mqtt certificate` makes, mosquitto checks the broker by name and by address',
  async () => {
    const dataDir = tempDir();
    const password = await addAccount(dataDir, 'd1');
    await edgeAt(dataDir).then(
      () => assert.unreachable(),
      (error: Error) =>
        assert.match(
          error.message,
          /tlsCertFile: cannot read ".+mqtt\.crt": it is not there; make one with `hivelet mqtt certificate`, or name yours$/,
        ),
    );
    const made = await certificate(dataDir);
    assert.is(made.code, 0, made.stderr);
    const [authority, own] = [join(dataDir, 'edge/pki/mqtt-ca.crt'), join(dataDir, 'edge/pki/mqtt.crt')];
    assert.match(made.stdout, new RegExp(`^created ${authority}\ncreated ${own}\n`));
    for (const key of ['mqtt-ca.key', 'mqtt.key']) assert.is(statSync(join(dataDir, 'edge/pki', key)).mode & 0o777, 0o600);
    const edge = await edgeAt(dataDir);
    const port = (edge.edge.mqtt[1] ?? '').split(':').at(-1) ?? '';
    const publish = (host: string): Promise<Finished> =>
      runProcess({
        command: peerPath('mosquitto_pub'),
        args: [
          '-h',
          host,
          '-p',
          port,
          '--cafile',
          authority,
          '-u',
          'd1',
          '-P',
          password,
          '-q',
          '1',
          '-t',
          topic('d1', 'twin/update'),
          '-m',
          report('7'),
        ],
      });
    for (const host of ['127.0.0.1', 'localhost']) {
      const { code, stderr } = await publish(host);
      assert.is(code, 0, stderr);
    }
    assert.is.not((await publish('127.0.0.2')).code, 0, 'an address that is not in the certificate');
    assert.is((await certificate(dataDir, '127.0.0.2')).code, 0);
    const verified = await runProcess({
      command: peerPath('openssl'),
      args: ['verify', '-CAfile', authority, '-verify_ip', '127.0.0.2', own],
    });
    assert.is(verified.code, 0, verified.stderr);
  },
);

test.run();

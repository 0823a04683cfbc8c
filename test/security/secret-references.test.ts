/** Whoever may edit a Device names passwords and keys in it: nothing outside of what the board keeps for devices is ever opened. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HiveletError } from '#beehive/errors.ts';
import { checkSecretNamespaces, secretsNamedIn } from '#device-models/secret-reference.ts';
import { readProfile } from '#device-models/read-profile.ts';
import { createSecretReferences } from '#edge/secret-references.ts';
import type { MapperPlugin } from '#mappers/contract.ts';
import { bindDevice } from '#mappers/host/binding.ts';
import { generator, pick } from '#test/support/seeded.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const AT = 'spec.protocol.password';
const dataDir = tempDir();
const folder = path.join(dataDir, 'edge', 'secrets');
/** What must not be read. */
const OUTSIDE = 'the key of the board';

mkdirSync(path.join(folder, 'opcua'), { recursive: true, mode: 0o700 });
chmodSync(folder, 0o700);
mkdirSync(path.join(dataDir, 'edge', 'pki'));
mkdirSync(path.join(dataDir, 'edge', 'secrets-of-others'));
const secretFile = (name: string, text: string, mode = 0o600): void => writeFileSync(path.join(folder, name), text, { mode });
secretFile('press', 'open sesame\n');
secretFile('opcua/client.pem', 'a certificate', 0o644);
for (const place of ['edge/pki/node.key', 'edge/secrets-of-others/x', 'outside']) writeFileSync(path.join(dataDir, place), OUTSIDE);

const secrets = new Map<string, Record<string, unknown>>();
const b64 = (text: string): string => Buffer.from(text).toString('base64');
const labelled = { labels: { 'hivelet.dev/for-devices': 'true' } };
secrets.set('hall/press', { metadata: labelled, data: { password: b64('from the cluster'), big: b64('x'.repeat(70_000)), odd: 5 } });
secrets.set('hall/plain', { metadata: {}, data: { password: b64(OUTSIDE) } });
secrets.set('hall/no', { metadata: { labels: { 'hivelet.dev/for-devices': 'false' } }, data: { password: b64(OUTSIDE) } });
const asked: string[] = [];
const references = createSecretReferences({
  folder,
  secret: ({ namespace, name }) => {
    asked.push(`${namespace}/${name}`);
    return secrets.get(`${namespace}/${name}`);
  },
});

/** The one sentence of the refusal; fails when something was read. */
async function refusal(reference: string, from = references): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await from.resolve(reference, AT);
  } catch (error) {
    assert.instance(error, HiveletError);
    const { code, message, cause } = error as HiveletError;
    assert.is(code, 'PROFILE_INVALID', message);
    assert.ok(message.startsWith(`${AT}: `), message);
    assert.is(message.includes('\n'), false);
    assert.is(cause, undefined, 'a cause would name what was written');
    return message;
  }
  throw new Error(`${JSON.stringify(reference)} was read: ${bytes.toString('utf8').slice(0, 40)}`);
}

test('files below the folder and keys of Secrets that are meant for devices are read', async () => {
  const read = async (reference: string): Promise<string> => (await references.resolve(reference, AT)).toString('utf8');
  assert.is(await read('press'), 'open sesame\n');
  assert.is(await read('./opcua//client.pem'), 'a certificate');
  assert.is(await read(path.join(folder, 'opcua/client.pem')), 'a certificate');
  assert.is(await read(' secret:hall/press#password '), 'from the cluster');
});

test('no path leads out: absolute ones, .., links, folders beside', async () => {
  symlinkSync('../pki/node.key', path.join(folder, 'link'));
  symlinkSync('..', path.join(folder, 'up'));
  symlinkSync(path.join(folder, 'press'), path.join(folder, 'inner'));
  const attacks = [
    '/etc/passwd',
    '/etc/shadow',
    '../pki/node.key',
    'opcua/../../pki/node.key',
    'opcua/../press',
    '..',
    '.',
    '',
    '/',
    folder,
    `${folder}/`,
    `${folder}-of-others/x`,
    `${folder}/../pki/node.key`,
    path.join(dataDir, 'outside'),
    'link',
    'up/pki/node.key',
    'inner',
    'opcua',
    'opcua/',
    'press/x',
    'press\0',
    'press\0.pem',
    '\0',
    'x'.repeat(5000),
    'a/'.repeat(2000),
    '~/x',
    '/proc/self/environ',
    '/proc/self/mem',
    'file:///etc/passwd',
    '%2e%2e/pki/node.key',
    '..%2fpki%2fnode.key',
    '..\\pki\\node.key',
    ' ../pki/node.key',
    './../pki/node.key',
    'opcua/./../../pki/node.key',
  ];
  for (const attack of attacks) {
    const message = await refusal(attack);
    assert.is(message.includes(OUTSIDE), false);
    assert.match(message, /: put |write secret:|chmod|name another one/);
  }
});

test('what was written is never repeated: it may be the password itself', async () => {
  for (const password of [
    'hunter2',
    'p@ss/word',
    'secret:hunter2',
    'secret:hunter2#x',
    '/hunter2',
    '../hunter2',
    'hunter2\0',
    'hunter2/'.repeat(50),
  ]) {
    assert.is((await refusal(password)).includes('hunter2'), false, password);
  }
});

test('devices, pipes, sockets and folders are no files, and nothing waits for them', async () => {
  execFileSync('mkfifo', [path.join(folder, 'pipe')]);
  const server = createServer().listen(path.join(folder, 'socket'));
  await new Promise((resolve) => server.once('listening', resolve));
  for (const name of ['pipe', 'socket', 'opcua']) assert.match(await refusal(name), /plain file/);
  server.close();
  symlinkSync('/dev/tty', path.join(folder, 'terminal'));
  symlinkSync('/dev', path.join(folder, 'dev'));
  for (const name of ['terminal', 'dev/zero', 'dev/watchdog']) assert.match(await refusal(name), /leads over a link/);
});

test('what is too large, or open to others, is refused with the way to mend it', async () => {
  secretFile('large', 'x'.repeat(64 * 1024 + 1));
  assert.match(await refusal('large'), /larger than 65536 bytes/);
  secretFile('shared', 'x');
  chmodSync(path.join(folder, 'shared'), 0o622);
  assert.match(await refusal('shared'), /may be written by others: chmod 600/);
  chmodSync(folder, 0o755);
  assert.match(await refusal('opcua/client.pem'), new RegExp(`read by everybody on this board: chmod 700 ${folder}`));
  chmodSync(folder, 0o700);
  const missing = createSecretReferences({ folder: path.join(dataDir, 'nothing'), secret: () => undefined });
  assert.match(await refusalOfMissing(missing), /nothing cannot be opened/);
});

async function refusalOfMissing(from: typeof references): Promise<string> {
  return from.resolve('x', AT).then(
    () => 'read',
    (error: Error) => error.message,
  );
}

test('who exchanges files and folders for links meanwhile gets nothing out', async () => {
  const place = path.join(folder, 'race');
  mkdirSync(path.join(place), { recursive: true });
  writeFileSync(path.join(place, 'key'), 'mine', { mode: 0o600 });
  symlinkSync(path.join(dataDir, 'edge', 'pki'), path.join(folder, 'trap'));
  writeFileSync(path.join(dataDir, 'edge', 'pki', 'key'), OUTSIDE);
  let swapping = true;
  const swap = (async () => {
    while (swapping) {
      renameSync(place, path.join(folder, 'aside'));
      renameSync(path.join(folder, 'trap'), place);
      await new Promise((resolve) => setImmediate(resolve));
      renameSync(place, path.join(folder, 'trap'));
      renameSync(path.join(folder, 'aside'), place);
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  const seen = new Map<string, number>();
  for (let round = 0; round < 2000; round++) {
    const text = await references.resolve('race/key', AT).then(
      (bytes) => bytes.toString('utf8'),
      () => 'refused',
    );
    seen.set(text, (seen.get(text) ?? 0) + 1);
  }
  swapping = false;
  await swap;
  assert.is(seen.get(OUTSIDE), undefined);
  assert.ok((seen.get('mine') ?? 0) > 0 && (seen.get('refused') ?? 0) > 0, JSON.stringify([...seen]));
});

test('Secrets: only with the label, only what is there, only by a whole reference', async () => {
  assert.match(await refusal('secret:hall/plain#password'), /not meant for devices: give it the label hivelet.dev\/for-devices=true/);
  assert.match(await refusal('secret:hall/no#password'), /not meant for devices/);
  assert.match(await refusal('secret:hall/nothing#password'), /this node has no Secret hall\/nothing/);
  assert.match(await refusal('secret:hall/press#token'), /has no such key: name one of password, big, odd/);
  for (const key of ['odd', 'constructor', '__proto__', 'toString'])
    assert.match(await refusal(`secret:hall/press#${key}`), /has no such key/);
  assert.match(await refusal('secret:hall/press#big'), /larger than 65536 bytes/);
  const before = asked.length;
  for (const odd of [
    'secret:',
    'secret:press#password',
    'secret:hall/press',
    'secret:hall/press#',
    'secret:hall/press#a#b',
    'secret:hall/press/x#password',
    'secret:../hall/press#x',
    'secret:hall/../plain#password',
    'secret:Hall/press#password',
    'secret:hall/press#pass word',
    'secret:hall/press#../x\0',
  ]) {
    assert.match(await refusal(odd), /no reference to a Secret: write secret:NAMESPACE\/NAME#KEY/, odd);
  }
  assert.is(asked.length, before, 'nothing was looked up for what is no reference');
});

test('a Device names Secrets of its own namespace only, wherever they stand in it', () => {
  const config = { url: 'opc.tcp://x', auth: [{ deep: { password: ' secret:kube-system/admin#token' } }], key: 'secret:hall/press#key' };
  assert.equal(secretsNamedIn(config), [
    { namespace: 'kube-system', name: 'admin' },
    { namespace: 'hall', name: 'press' },
  ]);
  assert.throws(
    () => checkSecretNamespaces(config, { namespace: 'hall', at: 'spec.protocol' }),
    (error: Error) =>
      error.message === 'spec.protocol: names the Secret kube-system/admin, but the Device is in namespace hall: copy the Secret there',
  );
  checkSecretNamespaces({ key: 'secret:hall/press#key', other: 'secret:broken' }, { namespace: 'hall', at: 'spec.protocol' });
});

test('a mapper is not even bound to a Device that names a Secret of another namespace, and the API says why', () => {
  const device = {
    metadata: { name: 'press', namespace: 'hall' },
    spec: {
      deviceModelRef: { name: 'm' },
      protocol: { protocolName: 'opcua', configData: { url: 'opc.tcp://x', password: 'secret:kube-system/admin#token' } },
    },
  };
  const { profile, problems } = readProfile(device, { metadata: { name: 'm', namespace: 'hall' }, spec: { properties: [] } });
  const said = 'names the Secret kube-system/admin, but the Device is in namespace hall: copy the Secret there';
  assert.ok(problems.some(({ severity, path: at, message }) => severity === 'condition' && at === 'spec.protocol' && message === said));
  const opened: unknown[] = [];
  const plugin: MapperPlugin = {
    protocol: 'opcua',
    link: (input) => opened.push(input),
    access: (input) => opened.push(input),
    linkKey: () => 'x',
    open: () => Promise.reject(new Error('never')),
  };
  assert.throws(() => bindDevice(profile, plugin), new RegExp(`^spec.protocol: ${said}$`));
  const visitor = { protocol: 'opcua', config: { nodeID: 'secret:kube-system/admin#token' } };
  const property = {
    name: 'p',
    type: 'int',
    accessMode: 'ReadOnly',
    collectCycleMs: 1000,
    reportCycleMs: 0,
    tolerance: 0,
    visitor,
  } as const;
  const binding = bindDevice({ ...profile, protocolConfig: {}, properties: [property] }, plugin);
  assert.equal([...binding.faults], [['p', `visitor of p: ${said}`]]);
  assert.is(opened.length, 1, 'the empty protocol block of the second one only');
});

test('two thousand generated references: each is refused or lies in the folder', async () => {
  const random = generator(8);
  const parts = [
    '..',
    '.',
    '',
    'opcua',
    'press',
    'client.pem',
    'link',
    'up',
    'pki',
    'node.key',
    'dev',
    'edge',
    'secrets',
    'trap',
    'proc',
    'self',
    'root',
    'etc',
    'passwd',
    '\0',
    '%2e%2e',
    ' ',
  ];
  const allowed = new Set(['open sesame\n', 'a certificate', 'mine']);
  let read = 0;
  for (let round = 0; round < 2000; round++) {
    const length = 1 + Math.floor(random() * 5);
    const steps = Array.from({ length }, () => pick(random, parts)).join('/');
    const reference = pick(random, ['', '/', './', '../', `${folder}/`, `${dataDir}/`]) + steps;
    const text = await references.resolve(reference, AT).then(
      (bytes) => bytes.toString('utf8'),
      () => undefined,
    );
    if (text === undefined) continue;
    read += 1;
    assert.ok(allowed.has(text), `${reference}: ${text}`);
  }
  assert.ok(read > 0);
});

test.run();

/** `hivelet init` as a program: what it says, that a second run changes nothing, what --force-renew renews, and whose the files are. */
import { X509Certificate } from 'node:crypto';
import { chownSync, lstatSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { handOver } from '../../bin/commands/owner.ts';
import { skipTest } from '#test/support/peers.ts';
import { runProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const root = path.join(import.meta.dirname, '../..');
const asRoot = process.getuid?.() === 0;
const rootTest = (name: string, handler: () => Promise<void> | void): void =>
  asRoot ? test(name, handler) : skipTest(test, { name, handler, reason: 'only root can give files away' });

async function init(dataDir: string, ...args: string[]): Promise<string> {
  const line = ['--import', 'tsx', path.join(root, 'bin/hivelet.ts'), 'init', '--data-dir', dataDir, ...args];
  const { code, stdout, stderr } = await runProcess({ command: process.execPath, args: line, cwd: root });
  assert.is(code, 0, stderr);
  return stdout;
}

function filesBelow(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
}

const contents = (folder: string): Record<string, string> =>
  Object.fromEntries(filesBelow(folder).map((file) => [file, `${String(statSync(file).mtimeMs)} ${readFileSync(file, 'utf8')}`]));
const read = (dataDir: string, file: string): string => readFileSync(path.join(dataDir, file), 'utf8');

test('a second run changes nothing and says so; --force-renew renews the leaves and leaves the authority', async () => {
  const dataDir = path.join(tempDir(), 'new');
  assert.match(
    await init(dataDir, '--advertise-address', 'cloud.example', '--advertise-address', '192.0.2.7'),
    /^created .*pki\/ca\.crt$/m,
  );
  for (const file of filesBelow(dataDir)) assert.is(statSync(file).mode & 0o777, file.endsWith('.crt') ? 0o644 : 0o600, file);
  const first = contents(dataDir);
  assert.match(await init(dataDir), /^Nothing was changed: all of it is good\.$/m);
  assert.equal(contents(dataDir), first);
  const [ca, hub, api] = ['ca', 'hub', 'api'].map((name) => read(dataDir, `pki/${name}.crt`));
  const said = await init(dataDir, '--force-renew');
  assert.match(said, /^renewed .*pki\/hub\.crt \(as asked\)$/m);
  assert.match(said, /A running cloud takes renewed certificates over within a minute\./);
  assert.is(read(dataDir, 'pki/ca.crt'), ca);
  assert.is.not(read(dataDir, 'pki/hub.crt'), hub);
  assert.is.not(read(dataDir, 'pki/api.crt'), api);
  const names = new X509Certificate(read(dataDir, 'pki/hub.crt')).subjectAltName ?? '';
  for (const name of ['DNS:cloud.example', 'IP Address:192.0.2.7', 'DNS:localhost']) assert.ok(names.includes(name), names);
});

test('another server is written into the kubeconfig, and stays there', async () => {
  const dataDir = path.join(tempDir(), 'new');
  await init(dataDir, '--server', 'https://cloud.example:7443');
  await init(dataDir);
  assert.match(read(dataDir, 'kubeconfig'), 'server: https://cloud.example:7443');
  assert.match(await init(dataDir, '--server', 'https://cloud.example:8443'), /^renewed .*kubeconfig/m);
  assert.match(read(dataDir, 'kubeconfig'), 'server: https://cloud.example:8443');
});

rootTest('what root makes belongs to the owner of the data directory', async () => {
  const dataDir = tempDir();
  chownSync(dataDir, 4242, 4243);
  await init(dataDir, '--node', 'pi');
  for (const file of [...filesBelow(dataDir), path.join(dataDir, 'pki'), path.join(dataDir, 'edge')]) {
    const { uid, gid } = lstatSync(file);
    assert.equal([uid, gid], [4242, 4243], file);
  }
});

rootTest('what a link points to is nobody’s gift, and files of others stay theirs', () => {
  const dataDir = tempDir();
  const outside = path.join(tempDir(), 'outside');
  writeFileSync(outside, '');
  mkdirSync(path.join(dataDir, 'pki'));
  const [link, theirs] = [path.join(dataDir, 'pki', 'ca.key'), path.join(dataDir, 'pki', 'ca.crt')];
  symlinkSync(outside, link);
  writeFileSync(theirs, '');
  chownSync(theirs, 5000, 5000);
  chownSync(dataDir, 4242, 4243);
  handOver(dataDir, [link, theirs, path.join(dataDir, 'not-there')]);
  assert.equal([lstatSync(outside).uid, lstatSync(theirs).uid, lstatSync(link).uid], [0, 5000, 4242]);
});

test.run();

/** A new key and certificate are taken in one step: wherever the power fails, what is read is a pair. */
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createAuthority, issueNode } from '#cloud/pki/certificates.ts';
import { askingKey, authorityHashes, installAuthorities, installPair, readCredentials } from '#edge/edgehub/credential-files.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const authority = await createAuthority(Date.now());
const make = async (): Promise<{ cert: string; key: string }> => {
  const { certificate: cert, key } = await issueNode(authority, { node: 'pi', now: Date.now() });
  return { cert, key };
};
const [old, next] = [await make(), await make()];

function board(): { caFile: string; certFile: string; keyFile: string } {
  const folder = tempDir();
  const files = { caFile: path.join(folder, 'ca.crt'), certFile: path.join(folder, 'node.crt'), keyFile: path.join(folder, 'node.key') };
  writeFileSync(files.caFile, authority.certificate);
  writeFileSync(files.certFile, old.cert);
  writeFileSync(files.keyFile, old.key, { mode: 0o600 });
  return files;
}

test('a pair is replaced, private, and nothing is left beside it', async () => {
  const files = board();
  await askingKey(files, () => Promise.resolve(next.key));
  installPair(files, next);
  assert.equal(readCredentials(files), { ca: authority.certificate, ...next });
  assert.is(statSync(files.keyFile).mode & 0o777, 0o600);
  assert.equal(readdirSync(path.dirname(files.certFile)).sort(), ['ca.crt', 'node.crt', 'node.key']);
});

/** What is on the disk when the power fails after so many steps, in their order; `writes` are what `installPair` does. */
const cuts: [what: string, writes: (files: ReturnType<typeof board>) => void, found: typeof old][] = [
  ['before anything', () => undefined, old],
  ['while the pair is being written beside', ({ certFile }) => writeFileSync(`${certFile}.next`, next.key + next.cert.slice(0, 200)), old],
  ['with the key of the pair only', ({ certFile }) => writeFileSync(`${certFile}.next`, next.key), old],
  ['with the pair beside', ({ certFile }) => writeFileSync(`${certFile}.next`, next.key + next.cert), next],
  [
    'with the key in place',
    ({ certFile, keyFile }) => {
      writeFileSync(`${certFile}.next`, next.key + next.cert);
      writeFileSync(keyFile, next.key);
    },
    next,
  ],
  [
    'with both in place',
    ({ certFile, keyFile }) => {
      writeFileSync(`${certFile}.next`, next.key + next.cert);
      writeFileSync(keyFile, next.key);
      writeFileSync(certFile, next.cert);
    },
    next,
  ],
];
for (const [what, writes, found] of cuts) {
  test(`after a power cut ${what} a whole pair is read, and is in place`, () => {
    const files = board();
    writes(files);
    const { cert, key } = readCredentials(files);
    assert.equal({ cert, key }, found);
    assert.equal({ cert: readFileSync(files.certFile, 'utf8'), key: readFileSync(files.keyFile, 'utf8') }, found);
  });
}

test('a pair that does not fit is none', () => {
  const files = board();
  writeFileSync(`${files.certFile}.next`, old.key + next.cert);
  assert.is(readCredentials(files).cert, old.cert);
});

const damages: [what: string, damage: (files: ReturnType<typeof board>) => void, told: RegExp][] = [
  [
    'a board that never joined',
    ({ caFile }) => rmSync(caFile),
    /^cannot read \S+\/ca\.crt \(modules\.edgeHub\.tlsCaFile\): it is not there; run `hivelet join`, or set modules\.edgeHub\.enable to false to work without a cloud$/,
  ],
  [
    'an authority that is none',
    ({ caFile }) => writeFileSync(caFile, 'x'),
    /^\S+\/ca\.crt \(modules\.edgeHub\.tlsCaFile\) holds no certificate; put it back/,
  ],
  [
    'a certificate that is none',
    ({ certFile }) => writeFileSync(certFile, ''),
    /\/node\.crt \(modules\.edgeHub\.tlsCertFile\) holds no certificate; put it/,
  ],
  [
    'a key that is none',
    ({ keyFile }) => writeFileSync(keyFile, ''),
    /\/node\.key \(modules\.edgeHub\.tlsPrivateKeyFile\) holds no private key; put it/,
  ],
  [
    'a key of another certificate',
    ({ keyFile }) => writeFileSync(keyFile, next.key),
    /^\S+\/node\.key \(modules\.edgeHub\.tlsPrivateKeyFile\) is not the key of \S+\/node\.crt; put it back, or `hivelet reset` and `hivelet join`$/,
  ],
];
for (const [what, damage, told] of damages) {
  test(`${what} is told by file, setting and remedy`, () => {
    const files = board();
    damage(files);
    assert.throws(
      () => readCredentials(files),
      (error: Error) => told.test(error.message),
    );
  });
}

test('asking again is the same question: the key is kept, private, until its certificate has come', async () => {
  const files = board();
  const first = await askingKey(files, () => Promise.resolve(next.key));
  const again = await askingKey(files, () => Promise.reject(new Error('another key was made')));
  assert.is(again, first);
  assert.is(statSync(`${files.keyFile}.asking`).mode & 0o777, 0o600);
  installPair(files, next);
  assert.not(existsSync(`${files.keyFile}.asking`));
  writeFileSync(`${files.keyFile}.asking`, 'half a k');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const made = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  assert.is(await askingKey(files, () => Promise.resolve(made)), made);
});

test('where it may not write, one sentence names the file, its setting and the remedy', () => {
  const files = { ...board(), certFile: path.join(tempDir(), 'gone', 'node.crt') };
  assert.throws(
    () => installPair(files, next),
    /^cannot replace .*node\.crt \(modules\.edgeHub\.tlsCertFile\): ENOENT.*; let the edge write to .*gone, or name files there that it may write$/,
  );
  const locked = tempDir();
  mkdirSync(path.join(locked, 'ro'));
  chmodSync(path.join(locked, 'ro'), 0o500);
  if (process.getuid?.() === 0) return;
  assert.throws(
    () => installAuthorities({ ...files, caFile: path.join(locked, 'ro/ca.crt') }, 'x'),
    /\(modules\.edgeHub\.tlsCaFile\): EACCES/,
  );
});

test('authorities are named by their hashes, in their order; what is none has none', async () => {
  const other = await createAuthority(Date.now());
  const both = authorityHashes(authority.certificate + other.certificate);
  assert.equal(both, [...authorityHashes(authority.certificate), ...authorityHashes(other.certificate)]);
  assert.ok(both.every((hash) => /^[0-9a-f]{64}$/.test(hash)));
  assert.equal(authorityHashes('-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----'), []);
});

test.run();

/** A change of authorities on the disk: every step is whole after a power cut, every cloudcore can go along, and the key travels sealed. */
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { silentLogger } from '#beehive/log.ts';
import { authorityFiles, bundleOf, moveToNext, readAuthorities, writeNext } from '#cloud/pki/authorities.ts';
import { AuthoritySite, type AuthorityStep, type NamedFiles } from '#cloud/pki/authority-site.ts';
import { createAuthority } from '#cloud/pki/certificates.ts';
import { cloudFiles, initCloud, issueNodeCertificate } from '#cloud/pki/init.ts';
import { authorityHash } from '#cloud/pki/node-signer.ts';
import { openKey, sealKey } from '#cloud/pki/sealed-key.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const next = await createAuthority(Date.now());
const none: NamedFiles = { tlsCAFile: '', tlsCAKeyFile: '', tlsCertFile: '', tlsPrivateKeyFile: '' };

async function cloud(): Promise<{ dataDir: string; site: AuthoritySite; step: (phase: AuthorityStep['phase']) => AuthorityStep }> {
  const dataDir = tempDir();
  await initCloud({ dataDir, advertise: ['cloud.example'], clock: systemClock });
  const { certificate, key } = cloudFiles(dataDir).authority;
  const [old, by] = [readFileSync(certificate, 'utf8'), readFileSync(key, 'utf8')];
  const sealed = sealKey(next.key, { by, name: authorityHash(next.certificate) });
  return { dataDir, site: siteIn(dataDir), step: (phase) => ({ phase, old, next: next.certificate, sealed }) };
}

function siteIn(dataDir: string, named: NamedFiles = none): AuthoritySite {
  return new AuthoritySite({ dataDir, named, advertise: ['cloud.example'], clock: systemClock, log: silentLogger() });
}

const isOf = (pem: string, authority: string): boolean => new X509Certificate(pem).verify(new X509Certificate(authority).publicKey);
const reason = (failing: Promise<unknown>): Promise<string> =>
  failing.then(
    () => 'nothing',
    (error: Error) => error.message,
  );

test('a key that was sealed with the old one is opened with it, under its name, and by nobody else', async () => {
  const [old, other] = [await createAuthority(Date.now()), await createAuthority(Date.now())];
  const sealed = sealKey(next.key, { by: old.key, name: 'a' });
  assert.is(openKey(sealed, { by: old.key, name: 'a' }), next.key);
  assert.not.ok(Buffer.from(sealed, 'base64').includes('PRIVATE'));
  assert.throws(() => openKey(sealed, { by: other.key, name: 'a' }), /cannot be opened/);
  assert.throws(() => openKey(sealed, { by: old.key, name: 'b' }), /cannot be opened/);
  for (const broken of ['', 'AAAA', `${sealed.slice(0, -8)}AAAAAAA=`]) {
    assert.throws(() => openKey(broken, { by: old.key, name: 'a' }), /cannot be opened/);
  }
});

test('another cloudcore goes along with the record alone: it trusts both, then shows the new one, then trusts it only', async () => {
  const { dataDir, site, step } = await cloud();
  const seen: string[] = [];
  const { ca: before } = await site.tls();
  site.onChange(
    ({ ca, cert }) => void seen.push(`${String(ca.split('BEGIN').length - 1)} ${isOf(cert, next.certificate) ? 'new' : 'old'}`),
  );
  await site.follow(step('overlap'));
  assert.is((await site.signer('join')).certificate, before);
  assert.is((await site.signer('renew')).certificate, next.certificate);
  assert.is(statSync(authorityFiles(dataDir).nextKey).mode & 0o777, 0o600);
  await site.follow(step('moved'));
  assert.is((await site.signer('join')).certificate, next.certificate);
  assert.ok(isOf(readFileSync(cloudFiles(dataDir).api.certificate, 'utf8'), next.certificate));
  assert.ok(new X509Certificate((await site.tls()).cert).checkHost('cloud.example'));
  await site.follow(step('dropped'));
  assert.equal(seen, ['2 old', '2 new', '1 new']);
  assert.is((await site.tls()).ca, next.certificate);
  await site.follow(step('dropped'));
  assert.is(seen.length, 3);
});

test('it may come late, or start anew, at any phase but the last', async () => {
  const late = await cloud();
  await late.site.follow(late.step('moved'));
  await siteIn(late.dataDir).follow(late.step('moved'));
  assert.is(authorityHash((await siteIn(late.dataDir).tls()).ca), authorityHash(next.certificate));
  const tooLate = await cloud();
  assert.match(await reason(tooLate.site.follow(tooLate.step('dropped'))), /was replaced and dropped: copy pki\/ca\.crt and pki\/ca\.key/);
  const stranger = await cloud();
  assert.match(await reason(stranger.site.follow({ ...late.step('overlap') })), /is neither the old nor the new one/);
});

test('files that the configuration names are not replaced: one sentence says so, and both are trusted', async () => {
  const { dataDir, step } = await cloud();
  const site = siteIn(dataDir, { ...none, tlsCertFile: cloudFiles(dataDir).hub.certificate });
  assert.match(await reason(site.follow(step('overlap'))), /^modules\.cloudHub\.tlsCertFile names .*, so this cloudcore cannot move/);
  await site.look();
  assert.is((await site.tls()).ca.split('BEGIN').length - 1, 2);
});

test('a power cut within the move is mended by the next reading', async () => {
  const { dataDir } = await cloud();
  const files = authorityFiles(dataDir);
  await writeNext(files, next);
  const primary = readFileSync(files.certificate, 'utf8');
  writeFileSync(files.oldCertificate, primary);
  renameSync(files.nextKey, files.key);
  const found = await readAuthorities(files);
  assert.is(found?.primary, next.certificate);
  assert.is(found?.old, primary);
  assert.not(existsSync(files.nextCertificate));
  await initCloud({ dataDir, advertise: [], clock: systemClock });
  assert.ok(isOf(readFileSync(cloudFiles(dataDir).hub.certificate, 'utf8'), next.certificate));
});

test('a key of a successor without its certificate is nothing', async () => {
  const { dataDir } = await cloud();
  const files = authorityFiles(dataDir);
  writeFileSync(files.nextKey, next.key);
  assert.is((await readAuthorities(files))?.next, undefined);
});

test('a node of the same machine keeps the certificate that either of them signed, and is told both', async () => {
  const { dataDir } = await cloud();
  const first = await issueNodeCertificate({ dataDir, node: 'pi', clock: systemClock });
  const files = authorityFiles(dataDir);
  await writeNext(files, next);
  const present = await readAuthorities(files);
  if (present === undefined) throw new Error('there is none');
  await moveToNext(files, present);
  const { outcomes } = await issueNodeCertificate({ dataDir, node: 'pi', clock: systemClock });
  assert.equal(
    outcomes.map(({ file, action }) => [path.basename(file), action]),
    [
      ['ca.crt', 'renewed'],
      ['node.crt', 'kept'],
      ['node.key', 'kept'],
    ],
  );
  const after = await readAuthorities(files);
  assert.is(readFileSync(first.files.authority, 'utf8'), after === undefined ? '' : bundleOf(after));
});

test('server certificates that others have written are taken over, a pair that is half written is not', async () => {
  const { dataDir, site } = await cloud();
  const { cert } = await site.tls();
  const { hub } = cloudFiles(dataDir);
  const key = readFileSync(hub.key, 'utf8');
  await initCloud({ dataDir, advertise: [], clock: systemClock, forceRenew: true });
  const renewed = readFileSync(hub.key, 'utf8');
  writeFileSync(hub.key, key);
  await site.look();
  assert.is((await site.tls()).cert, cert);
  writeFileSync(hub.key, renewed);
  await site.look();
  assert.is.not((await site.tls()).cert, cert);
});

test.run();

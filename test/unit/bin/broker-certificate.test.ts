/** A board's broker gets a certificate that is kept while it is good, grows with the addresses, and never replaces one of the user. */
import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addressesOf } from '#cloud/pki/inspection.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { brokerFiles, ensureBrokerCertificate, type BrokerCertificate } from '../../../bin/commands/mqtt/broker-certificate.ts';

type Options = Partial<Parameters<typeof ensureBrokerCertificate>[0]>;

function board(): {
  make(options?: Options): Promise<BrokerCertificate | undefined>;
  read(): string[];
  files: ReturnType<typeof brokerFiles>;
} {
  const dataDir = tempDir();
  const files = brokerFiles(dataDir);
  const all = [files.authority.certificate, files.authority.key, files.server.certificate, files.server.key];
  return {
    files,
    make: (options) => ensureBrokerCertificate({ dataDir, node: 'hall-1', clock: { now: () => 0 }, ...options }),
    read: () => all.map((file) => readFileSync(file, 'utf8')),
  };
}

test('a board that does not know the time makes one that is good until 2060, by an authority of its own', async () => {
  const { make, files } = board();
  const made = await make();
  const authority = new X509Certificate(readFileSync(files.authority.certificate));
  const server = new X509Certificate(readFileSync(files.server.certificate));
  assert.is(authority.subject, 'CN=hivelet mqtt hall-1');
  assert.ok(server.verify(authority.publicKey) && server.checkIssued(authority) && authority.ca && !server.ca);
  assert.equal([server.validFrom, server.validTo], ['Jan  1 00:00:00 1970 GMT', 'Jan  1 00:00:00 2060 GMT']);
  assert.equal(addressesOf(server), made?.addresses);
  for (const address of ['hall-1', 'localhost', '127.0.0.1', '::1']) assert.ok(made?.addresses.includes(address), address);
});

test('run again, also years later, nothing changes; an address is added to those that it had', async () => {
  const { make, read } = board();
  await make({ addresses: ['board.example'] });
  const before = read();
  const kept = await make({ clock: { now: () => Date.UTC(2045, 0, 1) } });
  assert.equal(
    kept?.outcomes.map(({ action }) => action),
    ['kept', 'kept'],
  );
  assert.equal(read(), before);
  const grown = await make({ addresses: ['10.1.2.3'] });
  assert.equal(
    grown?.outcomes.map(({ action }) => action),
    ['kept', 'renewed'],
  );
  assert.ok(['board.example', '10.1.2.3'].every((address) => grown?.addresses.includes(address)));
  assert.equal(read().slice(0, 2), before.slice(0, 2), 'devices trust it as before');
});

test('a key that is gone is replaced, all of it when asked', async () => {
  const { make, read, files } = board();
  await make({ addresses: ['board.example'] });
  const before = read();
  rmSync(files.server.key);
  await make();
  assert.equal(read().slice(0, 2), before.slice(0, 2));
  const renewed = await make({ renew: true });
  assert.ok(read().every((text, index) => text !== before[index]));
  assert.not.ok(renewed?.addresses.includes('board.example'));
});

test('an authority without its key says what to do', async () => {
  const { make, files } = board();
  await make();
  rmSync(files.authority.key);
  const message = await make().then(
    () => '',
    (error: Error) => error.message,
  );
  assert.match(message, /mqtt-ca\.key is not the key of .+mqtt-ca\.crt: put it back, or run `hivelet mqtt certificate --renew`$/);
  assert.equal(
    (await make({ renew: true }))?.outcomes.map(({ action }) => action),
    ['renewed', 'renewed'],
  );
});

test('a certificate of the user stays as it is', async () => {
  const { make, files } = board();
  mkdirSync(path.dirname(files.server.certificate), { recursive: true });
  writeFileSync(files.server.certificate, 'theirs');
  assert.is(await make({ renew: true }), undefined);
  assert.is(readFileSync(files.server.certificate, 'utf8'), 'theirs');
});

test.run();

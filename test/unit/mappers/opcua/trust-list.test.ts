/** Proves the trust list as files: what waits, what is trusted, what is rejected, and that strangers cannot fill the card. */
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHiveletError } from '#beehive/errors.ts';
import { checkServerCertificate, type ServerCheck } from '#mappers/opcua/server-certificate.ts';
import { readCertificate, thumbprintOf, TrustList } from '#mappers/opcua/trust-list.ts';
import { tempDir } from '#test/support/temp-dir.ts';

/** Made for press.example and 192.0.2.4, from 2026-01-01 to 2027-01-01. */
const PEM = `-----BEGIN CERTIFICATE-----
MIIDszCCApugAwIBAgIRAIf+xcF1VB729Rw8TJ/o6aowDQYJKoZIhvcNAQELBQAw
EDEOMAwGA1UEAxMFUHJlc3MwHhcNMjYwMTAxMDAwMDAwWhcNMjcwMTAxMDAwMDAw
WjAQMQ4wDAYDVQQDEwVQcmVzczCCASIwDQYJKoZIhvcNAQEBBQADggEPADCCAQoC
ggEBAJqAZVkfW5BciNJrZTzC+QPtpi5k885CDm9vKQV8WZnA8HP5ZwLAbwImZB+X
Y9iLPhCyun7gIi+6X1GkxOL0pQhKcCzQX781fpkgUyMpTjTblY2QGFsQ0XAjdSzX
nXkk/q8tHam9XBUQaFdF+mNMngjS1bTmgp00OVhisnpF0O9Qyo5k2IGowksCZpJl
8pS5brO2sz3Hp2ILz0j2iD9X9krfFAfgRVjL2xKLwD1OPJT2HPQvvXgYVKn1WVWR
R7OgNSvyKtVqxbJrnyYrvuaUE8MG2IxZybPDa3UcYFlGEskCi8AWX6B2YoGNxPcH
cwjQHnBVkQrnRbKbHkLImUdskusCAwEAAaOCAQYwggECMFUGCWCGSAGG+EIBDQRI
DEZTZWxmLXNpZ25lZCBjZXJ0aWZpY2F0ZSBnZW5lcmF0ZWQgYnkgTm9kZS1PUENV
QSBDZXJ0aWZpY2F0ZSB1dGlsaXR5IFYyMAwGA1UdEwEB/wQCMAAwIAYDVR0lAQH/
BBYwFAYIKwYBBQUHAwEGCCsGAQUFBwMCMA4GA1UdDwEB/wQEAwIC9DAdBgNVHQ4E
FgQUlDyDRxEYzfbDGrkfKHvTRrdPcigwHwYDVR0jBBgwFoAUlDyDRxEYzfbDGrkf
KHvTRrdPcigwKQYDVR0RBCIwIIINcHJlc3MuZXhhbXBsZYcEwAACBIYJdXJuOnBy
ZXNzMA0GCSqGSIb3DQEBCwUAA4IBAQAS3QuokmEa4MOLuF02ynyi94uLJAN1r96T
FEIb+F3X84jFNQbsIWv0A/2mnH5QuSbgjKega165GwGoXqi3rHOvtrfeShn6wtXm
IYaTwxr3WohpHnPfad3dRCWxBsQ95L0BIkB5iRL5RP5U6sEaPUg1JNFQk4KKjD/9
2W4lt2bKUYIOo/8PjQ2f2rOw0IoiNl7rTAMjFIVBrOmMBlhOzqMoBLB0rCbAg5Eg
9IkCJPBjOFuz1ayacIFv6WDPjAEHlgc5Zq4BFy2xbSPTFqX9cPqbNxDM3Vih/cdK
94bkB2JFemS4bTM+QOfNJ13GnCJzb9IdYKImGIFpy90F4TmY38JF
-----END CERTIFICATE-----
`;

const directory = tempDir();
const file = path.join(directory, 'server.pem');
writeFileSync(file, PEM);
const certificate = await readCertificate(file);
assert.ok(certificate);
const der = certificate.raw;
const thumbprint = thumbprintOf(der);

async function notFound(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'taken',
    (error: unknown) => (isHiveletError(error, 'NOT_FOUND') ? error.message : String(error)),
  );
}

test('a certificate waits, is trusted by the beginning of its thumbprint, and rejected again', async () => {
  const list = new TrustList(path.join(directory, 'one'));
  assert.equal(await list.list(), []);
  await list.wait(der);
  await list.wait(der);
  const [waiting, ...others] = await list.list();
  assert.is(others.length, 0);
  assert.is(waiting?.trust, 'waiting');
  assert.equal([waiting?.name, waiting?.hosts, waiting?.validTo], ['Press', ['press.example', '192.0.2.4'], '2027-01-01T00:00:00.000Z']);
  const spaced = thumbprint.slice(0, 8).toLowerCase().replace(/(..)/g, '$1:');
  await list.trust(spaced);
  assert.equal(
    (await list.list()).map(({ trust }) => trust),
    ['trusted'],
  );
  assert.ok(await list.isTrusted(der));
  await list.reject(thumbprint);
  assert.not(await list.isTrusted(der));
});

test('a file is trusted before the server was met; what is no certificate, or is not listed, is refused', async () => {
  const list = new TrustList(path.join(directory, 'two'));
  assert.is((await list.trustFile(file)).trust, 'trusted');
  writeFileSync(path.join(directory, 'text'), 'hello');
  assert.match(await notFound(list.trustFile(path.join(directory, 'text'))), /holds no certificate/);
  assert.match(await notFound(list.trust('ABCDEF12')), /is not listed: run hivelet opcua trust to see what is/);
  assert.match(await notFound(list.trust(thumbprint.slice(0, 4))), /is too short: write at least 6 digits/);
});

test('what waits is bounded, and the oldest gives way', async () => {
  const list = new TrustList(path.join(directory, 'three'));
  for (let index = 0; index < 60; index++) await list.wait(Buffer.concat([der, Buffer.of(index)]));
  assert.is(readdirSync(path.join(directory, 'three', 'rejected')).length, 50);
});

const check: ServerCheck = {
  url: 'opc.tcp://press.example:4840',
  host: 'press.example',
  anyHostName: false,
  nowMs: Date.parse('2026-06-01'),
};

async function verdict(changes: Partial<ServerCheck>, opinion = 'Good'): Promise<string> {
  return checkServerCertificate(der, { ...check, ...changes }, () => Promise.resolve(opinion)).then(
    () => 'accepted',
    (error: unknown) => (isHiveletError(error, 'DEVICE_UNREACHABLE') ? error.message.replace(/^.*\) /, '') : String(error)),
  );
}

test('a server is accepted when its certificate is in time, for its host, and trusted', async () => {
  assert.is(await verdict({}), 'accepted');
  assert.is(await verdict({ host: '192.0.2.4' }), 'accepted');
  assert.is(
    await verdict({ host: '192.0.2.5' }),
    'names press.example, 192.0.2.4 and not 192.0.2.5: write such a name in url, or set customizedValues.anyHostName: true',
  );
  assert.is(await verdict({ host: '192.0.2.5', anyHostName: true }), 'accepted');
  assert.match(await verdict({ nowMs: 0 }), /^is not valid before 2026-01-01T00:00:00\.000Z: set the clock of this board, which says 1970/);
  assert.match(await verdict({ nowMs: Date.parse('2027-01-02') }), /^expired at 2027-01-01T00:00:00\.000Z: renew it on the server/);
  assert.match(await verdict({}, 'BadCertificateUntrusted'), /is not trusted: .* run hivelet opcua trust [0-9A-F]{40}$/);
  assert.match(await verdict({}, 'BadCertificateRevoked'), /is refused \(BadCertificateRevoked\)/);
  assert.is(await verdict({ only: der }, 'BadCertificateUntrusted'), 'accepted');
  assert.match(await verdict({ only: Buffer.from('another') }), /is not the one in remoteCertificate/);
});

test.run();

/** Why there is no link is told with what a person can do about it, for the errors that Node really makes. */
import { createServer as createPlainServer, type Server } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import WebSocket from 'ws';
import { createAuthority, issueServer } from '#cloud/pki/certificates.ts';
import { causeOf, explain } from '#edge/edgehub/link-faults.ts';
import { freePort } from '#test/support/ports.ts';

const now = Date.now();
const ours = await createAuthority(now);
const theirs = await createAuthority(now);
const stranger = await issueServer(theirs, { commonName: 'hub', addresses: ['127.0.0.1'], now });
const elsewhere = await issueServer(ours, { commonName: 'hub', addresses: ['cloud.example'], now });
const ended = await issueServer(ours, { commonName: 'hub', addresses: ['127.0.0.1'], now: now - 400 * 86_400_000 });

/** What is told of a dial to `server`. */
async function told(server: string): Promise<string> {
  const socket = new WebSocket(`wss://${server}/p/n/events`, { ca: ours.certificate, handshakeTimeout: 300 });
  const error = await new Promise<Error>((resolve) => socket.once('error', resolve));
  socket.terminate();
  return explain(error, server);
}

async function toldOf(server: Server): Promise<string> {
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  try {
    return (await told(`127.0.0.1:${String(port)}`)).replaceAll(String(port), 'PORT');
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

const tls = ({ certificate, key }: { certificate: string; key: string }): Server => createTlsServer({ cert: certificate, key });

const cases: [what: string, told: () => Promise<string>, wanted: RegExp][] = [
  [
    'a port where nothing listens',
    async () => told(`127.0.0.1:${String(await freePort())}`),
    /^nothing listens at 127\.0\.0\.1:\d+: is `hivelet cloud` running there, and is modules\.edgeHub\.websocket\.server its address\?$/,
  ],
  [
    'the cloud of somebody else',
    () => toldOf(tls(stranger)),
    /^what listens at 127\.0\.0\.1:PORT is not the cloud that this board has joined \(.+\): check modules\.edgeHub\.websocket\.server, or `hivelet reset` and join that one$/,
  ],
  [
    'an address that the certificate does not have',
    () => toldOf(tls(elsewhere)),
    /^the certificate of the cloud is not for 127\.0\.0\.1: run `hivelet init --advertise-address 127\.0\.0\.1` there, or write another address of it in modules\.edgeHub\.websocket\.server$/,
  ],
  [
    'a certificate that has ended',
    () => toldOf(tls(ended)),
    /^the cloud's certificate has ended by the clock of this board: set the clock/,
  ],
  [
    'a port that speaks no TLS',
    () => toldOf(createPlainServer((socket) => void socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n'))),
    /^what listens at 127\.0\.0\.1:PORT does not speak TLS as we do: is modules\.edgeHub\.websocket\.server the port for boards \(10000\)\?$/,
  ],
  [
    'a port that says nothing',
    () => toldOf(createPlainServer((socket) => void socket.on('error', () => undefined))),
    /^127\.0\.0\.1:PORT does not answer: check the network, firewalls and modules\.edgeHub\.websocket\.server$/,
  ],
];
for (const [what, tell, wanted] of cases) {
  test(`${what} is told with a remedy`, async () => {
    assert.match(await tell(), wanted);
  });
}

test('a name that is none and a network that is away are told with a remedy', () => {
  const of = (code: string): string => explain({ code, message: 'words' }, 'cloud.example:10000');
  assert.match(of('ENOTFOUND'), /^the name in cloud\.example:10000 cannot be resolved: check modules\.edgeHub\.websocket\.server/);
  assert.match(of('EHOSTUNREACH'), /^cloud\.example:10000 cannot be reached from this board \(EHOSTUNREACH\): check the network/);
  assert.is(of('EOTHER'), 'the link to cloud.example:10000 failed: words');
});

test('what the renewal has to know is read from the error', () => {
  assert.is(causeOf({ code: 'CERT_NOT_YET_VALID', message: '' }), 'clock');
  assert.is(causeOf({ code: 'ECONNRESET', message: 'socket hang up' }), 'hung up');
  assert.is(causeOf({ code: 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED', message: '' }), 'certificate ended');
  assert.is(causeOf({ code: 'ECONNREFUSED', message: '' }), undefined);
});

test.run();

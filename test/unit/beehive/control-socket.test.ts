/** The health end points: what they answer, who may ask, and that nobody who asks can hold up a stop. */
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { request, type IncomingMessage, type RequestOptions } from 'node:http';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openControlSocket, type HealthReport } from '#beehive/control-socket.ts';
import { skipTest } from '#test/support/peers.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { within } from '#test/support/until.ts';
import { refusal } from './refusal.ts';

const well: HealthReport = { ok: true, modules: { twin: { ok: true, detail: '3 devices' } } };
const ill: HealthReport = { ok: false, modules: { twin: { ok: false, detail: 'no disk' } } };

interface Answer {
  status: number | undefined;
  type: string | undefined;
  body: string;
}

function ask(options: RequestOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request({ agent: false, ...options }, (response: IncomingMessage) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => resolve({ status: response.statusCode, type: response.headers['content-type'], body }));
    });
    asking.on('error', reject).end();
  });
}

const haveIpv6 = networkInterfaces()['lo']?.some(({ address }) => address === '::1') ?? false;
const socketPath = (): string => path.join(tempDir(), 'edge', 'control.sock');
const inTime = <T>(promise: Promise<T>): Promise<T> => within(promise, { what: 'the control socket' });

test('it answers health and modules on a socket of the owner, and is gone after the close', async () => {
  const socket = socketPath();
  let report = well;
  const control = await openControlSocket({ path: socket, tcp: '', report: () => report });
  assert.is(control.tcpPort, undefined);
  assert.is((statSync(socket).mode & 0o777).toString(8), '600');
  assert.is((statSync(path.dirname(socket)).mode & 0o777).toString(8), '700');
  assert.equal(await ask({ socketPath: socket, path: '/healthz' }), { status: 200, type: 'text/plain', body: 'ok' });
  const modules = await ask({ socketPath: socket, path: '/modules' });
  assert.equal([modules.status, JSON.parse(modules.body)], [200, well]);
  report = ill;
  assert.equal(await ask({ socketPath: socket, path: '/healthz?verbose' }), { status: 503, type: 'text/plain', body: 'not ok' });
  assert.equal(await ask({ socketPath: socket, path: '/' }), { status: 404, type: 'text/plain', body: 'try /healthz or /modules' });
  await inTime(control.close());
  await inTime(control.close());
  assert.is(existsSync(socket), false);
});

for (const [tcp, host] of [
  ['127.0.0.1:0', '127.0.0.1'],
  ['[::1]:0', '::1'],
  ['localhost:0', 'localhost'],
] as const) {
  const name = `it answers at ${tcp} too when told so`;
  const handler = async (): Promise<void> => {
    const control = await openControlSocket({ path: socketPath(), tcp, report: () => well });
    assert.is((await ask({ host, port: control.tcpPort, path: '/healthz' })).body, 'ok');
    await inTime(control.close());
  };
  if (host !== '::1' || haveIpv6) test(name, handler);
  else skipTest(test, { name, handler, reason: 'this machine has no IPv6 loopback' });
}

test('a close ends those who are connected and say nothing', async () => {
  const socket = socketPath();
  const control = await openControlSocket({ path: socket, tcp: '', report: () => well });
  const silent = connect(socket);
  await new Promise<void>((resolve) => silent.once('connect', () => resolve()));
  silent.write('GET /healthz HTTP/1.1\r\nHost: x\r\n');
  const ended = new Promise<void>((resolve) => silent.once('close', () => resolve()));
  silent.on('error', () => undefined).resume();
  await inTime(control.close());
  await inTime(ended);
});

test('a socket that was left behind is replaced', async () => {
  const socket = socketPath();
  mkdirSync(path.dirname(socket));
  writeFileSync(socket, '');
  const control = await openControlSocket({ path: socket, tcp: '', report: () => well });
  assert.is((await ask({ socketPath: socket, path: '/healthz' })).status, 200);
  await inTime(control.close());
});

for (const tcp of ['8080', ':8080', '127.0.0.1', '127.0.0.1:', '127.0.0.1:70000', 'http://127.0.0.1:80', '::1:80', 'a b:80']) {
  test(`the address ${tcp} is refused with an example`, async () => {
    const socket = socketPath();
    const text = await refusal(openControlSocket({ path: socket, tcp, report: () => well }));
    assert.is(text, `CONFIG_INVALID: modules.control.listen is ${JSON.stringify(tcp)}: write HOST:PORT, for instance 127.0.0.1:8080`);
    assert.is(existsSync(socket), false);
  });
}

test('a port that is taken is named with the remedy, and the socket is not left behind', async () => {
  const first = await openControlSocket({ path: socketPath(), tcp: '127.0.0.1:0', report: () => well });
  const socket = socketPath();
  const tcp = `127.0.0.1:${String(first.tcpPort)}`;
  const text = await refusal(openControlSocket({ path: socket, tcp, report: () => well }));
  assert.is(text, `PORT_IN_USE: ${tcp} is taken: choose another with --set modules.control.listen=127.0.0.1:PORT`);
  assert.is(existsSync(socket), false);
  await inTime(first.close());
});

test('an address that is not of this machine is named', async () => {
  const text = await refusal(openControlSocket({ path: socketPath(), tcp: '192.0.2.1:0', report: () => well }));
  assert.match(text, /^CONFIG_INVALID: cannot listen on 192\.0\.2\.1:0: /);
});

test('a path that no socket can have is refused with the remedy', async () => {
  const socket = path.join(tempDir(), 'x'.repeat(100), 'control.sock');
  assert.match(
    await refusal(openControlSocket({ path: socket, tcp: '', report: () => well })),
    /^CONFIG_INVALID: .+ is longer than 107 bytes: choose a shorter --data-dir$/,
  );
});

test.run();

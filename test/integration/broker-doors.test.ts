/** Owns the proof of the broker's listeners: TLS, websockets, Unix socket, client certificates, and what is refused at the start. */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, createServer } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { connect, MqttClient, type IClientOptions } from 'mqtt';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import WebSocket from 'ws';
import { systemClock } from '#beehive/clock.ts';
import { silentLogger } from '#beehive/log.ts';
import { createBroker, type BrokerOptions } from '#edge/broker/broker.ts';
import type { TlsFiles } from '#edge/broker/tls-files.ts';
import { TestAccounts } from '#test/support/broker-accounts.ts';
import { BrokerWorld } from '#test/support/broker-world.ts';
import { createTestAuthority } from '#test/support/certificates.ts';
import { needing, peerPath } from '#test/support/peers.ts';
import { runProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until, within } from '#test/support/until.ts';

const world = new BrokerWorld();
const clients: MqttClient[] = [];
const peerTest = needing(test, 'mosquitto_sub', 'mosquitto_pub', 'openssl');
const tlsTest = needing(test, 'openssl');
const authority = createTestAuthority();
const server = authority.issue('broker', { server: true });
const tls: TlsFiles = { certFile: server.certFile, keyFile: server.keyFile, clientCaFile: authority.certFile, minVersion: 'TLSv1.3' };

const listener = (address: string, index = 0): { address: string; configKey: string } => ({
  address,
  configKey: `modules.eventBus.listeners[${String(index)}]`,
});

test.after.each(async () => {
  for (const client of clients.splice(0)) await client.endAsync(true).catch(() => undefined);
  await world.close();
});

/** The CONNACK code, or the error of a connection that never got that far. */
async function attempt(url: string, options: IClientOptions = {}): Promise<number | string> {
  const client = connect(url, { protocolVersion: 4, reconnectPeriod: 0, ca: authority.cert, ...options });
  clients.push(client);
  return within(
    new Promise((resolve) => {
      client.once('connect', () => resolve(0));
      client.once('error', (error: Error & { code?: unknown }) => resolve(typeof error.code === 'number' ? error.code : error.message));
      client.once('close', () => resolve('closed'));
    }),
    { what: `an answer of ${url}` },
  );
}

async function accountsOf(...names: string[]): Promise<TestAccounts> {
  const accounts = new TestAccounts();
  await accounts.add(...names.map((name) => ({ name, password: `pw ${name}` })));
  return accounts;
}

const address = (index = 0): string => world.broker.listeners[index]?.address ?? '';

tlsTest('TLS and websockets serve whoever has an account; the plain loopback listener stays as it was', async () => {
  const accounts = await accountsOf('d1');
  await world.start({
    tls,
    accounts: accounts.path,
    listeners: [
      { address: 'tcp://127.0.0.1:0' },
      listener('mqtts://0.0.0.0:0', 0),
      listener('wss://0.0.0.0:0', 1),
      listener('ws://127.0.0.1:0', 2),
    ],
  });
  const login = { username: 'd1', password: 'pw d1' };
  const urls = [1, 2, 3].map((index) => address(index).replace('0.0.0.0', '127.0.0.1'));
  for (const url of urls) assert.is(await attempt(url, login), 0, url);
  assert.is(await attempt(urls[0] ?? ''), 5, 'over TLS nobody comes in without an account');
  assert.is(await attempt(urls[1] ?? ''), 5);
  assert.is(await attempt(urls[2] ?? ''), 0, 'on this machine they may');
  assert.is(await attempt(address()), 0);
  const own = '$hw/events/device/d1/twin/get/result';
  const [overTls, overWss] = clients;
  const heard = new Promise<string>((resolve) => overWss?.once('message', (_topic, payload) => resolve(payload.toString())));
  await overWss?.subscribeAsync(own, { qos: 1 });
  const port = world.broker.port('inside');
  port.publish(own, 'x'.repeat(100_000), { qos: 1 });
  assert.is((await within(heard, { what: 'a message of 100 kB over a websocket' })).length, 100_000);
  await overTls?.publishAsync('$hw/events/upload/big', 'y'.repeat(200_000), { qos: 1 });
});

tlsTest('a client certificate opens the account of its common name, and no other; one that is not valid opens nothing', async () => {
  const accounts = new TestAccounts();
  await accounts.add({ name: 'd1', certificate: true }, { name: 'd2', password: 'pw d2' }, { name: 'app', kind: 'app', certificate: true });
  await world.start({ tls, accounts: accounts.path, listeners: [listener('mqtts://127.0.0.1:0')], requireAccounts: true });
  const stranger = createTestAuthority('another');
  const shown = (pair: { cert: string; key: string }, more: IClientOptions = {}): Promise<number | string> =>
    attempt(address(), { cert: pair.cert, key: pair.key, ...more });
  const own = authority.issue('d1');
  assert.is(await shown(own), 0);
  const [client] = clients;
  assert.is((await client?.subscribeAsync('$hw/events/device/d1/#'))?.[0]?.qos, 0);
  assert.is(await shown(own, { username: 'd1' }), 0);
  assert.is(await shown(own, { username: 'd2' }), 4, 'it does not open the account of another name');
  assert.is(await shown(own, { username: 'd2', password: 'pw d2' }), 0, 'a password does');
  assert.is(await shown(authority.issue('d2')), 5, 'certificates are not for accounts with a password only');
  assert.is(await shown(authority.issue('nobody')), 5);
  assert.is(await shown(authority.issue('')), 5);
  assert.is(await shown(stranger.issue('d1')), 5);
  assert.is(await shown(stranger.issue('d1'), { username: 'd2', password: 'pw d2' }), 5);
  assert.is(await shown(authority.issue('d1', { days: -1 })), 5);
  assert.is(await shown(authority.issue('d1', { server: true })), 5, 'a certificate of a server is none of a client');
});

tlsTest(
  'TLS 1.2 is refused unless the configuration takes it; plain text on a TLS port and a handshake that never comes harm nobody',
  async () => {
    const accounts = await accountsOf('d1');
    const handshake = (options: ConnectionOptions): Promise<string> =>
      new Promise((resolve) => {
        const socket = connectTls({ host: '127.0.0.1', port: world.port, ca: authority.cert, ...options }, () => {
          resolve(socket.getProtocol() ?? '');
          socket.destroy();
        });
        socket.once('error', () => resolve('refused'));
      });
    await world.start({ tls, accounts: accounts.path, listeners: [listener('mqtts://127.0.0.1:0')] });
    assert.is(await handshake({ maxVersion: 'TLSv1.2' }), 'refused');
    assert.is(await handshake({}), 'TLSv1.3');
    const plain = world.raw();
    plain.send({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'x', clean: true, keepalive: 0 });
    await plain.closed;
    assert.ok(world.events('mqtt.tls.failed').length > 0);
    const mute = connectTcp({ host: '127.0.0.1', port: world.port });
    await new Promise((resolve) => mute.once('connect', resolve));
    assert.is(await attempt(address(), { username: 'd1', password: 'pw d1' }), 0);
    await world.broker.close();
    mute.destroy();
    await world.start({ tls: { ...tls, minVersion: 'TLSv1.2' }, accounts: accounts.path, listeners: [listener('mqtts://127.0.0.1:0')] });
    assert.is(await handshake({ maxVersion: 'TLSv1.2' }), 'TLSv1.2');
  },
);

tlsTest('a web page may not open a websocket unless its origin is named; what is no websocket of MQTT is turned away', async () => {
  await world.start({ listeners: [listener('ws://127.0.0.1:0')], websocketOrigins: ['https://panel.example'] });
  const open = (protocol: string, origin?: string): Promise<string> =>
    new Promise((resolve) => {
      const socket = new WebSocket(address(), protocol, origin === undefined ? {} : { origin });
      socket.once('open', () => {
        resolve('open');
        socket.terminate();
      });
      socket.once('error', (error) => resolve(error.message));
    });
  assert.is(await open('mqtt'), 'open');
  assert.is(await open('mqtt', 'https://panel.example'), 'open');
  assert.match(await open('mqtt', 'https://evil.example'), /403/);
  assert.match(await open('mqtt', 'null'), /403/);
  assert.match(await open('chat'), /400/);
  const page = await fetch(address().replace('ws:', 'http:'));
  assert.is(page.status, 426);
  await page.text();
});

peerTest('mosquitto_pub and mosquitto_sub talk over TLS, with a password and with a certificate', async () => {
  const accounts = await accountsOf('d1');
  await accounts.add({ name: 'd2', certificate: true });
  await world.start({ tls, accounts: accounts.path, listeners: [listener('mqtts://0.0.0.0:0')] });
  const common = ['-h', '127.0.0.1', '-p', String(world.port), '--cafile', authority.certFile];
  world.broker.port('inside').publish('$hw/events/device/d1/updated', 'hello', { qos: 1, retain: true });
  const sub = await runProcess({
    command: peerPath('mosquitto_sub'),
    args: [...common, '-u', 'd1', '-P', 'pw d1', '-t', '$hw/events/device/d1/#', '-q', '1', '-C', '1', '-W', '10'],
  });
  assert.equal([sub.code, sub.stdout.trim()], [0, 'hello']);
  const pub = (...args: string[]): Promise<{ code: number | null }> =>
    runProcess({ command: peerPath('mosquitto_pub'), args: [...common, '-t', '$hw/events/upload/x', '-m', '1', '-q', '1', ...args] });
  const own = authority.issue('d2');
  assert.is((await pub('-u', 'd1', '-P', 'pw d1')).code, 0);
  assert.is((await pub('--cert', own.certFile, '--key', own.keyFile)).code, 0);
  assert.is.not((await pub('-u', 'd1', '-P', 'wrong')).code, 0);
  assert.is.not((await pub()).code, 0);
});

tlsTest('a Unix socket serves its owner and group; one that a killed process left behind is taken over, one in use is not', async () => {
  const path = join(tempDir(), 'mqtt.sock');
  const left = createServer().listen(path);
  await new Promise((resolve) => left.once('listening', resolve));
  const unix: Partial<BrokerOptions> = { listeners: [listener(`unix://${path}`)] };
  try {
    await world.start(unix);
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, /modules\.eventBus\.listeners\[0\]\) is already taken/);
  }
  await new Promise((resolve) => left.close(resolve));
  spawnLeftover(path);
  await world.start(unix);
  assert.is(statSync(path).mode & 0o777, 0o660);
  const client = new MqttClient(() => connectTcp(path), { protocolVersion: 4, reconnectPeriod: 0 });
  clients.push(client);
  await within(new Promise((resolve) => client.once('connect', resolve)), { what: 'CONNACK over a Unix socket' });
  await world.close();
  assert.not.ok(existsSync(path));
});

/** A socket file that nobody listens on. */
function spawnLeftover(path: string): void {
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
  assert.ok(existsSync(path));
}

tlsTest('what others could reach is refused at the start, with what to write instead', async () => {
  const accounts = await accountsOf('d1');
  const refused = async (options: Partial<BrokerOptions>): Promise<string> => {
    const broker = createBroker({ clock: systemClock, log: silentLogger(), listeners: [], ...options });
    try {
      await broker.start();
      return 'ok';
    } catch (error) {
      return (error as Error).message;
    } finally {
      await broker.close();
    }
  };
  const at = (text: string): Pick<BrokerOptions, 'listeners'> => ({ listeners: [listener(text)] });
  assert.match(
    await refused(at('ws://0.0.0.0:0')),
    /listeners\[0\] is ws:\/\/0\.0\.0\.0:0: anyone .* modules\.eventBus\.listeners: \["mqtts:/,
  );
  assert.match(await refused({ ...at('mqtts://0.0.0.0:0'), tls }), /nobody has an account.*`hivelet mqtt account add NAME`/);
  assert.is(await refused({ ...at('mqtts://0.0.0.0:0'), tls, accounts: accounts.path }), 'ok');
  assert.is(await refused({ ...at('ws://0.0.0.0:0'), allowInsecure: true }), 'ok');
  assert.match(
    await refused({ ...at('mqtts://127.0.0.1:0'), tls: { ...tls, certFile: '/none.crt' } }),
    /listenerTLS\.tlsCertFile: cannot read/,
  );
  assert.match(await refused({ ...at('wss://127.0.0.1:0'), tls: { ...tls, keyFile: authority.keyFile } }), /cannot be used together/);
  assert.match(await refused(at('udp://127.0.0.1:1')), /not an address of the form/);
  assert.match(await refused(at('unix:relative.sock')), /absolute path/);
  assert.match(await refused(at(`unix:///${'x'.repeat(200)}`)), /107 bytes/);
});

tlsTest('strangers do not take the places of those who belong here', async () => {
  const accounts = await accountsOf('d1');
  await world.start({
    tls,
    accounts: accounts.path,
    listeners: [listener('mqtts://0.0.0.0:0')],
    limits: { strangers: 3, connectTimeoutMs: 60_000 },
  });
  const url = address().replace('0.0.0.0', '127.0.0.1');
  const login = { username: 'd1', password: 'pw d1' };
  assert.is(await attempt(url, login), 0);
  const sockets = Array.from({ length: 3 }, () => connectTcp({ host: '127.0.0.1', port: world.port }));
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
  await until(async () => typeof (await attempt(url, login)) === 'string', { what: 'a fourth stranger to be turned away' });
  assert.is(world.broker.stats().clients, 1, 'who is in stays in');
  for (const socket of sockets) socket.destroy();
  await until(async () => (await attempt(url, login)) === 0, { what: 'a free place' });
});

tlsTest('a renewed certificate is used for the next connection', async () => {
  const accounts = await accountsOf('d1');
  const directory = tempDir();
  const files = { ...tls, certFile: join(directory, 'a.crt'), keyFile: join(directory, 'a.key') };
  writeFileSync(files.certFile, server.cert);
  writeFileSync(files.keyFile, server.key);
  await world.start({ tls: files, accounts: accounts.path, listeners: [listener('mqtts://127.0.0.1:0')] });
  const name = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connectTls({ host: '127.0.0.1', port: world.port, ca: authority.cert }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      });
      socket.once('error', reject);
    });
  assert.is(await name(), 'broker');
  const renewed = authority.issue('renewed', { server: true });
  writeFileSync(files.certFile, renewed.cert);
  world.broker.listeners[0]?.renew?.();
  assert.is(await name(), 'broker', 'a certificate without its key changes nothing');
  writeFileSync(files.keyFile, renewed.key);
  world.broker.listeners[0]?.renew?.();
  assert.is(await name(), 'renewed');
});

test.run();

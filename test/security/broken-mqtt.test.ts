// timeout: 180s
/** Owns the proof that broken TLS, HTTP, websocket frames and logins neither crash the broker nor stay in it, and that those inside notice nothing. */
import { connect as connectTls } from 'node:tls';
import { connect as connectMqtt } from 'mqtt';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import WebSocket from 'ws';
import { TestAccounts } from '#test/support/broker-accounts.ts';
import { BrokerWorld } from '#test/support/broker-world.ts';
import { createTestAuthority } from '#test/support/certificates.ts';
import { needing } from '#test/support/peers.ts';
import { broken, generator } from '#test/support/seeded.ts';
import { firstBytes, inBatches, throwAt } from '#test/support/thrown.ts';
import { until, within } from '#test/support/until.ts';

const CASES = 1_000;
const world = new BrokerWorld();
const tlsTest = needing(test, 'openssl');
const authority = createTestAuthority();
const server = authority.issue('broker', { server: true });

const login = Buffer.from('\x10\x29\0\x04MQTT\x04\xc6\0\x3c\0\x02id\0\x05$hw/a\0\x01x\0\x02d1\0\x0bpw d1 wrong', 'latin1');

const warnings: string[] = [];
process.on('warning', ({ message }) => void warnings.push(message));
test.after(() => world.close());

tlsTest('thousands of broken handshakes, upgrades, frames and logins leave nothing behind', async () => {
  const accounts = new TestAccounts();
  await accounts.add({ name: 'd1', password: 'pw d1' });
  const listeners = ['mqtts', 'wss', 'ws', 'tcp'].map((scheme, index) => ({
    address: `${scheme}://127.0.0.1:0`,
    configKey: `modules.eventBus.listeners[${String(index)}]`,
  }));
  const tls = { certFile: server.certFile, keyFile: server.keyFile, clientCaFile: authority.certFile, minVersion: 'TLSv1.3' } as const;
  await world.start({ accounts: accounts.path, tls, listeners });
  const [overTls = 0, overWss = 0, overWs = 0, plain = 0] = world.broker.listeners.map(({ port }) => port);
  const quiet = connectMqtt(`mqtts://127.0.0.1:${String(overTls)}`, {
    ca: authority.cert,
    protocolVersion: 4,
    reconnectPeriod: 0,
    username: 'd1',
    password: 'pw d1',
  });
  await within(new Promise((resolve) => quiet.once('connect', resolve)), { what: 'CONNACK' });
  const random = generator(4);
  const hello = await firstBytes((port) => connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }).on('error', () => undefined));
  const upgrade = await firstBytes((port) => {
    const socket = new WebSocket(`ws://127.0.0.1:${String(port)}`, 'mqtt').on('error', () => undefined);
    return { destroy: () => socket.terminate() };
  });
  const before = process.memoryUsage().heapUsed;
  await inBatches(CASES, (index) => throwAt(index % 2 === 0 ? overTls : overWss, broken(hello, random)));
  await inBatches(CASES, () => throwAt(overWs, broken(upgrade, random)));
  const frame = Buffer.concat([Buffer.from([0x82, 0x80 | login.length, 0, 0, 0, 0]), login]);
  await inBatches(CASES, () => throwAt(overWs, Buffer.concat([upgrade, broken(frame, random)])));
  await inBatches(CASES, () => throwAt(plain, broken(login, random)));
  await until(() => world.broker.stats().clients === 1, { what: 'all but the quiet one to be gone', deadlineMs: 20_000 });
  assert.ok(quiet.connected);
  await quiet.publishAsync('$hw/events/upload/x', 'still here', { qos: 1 });
  assert.is(world.broker.stats().retained, 0);
  (globalThis as { gc?: () => void }).gc?.();
  const grown = (process.memoryUsage().heapUsed - before) / 1_048_576;
  assert.ok(grown < 40, `the heap grew by ${grown.toFixed(1)} MiB`);
  for (const name of ['mqtt.tls.failed', 'mqtt.connection.closed', 'mqtt.login.refused']) {
    assert.ok(world.events(name).length <= 3, `${name} is told once a minute`);
  }
  assert.equal(warnings, []);
  await quiet.endAsync(true);
});

test.run();

/** Proves that the relay of the contract test misbehaves only as it is told: a device that hangs up after its answer is heard to do so after it. */
import { connect, createServer, type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { TcpRelay } from '#mappers/contract-test/index.ts';

const device = createServer((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n21.5'));
await new Promise<void>((resolve) => device.listen(0, '127.0.0.1', resolve));
const relay = new TcpRelay({ port: (device.address() as AddressInfo).port });
await relay.restore();

const answer = (): Promise<string> => text(connect({ port: relay.port, host: '127.0.0.1' }));

test.after(async () => {
  await relay.cut();
  device.close();
});

for (const ms of [0, 100]) {
  test(`with answers that are ${ms} ms late`, async () => {
    await relay.slow(ms);
    assert.is(await answer(), 'HTTP/1.1 200 OK\r\n\r\n21.5');
  });
}

test('one that hangs keeps its end to itself, too', async () => {
  await relay.slow(0);
  await relay.silence();
  const waiting = answer();
  const ended = await Promise.race([waiting.then(() => 'ended'), new Promise((resolve) => setTimeout(() => resolve('waits'), 100))]);
  assert.is(ended, 'waits');
  await relay.speak();
  assert.match(await waiting, /21\.5$/);
});

test.run();

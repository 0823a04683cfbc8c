/** Owns throwing bytes at a port: many at once, over TCP or inside TLS, until the other side has had enough of each. */
import { connect, createServer, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';

const AT_ONCE = 50;
/** Whoever still waits for more is not waited for. */
const PATIENCE_MS = 500;

/** Sends all of it and waits until the other side has ended it, or ends it. Resolves with what came back. */
export function throwAt(port: number, bytes: Buffer, inside?: ConnectionOptions): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const target = { host: '127.0.0.1', port };
    const socket: Socket =
      inside === undefined
        ? connect(target, () => socket.end(bytes))
        : connectTls({ ...target, rejectUnauthorized: false, ...inside }, () => socket.end(bytes));
    socket.on('error', () => undefined).on('data', (chunk) => chunks.push(chunk));
    socket.once('close', () => resolve(Buffer.concat(chunks)));
    socket.setTimeout(PATIENCE_MS, () => socket.destroy());
  });
}

/** The first bytes that a real client sends. */
export async function firstBytes(dial: (port: number) => { destroy(): void }): Promise<Buffer> {
  const listener = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => listener.once('listening', resolve));
  const arrived = new Promise<Socket>((resolve) => listener.once('connection', resolve));
  const address = listener.address();
  const client = dial(typeof address === 'object' && address !== null ? address.port : 0);
  const socket = await arrived;
  const bytes = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
  client.destroy();
  socket.destroy();
  listener.close();
  return bytes;
}

export async function inBatches(count: number, act: (index: number) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < count; from += AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, index) => act(from + index)));
  }
}

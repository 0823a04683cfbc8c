/** Owns a stand-in for cloudhub: a websocket server with mutual TLS that records what an edge sends and says what a test wants. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { IncomingHttpHeaders } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { WebSocketServer, type WebSocket } from 'ws';
import { systemClock } from '#beehive/clock.ts';
import type { BeehiveMessage } from '#wire/message.ts';
import { initCloud } from '#cloud/pki/init.ts';
import { until } from './until.ts';

export interface FakeHub {
  readonly server: string;
  /** Frames of the edge, in order, over all connections. */
  readonly frames: BeehiveMessage[];
  readonly connections: { headers: IncomingHttpHeaders; path: string }[];
  send(message: BeehiveMessage | string): void;
  /** The next frame (from `from` on) that fits. */
  frame(what: string, fits: (message: BeehiveMessage) => boolean, from?: number): Promise<BeehiveMessage>;
  /** Called with each frame; answers of our protocol can be sent from here. */
  onFrame: (message: BeehiveMessage, reply: (answer: BeehiveMessage) => void) => void;
  connected(count?: number): Promise<void>;
  /** Breaks the link without a close frame; the next dial is accepted. */
  cut(): void;
  /** The current connection stays, but nothing that the edge sends on it is read or answered any more: a half-open link. */
  freeze(): void;
  close(): Promise<void>;
}

export interface FakeHubOptions {
  /** Holds the certificates: `initCloud` is run here, the edge uses the same directory. */
  dataDir: string;
  node: string;
  port?: number;
  /** Headers of the upgrade response, for instance `hivelet-protocol: 1`. */
  greeting?: Record<string, string>;
}

export async function startFakeHub(options: FakeHubOptions): Promise<FakeHub> {
  const { dataDir, node, greeting = {} } = options;
  await initCloud({ dataDir, advertise: ['127.0.0.1'], clock: systemClock, nodeName: node });
  const pki = (name: string): Buffer => readFileSync(join(dataDir, 'pki', name));
  const https = createServer({ ca: pki('ca.crt'), cert: pki('hub.crt'), key: pki('hub.key'), requestCert: true, rejectUnauthorized: true });
  const sockets = new WebSocketServer({ server: https, perMessageDeflate: false });
  const frames: BeehiveMessage[] = [];
  const connections: FakeHub['connections'] = [];
  let current: WebSocket | undefined;
  sockets.on('headers', (lines) => lines.push(...Object.entries(greeting).map(([name, value]) => `${name}: ${value}`)));
  sockets.on('connection', (socket, request) => {
    current = socket;
    connections.push({ headers: request.headers, path: request.url ?? '' });
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString('utf8')) as BeehiveMessage;
      frames.push(message);
      hub.onFrame(message, (answer) => socket.send(JSON.stringify(answer)));
    });
    socket.on('error', () => undefined);
  });
  https.listen(options.port ?? 0, '127.0.0.1');
  await once(https, 'listening');
  const address = https.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const hub: FakeHub = {
    server: `127.0.0.1:${String(port)}`,
    frames,
    connections,
    onFrame: () => undefined,
    send: (message) => current?.send(typeof message === 'string' ? message : JSON.stringify(message)),
    frame: (what, fits, from = 0) => until(() => frames.slice(from).find(fits), { what }),
    connected: async (count = 1) => {
      await until(() => connections.length >= count, { what: `connection ${String(count)} of the edge` });
    },
    cut: () => current?.terminate(),
    freeze: () => current?.pause(),
    close: async () => {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
      await new Promise<void>((resolve) => https.close(() => resolve()));
    },
  };
  return hub;
}

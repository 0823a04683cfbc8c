/** Owns a stand-in for an edge: a websocket client with a node's certificate that says what a test wants and records what it is told. */
import { readFileSync } from 'node:fs';
import WebSocket, { type ClientOptions } from 'ws';
import { createMessage, responseTo, type BeehiveMessage, type NewMessage } from '#wire/message.ts';
import { headers } from '#wire/handshake.ts';
import type { NodeFiles } from '#cloud/pki/init.ts';
import { until, within } from './until.ts';

export interface FakeEdgeOptions {
  port: number;
  /** Name in the header; the certificate may say another. */
  node: string;
  files?: NodeFiles;
  /** `kubeedge` does not announce our protocol. */
  peer?: 'hivelet' | 'kubeedge';
  store?: string;
  headers?: Record<string, string>;
  socket?: ClientOptions;
  /** Acknowledges whatever is no answer, as our edge does. Default: true for `hivelet`. */
  acks?: boolean;
}

export interface FakeEdge {
  /** Response headers of the upgrade. */
  readonly greeting: Record<string, string | string[] | undefined>;
  readonly frames: BeehiveMessage[];
  readonly socket: WebSocket;
  acks: boolean;
  send(fields: NewMessage): BeehiveMessage;
  raw(data: string | Buffer): void;
  /** Sends and waits for the answer. */
  ask(fields: NewMessage): Promise<BeehiveMessage>;
  /** The next frame (from `from` on) that fits. */
  frame(what: string, fits: (message: BeehiveMessage) => boolean, from?: number): Promise<BeehiveMessage>;
  /** Resolves with the close code. */
  closed(): Promise<number>;
  close(): void;
}

export class Refused extends Error {
  readonly status: number;

  constructor(status: number, text: string) {
    super(text);
    this.status = status;
  }
}

/** Rejects with `Refused` when the hub answers with an HTTP status, else with what the socket says. */
export async function connectFakeEdge(options: FakeEdgeOptions): Promise<FakeEdge> {
  const { port, node, files, peer = 'hivelet', store = '0d1088f6-ce5e-4d19-bead-2bc2f6b0f20e' } = options;
  const tls =
    files === undefined
      ? { rejectUnauthorized: false }
      : { ca: readFileSync(files.authority), cert: readFileSync(files.certificate), key: readFileSync(files.key) };
  const socket = new WebSocket(`wss://127.0.0.1:${port}/e632aba927ea4ac2b575ec1603d56f10/${node}/events`, {
    ...tls,
    perMessageDeflate: false,
    headers: {
      [headers.nodeId]: node,
      [headers.projectId]: 'p',
      [headers.connectionUse]: 'msg',
      ...(peer === 'hivelet' ? { [headers.protocol]: '1', [headers.store]: store } : {}),
      ...options.headers,
    },
    ...options.socket,
  });
  const closed = new Promise<number>((resolve) => socket.once('close', (code) => resolve(code)));
  const frames: BeehiveMessage[] = [];
  let greeting: FakeEdge['greeting'] = {};
  socket.on('upgrade', (response) => (greeting = response.headers));
  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString('utf8')) as BeehiveMessage;
    frames.push(message);
    if (edge.acks && message.header.parent_msg_id === undefined) edge.raw(JSON.stringify(responseTo(message, 0)));
  });
  await within(
    new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
      socket.once('unexpected-response', (_request, response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.once('end', () => reject(new Refused(response.statusCode ?? 0, text.trim())));
      });
    }),
    { what: `the link of ${node}` },
  );
  socket.on('error', () => undefined);
  const edge: FakeEdge = {
    greeting,
    frames,
    socket,
    acks: options.acks ?? peer === 'hivelet',
    send: (fields) => {
      const message = createMessage(1, fields);
      socket.send(JSON.stringify(message));
      return message;
    },
    raw: (data) => socket.send(data),
    ask: (fields) => {
      const request = edge.send(fields);
      return edge.frame(`the answer to ${fields.resource}`, ({ header }) => header.parent_msg_id === request.header.msg_id);
    },
    frame: (what, fits, from = 0) => until(() => frames.slice(from).find(fits), { what }),
    closed: () => within(closed, { what: 'the end of the link', deadlineMs: 20_000 }),
    close: () => socket.terminate(),
  };
  return edge;
}

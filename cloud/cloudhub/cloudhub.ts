/** Owns the cloudhub module: the websocket server over mutual TLS, who may connect, and one link per node. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Timer } from '#beehive/clock.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import { MAX_FRAME_BYTES, PROTOCOL_VERSION, headers } from '#wire/handshake.ts';
import { DropLog } from './drop-log.ts';
import { identify, type Greeting } from './identity.ts';
import { listenOn } from './listen.ts';
import { PING_MS } from './liveness.ts';
import { peerOf, type Peer } from './peer.ts';
import { NodeLink, type NodeHandlers } from './node-link.ts';
import type { Ownership } from './routes.ts';

export interface CloudHubOptions {
  /** Port 0 takes a free one. */
  listen: { host: string; port: number };
  /** PEM texts; `ca` is what client certificates are checked with. */
  tls: { ca: string; cert: string; key: string };
  /** The oldest that is taken; default TLSv1.3. */
  oldestTls?: 'TLSv1.2' | 'TLSv1.3';
  nodeLimit: number;
  keepaliveLimitMs: number;
  writeLimitMs: number;
  /** `modules.cloudHub.allowUnboundCertificates`. */
  allowUnbound: boolean;
  /** One sentence why this certificate (SHA-256, lower-case hex) is not good for the node any more. Absent: all that the CA signed are. */
  revoked?: (node: string, fingerprint: string) => string | undefined;
  /** uid of Namespace kube-system while nodes may connect; undefined while the controllers are not ready. */
  clusterUid: () => string | undefined;
  /**
   * May the node be served by this replica? Nothing is read from it before, nor taken before it answers a ping after that. Must not reject.
   * Absent: every node that may connect.
   */
  admit?: (link: NodeLink) => Promise<boolean>;
  /** A node is connected; it ends with `link.signal`. */
  connected: (link: NodeLink) => void;
  handlers: NodeHandlers;
  /** What belongs to which node: what a node says is held against it. */
  owns: Ownership;
}

interface Parts {
  context: Context;
  drops: DropLog;
  server: Server;
  sockets: WebSocketServer;
}

const HANDSHAKE_MS = 10_000;
/** Connections of whoever it may be, beside those of nodes: a handshake takes its time. */
const STRANGERS = 1000;

export class CloudHub implements Module {
  readonly name = 'cloudhub';
  readonly #options: CloudHubOptions;
  readonly #links = new Map<string, NodeLink>();
  readonly #fingerprints = new WeakMap<NodeLink, string>();
  #tls: CloudHubOptions['tls'];
  #parts: Parts | undefined;
  #timer: Timer | undefined;

  constructor(options: CloudHubOptions) {
    this.#options = options;
    this.#tls = options.tls;
  }

  get port(): number {
    return (this.#parts?.server.address() as AddressInfo | null | undefined)?.port ?? 0;
  }

  /** Messages and frames that were dropped since the start. */
  get dropped(): number {
    return this.#parts?.drops.total ?? 0;
  }

  async start(context: Context): Promise<void> {
    const { listen } = this.#options;
    const tls = this.#tls;
    const { clock, log } = context;
    const server = createServer({
      ...tls,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: this.#options.oldestTls ?? 'TLSv1.3',
      handshakeTimeout: HANDSHAKE_MS,
    });
    server.maxConnections = 2 * this.#options.nodeLimit + STRANGERS;
    const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: MAX_FRAME_BYTES, clientTracking: false });
    const drops = new DropLog({ clock, log });
    this.#parts = { context, drops, server, sockets };
    server.on('request', (_request, response) => response.writeHead(426, { Connection: 'close' }).end('this port speaks websocket only\n'));
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    server.on('tlsClientError', (error, socket) => {
      const from = socket.remoteAddress;
      drops.count('tls.refused', from ?? '', { reason: error.message, from });
    });
    sockets.on('headers', (lines) => {
      // handleUpgrade is synchronous up to here, so this is the request that is being answered.
      if (this.#answering?.peer === 'hivelet') lines.push(...this.#greetingLines());
    });
    await listenOn(server, { ...listen, setting: 'modules.cloudHub.websocket.port' });
    server.on('error', (error) => context.failed(error));
    this.#tick();
    log.info('cloudhub.listening', { host: listen.host, port: this.port });
  }

  async stop(): Promise<void> {
    const parts = this.#parts;
    this.#timer?.cancel();
    this.#endAll('the cloud is stopping', 1001);
    this.#parts = undefined;
    if (parts === undefined) return;
    const closed = new Promise<void>((resolve) => parts.server.close(() => resolve()));
    parts.server.closeAllConnections();
    await closed;
  }

  health(): Health {
    const waiting = [...this.#links.values()].reduce((sum, link) => sum + link.waiting, 0);
    return { ok: true, detail: `${this.#links.size} nodes connected, ${waiting} messages wait, ${this.dropped} dropped` };
  }

  /** The node is served elsewhere: whatever its link to us still says is void. */
  endLink(node: string, reason: string): void {
    this.#links.get(node)?.end(reason, 1012);
  }

  /** What is known of the node's certificates has changed: its link ends when it stands on one that is no longer good. */
  recheck(node: string): void {
    const link = this.#links.get(node);
    const reason = link === undefined ? undefined : this.#options.revoked?.(node, this.#fingerprints.get(link) ?? '');
    if (link === undefined || reason === undefined) return;
    this.#parts?.context.log.warn('link.revoked', { node, reason });
    // Of 123 bytes that a close may say.
    link.end('the certificate of the node was revoked', 1008);
  }

  /** For links from now on; those that are open stay. */
  useTls(tls: CloudHubOptions['tls']): void {
    this.#tls = tls;
    this.#parts?.server.setSecureContext({ ...tls, minVersion: this.#options.oldestTls ?? 'TLSv1.3' });
  }

  /** All nodes are to connect anew. */
  dropLinks(reason = 'the cloud starts anew'): void {
    this.#endAll(reason, 1012);
  }

  /** The request that `handleUpgrade` answers right now. */
  #answering: Greeting | undefined;

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { allowUnbound, nodeLimit, clusterUid } = this.#options;
    const connection = request.socket;
    if (this.#parts === undefined || !(connection instanceof TLSSocket)) return void socket.destroy();
    socket.on('error', () => socket.destroy());
    const peer = peerOf(connection);
    if (peer.kind !== 'valid') return void socket.destroy();
    const verdict = identify({ headers: request.headers, commonName: peer.commonName || undefined }, { allowUnbound });
    if ('refused' in verdict) return this.#refuse(socket, verdict, request);
    const { node } = verdict.accepted;
    if (clusterUid() === undefined) {
      return this.#refuse(socket, { status: 503, refused: 'the cloud is not ready: the Kubernetes API has not answered yet' }, request);
    }
    const revoked = this.#options.revoked?.(node, peer.fingerprint);
    if (revoked !== undefined) return this.#refuse(socket, { status: 403, refused: revoked }, request);
    if (!this.#links.has(node) && this.#links.size >= nodeLimit) {
      return this.#refuse(socket, { status: 503, refused: `modules.cloudHub.nodeLimit of ${nodeLimit} nodes is reached` }, request);
    }
    connection.setNoDelay(true);
    this.#answering = verdict.accepted;
    this.#parts.sockets.handleUpgrade(request, socket, head, (accepted) => this.#open(accepted, verdict.accepted, peer));
    this.#answering = undefined;
  }

  #greetingLines(): string[] {
    return [
      `${headers.protocol}: ${PROTOCOL_VERSION}`,
      `${headers.cluster}: ${this.#options.clusterUid() ?? ''}`,
      `${headers.time}: ${this.#parts?.context.clock.now() ?? 0}`,
      `${headers.features}: uploads,objects,certificates`,
    ];
  }

  #open(socket: WebSocket, greeting: Greeting, { fingerprint, certificate }: Peer & { kind: 'valid' | 'expired' }): void {
    if (this.#parts === undefined) return socket.terminate();
    const { context, drops } = this.#parts;
    const { clock, log } = context;
    const { keepaliveLimitMs, writeLimitMs, handlers, owns, connected } = this.#options;
    const { node, peer } = greeting;
    this.#links.get(node)?.end('the node connected anew', 1000);
    const limits = { keepaliveLimitMs, writeLimitMs };
    const link = new NodeLink({ greeting, certificate, id: randomUUID(), socket, handlers, owns, clock, log, drops, ...limits });
    this.#links.set(node, link);
    this.#fingerprints.set(link, fingerprint);
    link.signal.addEventListener(
      'abort',
      () => {
        if (this.#links.get(node) === link) this.#links.delete(node);
      },
      { once: true },
    );
    socket.on('close', (code, reason) => link.end(`closed by the node (${code}${reason.length > 0 ? ` ${reason.toString()}` : ''})`));
    socket.on('error', (error) => link.end(error.message));
    log.info('node.connected', { node, peer, links: this.#links.size });
    const serve = (): void => {
      connected(link);
      handlers.heard(node);
    };
    const { admit } = this.#options;
    if (admit === undefined) return serve();
    socket.pause();
    void admit(link).then((admitted) => {
      if (link.signal.aborted) return;
      if (admitted) link.prove(serve);
      else link.end('this cloudcore may not serve the node now: try again, or another one', 1013);
      socket.resume();
    });
  }

  #refuse(socket: Duplex, { status, refused }: { status: number; refused: string }, request: IncomingMessage): void {
    const from = request.socket.remoteAddress;
    const node = String(request.headers[headers.nodeId]).slice(0, 253);
    this.#parts?.drops.count('link.refused', `${status} ${from ?? ''}`, { reason: refused, from, node });
    const reasons: Record<number, string> = { 400: 'Bad Request', 403: 'Forbidden', 503: 'Service Unavailable' };
    const body = `${refused}\n`;
    socket.end(
      `HTTP/1.1 ${status} ${reasons[status] ?? 'Refused'}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }

  #tick(): void {
    if (this.#parts === undefined) return;
    this.#timer = this.#parts.context.clock.timer(PING_MS, () => this.#tick());
    // What has arrived is read before the verdict: a process that was blocked must not cut its links for it.
    setImmediate(() => {
      for (const link of [...this.#links.values()]) link.tick();
    });
  }

  #endAll(reason: string, code: number): void {
    for (const link of [...this.#links.values()]) link.end(reason, code);
    this.#links.clear();
  }
}

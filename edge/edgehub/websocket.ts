/** Owns the websocket to the cloud: TLS with the node's certificate, the handshake headers, ping/pong dead-link detection. */
import type { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import WebSocket from 'ws';
import type { Clock, Timer } from '#beehive/clock.ts';
import { MAX_FRAME_BYTES, PROTOCOL_VERSION, headers } from '#wire/handshake.ts';
import { authorityHashes, readCredentials, type CredentialFiles } from './credential-files.ts';
import { causeOf, explain, type LostCause } from './link-faults.ts';

export interface SocketOptions extends CredentialFiles {
  /** `host:port`. */
  server: string;
  projectId: string;
  node: string;
  storeUuid: string;
  handshakeTimeoutMs: number;
}

/** What the cloud said on the upgrade. */
export interface Greeting {
  /** It speaks our protocol. */
  ours: boolean;
  clusterUid: string;
  features: readonly string[];
  /** Wall clock of the cloud, unix ms; undefined where it does not tell. */
  cloudNowMs?: number | undefined;
  /** What the cloud shows. */
  cloud?: X509Certificate | undefined;
}

export interface SocketHandlers {
  opened(greeting: Greeting): void;
  frame(frame: string | Buffer): void;
  /** Once, also when the attempt failed; `reason` is one sentence. */
  lost(reason: string, cause: LostCause): void;
}

export interface CloudSocket {
  send(text: string): void;
  /** Bytes that wait in the socket. */
  readonly buffered: number;
  /** true: nothing is read until it is called with false. */
  hold(held: boolean): void;
  /** Ends the link; `lost` is not called. */
  hangup(): void;
}

const PING_MS = 5000;
/** For the sentence with which a cloud refuses, and its length. */
const REFUSAL_MS = 2000;
const MAX_REFUSAL = 500;
/** A link without a frame or pong for this long is dead: noticed within 20 s whatever the TCP stack believes. */
const SILENCE_MS = 14_000;

/** Dials at once; see `dial` for what it throws. */
export function openSocket(options: SocketOptions, handlers: SocketHandlers, clock: Clock): CloudSocket {
  return new Connection(dial(options), { options, handlers, clock });
}

interface ConnectionDeps {
  options: SocketOptions;
  handlers: SocketHandlers;
  clock: Clock;
}

class Connection implements CloudSocket {
  readonly #socket: WebSocket;
  readonly #deps: ConnectionDeps;
  #over = false;
  #watch: Timer | undefined;
  #heardAt: number;
  #greeting: Greeting = { ours: false, clusterUid: '', features: [] };

  constructor(socket: WebSocket, deps: ConnectionDeps) {
    this.#socket = socket;
    this.#deps = deps;
    this.#heardAt = deps.clock.monotonic();
    this.#listenToFrames();
    this.#listenToEnds();
  }

  get buffered(): number {
    return this.#socket.bufferedAmount;
  }

  send(text: string): void {
    if (!this.#over && this.#socket.readyState === WebSocket.OPEN) this.#socket.send(text);
  }

  hold(held: boolean): void {
    if (this.#over || this.#socket.readyState !== WebSocket.OPEN) return;
    if (held) this.#socket.pause();
    else this.#socket.resume();
  }

  hangup(): void {
    this.#over = true;
    this.#watch?.cancel();
    this.#socket.terminate();
  }

  #listenToFrames(): void {
    const socket = this.#socket;
    const heard = (): void => this.#heard();
    socket.on('upgrade', (response) => {
      this.#greeting = readGreeting(response);
      response.socket.setNoDelay(true);
    });
    socket.on('open', () => {
      if (this.#over) return;
      this.#heard();
      this.#beat();
      this.#deps.handlers.opened(this.#greeting);
    });
    socket.on('message', (data, isBinary) => {
      this.#heard();
      if (this.#over) return;
      const frame = Array.isArray(data) ? Buffer.concat(data) : Buffer.isBuffer(data) ? data : Buffer.from(data);
      this.#deps.handlers.frame(isBinary ? frame : frame.toString('utf8'));
    });
    socket.on('pong', heard);
    socket.on('ping', heard);
  }

  #listenToEnds(): void {
    const { options } = this.#deps;
    const socket = this.#socket;
    socket.on('unexpected-response', (_request, response) => {
      const refused = `the cloud at ${options.server} answered HTTP ${String(response.statusCode)}`;
      // Ours says why in one line; who only begins one is not waited for.
      const limit = this.#deps.clock.timer(REFUSAL_MS, () => this.#end(refused));
      let said = '';
      response.setEncoding('utf8').on('error', () => undefined);
      response.on('data', (text: string) => (said = (said + text).slice(0, MAX_REFUSAL)));
      response.on('close', () => {
        limit.cancel();
        const [line = ''] = said.trim().split('\n');
        this.#end(line === '' ? refused : `${refused}: ${line}`);
      });
    });
    socket.on('error', (error) => this.#end(explain(error, options.server), causeOf(error)));
    socket.on('close', (code, reason) => this.#end(`the cloud closed the link (${String(code)} ${reason.toString()})`));
  }

  #heard(): void {
    this.#heardAt = this.#deps.clock.monotonic();
  }

  #isSilent(): boolean {
    return this.#deps.clock.monotonic() - this.#heardAt >= SILENCE_MS;
  }

  #beat(): void {
    this.#watch = this.#deps.clock.timer(PING_MS, () => {
      // Who does not listen cannot tell silence.
      if (this.#socket.isPaused) this.#heard();
      if (!this.#isSilent()) {
        this.#socket.ping();
        this.#beat();
        return;
      }
      // A process that was blocked has unread answers: they are read in the turn before this verdict.
      setImmediate(() => {
        if (this.#over) return;
        if (!this.#isSilent()) this.#beat();
        else this.#end(`the cloud at ${this.#deps.options.server} has been silent for ${String(SILENCE_MS / 1000)} s`);
      });
    });
  }

  #end(reason: string, cause?: LostCause): void {
    if (this.#over) return;
    this.#over = true;
    this.#watch?.cancel();
    this.#socket.terminate();
    this.#deps.handlers.lost(reason, cause);
  }
}

/** Throws LINK_CLOSED with the missing file; the caller goes on without a cloud and tries again (defect H9). */
function dial(options: SocketOptions): WebSocket {
  const credentials = readCredentials(options);
  return new WebSocket(`wss://${options.server}/${options.projectId}/${options.node}/events`, {
    ...credentials,
    minVersion: 'TLSv1.2',
    handshakeTimeout: options.handshakeTimeoutMs,
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_BYTES,
    headers: {
      [headers.nodeId]: options.node,
      [headers.projectId]: options.projectId,
      [headers.connectionUse]: 'msg',
      [headers.protocol]: PROTOCOL_VERSION,
      [headers.store]: options.storeUuid,
      [headers.trusts]: authorityHashes(credentials.ca).join(','),
    },
  });
}

function readGreeting(response: IncomingMessage): Greeting {
  const text = (name: string): string => {
    const value = response.headers[name];
    return typeof value === 'string' ? value : '';
  };
  return {
    ours: text(headers.protocol) === PROTOCOL_VERSION,
    clusterUid: text(headers.cluster),
    features: text(headers.features)
      .split(',')
      .map((feature) => feature.trim())
      .filter((feature) => feature !== ''),
    cloudNowMs: /^\d{1,15}$/.test(text(headers.time)) ? Number(text(headers.time)) : undefined,
    cloud: response.socket instanceof TLSSocket ? response.socket.getPeerX509Certificate() : undefined,
  };
}

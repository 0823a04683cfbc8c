/** Owns one connected node: its outbound window, its frames in both directions, and what keeps the link alive. */
import { randomUUID, type X509Certificate } from 'node:crypto';
import type { WebSocket } from 'ws';
import type { Clock } from '#beehive/clock.ts';
import { messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { AckWindow, type WindowEntry } from '#wire/ack-window.ts';
import { ACK_TIMEOUT_MS, MAX_FRAME_BYTES } from '#wire/handshake.ts';
import { decodeFrame, encodeFrame, responseTo, type BeehiveMessage } from '#wire/message.ts';
import { operation } from '#wire/resources.ts';
import type { DropLog } from './drop-log.ts';
import type { Greeting } from './identity.ts';
import { causeOfDeath } from './liveness.ts';
import { judge, type Ownership } from './routes.ts';

/** Why a message was not taken. */
export type Refusal = { refused: string } | undefined;

/** Where the messages of nodes go, by the table of routes.ts; compose.ts joins them to the modules. */
export interface NodeHandlers {
  /** What its devices report. */
  device(link: NodeLink, message: BeehiveMessage): Refusal;
  /** What it says of itself and of its pods. */
  node(link: NodeLink, message: BeehiveMessage): Refusal;
  /** What it asks of objects. */
  object(link: NodeLink, message: BeehiveMessage): Refusal;
  /** It asks for its next certificate. */
  certificate(link: NodeLink, message: BeehiveMessage): Refusal;
  /** Which objects it has. */
  held(link: NodeLink, message: BeehiveMessage): Refusal;
  /** Calls `stored` with an error's text or nothing when the upload is safe. */
  upload(link: NodeLink, message: BeehiveMessage, stored: (fault?: string) => void): void;
  /** Any frame was received. */
  heard(node: string): void;
}

export interface NodeLinkOptions {
  greeting: Greeting;
  /** What the node connected with. */
  certificate: X509Certificate;
  /** Names this connection; orders the reports of a KubeEdge peer. */
  id: string;
  socket: WebSocket;
  handlers: NodeHandlers;
  owns: Ownership;
  clock: Clock;
  log: Logger;
  drops: DropLog;
  keepaliveLimitMs: number;
  writeLimitMs: number;
}

/** A peer that does not read is cut off before our memory fills: the window bounds messages, not their answers. */
const MAX_BUFFERED = 2 * MAX_FRAME_BYTES;

/** KubeEdge's: what its edges do not acknowledge is sent again so soon. */
const KUBEEDGE_ACK_MS = 5000;

/** A node that was admitted answers so soon, or is not served. */
const PROOF_MS = 10_000;

/** A peer that does not answer a good-bye is dropped. */
const GOOD_BYE_MS = 1000;

export class NodeLink {
  readonly node: string;
  readonly peer: Greeting['peer'];
  /** Names the counters that order this node's reports. */
  readonly store: string;
  /** SHA-256 of each authority that the node trusts; undefined: it does not tell. */
  readonly trusts: readonly string[] | undefined;
  readonly certificate: X509Certificate;
  readonly #options: NodeLinkOptions;
  readonly #abort = new AbortController();
  readonly #window: AckWindow;
  #heardMs: number;
  #keepaliveMs: number;
  #lastTickMs: number;
  #stuckSinceMs: number | undefined;
  #bufferedBefore = 0;
  /** What the node said before it has shown that it is there; undefined when it need not, or has. */
  #held: { frames: (string | Buffer)[]; bytes: number } | undefined;

  constructor(options: NodeLinkOptions) {
    const { greeting, clock, log, socket } = options;
    this.#options = options;
    this.node = greeting.node;
    this.peer = greeting.peer;
    this.trusts = greeting.trusts;
    this.certificate = options.certificate;
    this.store = greeting.store ?? `link ${options.id}`;
    this.#heardMs = this.#keepaliveMs = this.#lastTickMs = clock.monotonic();
    this.#window = new AckWindow({
      clock,
      send: (message) => this.send(message),
      ackTimeoutMs: this.peer === 'kubeedge' ? KUBEEDGE_ACK_MS : ACK_TIMEOUT_MS,
      onResend: ({ route, header }) => log.info('link.resend', { node: this.node, resource: route.resource, id: header.msg_id }),
    });
    socket.on('message', (data, isBinary) => {
      const frame = Array.isArray(data) ? Buffer.concat(data) : Buffer.isBuffer(data) ? data : Buffer.from(data);
      this.#receive(isBinary ? frame : frame.toString('utf8'));
    });
    socket.on('ping', () => this.#heard());
    socket.on('pong', () => this.#heard());
  }

  /** Aborts when the link ends. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get waiting(): number {
    return this.#window.size;
  }

  /**
   * Takes nothing of the node before it has answered a ping of now; calls `there` then, and takes what it said meanwhile. A node that went over to
   * another cloudcore while this one hung may have left its link open: what it said here is older than what it said there.
   */
  prove(there: () => void): void {
    const { socket, clock } = this.#options;
    const proof = Buffer.from(randomUUID());
    this.#held = { frames: [], bytes: 0 };
    const timer = clock.timer(PROOF_MS, () => this.end('did not answer when it was to be served'));
    this.signal.addEventListener('abort', () => timer.cancel(), { once: true });
    socket.on('pong', (answer: Buffer) => {
      if (this.#held === undefined || this.signal.aborted || !answer.equals(proof)) return;
      const { frames } = this.#held;
      this.#held = undefined;
      timer.cancel();
      there();
      for (const frame of frames) this.#receive(frame);
    });
    socket.ping(proof);
  }

  /** Queues a message for the node; sent in its turn, and again until acknowledged. */
  offer(entry: WindowEntry): boolean {
    return this.#window.offer({
      ...entry,
      onError: (answer) => {
        const { resource } = answer.route;
        const reason = String(answer.content);
        this.#options.drops.count('node.refused_message', this.node, { reason, resource });
        return entry.onError?.(answer) ?? 'retry';
      },
    });
  }

  /** Sends at once and once: answers. */
  send(message: BeehiveMessage): void {
    const { socket } = this.#options;
    if (this.signal.aborted || socket.readyState !== socket.OPEN) return;
    if (socket.bufferedAmount > MAX_BUFFERED) return this.end('does not read what it is sent');
    socket.send(encodeFrame(message));
  }

  /** Every 5 s: pings, and ends a dead link. */
  tick(): void {
    const { clock, socket, keepaliveLimitMs, writeLimitMs } = this.#options;
    const nowMs = clock.monotonic();
    const buffered = socket.bufferedAmount;
    if (buffered === 0) this.#stuckSinceMs = undefined;
    else if (this.#stuckSinceMs === undefined || buffered < this.#bufferedBefore) this.#stuckSinceMs = nowMs;
    this.#bufferedBefore = buffered;
    const cause = causeOfDeath({
      nowMs,
      lastTickMs: this.#lastTickMs,
      heardMs: this.#heardMs,
      keepaliveMs: this.peer === 'kubeedge' ? this.#keepaliveMs : undefined,
      keepaliveLimitMs,
      stuckSinceMs: this.#stuckSinceMs,
      writeLimitMs,
    });
    this.#lastTickMs = nowMs;
    if (cause !== undefined) this.end(cause);
    else if (socket.readyState === socket.OPEN) socket.ping();
  }

  /** Idempotent. `code` set: says good-bye with it instead of dropping the connection. */
  end(reason: string, code?: number): void {
    if (this.signal.aborted) return;
    this.#options.log.info('node.disconnected', { node: this.node, reason });
    this.#window.close();
    this.#abort.abort(new Error(reason));
    const { socket, clock } = this.#options;
    if (code === undefined) return socket.terminate();
    socket.close(code, reason.slice(0, 120));
    const timer = clock.timer(GOOD_BYE_MS, () => socket.terminate());
    socket.once('close', () => timer.cancel());
  }

  #heard(): void {
    this.#heardMs = this.#options.clock.monotonic();
    if (!this.signal.aborted && this.#held === undefined) this.#options.handlers.heard(this.node);
  }

  #receive(frame: string | Buffer): void {
    this.#heard();
    if (this.signal.aborted) return;
    if (this.#held !== undefined) {
      this.#held.frames.push(frame);
      this.#held.bytes += frame.length;
      if (this.#held.bytes > MAX_BUFFERED) this.end('said too much before it could be served');
      return;
    }
    let message: BeehiveMessage;
    try {
      message = decodeFrame(frame);
    } catch (error) {
      this.#options.drops.count('frame.malformed', this.node, { reason: messageOf(error).slice(0, 80) });
      return;
    }
    try {
      this.#dispatch(message);
    } catch (error) {
      // A fault of ours in one message must not take the link, let alone the process, with it.
      this.#options.log.error('message.failed', { node: this.node, resource: message.route.resource, error });
      this.#refuse(message, 'the cloud failed on this message', 'our fault');
    }
  }

  #dispatch(received: BeehiveMessage): void {
    const { handlers, drops, owns, clock } = this.#options;
    const verdict = judge(received, this.node, owns);
    if ('refused' in verdict) return this.#refuse(received, verdict.refused, verdict.kind);
    const { to, route, message, left } = verdict;
    if (left !== undefined) drops.count('message.narrowed', `${this.node} ${route.name}`, { reason: left });
    switch (to) {
      case 'keepalive':
        this.#keepaliveMs = clock.monotonic();
        return;
      case 'answer':
        if (!this.#window.settle(message)) drops.count('answer.unasked', this.node, { resource: message.route.resource });
        return;
      case 'upload':
        return handlers.upload(this, message, (fault) => this.#uploaded(message, fault));
      default: {
        const refusal = handlers[to](this, message);
        if (refusal !== undefined) this.#refuse(message, refusal.refused, route.name);
      }
    }
  }

  #uploaded(message: BeehiveMessage, fault: string | undefined): void {
    if (fault !== undefined) this.#refuse(message, fault, 'upload');
    else if (this.peer === 'hivelet') this.send(responseTo(message, this.#options.clock.now()));
  }

  /** Our edges are told; a KubeEdge edge only where it waits for an answer (defect C23). */
  #refuse(message: BeehiveMessage, reason: string, kind: string): void {
    const { clock, drops } = this.#options;
    const { resource, source } = message.route;
    drops.count('message.refused', `${this.node} ${kind}`, {
      node: this.node,
      reason,
      resource: resource.slice(0, 300),
      source: source.slice(0, 100),
    });
    if (this.peer === 'hivelet' || message.route.operation === operation.query) {
      this.send(responseTo(message, clock.now(), { operation: 'error', content: reason }));
    }
  }
}

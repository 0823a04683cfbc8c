/** Owns the edgehub module: keeps the link up, hands frames to the modules, sends what they offer. */
import type { Bus } from '#beehive/bus.ts';
import type { Timer } from '#beehive/clock.ts';
import { messageOf } from '#beehive/errors.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import { AckWindow, type WindowEntry } from '#wire/ack-window.ts';
import { createMessage, decodeFrame, encodeFrame, type BeehiveMessage, type NewMessage } from '#wire/message.ts';
import { certificateAuthorities, group, operation, source } from '#wire/resources.ts';
import { FaultLog } from './fault-log.ts';
import { initialLink, nextLink, type LinkInput, type LinkState } from './link.ts';
import type { LostCause } from './link-faults.ts';
import { openSocket, type CloudSocket, type Greeting, type SocketOptions } from './websocket.ts';

export const MODULE = source.edgehub;
/** Wire group -> bus group (reference/beehive-message.md section 3). */
const busGroups: ReadonlyMap<string, string> = new Map([
  [group.resource, 'meta'],
  [group.func, 'meta'],
  [group.twin, 'twin'],
  [group.user, 'bus'],
]);

/** A peer that does not read is dropped before our memory fills. */
const MAX_BUFFERED = 8 * 1024 * 1024;
/** Messages of the cloud that wait for room in the inbox of their module. */
const MAX_UNDELIVERED = 256;

export interface EdgeHubOptions {
  bus: Bus<BeehiveMessage>;
  /** `host:port` of each cloudcore; a link that fails is tried with the next one. At least one. */
  servers: readonly string[];
  socket: Omit<SocketOptions, 'server'>;
  /** Keepalive messages to KubeEdge clouds. */
  heartbeatMs: number;
  /** Called after each connect, before anything else is offered on the new link. */
  onConnected?(greeting: Greeting): void;
  /** The cloud does not take this node's certificate, for its end or without a word. */
  onCertificateRefused?(how: 'certificate ended' | 'hung up'): void;
  /** Which authorities the cloud wants trusted, and the certificate that it shows. Gives the answer. */
  onAuthorities?(message: BeehiveMessage, cloud: Greeting['cloud']): BeehiveMessage;
}

export class EdgeHub implements Module {
  readonly name = MODULE;
  readonly #options: EdgeHubOptions;
  #context: Context | undefined;
  #state: LinkState = initialLink;
  /** Place in `servers` of the one that is dialled; edges begin anywhere, so that several cloudcores share them. */
  #at = 0;
  #socket: CloudSocket | undefined;
  #greeting: Greeting = { ours: false, clusterUid: '', features: [] };
  #window: AckWindow | undefined;
  #timers = new Set<Timer>();
  #loop: Promise<void> = Promise.resolve();
  readonly #faults = new FaultLog();
  #badFrames = 0;
  #undelivered = 0;

  constructor(options: EdgeHubOptions) {
    this.#options = options;
  }

  get peer(): 'offline' | 'kubeedge' | 'hivelet' {
    if (this.#state.name !== 'online') return 'offline';
    return this.#greeting.ours ? 'hivelet' : 'kubeedge';
  }

  get takesUploads(): boolean {
    return this.#offers('uploads');
  }

  /** The cloud listens to what the edge says it has. */
  get takesObjects(): boolean {
    return this.#offers('objects');
  }

  /** The cloud issues certificates over the link. */
  get takesCertificates(): boolean {
    return this.#offers('certificates');
  }

  /** uid of the cluster behind our own cloud; '' for KubeEdge's, and before the first link. */
  get clusterUid(): string {
    return this.#greeting.clusterUid;
  }

  start(context: Context): Promise<void> {
    const { bus } = this.#options;
    this.#context = context;
    this.#state = initialLink;
    this.#at = Math.floor(context.clock.random() * this.#options.servers.length);
    this.#window = new AckWindow({
      clock: context.clock,
      send: (message) => this.#write(message),
      onResend: (message) => context.log.debug('link.resend', { resource: message.route.resource }),
    });
    this.#window.pause();
    bus.addModule(MODULE);
    bus.addModuleToGroup(MODULE, 'hub');
    // Other modules reach the cloud through this inbox: `bus.send(MODULE, ...)`, `bus.sendSync(MODULE, ...)`.
    const sendIfLinked = (message: BeehiveMessage): void => {
      if (this.peer !== 'offline') this.#write(message);
    };
    this.#loop = bus.consume(MODULE, sendIfLinked, context.signal);
    this.#step({ kind: 'dial' });
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#step({ kind: 'close' });
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.#window?.close();
    this.#options.bus.cleanup(MODULE);
    await this.#loop;
  }

  health(): Health {
    const detail = this.peer === 'offline' ? `no link to the cloud: ${this.#faults.last || 'dialing'}` : `linked (${this.peer})`;
    // Working without the cloud is what an edge is for: an absent cloud is no fault of this process.
    return { ok: true, detail: `${detail}, ${String(this.#window?.size ?? 0)} messages wait, ${String(this.#badFrames)} bad frames` };
  }

  message(fields: NewMessage): BeehiveMessage {
    return createMessage(this.#context?.clock.now() ?? 0, fields);
  }

  /** Sent once, if the link is up. */
  send(fields: NewMessage): void {
    if (this.peer !== 'offline') this.#write(this.message(fields));
  }

  /** Ends the link and dials anew, soon: whatever the new one is to be told, it is told from the start. */
  relink(reason: string): void {
    const context = this.#context;
    if (context === undefined || this.#state.name !== 'online') return;
    context.log.info('link.anew', { reason });
    this.#socket?.hangup();
    this.#step({ kind: 'lost', nowMs: context.clock.monotonic(), random: context.clock.random() });
  }

  /** Sent in its turn until acknowledged; forgotten when the link breaks, since a new link starts with the full state. */
  offer(entry: WindowEntry): boolean {
    return this.peer === 'hivelet' && this.#window !== undefined && this.#window.offer(entry);
  }

  #offers(feature: string): boolean {
    return this.peer === 'hivelet' && this.#greeting.features.includes(feature);
  }

  get #server(): string {
    return this.#options.servers[this.#at] ?? '';
  }

  #step(input: LinkInput): void {
    const { state, effects } = nextLink(this.#state, input);
    this.#state = state;
    for (const effect of effects) {
      switch (effect.kind) {
        case 'dial':
          this.#dial();
          break;
        case 'wait':
          this.#after(effect.ms, () => this.#step({ kind: 'dial' }));
          break;
        case 'hangup':
          this.#socket?.hangup();
          break;
        case 'connected':
          this.#connected();
          break;
        case 'disconnected':
          this.#disconnected();
          break;
      }
    }
  }

  #dial(): void {
    const context = this.#context;
    if (context === undefined) return;
    const lost = (reason: string, cause?: LostCause): void => {
      this.#fault(reason, cause);
      if (cause === 'certificate ended' || cause === 'hung up') this.#options.onCertificateRefused?.(cause);
      this.#at = (this.#at + 1) % this.#options.servers.length;
      this.#step({ kind: 'lost', nowMs: context.clock.monotonic(), random: context.clock.random() });
    };
    try {
      this.#socket = openSocket(
        { ...this.#options.socket, server: this.#server },
        {
          opened: (greeting) => {
            this.#greeting = greeting;
            this.#step({ kind: 'opened', nowMs: context.clock.monotonic() });
          },
          frame: (frame) => this.#receive(frame),
          lost,
        },
        context.clock,
      );
    } catch (error) {
      // Without certificates everything local works; they may arrive later (defect H9).
      lost(messageOf(error));
    }
  }

  #fault(reason: string, cause?: LostCause): void {
    if (this.#context !== undefined) this.#faults.tell(this.#context, reason, { server: this.#server, cause });
  }

  #connected(): void {
    this.#faults.clear();
    this.#context?.log.info('link.up', { server: this.#server, peer: this.peer, cluster: this.#greeting.clusterUid });
    this.#window?.replaceAll([]);
    if (!this.#greeting.ours) this.#keepalive(this.#socket);
    this.#tell('cloud_connected');
    this.#options.onConnected?.(this.#greeting);
  }

  #disconnected(): void {
    this.#window?.replaceAll([]);
    this.#window?.pause();
    this.#tell('cloud_disconnected');
  }

  #tell(content: 'cloud_connected' | 'cloud_disconnected'): void {
    const { bus } = this.#options;
    for (const name of ['meta', 'twin', 'bus', 'edged']) {
      const message = this.message({ source: 'edgehub', group: name, operation: 'connect', resource: 'node/connection', content });
      this.#dispatch(bus.sendToGroup(name, message));
    }
  }

  #keepalive(socket: CloudSocket | undefined): void {
    if (this.#socket !== socket || this.peer !== 'kubeedge') return;
    this.send({ source: MODULE, group: group.resource, operation: operation.keepalive, resource: 'node', content: 'ping' });
    this.#after(this.#options.heartbeatMs, () => this.#keepalive(socket));
  }

  #write(message: BeehiveMessage): void {
    if (this.#socket === undefined) return;
    if (this.#socket.buffered > MAX_BUFFERED) {
      this.#socket.hangup();
      this.#fault('the cloud does not read what it is sent');
      this.#step({ kind: 'lost', nowMs: this.#context?.clock.monotonic() ?? 0, random: this.#context?.clock.random() ?? 0 });
      return;
    }
    this.#socket.send(encodeFrame(message));
  }

  #receive(frame: string | Buffer): void {
    let message: BeehiveMessage;
    try {
      message = decodeFrame(frame);
    } catch (error) {
      this.#badFrames++;
      if (this.#badFrames === 1 || this.#badFrames % 1000 === 0) {
        this.#context?.log.warn('link.frame.bad', { reason: messageOf(error), count: this.#badFrames });
      }
      return;
    }
    const isAnswer = message.header.parent_msg_id !== undefined;
    if (isAnswer && this.#window?.settle(message) === true) return;
    const answer = isAnswer || !this.#isNotice(message) ? undefined : this.#options.onAuthorities?.(message, this.#greeting.cloud);
    if (answer !== undefined) return this.#write(answer);
    const to = busGroups.get(message.route.group);
    if (to === undefined) {
      this.#context?.log.debug('link.message.dropped', { group: message.route.group, resource: message.route.resource });
      return;
    }
    if (isAnswer) {
      this.#options.bus.sendResponse(message);
      return;
    }
    this.#dispatch(this.#options.bus.sendToGroup(to, message));
  }

  /** Our own cloud speaks of authorities. */
  #isNotice({ route }: BeehiveMessage): boolean {
    return this.peer === 'hivelet' && route.source === source.cloudhub && route.resource === certificateAuthorities;
  }

  /** Modules with full inboxes hold up the reading, so that a cloud that floods us fills its own memory and not ours (defect H2). */
  #dispatch(sent: Promise<void>): void {
    if (++this.#undelivered >= MAX_UNDELIVERED) this.#socket?.hold(true);
    sent
      .catch((error: unknown) => this.#context?.log.debug('link.message.dropped', { reason: messageOf(error) }))
      .finally(() => {
        if (--this.#undelivered === MAX_UNDELIVERED / 2) this.#socket?.hold(false);
      })
      .catch(() => undefined);
  }

  #after(ms: number, action: () => void): void {
    const timer = this.#context?.clock.timer(ms, () => {
      this.#timers.delete(timer as Timer);
      action();
    });
    if (timer !== undefined) this.#timers.add(timer);
  }
}

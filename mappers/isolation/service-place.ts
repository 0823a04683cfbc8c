/** Owns a plugin's process as a service of its own: it is asked for by a file that systemd watches, and comes to a socket of edgecore. */
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import type { Life, Place } from './life.ts';

export interface ServicePlaceOptions {
  readonly plugin: string;
  /** Of edgecore, and open to the group of its services: `/run/hivelet`. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** From the end of the stream to giving the connection up, ms. */
  readonly graceMs?: number;
}

/** sockaddr_un holds 108 bytes, the last of which is 0. */
const LONGEST_PATH = 107;
const GRACE_MS = 4000;

/** Where edgecore and the service meet. */
export function meetingPoint(folder: string, plugin: string): { socket: string; wanted: string } {
  return { socket: join(folder, `mapper-${plugin}.sock`), wanted: join(folder, `mapper-${plugin}.wanted`) };
}

export function servicePlace(options: ServicePlaceOptions): Place {
  return new ServicePlace(options);
}

class ServicePlace implements Place {
  readonly absence: string;
  readonly #options: ServicePlaceOptions;
  #server: Server | undefined;
  /** Came before it was waited for. */
  #early: Socket | undefined;
  #take: ((socket: Socket) => void) | undefined;
  #life: ServiceLife | undefined;

  constructor(options: ServicePlaceOptions) {
    this.#options = options;
    this.absence = `the service of the mapper ${options.plugin} has not come to edgecore: see \`systemctl status hivelet-mapper@${options.plugin}.path\``;
  }

  async start(signal: AbortSignal): Promise<Life> {
    signal.throwIfAborted();
    await this.#open(signal);
    const socket = await this.#arrival(signal);
    this.#life = new ServiceLife(socket, this.#options);
    return this.#life;
  }

  async release(): Promise<void> {
    const { folder, plugin, log } = this.#options;
    const { socket, wanted } = meetingPoint(folder, plugin);
    const server = this.#server;
    this.#server = undefined;
    this.#early?.destroy();
    this.#early = undefined;
    try {
      rmSync(wanted, { force: true });
      if (server !== undefined) await new Promise((resolve) => server.close(resolve));
      rmSync(socket, { force: true });
    } catch (error) {
      log.warn('mapper.service.release.failed', { error });
    }
  }

  /** The socket first: who is called must find it. */
  async #open(signal: AbortSignal): Promise<void> {
    if (this.#server !== undefined) return;
    const { folder, plugin } = this.#options;
    const { socket, wanted } = meetingPoint(folder, plugin);
    if (Buffer.byteLength(socket) > LONGEST_PATH)
      throw new HiveletError('CONFIG_INVALID', `the path ${socket} is longer than ${LONGEST_PATH} bytes: choose a shorter --data-dir`);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    rmSync(socket, { force: true });
    this.#server = await listen(socket, (visitor) => this.#visit(visitor));
    // Owner and group, which is that of the services; the folder keeps all others out.
    chmodSync(socket, 0o660);
    writeFileSync(wanted, `${String(process.pid)}\n`, { mode: 0o640 });
    // Before the service sees its end: systemd would start it again.
    signal.addEventListener('abort', () => rmSync(wanted, { force: true }), { once: true });
  }

  #visit(socket: Socket): void {
    socket.on('error', () => undefined);
    if (this.#early !== undefined || this.#life?.isGone === false) {
      this.#options.log.warn('mapper.service.refused', { reason: 'there is one already' });
      socket.destroy();
    } else if (this.#take !== undefined) this.#take(socket);
    else this.#keep(socket);
  }

  #keep(socket: Socket): void {
    this.#early = socket;
    socket.once('close', () => {
      if (this.#early === socket) this.#early = undefined;
    });
  }

  #arrival(signal: AbortSignal): Promise<Socket> {
    const early = this.#early;
    this.#early = undefined;
    if (early !== undefined) return Promise.resolve(early);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#take = undefined;
        reject(signal.reason instanceof Error ? signal.reason : new Error(messageOf(signal.reason)));
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#take = (socket) => {
        this.#take = undefined;
        signal.removeEventListener('abort', onAbort);
        resolve(socket);
      };
    });
  }
}

class ServiceLife implements Life {
  readonly stream: Socket;
  readonly pid = undefined;
  readonly ended: Promise<string>;
  readonly #options: ServicePlaceOptions;
  isGone = false;

  constructor(stream: Socket, options: ServicePlaceOptions) {
    this.stream = stream;
    this.#options = options;
    this.ended = new Promise((resolve) => {
      const end = (): void => {
        this.isGone = true;
        resolve(`the service closed the connection; \`journalctl -u hivelet-mapper@${options.plugin}\` tells why`);
      };
      if (stream.destroyed) end();
      else stream.once('close', end);
    });
  }

  async stop(): Promise<void> {
    const { clock, graceMs = GRACE_MS } = this.#options;
    const timer = clock.timer(graceMs, () => this.stream.destroy());
    await this.ended;
    timer.cancel();
  }

  /** The watchdog of its unit ends one that is stuck. */
  async kill(): Promise<void> {
    this.stream.destroy();
    await this.ended;
  }
}

function listen(path: string, visit: (socket: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(visit);
    server.once('error', (cause) =>
      reject(new HiveletError('CONFIG_INVALID', `cannot listen on ${path} for mapper services: ${messageOf(cause)}`, { cause })),
    );
    server.listen(path, () => resolve(server));
    server.unref();
  });
}

/** Owns the open sockets of one listener, and how many of them nobody knows yet: strangers must not take the places of those who belong here. */
import type { Socket } from 'node:net';
import type { Tally } from './tally.ts';

export class Doorway {
  readonly #limit: number;
  readonly #tally: Tally;
  readonly #sockets = new Set<Socket>();
  readonly #strangers = new Set<Socket>();

  constructor(limit: number, tally: Tally) {
    this.#limit = limit;
    this.#tally = tally;
  }

  /** False: too many strangers; the socket is gone then. */
  enter(socket: Socket): boolean {
    if (this.#strangers.size >= this.#limit) {
      const reason = `${String(this.#limit)} connections have not said who they are`;
      this.#tally.count('mqtt.connection.refused', { remote: socket.remoteAddress, reason });
      socket.destroy();
      return false;
    }
    this.#add(socket);
    return true;
  }

  /** A handshake has put `socket` in the place of the one that entered. */
  replace(entered: Socket | undefined, socket: Socket): void {
    if (entered !== undefined) this.#remove(entered);
    this.#add(socket);
  }

  admit(socket: Socket): void {
    this.#strangers.delete(socket);
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #add(socket: Socket): void {
    this.#sockets.add(socket);
    this.#strangers.add(socket);
    socket.once('close', () => this.#remove(socket));
  }

  #remove(socket: Socket): void {
    this.#sockets.delete(socket);
    this.#strangers.delete(socket);
  }
}

/** Owns keep-alive: a silent client is closed, but never because this process was busy. */
import type { Clock, Timer } from '#beehive/clock.ts';
import type { AedesClient } from './aedes-inside.ts';
import type { Ingress } from './ingress.ts';

const SWEEP_MS = 1_000;

interface Watched {
  ingress: Ingress;
  /** 1.5 times what CONNECT asked for; 0 before CONNECT and for clients that want none. */
  intervalMs: number;
  /** Overdue at the last sweep; closed only when it is still so at the next, as what it sent may wait in the socket. */
  suspect: boolean;
}

export class KeepAlive {
  readonly #clock: Clock;
  readonly #clients = new Map<AedesClient, Watched>();
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  watch(client: AedesClient, ingress: Ingress): void {
    this.#clients.set(client, { ingress, intervalMs: 0, suspect: false });
    client.conn.once('close', () => this.forget(client));
    this.#timer ??= this.#clock.timer(SWEEP_MS, () => this.#sweep());
  }

  /** Takes the duty over from aedes, whose timer counts the pauses of this process as the client's. */
  adopt(client: AedesClient): void {
    const watched = this.#clients.get(client);
    if (watched === undefined || client._keepaliveTimer === null) return;
    watched.intervalMs = client._keepaliveInterval;
    clearTimeout(client._keepaliveTimer);
    client._keepaliveInterval = -1;
  }

  forget(client: AedesClient): void {
    this.#clients.delete(client);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#clients.clear();
  }

  #sweep(): void {
    const now = this.#clock.monotonic();
    for (const [client, watched] of this.#clients) {
      const { ingress, intervalMs } = watched;
      const overdue = intervalMs > 0 && !ingress.held && now - ingress.heardMs > intervalMs;
      if (overdue && watched.suspect) client.emit('error', new Error('keep alive timeout'));
      watched.suspect = overdue;
    }
    this.#timer = this.#clients.size === 0 ? undefined : this.#clock.timer(SWEEP_MS, () => this.#sweep());
  }
}

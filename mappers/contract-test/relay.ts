/** Owns a TCP relay between a plugin and its device: it hangs, dawdles and breaks, so that the device need not be able to. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { systemClock, type Timer } from '#beehive/clock.ts';
import type { DeviceUnderTest } from './harness.ts';

export class TcpRelay {
  readonly #target: { host: string; port: number };
  readonly #sockets = new Set<Socket>();
  readonly #timers = new Set<Timer>();
  /** What was sent while the device hangs; it goes out late, as it does from a real one. */
  readonly #held: (() => void)[] = [];
  #clients = 0;
  #silent = false;
  #delayMs = 0;
  #server: Server | undefined;
  #port = 0;

  constructor(target: { host?: string; port: number }) {
    this.#target = { host: '127.0.0.1', ...target };
  }

  /** On 127.0.0.1, a free one at first and the same ever after. */
  get port(): number {
    return this.#port;
  }

  /** Of plugins; one that hung up while nobody answered is gone. */
  get connections(): number {
    return this.#clients;
  }

  /** What a device behind it can be made to do. */
  get faults(): Required<Pick<DeviceUnderTest, 'silence' | 'speak' | 'slow' | 'cut' | 'restore' | 'connections'>> {
    return {
      silence: () => this.silence(),
      speak: () => this.speak(),
      slow: (ms) => this.slow(ms),
      cut: () => this.cut(),
      restore: () => this.restore(),
      connections: () => this.connections,
    };
  }

  async restore(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer({ noDelay: true }, (client) => this.#relay(client));
    this.#server = server;
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
  }

  /** Ends every connection and takes no new one. */
  async cut(): Promise<void> {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.#held.length = 0;
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  }

  async silence(): Promise<void> {
    this.#silent = true;
  }

  async speak(): Promise<void> {
    this.#silent = false;
    for (const send of this.#held.splice(0)) send();
  }

  /** Answers come so much later. */
  async slow(ms: number): Promise<void> {
    this.#delayMs = ms;
  }

  #relay(client: Socket): void {
    const device = connect({ ...this.#target, noDelay: true });
    this.#clients++;
    for (const socket of [client, device]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
    }
    client.on('close', () => {
      this.#clients--;
      device.destroy();
    });
    client.on('data', (bytes) => device.write(bytes));
    device.on('data', (bytes) => this.#answer(() => void (client.destroyed || client.write(bytes))));
    // A device that hangs up after its answer (HTTP) is heard to do so after it.
    device.on('close', () => this.#answer(() => client.destroySoon()));
  }

  #answer(send: () => void): void {
    const sendOrHold = (): void => void (this.#silent ? this.#held.push(send) : send());
    if (this.#delayMs === 0) return sendOrHold();
    const timer = systemClock.timer(this.#delayMs, () => {
      this.#timers.delete(timer);
      sendOrHold();
    });
    this.#timers.add(timer);
  }
}

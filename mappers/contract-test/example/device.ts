/** Owns the thermometer of the example: a TCP server that answers lines of text, and misbehaves when a test wants it. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Clock, Timer } from '#beehive/clock.ts';

export class Thermometer {
  readonly values = new Map<string, number>([
    ['temperature', 21.5],
    ['setpoint', 20],
  ]);
  /** It takes lines and says nothing. */
  silent = false;
  /** Each answer comes so much later, ms. */
  delayMs = 0;
  readonly #clock: Clock;
  readonly #sockets = new Set<Socket>();
  readonly #timers = new Set<Timer>();
  #server: Server | undefined;
  #port = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get port(): number {
    return this.#port;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** The first time on any free port, then on the same again. */
  async listen(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer((socket) => this.#serve(socket));
    this.#server = server;
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  }

  /** 5 to 35 degrees for the setpoint; the temperature is read only. */
  answer(line: string): string {
    const [word = '', name = '', text = ''] = line.trim().split(/\s+/);
    const value = this.values.get(name);
    if (value === undefined) return `ERR there is no ${name}`;
    if (word === 'GET') return `OK ${value}`;
    if (word !== 'SET') return `ERR what is ${word}?`;
    if (name !== 'setpoint') return `ERR ${name} is measured`;
    if (!(Number(text) >= 5 && Number(text) <= 35)) return 'ERR 5 to 35 degrees';
    this.values.set(name, Number(text));
    return 'OK';
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setEncoding('utf8').setNoDelay(true);
    socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
    let rest = '';
    socket.on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#reply(socket, line);
    });
  }

  #reply(socket: Socket, line: string): void {
    if (this.silent) return;
    const send = (): void => void (socket.destroyed || socket.write(`${this.answer(line)}\n`));
    if (this.delayMs === 0) return send();
    const timer = this.#clock.timer(this.delayMs, () => {
      this.#timers.delete(timer);
      send();
    });
    this.#timers.add(timer);
  }
}

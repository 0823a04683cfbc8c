/** Owns the example of docs/write-a-mapper.md: the plugin of a thermometer that speaks lines of text over TCP. */
import { connect, type Socket } from 'node:net';
import { field, HiveletError, nameOf, numberOf } from '../../kit.ts';
import type { Connection, MapperPlugin, PluginContext, Point, PropertyValue, Reading, RequestOptions } from '../../kit.ts';

/**
 * `GET temperature` is answered by `OK 21.5`, `SET setpoint 22` by `OK`; what the thermometer refuses by `ERR` and the reason. It answers
 * in the order in which it was asked.
 */
export interface ThermometerLink {
  readonly host: string;
  readonly port: number;
}

const DEFAULT_PORT = 7000;
const TIMEOUT_MS = 1000;
/** No answer is longer: what is comes from something else. */
const LONGEST_LINE = 200;

export function createThermometerPlugin(): MapperPlugin<ThermometerLink, string> {
  return {
    protocol: 'thermometer',
    link(input, path) {
      const host = nameOf(field(input, 'host'));
      const port = numberOf(field(input, 'port') ?? DEFAULT_PORT);
      if (host === undefined) throw new HiveletError('PROFILE_INVALID', `${path}.host: is missing: write the thermometer's address`);
      if (port === undefined || !(port >= 1 && port <= 65_535))
        throw new HiveletError('PROFILE_INVALID', `${path}.port: is no port: write 1 to 65535`);
      return { host, port };
    },
    access(input, path) {
      const name = nameOf(field(input, 'value'));
      if (name === undefined || /\s/.test(name))
        throw new HiveletError('PROFILE_INVALID', `${path}.value: write the name of a value, such as temperature`);
      return name;
    },
    linkKey: ({ host, port }) => `thermometer:${host}:${port}`,
    open: openThermometer,
  };
}

export default createThermometerPlugin;

/** The socket is the only thing to wait for, and three things can end that: it connects, it fails, the signal aborts. */
function openThermometer({ host, port }: ThermometerLink, { clock, signal }: PluginContext): Promise<ThermometerConnection> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = connect({ host, port, noDelay: true });
    const fail = (error: Error): void => {
      timer.cancel();
      signal.removeEventListener('abort', abort);
      socket.destroy();
      reject(error);
    };
    const abort = (): void => fail(signal.reason as Error);
    const timer = clock.timer(TIMEOUT_MS, () => fail(unreachable(`${host}:${port} does not answer`)));
    const refused = (cause: Error): void => fail(unreachable(`${host}:${port} cannot be reached: ${cause.message}`, cause));
    signal.addEventListener('abort', abort, { once: true });
    socket.once('error', refused);
    socket.once('connect', () => {
      timer.cancel();
      signal.removeEventListener('abort', abort);
      socket.removeListener('error', refused);
      resolve(new ThermometerConnection(socket, { clock, address: `${host}:${port}` }));
    });
  });
}

/** `lost`: the connection is of no use any more, so that the host opens a new one. */
function unreachable(message: string, cause?: unknown): HiveletError {
  return new HiveletError('DEVICE_UNREACHABLE', message, { facts: { lost: true }, cause });
}

interface Waiting {
  readonly answered: (line: string) => void;
  readonly failed: (error: Error) => void;
}

class ThermometerConnection implements Connection<ThermometerLink, string> {
  readonly lost: Promise<void>;
  readonly #socket: Socket;
  readonly #clock: PluginContext['clock'];
  readonly #address: string;
  /** Who asked, in order. One that was aborted stays, because its answer still comes. */
  readonly #waiting: Waiting[] = [];
  #text = '';

  constructor(socket: Socket, { clock, address }: { clock: PluginContext['clock']; address: string }) {
    this.#socket = socket;
    this.#clock = clock;
    this.#address = address;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#received(text));
    socket.on('error', () => undefined);
    this.lost = new Promise((resolve) => {
      socket.once('close', () => {
        for (const { failed } of this.#waiting.splice(0)) failed(unreachable(`${address} closed the connection`));
        resolve();
      });
    });
  }

  /** One bad point is a reading with an error; only silence is thrown. Without points, any answer will do. */
  async read(_link: ThermometerLink, points: readonly Point<string>[], { signal }: RequestOptions): Promise<readonly Reading[]> {
    if (points.length === 0) await this.#ask('GET temperature', signal);
    const readings: Reading[] = [];
    for (const { name, type, access } of points) {
      const { ok, text } = await this.#ask(`GET ${access}`, signal);
      if (!ok) readings.push({ name, error: text, answered: true });
      else readings.push({ name, value: type === 'string' ? text : Number(text) });
    }
    return readings;
  }

  async write(
    _link: ThermometerLink,
    { point, value }: { point: Point<string>; value: PropertyValue },
    { signal }: RequestOptions,
  ): Promise<void> {
    const answer = await this.#ask(`SET ${point.access} ${String(value)}`, signal);
    if (!answer.ok) throw new HiveletError('POINT_REJECTED', answer.text);
  }

  async close(): Promise<void> {
    this.#socket.destroy();
    await this.lost;
  }

  #ask(line: string, signal: AbortSignal): Promise<{ ok: boolean; text: string }> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      if (this.#socket.destroyed) throw unreachable(`${this.#address} closed the connection`);
      const done = (): void => {
        timer.cancel();
        signal.removeEventListener('abort', aborted);
      };
      const failed = (error: Error): void => {
        done();
        reject(error);
      };
      const aborted = (): void => failed(signal.reason as Error);
      // A thermometer that missed a line is asked on a new connection: answers could not be told apart any more.
      const timer = this.#clock.timer(TIMEOUT_MS, () => {
        failed(unreachable(`${this.#address} did not answer ${JSON.stringify(line)}`));
        this.#socket.destroy();
      });
      const answered = (text: string): void => {
        done();
        resolve({ ok: /^OK\b/.test(text), text: text.replace(/^(OK|ERR) ?/, '') });
      };
      signal.addEventListener('abort', aborted, { once: true });
      this.#waiting.push({ answered, failed });
      this.#socket.write(`${line}\n`);
    });
  }

  #received(text: string): void {
    const lines = (this.#text + text).split('\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) this.#waiting.shift()?.answered(line.trim());
    if (this.#text.length > LONGEST_LINE) this.#socket.destroy();
  }
}

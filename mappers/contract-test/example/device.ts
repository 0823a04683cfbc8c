/** Owns the thermometer of the example: a TCP server that answers lines of text. */
import { createServer, type AddressInfo, type Socket } from 'node:net';

export interface Thermometer {
  readonly port: number;
  close(): Promise<void>;
}

/** Resolves when it listens on 127.0.0.1. */
export async function startThermometer(): Promise<Thermometer> {
  const values = new Map([
    ['temperature', 21.5],
    ['setpoint', 20],
  ]);
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    let rest = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) socket.write(`${answerTo(line, values)}\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** The temperature is measured; the setpoint takes 5 to 35 degrees. */
function answerTo(line: string, values: Map<string, number>): string {
  const [word = '', name = '', text = ''] = line.trim().split(/\s+/);
  const value = values.get(name);
  if (value === undefined) return `ERR there is no ${name}`;
  if (word === 'GET') return `OK ${value}`;
  if (word !== 'SET') return `ERR what is ${word}?`;
  if (name !== 'setpoint') return `ERR ${name} is measured`;
  if (!(Number(text) >= 5 && Number(text) <= 35)) return 'ERR 5 to 35 degrees';
  values.set(name, Number(text));
  return 'OK';
}

/** Owns the listening sockets of the broker: addresses, refusals at start, TCP_NODELAY. */
import { createServer, type Server, type Socket } from 'node:net';
import { HiveletError } from '#beehive/errors.ts';

export interface ListenerOptions {
  /** `tcp://host:port`; port 0 takes a free one. */
  address: string;
  /** Where the address was configured; named in errors. */
  configKey?: string;
}

export interface Listener {
  /** The address that is served, with the real port. */
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

interface Endpoint {
  host: string;
  port: number;
}

const DEFAULT_KEY = 'modules.eventBus.mqttServerInternal';

export async function listen(options: ListenerOptions, deps: { allowInsecure: boolean; accept(socket: Socket): void }): Promise<Listener> {
  const key = options.configKey ?? DEFAULT_KEY;
  const endpoint = parseAddress(options.address, key);
  if (!deps.allowInsecure && !isLoopback(endpoint.host)) throw insecure(options.address, key);
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    deps.accept(socket);
  });
  await opened(server, endpoint, { address: options.address, key });
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : endpoint.port;
  return {
    address: `tcp://${endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host}:${port}`,
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** `tcp://127.0.0.1:1883`, as KubeEdge writes it. */
export function parseAddress(address: string, key: string): Endpoint {
  const match = /^(?:tcp|mqtt):\/\/(\[[0-9a-fA-F:.]+\]|[^/:[\]]+):(\d{1,5})\/?$/.exec(address);
  const port = Number(match?.[2] ?? NaN);
  if (match?.[1] === undefined || !(port <= 65_535)) {
    throw new HiveletError(
      'CONFIG_INVALID',
      `${key} is ${JSON.stringify(address)}, which is not an address of the form tcp://HOST:PORT such as tcp://127.0.0.1:1883`,
      {
        facts: { key, address },
      },
    );
  }
  return { host: match[1].replace(/^\[|\]$/g, ''), port };
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function insecure(address: string, key: string): HiveletError {
  return new HiveletError(
    'CONFIG_INVALID',
    `${key} is ${address}: anyone who reaches this address could control the devices, as it has neither TLS nor credentials; ` +
      'use tcp://127.0.0.1:1883, or set modules.eventBus.allowInsecure to true if the network is trusted',
    { facts: { key, address } },
  );
}

function opened(server: Server, endpoint: Endpoint, from: { address: string; key: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => reject(explain(error, endpoint, from));
    server.once('error', onError);
    server.listen(endpoint.port, endpoint.host, () => {
      server.removeListener('error', onError);
      resolve();
    });
  });
}

function explain(error: NodeJS.ErrnoException, endpoint: Endpoint, { address, key }: { address: string; key: string }): HiveletError {
  const facts = { key, address };
  if (error.code === 'EADDRINUSE') {
    const other = `tcp://${endpoint.host}:${endpoint.port === 1885 ? 1886 : 1885}`;
    return new HiveletError(
      'PORT_IN_USE',
      `${address} (${key}) is already taken by another process; stop it, or choose another address with --set ${key}=${other}`,
      {
        facts,
        cause: error,
      },
    );
  }
  return new HiveletError('CONFIG_INVALID', `${key} is ${address}, which cannot be listened on: ${error.message}`, { facts, cause: error });
}

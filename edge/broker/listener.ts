/** Owns the listening sockets of the broker: opening, refusals at start, who stands at the door. */
import { chmodSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { HiveletError } from '#beehive/errors.ts';
import { isLocal, parseListener, parsePlain, printEndpoint, refuseOpenDoor, type Endpoint, type Written } from './address.ts';
import { Doorway } from './doorway.ts';
import type { TlsFiles } from './tls-files.ts';
import type { Tally } from './tally.ts';

export interface ListenerOptions {
  /** `tcp://host:port`; port 0 takes a free one. With `configKey` in `modules.eventBus.listeners` also TLS, websocket and Unix sockets. */
  address: string;
  /** Where the address was configured; named in errors. */
  configKey?: string;
}

export interface Listener {
  /** The address that is served, with the real port. */
  readonly address: string;
  /** 0 for a Unix socket. */
  readonly port: number;
  /** Takes renewed certificate files into use for new connections. */
  renew?: () => void;
  close(): Promise<void>;
}

/** Whoever has come to a listener, before CONNECT. */
export interface Visitor {
  /** Address and port of the other side, `unix` for a Unix socket; for the log. */
  readonly remote: string;
  /** May stay without an account. */
  readonly anonymous: boolean;
  /** The client certificate that it showed. `fault`: it is not valid. */
  readonly certificate: { name: string; fault?: string } | undefined;
  /** To be called once it is known who it is: strangers are counted. */
  admitted(): void;
}

/** What one kind of server needs to know. */
export interface ServeDeps {
  endpoint: Endpoint;
  tls: TlsFiles | undefined;
  tally: Tally;
  doorway: Doorway;
  /** Longest frame of a websocket, bytes. */
  frameBytes: number;
  /** Pages that may open a websocket. */
  origins: readonly string[];
  accept(connection: Duplex, about: Pick<Visitor, 'remote' | 'certificate' | 'admitted'>): void;
}

export interface Serving {
  server: Server;
  renew?: () => void;
  /** Ends what the server does not end by itself. */
  end?(): void;
}

export interface ListenDeps {
  allowInsecure: boolean;
  requireAccounts: boolean;
  /** Accounts that there are. */
  accounts: number;
  tls: TlsFiles | undefined;
  tally: Tally;
  /** Connections over the network that are not admitted yet. */
  strangers: number;
  frameBytes: number;
  origins: readonly string[];
  accept(connection: Duplex, visitor: Visitor): void;
}

const DEFAULT_KEY = 'modules.eventBus.mqttServerInternal';
/** Owner and group: who is in the group of the service may come in. */
const SOCKET_MODE = 0o660;

/** Throws HiveletError CONFIG_INVALID, CERTIFICATES_UNUSABLE or PORT_IN_USE. */
export async function listen(options: ListenerOptions, deps: ListenDeps): Promise<Listener> {
  const written: Written = { address: options.address, key: options.configKey ?? DEFAULT_KEY };
  const endpoint = written.key === DEFAULT_KEY ? parsePlain(written) : parseListener(written);
  refuseOpenDoor(endpoint, { ...written, allowInsecure: deps.allowInsecure, accounts: deps.accounts });
  const local = isLocal(endpoint);
  const anonymous = !deps.requireAccounts && (local || !endpoint.tls);
  const doorway = new Doorway(local ? Infinity : deps.strangers, deps.tally);
  const serving = await serve({
    ...deps,
    endpoint,
    doorway,
    accept: (connection, about) => deps.accept(connection, { ...about, anonymous }),
  });
  await open(serving.server, endpoint, written);
  const bound = serving.server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  return {
    address: printEndpoint(endpoint, port),
    port,
    ...(serving.renew === undefined ? {} : { renew: serving.renew }),
    close: () =>
      new Promise((resolve) => {
        serving.server.close(() => resolve());
        serving.end?.();
        doorway.close();
      }),
  };
}

/** TLS and websockets are loaded when they are wanted: most boards have neither. */
async function serve(deps: ServeDeps): Promise<Serving> {
  if (deps.endpoint.transport === 'websocket') return (await import('./websocket-listener.ts')).serveWebsocket(deps);
  if (deps.endpoint.tls) return (await import('./tls-listener.ts')).serveTls(deps);
  const server = createServer({ noDelay: true }, (socket) => {
    if (!deps.doorway.enter(socket)) return;
    deps.accept(socket, { remote: remoteOf(socket), certificate: undefined, admitted: () => deps.doorway.admit(socket) });
  });
  return { server };
}

export function remoteOf({ remoteAddress, remotePort }: Socket): string {
  return remoteAddress === undefined ? 'unix' : `${remoteAddress.replace(/^::ffff:/, '')}:${String(remotePort ?? 0)}`;
}

async function open(server: Server, endpoint: Endpoint, written: Written): Promise<void> {
  if (endpoint.transport !== 'unix') return opened(server, { host: endpoint.host, port: endpoint.port }, written);
  const { path } = endpoint;
  if (await answers(path)) throw taken(written, 'unix:///run/hivelet/mqtt.sock');
  try {
    await opened(server, { path }, written);
    chmodSync(path, SOCKET_MODE);
  } catch (error) {
    server.close();
    throw error;
  }
}

/** What a killed process has left behind is taken away. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') rmSync(path, { force: true });
      resolve(false);
    });
  });
}

function opened(server: Server, where: { path: string } | { host: string; port: number }, written: Written): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => reject(explain(error, where, written));
    server.once('error', onError);
    server.listen(where, () => {
      server.removeListener('error', onError);
      resolve();
    });
  });
}

function explain(error: NodeJS.ErrnoException, where: { path: string } | { host: string; port: number }, written: Written): HiveletError {
  const { address, key } = written;
  if (error.code === 'EADDRINUSE') {
    if ('path' in where) return taken(written, 'unix:///run/hivelet/mqtt.sock', error);
    const scheme = /^[a-z]+/.exec(address)?.[0] ?? 'tcp';
    const other = where.port === 1885 || where.port === 8885 ? where.port + 1 : scheme === 'mqtts' ? 8885 : 1885;
    return taken(written, `${scheme}://${where.host.includes(':') ? `[${where.host}]` : where.host}:${String(other)}`, error);
  }
  return new HiveletError('CONFIG_INVALID', `${key} is ${address}, which cannot be listened on: ${error.message}`, {
    facts: { key, address },
    cause: error,
  });
}

function taken({ address, key }: Written, other: string, cause?: unknown): HiveletError {
  return new HiveletError(
    'PORT_IN_USE',
    `${address} (${key}) is already taken by another process; stop it, or choose another address with --set ${key}=${other}`,
    { facts: { key, address }, cause },
  );
}

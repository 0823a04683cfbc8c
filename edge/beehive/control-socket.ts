/** Owns the health end points of a process: `/healthz`, `/modules` and its own pages, on a Unix socket, on TCP only by configuration. */
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname } from 'node:path';
import { HiveletError, messageOf } from './errors.ts';
import type { Health } from './module.ts';

export interface ControlSocket {
  /** The port that is served, when `tcp` asked for one. */
  readonly tcpPort: number | undefined;
  /** Ends open connections; idempotent. */
  close(): Promise<void>;
}

export type HealthReport = { ok: boolean; modules: Record<string, Health> };

/** sockaddr_un holds 108 bytes, the last of which is 0. */
const LONGEST_PATH = 107;

export interface ControlSocketOptions {
  path: string;
  /** `host:port`, or '' for none. */
  tcp: string;
  report: () => HealthReport;
  /** Path of a page -> its content, shown as JSON. */
  pages?: ReadonlyMap<string, () => unknown>;
}

/** Throws CONFIG_INVALID for an address that is none, PORT_IN_USE for one that is taken. */
export async function openControlSocket(options: ControlSocketOptions): Promise<ControlSocket> {
  const { path, tcp } = options;
  const address = tcp === '' ? undefined : parseAddress(tcp);
  if (Buffer.byteLength(path) > LONGEST_PATH) {
    throw new HiveletError(
      'CONFIG_INVALID',
      `the path of the control socket ${path} is longer than ${String(LONGEST_PATH)} bytes: choose a shorter --data-dir`,
    );
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  rmSync(path, { force: true });
  const servers = [await listen(serve(options), { path })];
  const close = async (): Promise<void> => {
    await Promise.all(servers.splice(0).map(closeServer));
    rmSync(path, { force: true });
  };
  try {
    chmodSync(path, 0o600);
    if (address !== undefined) servers.push(await listen(serve(options), address));
  } catch (error) {
    await close();
    throw error;
  }
  return { tcpPort: (servers[1]?.address() as AddressInfo | undefined)?.port, close };
}

function serve({ report, pages = new Map() }: ControlSocketOptions): RequestListener {
  return (request, response) => {
    const health = report();
    const [path = ''] = (request.url ?? '').split('?');
    const page = pages.get(path);
    if (path === '/healthz') {
      response.writeHead(health.ok ? 200 : 503, { 'content-type': 'text/plain' }).end(health.ok ? 'ok' : 'not ok');
    } else if (path === '/modules') {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(health));
    } else if (page !== undefined) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(page()));
    } else response.writeHead(404, { 'content-type': 'text/plain' }).end(`try ${['/healthz', '/modules', ...pages.keys()].join(' or ')}`);
  };
}

/** Who asks and then does not read, or asks nothing, must not hold up a stop. */
function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function parseAddress(tcp: string): { host: string; port: number } {
  const [, host, port] = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s]+):(\d{1,5})$/.exec(tcp) ?? [];
  if (host === undefined || Number(port) > 65_535) {
    throw new HiveletError(
      'CONFIG_INVALID',
      `modules.control.listen is ${JSON.stringify(tcp)}: write HOST:PORT, for instance 127.0.0.1:8080`,
    );
  }
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

function listen(handler: RequestListener, where: { path: string } | { host: string; port: number }): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(handler);
    server.once('error', (error: NodeJS.ErrnoException) => {
      const text = 'path' in where ? where.path : `${where.host}:${String(where.port)}`;
      reject(
        error.code === 'EADDRINUSE'
          ? new HiveletError('PORT_IN_USE', `${text} is taken: choose another with --set modules.control.listen=127.0.0.1:PORT`, {
              cause: error,
            })
          : new HiveletError('CONFIG_INVALID', `cannot listen on ${text}: ${messageOf(error)}`, { cause: error }),
      );
    });
    server.listen(where, () => resolve(server));
    server.unref();
  });
}

/** Owns the health end points of a process: `/healthz` and `/modules` on a Unix socket, on TCP only by configuration. */
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { dirname } from 'node:path';
import { HiveletError, messageOf } from './errors.ts';
import type { Health } from './module.ts';

export interface ControlSocket {
  close(): Promise<void>;
}

export type HealthReport = { ok: boolean; modules: Record<string, Health> };

/** `tcp`: `host:port`, or '' for none. Throws PORT_IN_USE. */
export async function openControlSocket(options: { path: string; tcp: string; report(): HealthReport }): Promise<ControlSocket> {
  const { path, tcp, report } = options;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  rmSync(path, { force: true });
  const servers = [await listen(serve(report), { path })];
  chmodSync(path, 0o600);
  if (tcp !== '') {
    const [host = '127.0.0.1', port = ''] = tcp.split(/:(?=\d+$)/);
    servers.push(await listen(serve(report), { host, port: Number(port) }));
  }
  return {
    close: async () => {
      await Promise.all(servers.map((server) => new Promise<void>((resolve) => void server.close(() => resolve()))));
      rmSync(path, { force: true });
    },
  };
}

function serve(report: () => HealthReport): RequestListener {
  return (request, response) => {
    const health = report();
    if (request.url === '/healthz') {
      response.writeHead(health.ok ? 200 : 503, { 'content-type': 'text/plain' }).end(health.ok ? 'ok' : 'not ok');
    } else if (request.url === '/modules') {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(health));
    } else response.writeHead(404, { 'content-type': 'text/plain' }).end('try /healthz or /modules');
  };
}

function listen(handler: RequestListener, where: { path: string } | { host: string; port: number }): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ keepAlive: false }, handler);
    server.once('error', (error: NodeJS.ErrnoException) => {
      const text = 'path' in where ? where.path : `${where.host}:${String(where.port)}`;
      reject(
        error.code === 'EADDRINUSE'
          ? new HiveletError('PORT_IN_USE', `${text} is taken: choose another with --set modules.control.listen=127.0.0.1:PORT`, {
              cause: error,
            })
          : new HiveletError('INTERNAL', `cannot listen on ${text}: ${messageOf(error)}`, { cause: error }),
      );
    });
    server.listen(where, () => resolve(server));
    server.unref();
  });
}

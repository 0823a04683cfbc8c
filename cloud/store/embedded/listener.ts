/** Owns the TLS listener of the API server: its limits, and what is said when it cannot listen. */
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import { HiveletError, messageOf } from '#beehive/errors.ts';

/** Go clients reuse idle connections for 90 s: we must not close them first. */
const KEEP_ALIVE_MS = 120_000;
const REQUEST_MS = 60_000;
/** Node's own is two minutes. */
const HANDSHAKE_MS = 10_000;
const MOST_CONNECTIONS = 4096;

/** PEM texts; client certificates are asked for when there is a `ca` to check them with. Throws `HiveletError` CONFIG_INVALID. */
export function createListener({ cert, key, ca }: { cert: string; key: string; ca?: string }): Server {
  try {
    const server = createServer({
      cert,
      key,
      minVersion: 'TLSv1.3',
      keepAliveTimeout: KEEP_ALIVE_MS,
      handshakeTimeout: HANDSHAKE_MS,
      ...(ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: false }),
    });
    server.headersTimeout = KEEP_ALIVE_MS + 5000;
    server.requestTimeout = REQUEST_MS;
    server.maxConnections = MOST_CONNECTIONS;
    return server;
  } catch (cause) {
    throw new HiveletError('CONFIG_INVALID', `the certificate or key of the API server cannot be used: ${messageOf(cause)}`, { cause });
  }
}

export function listenFailure({ host, port }: { host: string; port: number }, cause: NodeJS.ErrnoException): HiveletError {
  if (cause.code !== 'EADDRINUSE')
    return new HiveletError('CONFIG_INVALID', `cannot listen on ${host}:${port}: ${cause.message}`, { cause });
  return new HiveletError(
    'PORT_IN_USE',
    `${host}:${port} is already taken: choose another with --set modules.apiServer.listen=${host}:PORT`,
    {
      cause,
      facts: { host, port },
    },
  );
}

/** Header values must stay on one line of ASCII. */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 500);
}

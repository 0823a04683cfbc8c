/** Owns MQTT over TLS, and what a TLS handshake tells of a client. */
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import type { Socket } from 'node:net';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import { remoteOf, type ServeDeps, type Serving, type Visitor } from './listener.ts';
import { readTls, stampOf, type TlsFiles } from './tls-files.ts';

const HANDSHAKE_MS = 10_000;

export function serveTls(deps: ServeDeps): Serving {
  const files = filesOf(deps);
  const server = createServer({ ...tlsOptions(files), noDelay: true }, (socket) => {
    deps.accept(socket, { remote: remoteOf(socket), certificate: certificateOf(socket), admitted: () => deps.doorway.admit(socket) });
  });
  guardHandshakes(server, deps);
  return { server, renew: renewing(server, files, deps) };
}

/** Shared with websockets, whose server is a TLS server too. */
export function tlsOptions(files: TlsFiles): TlsOptions {
  // A client without a certificate may still have a password: CONNECT decides, not the handshake.
  return { ...readTls(files), requestCert: files.clientCaFile !== '', rejectUnauthorized: false, handshakeTimeout: HANDSHAKE_MS };
}

/** Looks whether a file has changed; one that cannot be used changes nothing. */
export function renewing(server: Pick<Server, 'setSecureContext'>, files: TlsFiles, { tally }: ServeDeps): () => void {
  let stamp = stampOf(files);
  return () => {
    const now = stampOf(files);
    if (now === stamp) return;
    stamp = now;
    try {
      server.setSecureContext(readTls(files));
    } catch (error) {
      tally.count('mqtt.tls.unusable', { error: messageOf(error) });
    }
  };
}

/** Counts sockets from the first byte on, not from the end of a handshake that may never come. */
export function guardHandshakes(server: Pick<Server, 'on' | 'prependListener'>, { doorway, tally }: ServeDeps): void {
  server.prependListener('connection', (socket: Socket) => void doorway.enter(socket));
  server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
    tally.count('mqtt.tls.failed', { remote: socket.remoteAddress, error: messageOf(error) });
    socket.destroy();
  });
  // Below it is the socket that was counted.
  server.prependListener('secureConnection', (socket: TLSSocket & { _parent?: Socket }) => doorway.replace(socket._parent, socket));
}

export function certificateOf(socket: TLSSocket): Visitor['certificate'] {
  const { subject } = socket.getPeerCertificate() as { subject?: { CN?: unknown } };
  if (subject === undefined) return undefined;
  const name = typeof subject.CN === 'string' ? subject.CN : '';
  if (!socket.authorized) return { name, fault: String(socket.authorizationError) };
  return name === '' ? { name, fault: 'it has no common name' } : { name };
}

export function filesOf({ tls, endpoint }: ServeDeps): TlsFiles {
  if (tls !== undefined) return tls;
  const port = endpoint.transport === 'unix' ? 0 : endpoint.port;
  throw new HiveletError('CONFIG_INVALID', `the listener on port ${String(port)} needs modules.eventBus.listenerTLS.tlsCertFile`);
}

/** Owns MQTT over websockets (MQTT 3.1.1 section 6), with and without TLS. */
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { remoteOf, type ServeDeps, type Serving, type Visitor } from './listener.ts';
import { certificateOf, filesOf, guardHandshakes, renewing, tlsOptions } from './tls-listener.ts';

const REQUEST_MS = 10_000;
const SUBPROTOCOLS = ['mqtt', 'mqttv3.1'];

export function serveWebsocket(deps: ServeDeps): Serving {
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: true,
    maxPayload: deps.frameBytes,
    perMessageDeflate: false,
    handleProtocols: (offered) => SUBPROTOCOLS.find((known) => offered.has(known)) ?? false,
  });
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => socket.destroy());
    const fault = refusal(request, deps.origins);
    if (fault !== undefined) {
      deps.tally.count('mqtt.connection.refused', { remote: request.socket.remoteAddress, reason: fault.reason });
      socket.end(`HTTP/1.1 ${fault.status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (websocket) => {
      // An error is followed by the end of the stream, which the broker sees.
      websocket.on('error', () => undefined);
      deps.accept(createWebSocketStream(websocket), visitorOf(request, deps));
    });
  };
  const end = (): void => {
    for (const websocket of sockets.clients) websocket.terminate();
    sockets.close();
  };
  const server = createServer(deps, upgrade);
  return { ...server, end };
}

function createServer(deps: ServeDeps, upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void): Serving {
  const limits = { headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS, noDelay: true };
  const answer = (_request: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(426, { connection: 'close', upgrade: 'websocket', 'content-type': 'text/plain' }).end('MQTT over websocket only\n');
  };
  if (!deps.endpoint.tls) {
    const server = createHttp(limits, answer).on('upgrade', upgrade);
    server.prependListener('connection', (socket: Socket) => void deps.doorway.enter(socket));
    return { server };
  }
  const files = filesOf(deps);
  const server = createHttps({ ...limits, ...tlsOptions(files) }, answer).on('upgrade', upgrade);
  guardHandshakes(server, deps);
  return { server, renew: renewing(server, files, deps) };
}

function visitorOf({ socket }: IncomingMessage, deps: ServeDeps): Pick<Visitor, 'remote' | 'certificate' | 'admitted'> {
  const certificate = socket instanceof TLSSocket ? certificateOf(socket) : undefined;
  return { remote: remoteOf(socket), certificate, admitted: () => deps.doorway.admit(socket) };
}

/** Any page in a browser may try 127.0.0.1: it names its origin, which programs do not. */
function refusal({ headers }: IncomingMessage, origins: readonly string[]): { status: string; reason: string } | undefined {
  const { origin } = headers;
  if (origin !== undefined && !origins.includes(origin)) {
    return { status: '403 Forbidden', reason: `pages of ${origin.slice(0, 200)} are not in modules.eventBus.websocketOrigins` };
  }
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  if (offered.some((name) => SUBPROTOCOLS.includes(name))) return undefined;
  return { status: '400 Bad Request', reason: 'the websocket does not offer the subprotocol mqtt' };
}

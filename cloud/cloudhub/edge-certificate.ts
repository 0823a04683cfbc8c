/** Owns `GET /edge.crt`: a certificate request in the body of a GET (as KubeEdge's edges send it), read within bounds, answered with a certificate. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { peerOf, type Peer } from './peer.ts';

/** What a board asks with. Headers that are absent are ''. */
export interface EnrolRequest {
  address: string;
  peer: Peer;
  authorization: string;
  nodeName: string;
  usages: string;
  body: Buffer;
}

/** Text is one sentence, bytes are a certificate in DER. */
export interface EnrolAnswer {
  status: number;
  body: string | Buffer;
  retryAfterS?: number;
}

/** Must not reject. */
export type Enrol = (request: EnrolRequest) => Promise<EnrolAnswer>;

/** A request with an RSA key of 8192 bits has 3 KiB. */
const MAX_BODY = 16 * 1024;

export function answerEnrolment({
  request,
  response,
  enrol,
  authorities,
}: {
  request: IncomingMessage;
  response: ServerResponse;
  enrol: Enrol;
  /** PEM: who may have signed a certificate that ended. */
  authorities: string;
}): void {
  const chunks: Buffer[] = [];
  let size = 0;
  request.on('error', () => response.destroy());
  request.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= MAX_BODY) chunks.push(chunk);
    else if (!response.headersSent)
      send(response, { status: 413, body: `the body has more than ${MAX_BODY} bytes: it is to be one certificate request` });
  });
  request.on('end', () => {
    if (response.headersSent) return;
    void enrol(read(request, { authorities, body: Buffer.concat(chunks) })).then((answer) => send(response, answer));
  });
}

function read(request: IncomingMessage, { authorities, body }: { authorities: string; body: Buffer }): EnrolRequest {
  const text = (name: string): string => {
    const value = request.headers[name];
    return typeof value === 'string' ? value : '';
  };
  return {
    address: request.socket.remoteAddress ?? '',
    peer: peerOf(request.socket, authorities),
    authorization: text('authorization'),
    nodeName: text('nodename'),
    usages: text('extkeyusages'),
    body,
  };
}

function send(response: ServerResponse, { status, body, retryAfterS }: EnrolAnswer): void {
  if (response.destroyed) return;
  const isText = typeof body === 'string';
  response.writeHead(status, {
    'Content-Type': isText ? 'text/plain; charset=utf-8' : 'application/octet-stream',
    ...(retryAfterS === undefined ? {} : { 'Retry-After': String(retryAfterS) }),
    // What is left of a body that is too long is not read.
    ...(status === 413 ? { Connection: 'close' } : {}),
  });
  response.end(isText ? `${body}\n` : body);
}

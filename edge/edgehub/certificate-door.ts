/** Owns asking the certificate port of a cloud, ours or KubeEdge's, with the certificate that this board has: the TLS handshake proves its key. */
import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Credentials } from './credential-files.ts';

export interface DoorRequest {
  /** `https://host:port`. */
  url: string;
  node: string;
  credentials: Credentials;
  /** PKCS#10, DER. */
  body: Buffer;
  signal: AbortSignal;
}

const TIMEOUT_MS = 20_000;
const MAX_ANSWER = 64 * 1024;

/** Throws LINK_CLOSED with one sentence; the cloud's own when it refuses. */
export async function askDoor(asked: DoorRequest): Promise<X509Certificate> {
  const { status, body } = await exchange(asked);
  if (status === 200 && body.length > 0) {
    try {
      return new X509Certificate(body);
    } catch (cause) {
      throw new HiveletError('LINK_CLOSED', `${asked.url} answered with what is no certificate`, { cause });
    }
  }
  const [line = ''] = body.toString('utf8').trim().split('\n');
  throw new HiveletError('LINK_CLOSED', `${asked.url} refused: ${line.slice(0, 500) || `HTTP ${String(status)}`}`);
}

/** Port 10002 of the first server of the link, where no other URL is set. */
export function doorOf(configured: string, server: string): string {
  if (configured !== '') return configured.replace(/\/+$/, '');
  return `https://${server.replace(/:\d+$/, '')}:10002`;
}

function exchange({ url, node, credentials, body, signal }: DoorRequest): Promise<{ status: number; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void =>
      reject(
        signal.aborted
          ? (signal.reason as Error)
          : new HiveletError('LINK_CLOSED', `${url} cannot be asked: ${messageOf(cause)}`, { cause }),
      );
    const request = httpsRequest(
      `${url}/edge.crt`,
      {
        ...credentials,
        agent: false,
        minVersion: 'TLSv1.2',
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
        // KubeEdge takes the request in the body of a GET, which needs its length.
        headers: { NodeName: node, 'Content-Length': String(body.length) },
      },
      (response) => {
        wholeAnswer(response).then((whole) => resolve({ status: response.statusCode ?? 0, body: whole }), fail);
      },
    );
    request.on('error', fail);
    request.end(body);
  });
}

/** Rejects when it ends early or is longer than any certificate; the connection is closed then. */
export async function wholeAnswer(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER) throw new Error('its answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

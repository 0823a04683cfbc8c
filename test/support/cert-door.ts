/** Owns asking the certificate port as a board does, KubeEdge's way: a request in the body of a GET. */
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { createRequest } from '#cloud/pki/certificates.ts';

export interface DoorAnswer {
  status: number;
  body: Buffer;
  text: string;
  headers: Record<string, string | string[] | undefined>;
}

export interface DoorRequest {
  port: number;
  path?: string;
  method?: string;
  body?: Buffer;
  headers?: Record<string, string>;
  /** Of the client, PEM. */
  cert?: string | undefined;
  key?: string | undefined;
  more?: RequestOptions;
}

export function askDoor({
  port,
  path = '/edge.crt',
  method = 'GET',
  body,
  headers = {},
  cert,
  key,
  more = {},
}: DoorRequest): Promise<DoorAnswer> {
  const credential = cert === undefined || key === undefined ? {} : { cert, key };
  const length = body === undefined ? {} : { 'Content-Length': String(body.length) };
  const options = {
    host: '127.0.0.1',
    port,
    path,
    method,
    headers: { ...length, ...headers },
    rejectUnauthorized: false,
    agent: false as const,
  };
  return new Promise((resolve, reject) => {
    const request = httpsRequest({ ...options, ...credential, ...more }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const all = Buffer.concat(chunks);
        resolve({ status: response.statusCode ?? 0, body: all, text: all.toString('utf8').trim(), headers: response.headers });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** A new key and a request for it. */
export async function newRequest(subject = 'whatever'): Promise<{ key: string; request: Buffer }> {
  return createRequest(subject);
}

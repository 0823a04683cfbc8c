/** Owns reading a request off the wire: the head first, so that who may not is told without sending a body. */
import type { IncomingMessage } from 'node:http';
import { PERSIST_HEADER } from '../kube-api.ts';
import type { ApiRequest, User } from './api-request.ts';
import { mediaTypeOf } from './negotiation.ts';
import { PROTOBUF_TYPE } from './protobuf/decode.ts';
import { badRequest } from './status.ts';

const PERSIST = PERSIST_HEADER.toLowerCase();

export type RequestHead = Omit<ApiRequest, 'body' | 'bytes'>;

/** Throws 400. */
export function headOf(incoming: IncomingMessage, user: User): RequestHead {
  const { headers } = incoming;
  const url = incoming.url ?? '/';
  const at = url.indexOf('?');
  const path = at < 0 ? url : url.slice(0, at);
  return {
    method: incoming.method ?? 'GET',
    segments: path
      .split('/')
      .filter((part) => part !== '')
      .map(decode),
    query: new URLSearchParams(at < 0 ? '' : url.slice(at + 1)),
    accept: headers.accept ?? '',
    contentType: headers['content-type'] ?? '',
    user,
    userAgent: headers['user-agent'] ?? '',
    persistLater: headers[PERSIST] === 'later',
  };
}

export function withBody(head: RequestHead, body: Buffer): ApiRequest {
  const binary = mediaTypeOf(head.contentType) === PROTOBUF_TYPE;
  return binary ? { ...head, body: '', bytes: body } : { ...head, body: body.toString('utf8') };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw badRequest(`the path has an invalid escape: ${part}`);
  }
}

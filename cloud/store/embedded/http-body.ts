/** Owns bodies on the wire: reading one within its limit, sending a long one in pieces. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tooLarge } from './status.ts';

const BODY_LIMIT = 3 * 1024 * 1024;
const PATIENCE = 4;
/** A list of thousands of objects is megabytes: sent at once, it would be held three times over, and the memory kept. */
const PIECE = 64 * 1024;

/** Throws 413. */
export async function readBody(incoming: IncomingMessage): Promise<Buffer> {
  if (incoming.method === 'GET' || incoming.method === 'HEAD') return Buffer.alloc(0);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    // A client that is still sending does not read an answer: what is a little too long is read to its end.
    if (size > BODY_LIMIT * PATIENCE) throw tooLarge(BODY_LIMIT);
    if (size <= BODY_LIMIT) chunks.push(chunk);
  }
  if (size > BODY_LIMIT) throw tooLarge(BODY_LIMIT);
  return Buffer.concat(chunks);
}

/** After the headers; ends the response. Resolves when all was handed to the connection, or that closed. */
export async function sendBody(response: ServerResponse, body: string): Promise<void> {
  let at = 0;
  while (body.length - at > PIECE && !response.destroyed) {
    const end = at + PIECE + (isHighSurrogate(body.charCodeAt(at + PIECE - 1)) ? 1 : 0);
    const flushed = response.write(body.slice(at, end));
    at = end;
    if (!flushed) await drained(response);
  }
  response.end(body.slice(at));
}

/** The same with a text that is made as it is sent; others have their turn between two pieces. */
export async function sendPieces(response: ServerResponse, pieces: Iterable<string>): Promise<void> {
  let waiting = '';
  for (const piece of pieces) {
    waiting += piece;
    if (waiting.length < PIECE) continue;
    if (response.destroyed) return;
    const flushed = response.write(waiting);
    waiting = '';
    await (flushed ? nextTurn() : drained(response));
  }
  response.end(waiting);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.once('drain', done);
    response.once('close', done);
  });
}

/** Owns what the verbs see of a request and give as an answer: no sockets here. */

export interface User {
  name: string;
  uid?: string;
  groups: readonly string[];
  extra?: Readonly<Record<string, readonly string[]>>;
}

export interface ApiRequest {
  method: string;
  /** Decoded segments of the path. */
  segments: readonly string[];
  query: URLSearchParams;
  accept: string;
  contentType: string;
  /** Text of the body; empty where it is protobuf. */
  body: string;
  /** The body where it is protobuf. */
  bytes?: Uint8Array;
  user: User;
  userAgent: string;
  /** The writer says that it would say this again after a crash. */
  persistLater: boolean;
}

/** Where a stream goes; writing after its end does nothing. */
export interface StreamOut {
  write(text: string): void;
  end(): void;
}

export interface PlainAnswer {
  status: number;
  contentType: string;
  headers?: Record<string, string>;
  warnings?: readonly string[];
  body: string;
  /** Instead of `body` where that is no text. */
  bytes?: Buffer;
  /** Instead of `body` where that would be long: read as it is sent, in one go. */
  pieces?: Iterable<string>;
  /** The name of the object that it made. */
  created?: string;
}

/** `start` is called once when the headers are out; what it returns is called when the stream is over. */
export interface StreamAnswer {
  contentType: string;
  start: (out: StreamOut) => () => void;
}

export type ApiAnswer = PlainAnswer | StreamAnswer;

export const JSON_TYPE = 'application/json';

export function jsonAnswer(status: number, body: unknown, warnings: readonly string[] = []): PlainAnswer {
  return { status, contentType: JSON_TYPE, body: typeof body === 'string' ? body : JSON.stringify(body), warnings };
}

export function textAnswer(status: number, body: string): PlainAnswer {
  return { status, contentType: 'text/plain; charset=utf-8', body };
}

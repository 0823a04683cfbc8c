/** Owns the beehive message: the unit of everything that crosses the link and the bus (reference/beehive-message.md). */
import { randomUUID } from 'node:crypto';
import { HiveletError, messageOf } from '#beehive/errors.ts';

/** Deepest nesting of brackets that is read: JSON.parse takes any depth, but whoever writes such a value again runs out of stack. */
const MAX_DEPTH = 200;
const [QUOTE, BACKSLASH, BRACKET, BRACE] = [34, 92, 91, 123] as const;

export interface Header {
  msg_id: string;
  parent_msg_id?: string;
  /** Unix ms of creation. */
  timestamp: number;
  resourceversion?: string;
  /** Ours: how `content` is coded when it is not plain JSON. Old peers ignore it. */
  encoding?: 'base64';
}

export interface Route {
  source: string;
  destination?: string;
  group: string;
  operation: string;
  resource: string;
}

export interface BeehiveMessage {
  header: Header;
  route: Route;
  content: unknown;
}

export interface NewMessage extends Route {
  content?: unknown;
  resourceVersion?: string;
  parentId?: string;
  encoding?: 'base64';
}

export function createMessage(now: number, fields: NewMessage): BeehiveMessage {
  const { content = null, resourceVersion, parentId, encoding, ...route } = fields;
  return {
    header: {
      msg_id: randomUUID(),
      ...(parentId === undefined ? {} : { parent_msg_id: parentId }),
      timestamp: now,
      ...(resourceVersion === undefined ? {} : { resourceversion: resourceVersion }),
      ...(encoding === undefined ? {} : { encoding }),
    },
    route,
    content,
  };
}

/** A response keeps source, group and resource of the request. `error` responses carry a text that is no acknowledgement. */
export function responseTo(
  request: BeehiveMessage,
  now: number,
  answer: { content?: unknown; operation?: 'response' | 'error' } = {},
): BeehiveMessage {
  const { source, group, resource } = request.route;
  return createMessage(now, {
    source,
    group,
    resource,
    operation: answer.operation ?? 'response',
    content: answer.content ?? 'OK',
    parentId: request.header.msg_id,
  });
}

/** Text frame for the websocket. */
export function encodeFrame(message: BeehiveMessage): string {
  return JSON.stringify(message);
}

/** Reads a text or binary frame; every member of `route` may be missing, unknown keys are ignored. Throws FRAME_INVALID. */
export function decodeFrame(frame: string | Buffer): BeehiveMessage {
  let parsed: unknown;
  const json = typeof frame === 'string' ? frame : frame.toString('utf8');
  if (nestsTooDeep(json)) throw new HiveletError('FRAME_INVALID', `the frame nests deeper than ${String(MAX_DEPTH)} levels`);
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    throw new HiveletError('FRAME_INVALID', `the frame is not JSON: ${messageOf(error)}`);
  }
  if (!isRecord(parsed)) throw new HiveletError('FRAME_INVALID', 'the frame is not a JSON object');
  const header = isRecord(parsed['header']) ? parsed['header'] : {};
  const route = isRecord(parsed['route']) ? parsed['route'] : {};
  const id = header['msg_id'];
  if (typeof id !== 'string' || id === '') throw new HiveletError('FRAME_INVALID', 'header.msg_id is missing');
  const parent = text(header['parent_msg_id']);
  const version = text(header['resourceversion']);
  return {
    header: {
      msg_id: id,
      timestamp: Number.isSafeInteger(header['timestamp']) ? Number(header['timestamp']) : 0,
      ...(parent === '' ? {} : { parent_msg_id: parent }),
      ...(version === '' ? {} : { resourceversion: version }),
      ...(header['encoding'] === 'base64' ? { encoding: 'base64' as const } : {}),
    },
    route: {
      source: text(route['source']),
      group: text(route['group']),
      operation: text(route['operation']),
      resource: text(route['resource']),
    },
    content: parsed['content'] ?? null,
  };
}

/** Content may arrive as an object, as JSON text, or as base64 of JSON text (Go byte slices). Undefined when it is none of these. */
export function contentObject(content: unknown): Record<string, unknown> | undefined {
  if (isRecord(content)) return content;
  if (typeof content !== 'string') return undefined;
  return (
    parseRecord(content) ??
    (/^[A-Za-z0-9+/]+={0,2}$/.test(content) ? parseRecord(Buffer.from(content, 'base64').toString('utf8')) : undefined)
  );
}

function parseRecord(json: string): Record<string, unknown> | undefined {
  if (nestsTooDeep(json)) return undefined;
  try {
    const value: unknown = JSON.parse(json);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function nestsTooDeep(json: string): boolean {
  if (json.length <= MAX_DEPTH) return false;
  let depth = 0;
  let inText = false;
  for (let index = 0; index < json.length; index++) {
    const code = json.charCodeAt(index);
    if (inText) {
      if (code === BACKSLASH) index++;
      else if (code === QUOTE) inText = false;
    } else if (code === QUOTE) inText = true;
    else if (code === BRACE || code === BRACKET) {
      if (++depth > MAX_DEPTH) return true;
    } else if (code === BRACE + 2 || code === BRACKET + 2) depth--;
  }
  return false;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Owns media types: which form the client accepts, and reading a request body. */
import { goJsonError } from './go-json-error.ts';
import { isRecord } from './json-value.ts';
import type { JsonRecord } from './json-value.ts';
import { messageOf } from '#beehive/errors.ts';
import type { ApiRequest } from './api-request.ts';
import { PROTOBUF_TYPE, decodeProtobuf } from './protobuf/decode.ts';
import { badRequest, notAcceptable, unsupportedMediaType } from './status.ts';

/** `object` as stored, `table` for kubectl get, `partial` metadata only. */
export type Form = 'object' | 'table' | 'partial';

export interface MediaType {
  type: string;
  parameters: Map<string, string>;
}

export function parseMediaTypes(header: string): MediaType[] {
  return header
    .split(',')
    .map((entry) => {
      const [type = '', ...rest] = entry.split(';').map((part) => part.trim());
      const parameters = rest.map((part): [string, string] => {
        const at = part.indexOf('=');
        return at < 0 ? [part, ''] : [part.slice(0, at), part.slice(at + 1)];
      });
      return { type: type.toLowerCase(), parameters: new Map(parameters) };
    })
    .filter(({ type }) => type !== '');
}

/** The first entry that we can answer decides. Throws 406. */
export function formOf(accept: string): Form {
  if (accept === '') return 'object';
  for (const { type, parameters } of parseMediaTypes(accept)) {
    if (type === '*/*' || type === 'application/*') return 'object';
    if (type !== 'application/json') continue;
    const as = parameters.get('as');
    if (as === undefined) return 'object';
    if (parameters.get('g') !== 'meta.k8s.io') continue;
    if (as === 'Table') return 'table';
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return 'partial';
  }
  throw notAcceptable();
}

/** The version of aggregated discovery that the client prefers; undefined = the plain form. */
export function aggregatedVersion(accept: string): string | undefined {
  for (const { type, parameters } of parseMediaTypes(accept)) {
    if (type !== 'application/json') continue;
    if (parameters.get('as') !== 'APIGroupDiscoveryList') return undefined;
    const version = parameters.get('v');
    if (version === 'v2' || version === 'v2beta1') return version;
  }
  return undefined;
}

const READABLE = ['application/json', 'application/yaml', PROTOBUF_TYPE];
const DEEPEST = 256;

export function mediaTypeOf(contentType: string): string {
  return (contentType.split(';')[0] ?? '').trim().toLowerCase();
}

/** The body of a POST or PUT. Throws 400 or 415. `kind` is named in messages. */
export async function readObject(request: ApiRequest, kind: { kind: string; custom: boolean }): Promise<JsonRecord> {
  const value = await readDocument(request, kind);
  if (isRecord(value)) return value;
  throw unreadable(
    kind.kind,
    "couldn't get version/kind; json parse error: json: cannot unmarshal into Go value of type struct",
    request.body,
  );
}

async function readDocument(
  { contentType, body, bytes }: ApiRequest,
  { kind, custom }: { kind: string; custom: boolean },
): Promise<unknown> {
  const type = mediaTypeOf(contentType);
  if (type === 'application/yaml') return parseYaml(body);
  if (type === PROTOBUF_TYPE) {
    if (custom) {
      const shown = Buffer.from((bytes ?? Buffer.from(body)).subarray(0, 30)).toString('hex');
      throw badRequest(`the object provided is unrecognized (must be of type ${kind}): empty body (${shown})`);
    }
    return decodeProtobuf(bytes ?? new Uint8Array());
  }
  if (type !== '' && type !== 'application/json') throw unsupportedMediaType(READABLE);
  try {
    return parseJson(body);
  } catch (error) {
    throw unreadable(kind, `couldn't get version/kind; json parse error: ${goJsonError(error, body)}`, body);
  }
}

function unreadable(kind: string, why: string, body: string): Error {
  const shown = body === '' ? '<empty>' : body.slice(0, 100);
  return badRequest(`the object provided is unrecognized (must be of type ${kind}): ${why} (${shown})`);
}

/** Throws an Error for what is not JSON, or nested so deep that walking it would end the stack. */
export function parseJson(text: string): unknown {
  if (text.trim() === '') throw new Error('unexpected end of JSON input');
  if (nestsDeeper(text, DEEPEST)) throw new Error(`nested deeper than ${DEEPEST} levels`);
  return JSON.parse(text);
}

function nestsDeeper(text: string, limit: number): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (quoted) {
      if (code === 0x5c) at += 1;
      else if (code === 0x22) quoted = false;
    } else if (code === 0x22) quoted = true;
    else if (code === 0x7b || code === 0x5b) {
      depth += 1;
      if (depth > limit) return true;
    } else if (code === 0x7d || code === 0x5d) depth -= 1;
  }
  return false;
}

/** YAML 1.1 as kubectl reads it: bare `on` and `yes` are booleans. Loaded with the first YAML body only. */
export async function parseYaml(text: string): Promise<unknown> {
  const { parse } = await import('#beehive/yaml.ts');
  try {
    // Through JSON: dates become texts, keys become texts.
    return parseJson(JSON.stringify(parse(text, { version: '1.1', maxAliasCount: 100 }) ?? null));
  } catch (error) {
    throw badRequest(`error converting YAML to JSON: ${messageOf(error)}`);
  }
}

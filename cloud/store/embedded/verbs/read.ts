/** Owns get and list: versions, pages and continue tokens. */
import type { ApiAnswer, ApiRequest } from '../api-request.ts';
import { jsonAnswer } from '../api-request.ts';
import type { Engine, ItemTarget, Target } from '../engine.ts';
import { goJsonError } from '../go-json-error.ts';
import { isRecord } from '../json-value.ts';
import { formOf } from '../negotiation.ts';
import { badRequest, expired, forbiddenField, invalid, notFound, refuse, unsupportedValue } from '../status.ts';
import { keyIn } from '../stored-object.ts';
import type { StoredObject } from '../stored-object.ts';
import { filterOf, hasSelectors } from './filter.ts';
import { includeObjectOf, listAnswer, renderObject } from './render.ts';
import type { ListMeta } from './render.ts';

/** How long a list at a version of the future waits for it. */
const FUTURE_MS = 3000;

export async function getObject(engine: Engine, target: ItemTarget, request: ApiRequest): Promise<ApiAnswer> {
  const form = formOf(request.accept);
  const notOlderThan = readVersion(request.query.get('resourceVersion') ?? '');
  if (notOlderThan !== undefined) await waitFor(engine, notOlderThan);
  while (engine.store.pending !== undefined) await engine.store.pending;
  const { kind } = target;
  const stored = engine.store.get(kind.resource, target.namespace ?? '', target.name);
  if (stored === undefined) throw notFound(kind, target.name);
  const includeObject = includeObjectOf(request.query);
  return jsonAnswer(200, renderObject(stored, { kind, form, includeObject, nowMs: engine.clock.now() }));
}

export async function listObjects(engine: Engine, target: Target, request: ApiRequest): Promise<ApiAnswer> {
  const { kind, namespace } = target;
  const { query } = request;
  const form = formOf(request.accept);
  const includeObject = includeObjectOf(query);
  const filter = filterOf(kind, { namespace, query });
  readSeconds(query.get('timeoutSeconds') ?? '');
  const page = readPage(query);
  if (page.notOlderThan !== undefined) await waitFor(engine, page.notOlderThan);
  while (engine.store.pending !== undefined) await engine.store.pending;
  const revision = page.at ?? engine.store.revision;
  const all = page.at === undefined ? engine.store.list(kind.resource, namespace) : engine.store.listAt(kind.resource, page.at, namespace);
  if (all === undefined) throw forgotten(page, engine.store.revision);
  const rest = page.after === undefined ? all : all.slice(firstBehind(all, page.after));
  const { items, left } = cut(rest, { filter, limit: page.limit });
  const metadata: ListMeta = { resourceVersion: String(revision) };
  const last = items.at(-1);
  if (left > 0 && last !== undefined) {
    metadata.continue = tokenOf(revision, keyIn(last.namespace, last.name));
    if (!hasSelectors(query)) metadata.remainingItemCount = left;
  }
  return listAnswer(items, metadata, { kind, form, includeObject, nowMs: engine.clock.now() });
}

/** The index of the first object whose key is behind `key`. */
function firstBehind(all: readonly StoredObject[], key: string): number {
  let low = 0;
  let high = all.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const found = all[middle];
    if (found !== undefined && keyIn(found.namespace, found.name) > key) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The first matches, and how many objects come behind them. */
function cut(
  rest: StoredObject[],
  { filter, limit }: { filter: (stored: StoredObject) => boolean; limit: number },
): { items: StoredObject[]; left: number } {
  if (limit === 0) return { items: rest.filter(filter), left: 0 };
  const items: StoredObject[] = [];
  for (const [index, stored] of rest.entries()) {
    if (!filter(stored)) continue;
    if (items.length === limit) return { items, left: rest.length - index };
    items.push(stored);
  }
  return { items, left: 0 };
}

interface Page {
  /** 0 = everything. */
  limit: number;
  /** The state at exactly this revision; undefined = now. */
  at: number | undefined;
  /** Objects behind this key. */
  after: string | undefined;
  notOlderThan: number | undefined;
}

function readPage(query: URLSearchParams): Page {
  const token = query.get('continue') ?? '';
  const version = query.get('resourceVersion') ?? '';
  const match = query.get('resourceVersionMatch') ?? '';
  const limit = readLimit(query.get('limit') ?? '');
  checkMatch(match, { version, token });
  if (token !== '') {
    if (version !== '' && version !== '0') throw badRequest('specifying resource version is not allowed when using continue');
    return { limit, notOlderThan: undefined, ...readToken(token) };
  }
  const wanted = readVersion(version);
  if (wanted === undefined || wanted === 0)
    return { limit: wanted === 0 ? 0 : limit, at: undefined, after: undefined, notOlderThan: undefined };
  const exact = match === 'Exact' || (match === '' && limit > 0);
  return { limit, at: exact ? wanted : undefined, after: undefined, notOlderThan: wanted };
}

function readLimit(text: string): number {
  if (text === '') return 0;
  if (/^-?\d+$/.test(text)) return Math.max(0, Number(text));
  throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
}

/** `timeoutSeconds`; 0 when absent. Throws 400. */
export function readSeconds(text: string): number {
  if (text === '') return 0;
  if (/^-?\d{1,9}$/.test(text)) return Math.max(0, Number(text));
  throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
}

/** Undefined when absent. Throws 400. */
export function readVersion(text: string): number | undefined {
  if (text === '') return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw badRequest(
    `resourceVersion: Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
  );
}

function checkMatch(match: string, { version, token }: { version: string; token: string }): void {
  if (match === '') return;
  const field = 'resourceVersionMatch';
  const causes = [
    ...(version === '' ? [forbiddenField(field, 'resourceVersionMatch is forbidden unless resourceVersion is provided')] : []),
    ...(token === '' ? [] : [forbiddenField(field, 'resourceVersionMatch is forbidden when continue is provided')]),
    ...(match === 'Exact' || match === 'NotOlderThan' ? [] : [unsupportedValue(field, match, ['Exact', 'NotOlderThan', ''])]),
    ...(match === 'Exact' && version === '0'
      ? [forbiddenField(field, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')]
      : []),
  ];
  if (causes.length > 0) throw invalid({ group: 'meta.k8s.io', kind: 'ListOptions', name: '' }, causes);
}

function tokenOf(revision: number, after: string): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start: after })).toString('base64url');
}

/** `rv: -1` goes on with the present state. */
function readToken(token: string): { at: number | undefined; after: string } {
  const illegal = /[^A-Za-z0-9_-]/.exec(token)?.index ?? (token.length % 4 === 1 ? token.length : undefined);
  if (illegal !== undefined)
    throw badRequest(`invalid continue token: continue key is not valid: illegal base64 data at input byte ${illegal}`);
  const text = Buffer.from(token, 'base64url').toString('utf8');
  try {
    const value: unknown = JSON.parse(text);
    if (!isRecord(value) || typeof value['rv'] !== 'number' || typeof value['start'] !== 'string') throw new Error('not a token');
    return { at: value['rv'] < 0 ? undefined : value['rv'], after: value['start'] };
  } catch (error) {
    throw badRequest(`invalid continue token: continue key is not valid: ${goJsonError(error, text)}`);
  }
}

function forgotten(page: Page, revision: number): Error {
  if (page.after === undefined) return expired(`The resourceVersion for the provided list is too old: ${page.at ?? 0} (${revision})`);
  const message =
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue ' +
    'parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token ' +
    'results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now ' +
    'may show up in the list.';
  return expired(message, tokenOf(-1, page.after));
}

async function waitFor(engine: Engine, revision: number): Promise<void> {
  const deadlineMs = engine.clock.monotonic() + FUTURE_MS;
  while (engine.store.revision < revision) {
    if (engine.clock.monotonic() >= deadlineMs) {
      throw refuse(504, 'Timeout', {
        message: `Timeout: Too large resource version: ${revision}, current: ${engine.store.revision}`,
        details: { causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }], retryAfterSeconds: 1 },
      });
    }
    await engine.clock.sleep(100);
  }
}

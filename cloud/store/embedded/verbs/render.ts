/** Owns the forms of an answer with objects: as they are, as a Table, or their metadata only. */
import type { KubeObject } from '../../kube-api.ts';
import { jsonAnswer } from '../api-request.ts';
import type { PlainAnswer } from '../api-request.ts';
import type { Kind } from '../kinds/kind.ts';
import { groupVersionOf } from '../kinds/kind.ts';
import type { Form } from '../negotiation.ts';
import { badRequest } from '../status.ts';
import { fullText, parseContent, parseObject, textIn } from '../stored-object.ts';
import type { StoredObject } from '../stored-object.ts';
import { partialMetadata, tableOf, tableRow } from '../table.ts';
import type { IncludeObject } from '../table.ts';

export interface Rendering {
  kind: Kind;
  form: Form;
  includeObject: IncludeObject;
  nowMs: number;
}

/** `includeObject` of the query. Throws 400. */
export function includeObjectOf(query: URLSearchParams): IncludeObject {
  const wanted = query.get('includeObject') ?? '';
  if (wanted === '' || wanted === 'Metadata') return 'Metadata';
  if (wanted === 'Object' || wanted === 'None') return wanted;
  throw badRequest(`unrecognized includeObject value: ${JSON.stringify(wanted)}`);
}

/** JSON of one object. */
export function renderObject(stored: StoredObject, rendering: Rendering, withColumns = true): string {
  const { kind, form } = rendering;
  const apiVersion = groupVersionOf(kind);
  if (form === 'object') return textIn(stored, apiVersion);
  if (form === 'partial') return JSON.stringify(partialMetadata(parseObject(stored, apiVersion)));
  const object = rowOf(stored, rendering);
  return JSON.stringify(tableOf([object], { ...rendering, metadata: { resourceVersion: String(stored.revision) }, withColumns }));
}

/** Rows go without managedFields unless the whole object is asked for: kubectl shows them of no table, and they are most of the bytes. */
function rowOf(stored: StoredObject, { kind, includeObject }: Rendering): KubeObject {
  const read = includeObject === 'Object' ? parseObject : parseContent;
  return read(stored, groupVersionOf(kind));
}

export interface ListMeta {
  resourceVersion: string;
  continue?: string;
  remainingItemCount?: number;
}

/** Characters. Longer lists are made as they are sent: whole, they would be held several times over, and for as long as nobody reads them. */
const LONG = 256 * 1024;

export function listAnswer(stored: readonly StoredObject[], metadata: ListMeta, rendering: Rendering): PlainAnswer {
  const pieces = rendering.form === 'table' ? tablePieces(stored, metadata, rendering) : listPieces(stored, metadata, rendering);
  const begun: string[] = [];
  let size = 0;
  for (let next = pieces.next(); next.done !== true; next = pieces.next()) {
    begun.push(next.value);
    size += next.value.length;
    if (size > LONG) return { ...jsonAnswer(200, ''), pieces: chained(begun, pieces) };
  }
  return jsonAnswer(200, begun.join(''));
}

function* chained(begun: readonly string[], rest: Iterable<string>): Generator<string> {
  yield* begun;
  yield* rest;
}

function* tablePieces(stored: readonly StoredObject[], metadata: ListMeta, rendering: Rendering): Generator<string> {
  const options = { ...rendering, metadata: { ...metadata }, withColumns: true };
  const head = JSON.stringify(tableOf([], options));
  yield head.slice(0, head.lastIndexOf(']'));
  for (const [index, each] of stored.entries()) {
    yield `${index === 0 ? '' : ','}${JSON.stringify(tableRow(rowOf(each, rendering), options))}`;
  }
  yield ']}';
}

/** The texts of the objects go in as they are. */
function* listPieces(stored: readonly StoredObject[], metadata: ListMeta, { kind, form }: Rendering): Generator<string> {
  const apiVersion = groupVersionOf(kind);
  const partial = form === 'partial';
  // Lists of custom kinds say so when there is no next page, as on the real server.
  const shown = kind.custom && !partial ? { continue: '', ...metadata } : metadata;
  const [listKind, listVersion] = partial ? ['PartialObjectMetadataList', 'meta.k8s.io/v1'] : [kind.listKind, apiVersion];
  yield `${JSON.stringify({ kind: listKind, apiVersion: listVersion, metadata: shown }).slice(0, -1)},"items":[`;
  for (const [index, each] of stored.entries()) {
    if (index > 0) yield ',';
    if (partial) yield JSON.stringify(partialMetadata(parseObject(each, apiVersion)));
    else yield kind.custom ? textIn(each, apiVersion) : withoutKind(each, kind);
  }
  yield ']}';
}

/** In lists of built-in kinds the items do not repeat the kind, as on the real server. */
function withoutKind(stored: StoredObject, kind: Kind): string {
  const start = `{"apiVersion":"${groupVersionOf(kind)}","kind":"${kind.kind}",`;
  const text = fullText(stored);
  return text.startsWith(start) ? `{${text.slice(start.length)}` : text;
}

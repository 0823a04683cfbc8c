/** Owns the forms of an answer with objects: as they are, as a Table, or their metadata only. */
import type { KubeObject } from '../../kube-api.ts';
import type { Kind } from '../kinds/kind.ts';
import { groupVersionOf } from '../kinds/kind.ts';
import type { Form } from '../negotiation.ts';
import { badRequest } from '../status.ts';
import { fullText, parseContent, parseObject, textIn } from '../stored-object.ts';
import type { StoredObject } from '../stored-object.ts';
import { partialMetadata, tableOf } from '../table.ts';
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

/** JSON of a list; the texts of the objects go in as they are. */
export function renderList(stored: readonly StoredObject[], metadata: ListMeta, rendering: Rendering): string {
  const { kind, form } = rendering;
  const apiVersion = groupVersionOf(kind);
  if (form === 'table') {
    const objects = stored.map((each) => rowOf(each, rendering));
    return JSON.stringify(tableOf(objects, { ...rendering, metadata: { ...metadata }, withColumns: true }));
  }
  const [listKind, listVersion] = form === 'partial' ? ['PartialObjectMetadataList', 'meta.k8s.io/v1'] : [kind.listKind, apiVersion];
  const items = stored.map((each) => {
    if (form === 'partial') return JSON.stringify(partialMetadata(parseObject(each, apiVersion)));
    return kind.custom ? textIn(each, apiVersion) : withoutKind(each, kind);
  });
  // Lists of custom kinds say so when there is no next page, as on the real server.
  const shown = kind.custom && form === 'object' ? { continue: '', ...metadata } : metadata;
  const head = JSON.stringify({ kind: listKind, apiVersion: listVersion, metadata: shown });
  return `${head.slice(0, -1)},"items":[${items.join(',')}]}`;
}

/** In lists of built-in kinds the items do not repeat the kind, as on the real server. */
function withoutKind(stored: StoredObject, kind: Kind): string {
  const start = `{"apiVersion":"${groupVersionOf(kind)}","kind":"${kind.kind}",`;
  const text = fullText(stored);
  return text.startsWith(start) ? `{${text.slice(start.length)}` : text;
}

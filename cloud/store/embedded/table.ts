/** Owns Table answers: the server-side columns that `kubectl get` prints. */
import type { KubeObject } from '../kube-api.ts';
import type { Kind } from './kinds/kind.ts';

/** What stands in `rows[].object`: metadata only, the whole object, or nothing. */
export type IncludeObject = 'Metadata' | 'Object' | 'None';

const NAME_COLUMN = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Name must be unique within a namespace.',
  priority: 0,
};

export interface TableOptions {
  kind: Kind;
  nowMs: number;
  includeObject: IncludeObject;
  /** Metadata of the table: the list's version, continue token. */
  metadata: Record<string, unknown>;
  /** False in the second and later events of a watch. */
  withColumns: boolean;
}

export function tableOf(objects: readonly KubeObject[], options: TableOptions): Record<string, unknown> {
  const { kind, metadata, withColumns } = options;
  const columns = kind.columns.map(({ name, type, format, description, priority }) => ({ name, type, format, description, priority }));
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: withColumns ? [...(hasName(kind) ? [] : [NAME_COLUMN]), ...columns] : null,
    rows: objects.map((object) => tableRow(object, options)),
  };
}

export function tableRow(object: KubeObject, { kind, nowMs, includeObject }: TableOptions): Record<string, unknown> {
  return {
    cells: [...(hasName(kind) ? [] : [object.metadata.name]), ...kind.columns.map((column) => column.cell(object, nowMs))],
    object: rowObject(object, includeObject),
  };
}

/** Events begin with their time; their name stands at the end of the wide form. */
function hasName(kind: Kind): boolean {
  return kind.columns.some(({ name }) => name === NAME_COLUMN.name);
}

function rowObject(object: KubeObject, include: IncludeObject): unknown {
  if (include === 'None') return null;
  return include === 'Object' ? object : partialMetadata(object);
}

/** The same object cut to its metadata. */
export function partialMetadata(object: KubeObject): Record<string, unknown> {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}

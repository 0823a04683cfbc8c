/** Owns the printer columns: those of the built-in kinds, and those that CustomResourceDefinitions declare. */
import type { KubeObject } from '../../kube-api.ts';
import { ageOf } from '../ages.ts';
import { dig, isRecord, listAt, textAt } from '../json-value.ts';
import { compileJsonPath } from '../json-path.ts';
import type { Column } from './kind.ts';

export type Cell = Column['cell'];

export function column(name: string, cell: Cell, priority = 0): Column {
  return { name, type: 'string', format: '', description: name, priority, cell };
}

export const NONE = '<none>';
export const orNone = (text: string): string => (text === '' ? NONE : text);
export const age = column('Age', (object, nowMs) => ageOf(object.metadata.creationTimestamp, nowMs));
export const at =
  (...path: string[]): Cell =>
  (object) =>
    orNone(textAt(object, ...path));
const size = (value: unknown): number => (isRecord(value) ? Object.keys(value).length : 0);

export const nodeColumns: readonly Column[] = [
  column('Status', nodeStatus),
  column('Roles', nodeRoles),
  age,
  column('Version', at('status', 'nodeInfo', 'kubeletVersion')),
  column('Internal-IP', address('InternalIP'), 1),
  column('External-IP', address('ExternalIP'), 1),
  column('OS-Image', orUnknown('osImage'), 1),
  column('Kernel-Version', orUnknown('kernelVersion'), 1),
  column('Container-Runtime', orUnknown('containerRuntimeVersion'), 1),
];
export const namespaceColumns: readonly Column[] = [column('Status', (object) => textAt(object, 'status', 'phase')), age];
export const configMapColumns: readonly Column[] = [column('Data', (object) => size(object['data']) + size(object['binaryData'])), age];
export const secretColumns: readonly Column[] = [
  column('Type', (object) => textAt(object, 'type')),
  column('Data', (object) => size(object['data'])),
  age,
];
export const leaseColumns: readonly Column[] = [column('Holder', (object) => textAt(object, 'spec', 'holderIdentity')), age];
export const crdColumns: readonly Column[] = [
  { ...column('Created At', (object) => object.metadata.creationTimestamp ?? ''), type: 'date' },
];
export const eventColumns: readonly Column[] = [
  column('Last Seen', (object, nowMs) => ageOf(lastSeen(object), nowMs)),
  column('Type', (object) => textAt(object, 'type')),
  column('Reason', (object) => textAt(object, 'reason')),
  column('Object', involved),
  column('Subobject', (object) => textAt(object, 'involvedObject', 'fieldPath'), 1),
  column('Source', eventSource, 1),
  column('Message', (object) => textAt(object, 'message').trim()),
  column('First Seen', (object, nowMs) => ageOf(firstSeen(object), nowMs), 1),
  column('Count', (object) => dig(object, 'count') ?? dig(object, 'series', 'count') ?? 1, 1),
  column('Name', (object) => object.metadata.name, 1),
];

function nodeStatus(object: KubeObject): string {
  const ready = listAt(object, 'status', 'conditions').find((condition) => textAt(condition, 'type') === 'Ready');
  const state = ready === undefined ? 'Unknown' : textAt(ready, 'status') === 'True' ? 'Ready' : 'NotReady';
  return dig(object, 'spec', 'unschedulable') === true ? `${state},SchedulingDisabled` : state;
}

function nodeRoles(object: KubeObject): string {
  const prefix = 'node-role.kubernetes.io/';
  const labels = Object.entries(object.metadata.labels ?? {});
  const roles = labels.flatMap(([key, value]) =>
    key.startsWith(prefix) ? [key.slice(prefix.length)] : key === 'kubernetes.io/role' ? [value] : [],
  );
  return orNone(
    [...new Set(roles)]
      .filter((role) => role !== '')
      .sort()
      .join(','),
  );
}

function address(type: string): Cell {
  return (object) => {
    const found = listAt(object, 'status', 'addresses').find((each) => textAt(each, 'type') === type);
    return orNone(textAt(found, 'address'));
  };
}

function orUnknown(field: string): Cell {
  return (object) => textAt(object, 'status', 'nodeInfo', field) || '<unknown>';
}

function lastSeen(object: KubeObject): unknown {
  return (
    dig(object, 'series', 'lastObservedTime') ??
    dig(object, 'lastTimestamp') ??
    dig(object, 'eventTime') ??
    object.metadata.creationTimestamp
  );
}

function firstSeen(object: KubeObject): unknown {
  return dig(object, 'firstTimestamp') ?? dig(object, 'eventTime') ?? object.metadata.creationTimestamp;
}

function involved(object: KubeObject): string {
  const kind = textAt(object, 'involvedObject', 'kind').toLowerCase();
  const name = textAt(object, 'involvedObject', 'name');
  return name === '' ? kind : `${kind}/${name}`;
}

function eventSource(object: KubeObject): string {
  const component = textAt(object, 'source', 'component') || textAt(object, 'reportingComponent');
  const host = textAt(object, 'source', 'host') || textAt(object, 'reportingInstance');
  return host === '' ? component : `${component}, ${host}`;
}

/** As a CustomResourceDefinition has it. */
export interface DeclaredColumn {
  name: string;
  type: string;
  jsonPath: string;
  format?: string;
  description?: string;
  priority?: number;
}

/**
 * Columns of a custom kind; Age when it declares none. `fallbacks` are further paths by column name, for kinds whose objects come in
 * several generations: the first path that has a value fills the cell.
 */
export function customColumns(
  declared: readonly DeclaredColumn[],
  fallbacks: ReadonlyMap<string, readonly string[]> = new Map(),
): Column[] {
  if (declared.length === 0) return [{ ...age, type: 'date' }];
  return declared.map(({ name, type, jsonPath, format = '', description = '', priority = 0 }) => {
    const paths = [jsonPath, ...(fallbacks.get(name) ?? [])].flatMap((path) => compileJsonPath(path) ?? []);
    const cell: Cell = (object, nowMs) => {
      for (const path of paths) {
        const [hit] = path(object);
        if (hit !== undefined && hit !== null && hit !== '') return customCell(type, hit, nowMs);
      }
      return null;
    };
    return { name, type, format, description, priority, cell };
  });
}

/** Lines of `Column name: .json.path`; several lines for one column are tried in their order. */
export function readFallbacks(text: string | undefined): Map<string, string[]> {
  const fallbacks = new Map<string, string[]>();
  for (const line of (text ?? '').split('\n')) {
    const [, name, path] = /^(.+?):\s+(\S.*)$/.exec(line.trim()) ?? [];
    if (name !== undefined && path !== undefined) fallbacks.set(name, [...(fallbacks.get(name) ?? []), path]);
  }
  return fallbacks;
}

function customCell(type: string, value: unknown, nowMs: number): unknown {
  switch (type) {
    case 'date':
      return typeof value === 'string' ? ageOf(value, nowMs) : '<invalid>';
    case 'integer':
      return Number.isInteger(Number(value)) ? Number(value) : null;
    case 'number':
      return Number.isFinite(Number(value)) ? Number(value) : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    default:
      return typeof value === 'string' ? value : JSON.stringify(value);
  }
}

/** Owns the managedFields of a write: what the object and the request say of managers, and what is stored of it. */
import type { KubeObject, ManagedFieldsEntry, ObjectMeta } from '../../kube-api.ts';
import type { ApiRequest } from '../api-request.ts';
import type { Kind } from '../kinds/kind.ts';
import { groupVersionOf } from '../kinds/kind.ts';
import { changesBetween } from '../managed-fields/extract.ts';
import type { Changes } from '../managed-fields/extract.ts';
import { MOST_MANAGER_BYTES, managerOf, startOf } from '../managed-fields/managers.ts';
import type { Manager, Managers } from '../managed-fields/managers.ts';
import { rootOf } from '../managed-fields/place.ts';
import { emptyObject, recorded, splitChanges } from '../managed-fields/record.ts';
import { forbiddenField, invalid, invalidValue, required } from '../status.ts';

const NOBODY: Managers = [];
/** Writes the status of definitions by itself. */
const SERVER = 'kube-apiserver';
const STATUS = 'f:status';

/** Takes them out of the object: they are compared and stored apart from it. */
export function takeManagers(metadata: ObjectMeta): unknown {
  const { managedFields } = metadata;
  delete metadata.managedFields;
  return managedFields;
}

/** Those of an object of ours. */
export function liveManagers(metadata: ObjectMeta): Managers {
  return (takeManagers(metadata) as ManagedFieldsEntry[] | undefined) ?? NOBODY;
}

export function putManagers(metadata: ObjectMeta, managers: Managers): void {
  if (managers.length > 0) metadata.managedFields = [...managers];
}

export function managerOfRequest(kind: Kind, { query, userAgent }: ApiRequest, subresource: string | undefined): Manager {
  return { name: managerOf(query.get('fieldManager') ?? '', userAgent), apiVersion: groupVersionOf(kind), subresource };
}

/** Throws 422. */
export function checkManagerOptions({ query }: ApiRequest, optionsKind: string, applies: boolean): void {
  const manager = query.get('fieldManager') ?? '';
  const causes = [
    ...(applies && manager === '' ? [required('fieldManager', 'is required for apply patch')] : []),
    ...(!applies && optionsKind === 'PatchOptions' && query.has('force')
      ? [forbiddenField('force', 'may not be specified for non-apply patch')]
      : []),
    ...(Buffer.byteLength(manager) > MOST_MANAGER_BYTES
      ? [{ reason: 'FieldValueTooLong', message: `Too long: may not be more than ${MOST_MANAGER_BYTES} bytes`, field: 'fieldManager' }]
      : []),
    ...(/[\p{C}]/u.test(manager) ? [invalidValue('fieldManager', manager, 'should not contain non-printable characters')] : []),
  ];
  if (causes.length > 0) throw invalid({ group: 'meta.k8s.io', kind: optionsKind, name: '' }, causes);
}

/** Whoever creates it owns what it says. */
export function managersOfCreate(kind: Kind, object: KubeObject, by: { manager: Manager; time: string }): Managers {
  const place = rootOf(kind);
  return recordedFor(kind, { start: NOBODY, changes: changesBetween(place, emptyObject(place, object), object) }, by);
}

export interface Writing {
  previous: KubeObject;
  next: KubeObject;
  live: Managers;
  /** What the body says of managers. */
  sent: unknown;
  manager: Manager;
  time: string;
}

/** Nobody is recorded where nobody was: of an object from before managers were recorded, or reset by a client. */
export function managersOfUpdate(kind: Kind, { previous, next, live, sent, manager, time }: Writing): Managers {
  const start = startOf(live, sent, manager.subresource);
  if (start.length === 0) return start;
  return recordedFor(kind, { start, changes: changesBetween(rootOf(kind), previous, next) }, { manager, time });
}

/** The main path does not write status where that has a path of its own, even if it takes one at creation. */
function recordedFor(
  kind: Kind,
  { start, changes }: { start: Managers; changes: Changes },
  by: { manager: Manager; time: string },
): Managers {
  if (!kind.hasStatus || by.manager.subresource === 'status') return recorded(start, changes, by);
  const { inside, outside } = splitChanges(changes, STATUS);
  const managers = recorded(start, outside, by);
  if (kind.resource !== 'customresourcedefinitions.apiextensions.k8s.io') return managers;
  return recorded(managers, inside, { ...by, manager: { ...by.manager, name: SERVER, subresource: 'status' } });
}

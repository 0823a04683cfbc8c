/** Owns the life of namespaces: nothing is created in one that is missing or going, and one that is empty goes. */
import type { KubeObject } from '../../kube-api.ts';
import type { Engine } from '../engine.ts';
import { isRecord } from '../json-value.ts';
import type { Kind } from '../kinds/kind.ts';
import { detailsOf, notFound, qualified, refuse } from '../status.ts';
import { parseObject } from '../stored-object.ts';

const NAMESPACES = { group: '', plural: 'namespaces' };
export const PROTECTED_NAMESPACES: ReadonlySet<string> = new Set(['default', 'kube-system', 'kube-public']);

/** Throws 404 or 403. */
export function requireNamespace(engine: Engine, kind: Kind, name: string): void {
  const stored = engine.store.get('namespaces', '', name);
  if (stored === undefined) throw notFound(NAMESPACES, name);
  if (parseObject(stored, 'v1').metadata.deletionTimestamp === undefined) return;
  const why = `unable to create new content in namespace ${name} because it is being terminated`;
  throw refuse(403, 'Forbidden', {
    message: `${qualified(kind)} is forbidden: ${why}`,
    details: {
      ...detailsOf(kind),
      causes: [{ reason: 'NamespaceTerminating', message: `namespace ${name} is being terminated`, field: 'metadata.namespace' }],
    },
  });
}

/** Removes the namespace if it is going and nothing is left in it. Resolves after the commit. */
export async function finishNamespace(engine: Engine, name: string): Promise<void> {
  if (name === '') return;
  const stored = engine.store.get('namespaces', '', name);
  if (stored === undefined) return;
  const object = parseObject(stored, 'v1');
  if (object.metadata.deletionTimestamp === undefined || !isEmpty(engine, name)) return;
  await engine.store.write({ resource: 'namespaces', object, remove: true }).done;
}

export function isEmpty(engine: Engine, namespace: string): boolean {
  return namespacedResources(engine).every((kind) => engine.store.list(kind.resource, namespace).length === 0);
}

/** One kind of each namespaced resource, whichever version. */
export function namespacedResources(engine: Engine): Kind[] {
  return [...new Map(engine.registry.all().map((kind) => [kind.resource, kind])).values()].filter((kind) => kind.namespaced);
}

export function markTerminating(object: KubeObject): void {
  const status = isRecord(object['status']) ? object['status'] : {};
  object['status'] = { ...status, phase: 'Terminating' };
}

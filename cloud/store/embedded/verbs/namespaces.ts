/** Owns the rules of namespaces: nothing is created in one that is missing or going, and what keeps one that is going. */
import type { KubeObject } from '../../kube-api.ts';
import type { Engine } from '../engine.ts';
import { isRecord, listAt } from '../json-value.ts';
import type { Kind } from '../kinds/kind.ts';
import { detailsOf, notFound, qualified, refuse } from '../status.ts';

const NAMESPACES = { group: '', plural: 'namespaces' };
export const NAMESPACE_FINALIZER = 'kubernetes';
export const PROTECTED_NAMESPACES: ReadonlySet<string> = new Set(['default', 'kube-system', 'kube-public']);

/** Throws 404 or 403. */
export function requireNamespace(engine: Engine, kind: Kind, { namespace: name, object }: { namespace: string; object: KubeObject }): void {
  const stored = engine.store.get('namespaces', '', name);
  if (stored === undefined) throw notFound(NAMESPACES, name);
  if (!stored.deleting) return;
  const { name: objectName, generateName } = object.metadata;
  const shown = objectName || (generateName ?? 'Unknown');
  const why = `unable to create new content in namespace ${name} because it is being terminated`;
  throw refuse(403, 'Forbidden', {
    message: `${qualified(kind)} "${shown}" is forbidden: ${why}`,
    details: {
      ...detailsOf(kind, shown),
      causes: [{ reason: 'NamespaceTerminating', message: `namespace ${name} is being terminated`, field: 'metadata.namespace' }],
    },
  });
}

/**
 * Whether nothing keeps an object that is being deleted: no finalizer (a namespace has some of its own in `spec`), and no grace period
 * that a node would end.
 */
export function mayVanish(object: KubeObject): boolean {
  const { finalizers = [], deletionTimestamp, deletionGracePeriodSeconds = 0 } = object.metadata;
  const own = object.kind === 'Namespace' ? listAt(object, 'spec', 'finalizers') : [];
  return deletionTimestamp !== undefined && finalizers.length === 0 && deletionGracePeriodSeconds === 0 && own.length === 0;
}

/** `spec.finalizers` of a namespace change on its path `finalize` only, and nothing else of `spec` does there. */
export function keepNamespaceFinalizers({
  previous,
  next,
  finalizing,
}: {
  previous: KubeObject;
  next: KubeObject;
  finalizing: boolean;
}): void {
  const base = finalizing ? previous['spec'] : next['spec'];
  const finalizers = listAt(finalizing ? next : previous, 'spec', 'finalizers');
  const spec = { ...(isRecord(base) ? base : {}) };
  if (finalizers.length === 0) delete spec['finalizers'];
  else spec['finalizers'] = finalizers;
  next['spec'] = spec;
}

/** One kind of each namespaced resource, whichever version. */
export function namespacedResources(engine: Engine): Kind[] {
  return [...new Map(engine.registry.all().map((kind) => [kind.resource, kind])).values()].filter((kind) => kind.namespaced);
}

/** Namespaces that were stored without the finalizer get it now: their contents go first. */
export function markTerminating(object: KubeObject): void {
  const spec = isRecord(object['spec']) ? object['spec'] : {};
  if (spec['finalizers'] === undefined) object['spec'] = { ...spec, finalizers: [NAMESPACE_FINALIZER] };
  const status = isRecord(object['status']) ? object['status'] : {};
  object['status'] = { ...status, phase: 'Terminating' };
}
